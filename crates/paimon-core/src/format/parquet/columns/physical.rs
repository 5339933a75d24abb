//! Small changes to the file's schema before anything is decoded with it.
//!
//! * INT96 becomes FIXED_LEN_BYTE_ARRAY(12), the same bytes in every encoding: the decoder would turn it into
//!   nanoseconds that wrap outside 1677..2262.
//! * Text that is not annotated STRING (JSON, ENUM, ..) loses its annotation: the decoder checks UTF-8 only for
//!   STRING, we check the rest.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// Groups nested deeper than this are refused.
const DEPTH_MAX: usize = 100;

/// Which leaf columns are INT96.
pub(crate) fn int96_leaves(schema: &SchemaDescriptor) -> Vec<bool> {
    schema
        .columns()
        .iter()
        .map(|c| c.physical_type() == PhysicalType::INT96)
        .collect()
}

/// The schema to decode with, `None` when it is the given one.
pub(crate) fn readable(root: &Type) -> Result<Option<TypePtr>, ParquetError> {
    rewrite(root, 0)
}

fn rewrite(node: &Type, depth: usize) -> Result<Option<TypePtr>, ParquetError> {
    if depth > DEPTH_MAX {
        return Err(ParquetError::General(format!(
            "schema is nested deeper than {DEPTH_MAX} levels"
        )));
    }
    if node.is_primitive() {
        return rewrite_leaf(node);
    }
    let mut changed = false;
    let mut children = Vec::with_capacity(node.get_fields().len());
    for child in node.get_fields() {
        match rewrite(child, depth + 1)? {
            Some(new) => {
                changed = true;
                children.push(new);
            }
            None => children.push(Arc::clone(child)),
        }
    }
    if !changed {
        return Ok(None);
    }
    let info = node.get_basic_info();
    let mut builder = Type::group_type_builder(info.name())
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_fields(children)
        .with_id(info.has_id().then(|| info.id()));
    if info.has_repetition() {
        builder = builder.with_repetition(info.repetition());
    }
    builder.build().map(|t| Some(Arc::new(t)))
}

fn rewrite_leaf(leaf: &Type) -> Result<Option<TypePtr>, ParquetError> {
    let info = leaf.get_basic_info();
    let (physical, length) = match leaf.get_physical_type() {
        PhysicalType::INT96 => (PhysicalType::FIXED_LEN_BYTE_ARRAY, 12),
        PhysicalType::BYTE_ARRAY if is_unchecked_text(leaf) => (PhysicalType::BYTE_ARRAY, -1),
        _ => return Ok(None),
    };
    Type::primitive_type_builder(info.name(), physical)
        .with_repetition(info.repetition())
        .with_length(length)
        .with_id(info.has_id().then(|| info.id()))
        .build()
        .map(|t| Some(Arc::new(t)))
}

fn is_unchecked_text(leaf: &Type) -> bool {
    let info = leaf.get_basic_info();
    let decimal = info.converted_type() == ConvertedType::DECIMAL
        || matches!(info.logical_type_ref(), Some(LogicalType::Decimal(_)));
    let annotated =
        info.converted_type() != ConvertedType::NONE || info.logical_type_ref().is_some();
    annotated && !decimal && info.converted_type() != ConvertedType::UTF8
}
