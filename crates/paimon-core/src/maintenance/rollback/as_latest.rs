//! Making an earlier snapshot the newest state while the history stays.
//!
//! Source: `RollbackToAsLatestProcedure`, `FileStoreCommitImpl.rollbackToAsLatest`.

use super::{RollbackTarget, existing_tag};
use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit};
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::tags::{delete_tag, keep_snapshot};
use crate::table::Table;

/// Snapshots of a [`rollback_as_latest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledBack {
    /// The newest one before.
    pub previous: i64,
    /// The one whose state came back.
    pub target: i64,
    /// The newest one now.
    pub current: i64,
}

/// Commits a snapshot with the state of an earlier one. No snapshot, tag or file is removed. A snapshot that no tag names is
/// given one, `rollback-to-as-latest-ID-UUID`, which stays: expiry of the snapshots in between would take files away that
/// live again.
///
/// # Errors
/// `NotFound` for an unknown tag or a table without snapshots, `SnapshotExpired` for a snapshot that does not exist, else as
/// [`FileStoreCommit::commit`].
///
/// # Cancel safety
/// A cancelled call may have made the tag, or taken effect.
pub async fn rollback_as_latest(
    table: &Table,
    target: &RollbackTarget,
    context: CommitContext,
) -> Result<RolledBack> {
    let own = context.ids.uuid();
    let user = format!("rollback-to-as-latest-{own}");
    let commit = FileStoreCommit::new(table, &user, context)?;
    if table.snapshots().latest_id().await?.is_none() {
        return Err(Error::new(ErrorKind::NotFound, "the table has no snapshot")
            .with("table", table.name()));
    }
    let (snapshot, made) = match target {
        RollbackTarget::Tag(name) => (existing_tag(table, name).await?.snapshot, None),
        RollbackTarget::Snapshot(id) => {
            let name = format!("rollback-to-as-latest-{id}-{own}");
            (keep_snapshot(table, &name, *id).await?, Some(name))
        }
    };
    match commit.restore(&snapshot, BATCH_COMMIT_IDENTIFIER).await {
        Ok(current) => Ok(RolledBack {
            previous: current - 1,
            target: snapshot.id,
            current,
        }),
        Err(error) => {
            // after other errors a snapshot may be there that needs the files
            let never_published = matches!(
                error.kind(),
                ErrorKind::CommitConflict | ErrorKind::InvalidInput | ErrorKind::Unsupported
            );
            if let Some(name) = made.filter(|_| never_published) {
                delete_tag(table, &name).await?;
            }
            Err(error)
        }
    }
}
