//! Rows as the JSON of the golden tables (`testdata/golden/README.md`, "Value encoding").

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use paimon_core::spec::{DataField, DataType, Datum, TypeKind, datum_to_text};
use serde_json::{Value, json};

use crate::variant::variant_to_json;

/// Names of the row kinds 0 to 3.
pub const KINDS: [&str; 4] = ["+I", "-U", "+U", "-D"];

/// Every row of a batch as `[kind, v1, v2, ...]`; `kinds` has one entry per row.
pub fn rows_to_json(batch: &RecordBatch, fields: &[DataField], kinds: &[i8]) -> Vec<Value> {
    (0..batch.num_rows())
        .map(|row| {
            let kind = KINDS[usize::try_from(kinds[row]).unwrap_or(0).min(3)];
            let mut values = vec![json!(kind)];
            for (i, field) in fields.iter().enumerate() {
                values.push(value_to_json(batch.column(i), row, &field.data_type));
            }
            Value::Array(values)
        })
        .collect()
}

/// One value.
pub fn value_to_json(array: &dyn Array, row: usize, data_type: &DataType) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match &data_type.kind {
        TypeKind::Boolean => json!(array.as_boolean().value(row)),
        TypeKind::TinyInt => json!(array.as_primitive::<Int8Type>().value(row)),
        TypeKind::SmallInt => json!(array.as_primitive::<Int16Type>().value(row)),
        TypeKind::Int => json!(array.as_primitive::<Int32Type>().value(row)),
        TypeKind::BigInt => json!(array.as_primitive::<Int64Type>().value(row)),
        TypeKind::Float => float_to_json(array.as_primitive::<Float32Type>().value(row)),
        TypeKind::Double => double_to_json(array.as_primitive::<Float64Type>().value(row)),
        TypeKind::Decimal { scale, .. } => {
            let datum = Datum::Decimal {
                unscaled: array.as_primitive::<Decimal128Type>().value(row),
                scale: *scale,
            };
            json!(datum_to_text(&datum, data_type))
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => json!(array.as_string_view().value(row)),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => {
            json!(hex::encode(array.as_binary_view().value(row)))
        }
        TypeKind::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            json!(datum_to_text(&Datum::Date(days), data_type))
        }
        TypeKind::Time(_) => {
            let millis = array.as_primitive::<Time32MillisecondType>().value(row);
            let (seconds, rest) = (millis / 1000, millis % 1000);
            json!(format!(
                "{:02}:{:02}:{:02}.{rest:03}",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            ))
        }
        TypeKind::Timestamp(_) => json!(timestamp_text(array, row)),
        TypeKind::LocalZonedTimestamp(_) => json!(format!("{}Z", timestamp_text(array, row))),
        TypeKind::Array(element) => {
            let list = array.as_list::<i32>().value(row);
            list_to_json(&list, element)
        }
        TypeKind::Vector(element, _) => {
            let list = array.as_fixed_size_list().value(row);
            list_to_json(&list, element)
        }
        TypeKind::Multiset(element) => {
            map_to_json(array, row, element, &DataType::not_null(TypeKind::Int))
        }
        TypeKind::Map(key, value) => map_to_json(array, row, key, value),
        TypeKind::Row(fields) => {
            let nested = array.as_struct();
            let values = fields.iter().enumerate();
            Value::Array(
                values
                    .map(|(i, f)| value_to_json(nested.column(i), row, &f.data_type))
                    .collect(),
            )
        }
        TypeKind::Variant => {
            let nested = array.as_struct();
            let value = nested.column(0).as_binary_view().value(row);
            let metadata = nested.column(1).as_binary_view().value(row);
            json!(variant_to_json(value, metadata))
        }
    }
}

fn list_to_json(list: &dyn Array, element: &DataType) -> Value {
    Value::Array(
        (0..list.len())
            .map(|i| value_to_json(list, i, element))
            .collect(),
    )
}

fn map_to_json(array: &dyn Array, row: usize, key: &DataType, value: &DataType) -> Value {
    let entries = array.as_map().value(row);
    let mut pairs: Vec<(String, Value)> = (0..entries.len())
        .map(|i| {
            let k = value_to_json(entries.column(0), i, key);
            let v = value_to_json(entries.column(1), i, value);
            (k.to_string(), json!([k, v]))
        })
        .collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Array(pairs.into_iter().map(|(_, pair)| pair).collect())
}

fn float_to_json(value: f32) -> Value {
    match special(f64::from(value)) {
        Some(text) => json!(text),
        // a number with the shortest digits of the 32-bit value
        None => serde_json::to_string(&value)
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or(Value::Null),
    }
}

fn double_to_json(value: f64) -> Value {
    special(value).map_or_else(|| json!(value), |text| json!(text))
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("Infinity")
    } else if value == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

fn timestamp_text(array: &dyn Array, row: usize) -> String {
    let (millis, nanos) = match array.data_type() {
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => (
            array.as_primitive::<TimestampMillisecondType>().value(row),
            0,
        ),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            let v = array.as_primitive::<TimestampMicrosecondType>().value(row);
            (v.div_euclid(1_000), v.rem_euclid(1_000) * 1_000)
        }
        _ => {
            let v = array.as_primitive::<TimestampNanosecondType>().value(row);
            (v.div_euclid(1_000_000), v.rem_euclid(1_000_000))
        }
    };
    let datum = Datum::Timestamp {
        millis,
        nanos: i32::try_from(nanos).unwrap_or(0),
    };
    datum_to_text(&datum, &DataType::nullable(TypeKind::Timestamp(9))).replacen(' ', "T", 1)
}
