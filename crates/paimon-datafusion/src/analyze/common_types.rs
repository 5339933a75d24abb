//! Pairs of types that DataFusion brings together wrongly or not at all.
//!
//! Decimal literals are exact here. Where one meets a floating-point value, Spark and Flink compute in DOUBLE;
//! DataFusion would cast the floating-point side to a decimal, which rounds small values to zero and overflows on large
//! ones. Beside an instant a DATE or a time without zone is one of the session's zone, not of UTC, and so it is in casts.
//! A TIME column has milliseconds, a TIME literal nanoseconds: neither is cast by DataFusion. A DATE beside a
//! TIMESTAMP would become nanoseconds, which end in 2262. The rule runs before type coercion, wherever values of two
//! expressions meet: operands, keys of joins, columns of subqueries and of unions.

mod joins;
mod operands;
mod subqueries;
mod unions;
mod values;
mod zones;

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, cast};
use datafusion::optimizer::AnalyzerRule;

/// The rule.
#[derive(Debug)]
pub(crate) struct CommonTypes;

impl AnalyzerRule for CommonTypes {
    fn name(&self) -> &str {
        "paimon_common_types"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = config.execution.time_zone.as_deref().unwrap_or("UTC");
        plan.transform_up_with_subqueries(|plan| {
            // inputs may have other types by now
            let plan = match plan.recompute_schema()? {
                LogicalPlan::Union(union) => {
                    LogicalPlan::Union(unions::with_common_types(union, zone)?)
                }
                LogicalPlan::Join(join) => LogicalPlan::Join(joins::with_common_keys(join, zone)),
                LogicalPlan::Values(values) => values::with_common_types(values, zone)?,
                other => other,
            };
            let inputs = plan.inputs();
            let schema = if inputs.is_empty() {
                plan.schema().as_ref().clone()
            } else {
                merge_schema(&inputs)
            };
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|e| {
                let name = names.save(&e);
                let e = e.transform_up(|e| rewrite(e, &schema, zone))?;
                Ok(e.update_data(|e| name.restore(e)))
            })
        })
        .map(|t| t.data)
    }
}

fn rewrite(expr: Expr, schema: &DFSchema, zone: &str) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(_) | Expr::TryCast(_) => Ok(zones::of_cast(expr, schema, zone)),
        Expr::InSubquery(_) | Expr::SetComparison(_) => {
            subqueries::with_common_types(expr, schema, zone)
        }
        other => operands::with_common_types(other, schema, zone),
    }
}

/// An expression as one of another type. The digits of a decimal literal are read as DOUBLE: a division could lose some.
fn brought_to(expr: Expr, to: &DataType, zone: &str) -> Expr {
    match &expr {
        _ if matches!(to, DataType::Timestamp(_, Some(_))) => zones::cast_in(zone, expr, to),
        Expr::Literal(ScalarValue::Decimal128(Some(unscaled), _, scale), metadata)
            if *to == DataType::Float64 =>
        {
            let digits = format!("{unscaled}e{}", -i32::from(*scale));
            match digits.parse() {
                Ok(double) => Expr::Literal(ScalarValue::Float64(Some(double)), metadata.clone()),
                Err(_) => cast(expr, to.clone()),
            }
        }
        _ => cast(expr, to.clone()),
    }
}

/// Tells types apart.
type Which = fn(&DataType) -> bool;

/// The same for values that are compared: beside an instant a text is one, too, of the session's zone.
fn to_be_compared(types: &[Option<DataType>], zone: &str) -> Option<(Which, DataType)> {
    let zoned = types.iter().flatten().find(|t| zones::is_zoned(t));
    match zoned.filter(|_| zone != zones::UTC && types.iter().flatten().any(is_text)) {
        Some(zoned) => Some((|t| is_text(t) || is_local(t), zoned.clone())),
        None => to_be_cast(types),
    }
}

/// Which of the operands are cast, and to what; `None` when DataFusion finds the common type itself.
fn to_be_cast(types: &[Option<DataType>]) -> Option<(Which, DataType)> {
    let any = |is: Which| types.iter().flatten().any(is);
    let is_short_time: Which = |t| matches!(t, DataType::Time32(_));
    if any(DataType::is_floating) && any(DataType::is_decimal) {
        return Some((DataType::is_decimal, DataType::Float64));
    }
    if any(is_short_time) && any(|t| matches!(t, DataType::Time64(_))) {
        return Some((is_short_time, DataType::Time64(TimeUnit::Nanosecond)));
    }
    let is_date: Which = |t| *t == DataType::Date32;
    let zoned = types.iter().flatten().find_map(|t| match t {
        DataType::Timestamp(_, Some(zone)) => Some(zone),
        _ => None,
    });
    if let Some(zone) = zoned.filter(|_| any(is_local)) {
        let unit = types.iter().flatten().filter_map(unit_of).max();
        let unit = unit.unwrap_or(TimeUnit::Microsecond);
        return Some((is_local, DataType::Timestamp(unit, Some(Arc::clone(zone)))));
    }
    if any(is_date) && any(|t| matches!(t, DataType::Timestamp(_, None))) {
        return Some((is_date, DataType::Timestamp(TimeUnit::Microsecond, None)));
    }
    None
}

fn unit_of(data_type: &DataType) -> Option<TimeUnit> {
    match data_type {
        DataType::Timestamp(unit, _) => Some(*unit),
        _ => None,
    }
}

/// Dates and times without a zone.
fn is_local(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(_, None))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}
