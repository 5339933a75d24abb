//! What a writer must know about files that are already there. Source: `FileSystemWriteRestore`.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;

use super::assign::GlobalIndex;
use crate::error::{Error, Result};
use crate::manifest::{index_file_path, read_index_manifest};
use crate::read::{Partition, PlanLevels, PlanRequest, plan};
use crate::spec::{IndexManifestEntry, Snapshot, TableSchema, WriteBase, datum_to_text};
use crate::table::Table;

/// Largest hash index file that is accepted, bytes.
const INDEX_SIZE_MAX: u64 = 1 << 30;

/// The buckets of the newest snapshot.
#[derive(Debug, Default)]
pub(super) struct Restored {
    snapshot: Option<Arc<Snapshot>>,
    /// Largest sequence number per partition and bucket.
    sequences: HashMap<(Bytes, i32), i64>,
    /// Bucket count per partition, where it is fixed.
    totals: HashMap<Bytes, i32>,
    /// HASH index entries per partition.
    indexes: HashMap<Bytes, Vec<IndexManifestEntry>>,
}

impl Restored {
    /// Reads the manifests of the newest snapshot; nothing for a table without one. Begins again when that snapshot
    /// expires meanwhile.
    ///
    /// # Errors
    /// `Damaged` for broken metadata, `Io` when the store fails.
    pub async fn load(table: &Table) -> Result<Self> {
        loop {
            let Some(snapshot) = table.snapshots().latest().await? else {
                return Ok(Self::default());
            };
            match Self::of_snapshot(table, &snapshot).await {
                Ok(restored) => return Ok(restored),
                Err(error) => {
                    let seen = Some(snapshot.id);
                    if !table.snapshots().is_outdated(seen, &error).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn of_snapshot(table: &Table, snapshot: &Snapshot) -> Result<Self> {
        let mut restored = Self {
            snapshot: Some(Arc::new(snapshot.clone())),
            ..Self::default()
        };
        let scan = table.manifest_scan();
        let (entries, _) = scan.live_files(snapshot).await?;
        for entry in entries {
            if entry.total_buckets > 0 {
                restored
                    .totals
                    .insert(entry.partition.clone(), entry.total_buckets);
            }
            let max = entry.file.max_sequence_number;
            let known = restored
                .sequences
                .entry((entry.partition, entry.bucket))
                .or_insert(max);
            *known = max.max(*known);
        }
        let index = snapshot.index_manifest.as_deref();
        for entry in read_index_manifest(table.io(), table.location(), index).await? {
            if entry.index_type == "HASH" {
                let entries = restored.indexes.entry(entry.partition.clone());
                entries.or_default().push(entry);
            }
        }
        Ok(restored)
    }

    /// The snapshot that was read.
    pub fn snapshot_id(&self) -> Option<i64> {
        self.snapshot.as_ref().map(|s| s.id)
    }

    /// The state that was read.
    pub fn base(&self) -> WriteBase {
        WriteBase::new(self.snapshot.clone())
    }

    /// Sequence number of the first new row of a bucket.
    pub fn next_sequence(&self, partition: &Bytes, bucket: i32) -> i64 {
        let max = self.sequences.get(&(partition.clone(), bucket));
        max.map_or(0, |max| max.saturating_add(1))
    }

    /// Bucket count of a partition, where it has fixed buckets.
    pub fn total(&self, partition: &Bytes) -> Option<i32> {
        self.totals.get(partition).copied()
    }

    /// Checks that a partition has the bucket count that rows are written with.
    ///
    /// # Errors
    /// `InvalidInput` naming both numbers.
    pub fn check_total(
        &self,
        schema: &TableSchema,
        partition: &Partition,
        total: i32,
    ) -> Result<()> {
        match self.totals.get(&partition.bytes) {
            Some(known) if total > 0 && *known != total => Err(Error::invalid(format!(
                "Try to write {} with a new bucket num {total}, but the previous bucket num is {known}. Please switch \
                 to batch mode, and perform INSERT OVERWRITE to rescale current data layout first.",
                partition_text(schema, partition),
            ))
            .with("option", "bucket")),
            _ => Ok(()),
        }
    }

    /// Entries of the hash index files of a partition.
    pub fn hash_entries(&self, partition: &Bytes) -> &[IndexManifestEntry] {
        self.indexes.get(partition).map_or(&[], Vec::as_slice)
    }

    /// Hash index files of a partition: bucket and content.
    ///
    /// # Errors
    /// `Damaged` when a file is missing, `Io` when the store fails.
    pub async fn hash_indexes(
        &self,
        table: &Table,
        partition: &Bytes,
    ) -> Result<Vec<(i32, Bytes)>> {
        let mut files = Vec::new();
        for entry in self.hash_entries(partition) {
            let path = index_file_path(table.location(), entry)?;
            let bytes = table.io().read(&path, INDEX_SIZE_MAX).await?;
            files.push((entry.bucket, bytes));
        }
        Ok(files)
    }
}

/// Reads the primary keys of all live rows of a table into an index, those of rows that wait in level 0 for a compaction
/// as well.
///
/// Source: `IndexBootstrap`.
///
/// # Errors
/// `Damaged` for broken metadata or files, `Io` when the store fails.
pub(super) async fn load_keys(table: &Table, index: &mut GlobalIndex) -> Result<()> {
    let keys: Vec<&str> = table
        .schema()
        .primary_keys
        .iter()
        .map(String::as_str)
        .collect();
    let own = table.alone();
    let reader = own.read_builder().with_projection(&keys).reader()?;
    let request = PlanRequest {
        levels: PlanLevels::Placed,
        ..PlanRequest::default()
    };
    for split in plan(&own, &request).await?.splits {
        let mut batches = reader.read(&split)?;
        while let Some(batch) = batches.try_next().await? {
            index.load(&split.partition, split.bucket, &batch)?;
        }
    }
    Ok(())
}

fn partition_text(schema: &TableSchema, partition: &Partition) -> String {
    if partition.values.is_empty() {
        return "table".into();
    }
    let fields = schema.partition_fields();
    let parts: Vec<String> = fields
        .iter()
        .zip(&partition.values)
        .map(|(field, value)| {
            let text = value
                .as_ref()
                .map_or("null".into(), |v| datum_to_text(v, &field.data_type));
            format!("{}={text}", field.name)
        })
        .collect();
    format!("partition {{{}}}", parts.join(", "))
}
