//! The container of the indexes of one data file.
//!
//! ```text
//! i64 magic | i32 version 1 | i32 headLength
//! i32 columnCount { utf column | i32 indexCount { utf type | i32 start | i32 length } }
//! i32 redundantLength | body
//! ```
//! `start` counts from the start of the container; -1 marks an index without content.

use super::cursor::{Cursor, part};
use crate::error::{Error, Result};

pub(super) const MAGIC: i64 = 1_493_475_289_347_502;
pub(super) const VERSION: i32 = 1;
/// Magic, version and head length.
const FIXED_HEAD: usize = 16;

/// Parsed head of a container.
pub(super) struct Container<'a> {
    bytes: &'a [u8],
    entries: Vec<IndexEntry>,
}

/// One index of one column.
pub(super) struct IndexEntry {
    column: String,
    pub(super) index_type: String,
    start: i32,
    length: i32,
}

/// Content of an index.
pub(super) enum IndexBody<'a> {
    /// The column has no value in the file.
    Empty,
    /// Encoded index.
    Bytes(&'a [u8]),
}

impl<'a> Container<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut fixed = Cursor::new(bytes);
        let magic = fixed.i64()?;
        if magic != MAGIC {
            return Err(Error::damaged(format!(
                "file index has magic number {magic}, expected {MAGIC}"
            )));
        }
        let version = fixed.i32()?;
        if version != VERSION {
            return Err(Error::unsupported(format!(
                "file index container has version {version}, expected {VERSION}"
            )));
        }
        let head_length = fixed.count("head length")?;
        let variable = head_length.checked_sub(FIXED_HEAD).ok_or_else(|| {
            Error::damaged(format!(
                "file index has head length {head_length}, expected at least {FIXED_HEAD}"
            ))
        })?;
        let mut head = Cursor::new(fixed.take(variable)?);
        let mut entries = Vec::new();
        for _ in 0..head.count("column count")? {
            let column = head.utf()?;
            for _ in 0..head.count("index count")? {
                entries.push(IndexEntry {
                    column: column.clone(),
                    index_type: head.utf()?,
                    start: head.i32()?,
                    length: head.i32()?,
                });
            }
        }
        Ok(Self { bytes, entries })
    }

    pub(super) fn indexes_of(&self, column: &str) -> impl Iterator<Item = &IndexEntry> {
        self.entries.iter().filter(move |e| e.column == column)
    }

    pub(super) fn body(&self, entry: &IndexEntry) -> Result<IndexBody<'a>> {
        if entry.start == -1 {
            return Ok(IndexBody::Empty);
        }
        let (Ok(start), Ok(length)) = (usize::try_from(entry.start), usize::try_from(entry.length))
        else {
            return Err(Error::damaged(format!(
                "file index has an entry at {} with length {}",
                entry.start, entry.length
            ))
            .with("column", &entry.column));
        };
        part(self.bytes, start, length).map(IndexBody::Bytes)
    }
}
