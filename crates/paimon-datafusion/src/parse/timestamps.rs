//! The precision of timestamp literals.

use datafusion::sql::sqlparser::ast::{DataType, Expr, Value};

/// `TIMESTAMP` without a precision has microseconds; a literal that writes more digits keeps them.
pub(crate) fn keep_nanoseconds(expr: &mut Expr) {
    let (data_type, value) = match expr {
        Expr::TypedString(typed) => (&mut typed.data_type, &typed.value.value),
        Expr::Cast {
            expr: inner,
            data_type,
            ..
        } => match &**inner {
            Expr::Value(value) => (data_type, &value.value),
            _ => return,
        },
        _ => return,
    };
    if let (DataType::Timestamp(precision @ None, _), Value::SingleQuotedString(text)) =
        (data_type, value)
        && has_nanoseconds(text)
    {
        *precision = Some(9);
    }
}

/// Whether more than six digits follow the point and the year fits 64 bits of nanoseconds.
fn has_nanoseconds(text: &str) -> bool {
    let digits = text.split_once('.').map_or(0, |(_, fraction)| {
        fraction.bytes().take_while(u8::is_ascii_digit).count()
    });
    let year = text.trim().get(..4).and_then(|y| y.parse::<u16>().ok());
    digits > 6 && year.is_some_and(|y| (1678..2262).contains(&y))
}
