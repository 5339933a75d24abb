//! Evaluation on Arrow batches.

mod literal;
mod primitive;
mod text;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_cast::cast;
use arrow_schema::DataType as ArrowType;

use super::{Leaf, Predicate, PredicateOp};
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};

/// One value per row of `batch`, true where the predicate is true; no nulls. Columns are looked up by name; their
/// Arrow type may differ from the usual one of the leaf's type (other string layouts, other timestamp units).
///
/// # Errors
/// `InvalidInput` when a column is missing or its type cannot be compared with the literals.
pub fn evaluate_batch(predicate: &Predicate, batch: &RecordBatch) -> Result<BooleanArray> {
    evaluate(predicate, batch).map(|bits| BooleanArray::new(bits, None))
}

fn evaluate(predicate: &Predicate, batch: &RecordBatch) -> Result<BooleanBuffer> {
    let rows = batch.num_rows();
    match predicate {
        Predicate::AlwaysTrue => Ok(BooleanBuffer::new_set(rows)),
        Predicate::AlwaysFalse => Ok(BooleanBuffer::new_unset(rows)),
        Predicate::Leaf(leaf) => evaluate_leaf(leaf, batch).map_err(|e| {
            e.with_default("column", &leaf.column)
                .with_default("operation", format!("{:?}", leaf.op))
        }),
        Predicate::And(parts) => {
            let mut all = BooleanBuffer::new_set(rows);
            for part in parts {
                all = &all & &evaluate(part, batch)?;
                if !all.has_true() {
                    break;
                }
            }
            Ok(all)
        }
        Predicate::Or(parts) => {
            let mut any = BooleanBuffer::new_unset(rows);
            for part in parts {
                any = &any | &evaluate(part, batch)?;
                if !any.has_false() {
                    break;
                }
            }
            Ok(any)
        }
    }
}

fn evaluate_leaf(leaf: &Leaf, batch: &RecordBatch) -> Result<BooleanBuffer> {
    let column = batch
        .column_by_name(&leaf.column)
        .ok_or_else(|| Error::invalid("the batch lacks a column of the predicate"))?;
    match leaf.op {
        PredicateOp::IsNull => return Ok(!&not_null(column)),
        PredicateOp::IsNotNull => return Ok(not_null(column)),
        PredicateOp::In if leaf.literals.is_empty() => {
            return Ok(BooleanBuffer::new_unset(column.len()));
        }
        PredicateOp::NotIn if leaf.literals.is_empty() => {
            return Ok(BooleanBuffer::new_set(column.len()));
        }
        _ if leaf.literals.is_empty() => {
            return Err(Error::invalid(
                "a comparison of the predicate has no literal",
            ));
        }
        _ => {}
    }
    let column = comparable(column, leaf)?;
    let values = match column.data_type() {
        ArrowType::Utf8View | ArrowType::BinaryView => text::compare(&column, leaf)?,
        _ => primitive::compare(&column, leaf)?,
    };
    Ok(true_bits(&values))
}

/// The column in the layout the comparisons are written for.
fn comparable(column: &ArrayRef, leaf: &Leaf) -> Result<ArrayRef> {
    let expected = arrow_type(&leaf.data_type);
    let found = column.data_type();
    let units = matches!(
        (found, &expected),
        (ArrowType::Timestamp(..), ArrowType::Timestamp(..))
            | (ArrowType::Decimal128(..), ArrowType::Decimal128(..))
    );
    if *found == expected || units {
        return Ok(column.clone());
    }
    Ok(cast(column, &expected)?)
}

fn not_null(column: &ArrayRef) -> BooleanBuffer {
    match column.logical_nulls() {
        Some(nulls) => nulls.into_inner(),
        None => BooleanBuffer::new_set(column.len()),
    }
}

/// Null counts as false.
fn true_bits(values: &BooleanArray) -> BooleanBuffer {
    match values.nulls() {
        Some(nulls) => values.values() & nulls.inner(),
        None => values.values().clone(),
    }
}
