//! Buckets that were chosen before others moved keys: a writer looks at the table once, when it begins.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::manifest::read_manifest_list;
use crate::snapshot::SnapshotManager;
use crate::spec::{CommitKind, ManifestEntry, Snapshot, WriteBase};
use crate::table::Table;
use crate::write::BucketMode;

/// Context of errors of rows whose keys others moved meanwhile: the same rows, written anew, may be committed.
pub const OVERTAKEN: &str = "overtaken";

/// Snapshots that may have moved keys, as far as a committer has looked: a stream of commits looks at each snapshot once.
#[derive(Debug, Clone, Default)]
pub(crate) struct PastMoves(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// All after this one,
    from: i64,
    /// up to this one, were looked at.
    upto: Option<Snapshot>,
    movers: Vec<Mover>,
}

/// A snapshot that may have moved keys.
#[derive(Debug, Clone)]
struct Mover {
    id: i64,
    /// The partitions that it overwrote, where keys tell their buckets; `None` when that is not known.
    overwritten: Option<Arc<HashSet<Bytes>>>,
}

impl PastMoves {
    /// Snapshots of others after `base`, up to `latest`, that may move keys; those that are gone are among them.
    async fn since(
        &self,
        table: &Table,
        (write, latest): (&WriteBase, &Snapshot),
        may_move: impl Fn(&Snapshot) -> bool,
        hashed: bool,
    ) -> Result<Vec<Mover>> {
        let (snapshots, base) = (table.snapshots(), write.id());
        let (from, upto) = {
            let seen = self.0.lock();
            (seen.from, seen.upto.clone())
        };
        let upto = upto.filter(|s| from <= base && base <= s.id && s.id <= latest.id);
        let begin = match upto {
            Some(seen) if is_there(snapshots, &seen, latest).await? => Some(seen.id),
            _ => None,
        };
        let mut found = Vec::new();
        for id in begin.unwrap_or(base) + 1..=latest.id {
            let snapshot = match id == latest.id {
                true => Some(latest.clone()),
                false => snapshots.try_get(id).await?,
            };
            if snapshot.as_ref().is_none_or(&may_move) {
                let overwritten = match snapshot.filter(|_| hashed) {
                    Some(snapshot) => overwritten(table, &snapshot).await?.map(Arc::new),
                    None => None,
                };
                found.push(Mover { id, overwritten });
            }
        }
        let mut seen = self.0.lock();
        if begin.is_none() {
            *seen = Seen {
                from: base,
                ..Seen::default()
            };
        }
        seen.upto = Some(latest.clone());
        seen.movers.extend(found);
        let of_others = |mover: &&Mover| mover.id > base && !write.has_committed(mover.id);
        Ok(seen.movers.iter().filter(of_others).cloned().collect())
    }
}

/// Whether a snapshot is one of those before `latest`, as far as it has not expired: after a rollback another one may have
/// its number.
async fn is_there(
    snapshots: &SnapshotManager,
    snapshot: &Snapshot,
    latest: &Snapshot,
) -> Result<bool> {
    if snapshot.id >= latest.id {
        return Ok(snapshot == latest);
    }
    let found = snapshots.try_get(snapshot.id).await?;
    Ok(found.is_none_or(|found| found == *snapshot))
}

/// What is to be checked of rows that were put into buckets by an older state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commit) enum Layout {
    /// Nothing: nobody moved keys.
    Kept,
    /// That their partitions still have the number of buckets that they were written for.
    CheckNumbers,
    /// That others gave no key of theirs another bucket.
    CheckKeys,
}

/// Whether partitions that rows were written to lie as they did when the writer began.
///
/// # Errors
/// `CommitConflict` where keys may have got other buckets.
pub(in crate::commit) async fn check(
    table: &Table,
    past: &PastMoves,
    (base, latest): (&WriteBase, &Snapshot),
    added: &[ManifestEntry],
) -> Result<Layout> {
    let mode = BucketMode::of(table.schema(), table.options())?;
    if matches!(mode, BucketMode::Unaware | BucketMode::Postponed) {
        return Ok(Layout::Kept);
    }
    let hashed = matches!(mode, BucketMode::Dynamic | BucketMode::CrossPartition);
    if let Some(base) = base.snapshot() {
        if base == latest {
            return Ok(Layout::Kept);
        }
        if !is_there(table.snapshots(), base, latest).await? {
            // rolled back
            return match hashed {
                true => Err(moved(latest.id)),
                false => Ok(Layout::CheckNumbers),
            };
        }
    }
    let may_move = |s: &Snapshot| match s.commit_kind {
        CommitKind::Overwrite => true,
        // new keys
        CommitKind::Append => hashed,
        _ => false,
    };
    let movers = past.since(table, (base, latest), may_move, hashed).await?;
    // with another schema partitions may have got another number of buckets
    if !hashed && (!movers.is_empty() || latest.schema_id != table.schema().id) {
        return Ok(Layout::CheckNumbers);
    }
    let Some(last) = movers.last() else {
        return Ok(Layout::Kept);
    };
    if mode == BucketMode::CrossPartition {
        return Err(moved(last.id));
    }
    let overwrote = |mover: &&Mover| match &mover.overwritten {
        Some(partitions) => added.iter().any(|e| partitions.contains(&e.partition)),
        None => true,
    };
    match movers.iter().find(overwrote) {
        Some(mover) => Err(moved(mover.id)),
        None => Ok(Layout::CheckKeys),
    }
}

/// The partitions that a snapshot overwrote; `None` when its manifests are gone.
async fn overwritten(table: &Table, snapshot: &Snapshot) -> Result<Option<HashSet<Bytes>>> {
    if snapshot.commit_kind != CommitKind::Overwrite {
        return Ok(Some(HashSet::new()));
    }
    let entries = async {
        let (io, location) = (table.io(), table.location());
        let delta = read_manifest_list(io, location, &snapshot.delta_manifest_list).await?;
        table.manifest_scan().entries(&delta).await
    };
    match entries.await {
        // copies, so that the set does not keep whole manifests alive
        Ok(entries) => Ok(Some(
            entries
                .iter()
                .map(|e| Bytes::copy_from_slice(&e.partition))
                .collect(),
        )),
        Err(error) => match table.snapshots().try_get(snapshot.id).await? {
            Some(_) => Err(error),
            None => Ok(None),
        },
    }
}

fn moved(id: i64) -> Error {
    Error::new(
        ErrorKind::CommitConflict,
        "another commit may have moved keys since the rows were put into buckets: run the statement again",
    )
    .with("snapshot", id)
    .with(OVERTAKEN, true)
}
