//! Rows without some fields of a column, where `write.merge-schema` lets them be null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Fields};
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::schema::column_position;
use paimon_core::spec::{DataField, DataType, TypeKind};
use paimon_core::{Error, Result};

/// The array with null for the fields that its rows lack, at any depth. An array with fields that the type lacks stays as it
/// is.
pub(super) fn filled(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    match (&to.kind, array.data_type()) {
        (TypeKind::Row(fields), ArrowType::Struct(given)) => rows(array, fields, given),
        (TypeKind::Array(element), ArrowType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = filled(list.values(), element)?;
            let field = retyped(field, &values);
            built(ListArray::try_new(
                field,
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            ))
        }
        (TypeKind::Map(_, value), ArrowType::Map(entries, sorted)) => {
            let map = array.as_map();
            let values = filled(map.values(), value)?;
            let ArrowType::Struct(pair) = entries.data_type() else {
                return Ok(array.clone());
            };
            let [key, value] = pair.as_ref() else {
                return Ok(array.clone());
            };
            let pair = Fields::from(vec![key.clone(), retyped(value, &values)]);
            let all = StructArray::try_new(pair, vec![map.keys().clone(), values], None)?;
            let entries = Field::new(entries.name(), all.data_type().clone(), false);
            built(MapArray::try_new(
                Arc::new(entries),
                map.offsets().clone(),
                all,
                map.nulls().cloned(),
                *sorted,
            ))
        }
        _ => Ok(array.clone()),
    }
}

fn rows(array: &ArrayRef, fields: &[DataField], given: &Fields) -> Result<ArrayRef> {
    let mut places: Vec<Option<usize>> = vec![None; fields.len()];
    for (from, field) in given.iter().enumerate() {
        let to = column_position(fields, field.name());
        match to.and_then(|to| places.get_mut(to)) {
            Some(place @ None) => *place = Some(from),
            _ => return Ok(array.clone()),
        }
    }
    let rows = array.as_struct();
    let mut columns = Vec::with_capacity(fields.len());
    for (field, place) in fields.iter().zip(places) {
        columns.push(match place {
            Some(from) => filled(rows.column(from), &field.data_type)?,
            None => new_null_array(&arrow_type(&field.data_type), rows.len()),
        });
    }
    let named = fields.iter().zip(&columns);
    let named = named.map(|(f, c)| Field::new(&f.name, c.data_type().clone(), true));
    built(StructArray::try_new_with_length(
        named.collect(),
        columns,
        rows.nulls().cloned(),
        rows.len(),
    ))
}

fn retyped(field: &FieldRef, values: &ArrayRef) -> FieldRef {
    Arc::new(
        field
            .as_ref()
            .clone()
            .with_data_type(values.data_type().clone()),
    )
}

fn built<A: Array + 'static>(array: Result<A, arrow::error::ArrowError>) -> Result<ArrayRef> {
    match array {
        Ok(array) => Ok(Arc::new(array)),
        Err(e) => Err(Error::internal("filled rows disagree").with_source(e)),
    }
}
