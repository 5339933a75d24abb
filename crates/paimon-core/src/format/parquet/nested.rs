//! Decoded arrays rebuilt with the names, nullability and order that the Paimon type asks for.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray, new_null_array};
use arrow_schema::{ArrowError, DataType as ArrowType, FieldRef, Fields};
use parquet_variant_compute::{VariantArray, unshred_variant};

use super::cast::Cast;
use crate::error::{Error, Result};

/// How a column of the file becomes a column of the request.
#[derive(Debug)]
pub(super) enum Node {
    /// A leaf.
    Primitive { path: Box<str>, cast: Cast },
    /// ARRAY
    List { field: FieldRef, element: Box<Node> },
    /// VECTOR: a list whose every value has one length.
    Vector {
        field: FieldRef,
        element: Box<Node>,
        length: i32,
    },
    /// MAP, MULTISET
    Map {
        field: FieldRef,
        key: Box<Node>,
        value: Box<Node>,
    },
    /// ROW
    Struct {
        path: Box<str>,
        fields: Fields,
        children: Vec<StructChild>,
    },
    /// VARIANT
    Variant {
        path: Box<str>,
        fields: Fields,
        shredded: bool,
    },
}

/// One field of a ROW.
#[derive(Debug)]
pub(super) enum StructChild {
    /// Not in the file: null.
    Missing,
    /// Found by name.
    Read { name: String, node: Node },
}

impl Node {
    /// Converts a decoded array.
    ///
    /// # Errors
    /// `Damaged` for values that the type does not allow.
    pub(super) fn convert(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Node::Primitive { path, cast } => cast
                .apply(array)
                .map_err(|e| e.with_default("column", path)),
            Node::List { field, element } => list(array, field, element),
            Node::Vector {
                field,
                element,
                length,
            } => {
                let list = list(array, field, element)?;
                let target = ArrowType::FixedSizeList(Arc::clone(field), *length);
                Cast::Kernel(target).apply(&list)
            }
            Node::Map { field, key, value } => map(array, field, key, value),
            Node::Struct {
                path,
                fields,
                children,
            } => row(array, fields, children).map_err(|e| e.with_default("column", path)),
            Node::Variant {
                path,
                fields,
                shredded,
            } => variant(array, fields, *shredded).map_err(|e| e.with_default("column", path)),
        }
    }
}

fn list(array: &ArrayRef, field: &FieldRef, element: &Node) -> Result<ArrayRef> {
    let list = array
        .as_list_opt::<i32>()
        .ok_or_else(|| unexpected("list", array))?;
    let values = element.convert(list.values())?;
    let list = ListArray::try_new(
        Arc::clone(field),
        list.offsets().clone(),
        values,
        list.nulls().cloned(),
    );
    Ok(Arc::new(list.map_err(invalid)?))
}

fn map(array: &ArrayRef, field: &FieldRef, key: &Node, value: &Node) -> Result<ArrayRef> {
    let map = array.as_map_opt().ok_or_else(|| unexpected("map", array))?;
    let ArrowType::Struct(fields) = field.data_type() else {
        return Err(Error::internal("map entries are not a struct"));
    };
    let columns = vec![key.convert(map.keys())?, value.convert(map.values())?];
    let entries = StructArray::try_new(fields.clone(), columns, None).map_err(invalid)?;
    let map = MapArray::try_new(
        Arc::clone(field),
        map.offsets().clone(),
        entries,
        map.nulls().cloned(),
        false,
    );
    Ok(Arc::new(map.map_err(invalid)?))
}

fn row(array: &ArrayRef, fields: &Fields, children: &[StructChild]) -> Result<ArrayRef> {
    let file = array
        .as_struct_opt()
        .ok_or_else(|| unexpected("struct", array))?;
    let columns = children
        .iter()
        .zip(fields)
        .map(|(child, field)| match child {
            StructChild::Missing => Ok(new_null_array(field.data_type(), file.len())),
            StructChild::Read { name, node } => {
                let column = file
                    .column_by_name(name)
                    .ok_or_else(|| Error::internal("decoded struct lacks a field"))?;
                node.convert(column)
            }
        })
        .collect::<Result<Vec<_>>>()?;
    let nulls = file.nulls().cloned();
    let row = if columns.is_empty() {
        StructArray::new_empty_fields(file.len(), nulls)
    } else {
        StructArray::try_new(fields.clone(), columns, nulls).map_err(invalid)?
    };
    Ok(Arc::new(row))
}

/// `value` and `metadata` of a variant; `typed_value` is folded back into `value`.
fn variant(array: &ArrayRef, fields: &Fields, shredded: bool) -> Result<ArrayRef> {
    let whole = if shredded {
        let variant = VariantArray::try_new(array).map_err(invalid)?;
        let whole = unshred_variant(&variant).map_err(invalid)?;
        Arc::new(whole.into_inner())
    } else {
        Arc::clone(array)
    };
    let file = whole
        .as_struct_opt()
        .ok_or_else(|| unexpected("struct", &whole))?;
    let columns = fields
        .iter()
        .map(|field| {
            let column = file
                .column_by_name(field.name())
                .ok_or_else(|| Error::internal("decoded variant lacks a field"))?;
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            Cast::Kernel(field.data_type().clone()).apply(column)
        })
        .collect::<Result<Vec<_>>>()?;
    let row = StructArray::try_new(fields.clone(), columns, file.nulls().cloned());
    Ok(Arc::new(row.map_err(invalid)?))
}

fn unexpected(wanted: &str, array: &ArrayRef) -> Error {
    Error::internal(format!(
        "decoder returned {}, expected a {wanted}",
        array.data_type()
    ))
}

fn invalid(error: ArrowError) -> Error {
    Error::damaged("nested value breaks its declared type").with_source(error)
}
