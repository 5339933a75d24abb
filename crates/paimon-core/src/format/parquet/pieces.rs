//! Row groups cut into steps of bounded size.
//!
//! Java writes one row group per file of about 130 MB. The offset index tells where pages begin; a cut is made at rows
//! where most columns begin a page, so that hardly a page is fetched and decoded twice.

use std::collections::BTreeMap;
use std::ops::Range;

use super::columns::ColumnsPlan;
use super::footer::{Footer, group_rows};
use super::pages::{self, Page};
use super::ranges::{self, Ranges};
use super::selection::{GroupRows, projected_bytes};

/// Rows to fetch and decode in one step.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    /// Index of the row group.
    pub(super) group: usize,
    /// Row of the file at which the row group starts.
    pub(super) start: u64,
    /// Rows of the row group.
    pub(super) group_rows: u64,
    /// Rows to decode, counted from the start of the row group.
    pub(super) rows: Ranges,
    /// Whether the bitmap must still be applied to them.
    pub(super) filter: bool,
}

/// Pages that begin at one row.
#[derive(Default)]
struct Cut {
    columns: usize,
    bytes: u64,
}

/// Appends the pieces of one row group, each of about `step_bytes` compressed bytes.
pub(super) fn cut(
    footer: &Footer,
    plan: &ColumnsPlan,
    group: GroupRows,
    step_bytes: u64,
    out: &mut Vec<Piece>,
) {
    let Some(metadata) = footer.metadata().row_groups().get(group.group) else {
        return;
    };
    let group_rows = group_rows(metadata);
    let pages = if projected_bytes(metadata, plan) > step_bytes {
        plan.leaves
            .iter()
            .map(|leaf| pages::of_leaf(footer, group.group, *leaf))
            .collect::<Option<Vec<_>>>()
    } else {
        None
    };
    let steps = match pages {
        Some(pages) => steps(&pages, &group.rows, group_rows, step_bytes),
        None => ranges::one(0..group_rows),
    };
    for step in steps {
        let rows = ranges::intersect(&group.rows, &[step]);
        if !rows.is_empty() {
            out.push(Piece {
                group: group.group,
                start: group.start,
                group_rows,
                rows,
                filter: group.filter,
            });
        }
    }
}

/// Cuts the rows `0..group_rows` so that the pages with wanted rows of each step have about `target` bytes.
fn steps(pages: &[Vec<Page>], wanted: &[Range<u64>], group_rows: u64, target: u64) -> Ranges {
    let mut cuts: BTreeMap<u64, Cut> = BTreeMap::new();
    for column in pages {
        for page in column {
            let cut = cuts.entry(page.rows.start).or_default();
            cut.columns += 1;
            if overlaps(wanted, &page.rows) {
                cut.bytes += page.bytes;
            }
        }
    }
    let best = cuts
        .iter()
        .filter(|(row, _)| **row > 0)
        .map(|(_, c)| c.columns)
        .max()
        .unwrap_or(1);
    let mut steps = Ranges::new();
    let (mut start, mut bytes, mut since) = (0, 0u64, 0u64);
    let mut candidate = None;
    for (row, cut) in cuts {
        // `since`: bytes that began after the candidate
        if row > 0 && cut.columns * 2 > best {
            if bytes + since > target
                && let Some(at) = candidate
            {
                steps.push(start..at);
                start = at;
                bytes = 0;
            }
            bytes += since;
            since = 0;
            candidate = Some(row);
        }
        since += cut.bytes;
    }
    if bytes + since > target
        && let Some(at) = candidate
        && at > start
    {
        steps.push(start..at);
        start = at;
    }
    steps.push(start..group_rows);
    steps
}

fn overlaps(ranges: &[Range<u64>], rows: &Range<u64>) -> bool {
    let i = ranges.partition_point(|r| r.end <= rows.start);
    ranges.get(i).is_some_and(|r| r.start < rows.end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init)]
    use super::*;

    fn column(rows_per_page: u64, rows: u64, bytes: u64) -> Vec<Page> {
        (0..rows.div_ceil(rows_per_page))
            .map(|i| Page {
                rows: i * rows_per_page..((i + 1) * rows_per_page).min(rows),
                bytes,
            })
            .collect()
    }

    #[test]
    fn cuts_fall_on_common_page_starts_and_respect_the_target() {
        let pages = vec![column(20, 100, 10), column(20, 100, 10), column(7, 100, 1)];
        let steps = steps(&pages, &[0..100], 100, 50);
        assert_eq!(steps, vec![0..40, 40..80, 80..100]);
    }

    #[test]
    fn pages_without_wanted_rows_count_nothing() {
        let pages = vec![column(10, 100, 10)];
        assert_eq!(steps(&pages, &[95..96], 100, 10), vec![0..100]);
        assert_eq!(steps(&pages, &[0..100], 100, 1_000), vec![0..100]);
    }

    #[test]
    fn a_page_larger_than_the_target_is_a_step_of_its_own() {
        let pages = vec![column(50, 100, 1_000)];
        assert_eq!(steps(&pages, &[0..100], 100, 10), vec![0..50, 50..100]);
    }
}
