//! The bucket of a record from its bucket key.
//!
//! Source: `DefaultBucketFunction`, `ModBucketFunction`, `HiveBucketFunction`, `HiveHasher`; option `bucket-function.type`.

use super::{DataType, Datum, binary_row};
use crate::error::{Error, Result};

/// Bucket of rows that a compaction will distribute, and the bucket count that goes with it.
pub const POSTPONE_BUCKET: i32 = -2;

/// How a bucket key becomes a bucket number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BucketFunction {
    /// Murmur hash of the binary row of the key.
    #[default]
    Default,
    /// The single INT or BIGINT key itself.
    Mod,
    /// Hive's hash.
    Hive,
}

impl BucketFunction {
    /// Parses the value of option `bucket-function.type`, any case.
    ///
    /// # Errors
    /// `InvalidInput` for another name.
    pub fn parse(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "default" => Ok(Self::Default),
            "mod" => Ok(Self::Mod),
            "hive" => Ok(Self::Hive),
            _ => Err(Error::invalid(format!(
                "bucket function `{name}` is unknown, expected default, mod or hive"
            ))
            .with("option", "bucket-function.type")),
        }
    }

    /// Bucket in `0..total` of a bucket key: its columns in bucket-key order, typed as in the table schema.
    ///
    /// # Errors
    /// `InvalidInput` when `total` is not positive or `mod` gets another key than one non-null INT or BIGINT;
    /// `Unsupported` for a type that Hive cannot hash.
    pub fn bucket(&self, key: &[(Option<Datum>, DataType)], total: i32) -> Result<i32> {
        if total <= 0 {
            return Err(Error::invalid(format!(
                "bucket count must be positive, found {total}"
            )));
        }
        match self {
            Self::Default => Ok(default_bucket(binary_row(key).hash_code(), total)),
            Self::Mod => mod_bucket(key, total),
            Self::Hive => hive_hash(key).map(|hash| (hash & i32::MAX) % total),
        }
    }
}

/// Bucket of a hash under the default function: `abs(hash % total)`; 0 unless `total` is positive.
pub fn default_bucket(hash: i32, total: i32) -> i32 {
    if total <= 0 { 0 } else { (hash % total).abs() }
}

fn mod_bucket(key: &[(Option<Datum>, DataType)], total: i32) -> Result<i32> {
    let value = match key {
        [(Some(Datum::Int(v)), _)] => i64::from(*v),
        [(Some(Datum::BigInt(v)), _)] => *v,
        _ => {
            return Err(Error::invalid(
                "bucket function `mod` takes one non-null INT or BIGINT key",
            ));
        }
    };
    i32::try_from(value.rem_euclid(i64::from(total)))
        .map_err(|_| Error::internal("bucket outside of the INT range"))
}

fn hive_hash(key: &[(Option<Datum>, DataType)]) -> Result<i32> {
    key.iter().try_fold(0i32, |hash, (value, data_type)| {
        let field = match value {
            None => 0,
            Some(value) => hive_field_hash(value, data_type)?,
        };
        Ok(hash.wrapping_mul(31).wrapping_add(field))
    })
}

fn hive_field_hash(value: &Datum, data_type: &DataType) -> Result<i32> {
    Ok(match value {
        Datum::Boolean(v) => i32::from(*v),
        Datum::TinyInt(v) => i32::from(*v),
        Datum::SmallInt(v) => i32::from(*v),
        Datum::Int(v) | Datum::Date(v) | Datum::Time(v) => *v,
        Datum::BigInt(v) => fold(v.cast_unsigned()),
        Datum::Float(v) if *v == 0.0 => 0,
        Datum::Float(v) if v.is_nan() => 0x7fc0_0000,
        Datum::Float(v) => v.to_bits().cast_signed(),
        Datum::Double(v) if *v == 0.0 => 0,
        Datum::Double(v) if v.is_nan() => fold(0x7ff8_0000_0000_0000),
        Datum::Double(v) => fold(v.to_bits()),
        Datum::String(v) => bytes_hash(v.as_bytes()),
        Datum::Bytes(v) => bytes_hash(v),
        Datum::Decimal { unscaled, scale } => decimal_hash(*unscaled, *scale),
        Datum::Timestamp { .. } => {
            return Err(Error::unsupported(format!(
                "bucket function `hive` cannot hash {data_type}"
            )));
        }
    })
}

/// Java's `Long.hashCode`.
fn fold(bits: u64) -> i32 {
    low_word(bits ^ (bits >> 32)).cast_signed()
}

fn low_word(bits: u64) -> u32 {
    let [b0, b1, b2, b3, ..] = bits.to_le_bytes();
    u32::from_le_bytes([b0, b1, b2, b3])
}

fn bytes_hash(bytes: &[u8]) -> i32 {
    bytes.iter().fold(0i32, |hash, byte| {
        hash.wrapping_mul(31)
            .wrapping_add(i32::from(byte.cast_signed()))
    })
}

/// Java's `BigDecimal.hashCode` of the value without trailing zeros (never a negative scale).
fn decimal_hash(mut unscaled: i128, mut scale: u8) -> i32 {
    if unscaled == 0 {
        return 0;
    }
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    let magnitude = unscaled.unsigned_abs().to_be_bytes();
    // leading zero words add nothing: 31 * 0 + 0
    let hash = magnitude.chunks_exact(4).fold(0i32, |hash, word| {
        hash.wrapping_mul(31)
            .wrapping_add(i32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    });
    let signed = if unscaled < 0 {
        hash.wrapping_neg()
    } else {
        hash
    };
    signed.wrapping_mul(31).wrapping_add(i32::from(scale))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::TypeKind;

    fn int(v: i32) -> Vec<(Option<Datum>, DataType)> {
        vec![(Some(Datum::Int(v)), DataType::not_null(TypeKind::Int))]
    }

    #[test]
    fn buckets_are_javas() {
        for (value, default, modulo) in [(17, 4, 2), (-3, 0, 2), (5, 1, 0)] {
            assert_eq!(
                BucketFunction::Default.bucket(&int(value), 5).unwrap(),
                default
            );
            assert_eq!(BucketFunction::Mod.bucket(&int(value), 5).unwrap(), modulo);
        }
        let pair = [
            (Some(Datum::String("abc".into())), DataType::string()),
            (
                Some(Datum::BigInt(123_456_789_012)),
                DataType::nullable(TypeKind::BigInt),
            ),
        ];
        assert_eq!(binary_row(&pair).hash_code(), -2_066_793_260);
        assert_eq!(BucketFunction::Default.bucket(&pair, 5).unwrap(), 0);
        assert_eq!(BucketFunction::Hive.bucket(&pair, 5).unwrap(), 3);
    }

    #[test]
    fn hive_hashes_are_javas() {
        let hash = |value| hive_field_hash(&value, &DataType::string()).unwrap();
        // "abc".hashCode()
        assert_eq!(hash(Datum::String("abc".into())), 96_354);
        // Long.hashCode(-1) and Double.hashCode(1.0)
        assert_eq!(hash(Datum::BigInt(-1)), 0);
        assert_eq!(hash(Datum::Double(1.0)), 1_072_693_248);
        assert_eq!(hash(Datum::Double(-0.0)), 0);
        assert_eq!(hash(Datum::Float(1.0)), 1_065_353_216);
        // new BigDecimal("12.3").hashCode() = 31 * 123 + 1
        let decimal = |unscaled, scale| hash(Datum::Decimal { unscaled, scale });
        assert_eq!(decimal(12_300, 3), 3_814);
        assert_eq!(decimal(-12_300, 3), -3_812);
        assert_eq!(decimal(0, 2), 0);
        assert_eq!(decimal(1200, 0), 37_200);
    }

    #[test]
    fn wrong_keys_are_refused() {
        assert!(BucketFunction::Default.bucket(&int(1), 0).is_err());
        let text = [(Some(Datum::String("a".into())), DataType::string())];
        assert!(BucketFunction::Mod.bucket(&text, 3).is_err());
        assert!(BucketFunction::parse("murmur").is_err());
        assert_eq!(BucketFunction::parse("HIVE").unwrap(), BucketFunction::Hive);
    }
}
