//! Buckets that were chosen before others moved keys: a writer looks at the table once, when it begins.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{ManifestScan, read_manifest_list};
use crate::snapshot::SnapshotManager;
use crate::spec::{CommitKind, ManifestEntry, Snapshot};
use crate::table::Table;
use crate::write::BucketMode;

/// Snapshots that may have moved keys, as far as a committer has looked: a stream of commits looks at each snapshot once.
#[derive(Debug, Clone, Default)]
pub(crate) struct PastMoves(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// All after this one,
    from: i64,
    /// up to this one, were looked at.
    upto: i64,
    movers: Vec<i64>,
}

impl PastMoves {
    /// Snapshots after `base`, up to `latest`, that may move keys; those that are gone are among them.
    async fn since(
        &self,
        snapshots: &SnapshotManager,
        (base, latest): (i64, &Snapshot),
        may_move: impl Fn(&Snapshot) -> bool,
    ) -> Result<Vec<i64>> {
        let (from, upto) = {
            let seen = self.0.lock();
            (seen.from, seen.upto)
        };
        let known = from <= base && base <= upto && upto <= latest.id;
        let begin = if known { upto } else { base };
        let mut found = Vec::new();
        for id in begin + 1..=latest.id {
            let moves = match id == latest.id {
                true => may_move(latest),
                false => snapshots.try_get(id).await?.is_none_or(|s| may_move(&s)),
            };
            if moves {
                found.push(id);
            }
        }
        let mut seen = self.0.lock();
        if !known {
            *seen = Seen {
                from: base,
                ..Seen::default()
            };
        }
        seen.upto = latest.id;
        seen.movers.extend(found);
        let after = seen.movers.iter().copied().filter(|id| *id > base);
        Ok(after.collect())
    }
}

/// How rows that were written on snapshot `base` may lie on top of `latest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commit) enum Layout {
    /// As they do: nobody overwrote their partitions.
    Kept,
    /// If their partitions still have the number of buckets that they were written for.
    CheckNumbers,
}

/// Whether partitions that rows were written to lie as they did when the writer began.
///
/// # Errors
/// `CommitConflict` where keys may have got other buckets: tables with dynamic buckets.
pub(in crate::commit) async fn check(
    table: &Table,
    (past, user): (&PastMoves, &str),
    (base, latest): (i64, &Snapshot),
    added: &[ManifestEntry],
) -> Result<Layout> {
    let mode = BucketMode::of(table.schema(), table.options())?;
    let fixed = match mode {
        BucketMode::Unaware | BucketMode::Postponed => return Ok(Layout::Kept),
        BucketMode::Fixed(_) | BucketMode::PerPartition => true,
        BucketMode::Dynamic | BucketMode::CrossPartition => false,
    };
    if latest.id < base {
        return Err(rewritten(latest.id)); // rolled back
    }
    let everywhere = mode == BucketMode::CrossPartition;
    let may_move = |s: &Snapshot| match s.commit_kind {
        CommitKind::Overwrite => true,
        // new keys of others, which may be in other partitions here
        CommitKind::Append => everywhere && s.commit_user != user,
        _ => false,
    };
    let snapshots = table.snapshots();
    for id in past.since(snapshots, (base, latest), may_move).await? {
        if fixed {
            return Ok(Layout::CheckNumbers);
        }
        if everywhere || touches(table, id, added).await? {
            return Err(rewritten(id));
        }
    }
    Ok(Layout::Kept)
}

/// Whether a snapshot changed files in a partition of the entries; yes if it is gone.
async fn touches(table: &Table, id: i64, entries: &[ManifestEntry]) -> Result<bool> {
    let Some(snapshot) = table.snapshots().try_get(id).await? else {
        return Ok(true);
    };
    let (io, location) = (table.io(), table.location());
    let delta = read_manifest_list(io, location, &snapshot.delta_manifest_list).await?;
    let scan: ManifestScan = table.manifest_scan();
    let changed = scan.entries(&delta).await?;
    let partitions: Vec<&Bytes> = entries.iter().map(|e| &e.partition).collect();
    Ok(changed.iter().any(|e| partitions.contains(&&e.partition)))
}

fn rewritten(id: i64) -> Error {
    Error::new(
        ErrorKind::CommitConflict,
        "another commit may have moved keys since the rows were put into buckets: run the statement again",
    )
    .with("snapshot", id)
}
