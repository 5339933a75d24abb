//! The bitmap index: one roaring bitmap per value.
//!
//! ```text
//! V1: u8 1 | i32 rows | i32 values | u8 hasNull [ i32 nullOffset ] { value | i32 offset } | body
//! V2: u8 2 | i32 rows | i32 values | u8 hasNull [ i32 nullOffset | i32 nullLength ]
//!     i32 blocks { first value | i32 blockOffset } | i32 bodyOffset | { i32 entries { value | i32 offset | i32 length } } | body
//! ```
//! A negative offset is a single row, `-1 - offset`. Source: `BitmapFileIndex`, `BitmapFileIndexMeta`,
//! `BitmapFileIndexMetaV2`.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use roaring::RoaringBitmap;

use super::all_rows;
use super::cursor::{Cursor, check_rows, part};
use super::key::{KeyType, Question};
use crate::error::{Error, Result};
use crate::predicate::PredicateOp;

const VERSION_1: u8 = 1;
const VERSION_2: u8 = 2;

/// Rows that may answer the question; `None` when the index does not help.
pub(super) fn evaluate(
    bytes: &[u8],
    question: &Question<'_>,
    rows: u32,
) -> Result<Option<RoaringBitmap>> {
    use PredicateOp as Op;
    let negate = match question.op {
        Op::Eq | Op::In | Op::IsNull => false,
        Op::NotEq | Op::NotIn | Op::IsNotNull => true,
        _ => return Ok(None),
    };
    if question.key_type == KeyType::Decimal {
        return Ok(None);
    }
    let (head, cursor) = Head::parse(bytes, rows)?;
    let (entries, body) = match head.version {
        VERSION_1 => entries_1(&head, cursor, question)?,
        _ => entries_2(bytes, cursor, question)?,
    };
    let nulls = || match head.null_entry {
        None => Ok(RoaringBitmap::new()),
        Some(offset) => bitmap_at(body, offset, rows),
    };
    let mut found = RoaringBitmap::new();
    if matches!(question.op, Op::IsNull | Op::IsNotNull) {
        found = nulls()?;
    } else {
        for offset in entries {
            found |= bitmap_at(body, offset, rows)?;
        }
        if negate {
            found |= nulls()?;
        }
    }
    Ok(Some(if negate {
        all_rows(rows) - found
    } else {
        found
    }))
}

struct Head {
    version: u8,
    values: usize,
    null_entry: Option<i32>,
}

impl Head {
    fn parse<'a>(bytes: &'a [u8], rows: u32) -> Result<(Self, Cursor<'a>)> {
        let mut cursor = Cursor::new(bytes);
        let version = cursor.version(VERSION_2)?;
        if version < VERSION_1 {
            return Err(Error::damaged(format!(
                "bitmap index has version {version}, expected {VERSION_1} or {VERSION_2}"
            )));
        }
        check_rows(cursor.i32()?, rows)?;
        let values = cursor.count("number of values")?;
        let null_entry = if cursor.bool()? {
            let offset = cursor.i32()?;
            if version == VERSION_2 {
                // the bitmap knows its own length
                cursor.i32()?;
            }
            Some(offset)
        } else {
            None
        };
        let head = Self {
            version,
            values,
            null_entry,
        };
        Ok((head, cursor))
    }
}

/// Offsets of the wanted values, and the body.
type Entries<'a> = (Vec<i32>, &'a [u8]);

fn entries_1<'a>(
    head: &Head,
    mut cursor: Cursor<'a>,
    question: &Question<'_>,
) -> Result<Entries<'a>> {
    let mut found = Vec::new();
    for _ in 0..head.values {
        let key = question.key_type.read(&mut cursor)?;
        let offset = cursor.i32()?;
        if question.has(&key) {
            found.push(offset);
        }
    }
    Ok((found, cursor.rest()))
}

fn entries_2<'a>(
    bytes: &'a [u8],
    mut cursor: Cursor<'a>,
    question: &Question<'_>,
) -> Result<Entries<'a>> {
    let mut blocks = Vec::new();
    for _ in 0..cursor.count("number of blocks")? {
        let first = question.key_type.read(&mut cursor)?;
        blocks.push((first, cursor.count("block offset")?));
    }
    let blocks_length = cursor.count("body offset")?;
    let area = part(bytes, cursor.position(), blocks_length)?;
    let body = cursor.rest().get(blocks_length..).unwrap_or_default();
    let mut wanted = BTreeSet::new();
    for key in &question.keys {
        let after = blocks.partition_point(|(first, _)| first.order(key) != Ordering::Greater);
        if let Some((_, offset)) = after.checked_sub(1).and_then(|at| blocks.get(at)) {
            wanted.insert(*offset);
        }
    }
    let mut found = Vec::new();
    for offset in wanted {
        let mut block = Cursor::new(part(area, offset, area.len().saturating_sub(offset))?);
        for _ in 0..block.count("number of entries")? {
            let key = question.key_type.read(&mut block)?;
            let offset = block.i32()?;
            block.i32()?;
            if question.has(&key) {
                found.push(offset);
            }
        }
    }
    Ok((found, body))
}

fn bitmap_at(body: &[u8], offset: i32, rows: u32) -> Result<RoaringBitmap> {
    match usize::try_from(offset) {
        Ok(start) => {
            let bytes = part(body, start, body.len().saturating_sub(start))?;
            Cursor::new(bytes).bitmap(rows)
        }
        Err(_) => {
            let row = u32::try_from(-1 - offset).unwrap_or(u32::MAX);
            if row >= rows {
                return Err(Error::damaged(format!(
                    "bitmap index names row {row} of a file with {rows} rows"
                )));
            }
            Ok(RoaringBitmap::from_iter([row]))
        }
    }
}
