//! The rows that tell what snapshots changed: changelog files, or the new files of appends.
//!
//! Source: `IncrementalDeltaStartingScanner`, `DeltaFollowUpScanner`, `ChangelogFollowUpScanner`.

pub(super) mod difference;
pub(super) mod follow_up;

use std::sync::Arc;

use crate::error::Result;
use crate::manifest::DeletionFiles;
use crate::options::ChangelogProducer;
use crate::predicate::Predicate;
use crate::read::plan::{BucketFiles, PlanRequest, Planner};
use crate::read::split::{Partition, SplitFile};
use crate::spec::{CommitKind, Snapshot};
use crate::table::Table;

/// Which files tell changes (`incremental-between-scan-mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeScan {
    /// Files that appends added: rows as written, after the merge in the write buffer.
    Delta,
    /// Changelog files.
    Changelog,
}

impl ChangeScan {
    /// What a table's changelog producer asks for (`auto`).
    pub fn of(table: &Table) -> Self {
        match table.options().changelog_producer {
            ChangelogProducer::None => Self::Delta,
            _ => Self::Changelog,
        }
    }
}

/// Changes of one bucket.
#[derive(Debug, Clone)]
pub struct ChangeSplit {
    /// The snapshot that made them; the later one when two states are compared.
    pub snapshot_id: i64,
    /// Partition.
    pub partition: Arc<Partition>,
    /// Bucket.
    pub bucket: i32,
    /// Files in the order of their rows.
    pub files: Vec<SplitFile>,
    /// Files of an earlier state to compare with; `None`: every row of the files is a change.
    pub before: Option<Vec<SplitFile>>,
}

/// Plans the changes of one snapshot, without those of postponed rows. Snapshots that tell none give none: overwrites, and with `Delta` compactions.
///
/// # Errors
/// `Damaged` for broken metadata.
pub async fn plan_changes(
    table: &Table,
    snapshot: &Snapshot,
    scan: ChangeScan,
    filter: &Predicate,
) -> Result<Vec<ChangeSplit>> {
    let request = PlanRequest {
        filter: filter.clone(),
        ..PlanRequest::default()
    };
    let planner = Planner {
        table,
        request: &request,
    };
    let manifests = planner.manifest_scan().await;
    let named = |e: crate::Error| {
        e.with_default("table", table.name())
            .with_default("snapshot_id", snapshot.id)
    };
    let entries = match scan {
        ChangeScan::Changelog => manifests.changelog_files(snapshot).await.map_err(named)?,
        ChangeScan::Delta if snapshot.commit_kind == CommitKind::Append => {
            manifests.added_files(snapshot).await.map_err(named)?.0
        }
        ChangeScan::Delta => Vec::new(),
    };
    let buckets = planner.buckets(entries, &DeletionFiles::default(), &|e| e.bucket >= 0);
    Ok(buckets
        .map_err(named)?
        .into_iter()
        .map(|b| split(snapshot.id, b))
        .collect())
}

pub(in crate::read) fn split(snapshot_id: i64, mut bucket: BucketFiles) -> ChangeSplit {
    bucket.files.sort_by_key(|f| f.meta.min_sequence_number);
    ChangeSplit {
        snapshot_id,
        partition: bucket.partition,
        bucket: bucket.bucket,
        files: bucket.files,
        before: None,
    }
}
