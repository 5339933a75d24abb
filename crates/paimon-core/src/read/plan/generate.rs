//! Files of a bucket to splits.

use std::sync::Arc;

use super::BucketFiles;
use crate::error::Result;
use crate::mergetree::{KeyInterval, sections};
use crate::options::MergeEngine;
use crate::read::merge::keyed::{KeyedFile, section_of};
use crate::read::split::{
    DataSplit, SplitFile, SplitKind, is_side_file, pack_ordered, written_order,
};
use crate::spec::{DataField, POSTPONE_BUCKET};
use crate::table::Table;

pub(in crate::read) struct SplitGenerator {
    snapshot_id: i64,
    primary_key: bool,
    deletion_vectors: bool,
    first_row: bool,
    data_evolution: bool,
    key_fields: Arc<Vec<DataField>>,
    target: u64,
    open_cost: u64,
}

impl SplitGenerator {
    pub(in crate::read) fn new(table: &Table, snapshot_id: i64) -> Result<Self> {
        let options = table.options();
        Ok(Self {
            snapshot_id,
            primary_key: table.schema().has_primary_key(),
            deletion_vectors: options.deletion_vectors && !options.deletion_vectors_merge_on_read,
            first_row: options.merge_engine == MergeEngine::FirstRow,
            data_evolution: options.data_evolution,
            key_fields: Arc::new(table.schema().key_fields()),
            target: options.split_target_size,
            open_cost: options.split_open_file_cost,
        })
    }

    /// Splits of one bucket.
    pub(in crate::read) fn splits(&self, mut bucket: BucketFiles) -> Result<Vec<DataSplit>> {
        let files = std::mem::take(&mut bucket.files);
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let kinds = if bucket.bucket == POSTPONE_BUCKET {
            vec![SplitKind::Raw(in_written_order(files))]
        } else if self.primary_key {
            self.merge_tree(files)?
        } else if self.data_evolution {
            self.column_groups(files)
        } else {
            self.append(files)
        };
        let split = |kind| DataSplit {
            snapshot_id: self.snapshot_id,
            partition: bucket.partition.clone(),
            bucket: bucket.bucket,
            total_buckets: bucket.total_buckets,
            kind,
        };
        Ok(kinds.into_iter().map(split).collect())
    }

    fn pack<T>(&self, items: Vec<T>, weight: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
        pack_ordered(items, weight, self.target, self.open_cost)
    }

    fn append(&self, mut files: Vec<SplitFile>) -> Vec<SplitKind> {
        files.sort_by_key(|f| f.meta.min_sequence_number);
        self.pack(files, file_size)
            .into_iter()
            .map(SplitKind::Raw)
            .collect()
    }

    fn column_groups(&self, mut files: Vec<SplitFile>) -> Vec<SplitKind> {
        let range = |f: &SplitFile| {
            let first = f.meta.first_row_id.unwrap_or(i64::MAX);
            (first, first.saturating_add(f.meta.row_count))
        };
        files.sort_by_key(|f| {
            (
                f.meta.first_row_id.unwrap_or(i64::MAX),
                is_side_file(&f.meta.file_name),
                f.meta.max_sequence_number,
            )
        });
        let mut groups: Vec<Vec<SplitFile>> = Vec::new();
        let mut end = i64::MIN;
        for file in files {
            let (first, last) = range(&file);
            match groups.last_mut() {
                Some(group) if first < end => group.push(file),
                _ => groups.push(vec![file]),
            }
            end = end.max(last);
        }
        self.pack(groups, |g| g.iter().map(file_size).sum())
            .into_iter()
            .map(SplitKind::Columns)
            .collect()
    }

    fn merge_tree(&self, files: Vec<SplitFile>) -> Result<Vec<SplitKind>> {
        let level = files.first().map_or(0, |f| f.meta.level);
        let one_level = files.iter().all(|f| f.meta.level == level);
        let no_deletes = files
            .iter()
            .all(|f| f.meta.level != 0 && f.meta.delete_row_count == Some(0));
        if no_deletes && (self.deletion_vectors || self.first_row || one_level) {
            let packs = self.pack(self.in_key_order(files)?, file_size);
            return Ok(packs.into_iter().map(SplitKind::Raw).collect());
        }
        let keyed = files
            .into_iter()
            .map(|f| self.keyed(f))
            .collect::<Result<Vec<_>>>()?;
        let packs = self.pack(sections(keyed), |s| {
            s.iter().map(|f| file_size(&f.file)).sum()
        });
        Ok(packs.into_iter().map(pack_to_kind).collect())
    }

    fn in_key_order(&self, files: Vec<SplitFile>) -> Result<Vec<SplitFile>> {
        let mut keyed = files
            .into_iter()
            .map(|f| self.keyed(f))
            .collect::<Result<Vec<_>>>()?;
        keyed.sort_by(|a, b| a.compare_min(b));
        Ok(keyed.into_iter().map(|k| k.file).collect())
    }

    fn keyed(&self, file: SplitFile) -> Result<KeyedFile> {
        KeyedFile::new(file, &self.key_fields)
    }
}

/// Postponed rows are not sorted by key: nothing can be merged, and later rows count.
fn in_written_order(mut files: Vec<SplitFile>) -> Vec<SplitFile> {
    files.sort_by_key(|f| written_order(&f.meta));
    files
}

fn file_size(file: &SplitFile) -> u64 {
    u64::try_from(file.meta.file_size).unwrap_or(0)
}

/// A pack of one file that needs no merge is read raw; everything else goes through the merge.
fn pack_to_kind(pack: Vec<Vec<KeyedFile>>) -> SplitKind {
    let single = match pack.as_slice() {
        [section] if section.len() == 1 => section[0].file.meta.delete_row_count == Some(0),
        _ => false,
    };
    let sections = pack.into_iter().map(section_of);
    if single {
        let files = sections.flat_map(|s| s.runs).flat_map(|r| r.files);
        return SplitKind::Raw(files.collect());
    }
    SplitKind::Merge(sections.collect())
}
