//! The bloom filter index: `i32 k | bit set`.
//!
//! Source: `BloomFilterFileIndex`, `FastHash`, `BloomFilter64`.

use twox_hash::XxHash64;

use super::FileIndexResult;
use super::cursor::Cursor;
use super::key::timestamp_number;
use crate::error::{Error, Result};
use crate::predicate::{Leaf, PredicateOp};
use crate::spec::{DataType, Datum, TypeKind};

/// More hash functions than any sensible false-positive rate needs.
const HASHES_MAX: i32 = 4096;

/// `Skip` when none of the literals of `=` or IN can be in the file.
pub(super) fn evaluate(body: &[u8], leaf: &Leaf) -> Result<FileIndexResult> {
    if !matches!(leaf.op, PredicateOp::Eq | PredicateOp::In) || leaf.literals.is_empty() {
        return Ok(FileIndexResult::Keep);
    }
    let hashes: Option<Vec<i64>> = leaf
        .literals
        .iter()
        .map(|datum| hash(datum, &leaf.data_type))
        .collect();
    let Some(hashes) = hashes else {
        return Ok(FileIndexResult::Keep);
    };
    let filter = BloomFilter::parse(body)?;
    if hashes.into_iter().any(|h| filter.may_contain(h)) {
        return Ok(FileIndexResult::Keep);
    }
    Ok(FileIndexResult::Skip)
}

struct BloomFilter<'a> {
    hash_functions: i32,
    bits: &'a [u8],
    bit_count: i32,
}

impl<'a> BloomFilter<'a> {
    fn parse(body: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(body);
        let hash_functions = cursor.i32()?;
        let bits = body.get(4..).unwrap_or_default();
        let bit_count = bits
            .len()
            .checked_mul(8)
            .and_then(|bits| i32::try_from(bits).ok());
        match bit_count {
            Some(bit_count) if bit_count > 0 && (1..=HASHES_MAX).contains(&hash_functions) => {
                Ok(Self {
                    hash_functions,
                    bits,
                    bit_count,
                })
            }
            _ => Err(Error::damaged(format!(
                "bloom filter has {hash_functions} hash functions over {} bytes, expected 1 to {HASHES_MAX} over at \
                 least one byte",
                bits.len()
            ))),
        }
    }

    fn may_contain(&self, hash: i64) -> bool {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = hash.to_le_bytes();
        let low = i32::from_le_bytes([b0, b1, b2, b3]);
        let high = i32::from_le_bytes([b4, b5, b6, b7]);
        (1..=self.hash_functions).all(|i| {
            let combined = low.wrapping_add(i.wrapping_mul(high));
            let combined = if combined < 0 { !combined } else { combined };
            let bit = combined % self.bit_count;
            let byte = usize::try_from(bit >> 3)
                .ok()
                .and_then(|at| self.bits.get(at));
            byte.is_none_or(|byte| byte & (1 << (bit & 7)) != 0)
        })
    }
}

/// Hash of a literal; `None` for types without one and for floats that equal other bit patterns.
fn hash(datum: &Datum, data_type: &DataType) -> Option<i64> {
    let number = match (datum, &data_type.kind) {
        (Datum::String(v), TypeKind::Char(_) | TypeKind::VarChar(_)) => {
            return Some(XxHash64::oneshot(0, v.as_bytes()).cast_signed());
        }
        (Datum::Bytes(v), TypeKind::Binary(_) | TypeKind::VarBinary(_)) => {
            return Some(XxHash64::oneshot(0, v).cast_signed());
        }
        (Datum::TinyInt(v), TypeKind::TinyInt) => i64::from(*v),
        (Datum::SmallInt(v), TypeKind::SmallInt) => i64::from(*v),
        (Datum::Int(v), TypeKind::Int)
        | (Datum::Date(v), TypeKind::Date)
        | (Datum::Time(v), TypeKind::Time(_)) => i64::from(*v),
        (Datum::BigInt(v), TypeKind::BigInt) => *v,
        (Datum::Float(v), TypeKind::Float) if *v != 0.0 && !v.is_nan() => {
            i64::from(v.to_bits().cast_signed())
        }
        (Datum::Double(v), TypeKind::Double) if *v != 0.0 && !v.is_nan() => {
            v.to_bits().cast_signed()
        }
        (Datum::Timestamp { .. }, _) => timestamp_number(datum, data_type)?,
        _ => return None,
    };
    Some(fast_hash(number))
}

/// Thomas Wang's integer hash with the arithmetic shifts of Java's `long`.
pub(super) fn fast_hash(key: i64) -> i64 {
    let mut k = (!key).wrapping_add(key << 21);
    k ^= k >> 24;
    k = k.wrapping_add(k << 3).wrapping_add(k << 8);
    k ^= k >> 14;
    k = k.wrapping_add(k << 2).wrapping_add(k << 4);
    k ^= k >> 28;
    k.wrapping_add(k << 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!(fast_hash(1).cast_unsigned(), 0x5bca_7c69_b794_f8ce);
        assert_eq!(fast_hash(2).cast_unsigned(), 0xb795_033f_6f2a_0674);
        assert_eq!(fast_hash(-1).cast_unsigned(), 0x5bca_8684_3795_0d03);
    }

    #[test]
    fn broken_filters_are_refused() {
        for body in [&[][..], &[0, 0, 0, 3], &[0, 0, 0, 0, 1], &[127, 0, 0, 0, 1]] {
            assert!(BloomFilter::parse(body).is_err());
        }
    }
}
