//! Splits: the units of work of a scan, and how files are packed into them.
//!
//! Source: `MergeTreeSplitGenerator`, `AppendOnlySplitGenerator`, `IntervalPartition`, `BinPacking`.

use std::sync::Arc;

use bytes::Bytes;

use crate::manifest::DeletionFile;
use crate::spec::{DataFileMeta, Datum};

/// A partition: its bytes as in the manifests and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// Serialised row.
    pub bytes: Bytes,
    /// One value per partition column.
    pub values: Vec<Option<Datum>>,
}

/// A data file of a split.
#[derive(Debug, Clone)]
pub struct SplitFile {
    /// The file.
    pub meta: Arc<DataFileMeta>,
    /// Its full location.
    pub path: Arc<str>,
    /// Its deletion vector.
    pub deletion: Option<DeletionFile>,
}

/// How the files of a split are read.
#[derive(Debug, Clone)]
pub enum SplitKind {
    /// Each file on its own.
    Raw(Vec<SplitFile>),
    /// Sections of files with overlapping key ranges, in key order; rows of one key are merged within a section.
    Merge(Vec<Section>),
    /// Groups of files that hold columns of the same rows.
    Columns(Vec<Vec<SplitFile>>),
}

/// Files of a bucket whose key ranges overlap.
#[derive(Debug, Clone)]
pub struct Section {
    /// Runs from oldest to newest; each is sorted by key and holds a key once.
    pub runs: Vec<SortedRun>,
}

/// Files of one level, or one level-0 file, in key order.
#[derive(Debug, Clone)]
pub struct SortedRun {
    /// LSM level.
    pub level: i32,
    /// Files with disjoint key ranges, ascending.
    pub files: Vec<SplitFile>,
}

/// A unit of work: some files of one bucket of one snapshot.
#[derive(Debug, Clone)]
pub struct DataSplit {
    /// Snapshot planned on.
    pub snapshot_id: i64,
    /// Partition.
    pub partition: Arc<Partition>,
    /// Bucket.
    pub bucket: i32,
    /// Bucket count of the partition.
    pub total_buckets: i32,
    /// Files and the way to read them.
    pub kind: SplitKind,
}

/// Sorts files of postponed rows as they were written: those of one writer by the number in their names, of two writers
/// the later one comes later.
pub fn written_order(meta: &DataFileMeta) -> (Option<i64>, u64) {
    let stem = meta.file_name.split('.').next().unwrap_or_default();
    let number = stem.rsplit('-').next().unwrap_or_default();
    (meta.creation_time, number.parse().unwrap_or(0))
}

impl DataSplit {
    /// All files, in reading order.
    pub fn files(&self) -> Vec<&SplitFile> {
        match &self.kind {
            SplitKind::Raw(files) => files.iter().collect(),
            SplitKind::Merge(sections) => sections
                .iter()
                .flat_map(|s| s.runs.iter().flat_map(|r| &r.files))
                .collect(),
            SplitKind::Columns(groups) => groups.iter().flatten().collect(),
        }
    }

    /// Rows after merging and deletion, when known from metadata alone.
    pub fn exact_row_count(&self) -> Option<u64> {
        match &self.kind {
            SplitKind::Raw(files) => files.iter().map(live_rows).sum(),
            SplitKind::Merge(_) => None,
            SplitKind::Columns(groups) => groups
                .iter()
                .map(|g| {
                    if g.iter().any(|f| f.deletion.is_some()) {
                        return None;
                    }
                    g.iter()
                        .filter(|f| !is_side_file(&f.meta.file_name))
                        .map(|f| u64::try_from(f.meta.row_count).ok())
                        .max()
                        .flatten()
                })
                .sum(),
        }
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files()
            .iter()
            .map(|f| u64::try_from(f.meta.file_size).unwrap_or(0))
            .sum()
    }
}

/// Whether a data file holds columns beside a normal file (BLOB or vector columns).
pub fn is_side_file(name: &str) -> bool {
    name.ends_with(".blob") || name.contains(".vector.")
}

/// The file of a group whose deletion vector counts for all of the group's rows: the oldest normal one.
pub(crate) fn anchor_of(group: &[SplitFile]) -> Option<&SplitFile> {
    let normal = (group.iter()).filter(|f| !is_side_file(&f.meta.file_name));
    normal.min_by_key(|f| (f.meta.max_sequence_number, &f.meta.file_name))
}

fn live_rows(file: &SplitFile) -> Option<u64> {
    let rows = u64::try_from(file.meta.row_count).ok()?;
    let deleted = match &file.deletion {
        None => 0,
        Some(d) => u64::try_from(d.meta.cardinality?).ok()?,
    };
    rows.checked_sub(deleted)
}

/// Packs items in order: a new pack starts when the next item would exceed `target`. Weights are at least `open_cost`.
pub fn pack_ordered<T>(
    items: Vec<T>,
    weight: impl Fn(&T) -> u64,
    target: u64,
    open_cost: u64,
) -> Vec<Vec<T>> {
    let mut packs = Vec::new();
    let mut pack = Vec::new();
    let mut size = 0u64;
    for item in items {
        let w = weight(&item).max(open_cost);
        if !pack.is_empty() && size.saturating_add(w) > target {
            packs.push(std::mem::take(&mut pack));
            size = 0;
        }
        size = size.saturating_add(w);
        pack.push(item);
    }
    if !pack.is_empty() {
        packs.push(pack);
    }
    packs
}
