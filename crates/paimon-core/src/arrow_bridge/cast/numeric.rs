//! Casts whose result is a number or a boolean.
//!
//! Source: `NumericPrimitiveCastRule`, `DecimalTo*CastRule`, `NumericPrimitiveToDecimalCastRule`,
//! `BooleanToNumericCastRule`, `NumericToBooleanCastRule`, `TimestampToNumericPrimitiveCastRule`.

use std::sync::Arc;

use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array};
use arrow_schema::DataType as ArrowType;

use super::parse::cannot_cast;
use super::{decimal, down, temporal};
use crate::error::{Error, Result};
use crate::spec::java_float;
use crate::spec::{DataType, TypeKind};

/// Numbers on the way from one type to another.
enum Numbers {
    Integers(Int64Array),
    Floats(Float64Array),
    Decimals(Decimal128Array, Decimals),
}

#[derive(Clone, Copy)]
struct Decimals {
    precision: u8,
    scale: u8,
}

/// Casts numbers, booleans and timestamps to a number; `None` when the pair is not castable.
pub(super) fn to_number(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
) -> Result<Option<ArrayRef>> {
    let Some(numbers) = numbers(array, from, to)? else {
        return Ok(None);
    };
    let integers = match numbers {
        Numbers::Integers(integers) => integers,
        Numbers::Floats(floats) => return floats_to(&floats, &to.kind).map(Some),
        Numbers::Decimals(values, source) => match &to.kind {
            TypeKind::Decimal { precision, scale } => {
                let (p, s) = (*precision, *scale);
                let result: Decimal128Array =
                    values.unary_opt(|v| decimal::rescale(v, source.scale, p, s));
                return decimal_array(result, p, s).map(Some);
            }
            TypeKind::Float | TypeKind::Double => {
                return floats_to(&decimals_to_floats(&values, source), &to.kind).map(Some);
            }
            _ => values.unary(|v| low_bits(decimal::integral_part(v, source.scale))),
        },
    };
    integers_to(&integers, &to.kind).map(Some)
}

/// The source as one of three number arrays; timestamps only for INT and BIGINT.
fn numbers(array: &ArrayRef, from: &DataType, to: &DataType) -> Result<Option<Numbers>> {
    let to_seconds = matches!(to.kind, TypeKind::Int | TypeKind::BigInt);
    Ok(Some(match &from.kind {
        TypeKind::Boolean => {
            let values = down::<BooleanArray>(array, from)?;
            Numbers::Integers(Int64Array::from_unary(values, i64::from))
        }
        kind if kind.is_integer() => {
            let wide = arrow_cast::cast(array, &ArrowType::Int64)?;
            Numbers::Integers(down::<Int64Array>(&wide, from)?.clone())
        }
        TypeKind::Float | TypeKind::Double => {
            let wide = arrow_cast::cast(array, &ArrowType::Float64)?;
            Numbers::Floats(down::<Float64Array>(&wide, from)?.clone())
        }
        TypeKind::Decimal { precision, scale } => Numbers::Decimals(
            down::<Decimal128Array>(array, from)?.clone(),
            Decimals {
                precision: *precision,
                scale: *scale,
            },
        ),
        kind if kind.is_timestamp() && to_seconds => {
            Numbers::Integers(temporal::epoch_seconds(array, from)?)
        }
        _ => return Ok(None),
    }))
}

/// Java's narrowing keeps the low bits: the wrap-around is the meaning of the cast.
#[expect(
    clippy::cast_possible_truncation,
    reason = "wrap-around is the cast's meaning"
)]
fn integers_to(values: &Int64Array, to: &TypeKind) -> Result<ArrayRef> {
    Ok(match to {
        TypeKind::TinyInt => Arc::new(values.unary::<_, Int8Type>(|v| v as i8)),
        TypeKind::SmallInt => Arc::new(values.unary::<_, Int16Type>(|v| v as i16)),
        TypeKind::Int => Arc::new(values.unary::<_, Int32Type>(|v| v as i32)),
        TypeKind::BigInt => Arc::new(values.clone()),
        TypeKind::Float => Arc::new(values.unary::<_, Float32Type>(|v| v as f32)),
        TypeKind::Double => Arc::new(values.unary::<_, Float64Type>(|v| v as f64)),
        TypeKind::Decimal { precision, scale } => {
            let (p, s) = (*precision, *scale);
            let result =
                values.unary_opt::<_, Decimal128Type>(|v| decimal::rescale(i128::from(v), 0, p, s));
            return decimal_array(result, p, s);
        }
        TypeKind::Boolean => Arc::new(BooleanArray::from_unary(values, |v| v != 0)),
        other => return Err(not_a_number(other)),
    })
}

/// Towards zero and saturating (NaN is 0) at INT for the types up to INT, then the low bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturation and wrap-around are the cast's meaning"
)]
fn floats_to(values: &Float64Array, to: &TypeKind) -> Result<ArrayRef> {
    Ok(match to {
        TypeKind::TinyInt => Arc::new(values.unary::<_, Int8Type>(|v| v as i32 as i8)),
        TypeKind::SmallInt => Arc::new(values.unary::<_, Int16Type>(|v| v as i32 as i16)),
        TypeKind::Int => Arc::new(values.unary::<_, Int32Type>(|v| v as i32)),
        TypeKind::BigInt => Arc::new(values.unary::<_, Int64Type>(|v| v as i64)),
        TypeKind::Float => Arc::new(values.unary::<_, Float32Type>(|v| v as f32)),
        TypeKind::Double => Arc::new(values.clone()),
        TypeKind::Decimal { precision, scale } => {
            return floats_to_decimals(values, *precision, *scale, to);
        }
        other => return Err(not_a_number(other)),
    })
}

/// Through the decimal text of the DOUBLE, as `BigDecimal.valueOf`.
fn floats_to_decimals(
    values: &Float64Array,
    precision: u8,
    scale: u8,
    to: &TypeKind,
) -> Result<ArrayRef> {
    let mut builder = Decimal128Array::builder(values.len());
    let mut text = String::new();
    for value in values {
        let Some(value) = value else {
            builder.append_null();
            continue;
        };
        text.clear();
        java_float::write_double(value, &mut text);
        let unscaled =
            decimal::parse(&text, precision, scale).map_err(|_| cannot_cast(&text, to))?;
        builder.append_option(unscaled);
    }
    decimal_array(builder.finish(), precision, scale)
}

/// Up to 18 digits Java divides doubles, above it rounds the exact value.
#[expect(
    clippy::cast_precision_loss,
    reason = "rounding to the nearest double is the cast's meaning"
)]
fn decimals_to_floats(values: &Decimal128Array, source: Decimals) -> Float64Array {
    if source.precision <= 18 {
        let divisor = 10f64.powi(i32::from(source.scale));
        return values.unary::<_, Float64Type>(|v| v as f64 / divisor);
    }
    values.unary::<_, Float64Type>(|v| {
        let mut text = String::new();
        decimal::write(v, source.scale, &mut text);
        text.parse().unwrap_or(f64::NAN)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "BigDecimal.longValue keeps the low 64 bits"
)]
fn low_bits(value: i128) -> i64 {
    value as i64
}

/// Sets precision and scale.
pub(super) fn decimal_array(values: Decimal128Array, precision: u8, scale: u8) -> Result<ArrayRef> {
    let scale = i8::try_from(scale)
        .map_err(|_| Error::internal(format!("decimal scale {scale} is above 38")))?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

fn not_a_number(kind: &TypeKind) -> Error {
    Error::internal(format!("{kind} is not the target of a number cast"))
}
