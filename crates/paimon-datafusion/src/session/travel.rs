//! Time travel clauses as dynamic options.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{Expr, ExprWithAlias};

use super::PaimonSession;
use crate::error::to_datafusion;
use crate::parse::{RelationClause, TravelTo};
use crate::zone::{instants, zone_named};

/// Option keys and values of the clauses after one name: the hints, then the time travel.
pub(crate) fn clause_options(
    session: &PaimonSession,
    clause: &RelationClause,
) -> Result<Vec<(String, String)>> {
    let mut options = clause.hints.clone();
    let (key, value) = match &clause.travel {
        None => return Ok(options),
        Some(TravelTo::Version(version)) => ("scan.version", version.clone()),
        Some(TravelTo::Timestamp(expr)) => (
            "scan.timestamp-millis",
            millis_of(session, expr.as_ref().clone())?.to_string(),
        ),
    };
    options.push((key.to_string(), value));
    Ok(options)
}

/// Epoch milliseconds of a timestamp text in the session time zone.
pub(crate) fn instant_ms(session: &PaimonSession, text: &str) -> Result<i64> {
    let value = datafusion::sql::sqlparser::ast::Value::SingleQuotedString(text.to_string());
    millis_of(session, Expr::Value(value.with_empty_span()))
}

/// Epoch milliseconds of a constant: a text or TIMESTAMP in the session time zone, an instant, a DATE, or a number of
/// seconds.
fn millis_of(session: &PaimonSession, expr: Expr) -> Result<i64> {
    let text = expr.to_string();
    let constant = evaluate(session, expr)
        .map_err(|e| e.context(format!("time travel expects a constant, found {text}")))?;
    let millis = match &constant {
        ScalarValue::Int8(_)
        | ScalarValue::Int16(_)
        | ScalarValue::Int32(_)
        | ScalarValue::Int64(_)
        | ScalarValue::UInt64(_) => match constant.cast_to(&DataType::Int64)? {
            ScalarValue::Int64(Some(seconds)) => seconds.checked_mul(1000),
            _ => None,
        },
        ScalarValue::Null => None,
        _ => instant_of_scalar(session, &constant)?,
    };
    millis.ok_or_else(|| {
        DataFusionError::Plan(format!("time travel expects a point in time, found {text}"))
    })
}

/// Epoch milliseconds of a value. Dates have no zone: midnight of the session's zone.
fn instant_of_scalar(session: &PaimonSession, value: &ScalarValue) -> Result<Option<i64>> {
    const UNIT: TimeUnit = TimeUnit::Millisecond;
    let array = value.to_array()?;
    let instant = match array.data_type() {
        DataType::Timestamp(_, Some(_)) => {
            cast(&array, &DataType::Timestamp(UNIT, Some("UTC".into())))?
        }
        _ => {
            let zone = zone_named(&session.settings.time_zone()).map_err(to_datafusion)?;
            instants(&array, UNIT, &zone).map_err(to_datafusion)?
        }
    };
    match ScalarValue::try_from_array(&instant, 0)? {
        ScalarValue::TimestampMillisecond(millis, _) => Ok(millis),
        _ => Ok(None),
    }
}

pub(super) fn evaluate(session: &PaimonSession, expr: Expr) -> Result<ScalarValue> {
    let state = session.context.state();
    let schema = DFSchema::empty();
    let expr =
        state.create_logical_expr_from_sql_expr(ExprWithAlias { expr, alias: None }, &schema)?;
    // `now()` and the like have a value only after simplification
    let info = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(state.config_options().clone())
        .with_current_time()
        .build();
    let expr = ExprSimplifier::new(info).simplify(expr)?;
    let physical = session.context.create_physical_expr(expr, &schema)?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    match physical.evaluate(&row)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
    }
}
