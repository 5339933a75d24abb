//! Paimon's casts: every pair that schema evolution may need.
//!
//! Source: `org.apache.paimon.casting.CastExecutors`. NULL stays NULL. Where a cast depends on a time zone the zone
//! is that of the process. Numbers wrap around and saturate as in Java; a DECIMAL that does not fit is NULL; malformed text is an error.

mod binary;
mod collection;
mod datetime;
mod decimal;
mod local;
mod numeric;
mod parse;
pub(crate) mod temporal;
mod text;

#[cfg(test)]
mod tests;

use arrow_array::timezone::Tz;
use arrow_array::{Array, ArrayRef, BinaryViewArray, StringViewArray};

use super::types::arrow_type;
use super::zone::process_zone;
use crate::error::{Error, Result};
use crate::spec::{DataType, TypeKind};

/// Casts a column from one Paimon type to another; equal types (ignoring nullability) give the same array.
///
/// The array has the type `arrow_type(from)`, the result `arrow_type(to)` and as many rows.
///
/// # Errors
/// `Unsupported` naming both types when Paimon has no such cast; `InvalidInput` when a text value cannot be read as
/// the target type.
pub fn cast_array(array: &ArrayRef, from: &DataType, to: &DataType) -> Result<ArrayRef> {
    cast_in_zone(array, from, to, process_zone()?)
}

/// [`cast_array`] by the clocks of a zone.
fn cast_in_zone(array: &ArrayRef, from: &DataType, to: &DataType, zone: Tz) -> Result<ArrayRef> {
    if from.kind == to.kind {
        return Ok(array.clone());
    }
    if from.kind.is_string() && !to.kind.is_string() {
        let strings = down::<StringViewArray>(array, from)?;
        return if to.kind.is_nested() {
            collection::from_strings(strings, from, to, zone)
        } else {
            parse::from_strings(strings, from, to, zone)
        };
    }
    let result = match &to.kind {
        TypeKind::Char(_) | TypeKind::VarChar(_) => Some(text::to_string(array, from, to, zone)?),
        TypeKind::Boolean if !from.kind.is_integer() => None,
        TypeKind::Boolean
        | TypeKind::TinyInt
        | TypeKind::SmallInt
        | TypeKind::Int
        | TypeKind::BigInt
        | TypeKind::Float
        | TypeKind::Double
        | TypeKind::Decimal { .. } => numeric::to_number(array, from, to)?,
        TypeKind::Date
        | TypeKind::Time(_)
        | TypeKind::Timestamp(_)
        | TypeKind::LocalZonedTimestamp(_) => temporal::to_temporal(array, from, to, zone)?,
        TypeKind::Binary(_) | TypeKind::VarBinary(_)
            if matches!(from.kind, TypeKind::Binary(_) | TypeKind::VarBinary(_)) =>
        {
            Some(binary::to_binary(
                down::<BinaryViewArray>(array, from)?,
                &to.kind,
            ))
        }
        _ => None,
    };
    result.ok_or_else(|| unsupported(from, to))
}

fn unsupported(from: &DataType, to: &DataType) -> Error {
    Error::unsupported(format!("no cast from {} to {}", from.kind, to.kind))
}

/// The array as its concrete type.
pub(crate) fn down<'a, T: Array + 'static>(
    array: &'a dyn Array,
    data_type: &DataType,
) -> Result<&'a T> {
    array.as_any().downcast_ref::<T>().ok_or_else(|| {
        Error::internal(format!(
            "expected the Arrow array of {data_type}, found {}",
            array.data_type()
        ))
    })
}
