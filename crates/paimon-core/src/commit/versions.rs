//! Catalogs that keep the versions of their tables themselves: what becomes a snapshot is theirs to decide.
//!
//! Java: `org.apache.paimon.catalog.SupportsSnapshots`, `CatalogSnapshotCommit`, `CatalogBranchManager`.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use super::environment::PartitionStatistics;
use super::register::specs;
use crate::error::{Error, Result};
use crate::spec::{FileKind, ManifestEntry, Snapshot};
use crate::table::Table;

/// A snapshot for a catalog to publish.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotPublication<'a> {
    /// The branch.
    pub branch: &'a str,
    /// The newest snapshot so far.
    pub base: Option<&'a Snapshot>,
    /// The one to follow it.
    pub snapshot: &'a Snapshot,
    /// What it adds to partitions: negative where it takes away.
    pub statistics: &'a [PartitionStatistics],
}

/// What a catalog says to a [`SnapshotPublication`].
#[derive(Debug)]
pub enum CommitAnswer {
    /// It is the newest snapshot now, its file is there.
    Committed,
    /// Another commit was first; nothing was published.
    Lost,
    /// It cannot be; nothing was published.
    Refused(Error),
    /// Nobody knows: the snapshots of the table tell.
    Unknown(Error),
}

/// The versions of one table in its catalog.
#[async_trait]
pub trait VersionManagement: Debug + Send + Sync {
    /// Publishes a snapshot unless another one came after its base.
    async fn commit(&self, publication: SnapshotPublication<'_>) -> CommitAnswer;

    /// Makes a snapshot the newest one of a branch.
    ///
    /// # Errors
    /// `NotFound` when there is no such snapshot, else those of the catalog.
    async fn rollback_to_snapshot(&self, branch: &str, id: i64) -> Result<()>;

    /// Makes the snapshot of a tag the newest one of a branch.
    ///
    /// # Errors
    /// `NotFound` when there is no such tag, else those of the catalog.
    async fn rollback_to_tag(&self, branch: &str, tag: &str) -> Result<()>;

    /// Makes a branch of `main`: with its schemas only, or from a tag.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is taken, `NotFound` when there is no such tag, else those of the catalog.
    async fn create_branch(&self, name: &str, tag: Option<&str>) -> Result<()>;

    /// Removes a branch.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name, else those of the catalog.
    async fn delete_branch(&self, name: &str) -> Result<()>;

    /// Makes `main` what a branch is.
    ///
    /// # Errors
    /// As [`Self::delete_branch`].
    async fn fast_forward(&self, name: &str) -> Result<()>;
}

/// What entries add to the partitions of a table.
///
/// # Errors
/// `Damaged` for a partition that does not fit the schema.
pub(super) fn added_to_partitions(
    table: &Table,
    entries: &[ManifestEntry],
) -> Result<Vec<PartitionStatistics>> {
    let mut of_partition: BTreeMap<&Bytes, Vec<&ManifestEntry>> = BTreeMap::new();
    for entry in entries {
        of_partition
            .entry(&entry.partition)
            .or_default()
            .push(entry);
    }
    let partitions: Vec<Bytes> = of_partition.keys().map(|p| (*p).clone()).collect();
    let statistics = specs(table, &partitions)?
        .into_iter()
        .zip(of_partition.values());
    let sum = |entries: &[&ManifestEntry], of: fn(&ManifestEntry) -> i64| -> i64 {
        let signed = |entry: &&ManifestEntry| match entry.kind {
            FileKind::Add => of(entry),
            FileKind::Delete => of(entry).saturating_neg(),
        };
        entries.iter().map(signed).fold(0, i64::saturating_add)
    };
    let statistics = statistics.map(|(spec, entries)| PartitionStatistics {
        spec,
        record_count: sum(entries, |e| e.file.row_count),
        file_size_in_bytes: sum(entries, |e| e.file.file_size),
        file_count: sum(entries, |_| 1),
        last_file_creation_ms: entries
            .iter()
            .filter_map(|e| e.file.creation_time)
            .max()
            .unwrap_or(0),
        total_buckets: entries.last().map_or(0, |e| e.total_buckets),
    });
    Ok(statistics.collect())
}
