//! Reading the entries of a snapshot, in parallel, pruned by partition and bucket before they are decoded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;

use super::{live_entries, manifest_path, read_in_avro, read_manifest_list};
use crate::codec::{EntryFilter, ManifestRecords, decode_manifest};
use crate::error::{Error, Result};
use crate::io::FileIo;
use crate::predicate::{ColumnStats, Predicate, matches, may_match};
use crate::spec::{
    BinaryRow, DataField, DataFileMeta, Datum, FileKind, ManifestEntry, ManifestFileMeta, Snapshot,
};

/// Decides which total bucket counts and buckets a scan wants; `None` keeps all.
pub type BucketFilter = Arc<dyn Fn(i32, i32) -> bool + Send + Sync>;

/// Decides which data files a scan wants, by what their entries say.
pub type FileFilter = Arc<dyn Fn(&DataFileMeta) -> bool + Send + Sync>;

/// A scan of a snapshot's manifests.
#[derive(Clone)]
pub struct ManifestScan {
    /// Store.
    pub io: FileIo,
    /// Table folder.
    pub table: String,
    /// Partition columns.
    pub partition_fields: Arc<Vec<DataField>>,
    /// Filter over the partition columns.
    pub partition_filter: Predicate,
    /// Serialised rows of partitions that are left out.
    pub without_partitions: Arc<HashSet<Bytes>>,
    /// Filter over (bucket, total buckets).
    pub bucket_filter: Option<BucketFilter>,
    /// Filter over added files; a DELETE always stays.
    pub file_filter: Option<FileFilter>,
    /// Manifests read at a time.
    pub parallelism: usize,
}

/// What a scan looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanCounts {
    /// Manifests named by the lists.
    pub manifests: usize,
    /// Manifests read.
    pub manifests_read: usize,
    /// Live entries of the manifests read that partition and bucket left out.
    pub entries_left_out: usize,
    /// Live entries after pruning by partition and bucket.
    pub entries: usize,
    /// Those of them that the filter over files left out.
    pub files_left_out: usize,
}

impl ManifestScan {
    /// Live files of a snapshot, in manifest order.
    ///
    /// # Errors
    /// `Damaged` naming the file when a manifest or list is missing or malformed.
    pub async fn live_files(
        &self,
        snapshot: &Snapshot,
    ) -> Result<(Vec<ManifestEntry>, ScanCounts)> {
        let (mut base, delta) = futures::future::try_join(
            read_manifest_list(&self.io, &self.table, &snapshot.base_manifest_list),
            read_manifest_list(&self.io, &self.table, &snapshot.delta_manifest_list),
        )
        .await
        .map_err(|e| e.with_default("snapshot_id", snapshot.id))?;
        base.extend(delta);
        let (entries, mut counts) = self.read_all(base).await?;
        let deletes = deletes_in(&entries);
        let adds = entries.len() - deletes;
        let live = live_entries(entries);
        // a DELETE that cancelled nothing speaks of a file that was left out
        let cancelled = adds - live.len();
        counts.files_left_out = counts
            .files_left_out
            .saturating_sub(deletes.saturating_sub(cancelled));
        counts.entries = live.len() + counts.files_left_out;
        Ok((live, counts))
    }

    /// Files that a snapshot added.
    pub async fn added_files(
        &self,
        snapshot: &Snapshot,
    ) -> Result<(Vec<ManifestEntry>, ScanCounts)> {
        let list = read_manifest_list(&self.io, &self.table, &snapshot.delta_manifest_list).await?;
        let (entries, mut counts) = self.read_all(list).await?;
        let added: Vec<_> = entries
            .into_iter()
            .filter(|e| e.kind == FileKind::Add)
            .collect();
        counts.entries = added.len() + counts.files_left_out;
        Ok((added, counts))
    }

    /// Changelog files of a snapshot; none where it has no changelog.
    ///
    /// # Errors
    /// `Damaged` naming the file when a manifest or list is missing or malformed.
    pub async fn changelog_files(&self, snapshot: &Snapshot) -> Result<Vec<ManifestEntry>> {
        let Some(name) = &snapshot.changelog_manifest_list else {
            return Ok(Vec::new());
        };
        let list = read_manifest_list(&self.io, &self.table, name).await?;
        Ok(self.read_all(list).await?.0)
    }

    /// Entries of manifests, ADD and DELETE, in order.
    ///
    /// # Errors
    /// `Damaged` naming the manifest.
    pub async fn entries(&self, manifests: &[ManifestFileMeta]) -> Result<Vec<ManifestEntry>> {
        Ok(self.read_all(manifests.to_vec()).await?.0)
    }

    async fn read_all(
        &self,
        list: Vec<ManifestFileMeta>,
    ) -> Result<(Vec<ManifestEntry>, ScanCounts)> {
        let manifests = list.len();
        let wanted = list
            .into_iter()
            .filter_map(|m| self.may_hold(&m).map(|keep| keep.then_some(m)).transpose())
            .collect::<Result<Vec<_>>>()?;
        let mut counts = ScanCounts {
            manifests,
            manifests_read: wanted.len(),
            ..ScanCounts::default()
        };
        let filter = self.entry_filter();
        let asked = filter.clone();
        let reads = wanted.into_iter().map(|m| {
            let filter = filter.clone();
            async move { self.read_manifest(&m, filter).await }
        });
        let parts: Vec<Vec<ManifestEntry>> = futures::stream::iter(reads)
            .buffered(self.parallelism.max(1))
            .try_collect()
            .await?;
        let mut entries = Vec::with_capacity(parts.iter().map(Vec::len).sum());
        for part in parts {
            entries.extend(part);
        }
        if let Some(filter) = asked {
            let of_buckets = filter.entries_left_out.load(Ordering::Relaxed);
            counts.entries_left_out = usize::try_from(of_buckets).unwrap_or(0);
            counts.files_left_out = filter.files_left_out.load(Ordering::Relaxed);
        }
        Ok((entries, counts))
    }

    async fn read_manifest(
        &self,
        meta: &ManifestFileMeta,
        filter: Option<Arc<ScanFilter>>,
    ) -> Result<Vec<ManifestEntry>> {
        let path = manifest_path(&self.table, &meta.file_name)?;
        let bytes = read_in_avro(&self.io, &path, ManifestRecords::Entries).await?;
        let decode = move || {
            let filter = filter.as_deref();
            let entries = decode_manifest(&bytes, filter.map(|f| f as &dyn EntryFilter))?;
            match filter.and_then(|f| f.failure.lock().take()) {
                Some(error) => Err(error),
                None => Ok(entries),
            }
        };
        tokio::task::spawn_blocking(decode)
            .await
            .map_err(|e| Error::internal("manifest decoder stopped").with_source(e))?
            .map_err(|e| e.with_default("path", path))
    }

    fn may_hold(&self, manifest: &ManifestFileMeta) -> Result<bool> {
        if self.partition_filter == Predicate::AlwaysTrue {
            return Ok(true);
        }
        let stats = &manifest.partition_stats;
        let min = BinaryRow::from_serialized(&stats.min_values, "partition minimum")?;
        let max = BinaryRow::from_serialized(&stats.max_values, "partition maximum")?;
        let of = |id: i32| -> Option<ColumnStats> {
            let (i, field) = self
                .partition_fields
                .iter()
                .enumerate()
                .find(|(_, f)| f.id == id)?;
            if i >= min.arity() || i >= max.arity() {
                return None;
            }
            let nulls = stats.null_counts.as_ref().and_then(|n| n.get(i).copied());
            Some(ColumnStats {
                min: min.get(i, &field.data_type).ok()?,
                max: max.get(i, &field.data_type).ok()?,
                null_count: nulls.flatten(),
            })
        };
        let rows = manifest
            .num_added_files
            .saturating_add(manifest.num_deleted_files);
        Ok(may_match(&self.partition_filter, &of, rows))
    }

    fn entry_filter(&self) -> Option<Arc<ScanFilter>> {
        if self.partition_filter == Predicate::AlwaysTrue
            && self.bucket_filter.is_none()
            && self.file_filter.is_none()
            && self.without_partitions.is_empty()
        {
            return None;
        }
        Some(Arc::new(ScanFilter {
            fields: self.partition_fields.clone(),
            partition: self.partition_filter.clone(),
            without: self.without_partitions.clone(),
            bucket: self.bucket_filter.clone(),
            file: self.file_filter.clone(),
            entries_left_out: AtomicIsize::new(0),
            files_left_out: AtomicUsize::new(0),
            known: Mutex::default(),
            failure: Mutex::default(),
        }))
    }
}

/// Keeps entries by partition, bucket and file; decisions are kept per partition.
struct ScanFilter {
    fields: Arc<Vec<DataField>>,
    partition: Predicate,
    without: Arc<HashSet<Bytes>>,
    bucket: Option<BucketFilter>,
    file: Option<FileFilter>,
    /// Files of partitions and buckets that were turned down: those added without those deleted.
    entries_left_out: AtomicIsize,
    /// Files that `file` turned down.
    files_left_out: AtomicUsize,
    known: Mutex<HashMap<Bytes, bool>>,
    failure: Mutex<Option<Error>>,
}

impl ScanFilter {
    fn keeps_partition(&self, partition: &Bytes) -> bool {
        if self.partition == Predicate::AlwaysTrue {
            return true;
        }
        if let Some(keep) = self.known.lock().get(partition) {
            return *keep;
        }
        let keep = match partition_values(partition, &self.fields) {
            Ok(values) => {
                let of = |id: i32| {
                    let i = self.fields.iter().position(|f| f.id == id)?;
                    values.get(i).cloned().flatten()
                };
                matches(&self.partition, &of)
            }
            Err(error) => {
                self.failure.lock().get_or_insert(error);
                true
            }
        };
        // a copy, so that the map does not keep whole manifests alive
        self.known
            .lock()
            .insert(Bytes::copy_from_slice(partition), keep);
        keep
    }
}

impl EntryFilter for ScanFilter {
    fn keep(&self, kind: FileKind, partition: &Bytes, bucket: i32, total_buckets: i32) -> bool {
        let bucket_filter = self.bucket.as_ref();
        let keep = bucket_filter.is_none_or(|wanted| wanted(bucket, total_buckets))
            && !self.without.contains(partition)
            && self.keeps_partition(partition);
        if !keep {
            let change = match kind {
                FileKind::Add => 1,
                FileKind::Delete => -1,
            };
            self.entries_left_out.fetch_add(change, Ordering::Relaxed);
        }
        keep
    }

    fn keep_file(&self, kind: FileKind, file: &DataFileMeta) -> bool {
        if kind == FileKind::Delete || self.file.as_ref().is_none_or(|wanted| wanted(file)) {
            return true;
        }
        self.files_left_out.fetch_add(1, Ordering::Relaxed);
        false
    }
}

fn deletes_in(entries: &[ManifestEntry]) -> usize {
    let deletes = entries.iter().filter(|e| e.kind == FileKind::Delete);
    deletes.count()
}

/// Values of a serialised partition row.
///
/// # Errors
/// `Damaged` when the row does not have one value per partition column.
pub fn partition_values(partition: &Bytes, fields: &[DataField]) -> Result<Vec<Option<Datum>>> {
    let row = BinaryRow::from_serialized(partition, "partition")?;
    if row.arity() != fields.len() {
        return Err(Error::damaged(format!(
            "partition row has {} values, the table has {} partition columns",
            row.arity(),
            fields.len()
        )));
    }
    (0..fields.len())
        .map(|i| row.get(i, &fields[i].data_type))
        .collect()
}
