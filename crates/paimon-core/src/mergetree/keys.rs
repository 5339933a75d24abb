//! Key columns as values that compare like the key: `u64`, `u128` or bytes.
//!
//! Order is Paimon's: integers by value, floats as Java's `Double.compare`, strings and binaries by unsigned bytes,
//! nulls (nullable primary keys) first.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType as ArrowType, TimeUnit};

use crate::error::{Error, Result};

/// Keys of consecutive rows of one run.
#[derive(Debug)]
pub enum KeyBlock {
    /// One fixed-width column.
    U64(Vec<u64>),
    /// Several fixed-width columns, or one wide one.
    U128(Vec<u128>),
    /// Anything else.
    Rows(Rows),
}

impl KeyBlock {
    /// Number of keys.
    pub fn len(&self) -> usize {
        match self {
            KeyBlock::U64(k) => k.len(),
            KeyBlock::U128(k) => k.len(),
            KeyBlock::Rows(k) => k.num_rows(),
        }
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Encodes key columns of given types.
pub struct KeyEncoder {
    kind: Kind,
}

enum Kind {
    U64,
    /// bits per column
    U128(Vec<u32>),
    Rows(RowConverter),
}

impl KeyEncoder {
    /// An encoder for key columns of these types; `nullable` when any may hold nulls.
    ///
    /// # Errors
    /// `Unsupported` for types that cannot be compared.
    pub fn new(types: &[ArrowType], nullable: bool) -> Result<Self> {
        let widths: Option<Vec<u32>> = types.iter().map(fixed_bits).collect();
        let kind = match widths {
            Some(w) if !nullable && w.len() == 1 && w[0] <= 64 => Kind::U64,
            Some(w) if !nullable && !w.is_empty() && w.iter().sum::<u32>() <= 128 => Kind::U128(w),
            _ => {
                let fields = types.iter().map(|t| SortField::new(t.clone())).collect();
                Kind::Rows(RowConverter::new(fields).map_err(|e| {
                    Error::unsupported("primary key of a type that cannot be compared")
                        .with_source(e)
                })?)
            }
        };
        Ok(Self { kind })
    }

    /// Keys of the rows of `columns`.
    ///
    /// # Errors
    /// `Damaged` for a null key.
    pub fn encode(&self, columns: &[ArrayRef]) -> Result<KeyBlock> {
        match &self.kind {
            Kind::Rows(converter) => Ok(KeyBlock::Rows(converter.convert_columns(columns)?)),
            Kind::U64 => {
                let column = not_null(columns.first())?;
                let mut out = vec![0u64; column.len()];
                visit_fixed(column, |i, bits, _| out[i] = bits as u64)?;
                Ok(KeyBlock::U64(out))
            }
            Kind::U128(widths) => {
                let rows = columns.first().map_or(0, |c| c.len());
                let mut out = vec![0u128; rows];
                for (column, width) in columns.iter().zip(widths) {
                    let column = not_null(Some(column))?;
                    let shift = *width;
                    visit_fixed(column, |i, bits, _| {
                        out[i] = out[i].checked_shl(shift).unwrap_or(0) | bits;
                    })?;
                }
                Ok(KeyBlock::U128(out))
            }
        }
    }
}

fn not_null(column: Option<&ArrayRef>) -> Result<&ArrayRef> {
    match column {
        Some(c) if c.null_count() == 0 => Ok(c),
        _ => Err(Error::damaged("a primary key column holds a null")),
    }
}

fn fixed_bits(data_type: &ArrowType) -> Option<u32> {
    Some(match data_type {
        ArrowType::Boolean | ArrowType::Int8 => 8,
        ArrowType::Int16 => 16,
        ArrowType::Int32 | ArrowType::Date32 | ArrowType::Time32(_) | ArrowType::Float32 => 32,
        ArrowType::Int64 | ArrowType::Timestamp(..) | ArrowType::Float64 => 64,
        ArrowType::Decimal128(..) => 128,
        _ => return None,
    })
}

/// Calls `set(row, order-preserving bits, width)` for every row.
fn visit_fixed(column: &ArrayRef, mut set: impl FnMut(usize, u128, u32)) -> Result<()> {
    macro_rules! signed {
        ($type:ty, $native:ty, $unsigned:ty, $bits:expr) => {{
            let flip = (1 as $unsigned) << ($bits - 1);
            for (i, v) in column.as_primitive::<$type>().values().iter().enumerate() {
                set(i, u128::from(<$native>::cast_unsigned(*v) ^ flip), $bits);
            }
        }};
    }
    match column.data_type() {
        ArrowType::Boolean => {
            for (i, v) in column.as_boolean().values().iter().enumerate() {
                set(i, u128::from(v), 8);
            }
        }
        ArrowType::Int8 => signed!(Int8Type, i8, u8, 8),
        ArrowType::Int16 => signed!(Int16Type, i16, u16, 16),
        ArrowType::Int32 => signed!(Int32Type, i32, u32, 32),
        ArrowType::Date32 => signed!(Date32Type, i32, u32, 32),
        ArrowType::Time32(TimeUnit::Millisecond) => signed!(Time32MillisecondType, i32, u32, 32),
        ArrowType::Int64 => signed!(Int64Type, i64, u64, 64),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            signed!(TimestampMillisecondType, i64, u64, 64)
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            signed!(TimestampMicrosecondType, i64, u64, 64)
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
            signed!(TimestampNanosecondType, i64, u64, 64)
        }
        ArrowType::Decimal128(..) => signed!(Decimal128Type, i128, u128, 128),
        ArrowType::Float32 => {
            for (i, v) in column
                .as_primitive::<Float32Type>()
                .values()
                .iter()
                .enumerate()
            {
                let bits = v.to_bits();
                let flip = if bits >> 31 == 1 { u32::MAX } else { 1 << 31 };
                set(i, u128::from(bits ^ flip), 32);
            }
        }
        ArrowType::Float64 => {
            for (i, v) in column
                .as_primitive::<Float64Type>()
                .values()
                .iter()
                .enumerate()
            {
                let bits = v.to_bits();
                let flip = if bits >> 63 == 1 { u64::MAX } else { 1 << 63 };
                set(i, u128::from(bits ^ flip), 64);
            }
        }
        other => {
            return Err(Error::internal(format!(
                "key of type {other} has no fixed width"
            )));
        }
    }
    Ok(())
}
