//! Values of JSON lines.
//!
//! Java: `JsonFileReader`, `JsonFormatWriter`. Every value is written as a text; numbers and booleans are read as well.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType as ArrowType;
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::{DataField, DataType, TypeKind};
use paimon_core::{Error, Result};
use serde_json::{Map, Value};

use super::values::{texts, typed, unlike};

/// An object of a line; `None` when the line is none.
pub(super) fn object(line: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// Reads values as a column.
///
/// # Errors
/// `Damaged` for a value that cannot be read, unless these are null; `Unsupported` for a type that JSON cannot hold.
pub(crate) fn column(
    values: &[Option<&Value>],
    data_type: &DataType,
    ignores_errors: bool,
) -> Result<ArrayRef> {
    let values: Vec<Option<&Value>> = values
        .iter()
        .map(|value| value.filter(|v| !v.is_null()))
        .collect();
    let wrong = |what: &str| Error::damaged(format!("a value of a JSON file is no {what}"));
    // what is of another kind
    let check = |fits: fn(&Value) -> bool, what: &str| match ignores_errors {
        true => Ok(values
            .iter()
            .map(|value| value.filter(|v| fits(v)))
            .collect::<Vec<_>>()),
        false if values.iter().flatten().any(|v| !fits(v)) => Err(wrong(what)),
        false => Ok(values.clone()),
    };
    match &data_type.kind {
        TypeKind::Array(element) => {
            let values = check(Value::is_array, "array")?;
            list(&values, data_type, element, ignores_errors)
        }
        TypeKind::Map(key, value) => {
            let values = check(Value::is_object, "object")?;
            map(&values, data_type, key, value, ignores_errors)
        }
        TypeKind::Row(fields) => {
            let values = check(Value::is_object, "object")?;
            row(&values, fields, ignores_errors)
        }
        _ => {
            let texts: Vec<Option<String>> = values.iter().map(|v| v.map(text)).collect();
            let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            scalars(&texts, data_type, ignores_errors)
        }
    }
}

fn scalars(texts: &[Option<&str>], data_type: &DataType, ignores_errors: bool) -> Result<ArrayRef> {
    let read = typed(texts, data_type)?;
    match read.malformed.first() {
        Some(at) if !ignores_errors => {
            let text = texts.get(*at).copied().flatten().unwrap_or_default();
            Err(Error::damaged(format!(
                "a value of a JSON file is no {}: {text:?}",
                data_type.kind
            )))
        }
        _ => Ok(read.array),
    }
}

/// A value as a text: objects and arrays have none.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => String::new(),
        other => other.to_string(),
    }
}

/// Offsets of the children of each row.
fn offsets(lengths: impl Iterator<Item = usize>) -> OffsetBuffer<i32> {
    OffsetBuffer::from_lengths(lengths)
}

fn nulls(values: &[Option<&Value>]) -> Option<NullBuffer> {
    Some(NullBuffer::from_iter(values.iter().map(Option::is_some)))
}

fn items<'a>(value: &Option<&'a Value>) -> Option<&'a Vec<Value>> {
    value.and_then(Value::as_array)
}

fn entries<'a>(value: &Option<&'a Value>) -> Option<&'a Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn broken(e: arrow::error::ArrowError) -> Error {
    Error::internal("a nested column could not be made").with_source(e)
}

fn list(
    values: &[Option<&Value>],
    data_type: &DataType,
    element: &DataType,
    ignores_errors: bool,
) -> Result<ArrayRef> {
    let ArrowType::List(field) = arrow_type(data_type) else {
        return Err(unlike(data_type));
    };
    let lengths = offsets(values.iter().map(|v| items(v).map_or(0, Vec::len)));
    let children: Vec<Option<&Value>> = values
        .iter()
        .filter_map(items)
        .flatten()
        .map(Some)
        .collect();
    let children = column(&children, element, ignores_errors)?;
    let list = ListArray::try_new(field, lengths, children, nulls(values)).map_err(broken)?;
    Ok(Arc::new(list))
}

fn map(
    values: &[Option<&Value>],
    data_type: &DataType,
    key: &DataType,
    value: &DataType,
    ignores_errors: bool,
) -> Result<ArrayRef> {
    let ArrowType::Map(field, sorted) = arrow_type(data_type) else {
        return Err(unlike(data_type));
    };
    let ArrowType::Struct(fields) = field.data_type() else {
        return Err(unlike(data_type));
    };
    let lengths = offsets(values.iter().map(|v| entries(v).map_or(0, Map::len)));
    let all = || values.iter().filter_map(entries).flatten();
    let keys: Vec<Option<&str>> = all().map(|(k, _)| Some(k.as_str())).collect();
    let children: Vec<Option<&Value>> = all().map(|(_, v)| Some(v)).collect();
    let keys = scalars(&keys, key, false)?;
    let children = column(&children, value, ignores_errors)?;
    let pairs = StructArray::try_new(fields.clone(), vec![keys, children], None);
    let pairs = pairs.map_err(broken)?;
    let map = MapArray::try_new(field.clone(), lengths, pairs, nulls(values), sorted);
    Ok(Arc::new(map.map_err(broken)?))
}

fn row(values: &[Option<&Value>], fields: &[DataField], ignores_errors: bool) -> Result<ArrayRef> {
    let ArrowType::Struct(arrow_fields) =
        arrow_type(&DataType::nullable(TypeKind::Row(fields.to_vec())))
    else {
        return Err(Error::internal("a row has no Arrow type"));
    };
    if fields.is_empty() {
        return Err(Error::unsupported(
            "JSON files cannot hold rows without fields",
        ));
    }
    let columns = fields
        .iter()
        .map(|field| {
            let children: Vec<Option<&Value>> = values
                .iter()
                .map(|value| entries(value).and_then(|o| o.get(&field.name)))
                .collect();
            column(&children, &field.data_type, ignores_errors)
        })
        .collect::<Result<Vec<_>>>()?;
    let row = StructArray::try_new(arrow_fields, columns, nulls(values));
    Ok(Arc::new(row.map_err(broken)?))
}

/// The rows of columns as objects in lines; each line ends with the delimiter.
///
/// # Errors
/// `Unsupported` for a type that JSON cannot hold.
pub(super) fn write(
    columns: &[ArrayRef],
    fields: &[DataField],
    rows: usize,
    delimiter: &str,
) -> Result<String> {
    let mut out = String::new();
    for object in objects(columns, fields, rows)? {
        out.push_str(&object);
        out.push_str(delimiter);
    }
    Ok(out)
}

fn quoted(text: &str) -> String {
    Value::String(text.to_string()).to_string()
}

fn objects(columns: &[ArrayRef], fields: &[DataField], rows: usize) -> Result<Vec<String>> {
    let written = columns
        .iter()
        .zip(fields)
        .map(|(column, field)| {
            let written = texts_of(column, &field.data_type);
            written.map_err(|e| e.with("column", &field.name))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut objects = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut object = String::from("{");
        for (field, values) in fields.iter().zip(&written) {
            let comma = if object.len() > 1 { "," } else { "" };
            let value = values.get(row).map_or("null", String::as_str);
            let _ = write!(object, "{comma}{}:{value}", quoted(&field.name));
        }
        object.push('}');
        objects.push(object);
    }
    Ok(objects)
}

/// The values of a column as JSON.
fn texts_of(array: &ArrayRef, data_type: &DataType) -> Result<Vec<String>> {
    let null = |at: usize, text: String| match array.is_null(at) {
        true => "null".to_string(),
        false => text,
    };
    match &data_type.kind {
        TypeKind::Array(element) => {
            let list = array
                .as_list_opt::<i32>()
                .ok_or_else(|| unlike(data_type))?;
            let items = texts_of(list.values(), element)?;
            Ok(ranges(list.value_offsets())
                .enumerate()
                .map(|(at, range)| {
                    let items = items.get(range).unwrap_or_default();
                    null(at, format!("[{}]", items.join(",")))
                })
                .collect())
        }
        TypeKind::Map(key, value) => {
            let map = array.as_map_opt().ok_or_else(|| unlike(data_type))?;
            let keys = texts(map.keys(), key)?;
            let values = texts_of(map.values(), value)?;
            let pair = |at: usize| {
                let value = values.get(at).map_or("null", String::as_str);
                format!("{}:{value}", quoted(keys.value(at)))
            };
            Ok(ranges(map.value_offsets())
                .enumerate()
                .map(|(at, range)| {
                    let pairs: Vec<String> = range.map(pair).collect();
                    null(at, format!("{{{}}}", pairs.join(",")))
                })
                .collect())
        }
        TypeKind::Row(fields) => {
            let row = array.as_struct_opt().ok_or_else(|| unlike(data_type))?;
            let objects = objects(row.columns(), fields, row.len())?;
            let objects = objects.into_iter().enumerate();
            Ok(objects.map(|(at, text)| null(at, text)).collect())
        }
        _ => {
            let texts = texts(array, data_type)?;
            let json = |text: Option<&str>| text.map_or("null".to_string(), quoted);
            Ok(texts.iter().map(json).collect())
        }
    }
}

fn ranges(offsets: &[i32]) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let at = |offset: i32| usize::try_from(offset).unwrap_or(0);
    offsets.windows(2).map(move |w| match w {
        [start, end] => at(*start)..at(*end),
        _ => 0..0,
    })
}

/// A column of nulls.
pub(super) fn missing(data_type: &DataType, rows: usize) -> ArrayRef {
    new_null_array(&arrow_type(data_type), rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::spec::parse_data_type;

    use super::*;

    fn field(name: &str, data_type: &str) -> DataField {
        DataField::new(0, name, parse_data_type(data_type).unwrap())
    }

    #[test]
    fn nested_values_come_back_as_they_were_written() {
        let fields = [
            field("i", "INT"),
            field("a", "ARRAY<DOUBLE>"),
            field("m", "MAP<INT, STRING>"),
            field("r", "ROW<x DATE, y ARRAY<INT>>"),
        ];
        let lines = [
            r#"{"i":"1","a":["1.5",null],"m":{"7":"x\"y"},"r":{"x":"2024-01-02","y":["3"]}}"#,
            r#"{"i":null,"a":null,"m":null,"r":null}"#,
            r#"{"i":"-2","a":[],"m":{},"r":{"x":null,"y":null}}"#,
        ];
        let objects: Vec<_> = lines.iter().map(|l| object(l).unwrap()).collect();
        let columns: Vec<ArrayRef> = fields
            .iter()
            .map(|f| {
                let values: Vec<Option<&Value>> = objects.iter().map(|o| o.get(&f.name)).collect();
                column(&values, &f.data_type, false).unwrap()
            })
            .collect();
        let again = write(&columns, &fields, 3, "\n").unwrap();
        assert_eq!(again.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn bare_numbers_and_booleans_are_read() {
        let object = object(r#"{"n": 12, "b": true, "s": 1.5, "d": 3}"#).unwrap();
        for (name, data_type, text) in [
            ("n", "BIGINT", "12"),
            ("b", "BOOLEAN", "true"),
            ("s", "STRING", "1.5"),
            ("d", "DOUBLE", "3.0"),
        ] {
            let data_type = parse_data_type(data_type).unwrap();
            let array = column(&[object.get(name)], &data_type, false).unwrap();
            assert_eq!(texts(&array, &data_type).unwrap().value(0), text);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_or_null() {
        let int = parse_data_type("INT").unwrap();
        let wrong = Value::String("x".into());
        let error = column(&[Some(&wrong)], &int, false).unwrap_err();
        assert!(error.to_string().contains("no INT"), "{error}");
        assert!(column(&[Some(&wrong)], &int, true).unwrap().is_null(0));
        let array = parse_data_type("ARRAY<INT>").unwrap();
        assert!(column(&[Some(&wrong)], &array, false).is_err());
        assert!(column(&[Some(&wrong)], &array, true).unwrap().is_null(0));
        assert!(object("[1]").is_none() && object("{").is_none());
    }
}
