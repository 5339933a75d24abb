//! Partitions of a table in its catalog: added when files were committed to them, removed when they were dropped.
//!
//! Java: `AddPartitionCommitCallback`, `PartitionStatisticsReporter`. The commit stands whatever happens here, so a
//! failure is no error of the caller's: the next commit to the partition, or a repair of the catalog, makes up for it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{FileStoreCommit, PartitionModification, PartitionSpec, PartitionStatistics, Plan};
use crate::error::{Error, Result};
use crate::manifest::{partition_values, read_manifest_list};
use crate::options::{CoreOptions, parse_duration_ms};
use crate::snapshot::list_branches;
use crate::spec::{
    DataField, FileKind, ManifestCommittable, ManifestEntry, Snapshot, partition_value_text,
};
use crate::table::Table;

const REPORT: &str = "partition.idle-time-to-report-statistic";

impl Plan<'_> {
    /// Partitions that get files.
    fn filled(&self) -> Vec<Bytes> {
        let (Plan::Fixed(changes) | Plan::Overwrite(_, changes, _)) = self else {
            // known when the snapshot is there
            return Vec::new();
        };
        let added = changes.entries.iter().filter(|e| e.kind == FileKind::Add);
        distinct(added.map(|e| e.partition.clone()))
    }
}

impl FileStoreCommit {
    /// Registers the partitions that a plan fills, after its snapshot was published.
    pub(super) async fn register_filled(&self, plan: &Plan<'_>) {
        let Some(register) = self.table.environment().partitions.clone() else {
            return;
        };
        self.register(register.as_ref(), &plan.filled()).await;
    }

    /// Registers the partitions that a snapshot added files to.
    pub(super) async fn register_added(&self, snapshot: i64) {
        let Some(register) = self.table.environment().partitions.clone() else {
            return;
        };
        let found = async {
            let snapshot = self.table.snapshots().get(snapshot).await?;
            changed(&self.table, &snapshot, FileKind::Add).await
        };
        match found.await {
            Ok(partitions) => self.register(register.as_ref(), &partitions).await,
            Err(error) => tracing::warn!(
                table = self.table.name(), %error,
                "the files are committed, their partitions are not in the catalog yet"
            ),
        }
    }

    /// Registers the partitions of a committable that was committed before: the process may have ended in between.
    pub(crate) async fn register_again(&self, committable: &ManifestCommittable) {
        let Some(register) = self.table.environment().partitions.clone() else {
            return;
        };
        let partitions = committable.messages.iter().map(|m| m.partition.clone());
        self.register(register.as_ref(), &distinct(partitions))
            .await;
    }

    async fn register(&self, register: &dyn PartitionModification, partitions: &[Bytes]) {
        if partitions.is_empty() {
            return;
        }
        let done = async {
            let specs = specs(&self.table, partitions)?;
            register.add(&specs).await?;
            if reports_statistics(self.table.options())? {
                let statistics = statistics(&self.table, partitions).await?;
                register.update(&statistics).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = done.await {
            tracing::warn!(
                table = self.table.name(), %error,
                "the rows are committed, their partitions are not in the catalog yet"
            );
        }
    }

    /// Removes the partitions that a snapshot took files from, but those that have others, here or in another branch.
    pub(super) async fn unregister_dropped(&self, snapshot: i64) {
        let Some(register) = self.table.environment().partitions.clone() else {
            return;
        };
        let done = async {
            let snapshot = self.table.snapshots().get(snapshot).await?;
            let mut gone = changed(&self.table, &snapshot, FileKind::Delete).await?;
            let filled = filled_in_branches(&self.table).await?;
            gone.retain(|partition| filled.binary_search(partition).is_err());
            register.remove(&specs(&self.table, &gone)?).await
        };
        if let Err(error) = done.await {
            tracing::warn!(
                table = self.table.name(), %error,
                "the partitions are dropped, the catalog names them still"
            );
        }
    }
}

fn distinct(partitions: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    let mut partitions: Vec<Bytes> = partitions.collect();
    partitions.sort_unstable();
    partitions.dedup();
    partitions
}

/// Whether statistics of filled partitions are wanted: a run that ends reports whatever the idle time.
fn reports_statistics(options: &CoreOptions) -> Result<bool> {
    match options.get(REPORT) {
        Some(text) => parse_duration_ms(text)
            .map(|ms| ms > 0)
            .map_err(|e| e.with("option", REPORT)),
        None => Ok(false),
    }
}

/// Names and values of partitions.
///
/// # Errors
/// `Damaged` for a partition that does not fit the schema.
pub(crate) fn specs(table: &Table, partitions: &[Bytes]) -> Result<Vec<PartitionSpec>> {
    let fields = table.schema().partition_fields();
    let spec = |partition: &Bytes| spec(table.options(), &fields, partition);
    partitions.iter().map(spec).collect()
}

fn spec(options: &CoreOptions, fields: &[DataField], partition: &Bytes) -> Result<PartitionSpec> {
    let values = partition_values(partition, fields)?;
    let text = |(field, value): (&DataField, Option<_>)| {
        let text = partition_value_text(
            Option::as_ref(&value),
            &field.data_type,
            &options.partition_default_name,
            options.partition_legacy_name,
        );
        (field.name.clone(), text)
    };
    Ok(fields.iter().zip(values).map(text).collect())
}

async fn live_files(table: &Table) -> Result<Vec<ManifestEntry>> {
    match table.snapshots().latest().await? {
        Some(snapshot) => Ok(table.manifest_scan().live_files(&snapshot).await?.0),
        None => Ok(Vec::new()),
    }
}

/// Partitions that a snapshot added files to or took them from.
async fn changed(table: &Table, snapshot: &Snapshot, kind: FileKind) -> Result<Vec<Bytes>> {
    let lists = read_manifest_list(table.io(), table.location(), &snapshot.delta_manifest_list);
    let entries = table.manifest_scan().entries(&lists.await?).await?;
    let own = entries.into_iter().filter(|e| e.kind == kind);
    Ok(distinct(own.map(|e| e.partition)))
}

/// Partitions with files in any branch of a table, sorted.
async fn filled_in_branches(table: &Table) -> Result<Vec<Bytes>> {
    let branches = list_branches(table.io(), table.location()).await?;
    let names = branches.into_iter().map(|b| b.name);
    let mut filled = Vec::new();
    for name in names.chain(["main".to_string()]) {
        let branch = table.branch(&name).await?;
        filled.extend(live_files(&branch).await?.into_iter().map(|e| e.partition));
    }
    Ok(distinct(filled.into_iter()))
}

/// All partitions of the newest snapshot of a table.
///
/// # Errors
/// `Damaged` for broken metadata.
pub async fn live_partitions(table: &Table) -> Result<Vec<PartitionSpec>> {
    let files = live_files(table).await?;
    specs(table, &distinct(files.into_iter().map(|e| e.partition)))
}

async fn statistics(table: &Table, partitions: &[Bytes]) -> Result<Vec<PartitionStatistics>> {
    let mut found: BTreeMap<Bytes, PartitionStatistics> = BTreeMap::new();
    for (partition, spec) in partitions.iter().zip(specs(table, partitions)?) {
        let empty = PartitionStatistics {
            spec,
            record_count: 0,
            file_size_in_bytes: 0,
            file_count: 0,
            last_file_creation_ms: 0,
            total_buckets: 0,
        };
        found.insert(partition.clone(), empty);
    }
    for entry in live_files(table).await? {
        if let Some(of) = found.get_mut(&entry.partition) {
            let created = entry.file.creation_time.unwrap_or(0);
            of.record_count += entry.file.row_count;
            of.file_size_in_bytes += entry.file.file_size;
            of.file_count += 1;
            of.last_file_creation_ms = of.last_file_creation_ms.max(created);
            of.total_buckets = entry.total_buckets;
        }
    }
    Ok(found.into_values().collect())
}
