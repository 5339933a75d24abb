//! Rows of JSON, of any type, as Arrow.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, Int8Array, ListArray, MapArray,
    PrimitiveArray, RecordBatch, StringViewArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType as ArrowType;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use paimon_core::arrow_bridge::{arrow_schema, arrow_type};
use paimon_core::spec::{DataField, DataType, TypeKind};
use paimon_core::{Error, Result};
use paimon_testing::json_rows::KINDS;
use serde_json::Value;

/// The rows `[kind, v1, ..]` as a batch and their kinds.
///
/// # Errors
/// `InvalidInput` when a value is not of its column's type.
pub fn batch(rows: &[Value], fields: &[DataField]) -> Result<(RecordBatch, Int8Array)> {
    let kind = |row: &Value| {
        KINDS
            .iter()
            .position(|k| row[0] == *k)
            .and_then(|k| i8::try_from(k).ok())
    };
    let kinds: Int8Array = rows.iter().map(kind).collect();
    let columns = (1..)
        .zip(fields)
        .map(|(i, f)| {
            column(
                &rows.iter().map(|row| &row[i]).collect::<Vec<_>>(),
                &f.data_type,
            )
        })
        .collect::<Result<Vec<_>>>()?;
    Ok((RecordBatch::try_new(arrow_schema(fields), columns)?, kinds))
}

fn wrong(value: &Value, data_type: &DataType) -> Error {
    Error::invalid(format!("{value} is no value of {data_type}"))
}

/// The values of a column, each by `of`; null stays null.
fn each<T>(
    values: &[&Value],
    data_type: &DataType,
    of: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<Option<T>>> {
    values
        .iter()
        .map(|value| match value {
            Value::Null => Ok(None),
            _ => of(value).map(Some).ok_or_else(|| wrong(value, data_type)),
        })
        .collect()
}

fn primitive<T: ArrowPrimitiveType>(
    values: &[&Value],
    data_type: &DataType,
    of: impl Fn(&Value) -> Option<T::Native>,
) -> Result<ArrayRef> {
    let array: PrimitiveArray<T> = each(values, data_type, of)?.into_iter().collect();
    Ok(Arc::new(array.with_data_type(arrow_type(data_type))))
}

fn column(values: &[&Value], data_type: &DataType) -> Result<ArrayRef> {
    let text = |v: &Value| v.as_str().map(str::to_string);
    Ok(match &data_type.kind {
        TypeKind::Boolean => Arc::new(BooleanArray::from(each(values, data_type, Value::as_bool)?)),
        TypeKind::TinyInt => {
            primitive::<Int8Type>(values, data_type, |v| v.as_i64()?.try_into().ok())?
        }
        TypeKind::SmallInt => {
            primitive::<Int16Type>(values, data_type, |v| v.as_i64()?.try_into().ok())?
        }
        TypeKind::Int => {
            primitive::<Int32Type>(values, data_type, |v| v.as_i64()?.try_into().ok())?
        }
        TypeKind::BigInt => primitive::<Int64Type>(values, data_type, Value::as_i64)?,
        TypeKind::Float => {
            primitive::<Float32Type>(values, data_type, |v| v.as_str()?.parse().ok())?
        }
        TypeKind::Double => {
            primitive::<Float64Type>(values, data_type, |v| v.as_str()?.parse().ok())?
        }
        TypeKind::Decimal { .. } => primitive::<Decimal128Type>(values, data_type, |v| {
            v.as_str()?.replace('.', "").parse().ok()
        })?,
        TypeKind::Char(_) | TypeKind::VarChar(_) => Arc::new(
            each(values, data_type, text)?
                .into_iter()
                .collect::<StringViewArray>(),
        ),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
            let bytes = each(values, data_type, |v| hex::decode(v.as_str()?).ok())?;
            Arc::new(bytes.into_iter().collect::<BinaryViewArray>())
        }
        TypeKind::Date => primitive::<Date32Type>(values, data_type, |v| {
            let date = NaiveDate::parse_from_str(v.as_str()?, "%Y-%m-%d").ok()?;
            date.signed_duration_since(DateTime::UNIX_EPOCH.date_naive())
                .num_days()
                .try_into()
                .ok()
        })?,
        TypeKind::Time(_) => primitive::<Time32MillisecondType>(values, data_type, |v| {
            let time = NaiveTime::parse_from_str(v.as_str()?, "%H:%M:%S%.f").ok()?;
            (time.num_seconds_from_midnight() * 1000 + time.nanosecond() / 1_000_000)
                .try_into()
                .ok()
        })?,
        TypeKind::Timestamp(precision) | TypeKind::LocalZonedTimestamp(precision) => {
            match precision {
                0..=3 => primitive::<TimestampMillisecondType>(values, data_type, |v| {
                    Some(instant(v)?.timestamp_millis())
                })?,
                4..=6 => primitive::<TimestampMicrosecondType>(values, data_type, |v| {
                    Some(instant(v)?.timestamp_micros())
                })?,
                _ => primitive::<TimestampNanosecondType>(values, data_type, |v| {
                    instant(v)?.timestamp_nanos_opt()
                })?,
            }
        }
        _ => nested(values, data_type)?,
    })
}

fn instant(value: &Value) -> Option<DateTime<chrono::Utc>> {
    let text = value.as_str()?.trim_end_matches('Z');
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some(local.and_utc())
}

fn nested(values: &[&Value], data_type: &DataType) -> Result<ArrayRef> {
    let nulls = NullBuffer::from_iter(values.iter().map(|v| !v.is_null()));
    let items = |value: &&Value| value.as_array().map_or(0, Vec::len);
    let offsets = OffsetBuffer::from_lengths(values.iter().map(items));
    let inner: Vec<&Value> = values
        .iter()
        .filter_map(|v| v.as_array())
        .flatten()
        .collect();
    let part = |i: usize| inner.iter().map(|pair| &pair[i]).collect::<Vec<_>>();
    let counts = DataType::not_null(TypeKind::Int);
    match (&data_type.kind, arrow_type(data_type)) {
        (TypeKind::Array(element), ArrowType::List(field)) => {
            let child = column(&inner, element)?;
            Ok(Arc::new(ListArray::try_new(
                field,
                offsets,
                child,
                Some(nulls),
            )?))
        }
        (TypeKind::Map(key, value), ArrowType::Map(field, _)) => map(
            field,
            offsets,
            vec![column(&part(0), key)?, column(&part(1), value)?],
            nulls,
        ),
        (TypeKind::Multiset(key), ArrowType::Map(field, _)) => map(
            field,
            offsets,
            vec![column(&part(0), key)?, column(&part(1), &counts)?],
            nulls,
        ),
        (TypeKind::Row(fields), ArrowType::Struct(children)) => {
            let columns = (0..)
                .zip(fields)
                .map(|(i, f)| {
                    let of_row = |v: &&Value| v.get(i).cloned().unwrap_or(Value::Null);
                    let values: Vec<Value> = values.iter().map(of_row).collect();
                    // below a null row a field that cannot be null needs some value
                    column(
                        &values.iter().collect::<Vec<_>>(),
                        &f.data_type.with_nullable(true),
                    )
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(
                children,
                columns,
                Some(nulls),
            )?))
        }
        (other, _) => Err(Error::invalid(format!("no values of {other} are made"))),
    }
}

fn map(
    field: arrow_schema::FieldRef,
    offsets: OffsetBuffer<i32>,
    columns: Vec<ArrayRef>,
    nulls: NullBuffer,
) -> Result<ArrayRef> {
    let ArrowType::Struct(children) = field.data_type() else {
        return Err(Error::internal("the entries of a map are no struct"));
    };
    let entries = StructArray::try_new(children.clone(), columns, None)?;
    Ok(Arc::new(MapArray::try_new(
        field,
        offsets,
        entries,
        Some(nulls),
        false,
    )?))
}
