//! Whether a snapshot that was just created has its place in the history.
//!
//! Creating `snapshot-<n>` if absent also succeeds where an earlier `snapshot-<n>` expired or was rolled back while the
//! commit was under way. Expiry removes snapshots in ascending order and keeps the newest, so what is there tells.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{live_entries, read_manifest_list};
use crate::snapshot::SnapshotManager;
use crate::spec::{ManifestFileMeta, Snapshot};
use crate::table::Table;

/// Where a snapshot stands that was just created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the end of the history.
    Newest,
    /// Others built on it.
    Followed,
    /// In the place of another one that is gone: no snapshot builds on it.
    Reused,
    /// In a folder that is no table any more.
    Nowhere,
    /// It is no longer there, or others built on it in a used place: nobody can tell.
    Gone,
}

/// The outcome of an attempt whose snapshot file was created: one in a used place is taken back.
pub(in crate::commit) async fn published(
    table: &Table,
    snapshot: &Snapshot,
    base: Option<&Snapshot>,
) -> Outcome {
    let manager = table.snapshots();
    match place_of(table, snapshot, base).await {
        Ok(Place::Newest) => {
            manager.hint_latest(snapshot.id).await;
            Outcome::Committed(snapshot.id)
        }
        Ok(Place::Followed) => Outcome::Committed(snapshot.id),
        Ok(Place::Reused) => match table.io().discard(&manager.location(snapshot.id)).await {
            Ok(()) => Outcome::Lost,
            Err(error) => Outcome::Replaced(error),
        },
        Ok(Place::Gone) => Outcome::Replaced(
            Error::new(
                ErrorKind::Io,
                "the snapshot was removed or overtaken right after it was published",
            )
            .with("snapshot_id", snapshot.id),
        ),
        Ok(Place::Nowhere) => match table.io().discard(&manager.location(snapshot.id)).await {
            Ok(()) => Outcome::Failed(no_longer_there(table)),
            Err(error) => Outcome::Replaced(error),
        },
        Err(error) => Outcome::Replaced(error),
    }
}

/// The error of commits to a table that was dropped, renamed, replaced or made anew.
pub(super) fn no_longer_there(table: &Table) -> Error {
    Error::new(
        ErrorKind::CommitConflict,
        "the table was dropped, renamed, replaced or made anew while it was written to",
    )
    .with("path", table.location())
}

/// Looks at the snapshots around a new one.
///
/// # Errors
/// `Io` or `Damaged` when they cannot be read.
async fn place_of(table: &Table, snapshot: &Snapshot, base: Option<&Snapshot>) -> Result<Place> {
    let schemas = table.schemas();
    let table = &table.uncached()?;
    let (manager, io) = (table.snapshots(), table.io());
    if let Some(base) = base
        && let Some(before) = manager.try_get(snapshot.id - 1).await?
    {
        // the one before is removed first: while it is there, this number was never in use. After a rollback others may
        // have made another one of its number
        return Ok(match before == *base {
            true => Place::Newest,
            false if follower(manager, snapshot).await?.is_some() => Place::Gone,
            false => Place::Reused,
        });
    }
    let ids = manager.ids().await?;
    if !ids.contains(&snapshot.id) {
        return Ok(Place::Gone);
    }
    if ids.iter().any(|id| *id < snapshot.id) {
        // a rollback took the one before
        return Ok(Place::Reused);
    }
    if ids.last() == Some(&snapshot.id) {
        return Ok(match schemas.latest_of_same().await?.1 {
            true => Place::Newest,
            false => Place::Nowhere,
        });
    }
    let Some(next) = follower(manager, snapshot).await? else {
        return match io.exists(&manager.location(snapshot.id)).await? {
            true => Ok(Place::Reused),
            false => Ok(Place::Gone),
        };
    };
    match builds_on(table, &next, snapshot).await {
        Ok(true) => Ok(Place::Followed),
        Ok(false) => Ok(Place::Reused),
        // what was read expires as well
        Err(error) if manager.is_outdated(Some(next.id), &error).await => Ok(Place::Gone),
        Err(error) => Err(error),
    }
}

async fn follower(manager: &SnapshotManager, snapshot: &Snapshot) -> Result<Option<Snapshot>> {
    manager.try_get(snapshot.id.saturating_add(1)).await
}

/// Whether the newest snapshot is still what an attempt was built on, right before it is published: others may have rolled
/// the table back, committed since, dropped it or made it anew. The outcome if not.
pub(super) async fn outrun(table: &Table, base: &Snapshot) -> Option<Outcome> {
    let found = async {
        let found = table.uncached()?.snapshots().try_get(base.id).await?;
        match found {
            Some(found) if found == *base => Ok(None),
            Some(_) => Ok(Some(Outcome::Lost)),
            None if table.schemas().latest_of_same().await?.1 => Ok(None),
            None => Ok(Some(Outcome::Failed(no_longer_there(table)))),
        }
    };
    found.await.unwrap_or_else(|e| Some(Outcome::Failed(e)))
}

/// Whether the files that `next` begins with are those of `snapshot`.
async fn builds_on(table: &Table, next: &Snapshot, snapshot: &Snapshot) -> Result<bool> {
    let list = async |name: &str| read_manifest_list(table.io(), table.location(), name).await;
    let mut own = list(&snapshot.base_manifest_list).await?;
    own.extend(list(&snapshot.delta_manifest_list).await?);
    let theirs = list(&next.base_manifest_list).await?;
    Ok(files(table, &own).await? == files(table, &theirs).await?)
}

type Files = BTreeSet<(Bytes, i32, i32, String)>;

/// Partition, bucket, level and name of the live files.
async fn files(table: &Table, list: &[ManifestFileMeta]) -> Result<Files> {
    let scan = table.manifest_scan();
    let live = live_entries(scan.entries(list).await?);
    let live = live.into_iter();
    Ok(live
        .map(|e| {
            (
                e.partition,
                e.bucket,
                e.file.level,
                e.file.file_name.clone(),
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::{Int32Array, RecordBatch};
    use object_store::memory::InMemory;

    use super::*;
    use crate::io::FileIo;

    const SCHEMA: &str = r#"{"version": 3, "id": 0, "highestFieldId": 0, "partitionKeys": [],
        "primaryKeys": [], "fields": [{"id": 0, "name": "id", "type": "INT"}],
        "options": {"write-only": "true"}}"#;

    async fn table(store: &InMemory) -> Table {
        let io = FileIo::with_store(Arc::new(store.fork()), "memory://");
        let path = "memory:/t/schema/schema-0";
        io.publish(path, SCHEMA.into()).await.unwrap();
        Table::open(io, "memory:/t", "t").await.unwrap()
    }

    async fn commit(table: &Table) -> Snapshot {
        let mut write = table.new_write().unwrap();
        let ids = Arc::new(Int32Array::from(vec![1]));
        let batch = RecordBatch::try_new(table.arrow_schema(), vec![ids]).unwrap();
        write.write(&batch).await.unwrap();
        let messages = write.prepare_commit().await.unwrap();
        table.new_commit().commit(1, messages).await.unwrap();
        table.snapshots().latest().await.unwrap().unwrap()
    }

    async fn remove(table: &Table, id: i64) {
        let path = table.snapshots().location(id);
        table.io().discard(&path).await.unwrap();
    }

    /// Where a snapshot stands that was built on the one that is before it now.
    async fn place(table: &Table, snapshot: &Snapshot) -> Result<Place> {
        let before = table.snapshots().try_get(snapshot.id - 1).await?;
        place_of(table, snapshot, before.as_ref()).await
    }

    #[tokio::test]
    async fn a_snapshot_on_another_history_is_in_a_used_place() {
        let table = table(&InMemory::new()).await;
        commit(&table).await;
        let old = commit(&table).await;
        // rolled back, and others commit
        remove(&table, 2).await;
        let new = commit(&table).await;
        let third = commit(&table).await;
        let found = place_of(&table, &third, Some(&old)).await.unwrap();
        assert_eq!(found, Place::Reused);
        let found = place_of(&table, &third, Some(&new)).await.unwrap();
        assert_eq!(found, Place::Newest);
    }

    #[tokio::test]
    async fn a_table_that_is_gone_takes_no_snapshot() {
        let table = table(&InMemory::new()).await;
        let first = commit(&table).await;
        let second = commit(&table).await;
        remove(&table, 1).await;
        table
            .io()
            .discard("memory:/t/schema/schema-0")
            .await
            .unwrap();
        let found = place_of(&table, &second, Some(&first)).await.unwrap();
        assert_eq!(found, Place::Nowhere);
        let outcome = published(&table, &second, Some(&first)).await;
        assert!(matches!(outcome, Outcome::Failed(_)));
        assert!(table.snapshots().ids().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_snapshots_around_tell_a_new_one_from_one_in_a_used_place() {
        let table = table(&InMemory::new()).await;
        let first = commit(&table).await;
        assert_eq!(place(&table, &first).await.unwrap(), Place::Newest);
        let second = commit(&table).await;
        assert_eq!(place(&table, &first).await.unwrap(), Place::Followed);
        assert_eq!(place(&table, &second).await.unwrap(), Place::Newest);
        // a rival of the second snapshot, built on the first one as well
        let rival = {
            remove(&table, 2).await;
            let rival = commit(&table).await;
            remove(&table, 2).await;
            rival
        };
        let publish = async |snapshot: &Snapshot| {
            let path = table.snapshots().location(snapshot.id);
            let bytes = serde_json::to_vec(snapshot).unwrap();
            table.io().overwrite(&path, bytes.into()).await.unwrap();
        };
        publish(&second).await;
        commit(&table).await;
        for id in [1, 2] {
            remove(&table, id).await;
        }
        // the next one is there and builds on another
        publish(&rival).await;
        assert_eq!(place(&table, &rival).await.unwrap(), Place::Reused);
        publish(&second).await;
        assert_eq!(place(&table, &second).await.unwrap(), Place::Followed);
        // the next one is gone too
        commit(&table).await;
        remove(&table, 3).await;
        publish(&rival).await;
        assert_eq!(place(&table, &rival).await.unwrap(), Place::Reused);
        remove(&table, 2).await;
        assert_eq!(place(&table, &rival).await.unwrap(), Place::Gone);
    }

    #[tokio::test]
    async fn a_snapshot_after_a_gap_is_in_no_place() {
        let table = table(&InMemory::new()).await;
        for _ in 0..2 {
            commit(&table).await;
        }
        let third = commit(&table).await;
        remove(&table, 2).await;
        assert_eq!(place(&table, &third).await.unwrap(), Place::Reused);
    }
}
