//! Number literals: DOUBLE where Spark and Flink have it, exact decimals elsewhere.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, SetExpr, Value, Values,
};

/// A literal such as `1e-20` is a DOUBLE in Spark and Flink; as a decimal it would not fit.
pub(crate) fn exponents_are_doubles(expr: &mut Expr) {
    if number(expr).is_some_and(has_exponent) {
        become_double(expr);
    }
}

/// Makes decimal literals of a column of VALUES doubles when other rows have FLOAT or DOUBLE values there: DataFusion would
/// make these decimals with 15 digits behind the point.
pub(crate) fn columns_have_doubles(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) => of_values(values),
        SetExpr::SetOperation { left, right, .. } => {
            columns_have_doubles(left);
            columns_have_doubles(right);
        }
        // queries in it are visited by themselves
        _ => {}
    }
}

fn of_values(values: &mut Values) {
    let width = values.rows.first().map_or(0, |row| row.content.len());
    for column in 0..width {
        let mut cells = values.rows.iter().filter_map(|r| r.content.get(column));
        if !cells.any(is_floating) {
            continue;
        }
        let cells = values.rows.iter_mut();
        for cell in cells.filter_map(|r| r.content.get_mut(column)) {
            decimal_becomes_double(cell);
        }
    }
}

/// Whether a value is a FLOAT or DOUBLE by the look of it.
fn is_floating(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            DataType::Float(_)
                | DataType::Float4
                | DataType::Float8
                | DataType::Float64
                | DataType::Real
                | DataType::Double(_)
                | DataType::DoublePrecision
        ),
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => is_floating(inner),
        _ => false,
    }
}

fn decimal_becomes_double(expr: &mut Expr) {
    match expr {
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => decimal_becomes_double(inner),
        _ if number(expr).is_some_and(|text| text.contains('.')) => become_double(expr),
        _ => {}
    }
}

/// The text of a number literal.
fn number(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn has_exponent(text: &str) -> bool {
    text.contains(['e', 'E'])
}

/// Reads the digits of a literal as a DOUBLE: a decimal in between could lose some.
fn become_double(expr: &mut Expr) {
    let Expr::Value(value) = expr else { return };
    let Value::Number(text, _) = &value.value else {
        return;
    };
    let mut quoted = value.clone();
    quoted.value = Value::SingleQuotedString(text.to_string());
    *expr = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(quoted)),
        data_type: DataType::Double(ExactNumberInfo::None),
        array: false,
        format: None,
    };
}
