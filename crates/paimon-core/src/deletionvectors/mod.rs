//! Deletion vectors: physical positions of deleted rows per data file, several in one index file.
//!
//! ```text
//! u8 version = 1
//! { i32 BE size | data[size] | i32 BE crc32(data) }*
//! data, 32 bit: i32 BE magic 1581511376 | roaring bitmap
//! data, 64 bit: i32 LE magic 1681511377 | i64 LE count | { i32 LE high bits | roaring bitmap }*
//! ```
//! Source: `DeletionVectorsIndexFile`, `DeletionFileWriter`, `BitmapDeletionVector`, `Bitmap64DeletionVector`.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use roaring::RoaringTreemap;

pub use decode::{decode_deletion_vector, read_range_of};
pub use encode::encode_deletion_vectors;

use crate::error::{Error, Result};
use crate::selection::FileSelection;

const FILE_VERSION: u8 = 1;
const MAGIC_32: u32 = 1_581_511_376;
const MAGIC_64: u32 = 1_681_511_377;

/// Layout of a deletion vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeletionVectorVersion {
    /// One 32-bit bitmap, the default.
    #[default]
    V1,
    /// 64-bit positions, option `deletion-vectors.bitmap64`.
    V2,
}

/// Positions of the deleted rows of one data file, 0-based physical row numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeletionVector {
    positions: RoaringTreemap,
}

impl DeletionVector {
    /// No row deleted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks a row as deleted; false when it was deleted already.
    pub fn delete(&mut self, position: u64) -> bool {
        self.positions.insert(position)
    }

    /// Marks all rows that `other` deletes.
    pub fn merge(&mut self, other: &Self) {
        self.positions |= &other.positions;
    }

    /// Whether the row is deleted.
    pub fn contains(&self, position: u64) -> bool {
        self.positions.contains(position)
    }

    /// Number of deleted rows.
    pub fn cardinality(&self) -> u64 {
        self.positions.len()
    }

    /// Whether no row is deleted.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Deleted positions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.positions.iter()
    }

    /// The rows that remain of a file of `row_count` rows. Positions past the end are ignored.
    pub fn to_selection(&self, row_count: usize) -> FileSelection {
        let end = u64::try_from(row_count).unwrap_or(u64::MAX);
        FileSelection::all_but(row_count, self.iter().take_while(|p| *p < end))
    }

    /// Checks that all positions lie within a file of `row_count` rows.
    ///
    /// # Errors
    /// `Damaged` otherwise.
    pub fn check_row_count(&self, row_count: u64) -> Result<()> {
        match self.positions.max() {
            Some(last) if last >= row_count => Err(Error::damaged(format!(
                "deletion vector deletes row {last} of a file with {row_count} rows"
            ))),
            _ => Ok(()),
        }
    }
}

impl FromIterator<u64> for DeletionVector {
    fn from_iter<I: IntoIterator<Item = u64>>(positions: I) -> Self {
        Self {
            positions: positions.into_iter().collect(),
        }
    }
}
