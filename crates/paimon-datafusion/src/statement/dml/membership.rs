//! `IN`, `EXISTS`, `ANY` and `ALL` with a subquery as values: DataFusion plans them in filters alone, so they become counts,
//! least and greatest values of the subquery's rows, which it plans anywhere.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::count::count_all;
use datafusion::functions_aggregate::min_max::{max, min};
use datafusion::logical_expr::expr::{InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    EmptyRelation, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr,
    lit, scalar_subquery, when,
};
use datafusion::prelude::Column;
use datafusion::scalar::ScalarValue;

use super::refused;

/// An expression over the columns of `scope` without `IN (SELECT ..)` and `EXISTS (SELECT ..)`.
///
/// # Errors
/// `Unsupported` for what cannot be said with counts: a subquery on the left of IN, ANY or ALL, and types that ANY and ALL
/// cannot compare.
pub(super) fn as_counts(item: Expr, scope: &DFSchema, state: &SessionState) -> Result<Expr> {
    let item = item.transform_up(|expr| match expr {
        Expr::Exists(exists) => {
            let any = count(exists.subquery.subquery, None)?.gt(lit(0_i64));
            Ok(Transformed::yes(negated_if(exists.negated, any)))
        }
        Expr::InSubquery(membership) => is_in(membership, scope).map(Transformed::yes),
        Expr::SetComparison(comparison) => compared(comparison, scope, state).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(item.data)
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    match negated {
        true => !expr,
        false => expr,
    }
}

/// True when a row equals the value; else null when the value is null and there are rows, or a row is null; else false.
fn is_in(membership: InSubquery, scope: &DFSchema) -> Result<Expr> {
    let InSubquery {
        expr: value,
        subquery,
        negated,
    } = membership;
    let rows = subquery.subquery;
    refuse_subquery(&value, "IN")?;
    let column = only_column(&rows);
    let equal = column.clone().eq(outside(&value, scope)?);
    let is_member = some(count(rows.clone(), Some(equal))?);
    let unknown = unknown(&value, &rows, column)?;
    let expr = when(is_member, lit(true))
        .when(unknown, lit(ScalarValue::Boolean(None)))
        .otherwise(lit(false))?;
    Ok(negated_if(negated, expr))
}

/// `value op ANY (SELECT ..)`: true when it is true for a row, else null when it is null for one, else false; ALL is false when
/// it is false for a row, else null when it is null for one, else true. The least and the greatest row decide.
fn compared(comparison: SetComparison, scope: &DFSchema, state: &SessionState) -> Result<Expr> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let SetComparison {
        expr,
        subquery,
        op,
        quantifier,
    } = comparison;
    let all = quantifier == SetQuantifier::All;
    if matches!((op, all), (Eq, false) | (NotEq, true)) {
        let membership = InSubquery::new(expr, subquery, all);
        return is_in(membership, scope);
    }
    refuse_subquery(&expr, if all { "ALL" } else { "ANY" })?;
    let rows = Arc::new(typed(Arc::unwrap_or_clone(subquery.subquery), state)?);
    let column = ordered_beside(&type_of(&expr, scope, state)?, &rows)?;
    let least = || single(rows.clone(), min(column.clone()));
    let greatest = || single(rows.clone(), max(column.clone()));
    let to = |bound: Expr| binary_expr(expr.as_ref().clone(), op, bound);
    let holds = match (op, all) {
        (Gt | GtEq, false) | (Lt | LtEq, true) => to(least()?),
        (Gt | GtEq, true) | (Lt | LtEq, false) => to(greatest()?),
        (Eq, _) => to(least()?).and(to(greatest()?)),
        (NotEq, _) => to(least()?).or(to(greatest()?)),
        _ => return Err(refused(&format!("{op} with ANY or ALL in SET and WHEN"))),
    };
    let unknown = unknown(&expr, &rows, only_column(&rows))?;
    when(negated_if(all, holds), lit(!all))
        .when(unknown, lit(ScalarValue::Boolean(None)))
        .otherwise(lit(all))
}

fn only_column(rows: &LogicalPlan) -> Expr {
    Expr::Column(Column::from(rows.schema().qualified_field(0)))
}

/// The column of `rows` in the order that comparisons with a value of a type have: texts are compared with numbers and dates
/// as those, so that the least text is not the least value.
///
/// # Errors
/// `Unsupported` when the two types cannot be compared.
fn ordered_beside(value: &DataType, rows: &LogicalPlan) -> Result<Expr> {
    let column = only_column(rows);
    let own = rows.schema().field(0).data_type();
    // these keep their order in every type that they are compared in
    if own.is_numeric() || own.is_temporal() {
        return Ok(column);
    }
    match comparison_coercion(value, own) {
        Some(common) => column.cast_to(&common, rows.schema()),
        None => Err(refused(&format!(
            "{value} beside {own} with ANY or ALL in SET and WHEN"
        ))),
    }
}

/// The type of an expression over the columns of `scope` where it is computed: that of a CASE follows from all branches.
fn type_of(value: &Expr, scope: &DFSchema, state: &SessionState) -> Result<DataType> {
    let scope = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(scope.clone()),
    });
    let values = LogicalPlanBuilder::from(scope).project(vec![value.clone()])?;
    let values = typed(values.build()?, state)?;
    Ok(values.schema().field(0).data_type().clone())
}

/// A plan whose types are those that it runs with.
fn typed(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let analyzer = state.analyzer();
    analyzer.execute_and_check(plan, state.config_options(), |_, _| {})
}

/// Whether a comparison with some row is null.
fn unknown(value: &Expr, rows: &Arc<LogicalPlan>, column: Expr) -> Result<Expr> {
    let has_null = some(count(rows.clone(), Some(column.is_null()))?);
    let has_rows = some(count(rows.clone(), None)?);
    Ok(has_null.or(value.clone().is_null().and(has_rows)))
}

fn some(count: Expr) -> Expr {
    count.gt(lit(0_i64))
}

/// # Errors
/// When a value has a subquery of its own.
fn refuse_subquery(value: &Expr, word: &str) -> Result<()> {
    let is_subquery = |e: &Expr| {
        matches!(
            e,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
        )
    };
    match value.exists(|e| Ok(is_subquery(e)))? {
        true => Err(refused(&format!(
            "a subquery on the left of {word} (SELECT ..) in SET and WHEN"
        ))),
        false => Ok(()),
    }
}

/// The number of rows, of those that a condition is true for, as a value.
fn count(rows: Arc<LogicalPlan>, condition: Option<Expr>) -> Result<Expr> {
    let rows = match condition {
        Some(condition) => {
            let rows = LogicalPlanBuilder::from(Arc::unwrap_or_clone(rows));
            Arc::new(rows.filter(condition)?.build()?)
        }
        None => rows,
    };
    single(rows, count_all())
}

/// An aggregate of all rows as a value.
fn single(rows: Arc<LogicalPlan>, aggregate: Expr) -> Result<Expr> {
    let rows = LogicalPlanBuilder::from(Arc::unwrap_or_clone(rows));
    let one = rows.aggregate(Vec::<Expr>::new(), vec![aggregate])?;
    Ok(scalar_subquery(Arc::new(one.build()?)))
}

/// An expression as a subquery sees it.
fn outside(expr: &Expr, scope: &DFSchema) -> Result<Expr> {
    let expr = expr.clone().transform_up(|expr| match expr {
        Expr::Column(column) => {
            let (_, field) = scope.qualified_field_from_column(&column)?;
            let field = Arc::clone(field);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(expr.data)
}
