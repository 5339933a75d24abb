//! Columns of VALUES whose rows have such types.
//!
//! DataFusion casts the cells of a column to one type as soon as it plans VALUES. Here these casts are taken away again
//! where that type is the wrong one.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Values,
};

use super::{brought_to, to_be_cast};

/// VALUES with the right types.
pub(super) fn with_common_types(values: Values, zone: &str) -> Result<LogicalPlan> {
    let mut rows = values.values.clone();
    let mut changed = false;
    for (column, field) in values.schema.fields().iter().enumerate() {
        changed |= mend(&mut rows, column, field.data_type(), zone);
    }
    match changed {
        true => LogicalPlanBuilder::values(rows)?.build(),
        false => Ok(LogicalPlan::Values(values)),
    }
}

/// Mends a column that DataFusion made one of `planned`; whether it had to.
fn mend(rows: &mut [Vec<Expr>], column: usize, planned: &DataType, zone: &str) -> bool {
    let empty = DFSchema::empty();
    let cells = rows.iter().filter_map(|row| row.get(column));
    let types = cells.map(|cell| as_written(cell, planned).get_type(&empty).ok());
    let Some(types) = types.collect::<Option<Vec<DataType>>>() else {
        return false;
    };
    let known: Vec<Option<DataType>> = types.iter().cloned().map(Some).collect();
    let Some((from, to)) = to_be_cast(&known) else {
        return false;
    };
    // a type that a table asks for, or casts in all rows, stays
    if common_type(&types).as_ref() != Some(planned) {
        return false;
    }
    for (row, data_type) in rows.iter_mut().zip(&types) {
        let Some(cell) = row.get_mut(column) else {
            continue;
        };
        let written = as_written(cell, planned);
        *cell = match from(data_type) {
            true => brought_to(written, &to, zone),
            false => written,
        };
    }
    true
}

/// A cell without the cast to the type of the column, that a null has, too.
fn as_written(cell: &Expr, planned: &DataType) -> Expr {
    match cell {
        Expr::Cast(Cast { expr, field }) if field.data_type() == planned => expr.as_ref().clone(),
        Expr::Literal(value, metadata) if value.is_null() => {
            Expr::Literal(ScalarValue::Null, metadata.clone())
        }
        other => other.clone(),
    }
}

/// The type that DataFusion gives a column.
fn common_type(types: &[DataType]) -> Option<DataType> {
    let mut types = types.iter().filter(|t| **t != DataType::Null).cloned();
    let first = types.next()?;
    types.try_fold(first, |common, next| type_union_resolution(&[common, next]))
}
