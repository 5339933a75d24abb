//! The Parquet schema of Paimon columns.
//!
//! ```text
//! message paimon_schema
//!   ARRAY:   optional group a (LIST) { repeated group list { element } }
//!   MAP:     optional group m (MAP)  { repeated group key_value (MAP_KEY_VALUE) { required key; value } }
//!   VARIANT: optional group v { required binary value = 0; required binary metadata = 1 }
//! ```
//! Nodes without a name of their own get ids computed from the field around them and their depth below it.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};

use super::failed;
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, TypeKind};

/// First id of nodes that Paimon's schema does not name.
const ANONYMOUS_ID: i32 = i32::MAX / 4;
/// Ids reserved per named field.
const IDS_PER_FIELD: i32 = 1024;

/// How INT96 leaves appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Int96 {
    /// As INT96, the way the file says it.
    Physical,
    /// As FIXED_LEN_BYTE_ARRAY(12), the way the column writers see it.
    Bytes,
}

/// Schema of a file with these columns.
///
/// # Errors
/// `Unsupported` naming the column when Paimon's Parquet files have no place for its type.
pub(super) fn message(fields: &[DataField], int96: Int96) -> Result<TypePtr> {
    let children = fields
        .iter()
        .map(|f| {
            let node = Builder { int96 }
                .field(f)
                .map_err(|e| e.with_default("column", &f.name))?;
            Ok(Arc::new(node))
        })
        .collect::<Result<Vec<_>>>()?;
    let root = Type::group_type_builder("paimon_schema")
        .with_fields(children)
        .build()
        .map_err(failed)?;
    Ok(Arc::new(root))
}

struct Builder {
    int96: Int96,
}

/// Where a node is: its name and id, the named field it belongs to and how deep below that it is.
struct Place<'a> {
    name: &'a str,
    id: i32,
    owner: i32,
    depth: i32,
}

impl Place<'_> {
    /// An element or a map value one level down.
    fn below<'a>(&self, name: &'a str) -> Place<'a> {
        let depth = self.depth + 1;
        let offset = self.owner.wrapping_mul(IDS_PER_FIELD).wrapping_add(depth);
        Place {
            name,
            id: ANONYMOUS_ID.wrapping_add(offset),
            owner: self.owner,
            depth,
        }
    }

    /// A map key one level down.
    fn key_below(&self) -> Place<'static> {
        let depth = self.depth + 1;
        let offset = self.owner.wrapping_mul(IDS_PER_FIELD).wrapping_add(depth);
        Place {
            name: "key",
            id: ANONYMOUS_ID.wrapping_sub(offset),
            owner: self.owner,
            depth,
        }
    }
}

impl Builder {
    fn field(&self, field: &DataField) -> Result<Type> {
        let place = Place {
            name: &field.name,
            id: field.id,
            owner: field.id,
            depth: 0,
        };
        self.node(&place, &field.data_type, field.data_type.nullable)
    }

    fn node(&self, place: &Place<'_>, data_type: &DataType, nullable: bool) -> Result<Type> {
        let group = |children: Vec<Type>, logical: Option<LogicalType>| {
            Type::group_type_builder(place.name)
                .with_repetition(repetition(nullable))
                .with_logical_type(logical)
                .with_fields(children.into_iter().map(Arc::new).collect())
                .with_id(Some(place.id))
                .build()
        };
        let node = match &data_type.kind {
            TypeKind::Array(element) | TypeKind::Vector(element, _) => {
                let element = self.node(&place.below("element"), element, element.nullable)?;
                group(
                    vec![repeated("list", None, vec![element]).map_err(failed)?],
                    Some(LogicalType::List),
                )
            }
            TypeKind::Map(key, value) => {
                let entries = self.entries(place, key, value)?;
                group(vec![entries], Some(LogicalType::Map))
            }
            TypeKind::Multiset(element) => {
                let count = DataType::not_null(TypeKind::Int);
                let entries = self.entries(place, element, &count)?;
                group(vec![entries], Some(LogicalType::Map))
            }
            TypeKind::Row(fields) => {
                let children = fields
                    .iter()
                    .map(|f| self.field(f))
                    .collect::<Result<Vec<_>>>()?;
                group(children, None)
            }
            TypeKind::Variant => {
                let part = |name, id| {
                    Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
                        .with_repetition(Repetition::REQUIRED)
                        .with_id(Some(id))
                        .build()
                };
                let parts = [part("value", 0), part("metadata", 1)];
                let parts = parts.into_iter().collect::<Result<_, _>>();
                group(parts.map_err(failed)?, None)
            }
            kind => self.leaf(place, kind, nullable),
        };
        node.map_err(failed)
    }

    fn entries(&self, place: &Place<'_>, key: &DataType, value: &DataType) -> Result<Type> {
        let key = self.node(&place.key_below(), key, false)?;
        let value = self.node(&place.below("value"), value, value.nullable)?;
        let converted = Some(ConvertedType::MAP_KEY_VALUE);
        repeated("key_value", converted, vec![key, value]).map_err(failed)
    }

    fn leaf(
        &self,
        place: &Place<'_>,
        kind: &TypeKind,
        nullable: bool,
    ) -> std::result::Result<Type, ParquetError> {
        let (physical, logical, length) = self.physical(kind);
        let builder = Type::primitive_type_builder(place.name, physical)
            .with_repetition(repetition(nullable))
            .with_logical_type(logical)
            .with_length(length)
            .with_id(Some(place.id));
        match kind {
            TypeKind::Decimal { precision, scale } => builder
                .with_precision(i32::from(*precision))
                .with_scale(i32::from(*scale))
                .build(),
            _ => builder.build(),
        }
    }

    /// Physical type, annotation and fixed length (-1: none) of a type that is one column.
    fn physical(&self, kind: &TypeKind) -> (PhysicalType, Option<LogicalType>, i32) {
        use PhysicalType::*;
        match kind {
            TypeKind::Char(_) | TypeKind::VarChar(_) => (BYTE_ARRAY, Some(LogicalType::String), -1),
            TypeKind::Boolean => (BOOLEAN, None, -1),
            TypeKind::TinyInt => (INT32, Some(LogicalType::integer(8, true)), -1),
            TypeKind::SmallInt => (INT32, Some(LogicalType::integer(16, true)), -1),
            TypeKind::Int => (INT32, None, -1),
            TypeKind::BigInt => (INT64, None, -1),
            TypeKind::Float => (FLOAT, None, -1),
            TypeKind::Double => (DOUBLE, None, -1),
            TypeKind::Date => (INT32, Some(LogicalType::Date), -1),
            TypeKind::Time(_) => (INT32, Some(LogicalType::time(true, TimeUnit::MILLIS)), -1),
            TypeKind::Timestamp(p) => self.timestamp(*p, false),
            TypeKind::LocalZonedTimestamp(p) => self.timestamp(*p, true),
            TypeKind::Decimal { precision, scale } => {
                let logical = LogicalType::decimal(i32::from(*scale), i32::from(*precision));
                let (physical, length) = match precision {
                    0..=9 => (INT32, -1),
                    10..=18 => (INT64, -1),
                    wide => (FIXED_LEN_BYTE_ARRAY, decimal_bytes(*wide)),
                };
                (physical, Some(logical), length)
            }
            // BINARY, VARBINARY, BLOB; nested types are handled above
            _ => (BYTE_ARRAY, None, -1),
        }
    }

    fn timestamp(&self, precision: u8, utc: bool) -> (PhysicalType, Option<LogicalType>, i32) {
        let unit = match precision {
            0..=3 => TimeUnit::MILLIS,
            4..=6 => TimeUnit::MICROS,
            _ if self.int96 == Int96::Physical => return (PhysicalType::INT96, None, -1),
            _ => return (PhysicalType::FIXED_LEN_BYTE_ARRAY, None, 12),
        };
        let logical = LogicalType::timestamp(utc, unit);
        (PhysicalType::INT64, Some(logical), -1)
    }
}

fn repetition(nullable: bool) -> Repetition {
    if nullable {
        Repetition::OPTIONAL
    } else {
        Repetition::REQUIRED
    }
}

fn repeated(
    name: &str,
    converted: Option<ConvertedType>,
    children: Vec<Type>,
) -> std::result::Result<Type, ParquetError> {
    Type::group_type_builder(name)
        .with_repetition(Repetition::REPEATED)
        .with_converted_type(converted.unwrap_or(ConvertedType::NONE))
        .with_fields(children.into_iter().map(Arc::new).collect())
        .build()
}

/// Fewest bytes that hold every unscaled value of a precision.
fn decimal_bytes(precision: u8) -> i32 {
    let values = 10u128.pow(u32::from(precision.min(38)));
    (1..=16)
        .find(|n| values <= 1u128 << (8 * n - 1))
        .unwrap_or(16)
}

/// Refuses types that need files of their own.
///
/// # Errors
/// `Unsupported` naming the column.
pub(super) fn check_types(fields: &[DataField]) -> Result<()> {
    match fields.iter().find(|f| f.data_type.kind == TypeKind::Blob) {
        None => Ok(()),
        Some(field) => Err(Error::unsupported(
            "BLOB columns cannot be written: their values live in files of their own",
        )
        .with("column", &field.name)),
    }
}
