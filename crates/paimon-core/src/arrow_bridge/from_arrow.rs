//! The Paimon type of an Arrow type, for tables made from a query.

use arrow_schema::{DataType as ArrowType, Field, TimeUnit};

use super::arrow_type;
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, TypeKind};

/// Nullable Paimon type that holds every value of an Arrow type. Fields of structs get the ids 0, 1, ..
///
/// # Errors
/// `Unsupported` for types without a counterpart.
pub fn paimon_type(arrow: &ArrowType) -> Result<DataType> {
    let unsupported = || Err(Error::unsupported(format!("no column type for {arrow}")));
    Ok(DataType::nullable(match arrow {
        ArrowType::Boolean => TypeKind::Boolean,
        ArrowType::Int8 => TypeKind::TinyInt,
        ArrowType::Int16 | ArrowType::UInt8 => TypeKind::SmallInt,
        ArrowType::Int32 | ArrowType::UInt16 => TypeKind::Int,
        ArrowType::Int64 | ArrowType::UInt32 => TypeKind::BigInt,
        ArrowType::UInt64 => TypeKind::Decimal {
            precision: 20,
            scale: 0,
        },
        ArrowType::Float16 | ArrowType::Float32 => TypeKind::Float,
        ArrowType::Float64 => TypeKind::Double,
        ArrowType::Decimal128(precision, scale) => match u8::try_from(*scale) {
            Ok(scale) => TypeKind::Decimal {
                precision: *precision,
                scale,
            },
            Err(_) => return unsupported(),
        },
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => {
            TypeKind::VarChar(MAX_LENGTH)
        }
        ArrowType::Binary | ArrowType::LargeBinary | ArrowType::BinaryView => {
            TypeKind::VarBinary(MAX_LENGTH)
        }
        ArrowType::FixedSizeBinary(n) => TypeKind::Binary(u32::try_from(*n).unwrap_or(MAX_LENGTH)),
        ArrowType::Date32 | ArrowType::Date64 => TypeKind::Date,
        ArrowType::Time32(_) => TypeKind::Time(3),
        ArrowType::Timestamp(unit, None) => TypeKind::Timestamp(precision(*unit)),
        ArrowType::Timestamp(unit, Some(_)) => TypeKind::LocalZonedTimestamp(precision(*unit)),
        ArrowType::List(f) | ArrowType::LargeList(f) | ArrowType::FixedSizeList(f, _) => {
            TypeKind::Array(Box::new(of_field(f)?))
        }
        ArrowType::Map(entries, _) => match entries.data_type() {
            ArrowType::Struct(fields) if fields.len() == 2 => TypeKind::Map(
                Box::new(of_field(&fields[0])?),
                Box::new(of_field(&fields[1])?),
            ),
            _ => return unsupported(),
        },
        _ if arrow.equals_datatype(&variant()) => TypeKind::Variant,
        ArrowType::Struct(fields) => {
            let fields = (0..)
                .zip(fields)
                .map(|(id, f)| Ok(DataField::new(id, f.name(), of_field(f)?)));
            TypeKind::Row(fields.collect::<Result<_>>()?)
        }
        _ => return unsupported(),
    }))
}

/// Length of a STRING and of BYTES.
const MAX_LENGTH: u32 = 2_147_483_647;

fn variant() -> ArrowType {
    arrow_type(&DataType::nullable(TypeKind::Variant))
}

fn of_field(field: &Field) -> Result<DataType> {
    let mut data_type = paimon_type(field.data_type())?;
    data_type.nullable = field.is_nullable();
    Ok(data_type)
}

fn precision(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}
