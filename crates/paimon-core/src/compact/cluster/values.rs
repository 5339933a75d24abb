//! Values of columns as numbers and bytes of one length that have their order. Source: `ZOrderByteUtils`,
//! `ConvertBinaryUtil`.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::DataType as ArrowType;

use crate::error::{Error, Result};

const SIGN: u64 = 1 << 63;

/// A column whose values can be compared by their first bytes.
pub(super) enum OrderedColumn {
    /// Numbers with the order of the values; `None` for nulls.
    Numbers(Vec<Option<u64>>),
    /// Text and bytes themselves.
    Bytes(ArrayRef),
}

impl OrderedColumn {
    /// The values of a column, which is no nested one.
    ///
    /// # Errors
    /// `Internal` for a column of a type that has no order.
    pub fn new(column: &ArrayRef) -> Result<Self> {
        Ok(match column.data_type() {
            ArrowType::Utf8View | ArrowType::BinaryView => Self::Bytes(ArrayRef::clone(column)),
            ArrowType::Float32 | ArrowType::Float64 => {
                let values = cast(column, &ArrowType::Float64)?;
                let values = values.as_primitive::<Float64Type>();
                Self::Numbers(values.iter().map(|v| v.map(of_double)).collect())
            }
            ArrowType::Decimal128(precision, _) => {
                let values = column.as_primitive::<Decimal128Type>();
                let precision = u32::from(*precision);
                let number = |v: i128| of_decimal(v, precision);
                Self::Numbers(
                    values
                        .iter()
                        .map(|v| v.map(number).transpose())
                        .collect::<Result<_>>()?,
                )
            }
            ArrowType::Boolean
            | ArrowType::Int8
            | ArrowType::Int16
            | ArrowType::Int32
            | ArrowType::Int64
            | ArrowType::Date32
            | ArrowType::Time32(_)
            | ArrowType::Timestamp(..) => {
                let values = cast(column, &ArrowType::Int64)?;
                let values = values.as_primitive::<Int64Type>();
                Self::Numbers(values.iter().map(|v| v.map(of_long)).collect())
            }
            other => {
                return Err(Error::internal(format!(
                    "rows are sorted by a column of type {other}"
                )));
            }
        })
    }

    /// The number of a row, which for text and bytes is that of their first eight bytes; `None` for nulls.
    pub fn number(&self, row: usize) -> Option<u64> {
        match self {
            Self::Numbers(numbers) => numbers[row],
            Self::Bytes(values) => bytes_at(values, row).map(|value| {
                let mut first = [0; 8];
                let length = value.len().min(8);
                first[..length].copy_from_slice(&value[..length]);
                u64::from_be_bytes(first)
            }),
        }
    }

    /// Bytes that [`Self::write`] fills: eight for numbers, `var_length` for text and bytes.
    pub fn width(&self, var_length: usize) -> usize {
        match self {
            Self::Numbers(_) => 8,
            Self::Bytes(_) => var_length,
        }
    }

    /// Fills `out` with the value of a row, cut or padded with zeros. A null is all zeros.
    pub fn write(&self, row: usize, out: &mut [u8]) {
        out.fill(0);
        let number;
        let value = match self {
            Self::Numbers(numbers) => {
                number = numbers[row].map(u64::to_be_bytes);
                number.as_ref().map(<[u8; 8]>::as_slice)
            }
            Self::Bytes(values) => bytes_at(values, row),
        };
        if let Some(value) = value {
            let length = value.len().min(out.len());
            out[..length].copy_from_slice(&value[..length]);
        }
    }
}

fn bytes_at(values: &ArrayRef, row: usize) -> Option<&[u8]> {
    if values.is_null(row) {
        return None;
    }
    Some(match values.data_type() {
        ArrowType::Utf8View => values.as_string_view().value(row).as_bytes(),
        _ => values.as_binary_view().value(row),
    })
}

fn of_long(value: i64) -> u64 {
    value.cast_unsigned() ^ SIGN
}

/// The order of IEEE 754: NaNs of either sign are at the ends.
fn of_double(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The upper 64 of the bits that unscaled values of a precision have.
fn of_decimal(value: i128, precision: u32) -> Result<u64> {
    let bound = 10i128.checked_pow(precision).unwrap_or(i128::MAX);
    let bits = 129 - bound.leading_zeros();
    let upper = value >> bits.saturating_sub(64);
    let upper = i64::try_from(upper)
        .map_err(|_| Error::damaged(format!("decimal {value} has more than {precision} digits")))?;
    Ok(of_long(upper))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::{
        BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
        Int8Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
    };

    use super::*;

    /// Values come in ascending order: so must their numbers and bytes.
    fn assert_ascending(column: ArrayRef, strictly: bool) {
        let values = OrderedColumn::new(&column).unwrap();
        let bytes = |row: usize| {
            let mut out = vec![7; values.width(4)];
            values.write(row, &mut out);
            out
        };
        for row in 1..column.len() {
            let numbers = (values.number(row - 1), values.number(row));
            assert!(numbers.0 <= numbers.1, "{column:?}");
            assert!(bytes(row - 1) <= bytes(row), "{column:?}");
            assert!(!strictly || numbers.0 < numbers.1, "{column:?}");
            assert!(!strictly || bytes(row - 1) < bytes(row), "{column:?}");
        }
    }

    #[test]
    fn numbers_keep_the_order_of_values() {
        assert_ascending(
            Arc::new(BooleanArray::from(vec![None, Some(false), Some(true)])),
            true,
        );
        assert_ascending(
            Arc::new(Int8Array::from(vec![
                None,
                Some(-128),
                Some(-1),
                Some(0),
                Some(127),
            ])),
            true,
        );
        assert_ascending(Arc::new(Date32Array::from(vec![i32::MIN, -1, 0, 5])), true);
        let doubles = vec![
            f64::NEG_INFINITY,
            -1e300,
            -1.5,
            -0.0,
            0.0,
            1e-300,
            7.0,
            f64::INFINITY,
            f64::NAN,
        ];
        assert_ascending(Arc::new(Float64Array::from(doubles)), true);
        assert_ascending(
            Arc::new(Float32Array::from(vec![
                f32::MIN,
                -0.5,
                0.0,
                f32::MIN_POSITIVE,
                3.0,
            ])),
            true,
        );
        assert_ascending(
            Arc::new(TimestampMicrosecondArray::from(vec![
                -1,
                0,
                1_700_000_000_000_000,
            ])),
            true,
        );
        // the least number cannot be told from null
        assert_ascending(
            Arc::new(Int64Array::from(vec![None, Some(i64::MIN)])),
            false,
        );
    }

    #[test]
    fn decimals_of_every_precision_keep_their_order() {
        for precision in 1..=38u8 {
            let bound = 10i128.pow(u32::from(precision)) - 1;
            let values = vec![-bound, -bound / 2, 0, bound / 3, bound];
            let column = Decimal128Array::from(values).with_precision_and_scale(precision, 0);
            assert_ascending(Arc::new(column.unwrap()), true);
        }
    }

    #[test]
    fn text_and_bytes_are_compared_by_their_beginning() {
        let texts = StringViewArray::from(vec![
            None,
            Some(""),
            Some("a"),
            Some("aab"),
            Some("aabc-long-text"),
            Some("aabc"),
            Some("é"),
        ]);
        assert_ascending(Arc::new(texts.slice(0, 5)), false);
        let column: ArrayRef = Arc::new(texts);
        let values = OrderedColumn::new(&column).unwrap();
        let mut out = [9; 4];
        values.write(4, &mut out);
        assert_eq!(&out, b"aabc");
        values.write(2, &mut out);
        assert_eq!(&out, b"a\0\0\0");
        values.write(0, &mut out);
        assert_eq!(out, [0; 4]);
        let bytes: ArrayRef = Arc::new(BinaryViewArray::from(vec![
            &[0u8, 1][..],
            &[0, 2],
            &[0xff; 20],
        ]));
        assert_ascending(bytes, true);
    }
}
