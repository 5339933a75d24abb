//! The wanted columns in the file's type tree.
//!
//! ORC numbers the nodes of the tree in pre-order: a child's number is above its parent's. Columns and nested fields
//! are found by name, case-sensitively.

use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field, Fields};
use orc_rust::proto::Type;
use orc_rust::proto::r#type::Kind;

use super::tail::to_usize;
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, TypeKind};

/// Deepest nesting of a column.
const DEPTH_MAX: usize = 128;
/// Timestamps are decoded to nanoseconds in this type: the whole range of the format fits.
const NANOS_PRECISION: u8 = 38;
const NANOS_SCALE: i8 = 9;

/// A wanted node of the type tree with its wanted children.
#[derive(Debug)]
pub(super) struct Column {
    /// Number of the node; its streams carry it.
    pub id: u32,
    /// Kind.
    pub kind: Kind,
    /// What the decoder makes of it.
    pub decoded: ArrowType,
    /// Children that are wanted.
    pub children: Vec<Column>,
}

/// The file's types with every other node cut out.
pub(super) struct Columns {
    /// Types for the decoder.
    pub types: Vec<Type>,
    /// Per wanted field, its column in the file; `None` when the file has no such column.
    pub columns: Vec<Option<Arc<Column>>>,
}

impl Columns {
    /// Finds the fields.
    pub(super) fn resolve(mut types: Vec<Type>, fields: &[DataField]) -> Result<Self> {
        let wanted: Vec<_> = fields
            .iter()
            .map(|f| (f.name.as_str(), &f.data_type))
            .collect();
        if types.first().map(Type::kind) != Some(Kind::Struct) {
            return Err(Error::damaged("the root of an ORC file must be a struct"));
        }
        let found = children_by_name(&mut types, 0, &wanted, 0)?;
        Ok(Self {
            types,
            columns: found.into_iter().map(|c| c.map(Arc::new)).collect(),
        })
    }
}

impl Column {
    /// This node and all below it.
    pub(super) fn visit<'a>(&'a self, visitor: &mut impl FnMut(&'a Column)) {
        visitor(self);
        for child in &self.children {
            child.visit(visitor);
        }
    }
}

/// Finds children of the struct `id` and cuts the others out of it.
fn children_by_name(
    types: &mut [Type],
    id: usize,
    wanted: &[(&str, &DataType)],
    depth: usize,
) -> Result<Vec<Option<Column>>> {
    let names = std::mem::take(&mut types[id].field_names);
    let subtypes = std::mem::take(&mut types[id].subtypes);
    if names.len() != subtypes.len() {
        return Err(Error::damaged(format!(
            "ORC struct {id} has {} names for {} fields",
            names.len(),
            subtypes.len()
        )));
    }
    let mut found = Vec::with_capacity(wanted.len());
    for (name, data_type) in wanted {
        let Some(at) = names.iter().position(|n| n == name) else {
            found.push(None);
            continue;
        };
        if !types[id].subtypes.contains(&subtypes[at]) {
            types[id].subtypes.push(subtypes[at]);
            types[id].field_names.push((*name).to_string());
        }
        let child = resolve(types, id, subtypes[at], data_type, depth)
            .map_err(|e| e.with_default("column", name))?;
        found.push(Some(child));
    }
    Ok(found)
}

fn resolve(
    types: &mut [Type],
    parent: usize,
    id: u32,
    wanted: &DataType,
    depth: usize,
) -> Result<Column> {
    let index = child_index(types, parent, id, depth)?;
    let number = types[index].kind.unwrap_or(0);
    let Ok(kind) = Kind::try_from(number) else {
        return Err(Error::unsupported(format!(
            "ORC type {number} is not known"
        )));
    };
    if !matches(kind, &wanted.kind)? {
        return Err(Error::damaged(format!(
            "ORC column of type {wanted} expected, found {}",
            kind.as_str_name()
        )));
    }
    let mut children = Vec::new();
    let decoded = match (kind, &wanted.kind) {
        (Kind::List, TypeKind::Array(element)) => {
            let [child] = subtypes(types, index)?;
            let child = resolve(types, index, child, element, depth + 1)?;
            let decoded = ArrowType::new_list(child.decoded.clone(), true);
            children.push(child);
            decoded
        }
        (Kind::Map, TypeKind::Map(key, value)) => {
            map(types, index, key, value, depth, &mut children)?
        }
        (Kind::Map, TypeKind::Multiset(element)) => {
            let count = DataType::not_null(TypeKind::Int);
            map(types, index, element, &count, depth, &mut children)?
        }
        (Kind::Struct, TypeKind::Row(fields)) => row(types, index, fields, depth, &mut children)?,
        (Kind::Decimal, TypeKind::Decimal { precision, scale }) => {
            decimal(&types[index], *precision, *scale)?
        }
        _ => decoded_leaf(kind),
    };
    Ok(Column {
        id,
        kind,
        decoded,
        children,
    })
}

/// Checks the number of a child: the tree is in pre-order, so no node can contain itself.
fn child_index(types: &[Type], parent: usize, id: u32, depth: usize) -> Result<usize> {
    let index = to_usize(u64::from(id))?;
    if index <= parent || index >= types.len() || depth > DEPTH_MAX {
        return Err(Error::damaged(format!(
            "ORC type {parent} at depth {depth} must have children between it and {}, found {id}",
            types.len()
        )));
    }
    Ok(index)
}

/// A node as the file has it, cut down to the first field of every struct.
fn any(types: &mut [Type], parent: usize, id: u32, depth: usize) -> Result<Column> {
    let index = child_index(types, parent, id, depth)?;
    let mut children = Vec::new();
    let decoded = match types[index].kind() {
        Kind::List => {
            let [child] = subtypes(types, index)?;
            children.push(any(types, index, child, depth + 1)?);
            ArrowType::new_list(children[0].decoded.clone(), true)
        }
        Kind::Map => {
            let [key, value] = subtypes(types, index)?;
            children.push(any(types, index, key, depth + 1)?);
            children.push(any(types, index, value, depth + 1)?);
            map_type(&children[0], &children[1])
        }
        Kind::Struct => row(types, index, &[], depth, &mut children)?,
        Kind::Decimal => {
            let precision = u8::try_from(types[index].precision()).unwrap_or(u8::MAX);
            let scale = u8::try_from(types[index].scale()).unwrap_or(u8::MAX);
            decimal(&types[index], precision.min(38), scale)?
        }
        Kind::Union => return Err(Error::unsupported("ORC unions are not supported")),
        leaf => decoded_leaf(leaf),
    };
    Ok(Column {
        id,
        kind: types[index].kind(),
        decoded,
        children,
    })
}

/// Whether a column of the file can hold the wanted type.
fn matches(kind: Kind, wanted: &TypeKind) -> Result<bool> {
    Ok(match wanted {
        TypeKind::Boolean => kind == Kind::Boolean,
        TypeKind::TinyInt => kind == Kind::Byte,
        TypeKind::SmallInt => kind == Kind::Short,
        TypeKind::Int | TypeKind::Time(_) => kind == Kind::Int,
        TypeKind::BigInt => kind == Kind::Long,
        TypeKind::Float => kind == Kind::Float,
        TypeKind::Double => kind == Kind::Double,
        TypeKind::Decimal { .. } => kind == Kind::Decimal,
        TypeKind::Char(_) | TypeKind::VarChar(_) => {
            matches!(kind, Kind::Char | Kind::Varchar | Kind::String)
        }
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => kind == Kind::Binary,
        TypeKind::Date => kind == Kind::Date,
        TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => {
            matches!(kind, Kind::Timestamp | Kind::TimestampInstant)
        }
        TypeKind::Array(_) => kind == Kind::List,
        TypeKind::Map(..) | TypeKind::Multiset(_) => kind == Kind::Map,
        TypeKind::Row(_) => kind == Kind::Struct,
        TypeKind::Variant | TypeKind::Vector(..) => {
            return Err(Error::unsupported(format!(
                "{wanted} columns are not supported in ORC files"
            )));
        }
    })
}

fn subtypes<const N: usize>(types: &[Type], id: usize) -> Result<[u32; N]> {
    types[id].subtypes.as_slice().try_into().map_err(|_| {
        Error::damaged(format!(
            "ORC type {id} must have {N} children, found {}",
            types[id].subtypes.len()
        ))
    })
}

fn map(
    types: &mut [Type],
    id: usize,
    key: &DataType,
    value: &DataType,
    depth: usize,
    children: &mut Vec<Column>,
) -> Result<ArrowType> {
    let [key_id, value_id] = subtypes(types, id)?;
    let key = resolve(types, id, key_id, key, depth + 1)?;
    let value = resolve(types, id, value_id, value, depth + 1)?;
    let decoded = map_type(&key, &value);
    children.extend([key, value]);
    Ok(decoded)
}

fn map_type(key: &Column, value: &Column) -> ArrowType {
    let entries = ArrowType::Struct(Fields::from(vec![
        Field::new("keys", key.decoded.clone(), false),
        Field::new("values", value.decoded.clone(), true),
    ]));
    ArrowType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

fn row(
    types: &mut [Type],
    id: usize,
    fields: &[DataField],
    depth: usize,
    children: &mut Vec<Column>,
) -> Result<ArrowType> {
    let wanted: Vec<_> = fields
        .iter()
        .map(|f| (f.name.as_str(), &f.data_type))
        .collect();
    let first = types[id]
        .subtypes
        .first()
        .copied()
        .zip(types[id].field_names.first().cloned());
    let found = children_by_name(types, id, &wanted, depth + 1)?;
    if types[id].subtypes.is_empty() {
        // without any child the decoder would not know how many rows there are
        let Some((child, name)) = first else {
            return Err(Error::unsupported(
                "ORC structs without fields are not supported",
            ));
        };
        let column = any(types, id, child, depth + 1)?;
        let decoded = vec![Field::new(&name, column.decoded.clone(), true)];
        types[id].subtypes.push(child);
        types[id].field_names.push(name);
        children.push(column);
        return Ok(ArrowType::Struct(decoded.into()));
    }
    // in the order of the pruned struct, which is the order of first mention
    let mut decoded = Vec::new();
    for (column, (name, _)) in found.into_iter().zip(&wanted) {
        if let Some(column) = column {
            decoded.push(Field::new(*name, column.decoded.clone(), true));
            children.push(column);
        }
    }
    Ok(ArrowType::Struct(decoded.into()))
}

fn decimal(found: &Type, precision: u8, scale: u8) -> Result<ArrowType> {
    let same_scale = found.scale() == u32::from(scale);
    match u8::try_from(found.precision()) {
        Ok(p) if same_scale && p <= precision && p > 0 => Ok(ArrowType::Decimal128(
            p,
            i8::try_from(scale).unwrap_or(i8::MAX),
        )),
        _ => Err(Error::damaged(format!(
            "ORC column of type DECIMAL({precision}, {scale}) expected, found DECIMAL({}, {})",
            found.precision(),
            found.scale()
        ))),
    }
}

/// What the decoder makes of a leaf.
fn decoded_leaf(kind: Kind) -> ArrowType {
    match kind {
        Kind::Boolean => ArrowType::Boolean,
        Kind::Byte => ArrowType::Int8,
        Kind::Short => ArrowType::Int16,
        Kind::Int => ArrowType::Int32,
        Kind::Long => ArrowType::Int64,
        Kind::Float => ArrowType::Float32,
        Kind::Double => ArrowType::Float64,
        Kind::String | Kind::Varchar | Kind::Char => ArrowType::Utf8,
        Kind::Binary => ArrowType::Binary,
        Kind::Date => ArrowType::Date32,
        Kind::Timestamp | Kind::TimestampInstant => {
            ArrowType::Decimal128(NANOS_PRECISION, NANOS_SCALE)
        }
        Kind::List | Kind::Map | Kind::Struct | Kind::Union | Kind::Decimal => ArrowType::Null,
    }
}
