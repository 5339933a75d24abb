//! Rows as JSON: to Arrow for our writer, and made comparable when they come from Java.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, Int8Array, RecordBatch, StringViewArray};
use paimon_core::arrow_bridge::{arrow_schema, cast_array};
use paimon_core::spec::{DataField, DataType, TypeKind, parse_data_type};
use paimon_core::{Error, Result};
use paimon_testing::json_rows::{KINDS, rows_to_json};
use serde_json::{Value, json};

/// Rows to write, as each side takes them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[kind, v1, v2, ..]` per row.
    pub json: Vec<Value>,
    arrow: RecordBatch,
    kinds: Int8Array,
}

impl Batch {
    /// Rows whose values are texts and numbers of single-valued types.
    ///
    /// # Errors
    /// `InvalidInput` when a value is not of its column's type.
    pub fn from_json(json: Vec<Value>, fields: &[DataField]) -> Result<Self> {
        let kind_of = |row: &Value| {
            let kind = KINDS.iter().position(|k| row[0] == *k).unwrap_or(0);
            i8::try_from(kind).unwrap_or(0)
        };
        let kinds = json.iter().map(kind_of).collect::<Vec<_>>();
        let columns = (1..)
            .zip(fields)
            .map(|(i, f)| column(json.iter().map(|row: &Value| &row[i]), &f.data_type))
            .collect::<Result<Vec<_>>>()?;
        let arrow = RecordBatch::try_new(arrow_schema(fields), columns)?;
        Ok(Self {
            json,
            arrow,
            kinds: kinds.into(),
        })
    }

    /// What a read with row kinds (the last column) returned, as insertions.
    ///
    /// # Errors
    /// `Internal` when the batch has other columns.
    pub fn insertions(batch: &RecordBatch, fields: &[DataField]) -> Result<Self> {
        let columns: Vec<usize> = (0..fields.len()).collect();
        let arrow = batch.project(&columns)?;
        let kinds = vec![0; arrow.num_rows()];
        Ok(Self {
            json: rows_to_json(&arrow, fields, &kinds),
            arrow,
            kinds: kinds.into(),
        })
    }

    /// The values.
    pub fn arrow(&self) -> &RecordBatch {
        &self.arrow
    }

    /// The row kinds.
    pub fn kinds(&self) -> &Int8Array {
        &self.kinds
    }
}

/// A column from the texts of its values.
fn column<'a>(values: impl Iterator<Item = &'a Value>, data_type: &DataType) -> Result<ArrayRef> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let texts: ArrayRef = Arc::new(values.map(text).collect::<StringViewArray>());
    cast_array(&texts, &DataType::string(), data_type)
}

/// Rows of a read with row kinds, as sorted texts.
///
/// # Errors
/// `Internal` when a batch has other columns.
pub fn texts_of_batches(batches: &[RecordBatch], fields: &[DataField]) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for batch in batches {
        let last = batch.columns().len().saturating_sub(1);
        let kinds = batch
            .column(last)
            .as_primitive_opt::<Int8Type>()
            .ok_or_else(|| Error::internal("the last column must hold row kinds"))?;
        let rows = rows_to_json(batch, fields, kinds.values());
        texts.extend(rows.iter().map(ToString::to_string));
    }
    texts.sort();
    Ok(texts)
}

/// Columns that Java names `[[name, type], ..]`.
///
/// # Errors
/// `InvalidInput` for an unknown type.
pub fn fields_of_java(answer: &Value) -> Result<Vec<DataField>> {
    let columns = answer["columns"].as_array().into_iter().flatten();
    (0..)
        .zip(columns)
        .map(|(id, column)| {
            let text = |i: usize| column[i].as_str().unwrap_or_default();
            Ok(DataField::new(id, text(0), parse_data_type(text(1))?))
        })
        .collect()
}

/// Rows of Java as sorted texts in the encoding of our own.
pub fn texts_of_java(rows: &Value, fields: &[DataField]) -> Vec<String> {
    let floats = fields.iter().any(|f| holds_floats(&f.data_type));
    let mut texts: Vec<String> = rows
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| match (floats, row.as_array()) {
            (true, Some(values)) => Value::Array(
                std::iter::once(values[0].clone())
                    .chain(
                        (1..)
                            .zip(fields)
                            .map(|(i, f)| numbers(&row[i], &f.data_type)),
                    )
                    .collect(),
            )
            .to_string(),
            _ => row.to_string(),
        })
        .collect();
    texts.sort();
    texts
}

fn holds_floats(data_type: &DataType) -> bool {
    match &data_type.kind {
        TypeKind::Float | TypeKind::Double => true,
        TypeKind::Array(t) | TypeKind::Multiset(t) | TypeKind::Vector(t, _) => holds_floats(t),
        TypeKind::Map(k, v) => holds_floats(k) || holds_floats(v),
        TypeKind::Row(fields) => fields.iter().any(|f| holds_floats(&f.data_type)),
        _ => false,
    }
}

/// The texts of FLOAT and DOUBLE values, wherever they are in a value, as numbers with the fewest digits.
fn numbers(value: &Value, data_type: &DataType) -> Value {
    let list = |value: &Value, t: &DataType| match value.as_array() {
        Some(items) => items.iter().map(|v| numbers(v, t)).collect(),
        None => Value::Null,
    };
    let pairs = |k: &DataType, v: Option<&DataType>| match value.as_array() {
        Some(pairs) => pairs
            .iter()
            .map(|p| {
                let of_value = v.map_or_else(|| p[1].clone(), |v| numbers(&p[1], v));
                json!([numbers(&p[0], k), of_value])
            })
            .collect(),
        None => Value::Null,
    };
    match (&data_type.kind, value.as_str()) {
        (TypeKind::Float, Some(text)) => match text.parse::<f32>() {
            Ok(v) if v.is_finite() => shortest(v),
            _ => value.clone(),
        },
        (TypeKind::Double, Some(text)) => match text.parse::<f64>() {
            Ok(v) if v.is_finite() => json!(v),
            _ => value.clone(),
        },
        (TypeKind::Array(t) | TypeKind::Vector(t, _), _) => list(value, t),
        (TypeKind::Multiset(t), _) => pairs(t, None),
        (TypeKind::Map(k, v), _) => pairs(k, Some(v)),
        (TypeKind::Row(fields), _) => match value.as_array() {
            Some(items) => items
                .iter()
                .zip(fields)
                .map(|(v, f)| numbers(v, &f.data_type))
                .collect(),
            None => Value::Null,
        },
        _ => value.clone(),
    }
}

/// The digits of the 32-bit value, not of the 64-bit one it widens to.
fn shortest(value: f32) -> Value {
    serde_json::to_string(&value)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or(Value::Null)
}

/// What two sorted lists do not share, a few of each.
pub fn difference(left: (&str, &[String]), right: (&str, &[String])) -> Option<String> {
    if left.1 == right.1 {
        return None;
    }
    let only = |a: &[String], b: &[String]| {
        let mut rest = b.iter().peekable();
        let mut out = Vec::new();
        for row in a {
            while rest.next_if(|r| *r < row).is_some() {}
            if rest.next_if(|r| *r == row).is_none() {
                out.push(row.clone());
            }
        }
        out
    };
    let show = |name: &str, total: usize, rows: Vec<String>| {
        let few: Vec<_> = rows.iter().take(3).cloned().collect();
        format!(
            "{name} has {total} rows, {} alone: {}",
            rows.len(),
            few.join(" ")
        )
    };
    Some(format!(
        "{}; {}",
        show(left.0, left.1.len(), only(left.1, right.1)),
        show(right.0, right.1.len(), only(right.1, left.1))
    ))
}
