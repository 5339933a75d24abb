//! Changes computed from rows that were read: they hold only while those rows are the newest ones.

use crate::error::{Error, ErrorKind, Result};
use crate::snapshot::SnapshotManager;
use crate::spec::{CommitKind, Snapshot};

/// A change of rows that were read first, so that nothing that others commit in between is lost.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// The snapshot that was read; `None` for a table without one.
    pub base: Option<Snapshot>,
    /// What the snapshot says of itself, such as `UPDATE`.
    pub operation: &'static str,
    /// Whether a snapshot is made even if nothing changes: one that says that this user is done.
    pub even_if_empty: bool,
}

impl RowChange {
    /// Checks that no snapshot since changed rows.
    ///
    /// # Errors
    /// `CommitConflict` when one did, or may have: it is gone.
    pub(in crate::commit) async fn check(
        &self,
        snapshots: &SnapshotManager,
        latest: Option<&Snapshot>,
    ) -> Result<()> {
        let Some(latest) = latest else {
            return match &self.base {
                None => Ok(()),
                Some(base) => Err(changed(base.id)),
            };
        };
        let read = self.base.as_ref().map_or(0, |s| s.id);
        if latest.id <= read {
            return match self.base.as_ref() == Some(latest) {
                true => Ok(()),
                false => Err(changed(latest.id)),
            };
        }
        if let Some(base) = &self.base
            && let Some(found) = snapshots.try_get(base.id).await?
            && found != *base
        {
            // rolled back, and others committed since
            return Err(changed(base.id));
        }
        for id in read + 1..latest.id {
            let keeps = snapshots.try_get(id).await?.is_some_and(|s| keeps_rows(&s));
            if !keeps {
                return Err(changed(id));
            }
        }
        match keeps_rows(latest) {
            true => Ok(()),
            false => Err(changed(latest.id)),
        }
    }
}

fn keeps_rows(snapshot: &Snapshot) -> bool {
    matches!(
        snapshot.commit_kind,
        CommitKind::Compact | CommitKind::Analyze
    )
}

fn changed(id: i64) -> Error {
    Error::new(
        ErrorKind::CommitConflict,
        "the rows that a statement read were changed by another commit",
    )
    .with("snapshot", id)
}
