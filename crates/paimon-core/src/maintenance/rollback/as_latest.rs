//! Making an earlier snapshot the newest state while the history stays.
//!
//! Source: `RollbackToAsLatestProcedure`, `FileStoreCommitImpl.rollbackToAsLatest`.

use bytes::Bytes;

use super::{RollbackTarget, existing_tag};
use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit};
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::tags::{delete_tag, keep_snapshot};
use crate::snapshot::TagInfo;
use crate::spec::Snapshot;
use crate::table::Table;

/// How the users of such commits and the tags they make begin, as in Java.
const PREFIX: &str = "rollback-to-as-latest-";

/// An empty file beside the tags: files came back that an older tag has and a newer one may lack.
const MARK: &str = "restored";

/// Whether a state came back, as far as snapshots and tags tell, or the mark that [`rollback_as_latest`] leaves.
pub(in crate::maintenance) async fn was_restored(
    table: &Table,
    snapshots: impl Iterator<Item = &Snapshot>,
    tags: &[TagInfo],
) -> Result<bool> {
    let restores = |s: &Snapshot| s.commit_user.starts_with(PREFIX);
    let mut tagged = tags.iter();
    if tagged.any(|t| t.name.starts_with(PREFIX) || restores(&t.tag.snapshot)) {
        return Ok(true);
    }
    if { snapshots }.any(restores) {
        return Ok(true);
    }
    let mark = format!("{}/tag/{MARK}", table.metadata_root()?);
    table.io().exists(&mark).await
}

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
    let user = format!("{PREFIX}{own}");
    let commit = FileStoreCommit::new(table, &user, context)?;
    if table.snapshots().latest_id().await?.is_none() {
        return Err(Error::new(ErrorKind::NotFound, "the table has no snapshot")
            .with("table", table.name()));
    }
    let (snapshot, made) = match target {
        RollbackTarget::Tag(name) => (existing_tag(table, name).await?.snapshot, None),
        RollbackTarget::Snapshot(id) => {
            let name = format!("{PREFIX}{id}-{own}");
            (keep_snapshot(table, &name, *id).await?, Some(name))
        }
    };
    let mark = format!("{}/tag/{MARK}", table.metadata_root()?);
    table.io().overwrite(&mark, Bytes::new()).await?;
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
