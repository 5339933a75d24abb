//! Casts between times without zone and instants, in the session's zone.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, ScalarUDF, TryCast, cast};

use super::{is_local, is_text};
use crate::zone::ZoneCast;

/// The zone in which a time without zone and the instant are the same number: DataFusion's own casts are right.
pub(super) const UTC: &str = "UTC";

/// A cast as it is meant: to a TIMESTAMP with zone (the value is local time, unless a text says otherwise), from one to
/// a TIMESTAMP without zone or a DATE (what clocks show).
pub(super) fn of_cast(mut expr: Expr, schema: &DFSchema, zone: &str) -> Transformed<Expr> {
    let (value, field, lenient) = match &mut expr {
        Expr::Cast(Cast { expr, field }) => (expr, field, false),
        Expr::TryCast(TryCast { expr, field }) => (expr, field, true),
        _ => return Transformed::no(expr),
    };
    let Some(through) = through(value, field.data_type(), schema, zone) else {
        return Transformed::no(expr);
    };
    let own = std::mem::take(value.as_mut());
    let moved = zone_cast(zone, own, &through, lenient);
    if through == *field.data_type() {
        return Transformed::yes(moved);
    }
    **value = moved;
    Transformed::yes(expr)
}

/// The type as which a value crosses the zone on the way to another; `None` when no zone lies between.
fn through(value: &Expr, to: &DataType, schema: &DFSchema, zone: &str) -> Option<DataType> {
    let from = value.get_type(schema).ok()?;
    match to {
        _ if !lies_between(&from, to, zone) => None,
        DataType::Date32 => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        other => Some(other.clone()),
    }
}

/// Whether the zone lies between values of two types.
pub(super) fn lies_between(from: &DataType, to: &DataType, zone: &str) -> bool {
    match to {
        _ if zone == UTC => false,
        DataType::Timestamp(_, Some(_)) => is_text(from) || is_local(from),
        DataType::Timestamp(_, None) | DataType::Date32 => is_zoned(from),
        _ => false,
    }
}

/// Instants.
pub(super) fn is_zoned(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, Some(_)))
}

/// A value as one of a TIMESTAMP type, in a zone.
pub(super) fn cast_in(zone: &str, value: Expr, to: &DataType) -> Expr {
    if zone == UTC {
        return cast(value, to.clone());
    }
    zone_cast(zone, value, to, false)
}

fn zone_cast(zone: &str, value: Expr, to: &DataType, lenient: bool) -> Expr {
    let cast = ZoneCast::new(zone, to.clone()).lenient(lenient);
    ScalarUDF::new_from_impl(cast).call(vec![value])
}
