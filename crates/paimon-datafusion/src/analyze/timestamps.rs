//! Comparisons of timestamp columns with constants, in the column's own unit.
//!
//! DataFusion would cast both sides to the finer unit. That overflows for years outside 1677..2262 as soon as one side
//! has nanoseconds, and hides the column below a cast. Here the constant is brought to the unit of the column: exactly
//! where it fits, else the comparison is changed to the equivalent one with the nearest value.

use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use crate::zone::instant_of_text;

/// The rule; it runs before type coercion.
#[derive(Debug)]
pub(crate) struct TimestampLiterals;

impl AnalyzerRule for TimestampLiterals {
    fn name(&self) -> &str {
        "paimon_timestamp_literals"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = config
            .execution
            .time_zone
            .as_deref()
            .and_then(|z| z.parse::<Tz>().ok());
        plan.transform_up_with_subqueries(|plan| {
            let inputs = plan.inputs();
            let schema = if inputs.is_empty() {
                plan.schema().as_ref().clone()
            } else {
                merge_schema(&inputs)
            };
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|e| {
                let name = names.save(&e);
                let e = e.transform_up(|e| Ok(rewrite(e, &schema, zone.as_ref())))?;
                Ok(e.update_data(|e| name.restore(e)))
            })
        })
        .map(|t| t.data)
    }
}

fn rewrite(expr: Expr, schema: &DFSchema, zone: Option<&Tz>) -> Transformed<Expr> {
    let rewritten = match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            comparison(left, *op, right, schema, zone)
                .or_else(|| comparison(right, op.swap()?, left, schema, zone))
        }
        Expr::Between(between) => rewrite_between(between, schema, zone),
        Expr::InList(list) => rewrite_in_list(list, schema, zone),
        _ => None,
    };
    match rewritten {
        Some(new) if new != expr => Transformed::yes(new),
        _ => Transformed::no(expr),
    }
}

fn rewrite_between(between: &Between, schema: &DFSchema, zone: Option<&Tz>) -> Option<Expr> {
    let side = |op, bound: &Expr| comparison(&between.expr, op, bound, schema, zone);
    if between.negated {
        let low = side(Operator::Lt, &between.low)?;
        Some(low.or(side(Operator::Gt, &between.high)?))
    } else {
        let low = side(Operator::GtEq, &between.low)?;
        Some(low.and(side(Operator::LtEq, &between.high)?))
    }
}

fn rewrite_in_list(list: &InList, schema: &DFSchema, zone: Option<&Tz>) -> Option<Expr> {
    let column = Column::of(&list.expr, schema)?;
    let mut values = Vec::new();
    for item in &list.list {
        let point = column.point(item, zone)?;
        // a constant between two values of the column's unit equals none of them
        if let Fit::Exact(value) = column.fit(point) {
            values.push(column.literal(value));
        }
    }
    if values.is_empty() {
        let op = if list.negated {
            Operator::LtEq
        } else {
            Operator::Gt
        };
        return Some(column.compare(op, i64::MAX));
    }
    Some((*list.expr).clone().in_list(values, list.negated))
}

fn comparison(
    side: &Expr,
    op: Operator,
    constant: &Expr,
    schema: &DFSchema,
    zone: Option<&Tz>,
) -> Option<Expr> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    if !matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq) {
        return None;
    }
    let column = Column::of(side, schema)?;
    let point = column.point(constant, zone)?;
    let (op, value) = match (column.fit(point), op) {
        (Fit::Exact(value), op) => (op, value),
        // no value of the unit equals the constant
        (_, Eq) => (Gt, i64::MAX),
        (_, NotEq) => (LtEq, i64::MAX),
        (Fit::Between(floor), Lt | LtEq) => (LtEq, floor),
        (Fit::Between(floor), _) => (Gt, floor),
        (Fit::Above, Lt | LtEq) => (LtEq, i64::MAX),
        (Fit::Above, _) => (Gt, i64::MAX),
        (Fit::Below, Lt | LtEq) => (Lt, i64::MIN),
        (Fit::Below, _) => (GtEq, i64::MIN),
    };
    Some(column.compare(op, value))
}

/// Where a constant lies among the values of a unit.
enum Fit {
    Exact(i64),
    /// Just above this value.
    Between(i64),
    Above,
    Below,
}

/// The side of a comparison that is no constant.
struct Column<'a> {
    expr: &'a Expr,
    unit: TimeUnit,
    zone: Option<std::sync::Arc<str>>,
}

impl<'a> Column<'a> {
    fn of(expr: &'a Expr, schema: &DFSchema) -> Option<Self> {
        if is_constant(expr) {
            return None;
        }
        match expr.get_type(schema as &dyn ExprSchema).ok()? {
            DataType::Timestamp(unit, zone) => Some(Self { expr, unit, zone }),
            _ => None,
        }
    }

    /// Nanoseconds since the epoch of a constant as it compares with this side; `None` when it is no constant point
    /// in time, or one that DataFusion should handle.
    fn point(&self, constant: &Expr, session_zone: Option<&Tz>) -> Option<i128> {
        let utc: Tz = "UTC".parse().ok()?;
        // a text without a zone is local time for a column of instants
        let local = if self.zone.is_some() {
            session_zone?
        } else {
            &utc
        };
        match constant {
            Expr::Literal(value, _) => self.scalar_point(value, local),
            Expr::Cast(Cast { expr, field }) => {
                let Expr::Literal(value, _) = expr.as_ref() else {
                    return None;
                };
                let text = value.try_as_str()??;
                match field.data_type() {
                    DataType::Timestamp(unit, None) => {
                        Some(truncated(text_point(text, local)?, *unit))
                    }
                    DataType::Timestamp(unit, Some(zone)) if self.zone.is_some() => {
                        let point = text_point(text, &zone.parse().ok()?)?;
                        Some(truncated(point, *unit))
                    }
                    DataType::Date32 => {
                        let midnight = text.trim().get(..10)?;
                        text_point(midnight, local)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn scalar_point(&self, value: &ScalarValue, local: &Tz) -> Option<i128> {
        let (value, per_second, zone) = match value {
            ScalarValue::TimestampSecond(Some(v), zone) => (*v, 1, zone),
            ScalarValue::TimestampMillisecond(Some(v), zone) => (*v, 1_000, zone),
            ScalarValue::TimestampMicrosecond(Some(v), zone) => (*v, 1_000_000, zone),
            ScalarValue::TimestampNanosecond(Some(v), zone) => (*v, 1_000_000_000, zone),
            other => return text_point(other.try_as_str()??, local),
        };
        if zone.is_some() != self.zone.is_some() {
            return None;
        }
        Some(i128::from(value) * (1_000_000_000 / per_second))
    }

    fn fit(&self, nanos: i128) -> Fit {
        let per_unit = nanos_per(self.unit);
        match i64::try_from(nanos.div_euclid(per_unit)) {
            Ok(value) if nanos.rem_euclid(per_unit) == 0 => Fit::Exact(value),
            Ok(value) => Fit::Between(value),
            Err(_) if nanos > 0 => Fit::Above,
            Err(_) => Fit::Below,
        }
    }

    fn literal(&self, value: i64) -> Expr {
        let zone = self.zone.clone();
        let value = Some(value);
        let scalar = match self.unit {
            TimeUnit::Second => ScalarValue::TimestampSecond(value, zone),
            TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(value, zone),
            TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(value, zone),
            TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(value, zone),
        };
        Expr::Literal(scalar, None)
    }

    fn compare(&self, op: Operator, value: i64) -> Expr {
        Expr::BinaryExpr(BinaryExpr::new(
            Box::new(self.expr.clone()),
            op,
            Box::new(self.literal(value)),
        ))
    }
}

fn nanos_per(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// What a cast to the unit leaves of a point in time.
fn truncated(nanos: i128, unit: TimeUnit) -> i128 {
    nanos - nanos.rem_euclid(nanos_per(unit))
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Cast(cast) => is_constant(&cast.expr),
        _ => false,
    }
}

fn text_point(text: &str, zone: &Tz) -> Option<i128> {
    let time = instant_of_text(text, zone)?;
    let seconds = i128::from(time.timestamp()) * 1_000_000_000;
    Some(seconds + i128::from(time.timestamp_subsec_nanos()))
}
