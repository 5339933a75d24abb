//! The type tree of Paimon columns, in the order of column numbers; every node has its field's id as an attribute.

use orc_rust::proto::r#type::Kind;
use orc_rust::proto::{StringPair, Type};

use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, MAX_LENGTH, TypeKind};

/// Attribute with the id of a field.
const ID: &str = "paimon.id";
/// First id of nodes that Paimon's schema does not name.
const ANONYMOUS_ID: i32 = i32::MAX / 4;
/// Ids reserved per named field.
const IDS_PER_FIELD: i32 = 1024;

/// The types of a file with these columns; the first is the root.
///
/// # Errors
/// As [`kind_of`].
pub(super) fn types(fields: &[DataField]) -> Result<Vec<Type>> {
    let mut types = vec![Type::default()];
    row(0, fields, &mut types)?;
    Ok(types)
}

/// Where a node is: its id, the named field it belongs to and how deep below that it is.
#[derive(Clone, Copy)]
struct Place {
    id: i32,
    owner: i32,
    depth: i32,
}

impl Place {
    fn below(self, sign: i32) -> Self {
        let depth = self.depth + 1;
        let offset = self.owner.wrapping_mul(IDS_PER_FIELD).wrapping_add(depth);
        Self {
            id: ANONYMOUS_ID.wrapping_add(offset.wrapping_mul(sign)),
            owner: self.owner,
            depth,
        }
    }
}

/// Makes the type at `at` a struct and appends its fields.
fn row(at: usize, fields: &[DataField], types: &mut Vec<Type>) -> Result<()> {
    types[at].kind = Some(Kind::Struct.into());
    for field in fields {
        let place = Place {
            id: field.id,
            owner: field.id,
            depth: 0,
        };
        let child = node(place, &field.data_type, types)?;
        types[at].subtypes.push(child);
        types[at].field_names.push(field.name.clone());
    }
    Ok(())
}

/// Appends a type and what is below it; the number of its column.
fn node(place: Place, data_type: &DataType, types: &mut Vec<Type>) -> Result<u32> {
    let at = types.len();
    types.push(Type {
        kind: Some(kind_of(data_type)?.into()),
        attributes: vec![StringPair {
            key: Some(ID.into()),
            value: Some(place.id.to_string()),
        }],
        ..Default::default()
    });
    match &data_type.kind {
        TypeKind::Char(n) | TypeKind::VarChar(n) if *n != MAX_LENGTH => {
            types[at].maximum_length = Some(*n);
        }
        TypeKind::Decimal { precision, scale } => {
            types[at].precision = Some(u32::from(*precision));
            types[at].scale = Some(u32::from(*scale));
        }
        TypeKind::Array(element) => {
            let child = node(place.below(1), element, types)?;
            types[at].subtypes = vec![child];
        }
        TypeKind::Map(key, value) => {
            let key = node(place.below(-1), key, types)?;
            let value = node(place.below(1), value, types)?;
            types[at].subtypes = vec![key, value];
        }
        TypeKind::Multiset(element) => {
            let key = node(place.below(-1), element, types)?;
            let count = node(place.below(1), &DataType::not_null(TypeKind::Int), types)?;
            types[at].subtypes = vec![key, count];
        }
        TypeKind::Row(fields) => row(at, fields, types)?,
        _ => {}
    }
    u32::try_from(at).map_err(|_| Error::invalid("ORC files have less than 2^32 columns"))
}

/// The kind of a type's column.
///
/// # Errors
/// `Unsupported` for types that ORC files of Paimon have no place for.
pub(super) fn kind_of(data_type: &DataType) -> Result<Kind> {
    Ok(match &data_type.kind {
        TypeKind::Boolean => Kind::Boolean,
        TypeKind::TinyInt => Kind::Byte,
        TypeKind::SmallInt => Kind::Short,
        TypeKind::Int | TypeKind::Time(_) => Kind::Int,
        TypeKind::BigInt => Kind::Long,
        TypeKind::Float => Kind::Float,
        TypeKind::Double => Kind::Double,
        TypeKind::Decimal { .. } => Kind::Decimal,
        TypeKind::Char(_) => Kind::Char,
        TypeKind::VarChar(n) if *n == MAX_LENGTH => Kind::String,
        TypeKind::VarChar(_) => Kind::Varchar,
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => Kind::Binary,
        TypeKind::Date => Kind::Date,
        TypeKind::Timestamp(_) => Kind::Timestamp,
        TypeKind::LocalZonedTimestamp(_) => Kind::TimestampInstant,
        TypeKind::Array(_) => Kind::List,
        TypeKind::Map(..) | TypeKind::Multiset(_) => Kind::Map,
        TypeKind::Row(_) => Kind::Struct,
        TypeKind::Variant | TypeKind::Vector(..) | TypeKind::Blob => {
            return Err(Error::unsupported(format!(
                "ORC files have no place for type {data_type}"
            )));
        }
    })
}
