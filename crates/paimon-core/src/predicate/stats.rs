//! Pruning by column statistics.

use std::cmp::Ordering;

use super::like::literal_prefix;
use super::{Leaf, Predicate, PredicateOp, sql_compare};
use crate::spec::Datum;

/// What is known of one column of a file, manifest or row group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnStats {
    /// A lower bound of the values that are not null; `None` is unknown.
    pub min: Option<Datum>,
    /// An upper bound of the values that are not null; `None` is unknown.
    pub max: Option<Datum>,
    /// Number of nulls; `None` is unknown.
    pub null_count: Option<i64>,
}

/// Whether any of `row_count` rows can satisfy the predicate; `stats` gives what is known of a field id.
///
/// True whenever in doubt. Minimum and maximum are bounds only, since writers cut long ones.
pub fn may_match(
    predicate: &Predicate,
    stats: &dyn Fn(i32) -> Option<ColumnStats>,
    row_count: i64,
) -> bool {
    match predicate {
        Predicate::AlwaysTrue => true,
        Predicate::AlwaysFalse => false,
        Predicate::Leaf(leaf) => {
            stats(leaf.field_id).is_none_or(|stats| leaf_may_match(leaf, &stats, row_count))
        }
        Predicate::And(parts) => parts.iter().all(|part| may_match(part, stats, row_count)),
        Predicate::Or(parts) => parts.iter().any(|part| may_match(part, stats, row_count)),
    }
}

fn leaf_may_match(leaf: &Leaf, stats: &ColumnStats, row_count: i64) -> bool {
    let all_null = row_count > 0 && stats.null_count == Some(row_count);
    match leaf.op {
        PredicateOp::IsNull => stats.null_count != Some(0),
        _ if all_null => false,
        PredicateOp::IsNotNull => true,
        PredicateOp::In => {
            leaf.literals.is_empty() || leaf.literals.iter().any(|l| Bounds::new(stats).hold(l))
        }
        PredicateOp::NotIn => !leaf
            .literals
            .iter()
            .any(|literal| Bounds::new(stats).are_exactly(literal)),
        op => leaf
            .literals
            .first()
            .is_none_or(|literal| Bounds::new(stats).may_compare(op, literal)),
    }
}

/// Usable bounds: none is NaN.
struct Bounds<'a> {
    min: Option<&'a Datum>,
    max: Option<&'a Datum>,
}

impl<'a> Bounds<'a> {
    fn new(stats: &'a ColumnStats) -> Self {
        let bounds = [&stats.min, &stats.max];
        if bounds.into_iter().flatten().any(is_nan) {
            return Self {
                min: None,
                max: None,
            };
        }
        Self {
            min: stats.min.as_ref(),
            max: stats.max.as_ref(),
        }
    }

    fn may_compare(&self, op: PredicateOp, literal: &Datum) -> bool {
        match op {
            PredicateOp::Eq => self.hold(literal),
            PredicateOp::NotEq => !self.are_exactly(literal),
            PredicateOp::Lt => self.min_is(literal, Ordering::is_lt),
            PredicateOp::LtEq => self.min_is(literal, Ordering::is_le),
            PredicateOp::Gt => self.max_is(literal, Ordering::is_gt),
            PredicateOp::GtEq => self.max_is(literal, Ordering::is_ge),
            PredicateOp::StartsWith => match literal {
                Datum::String(prefix) => self.may_start_with(prefix),
                _ => true,
            },
            PredicateOp::Like => match literal {
                Datum::String(pattern) => self.may_start_with(&literal_prefix(pattern)),
                _ => true,
            },
            _ => true,
        }
    }

    /// Whether the literal lies within the bounds.
    fn hold(&self, literal: &Datum) -> bool {
        // no bound says anything about NaN, and every other literal is held by a NaN-blind maximum
        is_nan(literal)
            || self.min_is(literal, Ordering::is_le)
                && self
                    .max
                    .and_then(|max| sql_compare(max, literal))
                    .is_none_or(Ordering::is_ge)
    }

    /// Whether every value equals the literal.
    fn are_exactly(&self, literal: &Datum) -> bool {
        let equal = |bound: Option<&Datum>| {
            bound.and_then(|b| sql_compare(b, literal)) == Some(Ordering::Equal)
        };
        !is_float(literal) && equal(self.min) && equal(self.max)
    }

    fn min_is(&self, literal: &Datum, test: fn(Ordering) -> bool) -> bool {
        self.min
            .and_then(|min| sql_compare(min, literal))
            .is_none_or(test)
    }

    /// As [`Self::min_is`] for the maximum; true for floats, where writers leave NaN out of the bounds although it is
    /// larger than every literal.
    fn max_is(&self, literal: &Datum, test: fn(Ordering) -> bool) -> bool {
        is_float(literal)
            || self
                .max
                .and_then(|max| sql_compare(max, literal))
                .is_none_or(test)
    }

    fn may_start_with(&self, prefix: &str) -> bool {
        let prefix = prefix.as_bytes();
        let above_min = match self.min {
            Some(Datum::String(min)) => {
                let min = min.as_bytes();
                min[..min.len().min(prefix.len())] <= *prefix
            }
            _ => true,
        };
        let below_max = match self.max {
            Some(Datum::String(max)) => max.as_bytes() >= prefix,
            _ => true,
        };
        above_min && below_max
    }
}

fn is_float(datum: &Datum) -> bool {
    matches!(datum, Datum::Float(_) | Datum::Double(_))
}

fn is_nan(datum: &Datum) -> bool {
    match datum {
        Datum::Float(v) => v.is_nan(),
        Datum::Double(v) => v.is_nan(),
        _ => false,
    }
}
