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
                let mut keys = Narrow(Vec::new());
                put_fixed(not_null(columns.first())?, &mut keys)?;
                Ok(KeyBlock::U64(keys.0))
            }
            Kind::U128(widths) => {
                let rows = columns.first().map_or(0, |c| c.len());
                let mut keys = vec![0u128; rows];
                for (column, width) in columns.iter().zip(widths) {
                    let mut wide = Wide {
                        keys: &mut keys,
                        width: *width,
                    };
                    put_fixed(not_null(Some(column))?, &mut wide)?;
                }
                Ok(KeyBlock::U128(keys))
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

/// Takes the bits of a column, row by row.
trait BitSink {
    fn take(&mut self, bits: impl Iterator<Item = u128>);
}

/// Keys of one column.
struct Narrow(Vec<u64>);

impl BitSink for Narrow {
    fn take(&mut self, bits: impl Iterator<Item = u128>) {
        self.0.extend(bits.map(|b| b as u64));
    }
}

/// Keys that get one more column at their low end.
struct Wide<'a> {
    keys: &'a mut [u128],
    width: u32,
}

impl BitSink for Wide<'_> {
    fn take(&mut self, bits: impl Iterator<Item = u128>) {
        for (key, bits) in self.keys.iter_mut().zip(bits) {
            *key = key.checked_shl(self.width).unwrap_or(0) | bits;
        }
    }
}

/// Hands over order-preserving bits for every row.
fn put_fixed(column: &ArrayRef, sink: &mut impl BitSink) -> Result<()> {
    macro_rules! signed {
        ($type:ty, $native:ty) => {{
            let flip = <$native>::MIN.cast_unsigned();
            let values = column.as_primitive::<$type>().values().iter();
            sink.take(values.map(|v| u128::from(v.cast_unsigned() ^ flip)))
        }};
    }
    macro_rules! float {
        ($type:ty, $unsigned:ty) => {{
            let top = 1 << (<$unsigned>::BITS - 1);
            let values = column.as_primitive::<$type>().values().iter();
            sink.take(values.map(|v| {
                let bits = v.to_bits();
                let flip = if bits & top != 0 {
                    <$unsigned>::MAX
                } else {
                    top
                };
                u128::from(bits ^ flip)
            }))
        }};
    }
    match column.data_type() {
        ArrowType::Boolean => sink.take(column.as_boolean().values().iter().map(u128::from)),
        ArrowType::Int8 => signed!(Int8Type, i8),
        ArrowType::Int16 => signed!(Int16Type, i16),
        ArrowType::Int32 => signed!(Int32Type, i32),
        ArrowType::Date32 => signed!(Date32Type, i32),
        ArrowType::Time32(TimeUnit::Millisecond) => signed!(Time32MillisecondType, i32),
        ArrowType::Int64 => signed!(Int64Type, i64),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            signed!(TimestampMillisecondType, i64)
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            signed!(TimestampMicrosecondType, i64)
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
            signed!(TimestampNanosecondType, i64)
        }
        ArrowType::Decimal128(..) => signed!(Decimal128Type, i128),
        ArrowType::Float32 => float!(Float32Type, u32),
        ArrowType::Float64 => float!(Float64Type, u64),
        other => {
            return Err(Error::internal(format!(
                "key of type {other} has no fixed width"
            )));
        }
    }
    Ok(())
}
