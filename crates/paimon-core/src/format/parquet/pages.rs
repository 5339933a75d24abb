//! The pages of a column chunk as the offset index lists them.

use std::ops::Range;

use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;

use super::footer::{Footer, group_rows};

/// Rows and compressed size of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// Rows within the row group.
    pub(super) rows: Range<u64>,
    /// Bytes in the file.
    pub(super) bytes: u64,
}

/// Pages of a leaf column in a row group; `None` without an offset index.
pub(super) fn of_leaf(footer: &Footer, group: usize, leaf: usize) -> Option<Vec<Page>> {
    let rows = group_rows(footer.metadata().row_groups().get(group)?);
    let index = footer.metadata().offset_index()?.get(group)?.get(leaf)?;
    let locations = index.page_locations();
    if locations.is_empty() {
        return None;
    }
    let starts = locations
        .iter()
        .map(|l| u64::try_from(l.first_row_index).unwrap_or(0));
    let ends = starts.clone().skip(1).chain([rows]);
    Some(
        locations
            .iter()
            .zip(starts.zip(ends))
            .map(|(l, (start, end))| Page {
                rows: start..end,
                bytes: u64::try_from(l.compressed_page_size).unwrap_or(0),
            })
            .collect(),
    )
}

/// Whether the listed pages lie within the column chunk and hold ascending rows of the row group.
pub(super) fn is_sound(
    group: &RowGroupMetaData,
    chunk: &ColumnChunkMetaData,
    index: &OffsetIndexMetaData,
) -> bool {
    let (start, length) = chunk.byte_range();
    let mut offset_min = start;
    let mut row_min = 0;
    for (i, page) in index.page_locations().iter().enumerate() {
        let (Ok(offset), Ok(bytes)) = (
            u64::try_from(page.offset),
            u64::try_from(page.compressed_page_size),
        ) else {
            return false;
        };
        let inside = offset >= offset_min && offset.saturating_add(bytes) <= start + length;
        let rows_ascend = if i == 0 {
            page.first_row_index == 0
        } else {
            page.first_row_index > row_min
        };
        if !inside || !rows_ascend || page.first_row_index >= group.num_rows().max(1) {
            return false;
        }
        offset_min = offset + bytes;
        row_min = page.first_row_index;
    }
    true
}
