//! Plain values and their conversion to and from Arrow.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType as ArrowType;

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// Unscaled.
    Decimal(i128),
    Text(String),
    Bytes(Vec<u8>),
    /// ARRAY; MAP as a list of two-field rows.
    List(Vec<Value>),
    Row(Vec<Value>),
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_string())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Double(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl Value {
    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Value::Int(v) => Some(*v),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(v) => Some(v),
            _ => None,
        }
    }

    /// Elements of a list or fields of a row.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(v) | Value::Row(v) => v,
            _ => &[],
        }
    }

    /// Lists as multisets.
    pub fn sorted(&self) -> Value {
        match self {
            Value::List(items) => {
                let mut items = items.clone();
                items.sort_by_key(|v| format!("{v:?}"));
                Value::List(items)
            }
            other => other.clone(),
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: &[&Value],
    get: impl Fn(&Value) -> Option<T::Native>,
) -> PrimitiveArray<T> {
    values.iter().map(|v| get(v)).collect()
}

pub fn to_array(arrow_type: &ArrowType, values: &[&Value]) -> ArrayRef {
    let decimal = |v: &Value| match v {
        Value::Decimal(v) => Some(*v),
        _ => None,
    };
    let double = |v: &Value| match v {
        Value::Double(v) => Some(*v),
        _ => None,
    };
    match arrow_type {
        ArrowType::Boolean => Arc::new(
            values
                .iter()
                .map(|v| match v {
                    Value::Bool(v) => Some(*v),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        ArrowType::Int8 => Arc::new(primitive::<Int8Type>(values, |v| Some(v.int()? as i8))),
        ArrowType::Int16 => Arc::new(primitive::<Int16Type>(values, |v| Some(v.int()? as i16))),
        ArrowType::Int32 => Arc::new(primitive::<Int32Type>(values, |v| Some(v.int()? as i32))),
        ArrowType::Int64 => Arc::new(primitive::<Int64Type>(values, Value::int)),
        ArrowType::Date32 => Arc::new(primitive::<Date32Type>(values, |v| Some(v.int()? as i32))),
        ArrowType::Float32 => {
            Arc::new(primitive::<Float32Type>(
                values,
                |v| Some(double(v)? as f32),
            ))
        }
        ArrowType::Float64 => Arc::new(primitive::<Float64Type>(values, double)),
        ArrowType::Decimal128(..) => Arc::new(
            primitive::<Decimal128Type>(values, decimal).with_data_type(arrow_type.clone()),
        ),
        ArrowType::Timestamp(arrow_schema::TimeUnit::Millisecond, _) => Arc::new(
            primitive::<TimestampMillisecondType>(values, Value::int)
                .with_data_type(arrow_type.clone()),
        ),
        ArrowType::Utf8View => {
            Arc::new(values.iter().map(|v| v.text()).collect::<StringViewArray>())
        }
        ArrowType::BinaryView => Arc::new(
            values
                .iter()
                .map(|v| match v {
                    Value::Bytes(v) => Some(v.as_slice()),
                    _ => None,
                })
                .collect::<BinaryViewArray>(),
        ),
        ArrowType::List(field) => {
            let (offsets, nulls, items) = flatten(values);
            let child = to_array(field.data_type(), &items);
            Arc::new(ListArray::new(field.clone(), offsets, child, nulls))
        }
        ArrowType::Map(field, ordered) => {
            let (offsets, nulls, items) = flatten(values);
            let child = to_array(field.data_type(), &items);
            let entries = child.as_struct().clone();
            Arc::new(MapArray::new(
                field.clone(),
                offsets,
                entries,
                nulls,
                *ordered,
            ))
        }
        ArrowType::Struct(fields) => {
            let null = Value::Null;
            let columns = fields
                .iter()
                .enumerate()
                .map(|(i, field)| {
                    let column: Vec<&Value> = values
                        .iter()
                        .map(|v| v.items().get(i).unwrap_or(&null))
                        .collect();
                    to_array(field.data_type(), &column)
                })
                .collect();
            let nulls = nulls(values);
            Arc::new(StructArray::new(fields.clone(), columns, nulls))
        }
        other => panic!("{other}"),
    }
}

fn nulls(values: &[&Value]) -> Option<NullBuffer> {
    let valid: Vec<bool> = values.iter().map(|v| !v.is_null()).collect();
    valid.contains(&false).then(|| valid.into())
}

fn flatten<'a>(values: &[&'a Value]) -> (OffsetBuffer<i32>, Option<NullBuffer>, Vec<&'a Value>) {
    let offsets = OffsetBuffer::from_lengths(values.iter().map(|v| v.items().len()));
    let items = values.iter().flat_map(|v| v.items()).collect();
    (offsets, nulls(values), items)
}

pub fn from_array(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let list =
        |items: ArrayRef| Value::List((0..items.len()).map(|i| from_array(&items, i)).collect());
    match array.data_type() {
        ArrowType::Boolean => array.as_boolean().value(row).into(),
        ArrowType::Int8 => i64::from(array.as_primitive::<Int8Type>().value(row)).into(),
        ArrowType::Int16 => i64::from(array.as_primitive::<Int16Type>().value(row)).into(),
        ArrowType::Int32 => i64::from(array.as_primitive::<Int32Type>().value(row)).into(),
        ArrowType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        ArrowType::Date32 => i64::from(array.as_primitive::<Date32Type>().value(row)).into(),
        ArrowType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)).into(),
        ArrowType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        ArrowType::Decimal128(..) => {
            Value::Decimal(array.as_primitive::<Decimal128Type>().value(row))
        }
        ArrowType::Timestamp(..) => {
            let longs = arrow_cast::cast(array, &ArrowType::Int64).unwrap();
            longs.as_primitive::<Int64Type>().value(row).into()
        }
        ArrowType::Utf8View => array.as_string_view().value(row).into(),
        ArrowType::BinaryView => Value::Bytes(array.as_binary_view().value(row).to_vec()),
        ArrowType::List(_) => list(array.as_list::<i32>().value(row)),
        ArrowType::Map(..) => list(Arc::new(array.as_map().value(row))),
        ArrowType::Struct(_) => {
            let columns = array.as_struct().columns();
            Value::Row(columns.iter().map(|c| from_array(c, row)).collect())
        }
        other => panic!("{other}"),
    }
}
