//! Decoded arrays to the types of [`crate::arrow_bridge`].

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowTimestampType, Decimal128Type, Int32Type, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, ListArray, MapArray, PrimitiveArray, StringArray,
    StringViewArray, StructArray, new_null_array,
};
use arrow_schema::{DataType as ArrowType, Field, Fields, TimeUnit};
use orc_rust::proto::r#type::Kind;

use super::column::Column;
use super::decoder_error;
use crate::arrow_bridge::{arrow_field, arrow_type};
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, TypeKind};

/// The array in the type of `wanted`.
pub(super) fn convert(array: &ArrayRef, column: &Column, wanted: &DataType) -> Result<ArrayRef> {
    Ok(match (&wanted.kind, column.kind) {
        (TypeKind::Char(_) | TypeKind::VarChar(_), Kind::Char) => {
            Arc::new(trim_blanks(array.as_string::<i32>())?)
        }
        (TypeKind::Char(_) | TypeKind::VarChar(_), _) => {
            Arc::new(StringViewArray::from(array.as_string::<i32>()))
        }
        (TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob, _) => {
            Arc::new(BinaryViewArray::from(array.as_binary::<i32>()))
        }
        (TypeKind::Time(_), _) => Arc::new(
            array
                .as_primitive::<Int32Type>()
                .reinterpret_cast::<Time32MillisecondType>(),
        ),
        (TypeKind::Decimal { .. }, _) => {
            let values = array.as_primitive::<Decimal128Type>().clone();
            Arc::new(values.with_data_type(arrow_type(wanted)))
        }
        (TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_), _) => {
            timestamps(array.as_primitive(), &arrow_type(wanted))?
        }
        (TypeKind::Array(element), _) => list(array.as_list(), column, element, wanted)?,
        (TypeKind::Map(key, value), _) => map(array.as_map(), column, key, value, wanted)?,
        (TypeKind::Multiset(element), _) => {
            let count = DataType::not_null(TypeKind::Int);
            map(array.as_map(), column, element, &count, wanted)?
        }
        (TypeKind::Row(fields), _) => row(array.as_struct(), column, fields)?,
        _ => Arc::clone(array),
    })
}

/// CHAR without the blanks that pad it; bytes are shared with the decoded array.
fn trim_blanks(array: &StringArray) -> Result<StringViewArray> {
    let mut views = StringViewBuilder::with_capacity(array.len());
    let values = array.values();
    if u32::try_from(values.len()).is_err() {
        return Err(Error::damaged(
            "ORC CHAR column holds more than 4 GiB in a batch",
        ));
    }
    let block = views.append_block(values.clone());
    for (i, start) in array.offsets().iter().take(array.len()).enumerate() {
        if array.is_null(i) {
            views.append_null();
            continue;
        }
        let length = array.value(i).trim_end_matches(' ').len();
        let (Ok(start), Ok(length)) = (u32::try_from(*start), u32::try_from(length)) else {
            return Err(Error::damaged("ORC CHAR value is too long"));
        };
        views.try_append_view(block, start, length)?;
    }
    Ok(views.finish())
}

/// Nanoseconds since 1970 in the unit of `data_type`, rounded down.
fn timestamps(nanos: &PrimitiveArray<Decimal128Type>, data_type: &ArrowType) -> Result<ArrayRef> {
    match data_type {
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            in_unit::<TimestampMillisecondType>(nanos, 1_000_000, data_type)
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            in_unit::<TimestampMicrosecondType>(nanos, 1_000, data_type)
        }
        _ => in_unit::<TimestampNanosecondType>(nanos, 1, data_type),
    }
}

fn in_unit<T: ArrowTimestampType>(
    nanos: &PrimitiveArray<Decimal128Type>,
    unit: i64,
    data_type: &ArrowType,
) -> Result<ArrayRef> {
    let wide = i128::from(unit);
    let values = nanos.try_unary::<_, T, Error>(|value| {
        // nearly all values fit 64 bits, where the division is cheap
        if let Ok(value) = i64::try_from(value) {
            return Ok(value.div_euclid(unit));
        }
        i64::try_from(value.div_euclid(wide)).map_err(|_| {
            Error::unsupported(format!(
                "timestamp of precision above 6 must lie in 1677..2262, found {value} ns since 1970"
            ))
        })
    })?;
    Ok(Arc::new(values.with_data_type(data_type.clone())))
}

fn list(
    array: &ListArray,
    column: &Column,
    element: &DataType,
    wanted: &DataType,
) -> Result<ArrayRef> {
    let ArrowType::List(field) = arrow_type(wanted) else {
        return Err(Error::internal("an array is a list"));
    };
    let values = convert(array.values(), child(column, 0)?, element)?;
    let list = ListArray::try_new(
        field,
        array.offsets().clone(),
        values,
        array.nulls().cloned(),
    );
    Ok(Arc::new(list.map_err(broken)?))
}

fn map(
    array: &MapArray,
    column: &Column,
    key: &DataType,
    value: &DataType,
    wanted: &DataType,
) -> Result<ArrayRef> {
    let ArrowType::Map(entries_field, sorted) = arrow_type(wanted) else {
        return Err(Error::internal("a map is a map"));
    };
    let ArrowType::Struct(fields) = entries_field.data_type() else {
        return Err(Error::internal("entries of a map are structs"));
    };
    let keys = convert(array.keys(), child(column, 0)?, key)?;
    let values = convert(array.values(), child(column, 1)?, value)?;
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None).map_err(broken)?;
    let map = MapArray::try_new(
        entries_field,
        array.offsets().clone(),
        entries,
        array.nulls().cloned(),
        sorted,
    );
    Ok(Arc::new(map.map_err(broken)?))
}

fn row(array: &StructArray, column: &Column, fields: &[DataField]) -> Result<ArrayRef> {
    let mut arrays = Vec::with_capacity(fields.len());
    for field in fields {
        let at = array.fields().iter().position(|f| *f.name() == field.name);
        arrays.push(match at {
            Some(at) => convert(array.column(at), child(column, at)?, &field.data_type)?,
            None => new_null_array(&arrow_type(&field.data_type), array.len()),
        });
    }
    let fields: Fields = fields
        .iter()
        .map(arrow_field)
        .collect::<Vec<Field>>()
        .into();
    let row = StructArray::try_new_with_length(fields, arrays, array.nulls().cloned(), array.len());
    Ok(Arc::new(row.map_err(broken)?))
}

fn child(column: &Column, at: usize) -> Result<&Column> {
    column
        .children
        .get(at)
        .ok_or_else(|| Error::internal("ORC column without its child"))
}

fn broken(error: arrow_schema::ArrowError) -> Error {
    decoder_error("ORC column contradicts its type", error)
}
