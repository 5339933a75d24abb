//! Pairs of types that DataFusion brings together wrongly or not at all.
//!
//! Decimal literals are exact here. Where one meets a floating-point value, Spark and Flink compute in DOUBLE;
//! DataFusion would cast the floating-point side to a decimal, which rounds small values to zero and overflows on large
//! ones. Beside an instant a DATE or a time without zone is one of the session's zone, not of UTC, and so it is in casts.
//! A TIME column has milliseconds, a TIME literal nanoseconds: neither is cast by DataFusion. A DATE beside a
//! TIMESTAMP would become nanoseconds, which end in 2262. The rule runs before type coercion.

mod values;
mod zones;

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, Case, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, Projection, Union, cast,
};
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
                LogicalPlan::Union(union) => LogicalPlan::Union(with_common_types(union, zone)?),
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
                let e = e.transform_up(|e| Ok(rewrite(e, &schema, zone)))?;
                Ok(e.update_data(|e| name.restore(e)))
            })
        })
        .map(|t| t.data)
    }
}

/// Brings columns whose types differ between the inputs to their common type.
fn with_common_types(union: Union, zone: &str) -> Result<Union> {
    let types = |column: usize| {
        let of_input = |input: &Arc<LogicalPlan>| {
            let field = input.schema().fields().get(column)?;
            Some(field.data_type().clone())
        };
        union.inputs.iter().map(of_input).collect::<Vec<_>>()
    };
    let casts: Vec<_> = (0..union.schema.fields().len())
        .map(|column| to_be_cast(&types(column)))
        .collect();
    if casts.iter().all(Option::is_none) {
        // an input may have got another type, of which a union learns nothing by itself
        return Union::try_new_with_loose_types(union.inputs);
    }
    let inputs = union.inputs.iter().map(|input| {
        let schema = input.schema();
        let columns = schema.columns().into_iter().zip(schema.fields());
        let columns = columns.zip(&casts).map(|((column, field), to_be_cast)| {
            let name = column.name.clone();
            match to_be_cast {
                Some((from, to)) if from(field.data_type()) => {
                    brought_to(Expr::Column(column), to, zone).alias(name)
                }
                _ => Expr::Column(column),
            }
        });
        let projection = Projection::try_new(columns.collect(), Arc::clone(input))?;
        Ok(Arc::new(LogicalPlan::Projection(projection)))
    });
    Union::try_new_with_loose_types(inputs.collect::<Result<_>>()?)
}

fn rewrite(expr: Expr, schema: &DFSchema, zone: &str) -> Transformed<Expr> {
    match expr {
        Expr::Cast(cast) => zones::of_cast(cast, schema, zone),
        other => with_common_operands(other, schema, zone),
    }
}

fn with_common_operands(mut expr: Expr, schema: &DFSchema, zone: &str) -> Transformed<Expr> {
    let mut operands: Vec<&mut Expr> = match &mut expr {
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) => vec![left, right],
        Expr::Between(Between {
            expr, low, high, ..
        }) => vec![expr, low, high],
        Expr::InList(InList { expr, list, .. }) => {
            let mut all = vec![expr.as_mut()];
            all.extend(list);
            all
        }
        Expr::Case(Case {
            when_then_expr,
            else_expr,
            ..
        }) => {
            let results = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            results
                .chain(else_expr.iter_mut().map(|e| e.as_mut()))
                .collect()
        }
        Expr::ScalarFunction(ScalarFunction { args, .. }) => args.iter_mut().collect(),
        _ => return Transformed::no(expr),
    };
    let types: Vec<Option<DataType>> = operands.iter().map(|e| e.get_type(schema).ok()).collect();
    let Some((from, to)) = to_be_cast(&types) else {
        return Transformed::no(expr);
    };
    for (operand, data_type) in operands.iter_mut().zip(&types) {
        if data_type.as_ref().is_some_and(from) {
            let own = std::mem::take(*operand);
            **operand = brought_to(own, &to, zone);
        }
    }
    Transformed::yes(expr)
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
    let is_local: Which = |t| matches!(t, DataType::Date32 | DataType::Timestamp(_, None));
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
