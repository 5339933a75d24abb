//! Values of JSON files: fields by name.

use serde_json::{Deserializer, Map, Value};

/// Largest file of one JSON value, bytes.
pub(super) const WHOLE_MAX: usize = 8 << 20;

/// A record, or what is wrong with it.
pub(super) type Record = Result<Map<String, Value>, String>;

/// The record of a line.
pub(super) fn record(line: &str) -> Record {
    match serde_json::from_str(line) {
        Ok(value) => object(value),
        Err(_) => Err(malformed(line)),
    }
}

/// The records of a whole file: the elements of its arrays, and its objects.
pub(super) fn records(bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    for value in Deserializer::from_slice(bytes).into_iter::<Value>() {
        match value {
            Ok(Value::Array(elements)) => records.extend(elements.into_iter().map(object)),
            Ok(value) => records.push(object(value)),
            Err(error) => records.push(Err(format!("malformed JSON: {error}"))),
        }
    }
    records
}

fn object(value: Value) -> Record {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(malformed(&other.to_string())),
    }
}

fn malformed(text: &str) -> String {
    let start: String = text.chars().take(100).collect();
    format!("malformed record: {start}")
}

/// A value as a text for a column of single values; null has none.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_are_objects_alone_or_in_arrays() {
        let all = records(b"[{\"a\": 1}, 5]\n{\"a\": 2} {\"a\": 3}");
        let good = all.iter().filter(|r| r.is_ok()).count();
        assert_eq!((all.len(), good), (4, 3));
        // what follows broken text cannot be told apart
        let broken = records(b"{\"a\": 1} {\"a\": ");
        assert_eq!(broken.len(), 2);
        assert!(broken[1].as_ref().unwrap_err().contains("malformed"));
        assert!(records(b"  ").is_empty());
        assert!(record("[1]").is_err());
        assert_eq!(record("{\"a\": [1, 2]}").unwrap()["a"].to_string(), "[1,2]");
    }

    #[test]
    fn single_values_are_texts() {
        for (json, expected) in [
            ("null", None),
            ("\"x\"", Some("x")),
            ("1.50", Some("1.5")),
            ("true", Some("true")),
            ("{\"a\":1}", Some("{\"a\":1}")),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(text(&value).as_deref(), expected, "{json}");
        }
    }
}
