//! Casts between times without zone and instants, in the session's zone.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, ScalarUDF, cast};

use crate::zone::ZoneCast;

/// The zone in which a time without zone and the instant are the same number: DataFusion's own casts are right.
const UTC: &str = "UTC";

/// A cast as it is meant: to a TIMESTAMP with zone (the value is local time, unless a text says otherwise), from one to
/// a TIMESTAMP without zone or a DATE (what clocks show).
pub(super) fn of_cast(given: Cast, schema: &DFSchema, zone: &str) -> Transformed<Expr> {
    let Ok(from) = given.expr.get_type(schema) else {
        return Transformed::no(Expr::Cast(given));
    };
    if zone == UTC {
        return Transformed::no(Expr::Cast(given));
    }
    let to = given.field.data_type().clone();
    let is_text = matches!(
        from,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    let is_local = is_text || matches!(from, DataType::Date32 | DataType::Timestamp(_, None));
    let is_zoned = matches!(from, DataType::Timestamp(_, Some(_)));
    match to {
        DataType::Timestamp(_, Some(_)) if is_local => {
            Transformed::yes(cast_in(zone, *given.expr, &to))
        }
        DataType::Timestamp(_, None) if is_zoned => {
            Transformed::yes(cast_in(zone, *given.expr, &to))
        }
        DataType::Date32 if is_zoned => {
            let shown = DataType::Timestamp(TimeUnit::Microsecond, None);
            Transformed::yes(cast(cast_in(zone, *given.expr, &shown), DataType::Date32))
        }
        _ => Transformed::no(Expr::Cast(given)),
    }
}

/// A value as one of a TIMESTAMP type, in a zone.
pub(super) fn cast_in(zone: &str, value: Expr, to: &DataType) -> Expr {
    if zone == UTC {
        return cast(value, to.clone());
    }
    ScalarUDF::new_from_impl(ZoneCast::new(zone, to.clone())).call(vec![value])
}
