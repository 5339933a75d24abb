//! JSON metadata: snapshots, schemas, tags, statistics.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::error::{Error, Result};

/// Parses one JSON document that `what` names in errors ("snapshot", "schema", ..).
///
/// Nesting is limited to 128 levels. The size is the caller's to limit.
///
/// # Errors
/// `Damaged` with line and column when the text is cut short, is no JSON, or lacks or mistypes a field.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| {
        let problem = match e.classify() {
            Category::Eof => "ends too early",
            Category::Syntax => "is not valid JSON",
            Category::Data => "has a missing or mistyped field",
            Category::Io => "cannot be read",
        };
        Error::damaged(format!("{what} {problem}"))
            .with("line", e.line())
            .with("column", e.column())
            .with_source(e)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn cut_document_is_damaged_with_position() {
        let error = parse_json::<Vec<i32>>(b"[1,\n2", "schema").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(
            error
                .to_string()
                .starts_with("schema ends too early (line = 2"),
            "{error}"
        );
    }

    #[test]
    fn deep_nesting_is_an_error_not_an_overflow() {
        let text = "[".repeat(100_000);
        assert!(parse_json::<serde_json::Value>(text.as_bytes(), "tag").is_err());
    }
}
