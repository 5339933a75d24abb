//! Which row groups and pages a predicate cannot match. Unsure means keep.

use std::cmp::Ordering;
use std::ops::Range;

use super::columns::ColumnsPlan;
use super::footer::{Footer, group_rows};
use super::pages;
use super::ranges::{self, Ranges};
use super::statistics::{self, Bounds};
use crate::predicate::{Leaf, Predicate, PredicateOp};
use crate::spec::{Datum, TypeKind};

/// By row group: whether some row may match.
pub(super) fn groups(footer: &Footer, plan: &ColumnsPlan, predicate: &Predicate) -> Vec<bool> {
    let count = footer.metadata().num_row_groups();
    match predicate {
        Predicate::AlwaysTrue => vec![true; count],
        Predicate::AlwaysFalse => vec![false; count],
        Predicate::Leaf(leaf) => match statistics::of_groups(footer, plan, leaf) {
            Some(bounds) => bounds.iter().map(|b| may_match(leaf, b)).collect(),
            None => vec![true; count],
        },
        Predicate::And(parts) => fold(footer, plan, parts, vec![true; count], |a, b| a & b),
        Predicate::Or(parts) => fold(footer, plan, parts, vec![false; count], |a, b| a | b),
    }
}

fn fold(
    footer: &Footer,
    plan: &ColumnsPlan,
    parts: &[Predicate],
    start: Vec<bool>,
    join: impl Fn(bool, bool) -> bool,
) -> Vec<bool> {
    parts.iter().fold(start, |all, part| {
        let part = groups(footer, plan, part);
        all.into_iter().zip(part).map(|(a, b)| join(a, b)).collect()
    })
}

/// Rows of a row group (counted from its start) that may match by the column index; `None` is all.
pub(super) fn page_rows(
    footer: &Footer,
    plan: &ColumnsPlan,
    predicate: &Predicate,
    group: usize,
) -> Option<Ranges> {
    match predicate {
        Predicate::AlwaysTrue => None,
        Predicate::AlwaysFalse => Some(Ranges::new()),
        Predicate::Leaf(leaf) => leaf_rows(footer, plan, leaf, group),
        Predicate::And(parts) => parts
            .iter()
            .filter_map(|p| page_rows(footer, plan, p, group))
            .reduce(|a, b| ranges::intersect(&a, &b)),
        Predicate::Or(parts) => parts.iter().try_fold(Ranges::new(), |all, p| {
            page_rows(footer, plan, p, group).map(|r| ranges::union(&all, &r))
        }),
    }
}

fn leaf_rows(footer: &Footer, plan: &ColumnsPlan, leaf: &Leaf, group: usize) -> Option<Ranges> {
    let bounds = statistics::of_pages(footer, plan, leaf, group)?;
    let column = plan.primitive(&leaf.column, &leaf.data_type)?;
    let pages = pages::of_leaf(footer, group, column.leaf)?;
    let mut rows = Ranges::new();
    for (page, bounds) in pages.into_iter().zip(&bounds) {
        if may_match(leaf, bounds) {
            ranges::push(&mut rows, page.rows);
        }
    }
    let all: Range<u64> = 0..group_rows(footer.metadata().row_groups().get(group)?);
    (rows != ranges::one(all)).then_some(rows)
}

/// Whether some column of the predicate has statistics at all.
pub(super) fn has_columns(plan: &ColumnsPlan, predicate: &Predicate) -> bool {
    match predicate {
        Predicate::AlwaysTrue | Predicate::AlwaysFalse => false,
        Predicate::Leaf(leaf) => plan.primitive(&leaf.column, &leaf.data_type).is_some(),
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().any(|p| has_columns(plan, p)),
    }
}

/// Whether a value within the bounds may satisfy the comparison.
fn may_match(leaf: &Leaf, bounds: &Bounds) -> bool {
    let all_null = bounds.nulls.is_some_and(|n| n >= bounds.rows);
    match leaf.op {
        PredicateOp::IsNull => return bounds.nulls != Some(0),
        _ if all_null => return false,
        PredicateOp::IsNotNull => return true,
        _ => {}
    }
    let first = leaf.literals.first();
    match leaf.op {
        PredicateOp::Eq => first.is_none_or(|v| may_equal(bounds, v)),
        PredicateOp::In => leaf.literals.iter().any(|v| may_equal(bounds, v)),
        PredicateOp::Lt => first.is_none_or(|v| below(bounds, v, |o| o.is_lt())),
        PredicateOp::LtEq => first.is_none_or(|v| below(bounds, v, |o| o.is_le())),
        PredicateOp::Gt => first.is_none_or(|v| above(leaf, bounds, v, |o| o.is_gt())),
        PredicateOp::GtEq => first.is_none_or(|v| above(leaf, bounds, v, |o| o.is_ge())),
        PredicateOp::StartsWith => first.is_none_or(|v| may_start_with(bounds, v)),
        _ => true,
    }
}

fn may_equal(bounds: &Bounds, value: &Datum) -> bool {
    // statistics leave NaN out
    let nan = match value {
        Datum::Float(v) => v.is_nan(),
        Datum::Double(v) => v.is_nan(),
        _ => false,
    };
    nan || (compare(&bounds.min, value).is_none_or(Ordering::is_le)
        && compare(&bounds.max, value).is_none_or(Ordering::is_ge))
}

fn below(bounds: &Bounds, value: &Datum, fits: impl Fn(Ordering) -> bool) -> bool {
    compare(&bounds.min, value).is_none_or(fits)
}

fn above(leaf: &Leaf, bounds: &Bounds, value: &Datum, fits: impl Fn(Ordering) -> bool) -> bool {
    // NaN is greater than every value and not in the statistics
    let float = matches!(leaf.data_type.kind, TypeKind::Float | TypeKind::Double);
    float || compare(&bounds.max, value).is_none_or(fits)
}

fn may_start_with(bounds: &Bounds, prefix: &Datum) -> bool {
    let Datum::String(prefix) = prefix else {
        return true;
    };
    let not_before = match &bounds.max {
        Some(Datum::String(max)) => max.as_bytes() >= prefix.as_bytes(),
        _ => true,
    };
    let not_after = match &bounds.min {
        Some(Datum::String(min)) => {
            min.as_bytes() <= prefix.as_bytes() || min.starts_with(prefix.as_str())
        }
        _ => true,
    };
    not_before && not_after
}

fn compare(bound: &Option<Datum>, value: &Datum) -> Option<Ordering> {
    bound.as_ref()?.compare(value)
}
