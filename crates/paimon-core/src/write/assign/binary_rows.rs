//! Rows of Arrow columns in Paimon's binary encoding, one after the other in one buffer.
//!
//! The same bytes as [`crate::spec::binary_row`], without a value on the heap per field.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, BinaryViewArray, BooleanArray, StringViewArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType as ArrowType, TimeUnit};

use crate::error::{Error, Result};
use crate::spec::{DataType, TypeKind, minimal_big_endian};

/// Encodes the rows of some columns.
pub struct BinaryRows<'a> {
    columns: Vec<Column<'a>>,
    header: usize,
    fixed: usize,
    buffer: Vec<u8>,
}

struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
    /// Bytes that a null takes in the variable part.
    null_space: usize,
}

enum Values<'a> {
    Boolean(&'a BooleanArray),
    TinyInt(&'a [i8]),
    SmallInt(&'a [i16]),
    Int(&'a [i32]),
    Long(&'a [i64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    NarrowDecimal(&'a [i128]),
    WideDecimal(&'a [i128]),
    String(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    /// Values and how many of them make a millisecond.
    WideTimestamp(&'a [i64], i64),
}

impl<'a> BinaryRows<'a> {
    /// An encoder for these columns.
    ///
    /// # Errors
    /// `Unsupported` for nested types, `Internal` when an array is not of its type.
    pub fn new(arrays: &[&'a ArrayRef], types: &[&DataType]) -> Result<Self> {
        let columns = arrays
            .iter()
            .zip(types)
            .map(|(array, data_type)| Column::new(array, data_type))
            .collect::<Result<Vec<_>>>()?;
        let header = (columns.len() + 63 + 8) / 64 * 8;
        Ok(Self {
            fixed: header + columns.len() * 8,
            header,
            columns,
            buffer: Vec::new(),
        })
    }

    /// The bytes of a row, without arity; valid until the next call.
    pub fn row(&mut self, row: usize) -> &[u8] {
        let Self {
            columns,
            header,
            fixed,
            buffer,
        } = self;
        buffer.clear();
        buffer.resize(*fixed, 0);
        for (i, column) in columns.iter().enumerate() {
            let slot = *header + i * 8;
            if column.nulls.is_some_and(|n| n.is_null(row)) {
                let bit = i + 8;
                buffer[bit / 8] |= 1 << (bit % 8);
                if column.null_space > 0 {
                    let offset = buffer.len();
                    buffer.resize(offset + column.null_space, 0);
                    put(buffer, slot, reference(offset, 0));
                }
                continue;
            }
            column.values.put(row, slot, buffer);
        }
        buffer
    }
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef, data_type: &DataType) -> Result<Self> {
        let wrong = || {
            Error::internal(format!(
                "an array of {} is no {data_type} column",
                array.data_type()
            ))
        };
        macro_rules! values {
            ($type:ty) => {
                array
                    .as_primitive_opt::<$type>()
                    .ok_or_else(wrong)?
                    .values()
            };
        }
        let mut null_space = 0;
        let values = match &data_type.kind {
            TypeKind::Boolean => Values::Boolean(array.as_boolean_opt().ok_or_else(wrong)?),
            TypeKind::TinyInt => Values::TinyInt(values!(Int8Type)),
            TypeKind::SmallInt => Values::SmallInt(values!(Int16Type)),
            TypeKind::Int => Values::Int(values!(Int32Type)),
            TypeKind::Date => Values::Int(values!(Date32Type)),
            TypeKind::Time(_) => Values::Int(values!(Time32MillisecondType)),
            TypeKind::BigInt => Values::Long(values!(Int64Type)),
            TypeKind::Float => Values::Float(values!(Float32Type)),
            TypeKind::Double => Values::Double(values!(Float64Type)),
            TypeKind::Decimal { precision, .. } if *precision <= 18 => {
                Values::NarrowDecimal(values!(Decimal128Type))
            }
            TypeKind::Decimal { .. } => {
                null_space = 16;
                Values::WideDecimal(values!(Decimal128Type))
            }
            TypeKind::Char(_) | TypeKind::VarChar(_) => {
                Values::String(array.as_string_view_opt().ok_or_else(wrong)?)
            }
            TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
                Values::Bytes(array.as_binary_view_opt().ok_or_else(wrong)?)
            }
            TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => match array.data_type() {
                ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                    Values::Long(values!(TimestampMillisecondType))
                }
                ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                    null_space = 8;
                    Values::WideTimestamp(values!(TimestampMicrosecondType), 1_000)
                }
                _ => {
                    null_space = 8;
                    Values::WideTimestamp(values!(TimestampNanosecondType), 1_000_000)
                }
            },
            other => {
                return Err(Error::unsupported(format!(
                    "{other} columns cannot be part of a partition or bucket key"
                )));
            }
        };
        Ok(Self {
            nulls: array.nulls().filter(|n| n.null_count() > 0),
            values,
            null_space,
        })
    }
}

impl Values<'_> {
    fn put(&self, row: usize, slot: usize, buffer: &mut Vec<u8>) {
        match self {
            Self::Boolean(v) => put(buffer, slot, u64::from(v.value(row))),
            Self::TinyInt(v) => put(buffer, slot, u64::from(v[row].cast_unsigned())),
            Self::SmallInt(v) => put(buffer, slot, u64::from(v[row].cast_unsigned())),
            Self::Int(v) => put(buffer, slot, u64::from(v[row].cast_unsigned())),
            Self::Long(v) => put(buffer, slot, v[row].cast_unsigned()),
            Self::Float(v) => put(buffer, slot, u64::from(v[row].to_bits())),
            Self::Double(v) => put(buffer, slot, v[row].to_bits()),
            Self::NarrowDecimal(v) => {
                let low = i64::try_from(v[row]).unwrap_or(i64::MAX);
                put(buffer, slot, low.cast_unsigned());
            }
            Self::WideDecimal(v) => {
                let bytes = minimal_big_endian(v[row]);
                let offset = buffer.len();
                buffer.extend_from_slice(&bytes);
                buffer.resize(offset + 16, 0);
                put(buffer, slot, reference(offset, bytes.len()));
            }
            Self::String(v) => put_bytes(buffer, slot, v.value(row).as_bytes()),
            Self::Bytes(v) => put_bytes(buffer, slot, v.value(row)),
            Self::WideTimestamp(v, per_milli) => {
                let millis = v[row].div_euclid(*per_milli);
                let nanos = v[row].rem_euclid(*per_milli) * (1_000_000 / per_milli);
                let offset = buffer.len();
                buffer.extend_from_slice(&millis.to_le_bytes());
                put(
                    buffer,
                    slot,
                    reference(offset, usize::try_from(nanos).unwrap_or(0)),
                );
            }
        }
    }
}

fn put(buffer: &mut [u8], slot: usize, value: u64) {
    buffer[slot..slot + 8].copy_from_slice(&value.to_le_bytes());
}

fn put_bytes(buffer: &mut Vec<u8>, slot: usize, bytes: &[u8]) {
    if bytes.len() <= 7 {
        let mut inline = [0; 8];
        inline[..bytes.len()].copy_from_slice(bytes);
        inline[7] = 0x80 | u8::try_from(bytes.len()).unwrap_or(7);
        return put(buffer, slot, u64::from_le_bytes(inline));
    }
    let offset = buffer.len();
    buffer.extend_from_slice(bytes);
    buffer.resize(buffer.len().next_multiple_of(8), 0);
    put(buffer, slot, reference(offset, bytes.len()));
}

/// A slot that points into the variable part.
fn reference(offset: usize, len: usize) -> u64 {
    let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    (wide(offset) << 32) | wide(len)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::arrow_bridge::datum_at;
    use crate::spec::{Datum, binary_row};
    use crate::write::testing::{TYPES, batch, fields};

    #[test]
    fn rows_are_those_of_single_values() {
        let plain: Vec<&str> = TYPES
            .iter()
            .copied()
            .filter(|t| !t.contains('<') && *t != "VARIANT")
            .collect();
        let fields = fields(&plain, 0);
        let rows = batch(&fields, 60).slice(3, 50);
        let arrays: Vec<&ArrayRef> = rows.columns().iter().collect();
        let types: Vec<&DataType> = fields.iter().map(|f| &f.data_type).collect();
        let mut all = BinaryRows::new(&arrays, &types).unwrap();
        for row in 0..rows.num_rows() {
            let values: Vec<(Option<Datum>, DataType)> = arrays
                .iter()
                .zip(&types)
                .map(|(a, t)| (datum_at(a.as_ref(), row, t).unwrap(), (*t).clone()))
                .collect();
            assert_eq!(all.row(row), &binary_row(&values).bytes()[..], "row {row}");
            for ((array, data_type), value) in arrays.iter().zip(&types).zip(&values) {
                let mut one = BinaryRows::new(&[array], &[data_type]).unwrap();
                let expected = binary_row(std::slice::from_ref(value));
                assert_eq!(one.row(row), &expected.bytes()[..], "{data_type} {row}");
            }
        }
    }
}
