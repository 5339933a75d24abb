//! Number literals: DOUBLE where Spark and Flink have it, exact decimals elsewhere.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, Value};

/// A literal such as `1e-20` is a DOUBLE in Spark and Flink; as a decimal it would not fit.
pub(crate) fn exponents_are_doubles(expr: &mut Expr) {
    if number(expr).is_some_and(has_exponent) {
        become_double(expr);
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
