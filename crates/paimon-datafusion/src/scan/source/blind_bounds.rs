//! Filters on floating-point columns that statistics of Parquet files answer wrongly.
//!
//! NaN is larger than every other value, in SQL here as in Java. Writers leave it out of the bounds of row groups and
//! pages: bounds of 1.0 to 2.0 do not tell that no row matches `v > 5.0`, and DataFusion would skip the rows. A filter
//! that NaN can match is put so that rows are filtered by it, but nothing is skipped.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal, lit,
};
use datafusion::physical_expr::utils::collect_columns;

/// The filter, in a form that no bounds are compared with when these could mislead.
pub(super) fn for_blind_bounds(
    filter: Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Arc<dyn PhysicalExpr> {
    match bounds_suffice(&filter, schema) {
        true => filter,
        // a comparison of comparisons is evaluated by row alone
        false => Arc::new(BinaryExpr::new(
            filter,
            Operator::IsNotDistinctFrom,
            lit(true),
        )),
    }
}

/// Whether NaN cannot match, or no floating-point column is asked for. A filter that changes while the query runs is not
/// known.
fn bounds_suffice(filter: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let is_float = |column: &Column| {
        let field = schema.fields().get(column.index());
        field.is_none_or(|f| is_floating(f.data_type()))
    };
    if !collect_columns(filter).iter().any(is_float) {
        return true;
    }
    if let Some(both) = filter.downcast_ref::<BinaryExpr>() {
        return match both.op() {
            Operator::And | Operator::Or => {
                bounds_suffice(both.left(), schema) && bounds_suffice(both.right(), schema)
            }
            op => leaves_nan_out(both.left(), *op, both.right()),
        };
    }
    if let Some(list) = filter.downcast_ref::<InListExpr>() {
        return !list.negated() && is_column(list.expr()) && list.list().iter().all(is_number);
    }
    let operand = filter
        .downcast_ref::<IsNullExpr>()
        .map(IsNullExpr::arg)
        .or_else(|| {
            filter
                .downcast_ref::<IsNotNullExpr>()
                .map(IsNotNullExpr::arg)
        });
    operand.is_some_and(is_column)
}

/// Comparisons of a column that hold for numbers only.
fn leaves_nan_out(
    left: &Arc<dyn PhysicalExpr>,
    op: Operator,
    right: &Arc<dyn PhysicalExpr>,
) -> bool {
    let (below, equal, above) = match op {
        Operator::Lt | Operator::LtEq => (true, false, false),
        Operator::Eq => (false, true, false),
        Operator::Gt | Operator::GtEq => (false, false, true),
        _ => return false,
    };
    is_column(left) && is_number(right) && (below || equal)
        || is_number(left) && is_column(right) && (above || equal)
}

fn is_column(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.is::<Column>()
}

/// A constant that is not NaN.
fn is_number(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.downcast_ref::<Literal>()
        .is_some_and(|literal| match literal.value() {
            ScalarValue::Float16(value) => value.is_none_or(|v| !v.is_nan()),
            ScalarValue::Float32(value) => value.is_none_or(|v| !v.is_nan()),
            ScalarValue::Float64(value) => value.is_none_or(|v| !v.is_nan()),
            _ => true,
        })
}

fn is_floating(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Float16 | DataType::Float32 | DataType::Float64
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use arrow::datatypes::Field;
    use datafusion::physical_expr::expressions::{col, in_list, is_null, not};

    use super::*;

    fn schema() -> Schema {
        let field = |name, data_type| Field::new(name, data_type, true);
        Schema::new(vec![
            field("v", DataType::Float64),
            field("n", DataType::Int32),
        ])
    }

    fn compare(
        left: Arc<dyn PhysicalExpr>,
        op: Operator,
        right: Arc<dyn PhysicalExpr>,
    ) -> Arc<dyn PhysicalExpr> {
        Arc::new(BinaryExpr::new(left, op, right))
    }

    #[test]
    fn comparisons_that_nan_matches_ask_no_bounds() {
        let schema = schema();
        let v = || col("v", &schema).unwrap();
        let n = || col("n", &schema).unwrap();
        let nan = || lit(f64::NAN);
        let below = compare(v(), Operator::Lt, lit(5.0));
        let above = compare(v(), Operator::Gt, lit(5.0));
        let of_n = compare(n(), Operator::Gt, lit(5));
        let list = |values, negated| in_list(v(), values, &negated, &schema).unwrap();
        let asks = [
            below.clone(),
            of_n.clone(),
            compare(lit(5.0), Operator::GtEq, v()),
            compare(v(), Operator::Eq, lit(0.0)),
            compare(below.clone(), Operator::Or, of_n.clone()),
            list(vec![lit(1.0), lit(2.0)], false),
            is_null(v()).unwrap(),
        ];
        for filter in asks {
            let put = for_blind_bounds(filter.clone(), &schema);
            assert_eq!(put.to_string(), filter.to_string());
        }
        let asks_not = [
            above.clone(),
            compare(lit(5.0), Operator::Lt, v()),
            compare(v(), Operator::NotEq, lit(1.0)),
            compare(v(), Operator::Eq, nan()),
            compare(v(), Operator::Eq, compare(v(), Operator::Plus, lit(0.0))),
            compare(of_n, Operator::And, above),
            list(vec![lit(1.0), nan()], false),
            list(vec![lit(1.0)], true),
            not(below).unwrap(),
        ];
        for filter in asks_not {
            let put = for_blind_bounds(filter, &schema).to_string();
            assert!(put.ends_with(" IS NOT DISTINCT FROM true"), "{put}");
        }
    }
}
