//! Single values from Arrow arrays and back.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryViewBuilder, BooleanBuilder, Decimal128Builder, PrimitiveBuilder, StringViewBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, StringViewArray, new_null_array};
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::{arrow_type, cast_array};
use crate::error::{Error, Result};
use crate::spec::{DataType, Datum, MAX_LENGTH, TypeKind};

/// Value of a text, as a cast reads it: of a partition, say.
///
/// # Errors
/// `InvalidInput` when the text is no value of the type.
pub fn datum_from_text(text: &str, data_type: &DataType) -> Result<Datum> {
    let string = DataType {
        kind: TypeKind::VarChar(MAX_LENGTH),
        nullable: true,
    };
    let array: ArrayRef = Arc::new(StringViewArray::from(vec![text]));
    let wrong =
        || Error::invalid(format!("{text:?} is no value of the type")).with("type", data_type);
    let array = cast_array(&array, &string, data_type).map_err(|e| wrong().with_source(e))?;
    datum_at(array.as_ref(), 0, data_type)?.ok_or_else(wrong)
}

/// Value of a row; `None` for null.
///
/// # Errors
/// `Unsupported` for nested types, `Internal` when the array is not of the type.
pub fn datum_at(array: &dyn Array, row: usize, data_type: &DataType) -> Result<Option<Datum>> {
    if *array.data_type() != arrow_type(data_type) {
        return Err(Error::internal(format!(
            "an array of {} is no {data_type} column",
            array.data_type()
        )));
    }
    if array.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match &data_type.kind {
        TypeKind::Boolean => Datum::Boolean(array.as_boolean().value(row)),
        TypeKind::TinyInt => Datum::TinyInt(array.as_primitive::<Int8Type>().value(row)),
        TypeKind::SmallInt => Datum::SmallInt(array.as_primitive::<Int16Type>().value(row)),
        TypeKind::Int => Datum::Int(array.as_primitive::<Int32Type>().value(row)),
        TypeKind::BigInt => Datum::BigInt(array.as_primitive::<Int64Type>().value(row)),
        TypeKind::Float => Datum::Float(array.as_primitive::<Float32Type>().value(row)),
        TypeKind::Double => Datum::Double(array.as_primitive::<Float64Type>().value(row)),
        TypeKind::Decimal { scale, .. } => Datum::Decimal {
            unscaled: array.as_primitive::<Decimal128Type>().value(row),
            scale: *scale,
        },
        TypeKind::Char(_) | TypeKind::VarChar(_) => {
            Datum::String(array.as_string_view().value(row).to_string())
        }
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => {
            Datum::Bytes(array.as_binary_view().value(row).to_vec())
        }
        TypeKind::Date => Datum::Date(array.as_primitive::<Date32Type>().value(row)),
        TypeKind::Time(_) => Datum::Time(array.as_primitive::<Time32MillisecondType>().value(row)),
        TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => timestamp_at(array, row),
        other => {
            return Err(Error::unsupported(format!(
                "a {other} is not a single value"
            )));
        }
    }))
}

fn timestamp_at(array: &dyn Array, row: usize) -> Datum {
    let (millis, nanos) = match array.data_type() {
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => (
            array.as_primitive::<TimestampMillisecondType>().value(row),
            0,
        ),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            let v = array.as_primitive::<TimestampMicrosecondType>().value(row);
            (v.div_euclid(1_000), v.rem_euclid(1_000) * 1_000)
        }
        _ => {
            let v = array.as_primitive::<TimestampNanosecondType>().value(row);
            (v.div_euclid(1_000_000), v.rem_euclid(1_000_000))
        }
    };
    Datum::Timestamp {
        millis,
        nanos: i32::try_from(nanos).unwrap_or(0),
    }
}

/// A column with one value in every row.
///
/// # Errors
/// As [`datums_to_array`].
pub fn array_of(datum: Option<&Datum>, data_type: &DataType, len: usize) -> Result<ArrayRef> {
    if datum.is_none() {
        return Ok(new_null_array(&arrow_type(data_type), len));
    }
    datums_to_array(&vec![datum.cloned(); len], data_type)
}

/// A column of values.
///
/// # Errors
/// `Internal` when a value is not of the type, `Unsupported` for a timestamp outside the range of its Arrow type.
pub fn datums_to_array(values: &[Option<Datum>], data_type: &DataType) -> Result<ArrayRef> {
    macro_rules! primitive {
        ($arrow:ty, $pattern:path) => {{
            let mut builder = PrimitiveBuilder::<$arrow>::with_capacity(values.len());
            for value in values {
                match value {
                    None => builder.append_null(),
                    Some($pattern(v)) => builder.append_value(*v),
                    Some(other) => return Err(mismatch(other, data_type)),
                }
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    Ok(match &data_type.kind {
        TypeKind::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(values.len());
            for value in values {
                match value {
                    None => builder.append_null(),
                    Some(Datum::Boolean(v)) => builder.append_value(*v),
                    Some(other) => return Err(mismatch(other, data_type)),
                }
            }
            Arc::new(builder.finish())
        }
        TypeKind::TinyInt => primitive!(Int8Type, Datum::TinyInt),
        TypeKind::SmallInt => primitive!(Int16Type, Datum::SmallInt),
        TypeKind::Int => primitive!(Int32Type, Datum::Int),
        TypeKind::BigInt => primitive!(Int64Type, Datum::BigInt),
        TypeKind::Float => primitive!(Float32Type, Datum::Float),
        TypeKind::Double => primitive!(Float64Type, Datum::Double),
        TypeKind::Date => primitive!(Date32Type, Datum::Date),
        TypeKind::Time(_) => primitive!(Time32MillisecondType, Datum::Time),
        TypeKind::Decimal { .. } => {
            let mut builder = Decimal128Builder::with_capacity(values.len())
                .with_data_type(arrow_type(data_type));
            for value in values {
                match value {
                    None => builder.append_null(),
                    Some(Datum::Decimal { unscaled, .. }) => builder.append_value(*unscaled),
                    Some(other) => return Err(mismatch(other, data_type)),
                }
            }
            Arc::new(builder.finish())
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => {
            let mut builder = StringViewBuilder::with_capacity(values.len());
            for value in values {
                match value {
                    None => builder.append_null(),
                    Some(Datum::String(v)) => builder.append_value(v),
                    Some(other) => return Err(mismatch(other, data_type)),
                }
            }
            Arc::new(builder.finish())
        }
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => {
            let mut builder = BinaryViewBuilder::with_capacity(values.len());
            for value in values {
                match value {
                    None => builder.append_null(),
                    Some(Datum::Bytes(v)) => builder.append_value(v),
                    Some(other) => return Err(mismatch(other, data_type)),
                }
            }
            Arc::new(builder.finish())
        }
        TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => timestamps(values, data_type)?,
        other => {
            return Err(Error::unsupported(format!(
                "a column of {other} cannot be built from single values"
            )));
        }
    })
}

fn timestamps(values: &[Option<Datum>], data_type: &DataType) -> Result<ArrayRef> {
    let arrow = arrow_type(data_type);
    let per_milli: i64 = match &arrow {
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => 1,
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        _ => 1_000_000,
    };
    let mut raw = PrimitiveBuilder::<Int64Type>::with_capacity(values.len());
    for value in values {
        match value {
            None => raw.append_null(),
            Some(Datum::Timestamp { millis, nanos }) => {
                let fine = i64::from(*nanos) * per_milli / 1_000_000;
                let whole = millis
                    .checked_mul(per_milli)
                    .and_then(|m| m.checked_add(fine));
                raw.append_value(whole.ok_or_else(|| {
                    Error::unsupported(format!(
                        "{data_type} value {millis} ms is outside the years 1677 to 2262"
                    ))
                })?);
            }
            Some(other) => return Err(mismatch(other, data_type)),
        }
    }
    let raw: ArrayRef = Arc::new(raw.finish());
    Ok(arrow_cast::cast(&raw, &arrow)?)
}

fn mismatch(found: &Datum, expected: &DataType) -> Error {
    Error::internal(format!("a value {found:?} is no {expected}"))
}
