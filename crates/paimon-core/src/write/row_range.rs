//! The files of a table with data evolution that hold columns of the same rows.

use crate::deletionvectors::DeletionVector;
use crate::error::{Error, Result};
use crate::read::{DataSplit, SplitFile, SplitKind, anchor_of};
use crate::write::RemovedRows;

/// Files that hold the columns of the same rows.
#[derive(Debug, Clone)]
pub struct RowRange {
    /// The files alone, without their deletion vector: they hold all rows of the range.
    pub(super) split: DataSplit,
    /// The file whose deletion vector counts for all of them.
    anchor: SplitFile,
    pub(super) first_row_id: i64,
    pub(super) rows: i64,
}

impl RowRange {
    /// The ranges of splits, in the order of their rows.
    ///
    /// # Errors
    /// `Damaged` when a file has no row id.
    pub fn of_splits(splits: Vec<DataSplit>) -> Result<Vec<Self>> {
        let mut ranges = Vec::new();
        for mut split in splits {
            let groups = match std::mem::replace(&mut split.kind, SplitKind::Raw(Vec::new())) {
                SplitKind::Columns(groups) => groups,
                SplitKind::Raw(files) => files.into_iter().map(|file| vec![file]).collect(),
                SplitKind::Merge(_) => return Err(Error::internal("rows with ids are not merged")),
            };
            for group in groups {
                ranges.push(Self::of_group(&split, group)?);
            }
        }
        ranges.sort_by_key(|range| range.first_row_id);
        Ok(ranges)
    }

    fn of_group(split: &DataSplit, mut group: Vec<SplitFile>) -> Result<Self> {
        let anchor = anchor_of(&group).cloned();
        let found = anchor.and_then(|anchor| {
            let first_row_id = anchor.meta.first_row_id?;
            Some((anchor, first_row_id))
        });
        let Some((anchor, first_row_id)) = found else {
            return Err(Error::damaged(
                "a row-id range has no data file with row ids",
            ));
        };
        for file in &mut group {
            file.deletion = None;
        }
        Ok(Self {
            split: DataSplit {
                kind: SplitKind::Columns(vec![group]),
                ..split.clone()
            },
            rows: anchor.meta.row_count,
            anchor,
            first_row_id,
        })
    }

    /// The first row id behind it.
    pub fn end(&self) -> i64 {
        self.first_row_id.saturating_add(self.rows)
    }

    /// Whether it has a row of this id.
    pub fn holds(&self, row_id: i64) -> bool {
        (self.first_row_id..self.end()).contains(&row_id)
    }

    /// The rows of some ids as rows that go; `ranges` in the order of their rows.
    ///
    /// # Errors
    /// `Internal` when an id is in no range, which is a bug.
    pub fn removed_rows(ranges: &[Self], row_ids: &DeletionVector) -> Result<Vec<RemovedRows>> {
        let mut ids = row_ids.iter().peekable();
        let mut removed = Vec::new();
        for range in ranges {
            let bounds = u64::try_from(range.first_row_id).ok();
            let Some((first, end)) = bounds.zip(u64::try_from(range.end()).ok()) else {
                return Err(
                    Error::damaged("a row id is negative").with("first_row_id", range.first_row_id)
                );
            };
            let own = std::iter::from_fn(|| ids.next_if(|id| (first..end).contains(id)));
            let positions: DeletionVector = own.map(|id| id - first).collect();
            if !positions.is_empty() {
                removed.push(RemovedRows {
                    partition: range.split.partition.clone(),
                    bucket: range.split.bucket,
                    total_buckets: range.split.total_buckets,
                    file: range.anchor.clone(),
                    positions,
                });
            }
        }
        match ids.next() {
            None => Ok(removed),
            Some(id) => Err(Error::internal("a removed row is in no file").with("row_id", id)),
        }
    }
}
