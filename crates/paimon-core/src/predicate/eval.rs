//! Evaluation on one row of values, for partitions and keys.

use std::cmp::Ordering;

use super::like::like;
use super::{Leaf, Predicate, PredicateOp, sql_compare};
use crate::spec::Datum;

/// Whether a row satisfies the predicate; `row` gives the value of a field id, `None` for null.
///
/// A literal of another type than the value keeps the row.
pub fn matches(predicate: &Predicate, row: &dyn Fn(i32) -> Option<Datum>) -> bool {
    match predicate {
        Predicate::AlwaysTrue => true,
        Predicate::AlwaysFalse => false,
        Predicate::Leaf(leaf) => leaf_matches(leaf, row(leaf.field_id).as_ref()),
        Predicate::And(parts) => parts.iter().all(|part| matches(part, row)),
        Predicate::Or(parts) => parts.iter().any(|part| matches(part, row)),
    }
}

/// Whether one value satisfies a leaf.
pub(crate) fn leaf_matches(leaf: &Leaf, value: Option<&Datum>) -> bool {
    let value = match (leaf.op, value) {
        (PredicateOp::IsNull, value) => return value.is_none(),
        (PredicateOp::IsNotNull, value) => return value.is_some(),
        (_, None) => return false,
        (_, Some(value)) => value,
    };
    let order = |test: fn(Ordering) -> bool| {
        leaf.literals
            .first()
            .is_none_or(|literal| sql_compare(value, literal).is_none_or(test))
    };
    let text = |test: fn(&str, &str) -> bool| match (value, leaf.literals.first()) {
        (Datum::String(value), Some(Datum::String(literal))) => test(value, literal),
        _ => true,
    };
    let is_in = |unknown: bool| {
        leaf.literals
            .iter()
            .any(|literal| sql_compare(value, literal).map_or(unknown, Ordering::is_eq))
    };
    match leaf.op {
        PredicateOp::Eq => order(Ordering::is_eq),
        PredicateOp::NotEq => order(Ordering::is_ne),
        PredicateOp::Lt => order(Ordering::is_lt),
        PredicateOp::LtEq => order(Ordering::is_le),
        PredicateOp::Gt => order(Ordering::is_gt),
        PredicateOp::GtEq => order(Ordering::is_ge),
        PredicateOp::In => is_in(true),
        PredicateOp::NotIn => !is_in(false),
        PredicateOp::StartsWith => text(|value, literal| value.starts_with(literal)),
        PredicateOp::EndsWith => text(|value, literal| value.ends_with(literal)),
        PredicateOp::Contains => text(|value, literal| value.contains(literal)),
        PredicateOp::Like => text(like),
        PredicateOp::IsNull | PredicateOp::IsNotNull => true,
    }
}
