//! IN, ANY and ALL: a value beside the column of a subquery.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Projection, Subquery};

use super::{brought_to, to_be_compared};

/// Brings the value and the column to their common type.
pub(super) fn with_common_types(
    mut expr: Expr,
    schema: &DFSchema,
    zone: &str,
) -> Result<Transformed<Expr>> {
    let (value, subquery) = match &mut expr {
        Expr::InSubquery(InSubquery { expr, subquery, .. })
        | Expr::SetComparison(SetComparison { expr, subquery, .. }) => (expr, subquery),
        _ => return Ok(Transformed::no(expr)),
    };
    let column = subquery.subquery.schema().fields().first();
    let types = [
        value.get_type(schema).ok(),
        column.map(|field| field.data_type().clone()),
    ];
    let Some((from, to)) = to_be_compared(&types, zone) else {
        return Ok(Transformed::no(expr));
    };
    let [of_value, of_column] = types.map(|t| t.as_ref().is_some_and(from));
    if of_value {
        let own = std::mem::take(value.as_mut());
        **value = brought_to(own, &to, zone);
    }
    if of_column {
        *subquery = with_column_as(subquery, &to, zone)?;
    }
    Ok(Transformed::yes(expr))
}

fn with_column_as(subquery: &Subquery, to: &DataType, zone: &str) -> Result<Subquery> {
    let plan = &subquery.subquery;
    let columns = plan.schema().columns().into_iter().map(|column| {
        let name = column.name.clone();
        brought_to(Expr::Column(column), to, zone).alias(name)
    });
    let projection = Projection::try_new(columns.collect(), Arc::clone(plan))?;
    Ok(subquery.with_plan(Arc::new(LogicalPlan::Projection(projection))))
}
