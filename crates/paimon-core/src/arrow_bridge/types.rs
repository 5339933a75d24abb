//! The Arrow type of every Paimon type.
//!
//! | Paimon | Arrow |
//! |---|---|
//! | CHAR, VARCHAR | `Utf8View` |
//! | BINARY, VARBINARY, BLOB | `BinaryView` |
//! | DECIMAL(p, s) | `Decimal128(p, s)` |
//! | TIME | `Time32(Millisecond)` |
//! | TIMESTAMP(p) | `Timestamp(ms / us / ns)` for p <= 3 / 6 / 9, with zone `UTC` for LOCAL TIME ZONE |
//! | ARRAY | `List` of `element` |
//! | VECTOR(T, n) | `FixedSizeList` of `element` |
//! | MAP, MULTISET | `Map` of `entries { key, value }` |
//! | ROW | `Struct` |
//! | VARIANT | `Struct { value: BinaryView, metadata: BinaryView }` |

use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::spec::{DataField, DataType, TypeKind};

/// Arrow type of a Paimon type.
pub fn arrow_type(data_type: &DataType) -> ArrowType {
    match &data_type.kind {
        TypeKind::Boolean => ArrowType::Boolean,
        TypeKind::TinyInt => ArrowType::Int8,
        TypeKind::SmallInt => ArrowType::Int16,
        TypeKind::Int => ArrowType::Int32,
        TypeKind::BigInt => ArrowType::Int64,
        TypeKind::Float => ArrowType::Float32,
        TypeKind::Double => ArrowType::Float64,
        TypeKind::Decimal { precision, scale } => {
            ArrowType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => ArrowType::Utf8View,
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => ArrowType::BinaryView,
        TypeKind::Date => ArrowType::Date32,
        TypeKind::Time(_) => ArrowType::Time32(TimeUnit::Millisecond),
        TypeKind::Timestamp(p) => ArrowType::Timestamp(time_unit(*p), None),
        TypeKind::LocalZonedTimestamp(p) => ArrowType::Timestamp(time_unit(*p), Some("UTC".into())),
        TypeKind::Variant => ArrowType::Struct(Fields::from(vec![
            Field::new("value", ArrowType::BinaryView, false),
            Field::new("metadata", ArrowType::BinaryView, false),
        ])),
        TypeKind::Array(element) => ArrowType::List(element_field(element)),
        TypeKind::Vector(element, n) => ArrowType::FixedSizeList(
            element_field(element),
            i32::try_from(*n).unwrap_or(i32::MAX),
        ),
        TypeKind::Multiset(element) => map_type(element, &DataType::not_null(TypeKind::Int)),
        TypeKind::Map(key, value) => map_type(key, value),
        TypeKind::Row(fields) => {
            ArrowType::Struct(fields.iter().map(arrow_field).collect::<Fields>())
        }
    }
}

/// Arrow field of a Paimon field: name, type, nullability.
pub fn arrow_field(field: &DataField) -> Field {
    Field::new(
        &field.name,
        arrow_type(&field.data_type),
        field.data_type.nullable,
    )
}

/// Arrow schema of columns, in order.
pub fn arrow_schema(fields: &[DataField]) -> SchemaRef {
    Arc::new(Schema::new(
        fields.iter().map(arrow_field).collect::<Vec<_>>(),
    ))
}

fn time_unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

fn element_field(element: &DataType) -> Arc<Field> {
    Arc::new(Field::new("element", arrow_type(element), element.nullable))
}

fn map_type(key: &DataType, value: &DataType) -> ArrowType {
    let entries = Field::new(
        "entries",
        ArrowType::Struct(Fields::from(vec![
            Field::new("key", arrow_type(key), false),
            Field::new("value", arrow_type(value), value.nullable),
        ])),
        false,
    );
    ArrowType::Map(Arc::new(entries), false)
}
