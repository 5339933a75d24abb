//! The bit-slice index of numbers (deprecated in favour of range bitmaps).
//!
//! ```text
//! u8 1 | i32 rows | u8 hasPositive [bsi] | u8 hasNegative [bsi]
//! bsi: u8 1 | i64 min | i64 max | roaring rows | i32 slices { roaring }
//! ```
//! Slices hold `|value| - min`. Source: `BitSliceIndexBitmapFileIndex`, `BitSliceIndexRoaringBitmap`.

use roaring::RoaringBitmap;

use super::all_rows;
use super::bit_slices::BitSlices;
use super::cursor::{Cursor, check_rows};
use super::key::{Key, KeyType, Question};
use crate::error::{Error, Result};
use crate::predicate::PredicateOp;

const VERSION: u8 = 1;

/// Rows that may answer the question; `None` when the index does not help.
pub(super) fn evaluate(
    bytes: &[u8],
    question: &Question<'_>,
    rows: u32,
) -> Result<Option<RoaringBitmap>> {
    if matches!(
        question.key_type,
        KeyType::Boolean | KeyType::Float | KeyType::Double | KeyType::Text
    ) {
        return Ok(None);
    }
    let index = Index::parse(bytes, rows)?;
    let existing = index.existing();
    let rows = match question.op {
        PredicateOp::IsNull => all_rows(rows) - existing,
        PredicateOp::IsNotNull => existing,
        PredicateOp::In => index.any_equal(&question.keys),
        PredicateOp::NotIn => existing - index.any_equal(&question.keys),
        op => match question.keys.first() {
            Some(Key::Number(v)) => index.compare(op, i128::from(*v)),
            _ => return Ok(None),
        },
    };
    Ok(Some(rows))
}

struct Index {
    /// Values from zero.
    positive: Option<Half>,
    /// Values below zero.
    negative: Option<Half>,
}

struct Half {
    min: i128,
    slices: BitSlices,
}

impl Index {
    fn parse(bytes: &[u8], rows: u32) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        cursor.version(VERSION)?;
        check_rows(cursor.i32()?, rows)?;
        let mut half = || -> Result<Option<Half>> {
            if cursor.bool()? {
                Half::parse(&mut cursor, rows).map(Some)
            } else {
                Ok(None)
            }
        };
        Ok(Self {
            positive: half()?,
            negative: half()?,
        })
    }

    fn existing(&self) -> RoaringBitmap {
        let mut rows = RoaringBitmap::new();
        for half in [&self.positive, &self.negative].into_iter().flatten() {
            rows |= &half.slices.existing;
        }
        rows
    }

    fn any_equal(&self, keys: &[Key<'_>]) -> RoaringBitmap {
        let mut rows = RoaringBitmap::new();
        for key in keys {
            if let Key::Number(v) = key {
                rows |= self.compare(PredicateOp::Eq, i128::from(*v));
            }
        }
        rows
    }

    fn compare(&self, op: PredicateOp, literal: i128) -> RoaringBitmap {
        let mut rows = RoaringBitmap::new();
        if let Some(half) = &self.positive {
            rows |= half.slices.compare(op, literal - half.min);
        }
        if let Some(half) = &self.negative {
            // -a < -b exactly when a > b
            rows |= half.slices.compare(mirrored(op), -literal - half.min);
        }
        rows
    }
}

fn mirrored(op: PredicateOp) -> PredicateOp {
    match op {
        PredicateOp::Lt => PredicateOp::Gt,
        PredicateOp::LtEq => PredicateOp::GtEq,
        PredicateOp::Gt => PredicateOp::Lt,
        PredicateOp::GtEq => PredicateOp::LtEq,
        other => other,
    }
}

impl Half {
    fn parse(cursor: &mut Cursor<'_>, rows: u32) -> Result<Self> {
        cursor.version(VERSION)?;
        let min = i128::from(cursor.i64()?);
        cursor.i64()?;
        let existing = cursor.bitmap(rows)?;
        let count = cursor.count("number of slices")?;
        if count > 64 {
            return Err(Error::damaged(format!(
                "bit-slice index has {count} slices, expected at most 64"
            )));
        }
        let slices = (0..count)
            .map(|_| cursor.bitmap(rows))
            .collect::<Result<_>>()?;
        Ok(Self {
            min,
            slices: BitSlices { existing, slices },
        })
    }
}
