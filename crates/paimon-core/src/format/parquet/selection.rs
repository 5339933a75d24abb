//! Which rows of which row groups to decode.
//!
//! A bitmap is followed exactly by the decoder's row selectors only where that pays: with at most about 1 % of the rows
//! wanted, or in stretches of 64 rows and more on average. Elsewhere the decoder gets the bitmap with its small gaps
//! closed and a filter drops the rest: random selectors cost up to three times a plain decode.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::BooleanBuffer;
use parquet::file::metadata::RowGroupMetaData;

use super::cache;
use super::columns::ColumnsPlan;
use super::footer::{Footer, PageIndexes, group_rows};
use super::pruning;
use super::ranges::{self, Ranges};
use crate::error::Result;
use crate::format::FileReadRequest;
use crate::selection::FileSelection;

/// Selectors are exact when at most one of so many rows is wanted.
const SPARSE_ONE_OF: u64 = 100;
/// Selectors are exact when stretches have so many rows on average.
const LONG_STRETCH_ROWS: u64 = 64;
/// Gaps of fewer rows are decoded and filtered.
const GAP_ROWS_MIN: u64 = 512;
/// Skipping pages of a row group with fewer bytes to read is not worth a request for the page index.
const PAGE_INDEX_WORTH_BYTES: u64 = if cfg!(test) { 16 << 10 } else { 256 << 10 };

/// Rows to decode of one row group.
#[derive(Debug)]
pub(super) struct GroupRows {
    /// Index of the row group.
    pub(super) group: usize,
    /// Row of the file at which it starts.
    pub(super) start: u64,
    /// Rows to decode, counted from the start of the row group.
    pub(super) rows: Ranges,
    /// Whether the bitmap must still be applied to them.
    pub(super) filter: bool,
}

/// Chooses row groups and rows; the footer comes back with page indexes if they help.
pub(super) async fn plan_groups(
    request: &FileReadRequest,
    footer: Arc<Footer>,
    plan: &ColumnsPlan,
) -> Result<(Arc<Footer>, Vec<GroupRows>)> {
    let mut groups = wanted_groups(request, &footer, plan);
    let Some(indexes) = indexes_needed(request, &footer, plan, &groups) else {
        return Ok((footer, groups));
    };
    let footer = cache::footer_with_pages(&request.file, &footer, indexes).await?;
    if let Some(predicate) = &request.predicate
        && indexes == PageIndexes::OffsetsAndColumns
    {
        for group in &mut groups {
            if let Some(rows) = pruning::page_rows(&footer, plan, predicate, group.group) {
                group.rows = ranges::intersect(&group.rows, &rows);
            }
        }
        groups.retain(|g| !g.rows.is_empty());
    }
    Ok((footer, groups))
}

fn wanted_groups(request: &FileReadRequest, footer: &Footer, plan: &ColumnsPlan) -> Vec<GroupRows> {
    let keep = request
        .predicate
        .as_ref()
        .map(|p| pruning::groups(footer, plan, p));
    let range = request.row_range.clone().unwrap_or(0..u64::MAX);
    let mut start = 0;
    let mut groups = Vec::new();
    for (group, metadata) in footer.metadata().row_groups().iter().enumerate() {
        let end = start + group_rows(metadata);
        let rows = range.start.max(start)..range.end.min(end);
        let kept = keep
            .as_ref()
            .is_none_or(|k| k.get(group).copied().unwrap_or(true));
        if rows.start < rows.end && kept {
            let (rows, filter) = follow_bitmap(request.selection.as_deref(), rows);
            let rows: Ranges = rows
                .into_iter()
                .map(|r| r.start - start..r.end - start)
                .collect();
            if !rows.is_empty() {
                groups.push(GroupRows {
                    group,
                    start,
                    rows,
                    filter,
                });
            }
        }
        start = end;
    }
    groups
}

/// Rows of the file to decode, and whether the bitmap has to filter them.
fn follow_bitmap(selection: Option<&FileSelection>, rows: Range<u64>) -> (Ranges, bool) {
    let Some(selection) = selection.filter(|s| s.selected() < s.rows()) else {
        return (vec![rows], false);
    };
    let total = rows.end - rows.start;
    let bits = slice(selection.bits(), &rows);
    let wanted = bits.count_set_bits() as u64;
    if wanted == total || wanted == 0 {
        return (if wanted == 0 { Vec::new() } else { vec![rows] }, false);
    }
    let mut exact = Ranges::new();
    for (start, end) in bits.set_slices() {
        exact.push(rows.start + start as u64..rows.start + end as u64);
    }
    let sparse = wanted.saturating_mul(SPARSE_ONE_OF) <= total;
    if sparse || wanted / exact.len() as u64 >= LONG_STRETCH_ROWS {
        return (exact, false);
    }
    (ranges::close_gaps(&exact, GAP_ROWS_MIN), true)
}

/// Bits of some rows. Rows past the end of the bitmap were ruled out when the request was checked.
pub(super) fn slice(bits: &BooleanBuffer, rows: &Range<u64>) -> BooleanBuffer {
    let at = |row: u64| usize::try_from(row).unwrap_or(usize::MAX).min(bits.len());
    let (start, end) = (at(rows.start), at(rows.end));
    bits.slice(start, end.saturating_sub(start))
}

fn indexes_needed(
    request: &FileReadRequest,
    footer: &Footer,
    plan: &ColumnsPlan,
    groups: &[GroupRows],
) -> Option<PageIndexes> {
    let metadata = footer.metadata().row_groups();
    let mut skips = false;
    let mut large = false;
    for group in groups {
        let Some(metadata) = metadata.get(group.group) else {
            continue;
        };
        let bytes = projected_bytes(metadata, plan);
        skips |=
            bytes > PAGE_INDEX_WORTH_BYTES && ranges::count(&group.rows) < group_rows(metadata);
        large |= bytes > request.step_bytes;
    }
    let predicate = request.predicate.as_ref().filter(|p| {
        pruning::has_columns(plan, p)
            && groups.iter().any(|g| {
                metadata
                    .get(g.group)
                    .is_some_and(|m| projected_bytes(m, plan) > PAGE_INDEX_WORTH_BYTES)
            })
    });
    if predicate.is_some() {
        return Some(PageIndexes::OffsetsAndColumns);
    }
    (skips || large).then_some(PageIndexes::Offsets)
}

/// Compressed bytes of the columns to read.
pub(super) fn projected_bytes(group: &RowGroupMetaData, plan: &ColumnsPlan) -> u64 {
    plan.leaves
        .iter()
        .filter_map(|leaf| group.columns().get(*leaf))
        .map(|c| u64::try_from(c.compressed_size()).unwrap_or(0))
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init)]
    use super::*;

    #[test]
    fn bitmaps_are_followed_exactly_only_where_it_pays() {
        let sparse = FileSelection::only(10_000, [5, 700, 9_000].into_iter());
        assert_eq!(
            follow_bitmap(Some(&sparse), 0..10_000),
            (vec![5..6, 700..701, 9_000..9_001], false)
        );
        let long = FileSelection::only(10_000, (100..200).chain(3_000..3_100));
        assert_eq!(
            follow_bitmap(Some(&long), 0..10_000),
            (vec![100..200, 3_000..3_100], false)
        );
        let random = FileSelection::only(10_000, (0..4_000).step_by(2).chain([9_000]));
        assert_eq!(
            follow_bitmap(Some(&random), 0..10_000),
            (vec![0..3_999, 9_000..9_001], true)
        );
        assert_eq!(
            follow_bitmap(Some(&random), 5_000..6_000),
            (Ranges::new(), false)
        );
        assert_eq!(follow_bitmap(None, 3..4), (vec![3..4], false));
    }
}
