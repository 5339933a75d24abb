//! Random filters, for Java as JSON and for this engine as SQL.

use paimon_core::spec::{DataField, DataType, TypeKind};
use serde_json::{Value, json};

use super::pools::Pools;
use crate::numbers::Numbers;

/// One filter in both languages.
#[derive(Clone)]
pub struct Filter {
    /// `[op, column, literals..]` or `["and" | "or", filters..]`.
    pub json: Value,
    /// The condition of a WHERE clause.
    pub sql: String,
}

/// A filter on some of these columns; `None` when they have no type that a literal can be written of.
pub fn filter(numbers: &mut Numbers, fields: &[DataField], pools: &mut Pools) -> Option<Filter> {
    let count = *numbers.pick(&[1, 1, 2, 3]);
    let mut filter = atom(numbers, fields, pools)?;
    for _ in 1..count {
        let next = atom(numbers, fields, pools)?;
        let (word, sql) = *numbers.pick(&[("and", "AND"), ("or", "OR")]);
        filter = Filter {
            json: json!([word, filter.json, next.json]),
            sql: format!("({} {sql} {})", filter.sql, next.sql),
        };
    }
    Some(filter)
}

fn atom(numbers: &mut Numbers, fields: &[DataField], pools: &mut Pools) -> Option<Filter> {
    let field = numbers.pick(fields);
    let name = quoted(&field.name);
    if numbers.one_in(8) {
        return Some(null_test(numbers, field));
    }
    let values: Vec<Value> = (0..3)
        .map(|_| pools.value(numbers, field))
        .filter(|v| !v.is_null())
        .collect();
    let literals: Option<Vec<String>> = values
        .iter()
        .map(|v| literal(v, &field.data_type))
        .collect();
    let (Some(literals), false) = (literals, values.is_empty()) else {
        return Some(null_test(numbers, field));
    };
    let misread = match field.data_type.kind {
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => pools.signed_bytes,
        TypeKind::Char(_) => pools.orc,
        TypeKind::Float | TypeKind::Double => pools.parquet,
        _ => false,
    };
    if misread {
        return Some(null_test(numbers, field));
    }
    if let (TypeKind::VarChar(_) | TypeKind::Char(_), true) =
        (&field.data_type.kind, numbers.one_in(3))
    {
        return Some(pattern(numbers, field, &values[0]));
    }
    let op = *numbers.pick(&[
        "=", "=", "!=", "<", "<=", ">", ">=", "in", "in", "not_in", "between",
    ]);
    Some(match op {
        "in" | "not_in" => {
            let mut json = vec![json!(op), json!(field.name)];
            json.extend(values);
            let word = if op == "in" { "IN" } else { "NOT IN" };
            Filter {
                json: Value::Array(json),
                sql: format!("{name} {word} ({})", literals.join(", ")),
            }
        }
        "between" => {
            let last = values.len() - 1;
            Filter {
                json: json!([op, field.name, values[0], values[last]]),
                sql: format!("{name} BETWEEN {} AND {}", literals[0], literals[last]),
            }
        }
        _ => Filter {
            json: json!([op, field.name, values[0]]),
            sql: format!("{name} {op} {}", literals[0]),
        },
    })
}

fn null_test(numbers: &mut Numbers, field: &DataField) -> Filter {
    let (op, sql) = *numbers.pick(&[("is_null", "IS NULL"), ("is_not_null", "IS NOT NULL")]);
    Filter {
        json: json!([op, field.name]),
        sql: format!("{} {sql}", quoted(&field.name)),
    }
}

fn pattern(numbers: &mut Numbers, field: &DataField, value: &Value) -> Filter {
    let text = value.as_str().unwrap_or_default();
    // what a pattern or a backslash means is not the question here
    let text: String = text
        .chars()
        .filter(|c| !"%_\\".contains(*c))
        .take(1 + numbers.index(3))
        .collect();
    let (op, before, after) = *numbers.pick(&[
        ("starts_with", "", "%"),
        ("ends_with", "%", ""),
        ("contains", "%", "%"),
    ]);
    let pattern = string(&format!("{before}{text}{after}"));
    Filter {
        json: json!([op, field.name, text]),
        sql: format!("{} LIKE {pattern}", quoted(&field.name)),
    }
}

/// A name in SQL.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value that is not null in SQL, where it means the same to everyone.
pub fn literal(value: &Value, data_type: &DataType) -> Option<String> {
    let text = || value.as_str().map(str::to_string);
    Some(match &data_type.kind {
        TypeKind::Boolean => value.to_string(),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt => {
            match value.as_i64()? {
                // its digits without the sign are too large
                i64::MIN => return None,
                number => number.to_string(),
            }
        }
        TypeKind::Float | TypeKind::Double => {
            let text = text()?;
            let plain = !matches!(text.as_str(), "NaN" | "0.0" | "-0.0") && !text.contains("Inf");
            if !plain {
                return None;
            }
            let kind = if matches!(data_type.kind, TypeKind::Float) {
                "FLOAT"
            } else {
                "DOUBLE"
            };
            format!("CAST('{text}' AS {kind})")
        }
        TypeKind::Decimal { precision, scale } => {
            format!("CAST('{}' AS DECIMAL({precision}, {scale}))", text()?)
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => string(&text()?),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => format!("X'{}'", text()?),
        TypeKind::Date => format!("DATE '{}'", text()?),
        TypeKind::Time(_) => format!("TIME '{}'", text()?),
        TypeKind::Timestamp(_) => format!("TIMESTAMP '{}'", text()?.replacen('T', " ", 1)),
        _ => return None,
    })
}
