//! Golden tables: queries with the rows that Java reads.

use std::collections::HashMap;
use std::path::Path;

use paimon_core::predicate::{Predicate, PredicateOp};
use paimon_core::spec::{DataField, DataType, Datum, TypeKind};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One entry of `expected.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenEntry {
    /// What is asked.
    pub query: GoldenQuery,
    /// Names and types of the columns.
    #[serde(default)]
    pub columns: Vec<(String, String)>,
    /// Rows, sorted.
    pub rows: Option<Vec<Value>>,
    /// Rows of a stream, plan by plan.
    pub batches: Option<Vec<GoldenBatch>>,
    /// Number of rows of a digest.
    pub row_count: Option<usize>,
    /// Digest of the rows.
    pub sha256: Option<String>,
}

/// The rows of one plan of a stream.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenBatch {
    /// The snapshot that the next plan starts with.
    pub next_snapshot: i64,
    /// Rows, sorted.
    pub rows: Vec<Value>,
}

/// The query of an entry.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GoldenQuery {
    /// Label.
    pub name: String,
    /// Dynamic options.
    pub options: HashMap<String, String>,
    /// Branch.
    pub branch: Option<String>,
    /// System table.
    pub system: Option<String>,
    /// Table of a warehouse.
    pub table: Option<String>,
    /// Format table description.
    pub format_table: Option<Value>,
    /// Columns.
    pub projection: Option<Vec<String>>,
    /// Filter.
    pub filter: Option<Value>,
    /// `stream` or nothing.
    pub kind: Option<String>,
    /// Array columns without an order of elements.
    pub unordered: Option<Vec<String>>,
    /// The read must fail.
    pub expect_error: bool,
    /// The read may fail.
    pub may_error: bool,
}

/// Reads a golden's entries.
///
/// # Errors
/// When the file is missing or malformed.
pub fn load(folder: &Path) -> Result<Vec<GoldenEntry>, String> {
    let path = folder.join("expected.json");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// A filter in terms of a table's columns.
///
/// # Errors
/// For an unknown column or operation.
pub fn filter_of(json: &Value, fields: &[DataField]) -> Result<Predicate, String> {
    let parts = json.as_array().ok_or("a filter is an array")?;
    let op = parts
        .first()
        .and_then(Value::as_str)
        .ok_or("a filter starts with its operation")?;
    if op == "and" || op == "or" {
        let inner: Result<Vec<_>, _> = parts[1..].iter().map(|p| filter_of(p, fields)).collect();
        return Ok(if op == "and" {
            Predicate::and(inner?)
        } else {
            Predicate::or(inner?)
        });
    }
    let name = parts
        .get(1)
        .and_then(Value::as_str)
        .ok_or("a filter names a column")?;
    let field = fields
        .iter()
        .find(|f| f.name == name)
        .ok_or(format!("no column {name}"))?;
    let literal = |v: &Value| literal_of(v, &field.data_type);
    let leaf = |op, values: Vec<Option<Datum>>| {
        Predicate::leaf(field, op, values).map_err(|e| e.to_string())
    };
    let all = || -> Result<Vec<Option<Datum>>, String> {
        parts[2..]
            .iter()
            .flat_map(|v| match v {
                Value::Array(list) => list.clone(),
                other => vec![other.clone()],
            })
            .map(|v| literal(&v))
            .collect()
    };
    match op {
        "=" => leaf(PredicateOp::Eq, all()?),
        "!=" => leaf(PredicateOp::NotEq, all()?),
        "<" => leaf(PredicateOp::Lt, all()?),
        "<=" => leaf(PredicateOp::LtEq, all()?),
        ">" => leaf(PredicateOp::Gt, all()?),
        ">=" => leaf(PredicateOp::GtEq, all()?),
        "is_null" => leaf(PredicateOp::IsNull, vec![]),
        "is_not_null" => leaf(PredicateOp::IsNotNull, vec![]),
        "in" => leaf(PredicateOp::In, all()?),
        "not_in" => leaf(PredicateOp::NotIn, all()?),
        "starts_with" => leaf(PredicateOp::StartsWith, all()?),
        "ends_with" => leaf(PredicateOp::EndsWith, all()?),
        "contains" => leaf(PredicateOp::Contains, all()?),
        "like" => leaf(PredicateOp::Like, all()?),
        "between" => {
            let bounds = all()?;
            let [low, high] = bounds.as_slice() else {
                return Err("between takes two literals".into());
            };
            Ok(Predicate::and([
                leaf(PredicateOp::GtEq, vec![low.clone()])?,
                leaf(PredicateOp::LtEq, vec![high.clone()])?,
            ]))
        }
        other => Err(format!("unknown operation {other}")),
    }
}

fn literal_of(value: &Value, data_type: &DataType) -> Result<Option<Datum>, String> {
    let bad = || format!("{value} is no {data_type}");
    let int = || value.as_i64().ok_or_else(bad);
    let text = || value.as_str().ok_or_else(bad);
    if value.is_null() {
        return Ok(None);
    }
    Ok(Some(match &data_type.kind {
        TypeKind::Boolean => Datum::Boolean(value.as_bool().ok_or_else(bad)?),
        TypeKind::TinyInt => Datum::TinyInt(i8::try_from(int()?).map_err(|_| bad())?),
        TypeKind::SmallInt => Datum::SmallInt(i16::try_from(int()?).map_err(|_| bad())?),
        TypeKind::Int => Datum::Int(i32::try_from(int()?).map_err(|_| bad())?),
        TypeKind::BigInt => Datum::BigInt(int()?),
        TypeKind::Float => Datum::Float(number(value).ok_or_else(bad)?.parse().map_err(|_| bad())?),
        TypeKind::Double => {
            Datum::Double(number(value).ok_or_else(bad)?.parse().map_err(|_| bad())?)
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => Datum::String(text()?.to_string()),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => {
            Datum::Bytes(hex::decode(text()?).map_err(|_| bad())?)
        }
        TypeKind::Decimal { scale, .. } => {
            let digits = text()?.replace('.', "");
            Datum::Decimal {
                unscaled: digits.parse().map_err(|_| bad())?,
                scale: *scale,
            }
        }
        TypeKind::Date => {
            let date = chrono::NaiveDate::parse_from_str(text()?, "%Y-%m-%d").map_err(|_| bad())?;
            let epoch = chrono::NaiveDate::default();
            let days = date.signed_duration_since(epoch).num_days();
            Datum::Date(i32::try_from(days).map_err(|_| bad())?)
        }
        TypeKind::Time(_) => {
            let time =
                chrono::NaiveTime::parse_from_str(text()?, "%H:%M:%S%.f").map_err(|_| bad())?;
            let since = time.signed_duration_since(chrono::NaiveTime::default());
            Datum::Time(i32::try_from(since.num_milliseconds()).map_err(|_| bad())?)
        }
        TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => {
            let plain = text()?.trim_end_matches('Z');
            let time = chrono::NaiveDateTime::parse_from_str(plain, "%Y-%m-%dT%H:%M:%S%.f")
                .map_err(|_| bad())?
                .and_utc();
            Datum::Timestamp {
                millis: time.timestamp_millis(),
                nanos: i32::try_from(time.timestamp_subsec_nanos() % 1_000_000)
                    .map_err(|_| bad())?,
            }
        }
        other => return Err(format!("no literals of type {other}")),
    }))
}

fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(n) => Some(n.to_string()),
        Value::String(s) if s == "Infinity" => Some("inf".into()),
        Value::String(s) if s == "-Infinity" => Some("-inf".into()),
        Value::String(s) => Some(s.clone()),
        _ => None,
    }
}

/// Whether rows equal those of an entry; says where they differ first.
///
/// # Errors
/// A text that shows the difference.
pub fn compare(entry: &GoldenEntry, rows: Vec<Value>) -> Result<(), String> {
    let columns: Vec<&str> = entry.columns.iter().map(|(n, _)| n.as_str()).collect();
    let unordered: Vec<usize> = entry
        .query
        .unordered
        .iter()
        .flatten()
        .filter_map(|name| columns.iter().position(|c| c == name))
        .collect();
    if let Some(sha) = &entry.sha256 {
        let mut lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        lines.sort();
        if Some(lines.len()) != entry.row_count {
            return Err(format!(
                "expected {:?} rows, found {}",
                entry.row_count,
                lines.len()
            ));
        }
        let mut hash = Sha256::new();
        for line in &lines {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
        let found = hex::encode(hash.finalize());
        return if found == *sha {
            Ok(())
        } else {
            Err("digest differs".into())
        };
    }
    let normal = |row: &Value| normalise(row, &unordered).to_string();
    let mut found: Vec<String> = rows.iter().map(normal).collect();
    let mut expected: Vec<String> = entry.rows.iter().flatten().map(normal).collect();
    found.sort();
    expected.sort();
    if found == expected {
        return Ok(());
    }
    let missing: Vec<&String> = expected
        .iter()
        .filter(|r| !found.contains(r))
        .take(2)
        .collect();
    let extra: Vec<&String> = found
        .iter()
        .filter(|r| !expected.contains(r))
        .take(2)
        .collect();
    Err(format!(
        "expected {} rows, found {}; missing {missing:?}; not expected {extra:?}",
        expected.len(),
        found.len()
    ))
}

fn normalise(row: &Value, unordered: &[usize]) -> Value {
    let mut row = zero(row.clone());
    if let Value::Array(values) = &mut row {
        for column in unordered {
            if let Some(Value::Array(elements)) = values.get_mut(column + 1) {
                elements.sort_by_key(Value::to_string);
            }
        }
    }
    row
}

/// -0.0 as 0.0 and the keys of JSON texts in one order, at every depth.
fn zero(value: Value) -> Value {
    match value {
        Value::Number(n) if n.as_f64() == Some(0.0) && n.is_f64() => Value::from(0.0),
        Value::String(text) if text.starts_with("{\"") => {
            let sorted = serde_json::from_str::<Value>(&text).map(|v| v.to_string());
            Value::String(sorted.unwrap_or(text))
        }
        Value::Array(list) => Value::Array(list.into_iter().map(zero).collect()),
        other => other,
    }
}
