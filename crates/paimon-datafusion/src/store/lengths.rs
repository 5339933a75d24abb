//! CHAR, VARCHAR, BINARY, VARBINARY: lengths.

use std::sync::Arc;

use arrow::array::builder::StringViewBuilder;
use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::DataType as ArrowType;
use paimon_core::spec::{DataType, TypeKind};
use paimon_core::{Error, Result};

use super::{arrow_cast, is_text, refused, unlimited};
use crate::zone::{wall_clocks, zone_named};

/// Texts, and simple values as text. Blanks at the end beyond the length are cut, other characters are an error.
pub(super) fn texts(array: &ArrayRef, to: &DataType, zone: &str) -> Result<ArrayRef> {
    let from = array.data_type();
    let texts = match from {
        ArrowType::Utf8View => array.clone(),
        ArrowType::Timestamp(unit, Some(_)) => {
            let wall = wall_clocks(array, *unit, &zone_named(zone)?)?;
            arrow_cast(&wall, &ArrowType::Utf8View)?
        }
        _ if from.is_nested() || from.is_binary() || matches!(from, ArrowType::Interval(_)) => {
            return Err(refused(from, to));
        }
        _ => arrow_cast(array, &ArrowType::Utf8View)?,
    };
    if unlimited(&to.kind) {
        return Ok(texts);
    }
    limited(texts.as_string_view(), to)
}

fn limited(texts: &StringViewArray, to: &DataType) -> Result<ArrayRef> {
    let limit = limit_of(&to.kind);
    // a text has at most as many characters as bytes
    if texts.iter().flatten().all(|t| t.len() <= limit) {
        return Ok(Arc::new(texts.clone()));
    }
    let mut out = StringViewBuilder::with_capacity(texts.len());
    for text in texts {
        let Some(text) = text else {
            out.append_null();
            continue;
        };
        match text.char_indices().nth(limit) {
            None => out.append_value(text),
            Some((end, _)) if text[end..].bytes().all(|b| b == b' ') => {
                out.append_value(&text[..end]);
            }
            Some(_) => {
                return Err(too_long(
                    &format!("{} characters", text.chars().count()),
                    to,
                ));
            }
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Binaries, and texts as their UTF-8 bytes.
pub(super) fn binaries(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let from = array.data_type();
    let bytes = match from {
        ArrowType::BinaryView => array.clone(),
        ArrowType::FixedSizeBinary(_) => {
            let plain = arrow_cast(array, &ArrowType::Binary)?;
            arrow_cast(&plain, &ArrowType::BinaryView)?
        }
        _ if is_text(from) || from.is_binary() => arrow_cast(array, &ArrowType::BinaryView)?,
        _ => return Err(refused(from, to)),
    };
    if unlimited(&to.kind) {
        return Ok(bytes);
    }
    let limit = limit_of(&to.kind);
    let over = |b: &&[u8]| b.len() > limit;
    match bytes.as_binary_view().iter().flatten().find(over) {
        Some(value) => Err(too_long(&format!("{} bytes", value.len()), to)),
        None => Ok(bytes),
    }
}

fn limit_of(kind: &TypeKind) -> usize {
    match kind {
        TypeKind::Char(n) | TypeKind::VarChar(n) | TypeKind::Binary(n) | TypeKind::VarBinary(n) => {
            usize::try_from(*n).unwrap_or(usize::MAX)
        }
        _ => usize::MAX,
    }
}

fn too_long(found: &str, to: &DataType) -> Error {
    Error::invalid(format!("a value of {found} is too long for {}", to.kind))
}
