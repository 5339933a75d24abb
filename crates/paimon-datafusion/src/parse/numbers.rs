//! Number literals with an exponent.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, Value};

/// A literal such as `1e-20` is a DOUBLE in Spark and Flink; as a decimal it would not fit.
pub(crate) fn exponents_are_doubles(expr: &mut Expr) {
    let Expr::Value(value) = expr else { return };
    let Value::Number(text, _) = &value.value else {
        return;
    };
    if !text.contains(['e', 'E']) {
        return;
    }
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
