//! Comparisons of strings and bytes.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryViewArray, BooleanArray, Scalar, StringViewArray};
use arrow_schema::DataType as ArrowType;
use arrow_string::like;

use super::primitive::{kernel, wrong_literal};
use crate::error::{Error, Result};
use crate::predicate::{Leaf, PredicateOp};
use crate::spec::Datum;

/// Compares a `Utf8View` or `BinaryView` column with the literals of a leaf; null where the column is null.
pub(super) fn compare(column: &ArrayRef, leaf: &Leaf) -> Result<BooleanArray> {
    let literals: Vec<&[u8]> = leaf
        .literals
        .iter()
        .map(|datum| match datum {
            Datum::String(v) => Ok(v.as_bytes()),
            Datum::Bytes(v) => Ok(v.as_slice()),
            other => Err(wrong_literal(leaf, other)),
        })
        .collect::<Result<_>>()?;
    match leaf.op {
        PredicateOp::In => Ok(contained(column, literals, false)),
        PredicateOp::NotIn => Ok(contained(column, literals, true)),
        op => with_literal(column, op, leaf),
    }
}

fn with_literal(column: &ArrayRef, op: PredicateOp, leaf: &Leaf) -> Result<BooleanArray> {
    match (column.data_type(), leaf.literals.first()) {
        (ArrowType::Utf8View, Some(Datum::String(v))) => {
            let literal = Scalar::new(StringViewArray::from(vec![v.as_str()]));
            Ok(match op {
                PredicateOp::StartsWith => like::starts_with(column, &literal)?,
                PredicateOp::EndsWith => like::ends_with(column, &literal)?,
                PredicateOp::Contains => like::contains(column, &literal)?,
                PredicateOp::Like => like::like(column, &literal)?,
                op => kernel(column, op, &literal)?,
            })
        }
        (ArrowType::BinaryView, Some(Datum::Bytes(v))) => {
            let literal = Scalar::new(BinaryViewArray::from(vec![v.as_slice()]));
            kernel(column, op, &literal)
        }
        (_, Some(other)) => Err(wrong_literal(leaf, other)),
        (_, None) => Err(Error::invalid(
            "a comparison of the predicate has no literal",
        )),
    }
}

fn contained(column: &ArrayRef, literals: Vec<&[u8]>, negate: bool) -> BooleanArray {
    let literals: HashSet<&[u8]> = literals.into_iter().collect();
    match column.data_type() {
        ArrowType::Utf8View => BooleanArray::from_unary(column.as_string_view(), |v| {
            literals.contains(v.as_bytes()) != negate
        }),
        _ => BooleanArray::from_unary(column.as_binary_view(), |v| literals.contains(v) != negate),
    }
}
