//! Text to ARRAY, MAP and ROW: `[a, b]`, `{k -> v}`, `{a, b}`, or `ARRAY(..)`, `MAP(k, v, ..)`, `STRUCT(..)`.
//!
//! Source: `StringToArrayCastRule`, `StringToMapCastRule`, `StringToRowCastRule`; used for column defaults.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, StringViewBuilder};
use arrow_array::timezone::Tz;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StringViewArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType as ArrowType;
use indexmap::IndexMap;

use super::parse::cannot_cast;
use super::{arrow_type, cast_in_zone, unsupported};
use crate::error::{Error, Result};
use crate::spec::{DataType, TypeKind};

/// Casts strings to ARRAY, MAP or ROW.
pub(super) fn from_strings(
    array: &StringViewArray,
    from: &DataType,
    to: &DataType,
    zone: Tz,
) -> Result<ArrayRef> {
    match &to.kind {
        TypeKind::Array(element) => to_list(array, element, to, zone),
        TypeKind::Map(key, value) => to_map(array, (key, value), to, zone),
        TypeKind::Row(_) => to_row(array, to, zone),
        _ => Err(unsupported(from, to)),
    }
}

fn to_list(
    array: &StringViewArray,
    element: &DataType,
    to: &DataType,
    zone: Tz,
) -> Result<ArrayRef> {
    let mut texts = StringViewBuilder::new();
    let mut offsets = vec![0i32];
    for text in array {
        if let Some(text) = text {
            let content =
                content(text, '[', ']', "ARRAY").ok_or_else(|| cannot_cast(text, &to.kind))?;
            for token in split(content, false) {
                append_token(&mut texts, token.trim());
            }
        }
        offsets.push(length(texts.len())?);
    }
    let values = cast_texts(texts, element, zone)?;
    let ArrowType::List(field) = arrow_type(to) else {
        return Err(Error::internal(format!("{to} is not a list")));
    };
    Ok(Arc::new(ListArray::try_new(
        field,
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        values,
        array.nulls().cloned(),
    )?))
}

fn to_map(
    array: &StringViewArray,
    (key, value): (&DataType, &DataType),
    to: &DataType,
    zone: Tz,
) -> Result<ArrayRef> {
    let mut keys = StringViewBuilder::new();
    let mut values = StringViewBuilder::new();
    let mut offsets = vec![0i32];
    let mut valid = Vec::with_capacity(array.len());
    for text in array {
        let text = text.filter(|t| !t.trim().eq_ignore_ascii_case("NULL"));
        valid.push(text.is_some());
        if let Some(text) = text {
            let entries = map_entries(text).ok_or_else(|| cannot_cast(text, &to.kind))?;
            for (k, v) in &entries {
                append_token(&mut keys, k);
                append_token(&mut values, v);
            }
        }
        offsets.push(length(keys.len())?);
    }
    let ArrowType::Map(entries_field, ordered) = arrow_type(to) else {
        return Err(Error::internal(format!("{to} is not a map")));
    };
    let ArrowType::Struct(fields) = entries_field.data_type() else {
        return Err(Error::internal(format!("{to} has no entries")));
    };
    let columns = vec![
        cast_texts(keys, key, zone)?,
        cast_texts(values, value, zone)?,
    ];
    let entries = StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(MapArray::try_new(
        Arc::clone(&entries_field),
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        entries,
        nulls(valid),
        ordered,
    )?))
}

fn to_row(array: &StringViewArray, to: &DataType, zone: Tz) -> Result<ArrayRef> {
    let (TypeKind::Row(fields), ArrowType::Struct(arrow_fields)) = (&to.kind, arrow_type(to))
    else {
        return Err(Error::internal(format!("{to} is not a row")));
    };
    let mut columns: Vec<_> = fields.iter().map(|_| StringViewBuilder::new()).collect();
    for text in array {
        let tokens = match text {
            Some(text) => {
                let content =
                    content(text, '{', '}', "STRUCT").ok_or_else(|| cannot_cast(text, &to.kind))?;
                let tokens = split(content, false);
                if !tokens.is_empty() && tokens.len() != fields.len() {
                    return Err(cannot_cast(text, &to.kind));
                }
                tokens
            }
            None => Vec::new(),
        };
        for (i, column) in columns.iter_mut().enumerate() {
            match tokens.get(i) {
                Some(token) => append_token(column, token.trim()),
                None => column.append_null(),
            }
        }
    }
    let children = columns
        .into_iter()
        .zip(fields)
        .map(|(texts, field)| cast_texts(texts, &field.data_type, zone))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(
        arrow_fields,
        children,
        array.nulls().cloned(),
        array.len(),
    )?))
}

fn cast_texts(mut texts: StringViewBuilder, to: &DataType, zone: Tz) -> Result<ArrayRef> {
    let array: ArrayRef = Arc::new(texts.finish());
    cast_in_zone(&array, &DataType::string(), to, zone)
}

fn append_token(builder: &mut StringViewBuilder, token: &str) {
    if token == "null" {
        builder.append_null();
    } else {
        builder.append_value(token);
    }
}

fn nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0)
}

fn length(count: usize) -> Result<i32> {
    i32::try_from(count).map_err(|_| {
        Error::new(
            crate::ErrorKind::ResourceExhausted,
            format!("{count} elements in one batch are above {}", i32::MAX),
        )
    })
}

/// What stands between the brackets, or between the parentheses after the function name.
fn content<'a>(text: &'a str, open: char, close: char, function: &str) -> Option<&'a str> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix(open).and_then(|t| t.strip_suffix(close)) {
        return Some(inner.trim());
    }
    let name = text.get(..function.len())?;
    if !name.eq_ignore_ascii_case(function) {
        return None;
    }
    let inner = text[function.len()..].trim_start();
    Some(inner.strip_prefix('(')?.strip_suffix(')')?.trim())
}

/// Keys and values; the last value of a repeated key counts.
fn map_entries(text: &str) -> Option<IndexMap<String, String>> {
    let trimmed = text.trim();
    let pairs: Vec<(String, String)> = if trimmed.starts_with('{') {
        split(content(trimmed, '{', '}', "MAP")?, true)
            .into_iter()
            .map(|entry| {
                let (k, v) = entry.split_once("->")?;
                let (k, v) = (k.trim(), v.trim());
                (!k.is_empty() && !v.is_empty()).then(|| (k.to_owned(), v.to_owned()))
            })
            .collect::<Option<_>>()?
    } else {
        let tokens = split(content(trimmed, '{', '}', "MAP")?, true);
        if !tokens.len().is_multiple_of(2) {
            return None;
        }
        tokens
            .chunks_exact(2)
            .map(|pair| (pair[0].trim().to_owned(), pair[1].trim().to_owned()))
            .collect()
    };
    Some(pairs.into_iter().collect())
}

/// Splits at commas outside of quotes and brackets; empty parts vanish. `unquote` drops quotes, backslashes and the
/// characters after backslashes (what Java does for maps only).
fn split(content: &str, unquote: bool) -> Vec<String> {
    let mut parts = Vec::new();
    let mut current = String::new();
    let mut depth = 0usize;
    let (mut quoted, mut escaped) = (false, false);
    for c in content.chars() {
        let special = escaped || c == '\\' || c == '"';
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        } else if !quoted {
            match c {
                '[' | '{' | '(' => depth += 1,
                ']' | '}' | ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    if !current.is_empty() {
                        parts.push(std::mem::take(&mut current));
                    }
                    continue;
                }
                _ => {}
            }
        }
        if !(unquote && special) {
            current.push(c);
        }
    }
    if !current.is_empty() {
        parts.push(current);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_respects_brackets_and_quotes() {
        assert_eq!(
            split("a, [b, c], \"d, e\"", false),
            ["a", " [b, c]", " \"d, e\""]
        );
        assert_eq!(split("a,,b", false), ["a", "b"]);
        assert_eq!(split("\"k\" -> 1, j -> 2", true), ["k -> 1", " j -> 2"]);
    }

    #[test]
    fn content_takes_brackets_or_a_function() {
        assert_eq!(content(" [a] ", '[', ']', "ARRAY"), Some("a"));
        assert_eq!(content("array (a, b)", '[', ']', "ARRAY"), Some("a, b"));
        assert_eq!(content("a", '[', ']', "ARRAY"), None);
        assert_eq!(content("é", '[', ']', "ARRAY"), None);
    }
}
