//! Avro values into Arrow builders, one column per Paimon type.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, PrimitiveBuilder, StringViewBuilder, Time32MillisecondBuilder,
};
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, DecimalType, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::nested::{ListColumn, MapColumn, RowColumn};
use crate::arrow_bridge::arrow_type;
use crate::codec::avro::{AvroType, Cursor, LogicalType};
use crate::error::{Error, Result};
use crate::spec::{DataType, TypeKind};

/// Collects the values of one column or nested part.
pub(super) enum Column {
    /// Not in the file.
    Missing(ArrowType),
    Boolean(BooleanBuilder),
    TinyInt(PrimitiveBuilder<Int8Type>),
    SmallInt(PrimitiveBuilder<Int16Type>),
    Int(PrimitiveBuilder<Int32Type>),
    BigInt(PrimitiveBuilder<Int64Type>),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal(DecimalColumn),
    String(StringViewBuilder),
    Binary(BinaryViewBuilder, Option<usize>),
    Date(Date32Builder),
    /// Divisor of the stored value.
    Time(Time32MillisecondBuilder, i64),
    Timestamp(TimestampColumn),
    List(Box<ListColumn>),
    Map(Box<MapColumn>),
    Row(Box<RowColumn>),
}

/// Decimals stored as big-endian two's complement.
pub(super) struct DecimalColumn {
    values: Decimal128Builder,
    precision: u8,
    /// Bytes of a `fixed`; `None` for `bytes`.
    fixed: Option<usize>,
}

/// Timestamps with the unit of the file turned into the unit of the type.
pub(super) struct TimestampColumn {
    values: PrimitiveBuilder<Int64Type>,
    target: ArrowType,
    factor: i64,
    divisor: i64,
}

impl Column {
    /// For values of `data_type` stored as `avro` (below the `["null", T]`).
    ///
    /// # Errors
    /// `Damaged` when they do not fit, `Unsupported` for types Paimon does not store in Avro.
    pub fn new(data_type: &DataType, avro: &AvroType) -> Result<Self> {
        use AvroType as A;
        use TypeKind as K;
        Ok(match (&data_type.kind, avro) {
            (K::Boolean, A::Boolean) => Self::Boolean(BooleanBuilder::new()),
            (K::TinyInt, A::Int(_) | A::Long(_)) => Self::TinyInt(PrimitiveBuilder::new()),
            (K::SmallInt, A::Int(_) | A::Long(_)) => Self::SmallInt(PrimitiveBuilder::new()),
            (K::Int, A::Int(_) | A::Long(_)) => Self::Int(PrimitiveBuilder::new()),
            (K::BigInt, A::Int(_) | A::Long(_)) => Self::BigInt(PrimitiveBuilder::new()),
            (K::Float, A::Float) => Self::Float(Float32Builder::new()),
            (K::Double, A::Double) => Self::Double(Float64Builder::new()),
            (K::Decimal { precision, scale }, A::Bytes(logical)) => {
                Self::Decimal(DecimalColumn::new(*precision, *scale, *logical, None)?)
            }
            (K::Decimal { precision, scale }, A::Fixed(n, logical)) => {
                Self::Decimal(DecimalColumn::new(*precision, *scale, *logical, Some(*n))?)
            }
            (K::Char(_) | K::VarChar(_), A::String | A::Bytes(_)) => {
                Self::String(StringViewBuilder::new())
            }
            (K::Binary(_) | K::VarBinary(_) | K::Blob, A::String | A::Bytes(_)) => {
                Self::Binary(BinaryViewBuilder::new(), None)
            }
            (K::Binary(_) | K::VarBinary(_) | K::Blob, A::Fixed(n, _)) => {
                Self::Binary(BinaryViewBuilder::new(), Some(*n))
            }
            (K::Date, A::Int(_) | A::Long(_)) => Self::Date(Date32Builder::new()),
            (K::Time(_), A::Long(LogicalType::TimeMicros)) => {
                Self::Time(Time32MillisecondBuilder::new(), 1000)
            }
            (K::Time(_), A::Int(_) | A::Long(_)) => Self::Time(Time32MillisecondBuilder::new(), 1),
            (K::Timestamp(_) | K::LocalZonedTimestamp(_), A::Int(logical) | A::Long(logical)) => {
                Self::Timestamp(TimestampColumn::new(arrow_type(data_type), *logical))
            }
            (K::Array(element) | K::Vector(element, _), A::Array(item)) => {
                Self::List(Box::new(ListColumn::new(data_type, element, item)?))
            }
            (K::Map(key, value), A::Map(_) | A::Array(_)) => {
                Self::Map(Box::new(MapColumn::new(data_type, key, value, avro)?))
            }
            (K::Multiset(element), A::Map(_) | A::Array(_)) => {
                let count = DataType::not_null(TypeKind::Int);
                Self::Map(Box::new(MapColumn::new(data_type, element, &count, avro)?))
            }
            (K::Row(fields), A::Record(record)) => {
                Self::Row(Box::new(RowColumn::new(data_type, fields, record)?))
            }
            (K::Variant, _) => {
                return Err(Error::unsupported(format!(
                    "type {data_type} is not supported in Avro files"
                )));
            }
            (_, other) => {
                return Err(Error::damaged(format!(
                    "column of type {data_type} is stored as Avro {}",
                    other.kind_name()
                )));
            }
        })
    }

    /// Reads one value that is not null.
    #[inline]
    pub fn append(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        match self {
            Self::Missing(_) => {}
            Self::Boolean(values) => values.append_value(cursor.boolean()?),
            Self::TinyInt(values) => append_integer(values, cursor.long()?)?,
            Self::SmallInt(values) => append_integer(values, cursor.long()?)?,
            Self::Int(values) => append_integer(values, cursor.long()?)?,
            Self::BigInt(values) => values.append_value(cursor.long()?),
            Self::Float(values) => values.append_value(cursor.float()?),
            Self::Double(values) => values.append_value(cursor.double()?),
            Self::Decimal(decimals) => decimals.append(cursor)?,
            Self::String(values) => values.append_value(cursor.string()?),
            Self::Binary(values, None) => values.append_value(cursor.raw()?),
            Self::Binary(values, Some(n)) => values.append_value(cursor.take(*n)?),
            Self::Date(values) => append_integer(values, cursor.long()?)?,
            Self::Time(values, divisor) => append_integer(values, cursor.long()? / *divisor)?,
            Self::Timestamp(timestamps) => timestamps.append(cursor.long()?)?,
            Self::List(list) => list.append(cursor)?,
            Self::Map(map) => map.append(cursor)?,
            Self::Row(row) => row.append(cursor)?,
        }
        Ok(())
    }

    /// Adds a null.
    pub fn append_null(&mut self) {
        match self {
            Self::Missing(_) => {}
            Self::Boolean(values) => values.append_null(),
            Self::TinyInt(values) => values.append_null(),
            Self::SmallInt(values) => values.append_null(),
            Self::Int(values) => values.append_null(),
            Self::BigInt(values) => values.append_null(),
            Self::Float(values) => values.append_null(),
            Self::Double(values) => values.append_null(),
            Self::Decimal(decimals) => decimals.values.append_null(),
            Self::String(values) => values.append_null(),
            Self::Binary(values, _) => values.append_null(),
            Self::Date(values) => values.append_null(),
            Self::Time(values, _) => values.append_null(),
            Self::Timestamp(timestamps) => timestamps.values.append_null(),
            Self::List(list) => list.append_null(),
            Self::Map(map) => map.append_null(),
            Self::Row(row) => row.append_null(),
        }
    }

    /// The values read so far, and starts over.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Missing(_) => return Err(Error::internal("missing column has no values")),
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::TinyInt(values) => Arc::new(values.finish()),
            Self::SmallInt(values) => Arc::new(values.finish()),
            Self::Int(values) => Arc::new(values.finish()),
            Self::BigInt(values) => Arc::new(values.finish()),
            Self::Float(values) => Arc::new(values.finish()),
            Self::Double(values) => Arc::new(values.finish()),
            Self::Decimal(decimals) => Arc::new(decimals.values.finish()),
            Self::String(values) => Arc::new(values.finish()),
            Self::Binary(values, _) => Arc::new(values.finish()),
            Self::Date(values) => Arc::new(values.finish()),
            Self::Time(values, _) => Arc::new(values.finish()),
            Self::Timestamp(timestamps) => timestamps.finish(),
            Self::List(list) => list.finish()?,
            Self::Map(map) => map.finish()?,
            Self::Row(row) => row.finish()?,
        })
    }
}

fn append_integer<T>(values: &mut PrimitiveBuilder<T>, value: i64) -> Result<()>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64>,
{
    let Ok(value) = T::Native::try_from(value) else {
        return Err(Error::damaged(format!(
            "value {value} does not fit the column's type"
        )));
    };
    values.append_value(value);
    Ok(())
}

impl DecimalColumn {
    fn new(precision: u8, scale: u8, logical: LogicalType, fixed: Option<usize>) -> Result<Self> {
        if let LogicalType::Decimal(stored) = logical
            && stored != i64::from(scale)
        {
            return Err(Error::damaged(format!(
                "decimal has scale {stored} in the file, {scale} is expected"
            )));
        }
        let scale = i8::try_from(scale).unwrap_or(i8::MAX);
        Ok(Self {
            values: Decimal128Builder::new().with_precision_and_scale(precision, scale)?,
            precision,
            fixed,
        })
    }

    fn append(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let bytes = match self.fixed {
            Some(n) => cursor.take(n)?,
            None => cursor.raw()?,
        };
        match big_endian(bytes) {
            Some(v) if Decimal128Type::is_valid_decimal_precision(v, self.precision) => {
                self.values.append_value(v);
                Ok(())
            }
            _ => Err(Error::damaged(format!(
                "decimal of {} bytes does not fit precision {}",
                bytes.len(),
                self.precision
            ))),
        }
    }
}

/// Big-endian two's complement of any length, if it fits 128 bits.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let cut = bytes.len().saturating_sub(16);
    let (extension, low) = bytes.split_at(cut);
    let mut wide = [sign; 16];
    wide[16 - low.len()..].copy_from_slice(low);
    let fits = extension.iter().all(|b| *b == sign) && (wide[0] ^ sign) & 0x80 == 0;
    fits.then(|| i128::from_be_bytes(wide))
}

impl TimestampColumn {
    fn new(target: ArrowType, logical: LogicalType) -> Self {
        let own = match &target {
            ArrowType::Timestamp(unit, _) => per_second(*unit),
            _ => 1000,
        };
        let stored = match logical {
            LogicalType::TimestampMillis => 1000,
            LogicalType::TimestampMicros => 1_000_000,
            LogicalType::TimestampNanos => 1_000_000_000,
            _ => own,
        };
        Self {
            values: PrimitiveBuilder::new(),
            target,
            factor: (own / stored).max(1),
            divisor: (stored / own).max(1),
        }
    }

    fn append(&mut self, stored: i64) -> Result<()> {
        let value = stored.div_euclid(self.divisor).checked_mul(self.factor);
        let Some(value) = value else {
            return Err(Error::damaged(format!(
                "timestamp {stored} does not fit {}",
                self.target
            )));
        };
        self.values.append_value(value);
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        let values = self.values.finish();
        let (values, target) = (&values, self.target.clone());
        match &self.target {
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => Arc::new(
                values
                    .reinterpret_cast::<TimestampMicrosecondType>()
                    .with_data_type(target),
            ),
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => Arc::new(
                values
                    .reinterpret_cast::<TimestampNanosecondType>()
                    .with_data_type(target),
            ),
            _ => Arc::new(
                values
                    .reinterpret_cast::<TimestampMillisecondType>()
                    .with_data_type(target),
            ),
        }
    }
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}
