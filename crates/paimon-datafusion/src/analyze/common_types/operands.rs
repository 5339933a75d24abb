//! Operands of expressions.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::Transformed;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{Between, Case, InList, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast};

use super::{Which, brought_to, to_be_cast, to_be_compared, zones};

/// Functions whose arguments keep their own types.
const SEPARATE: [&str; 6] = [
    "struct",
    "named_struct",
    "map",
    "arrow_cast",
    "concat",
    "concat_ws",
];

/// Operands that must be of one type.
struct Group<'a> {
    operands: Vec<&'a mut Expr>,
    compared: bool,
}

impl<'a> Group<'a> {
    fn compared(operands: Vec<&'a mut Expr>) -> Self {
        Self {
            operands,
            compared: true,
        }
    }

    fn combined(operands: Vec<&'a mut Expr>) -> Self {
        Self {
            operands,
            compared: false,
        }
    }

    /// Brings the operands to their common type; whether they had to be.
    fn unify(self, schema: &DFSchema, zone: &str) -> Result<bool> {
        let types: Vec<_> = self
            .operands
            .iter()
            .map(|e| e.get_type(schema).ok())
            .collect();
        if types.iter().flatten().any(|t| element(t).is_some()) {
            return self.unify_elements(&types, zone);
        }
        let common = match self.compared {
            true => to_be_compared(&types, zone),
            false => to_be_cast(&types),
        };
        let Some((from, to)) = common else {
            return Ok(false);
        };
        for (operand, data_type) in self.operands.into_iter().zip(&types) {
            if data_type.as_ref().is_some_and(from) {
                let own = std::mem::take(operand);
                *operand = brought_to(own, &to, zone);
            }
        }
        Ok(true)
    }

    /// The same for arrays beside arrays and elements.
    fn unify_elements(self, types: &[Option<DataType>], zone: &str) -> Result<bool> {
        let elements: Vec<_> = types
            .iter()
            .map(|t| t.as_ref().map(|t| element(t).unwrap_or(t).clone()))
            .collect();
        let Some((from, to)) = to_be_cast(&elements) else {
            return Ok(false);
        };
        for (operand, data_type) in self.operands.into_iter().zip(types) {
            let Some(data_type) = data_type else { continue };
            let Some(cast_to) = cast_type(data_type, from, &to) else {
                continue;
            };
            let own = std::mem::take(operand);
            *operand = match element(data_type) {
                None => brought_to(own, &cast_to, zone),
                Some(element) if zones::lies_between(element, &to, zone) => {
                    return Err(DataFusionError::Plan(format!(
                        "an array of {element} beside values of {to}: cast its elements first, the \
                         time zone of the session lies between them"
                    )));
                }
                Some(_) => cast(own, cast_to),
            };
        }
        Ok(true)
    }
}

/// Brings the operands of an expression to common types.
pub(super) fn with_common_types(
    mut expr: Expr,
    schema: &DFSchema,
    zone: &str,
) -> Result<Transformed<Expr>> {
    let mut changed = false;
    for group in groups(&mut expr) {
        changed |= group.unify(schema, zone)?;
    }
    Ok(match changed {
        true => Transformed::yes(expr),
        false => Transformed::no(expr),
    })
}

fn groups(expr: &mut Expr) -> Vec<Group<'_>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::StringConcat,
            ..
        }) => Vec::new(),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let operands = vec![left.as_mut(), right.as_mut()];
            vec![match compares(*op) {
                true => Group::compared(operands),
                false => Group::combined(operands),
            }]
        }
        Expr::Between(Between {
            expr, low, high, ..
        }) => vec![Group::compared(vec![expr, low, high])],
        Expr::InList(InList { expr, list, .. }) => {
            let all = std::iter::once(expr.as_mut()).chain(list);
            vec![Group::compared(all.collect())]
        }
        Expr::Case(case) => of_case(case),
        Expr::ScalarFunction(ScalarFunction { func, args }) if !SEPARATE.contains(&func.name()) => {
            vec![Group::combined(args.iter_mut().collect())]
        }
        Expr::WindowFunction(function) => {
            let WindowFunction { params, .. } = function.as_mut();
            vec![Group::combined(params.args.iter_mut().collect())]
        }
        _ => Vec::new(),
    }
}

fn compares(op: Operator) -> bool {
    use Operator::*;
    matches!(
        op,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

/// The value and what it is compared with, and the results.
fn of_case(case: &mut Case) -> Vec<Group<'_>> {
    let mut values: Vec<&mut Expr> = case.expr.iter_mut().map(AsMut::as_mut).collect();
    let mut results: Vec<&mut Expr> = Vec::new();
    for (when, then) in &mut case.when_then_expr {
        values.push(when.as_mut());
        results.push(then.as_mut());
    }
    results.extend(case.else_expr.iter_mut().map(AsMut::as_mut));
    vec![Group::compared(values), Group::compared(results)]
}

/// Type of the elements of an array.
fn element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(field) | DataType::LargeList(field) => Some(field.data_type()),
        _ => None,
    }
}

/// What a value or an array is cast to, if it must be.
fn cast_type(data_type: &DataType, from: Which, to: &DataType) -> Option<DataType> {
    let with = |field: &arrow::datatypes::FieldRef| {
        from(field.data_type()).then(|| field.as_ref().clone().with_data_type(to.clone()).into())
    };
    match data_type {
        DataType::List(field) => with(field).map(DataType::List),
        DataType::LargeList(field) => with(field).map(DataType::LargeList),
        other => from(other).then(|| to.clone()),
    }
}
