//! Constants as values of a column's type, where that is exact.

use datafusion::common::ScalarValue;
use paimon_core::spec::{Datum, TypeKind};

/// The constant as a value of the type; `None` when it has no exact counterpart there.
pub(super) fn datum(value: &ScalarValue, kind: &TypeKind) -> Option<Datum> {
    match kind {
        TypeKind::Boolean => match value {
            ScalarValue::Boolean(Some(v)) => Some(Datum::Boolean(*v)),
            _ => None,
        },
        TypeKind::TinyInt => Some(Datum::TinyInt(i8::try_from(integer(value)?).ok()?)),
        TypeKind::SmallInt => Some(Datum::SmallInt(i16::try_from(integer(value)?).ok()?)),
        TypeKind::Int => Some(Datum::Int(i32::try_from(integer(value)?).ok()?)),
        TypeKind::BigInt => Some(Datum::BigInt(i64::try_from(integer(value)?).ok()?)),
        TypeKind::Float => float(value).map(Datum::Float),
        TypeKind::Double => match value {
            ScalarValue::Float64(Some(v)) => Some(Datum::Double(*v)),
            ScalarValue::Float32(Some(v)) => Some(Datum::Double(f64::from(*v))),
            _ => None,
        },
        TypeKind::Decimal { scale, .. } => decimal(value, *scale),
        TypeKind::Char(_) | TypeKind::VarChar(_) => {
            Some(Datum::String(value.try_as_str()??.to_string()))
        }
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => bytes(value).map(Datum::Bytes),
        TypeKind::Date => match value {
            ScalarValue::Date32(Some(days)) => Some(Datum::Date(*days)),
            _ => None,
        },
        TypeKind::Time(_) => time(value),
        TypeKind::Timestamp(_) => timestamp(value, false),
        TypeKind::LocalZonedTimestamp(_) => timestamp(value, true),
        _ => None,
    }
}

/// An integer, or a decimal without a fraction.
fn integer(value: &ScalarValue) -> Option<i128> {
    Some(match value {
        ScalarValue::Int8(v) => i128::from((*v)?),
        ScalarValue::Int16(v) => i128::from((*v)?),
        ScalarValue::Int32(v) => i128::from((*v)?),
        ScalarValue::Int64(v) => i128::from((*v)?),
        ScalarValue::UInt8(v) => i128::from((*v)?),
        ScalarValue::UInt16(v) => i128::from((*v)?),
        ScalarValue::UInt32(v) => i128::from((*v)?),
        ScalarValue::UInt64(v) => i128::from((*v)?),
        ScalarValue::Decimal128(v, _, scale) => rescaled((*v)?, *scale, 0)?,
        _ => return None,
    })
}

/// A number that 32 bits hold exactly.
fn float(value: &ScalarValue) -> Option<f32> {
    match value {
        ScalarValue::Float32(v) => *v,
        ScalarValue::Float64(Some(v)) => {
            #[expect(clippy::cast_possible_truncation, reason = "compared right after")]
            let narrow = *v as f32;
            (f64::from(narrow).to_bits() == v.to_bits()).then_some(narrow)
        }
        _ => None,
    }
}

fn decimal(value: &ScalarValue, scale: u8) -> Option<Datum> {
    let (unscaled, from) = match value {
        ScalarValue::Decimal128(v, _, from) => ((*v)?, *from),
        other => (integer(other)?, 0),
    };
    let unscaled = rescaled(unscaled, from, i8::try_from(scale).ok()?)?;
    Some(Datum::Decimal { unscaled, scale })
}

/// The unscaled value at another scale; `None` when digits would be lost.
fn rescaled(unscaled: i128, from: i8, to: i8) -> Option<i128> {
    let steps = i16::from(to) - i16::from(from);
    let factor = 10i128.checked_pow(u32::from(steps.unsigned_abs()))?;
    if steps >= 0 {
        unscaled.checked_mul(factor)
    } else if unscaled % factor == 0 {
        Some(unscaled / factor)
    } else {
        None
    }
}

fn bytes(value: &ScalarValue) -> Option<Vec<u8>> {
    match value {
        ScalarValue::Binary(v)
        | ScalarValue::LargeBinary(v)
        | ScalarValue::BinaryView(v)
        | ScalarValue::FixedSizeBinary(_, v) => v.clone(),
        _ => None,
    }
}

fn time(value: &ScalarValue) -> Option<Datum> {
    let millis = match value {
        ScalarValue::Time32Second(v) => (*v)?.checked_mul(1000)?,
        ScalarValue::Time32Millisecond(v) => (*v)?,
        ScalarValue::Time64Microsecond(v) => exact_millis((*v)?, 1_000)?,
        ScalarValue::Time64Nanosecond(v) => exact_millis((*v)?, 1_000_000)?,
        _ => return None,
    };
    Some(Datum::Time(millis))
}

fn exact_millis(value: i64, per_milli: i64) -> Option<i32> {
    (value % per_milli == 0)
        .then(|| i32::try_from(value / per_milli).ok())
        .flatten()
}

fn timestamp(value: &ScalarValue, zoned: bool) -> Option<Datum> {
    let (value, nanos_per_unit, zone) = match value {
        ScalarValue::TimestampSecond(Some(v), zone) => (*v, 1_000_000_000, zone),
        ScalarValue::TimestampMillisecond(Some(v), zone) => (*v, 1_000_000, zone),
        ScalarValue::TimestampMicrosecond(Some(v), zone) => (*v, 1_000, zone),
        ScalarValue::TimestampNanosecond(Some(v), zone) => (*v, 1, zone),
        _ => return None,
    };
    if zone.is_some() != zoned {
        return None;
    }
    let nanos = i128::from(value).checked_mul(nanos_per_unit)?;
    Some(Datum::Timestamp {
        millis: i64::try_from(nanos.div_euclid(1_000_000)).ok()?,
        nanos: i32::try_from(nanos.rem_euclid(1_000_000)).ok()?,
    })
}
