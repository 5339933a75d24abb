//! `IN` and `EXISTS` with a subquery as values: DataFusion plans them in filters alone, so they become counts of the
//! subquery's rows, which it plans anywhere.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit, scalar_subquery, when};
use datafusion::prelude::Column;
use datafusion::scalar::ScalarValue;

use super::refused;

/// An expression over the columns of `scope` without `IN (SELECT ..)` and `EXISTS (SELECT ..)`.
///
/// # Errors
/// `Unsupported` for what cannot be said with counts: ANY, ALL, a subquery on the left of IN.
pub(super) fn as_counts(item: Expr, scope: &DFSchema) -> Result<Expr> {
    let item = item.transform_up(|expr| match expr {
        Expr::Exists(exists) => {
            let any = count(exists.subquery.subquery, None)?.gt(lit(0_i64));
            Ok(Transformed::yes(negated_if(exists.negated, any)))
        }
        Expr::InSubquery(membership) => is_in(membership, scope).map(Transformed::yes),
        Expr::SetComparison(_) => Err(refused("ANY or ALL with a subquery in SET and WHEN")),
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
    let is_subquery = |e: &Expr| {
        matches!(
            e,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)
        )
    };
    if value.exists(|e| Ok(is_subquery(e)))? {
        return Err(refused(
            "a subquery on the left of IN (SELECT ..) in SET and WHEN",
        ));
    }
    let column = Expr::Column(Column::from(rows.schema().qualified_field(0)));
    let equal = column.clone().eq(outside(&value, scope)?);
    let some = |count: Expr| count.gt(lit(0_i64));
    let is_member = some(count(rows.clone(), Some(equal))?);
    let has_null = some(count(rows.clone(), Some(column.is_null()))?);
    let has_rows = some(count(rows, None)?);
    let unknown = has_null.or(value.is_null().and(has_rows));
    let expr = when(is_member, lit(true))
        .when(unknown, lit(ScalarValue::Boolean(None)))
        .otherwise(lit(false))?;
    Ok(negated_if(negated, expr))
}

/// The number of rows, of those that a condition is true for, as a value.
fn count(rows: Arc<LogicalPlan>, condition: Option<Expr>) -> Result<Expr> {
    let mut rows = LogicalPlanBuilder::from(Arc::unwrap_or_clone(rows));
    if let Some(condition) = condition {
        rows = rows.filter(condition)?;
    }
    let counted = rows.aggregate(Vec::<Expr>::new(), vec![count_all()])?;
    Ok(scalar_subquery(Arc::new(counted.build()?)))
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
