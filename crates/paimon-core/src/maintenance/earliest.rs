//! Which snapshot counts as the oldest, where snapshots before it were lost.
//!
//! Source: `SnapshotManager.repairEarliestSnapshot`.

use crate::error::{Error, ErrorKind, Result};
use crate::table::Table;

/// Notes the snapshot behind a gap as the oldest: those before the gap are left to orphan cleaning. Returns the one that
/// was the oldest.
///
/// # Errors
/// `InvalidInput` when snapshots are missing from there on, or when none is missing right before it, `Internal` when the
/// note could not be written.
pub async fn repair_earliest_snapshot(table: &Table, id: i64) -> Result<i64> {
    let manager = table.snapshots();
    let wrong = |message: String| Error::invalid(message).with("snapshot_id", id);
    let (Some(previous), Some(latest)) = (manager.earliest_id().await?, manager.latest_id().await?)
    else {
        return Err(wrong("the table has no snapshots".into()));
    };
    if !(previous..=latest).contains(&id) {
        return Err(wrong(format!(
            "a snapshot from {previous}, the oldest one, to {latest}, the newest one, is expected"
        )));
    }
    let ids = manager.ids().await?;
    if let Some(lost) = (id..=latest).find(|wanted| ids.binary_search(wanted).is_err()) {
        return Err(wrong(format!("snapshot {lost} does not exist")));
    }
    if id != previous && ids.binary_search(&(id - 1)).is_ok() {
        return Err(wrong(format!(
            "no snapshot is missing right before {id}: snapshot {} exists",
            id - 1
        )));
    }
    manager.hint_earliest(id).await;
    match manager.earliest_id().await? {
        Some(now) if now == id => Ok(previous),
        now => Err(Error::new(
            ErrorKind::Internal,
            format!("the note of the oldest snapshot was not written: it is still {now:?}"),
        )
        .with("snapshot_id", id)),
    }
}
