//! DataFusion filters as the engine's [`Predicate`]s.
//!
//! A filter that cannot be said whole becomes the strongest predicate that it implies, so pushing the result down never
//! loses rows. `exact` tells whether the predicate keeps just the rows that the filter keeps.

mod literal;
mod unwrap;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList, Like, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use paimon_core::predicate::{Leaf, Predicate, PredicateOp};
use paimon_core::spec::{DataField, Datum, TypeKind};

use literal::datum;
use unwrap::column_of;

/// A filter as a predicate.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// What the filter implies.
    pub predicate: Predicate,
    /// Whether the filter is true for exactly the rows that the predicate keeps.
    pub exact: bool,
}

impl Converted {
    fn exact(predicate: Predicate) -> Self {
        Self {
            predicate,
            exact: true,
        }
    }

    fn unknown() -> Self {
        Self {
            predicate: Predicate::AlwaysTrue,
            exact: false,
        }
    }
}

/// Converts one filter over the table's columns.
pub fn convert(filter: &Expr, fields: &[DataField]) -> Converted {
    expr(filter, fields, false)
}

/// Converts filters that must all hold.
pub fn convert_all(filters: &[Expr], fields: &[DataField]) -> Converted {
    let parts = filters.iter().map(|f| convert(f, fields)).collect();
    and(parts)
}

/// Converts an expression, or its negation (true where the expression is false).
fn expr(filter: &Expr, fields: &[DataField], negated: bool) -> Converted {
    match filter {
        Expr::Alias(alias) => expr(&alias.expr, fields, negated),
        Expr::Not(inner) => expr(inner, fields, !negated),
        Expr::Literal(value, _) => constant(value, negated),
        Expr::Column(_) => truth(filter, fields, !negated),
        Expr::IsTrue(inner) if !negated => expr(inner, fields, false),
        Expr::IsFalse(inner) if !negated => expr(inner, fields, true),
        Expr::IsNull(inner) => null_test(inner, fields, !negated),
        Expr::IsNotNull(inner) => null_test(inner, fields, negated),
        Expr::BinaryExpr(binary) => binary_expr(binary, fields, negated),
        Expr::Between(between) => between_expr(between, fields, negated),
        Expr::InList(list) => in_list(list, fields, negated),
        Expr::Like(like) => like_expr(like, fields, negated),
        Expr::ScalarFunction(function) => text_function(function, fields, negated),
        _ => Converted::unknown(),
    }
}

fn constant(value: &ScalarValue, negated: bool) -> Converted {
    match value {
        ScalarValue::Boolean(Some(v)) if *v != negated => Converted::exact(Predicate::AlwaysTrue),
        ScalarValue::Boolean(_) | ScalarValue::Null => Converted::exact(Predicate::AlwaysFalse),
        _ => Converted::unknown(),
    }
}

fn truth(column: &Expr, fields: &[DataField], wanted: bool) -> Converted {
    match column_of(column, fields) {
        Some(field) if field.data_type.kind == TypeKind::Boolean => {
            Converted::exact(leaf(field, PredicateOp::Eq, vec![Datum::Boolean(wanted)]))
        }
        _ => Converted::unknown(),
    }
}

fn null_test(inner: &Expr, fields: &[DataField], is_null: bool) -> Converted {
    // only a column itself: a cast may be null where its column is not
    let Some(field) = plain_column(inner, fields) else {
        return Converted::unknown();
    };
    let op = if is_null {
        PredicateOp::IsNull
    } else {
        PredicateOp::IsNotNull
    };
    Converted::exact(leaf(field, op, Vec::new()))
}

fn plain_column<'a>(expr: &Expr, fields: &'a [DataField]) -> Option<&'a DataField> {
    let Expr::Column(column) = expr else {
        return None;
    };
    fields.iter().find(|f| f.name == column.name)
}

fn binary_expr(binary: &BinaryExpr, fields: &[DataField], negated: bool) -> Converted {
    let BinaryExpr { left, op, right } = binary;
    match (op, negated) {
        (Operator::And, false) | (Operator::Or, true) => and(vec![
            expr(left, fields, negated),
            expr(right, fields, negated),
        ]),
        (Operator::Or, false) | (Operator::And, true) => or(vec![
            expr(left, fields, negated),
            expr(right, fields, negated),
        ]),
        _ => compare(left, *op, right, fields, negated)
            .or_else(|| compare(right, op.swap()?, left, fields, negated))
            .unwrap_or_else(Converted::unknown),
    }
}

fn compare(
    side: &Expr,
    op: Operator,
    constant: &Expr,
    fields: &[DataField],
    negated: bool,
) -> Option<Converted> {
    let Expr::Literal(value, _) = constant else {
        return None;
    };
    let op = match (op, negated) {
        (Operator::Eq, false) | (Operator::NotEq, true) => PredicateOp::Eq,
        (Operator::NotEq, false) | (Operator::Eq, true) => PredicateOp::NotEq,
        (Operator::Lt, false) | (Operator::GtEq, true) => PredicateOp::Lt,
        (Operator::LtEq, false) | (Operator::Gt, true) => PredicateOp::LtEq,
        (Operator::Gt, false) | (Operator::LtEq, true) => PredicateOp::Gt,
        (Operator::GtEq, false) | (Operator::Lt, true) => PredicateOp::GtEq,
        _ => return None,
    };
    let field = column_of(side, fields)?;
    if value.is_null() {
        return Some(Converted::exact(Predicate::AlwaysFalse));
    }
    let literal = datum(value, &field.data_type.kind)?;
    Some(Converted::exact(leaf(field, op, vec![literal])))
}

fn between_expr(between: &Between, fields: &[DataField], negated: bool) -> Converted {
    let outside = between.negated != negated;
    let side = |op, bound: &Expr| {
        compare(&between.expr, op, bound, fields, outside).unwrap_or_else(Converted::unknown)
    };
    let parts = vec![
        side(Operator::GtEq, &between.low),
        side(Operator::LtEq, &between.high),
    ];
    if outside { or(parts) } else { and(parts) }
}

fn in_list(list: &InList, fields: &[DataField], negated: bool) -> Converted {
    let Some(field) = column_of(&list.expr, fields) else {
        return Converted::unknown();
    };
    let outside = list.negated != negated;
    let mut literals = Vec::with_capacity(list.list.len());
    for item in &list.list {
        let Expr::Literal(value, _) = item else {
            return Converted::unknown();
        };
        if value.is_null() {
            if outside {
                return Converted::exact(Predicate::AlwaysFalse);
            }
            continue;
        }
        match datum(value, &field.data_type.kind) {
            Some(literal) => literals.push(literal),
            None => return Converted::unknown(),
        }
    }
    match (literals.is_empty(), outside) {
        (true, false) => Converted::exact(Predicate::AlwaysFalse),
        (true, true) => Converted::unknown(),
        (false, true) => Converted::exact(leaf(field, PredicateOp::NotIn, literals)),
        (false, false) => Converted::exact(leaf(field, PredicateOp::In, literals)),
    }
}

fn like_expr(like: &Like, fields: &[DataField], negated: bool) -> Converted {
    let plain = !like.case_insensitive
        && like.negated == negated
        && like.escape_char.is_none_or(|c| c == '\\');
    let (Some(field), Expr::Literal(value, _), true) =
        (column_of(&like.expr, fields), like.pattern.as_ref(), plain)
    else {
        return Converted::unknown();
    };
    let (true, Some(Some(pattern))) = (field.data_type.kind.is_string(), value.try_as_str()) else {
        return Converted::unknown();
    };
    let (op, text) = like_op(pattern);
    Converted::exact(leaf(field, op, vec![Datum::String(text.to_string())]))
}

/// The cheapest operation that a pattern means.
fn like_op(pattern: &str) -> (PredicateOp, &str) {
    let is_plain = |text: &str| !text.contains(['%', '_', '\\']);
    if is_plain(pattern) {
        return (PredicateOp::Eq, pattern);
    }
    if let Some(text) = pattern.strip_suffix('%') {
        if is_plain(text) {
            return (PredicateOp::StartsWith, text);
        }
        if let Some(text) = text.strip_prefix('%').filter(|t| is_plain(t)) {
            return (PredicateOp::Contains, text);
        }
    }
    if let Some(text) = pattern.strip_prefix('%').filter(|t| is_plain(t)) {
        return (PredicateOp::EndsWith, text);
    }
    (PredicateOp::Like, pattern)
}

fn text_function(function: &ScalarFunction, fields: &[DataField], negated: bool) -> Converted {
    let op = match function.func.name() {
        "starts_with" => PredicateOp::StartsWith,
        "ends_with" => PredicateOp::EndsWith,
        "contains" => PredicateOp::Contains,
        _ => return Converted::unknown(),
    };
    let [side, Expr::Literal(value, _)] = function.args.as_slice() else {
        return Converted::unknown();
    };
    match (column_of(side, fields), value.try_as_str()) {
        (Some(field), Some(Some(text))) if !negated && field.data_type.kind.is_string() => {
            Converted::exact(leaf(field, op, vec![Datum::String(text.to_string())]))
        }
        _ => Converted::unknown(),
    }
}

fn leaf(field: &DataField, op: PredicateOp, literals: Vec<Datum>) -> Predicate {
    Predicate::Leaf(Leaf {
        field_id: field.id,
        column: field.name.clone(),
        data_type: field.data_type.clone(),
        op,
        literals,
    })
}

fn and(parts: Vec<Converted>) -> Converted {
    let exact = parts.iter().all(|p| p.exact);
    let mut all = Vec::new();
    for part in parts {
        match part.predicate {
            Predicate::AlwaysTrue => {}
            Predicate::AlwaysFalse => return Converted::exact(Predicate::AlwaysFalse),
            Predicate::And(inner) => all.extend(inner),
            other => all.push(other),
        }
    }
    let predicate = match (all.pop(), all.is_empty()) {
        (None, _) => Predicate::AlwaysTrue,
        (Some(only), true) => only,
        (Some(last), false) => {
            all.push(last);
            Predicate::And(all)
        }
    };
    Converted { predicate, exact }
}

fn or(parts: Vec<Converted>) -> Converted {
    let exact = parts.iter().all(|p| p.exact);
    let mut all = Vec::new();
    for part in parts {
        match part.predicate {
            Predicate::AlwaysTrue => {
                return Converted {
                    predicate: Predicate::AlwaysTrue,
                    exact: part.exact,
                };
            }
            Predicate::AlwaysFalse => {}
            Predicate::Or(inner) => all.extend(inner),
            other => all.push(other),
        }
    }
    let predicate = match (all.pop(), all.is_empty()) {
        (None, _) => Predicate::AlwaysFalse,
        (Some(only), true) => only,
        (Some(last), false) => {
            all.push(last);
            Predicate::Or(all)
        }
    };
    Converted { predicate, exact }
}

#[cfg(test)]
mod tests;
