//! Paimon's CAST: the conversion of columns whose type was altered after their file was written.
//!
//! Source: `CastExecutors` and its rules. Zone-dependent casts use UTC.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use super::cast_value::cast_value;
use super::{arrow_type, datum_at, datums_to_array};
use crate::error::{Error, Result};
use crate::spec::{DataType, MAX_LENGTH, TypeKind, datum_to_text};

/// The array as another type.
///
/// # Errors
/// `Unsupported` naming both types for a pair without a cast, `InvalidInput` for text that does not parse.
pub fn cast_array(array: &ArrayRef, from: &DataType, to: &DataType) -> Result<ArrayRef> {
    let same = arrow_type(from) == arrow_type(to);
    if same && is_free(&from.kind, &to.kind) {
        return Ok(array.clone());
    }
    if is_arrow_cast(&from.kind, &to.kind) {
        return Ok(arrow_cast::cast(array, &arrow_type(to))?);
    }
    if to.kind.is_string() && matches!(&from.kind, TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Row(_)) {
        return nested_to_text(array, from);
    }
    let mut out = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        out.push(match datum_at(array, row, from)? {
            None => None,
            Some(value) => cast_value(value, from, to)?,
        });
    }
    datums_to_array(&out, to)
}

/// Whether values of the one type are values of the other as they are.
fn is_free(from: &TypeKind, to: &TypeKind) -> bool {
    match (from, to) {
        (a, b) if a == b => true,
        (TypeKind::Char(a) | TypeKind::VarChar(a), TypeKind::VarChar(b)) => b >= a,
        (TypeKind::Binary(a) | TypeKind::VarBinary(a), TypeKind::VarBinary(b)) => b >= a,
        (TypeKind::VarBinary(_) | TypeKind::Binary(_), TypeKind::Blob) => true,
        (TypeKind::Timestamp(a), TypeKind::Timestamp(b))
        | (TypeKind::LocalZonedTimestamp(a), TypeKind::LocalZonedTimestamp(b)) => b >= a,
        (TypeKind::Time(_), TypeKind::Time(_)) => true,
        _ => false,
    }
}

/// Pairs on which Arrow's kernel does what Java does.
fn is_arrow_cast(from: &TypeKind, to: &TypeKind) -> bool {
    let rank = |k: &TypeKind| match k {
        TypeKind::TinyInt => 1,
        TypeKind::SmallInt => 2,
        TypeKind::Int => 3,
        TypeKind::BigInt => 4,
        TypeKind::Float => 5,
        TypeKind::Double => 6,
        _ => 0,
    };
    let (a, b) = (rank(from), rank(to));
    a > 0 && b > a
}

fn nested_to_text(array: &ArrayRef, from: &DataType) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(array.len());
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
        } else {
            builder.append_value(text_of(array, row, from)?);
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// `[a, b]`, `{k -> v}`, `{a, b}`, `null`, or the cast of a primitive to STRING.
fn text_of(array: &dyn Array, row: usize, data_type: &DataType) -> Result<String> {
    if array.is_null(row) {
        return Ok("null".to_string());
    }
    Ok(match &data_type.kind {
        TypeKind::Array(element) => {
            let list = array.as_list::<i32>().value(row);
            let parts = (0..list.len())
                .map(|i| text_of(&list, i, element))
                .collect::<Result<Vec<_>>>()?;
            format!("[{}]", parts.join(", "))
        }
        TypeKind::Map(key, value) => {
            let entries = array.as_map().value(row);
            let parts = (0..entries.len())
                .map(|i| {
                    let k = text_of(entries.column(0), i, key)?;
                    let v = text_of(entries.column(1), i, value)?;
                    Ok(format!("{k} -> {v}"))
                })
                .collect::<Result<Vec<_>>>()?;
            format!("{{{}}}", parts.join(", "))
        }
        TypeKind::Row(fields) => {
            let row_array = array.as_struct();
            let parts = fields
                .iter()
                .enumerate()
                .map(|(i, f)| text_of(row_array.column(i), row, &f.data_type))
                .collect::<Result<Vec<_>>>()?;
            format!("{{{}}}", parts.join(", "))
        }
        _ => match datum_at(array, row, data_type)? {
            Some(value) => datum_to_text(&value, data_type),
            None => "null".to_string(),
        },
    })
}

/// The error for a pair of types without a cast.
pub(super) fn no_cast(from: &DataType, to: &DataType) -> Error {
    Error::unsupported(format!("there is no cast from {from} to {to}"))
}

/// Whether a string type has no length limit.
pub(super) fn unlimited(length: u32) -> bool {
    length == MAX_LENGTH
}
