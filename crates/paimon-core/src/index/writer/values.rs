//! Values of Arrow columns as indexes see them.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::super::key::KeyType;
use crate::error::{Error, Result};

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    /// Integers, dates, times, booleans, unscaled decimals, epoch milliseconds or (finer timestamps) microseconds.
    Number(i64),
    Float(f32),
    Double(f64),
    /// Text or bytes.
    Bytes(&'a [u8]),
}

/// Calls `see` with each of the rows of an array; `None` is null.
pub(super) fn for_each<'a>(
    array: &'a dyn Array,
    mut see: impl FnMut(usize, Option<Value<'a>>) -> Result<()>,
) -> Result<()> {
    macro_rules! numbers {
        ($type:ty, $number:expr) => {{
            let number = $number;
            for (row, value) in array.as_primitive::<$type>().iter().enumerate() {
                see(row, value.map(number))?;
            }
        }};
    }
    match array.data_type() {
        ArrowType::Boolean => {
            for (row, value) in array.as_boolean().iter().enumerate() {
                see(row, value.map(|v| Value::Number(i64::from(v))))?;
            }
        }
        ArrowType::Int8 => numbers!(Int8Type, |v| Value::Number(i64::from(v))),
        ArrowType::Int16 => numbers!(Int16Type, |v| Value::Number(i64::from(v))),
        ArrowType::Int32 => numbers!(Int32Type, |v| Value::Number(i64::from(v))),
        ArrowType::Int64 => numbers!(Int64Type, Value::Number),
        ArrowType::Date32 => numbers!(Date32Type, |v| Value::Number(i64::from(v))),
        ArrowType::Time32(TimeUnit::Millisecond) => {
            numbers!(Time32MillisecondType, |v| Value::Number(i64::from(v)));
        }
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            numbers!(TimestampMillisecondType, Value::Number);
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            numbers!(TimestampMicrosecondType, Value::Number);
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
            numbers!(TimestampNanosecondType, |v: i64| Value::Number(
                v.div_euclid(1_000)
            ));
        }
        ArrowType::Float32 => numbers!(Float32Type, Value::Float),
        ArrowType::Float64 => numbers!(Float64Type, Value::Double),
        ArrowType::Decimal128(..) => {
            // only decimals of up to 18 digits are indexed
            numbers!(Decimal128Type, |v| Value::Number(
                i64::try_from(v).unwrap_or(i64::MAX)
            ));
        }
        ArrowType::Utf8View => {
            for (row, value) in array.as_string_view().iter().enumerate() {
                see(row, value.map(|v| Value::Bytes(v.as_bytes())))?;
            }
        }
        ArrowType::BinaryView => {
            for (row, value) in array.as_binary_view().iter().enumerate() {
                see(row, value.map(Value::Bytes))?;
            }
        }
        other => return Err(Error::internal(format!("an index over {other} values"))),
    }
    Ok(())
}

/// A value as a key of a sorted index: order of keys is order of values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StoredKey {
    /// Numbers; floats as integers of the same order.
    Number(i64),
    Text(Box<[u8]>),
}

impl StoredKey {
    pub fn of(value: Value<'_>) -> Self {
        match value {
            Value::Number(v) => Self::Number(v),
            Value::Float(v) => Self::Number(i64::from(ordered32(float_bits(v)))),
            Value::Double(v) => Self::Number(ordered64(double_bits(v))),
            Value::Bytes(v) => Self::Text(v.into()),
        }
    }

    /// Appends the stored form of a key of a column.
    pub fn put(&self, key_type: KeyType, out: &mut Vec<u8>) {
        match (self, key_type) {
            (Self::Text(text), _) => {
                let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(text);
            }
            (Self::Number(v), KeyType::Boolean | KeyType::Byte) => {
                out.push(i8::try_from(*v).unwrap_or(i8::MAX).cast_unsigned());
            }
            (Self::Number(v), KeyType::Short) => {
                out.extend_from_slice(&i16::try_from(*v).unwrap_or(i16::MAX).to_be_bytes());
            }
            (Self::Number(v), KeyType::Int) => out.extend_from_slice(&int(*v).to_be_bytes()),
            (Self::Number(v), KeyType::Float) => {
                out.extend_from_slice(&ordered32(int(*v)).to_be_bytes());
            }
            (Self::Number(v), KeyType::Double) => {
                out.extend_from_slice(&ordered64(*v).to_be_bytes());
            }
            (Self::Number(v), KeyType::Long | KeyType::Decimal | KeyType::Text) => {
                out.extend_from_slice(&v.to_be_bytes());
            }
        }
    }
}

fn int(v: i64) -> i32 {
    i32::try_from(v).unwrap_or(i32::MAX)
}

/// `Float.floatToIntBits`: every NaN is the same.
pub(super) fn float_bits(v: f32) -> i32 {
    if v.is_nan() {
        return 0x7fc0_0000;
    }
    v.to_bits().cast_signed()
}

/// `Double.doubleToLongBits`.
pub(super) fn double_bits(v: f64) -> i64 {
    if v.is_nan() {
        return 0x7ff8_0000_0000_0000;
    }
    v.to_bits().cast_signed()
}

/// Bits of a float as an integer of the same order; its own inverse.
fn ordered32(bits: i32) -> i32 {
    if bits < 0 { bits ^ i32::MAX } else { bits }
}

fn ordered64(bits: i64) -> i64 {
    if bits < 0 { bits ^ i64::MAX } else { bits }
}
