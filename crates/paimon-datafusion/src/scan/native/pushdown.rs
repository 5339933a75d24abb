//! Whether the Parquet source filters before it decodes the other columns.
//!
//! DataFusion leaves that off by default, since it costs where filters keep many rows or where little is left to decode
//! after the filter columns. Both are known here: column bounds come from the manifests.

use datafusion::catalog::Session;
use paimon_core::predicate::{Leaf, Predicate, PredicateOp};
use paimon_core::read::{Plan, column_stats};
use paimon_core::spec::{DataField, Datum, TypeKind};

use super::super::ScanRequest;

/// Share of rows that a filter may keep to be worth it.
const KEPT_SHARE_MAX: f64 = 0.2;

/// Share of rows that a comparison without usable bounds keeps.
const KEPT_SHARE_UNKNOWN: f64 = 0.3;

/// Share of rows that an equality keeps.
const KEPT_SHARE_EQUAL: f64 = 0.01;

/// Whether to filter late: always when the session says so; else when no filter is known yet (those that come while
/// the query runs, of joins and TopN, keep few rows), or when the known one keeps few rows and variable-width columns
/// remain to be decoded.
pub(super) fn filters_late(request: &ScanRequest, state: &dyn Session, plan: &Plan) -> bool {
    if state.config_options().execution.parquet.pushdown_filters {
        return true;
    }
    if request.predicate == Predicate::AlwaysTrue {
        return true;
    }
    wide_columns_remain(request) && kept_share(request, plan, &request.predicate) <= KEPT_SHARE_MAX
}

/// Whether a returned column of variable width is not in the filter.
fn wide_columns_remain(request: &ScanRequest) -> bool {
    let mut filtered = Vec::new();
    request
        .predicate
        .for_each_leaf(&mut |leaf| filtered.push(leaf.column.clone()));
    let fields = &request.table.schema().fields;
    request
        .columns
        .iter()
        .filter_map(|i| fields.get(*i))
        .any(|f| is_wide(&f.data_type.kind) && !filtered.contains(&f.name))
}

fn is_wide(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::Char(_) | TypeKind::VarChar(_) | TypeKind::Binary(_) | TypeKind::VarBinary(_)
    )
}

/// Share of the rows that a filter keeps, guessed from the columns' bounds.
fn kept_share(request: &ScanRequest, plan: &Plan, predicate: &Predicate) -> f64 {
    match predicate {
        Predicate::AlwaysTrue => 1.0,
        Predicate::AlwaysFalse => 0.0,
        Predicate::Leaf(leaf) => leaf_share(request, plan, leaf),
        Predicate::And(parts) => parts.iter().map(|p| kept_share(request, plan, p)).product(),
        Predicate::Or(parts) => {
            let sum: f64 = parts.iter().map(|p| kept_share(request, plan, p)).sum();
            sum.min(1.0)
        }
    }
}

fn leaf_share(request: &ScanRequest, plan: &Plan, leaf: &Leaf) -> f64 {
    match leaf.op {
        PredicateOp::Eq => return KEPT_SHARE_EQUAL,
        PredicateOp::In => {
            let count = u32::try_from(leaf.literals.len()).unwrap_or(u32::MAX);
            return (KEPT_SHARE_EQUAL * f64::from(count)).min(1.0);
        }
        PredicateOp::Lt | PredicateOp::LtEq | PredicateOp::Gt | PredicateOp::GtEq => {}
        PredicateOp::IsNotNull | PredicateOp::NotEq | PredicateOp::NotIn => return 1.0,
        _ => return KEPT_SHARE_UNKNOWN,
    }
    let fields = &request.table.schema().fields;
    let bounds = fields
        .iter()
        .find(|f| f.id == leaf.field_id)
        .and_then(|f| bounds(request, plan, f));
    let literal = leaf.literals.first().and_then(number);
    match (bounds, literal) {
        (Some((low, high)), Some(at)) if high > low => {
            let below = ((at - low) / (high - low)).clamp(0.0, 1.0);
            match leaf.op {
                PredicateOp::Lt | PredicateOp::LtEq => below,
                _ => 1.0 - below,
            }
        }
        _ => KEPT_SHARE_UNKNOWN,
    }
}

/// Smallest and largest value of a column over all files of a plan.
fn bounds(request: &ScanRequest, plan: &Plan, field: &DataField) -> Option<(f64, f64)> {
    let schema = request.table.schema();
    let mut all: Option<(f64, f64)> = None;
    for file in plan.splits.iter().flat_map(|s| s.files()) {
        let stats = column_stats(&file.meta, schema, field)?;
        let (low, high) = (number(stats.min.as_ref()?)?, number(stats.max.as_ref()?)?);
        all = Some(match all {
            Some((a, b)) => (a.min(low), b.max(high)),
            None => (low, high),
        });
    }
    all
}

/// A value as a number, precise enough to guess with.
fn number(value: &Datum) -> Option<f64> {
    Some(match value {
        Datum::TinyInt(v) => f64::from(*v),
        Datum::SmallInt(v) => f64::from(*v),
        Datum::Int(v) | Datum::Date(v) => f64::from(*v),
        Datum::BigInt(v) => *v as f64,
        Datum::Float(v) => f64::from(*v),
        Datum::Double(v) => *v,
        _ => return None,
    })
}
