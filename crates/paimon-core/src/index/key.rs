//! Column values as indexes store and order them.

use std::cmp::Ordering;

use super::cursor::Cursor;
use crate::error::Result;
use crate::predicate::{Leaf, PredicateOp};
use crate::spec::{DataType, Datum, TypeKind};

/// How an index stores the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyType {
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    /// Unscaled decimal of up to 18 digits.
    Decimal,
    Float,
    Double,
    /// `i32` length and UTF-8.
    Text,
}

/// A stored value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Key<'a> {
    Number(i64),
    /// Order of `Double.compare` with one NaN.
    Float(f64),
    Text(&'a [u8]),
}

impl KeyType {
    /// The stored form of values of a type; `None` when they have none.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        Some(match &data_type.kind {
            TypeKind::Boolean => Self::Boolean,
            TypeKind::TinyInt => Self::Byte,
            TypeKind::SmallInt => Self::Short,
            TypeKind::Int | TypeKind::Date | TypeKind::Time(_) => Self::Int,
            TypeKind::BigInt | TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => {
                Self::Long
            }
            TypeKind::Decimal { precision, .. } if *precision <= 18 => Self::Decimal,
            TypeKind::Float => Self::Float,
            TypeKind::Double => Self::Double,
            TypeKind::Char(_) | TypeKind::VarChar(_) => Self::Text,
            _ => return None,
        })
    }

    /// Bytes of a number; 0 for text.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Boolean | Self::Byte => 1,
            Self::Short => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Decimal | Self::Double => 8,
            Self::Text => 0,
        }
    }

    /// Reads the next value.
    pub(super) fn read<'a>(self, cursor: &mut Cursor<'a>) -> Result<Key<'a>> {
        Ok(match self {
            Self::Boolean => Key::Number(i64::from(cursor.bool()?)),
            Self::Byte => Key::Number(i64::from(cursor.u8()?.cast_signed())),
            Self::Short => Key::Number(i64::from(cursor.i16()?)),
            Self::Int => Key::Number(i64::from(cursor.i32()?)),
            Self::Long | Self::Decimal => Key::Number(cursor.i64()?),
            Self::Float => Key::float(f64::from(f32::from_bits(cursor.i32()?.cast_unsigned()))),
            Self::Double => Key::float(f64::from_bits(cursor.i64()?.cast_unsigned())),
            Self::Text => {
                let length = cursor.count("string length")?;
                Key::Text(cursor.take(length)?)
            }
        })
    }
}

impl Key<'_> {
    fn float(value: f64) -> Self {
        // every NaN of Java is the same one, larger than all
        Key::Float(if value.is_nan() {
            f64::from_bits(0x7ff8_0000_0000_0000)
        } else {
            value
        })
    }

    /// Order of the index; keys of one column only.
    pub(super) fn order(&self, other: &Key<'_>) -> Ordering {
        match (self, other) {
            (Key::Number(a), Key::Number(b)) => a.cmp(b),
            (Key::Float(a), Key::Float(b)) => a.total_cmp(b),
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Number(_) => 0,
            Key::Float(_) => 1,
            Key::Text(_) => 2,
        }
    }
}

/// A leaf in terms of stored values: its answer holds every row that the leaf's own answer holds.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) op: PredicateOp,
    pub(super) key_type: KeyType,
    /// Sorted, without duplicates; one unless the operation takes a list.
    pub(super) keys: Vec<Key<'a>>,
}

impl<'a> Question<'a> {
    /// `None` when no index of values can answer the leaf.
    pub(super) fn of(leaf: &'a Leaf) -> Option<Self> {
        use PredicateOp as Op;
        let key_type = KeyType::of(&leaf.data_type)?;
        let mut op = leaf.op;
        match op {
            Op::IsNull | Op::IsNotNull => {
                return Some(Self {
                    op,
                    key_type,
                    keys: Vec::new(),
                });
            }
            Op::StartsWith | Op::EndsWith | Op::Contains | Op::Like => return None,
            _ => {}
        }
        if stored_shortened(&leaf.data_type) {
            // rows with the literal's microsecond may lie on either side of it
            op = match op {
                Op::NotEq | Op::NotIn => return None,
                Op::Lt => Op::LtEq,
                Op::Gt => Op::GtEq,
                other => other,
            };
        }
        let mut keys = leaf
            .literals
            .iter()
            .map(|datum| key_of(datum, &leaf.data_type))
            .collect::<Option<Vec<_>>>()?;
        keys.sort_by(Key::order);
        keys.dedup();
        if keys.is_empty() {
            return None;
        }
        Some(Self { op, key_type, keys })
    }

    /// Whether the keys hold this one.
    pub(super) fn has(&self, key: &Key<'_>) -> bool {
        self.keys.binary_search_by(|k| k.order(key)).is_ok()
    }
}

/// Whether indexes cut the values of a type: timestamps finer than microseconds.
pub(super) fn stored_shortened(data_type: &DataType) -> bool {
    matches!(
        data_type.kind,
        TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) if p > 6
    )
}

/// The stored form of a literal; `None` when there is none, or when SQL compares it otherwise than the index does:
/// zero equals negative zero, and NaN is left alone.
fn key_of<'a>(datum: &'a Datum, data_type: &DataType) -> Option<Key<'a>> {
    Some(match (datum, &data_type.kind) {
        (Datum::Boolean(v), TypeKind::Boolean) => Key::Number(i64::from(*v)),
        (Datum::TinyInt(v), TypeKind::TinyInt) => Key::Number(i64::from(*v)),
        (Datum::SmallInt(v), TypeKind::SmallInt) => Key::Number(i64::from(*v)),
        (Datum::Int(v), TypeKind::Int)
        | (Datum::Date(v), TypeKind::Date)
        | (Datum::Time(v), TypeKind::Time(_)) => Key::Number(i64::from(*v)),
        (Datum::BigInt(v), TypeKind::BigInt) => Key::Number(*v),
        (Datum::Decimal { unscaled, scale }, TypeKind::Decimal { scale: s, .. }) if scale == s => {
            Key::Number(i64::try_from(*unscaled).ok()?)
        }
        (Datum::Float(v), TypeKind::Float) if comparable(f64::from(*v)) => {
            Key::Float(f64::from(*v))
        }
        (Datum::Double(v), TypeKind::Double) if comparable(*v) => Key::Float(*v),
        (Datum::String(v), TypeKind::Char(_) | TypeKind::VarChar(_)) => Key::Text(v.as_bytes()),
        (Datum::Timestamp { .. }, _) => Key::Number(timestamp_number(datum, data_type)?),
        _ => return None,
    })
}

fn comparable(v: f64) -> bool {
    v != 0.0 && !v.is_nan()
}

/// Milliseconds up to precision 3, else microseconds; `None` when the literal is finer than the column or out of range.
pub(super) fn timestamp_number(datum: &Datum, data_type: &DataType) -> Option<i64> {
    let (Datum::Timestamp { millis, nanos }, kind) = (datum, &data_type.kind) else {
        return None;
    };
    let (TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p)) = kind else {
        return None;
    };
    match p {
        0..=3 => (*nanos == 0).then_some(*millis),
        4..=6 if nanos % 1000 != 0 => None,
        _ => millis
            .checked_mul(1000)?
            .checked_add(i64::from(nanos / 1000)),
    }
}
