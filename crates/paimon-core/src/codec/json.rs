//! JSON metadata: snapshots, schemas, tags, statistics.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::ser::{Formatter, Serializer};

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

/// One JSON document in the layout of Java's writer: `"key" : value`, a line per key, arrays in one line.
///
/// # Errors
/// `Internal` when the value has no JSON form.
pub fn write_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, JavaLayout::default());
    value
        .serialize(&mut serializer)
        .map_err(|e| Error::internal("metadata has no JSON form").with_source(e))?;
    Ok(out)
}

/// Layout of Jackson's default pretty printer: two blanks per nested object, none for arrays.
#[derive(Default)]
struct JavaLayout {
    depth: usize,
    /// Whether the object or array just ended had anything in it.
    filled: bool,
}

impl JavaLayout {
    fn new_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for JavaLayout {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.filled = false;
        writer.write_all(b"[")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b" " } else { b", " })
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.filled = true;
        writer.write_all(b" ]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.new_line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" : ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.filled {
            self.new_line(writer)?;
        } else {
            writer.write_all(b" ")?;
        }
        self.filled = true;
        writer.write_all(b"}")
    }
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
    fn documents_are_laid_out_as_by_java() {
        let value = serde_json::json!({
            "a": [], "b": {}, "c": [{"x": [1, 2]}, {"y": {"z": null}}]
        });
        let text = String::from_utf8(write_json(&value).unwrap()).unwrap();
        let expected = "{\n  \"a\" : [ ],\n  \"b\" : { },\n  \"c\" : [ {\n    \"x\" : [ 1, 2 ]\n  }, {\n    \"y\" : {\n      \"z\" : null\n    }\n  } ]\n}";
        assert_eq!(text, expected);
    }

    #[test]
    fn deep_nesting_is_an_error_not_an_overflow() {
        let text = "[".repeat(100_000);
        assert!(parse_json::<serde_json::Value>(text.as_bytes(), "tag").is_err());
    }
}
