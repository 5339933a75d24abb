//! CHAR, VARCHAR and STRING to the other primitive types.
//!
//! Source: `StringTo*CastRule`, `BinaryStringUtils`. Malformed text fails the cast.

use std::fmt::Display;
use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, BooleanBuilder, PrimitiveBuilder};
use arrow_array::timezone::Tz;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType,
};
use arrow_array::{Array, ArrayRef, StringViewArray};

use super::binary::fit_bytes;
use super::local::instant_millis;
use super::temporal::TimestampBuilder;
use super::{datetime, decimal, unsupported};
use crate::error::{Error, Result};
use crate::spec::java_float;
use crate::spec::{DataType, TypeKind};

/// Casts strings to a primitive type.
pub(super) fn from_strings(
    array: &StringViewArray,
    from: &DataType,
    to: &DataType,
    zone: Tz,
) -> Result<ArrayRef> {
    let parser = Parser { array, to };
    match &to.kind {
        TypeKind::Boolean => parser.booleans(),
        TypeKind::TinyInt => parser.primitives::<Int8Type>(|s| parse_int(s, i8::MIN, i8::MAX)),
        TypeKind::SmallInt => parser.primitives::<Int16Type>(|s| parse_int(s, i16::MIN, i16::MAX)),
        TypeKind::Int => parser.primitives::<Int32Type>(|s| parse_int(s, i32::MIN, i32::MAX)),
        TypeKind::BigInt => parser.primitives::<Int64Type>(|s| parse_int(s, i64::MIN, i64::MAX)),
        TypeKind::Float => parser.primitives::<Float32Type>(java_float::parse),
        TypeKind::Double => parser.primitives::<Float64Type>(java_float::parse),
        TypeKind::Decimal { precision, scale } => parser.decimals(*precision, *scale),
        TypeKind::Date => parser.primitives::<Date32Type>(|s| {
            if datetime::is_numeric(s) {
                parse_int(s, i32::MIN, i32::MAX)
            } else {
                datetime::parse_date(s)
            }
        }),
        TypeKind::Time(_) => parser.primitives::<Time32MillisecondType>(|s| {
            if datetime::is_numeric(s) {
                parse_int(s, i32::MIN, i32::MAX)
            } else {
                datetime::parse_time(s)
            }
        }),
        TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => parser.timestamps(zone),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => Ok(parser.binaries()),
        _ => Err(unsupported(from, to)),
    }
}

struct Parser<'a> {
    array: &'a StringViewArray,
    to: &'a DataType,
}

impl Parser<'_> {
    fn malformed(&self, text: &str) -> Error {
        cannot_cast(text, &self.to.kind)
    }

    fn primitives<T: ArrowPrimitiveType>(
        &self,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef> {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(self.array.len());
        for text in self.array {
            match text {
                Some(text) => {
                    builder.append_value(parse(text).ok_or_else(|| self.malformed(text))?);
                }
                None => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn booleans(&self) -> Result<ArrayRef> {
        let mut builder = BooleanBuilder::with_capacity(self.array.len());
        for text in self.array {
            match text {
                Some(text) => {
                    builder.append_value(parse_boolean(text).ok_or_else(|| self.malformed(text))?);
                }
                None => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn decimals(&self, precision: u8, scale: u8) -> Result<ArrayRef> {
        let mut builder = PrimitiveBuilder::<Decimal128Type>::with_capacity(self.array.len());
        for text in self.array {
            let value = match text {
                Some(text) => {
                    decimal::parse(text, precision, scale).map_err(|_| self.malformed(text))?
                }
                None => None,
            };
            builder.append_option(value);
        }
        super::numeric::decimal_array(builder.finish(), precision, scale)
    }

    fn timestamps(&self, zone: Tz) -> Result<ArrayRef> {
        let mut builder = TimestampBuilder::new(self.to, self.array.len())?;
        for text in self.array {
            match text {
                Some(text) => {
                    let (millis, nanos) = parse_timestamp(text, &self.to.kind, zone)
                        .ok_or_else(|| self.malformed(text))?;
                    builder.append(millis, nanos)?;
                }
                None => builder.append_null(),
            }
        }
        builder.finish()
    }

    fn binaries(&self) -> ArrayRef {
        let mut builder = BinaryViewBuilder::with_capacity(self.array.len());
        for text in self.array {
            builder.append_option(text.map(|t| fit_bytes(t.as_bytes(), &self.to.kind)));
        }
        Arc::new(builder.finish())
    }
}

/// A value that the cast refuses.
pub(super) fn cannot_cast(value: impl Display, to: &TypeKind) -> Error {
    let text: String = value.to_string().chars().take(100).collect();
    Error::invalid(format!("cannot cast '{text}' to {to}"))
}

fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// `[+-]digits[.digits]` within `min..=max`; the fraction is dropped. A lone point counts as 0, as in Java.
fn parse_int<T: TryFrom<i128> + Into<i128>>(text: &str, min: T, max: T) -> Option<T> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.is_empty() {
        return None;
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (min, max): (i128, i128) = (min.into(), max.into());
    let mut value = 0i128;
    for byte in whole.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 - i128::from(byte - b'0');
        if value < min {
            return None;
        }
    }
    if !text.starts_with('-') {
        value = -value;
    }
    (value <= max).then(|| T::try_from(value).ok()).flatten()
}

fn parse_timestamp(text: &str, to: &TypeKind, zone: Tz) -> Option<(i64, i32)> {
    match to {
        TypeKind::Timestamp(precision) if datetime::is_numeric(text) => {
            epoch_parts(parse_int(text, i64::MIN, i64::MAX)?, *precision)
        }
        TypeKind::Timestamp(precision) => datetime::parse_timestamp(text, *precision),
        TypeKind::LocalZonedTimestamp(precision) => {
            let (millis, nanos) = datetime::parse_timestamp(text, *precision)?;
            Some((instant_millis(millis, zone), nanos))
        }
        _ => None,
    }
}

/// A number in the unit of the precision (seconds, ms, us, ns); other precisions have no unit and fail.
fn epoch_parts(epoch: i64, precision: u8) -> Option<(i64, i32)> {
    let (per_milli, nanos_per_unit) = match precision {
        0 => return Some((epoch.wrapping_mul(1000), 0)),
        3 => (1, 0),
        6 => (1_000, 1_000),
        9 => (1_000_000, 1),
        _ => return None,
    };
    let nanos = epoch.rem_euclid(per_milli) * nanos_per_unit;
    Some((epoch.div_euclid(per_milli), i32::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_a_sign_and_a_dropped_fraction() {
        let int = |s| parse_int(s, i32::MIN, i32::MAX);
        assert_eq!(int("42"), Some(42));
        assert_eq!(int("+42.9"), Some(42));
        assert_eq!(int("-2147483648"), Some(i32::MIN));
        assert_eq!(int("."), Some(0));
        assert_eq!(int("2147483648"), None);
        for bad in ["", "-", " 1", "1 ", "1e3", "1.5.2", "--1", "0x1"] {
            assert_eq!(int(bad), None, "{bad}");
        }
        assert_eq!(parse_int("128", i8::MIN, i8::MAX), None);
        assert_eq!(parse_int("-128", i8::MIN, i8::MAX), Some(-128));
        let long = "9".repeat(1000);
        assert_eq!(parse_int(&long, i64::MIN, i64::MAX), None);
    }

    #[test]
    fn numeric_text_is_an_epoch_in_the_unit_of_the_precision() {
        assert_eq!(epoch_parts(-1, 6), Some((-1, 999_000)));
        assert_eq!(epoch_parts(1_500, 6), Some((1, 500_000)));
        assert_eq!(epoch_parts(7, 0), Some((7_000, 0)));
        assert_eq!(epoch_parts(7, 4), None);
    }
}
