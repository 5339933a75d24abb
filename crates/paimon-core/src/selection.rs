//! Which rows of one file survive: the common currency of deletion vectors, key merge and file indexes.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

/// One bit per physical row of a file; set means the row is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSelection {
    keep: BooleanBuffer,
    count: usize,
}

impl FileSelection {
    /// From a bitmap with one bit per row.
    pub fn new(keep: BooleanBuffer) -> Self {
        let count = keep.count_set_bits();
        Self { keep, count }
    }

    /// Keeps every one of `rows` rows.
    pub fn all(rows: usize) -> Self {
        Self::new(BooleanBuffer::new_set(rows))
    }

    /// Keeps all rows but the given positions (a deletion vector). Positions past the end are ignored.
    pub fn all_but(rows: usize, deleted: impl Iterator<Item = u64>) -> Self {
        let mut keep = BooleanBufferBuilder::new(rows);
        keep.append_n(rows, true);
        for position in deleted {
            if let Ok(i) = usize::try_from(position)
                && i < rows
            {
                keep.set_bit(i, false);
            }
        }
        Self::new(keep.finish())
    }

    /// Keeps exactly the given positions. Positions past the end are ignored.
    pub fn only(rows: usize, kept: impl Iterator<Item = u64>) -> Self {
        let mut keep = BooleanBufferBuilder::new(rows);
        keep.append_n(rows, false);
        for position in kept {
            if let Ok(i) = usize::try_from(position)
                && i < rows
            {
                keep.set_bit(i, true);
            }
        }
        Self::new(keep.finish())
    }

    /// Rows of the file.
    pub fn rows(&self) -> usize {
        self.keep.len()
    }

    /// Rows kept.
    pub fn selected(&self) -> usize {
        self.count
    }

    /// The bitmap.
    pub fn bits(&self) -> &BooleanBuffer {
        &self.keep
    }

    /// Rows wanted by both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self::new(&self.keep & &other.keep)
    }
}
