//! Sorting in memory.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, RecordBatch};
use arrow_select::interleave::{interleave, interleave_record_batch};

use super::KeyedRows;
use crate::error::{Error, Result};

/// Bytes that sorting takes for each row.
pub(super) const BYTES_PER_ROW: usize = size_of::<Place>();

/// Blocks of rows, and the order of all of them.
pub(in crate::compact::cluster) struct Arranged {
    blocks: Vec<KeyedRows>,
    order: Vec<Place>,
    next: usize,
}

/// Where a row is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The first bytes of its key, which tell most rows apart.
    prefix: u64,
    block: u32,
    row: u32,
}

impl Arranged {
    /// Sorts the rows of `blocks` by their keys.
    ///
    /// # Errors
    /// `Internal` for more blocks or rows than can be counted in 32 bits.
    pub fn new(blocks: Vec<KeyedRows>) -> Result<Self> {
        let rows = blocks.iter().map(|b| b.rows.num_rows()).sum();
        let mut order = Vec::with_capacity(rows);
        for (at, block) in blocks.iter().enumerate() {
            for row in 0..block.rows.num_rows() {
                order.push(Place {
                    prefix: prefix(block.keys.value(row)),
                    block: narrow(at)?,
                    row: narrow(row)?,
                });
            }
        }
        let key = |place: &Place| key_at(&blocks, *place);
        order.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| key(a).cmp(key(b))));
        Ok(Self {
            blocks,
            order,
            next: 0,
        })
    }

    /// The next `rows` rows, fewer at the end; `None` when there are none.
    ///
    /// # Errors
    /// `Internal` when Arrow fails.
    pub fn next_keyed(&mut self, rows: usize) -> Result<Option<KeyedRows>> {
        let end = self.next.saturating_add(rows).min(self.order.len());
        let places = &self.order[self.next..end];
        if places.is_empty() {
            return Ok(None);
        }
        let mut indices = Vec::with_capacity(places.len());
        for place in places {
            indices.push((wide(place.block)?, wide(place.row)?));
        }
        self.next = end;
        let batches: Vec<&RecordBatch> = self.blocks.iter().map(|b| &b.rows).collect();
        let keys: Vec<&dyn Array> = self.blocks.iter().map(|b| &b.keys as &dyn Array).collect();
        let keys = interleave(&keys, &indices)?;
        let keys: &BinaryArray = keys.as_binary();
        Ok(Some(KeyedRows {
            keys: keys.clone(),
            rows: interleave_record_batch(&batches, &indices)?,
        }))
    }
}

fn key_at(blocks: &[KeyedRows], place: Place) -> &[u8] {
    let (Ok(block), Ok(row)) = (usize::try_from(place.block), usize::try_from(place.row)) else {
        return &[];
    };
    blocks[block].keys.value(row)
}

fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = key.len().min(8);
    first[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(first)
}

fn narrow(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::internal("too many rows are sorted at a time"))
}

fn wide(number: u32) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::internal("a row has a number beyond memory"))
}
