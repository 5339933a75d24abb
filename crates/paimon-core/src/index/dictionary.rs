//! The dictionary of a range bitmap: sorted values in chunks, found by binary search.
//!
//! ```text
//! i32 headLength | u8 1 | i32 chunks | i32 offsetsLength | i32 chunksLength | offsets (i32 each) | chunks | keys
//! chunk, fixed width: u8 1 | first key | i32 code | i32 offset | i32 size | i32 keysLength | i32 keyWidth
//! chunk, strings:     u8 1 | first key | i32 code | i32 offset | i32 size | i32 offsetsLength | i32 keysLength
//! ```
//! A chunk's first key stands in its head only; `size` keys follow in the keys area at `offset`, for strings behind
//! their offsets. Source: `ChunkedDictionary`, `FixedLengthChunk`, `VariableLengthChunk`.

use std::cmp::Ordering;

use super::cursor::{Cursor, part};
use super::key::{Key, KeyType};
use crate::error::Result;

const VERSION: u8 = 1;

/// Where a value stands among the values of the dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// It has this code.
    Of(i128),
    /// It is missing, the next larger value has this code.
    Before(i128),
}

/// Encoded dictionary.
pub(super) struct Dictionary<'a> {
    bytes: &'a [u8],
    key_type: KeyType,
}

struct Areas<'a> {
    count: usize,
    offsets: &'a [u8],
    chunks: &'a [u8],
    keys: &'a [u8],
}

struct Chunk<'a> {
    first: Key<'a>,
    code: i32,
    size: usize,
    keys: ChunkKeys<'a>,
}

enum ChunkKeys<'a> {
    Fixed { keys: &'a [u8], width: usize },
    Variable { offsets: &'a [u8], keys: &'a [u8] },
}

impl<'a> Dictionary<'a> {
    pub(super) fn new(bytes: &'a [u8], key_type: KeyType) -> Self {
        Self { bytes, key_type }
    }

    /// Rank of a value.
    pub(super) fn rank(&self, key: &Key<'_>) -> Result<Rank> {
        let areas = self.areas()?;
        // chunks before `low` begin with a key that is not larger
        let (mut low, mut high) = (0, areas.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.chunk(&areas, middle)?.first.order(key) == Ordering::Greater {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        match low.checked_sub(1) {
            None => Ok(Rank::Before(0)),
            Some(at) => self.rank_in(&self.chunk(&areas, at)?, key),
        }
    }

    fn rank_in(&self, chunk: &Chunk<'_>, key: &Key<'_>) -> Result<Rank> {
        let code = i128::from(chunk.code);
        if chunk.first.order(key) == Ordering::Equal {
            return Ok(Rank::Of(code));
        }
        let (mut low, mut high) = (0, chunk.size);
        while low < high {
            let middle = low + (high - low) / 2;
            match chunk.keys.get(middle, self.key_type)?.order(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Rank::Of(code + 1 + middle as i128)),
            }
        }
        Ok(Rank::Before(code + 1 + low as i128))
    }

    fn areas(&self) -> Result<Areas<'a>> {
        let mut cursor = Cursor::new(self.bytes);
        let head_length = cursor.count("head length of the dictionary")?;
        let mut head = Cursor::new(cursor.take(head_length)?);
        head.version(VERSION)?;
        let count = head.count("number of chunks")?;
        let offsets_length = head.count("length of the chunk offsets")?;
        let chunks_length = head.count("length of the chunks")?;
        Ok(Areas {
            count,
            offsets: cursor.take(offsets_length)?,
            chunks: cursor.take(chunks_length)?,
            keys: cursor.rest(),
        })
    }

    fn chunk(&self, areas: &Areas<'a>, at: usize) -> Result<Chunk<'a>> {
        let offset = number_at(areas.offsets, at)?;
        let bytes = part(
            areas.chunks,
            offset,
            areas.chunks.len().saturating_sub(offset),
        )?;
        let mut head = Cursor::new(bytes);
        head.version(VERSION)?;
        let first = self.key_type.read(&mut head)?;
        let code = head.i32()?;
        let offset = head.count("offset of the keys")?;
        let size = head.count("number of keys")?;
        let keys = if self.key_type == KeyType::Text {
            let offsets_length = head.count("length of the key offsets")?;
            let keys_length = head.count("length of the keys")?;
            ChunkKeys::Variable {
                offsets: part(areas.keys, offset, offsets_length)?,
                keys: part(
                    areas.keys,
                    offset.saturating_add(offsets_length),
                    keys_length,
                )?,
            }
        } else {
            let keys_length = head.count("length of the keys")?;
            ChunkKeys::Fixed {
                keys: part(areas.keys, offset, keys_length)?,
                width: head.count("width of a key")?,
            }
        };
        Ok(Chunk {
            first,
            code,
            size,
            keys,
        })
    }
}

impl<'a> ChunkKeys<'a> {
    fn get(&self, at: usize, key_type: KeyType) -> Result<Key<'a>> {
        let (keys, offset) = match self {
            Self::Fixed { keys, width } => (keys, at.saturating_mul(*width)),
            Self::Variable { offsets, keys } => (keys, number_at(offsets, at)?),
        };
        let bytes = part(keys, offset, keys.len().saturating_sub(offset))?;
        key_type.read(&mut Cursor::new(bytes))
    }
}

/// The `at`-th number of an area of `i32`s.
fn number_at(area: &[u8], at: usize) -> Result<usize> {
    Cursor::new(part(area, at.saturating_mul(4), 4)?).count("offset")
}
