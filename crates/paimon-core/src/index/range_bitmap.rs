//! The range bitmap index: a sorted dictionary of the values and the bit slices of their ranks.
//!
//! ```text
//! i32 headLength | u8 1 | i32 rows | i32 cardinality | [min | max] | i32 dictionaryLength | dictionary | slices
//! slices: i32 headLength | u8 1 | u8 count | i32 rowsLength | i32 indexesLength { i32 offset | i32 length }
//!         roaring rows | roaring slices
//! ```
//! Source: `RangeBitmap`, `BitSliceIndexBitmap`.

use std::cmp::Ordering;

use roaring::RoaringBitmap;

use super::all_rows;
use super::bit_slices::BitSlices;
use super::cursor::{Cursor, check_rows, part};
use super::dictionary::{Dictionary, Rank};
use super::key::{Key, Question};
use crate::error::{Error, Result};
use crate::predicate::PredicateOp;

const VERSION: u8 = 1;
/// Lists longer than this are answered by the range they span.
const LIST_MAX: usize = 64;

/// Rows that may answer the question; `None` when the index does not help.
pub(super) fn evaluate(
    bytes: &[u8],
    question: &Question<'_>,
    rows: u32,
) -> Result<Option<RoaringBitmap>> {
    let index = RangeBitmap::parse(bytes, question, rows)?;
    let answer = match (question.op, question.keys.as_slice()) {
        (PredicateOp::IsNull, _) => all_rows(rows) - index.existing()?,
        (PredicateOp::IsNotNull, _) => index.existing()?,
        (PredicateOp::In, [first, .., last]) if question.keys.len() > LIST_MAX => {
            index.compare(PredicateOp::GtEq, first)? & index.compare(PredicateOp::LtEq, last)?
        }
        (PredicateOp::In, keys) => index.any_equal(keys)?,
        (PredicateOp::NotIn, keys) if keys.len() > LIST_MAX => index.existing()?,
        (PredicateOp::NotIn, keys) => index.existing()? - index.any_equal(keys)?,
        (op, [key, ..]) => index.compare(op, key)?,
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

struct RangeBitmap<'a> {
    rows: u32,
    /// Smallest and largest value; `None` when all are null.
    bounds: Option<(Key<'a>, Key<'a>)>,
    dictionary: Dictionary<'a>,
    slices: &'a [u8],
}

impl<'a> RangeBitmap<'a> {
    fn parse(bytes: &'a [u8], question: &Question<'_>, rows: u32) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        let head_length = cursor.count("head length")?;
        let mut head = Cursor::new(cursor.take(head_length)?);
        head.version(VERSION)?;
        check_rows(head.i32()?, rows)?;
        let bounds = if head.count("cardinality")? > 0 {
            let min = question.key_type.read(&mut head)?;
            Some((min, question.key_type.read(&mut head)?))
        } else {
            None
        };
        let dictionary_length = head.count("dictionary length")?;
        let dictionary = cursor.take(dictionary_length)?;
        Ok(Self {
            rows,
            bounds,
            dictionary: Dictionary::new(dictionary, question.key_type),
            slices: cursor.rest(),
        })
    }

    fn any_equal(&self, keys: &[Key<'_>]) -> Result<RoaringBitmap> {
        let mut rows = RoaringBitmap::new();
        for key in keys {
            rows |= self.compare(PredicateOp::Eq, key)?;
        }
        Ok(rows)
    }

    fn compare(&self, op: PredicateOp, key: &Key<'_>) -> Result<RoaringBitmap> {
        let Some((min, max)) = &self.bounds else {
            return Ok(RoaringBitmap::new());
        };
        // values outside of the bounds need neither dictionary nor slices
        let all = match (key.order(min), key.order(max)) {
            (Ordering::Less, _) => {
                matches!(op, PredicateOp::Gt | PredicateOp::GtEq | PredicateOp::NotEq)
            }
            (_, Ordering::Greater) => {
                matches!(op, PredicateOp::Lt | PredicateOp::LtEq | PredicateOp::NotEq)
            }
            _ => return self.compare_within(op, key),
        };
        if all {
            self.existing()
        } else {
            Ok(RoaringBitmap::new())
        }
    }

    fn compare_within(&self, op: PredicateOp, key: &Key<'_>) -> Result<RoaringBitmap> {
        let slices = self.bit_slices()?;
        Ok(match (self.dictionary.rank(key)?, op) {
            (Rank::Of(code), op) => slices.compare(op, code),
            (Rank::Before(_), PredicateOp::Eq) => RoaringBitmap::new(),
            (Rank::Before(_), PredicateOp::NotEq) => slices.existing,
            (Rank::Before(code), PredicateOp::Lt | PredicateOp::LtEq) => {
                slices.compare(PredicateOp::Lt, code)
            }
            (Rank::Before(code), _) => slices.compare(PredicateOp::GtEq, code),
        })
    }

    fn existing(&self) -> Result<RoaringBitmap> {
        if self.bounds.is_none() {
            return Ok(RoaringBitmap::new());
        }
        self.slices_head().and_then(|head| head.existing(self.rows))
    }

    fn bit_slices(&self) -> Result<BitSlices> {
        let head = self.slices_head()?;
        let mut indexes = Cursor::new(head.indexes);
        let slices = (0..head.count)
            .map(|_| {
                let offset = indexes.count("slice offset")?;
                let length = indexes.count("slice length")?;
                Cursor::new(part(head.slices, offset, length)?).bitmap(self.rows)
            })
            .collect::<Result<_>>()?;
        Ok(BitSlices {
            existing: head.existing(self.rows)?,
            slices,
        })
    }

    fn slices_head(&self) -> Result<SlicesHead<'a>> {
        let mut cursor = Cursor::new(self.slices);
        let head_length = cursor.count("head length of the slices")?;
        let mut head = Cursor::new(cursor.take(head_length)?);
        head.version(VERSION)?;
        let count = head.u8()?;
        if count > 64 {
            return Err(Error::damaged(format!(
                "range bitmap has {count} slices, expected at most 64"
            )));
        }
        let existing_length = head.count("length of the row bitmap")?;
        let indexes_length = head.count("length of the slice table")?;
        Ok(SlicesHead {
            count,
            indexes: head.take(indexes_length)?,
            existing: cursor.take(existing_length)?,
            slices: cursor.rest(),
        })
    }
}

struct SlicesHead<'a> {
    count: u8,
    indexes: &'a [u8],
    existing: &'a [u8],
    slices: &'a [u8],
}

impl SlicesHead<'_> {
    fn existing(&self, rows: u32) -> Result<RoaringBitmap> {
        Cursor::new(self.existing).bitmap(rows)
    }
}
