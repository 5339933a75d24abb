//! ARRAY, VECTOR, MAP, MULTISET, ROW, VARIANT.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Int32Array, ListArray, MapArray, StructArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Fields};
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::{DataField, DataType, TypeKind};
use paimon_core::{Error, Result};

use super::{arrow_cast, refused};

pub(super) fn assign(array: &ArrayRef, to: &DataType, zone: &str) -> Result<ArrayRef> {
    match (&to.kind, arrow_type(to)) {
        (TypeKind::Array(element), ArrowType::List(field)) => {
            let (offsets, values) = lists(array, to)?;
            let values = child(&values, element, zone, "element")?;
            built(ListArray::try_new(
                field,
                offsets,
                values,
                array.nulls().cloned(),
            ))
        }
        (TypeKind::Vector(element, length), ArrowType::FixedSizeList(field, size)) => {
            vectors(array, to, element, *length, zone, field, size)
        }
        (TypeKind::Map(key, value), ArrowType::Map(entries, sorted)) => {
            maps(array, to, (key, value), zone, entries, sorted)
        }
        (TypeKind::Multiset(element), ArrowType::Map(entries, sorted)) => {
            let count = DataType::not_null(TypeKind::Int);
            maps(array, to, (element, &count), zone, entries, sorted)
        }
        (TypeKind::Row(fields), ArrowType::Struct(target)) => {
            rows(array, to, fields, zone, &target)
        }
        (TypeKind::Variant, target) => variants(array, to, &target),
        _ => Err(refused(array.data_type(), to)),
    }
}

/// Values inside nested ones, none of them null where the type says so.
fn child(values: &ArrayRef, to: &DataType, zone: &str, what: &str) -> Result<ArrayRef> {
    let assigned = super::assign(values, to, zone)?;
    if !to.nullable && assigned.logical_null_count() > 0 {
        return Err(Error::invalid(format!("null where {what} is {to}")));
    }
    Ok(assigned)
}

/// Offsets from 0 and the values they cut, of any kind of list.
fn lists(array: &ArrayRef, to: &DataType) -> Result<(OffsetBuffer<i32>, ArrayRef)> {
    let as_list = match array.data_type() {
        ArrowType::List(_) => array.clone(),
        ArrowType::LargeList(f)
        | ArrowType::ListView(f)
        | ArrowType::LargeListView(f)
        | ArrowType::FixedSizeList(f, _) => arrow_cast(array, &ArrowType::List(f.clone()))?,
        other => return Err(refused(other, to)),
    };
    let list = as_list.as_list::<i32>();
    Ok(rebased(list.offsets(), list.values()))
}

/// Values outside of the offsets may be anything: they are cut away.
fn rebased(offsets: &OffsetBuffer<i32>, values: &ArrayRef) -> (OffsetBuffer<i32>, ArrayRef) {
    let position = |o: Option<&i32>| o.and_then(|o| usize::try_from(*o).ok()).unwrap_or(0);
    let (first, last) = (position(offsets.first()), position(offsets.last()));
    let start = offsets.first().copied().unwrap_or(0);
    let moved: Vec<i32> = offsets.iter().map(|o| o - start).collect();
    (
        OffsetBuffer::new(ScalarBuffer::from(moved)),
        values.slice(first, last - first),
    )
}

fn vectors(
    array: &ArrayRef,
    to: &DataType,
    element: &DataType,
    length: u32,
    zone: &str,
    field: FieldRef,
    size: i32,
) -> Result<ArrayRef> {
    let (offsets, values) = lists(array, to)?;
    let whole = |(row, n): (usize, usize)| array.is_null(row) || u32::try_from(n) == Ok(length);
    if !offsets.lengths().enumerate().all(whole) {
        return Err(Error::invalid(format!(
            "a vector must have {length} elements"
        )));
    }
    let values = child(&values, element, zone, "element")?;
    // null rows need elements too
    let step = usize::try_from(length).unwrap_or(usize::MAX);
    let positions: Int32Array = (0..array.len())
        .flat_map(|row| {
            let start = offsets.get(row).copied().unwrap_or(0);
            let null = array.is_null(row);
            (0..step).map(move |i| (!null).then(|| start + i32::try_from(i).unwrap_or(0)))
        })
        .collect();
    let values = arrow::compute::take(&values, &positions, None)?;
    built(FixedSizeListArray::try_new(
        field,
        size,
        values,
        array.nulls().cloned(),
    ))
}

fn maps(
    array: &ArrayRef,
    to: &DataType,
    (key, value): (&DataType, &DataType),
    zone: &str,
    entries: FieldRef,
    sorted: bool,
) -> Result<ArrayRef> {
    let ArrowType::Map(..) = array.data_type() else {
        return Err(refused(array.data_type(), to));
    };
    let ArrowType::Struct(fields) = entries.data_type() else {
        return Err(Error::internal(format!("{to} has no entries")));
    };
    let map = array.as_map();
    let all: ArrayRef = Arc::new(map.entries().clone());
    let (offsets, all) = rebased(map.offsets(), &all);
    let all = all.as_struct();
    let keys = child(all.column(0), key, zone, "the key")?;
    let values = child(all.column(1), value, zone, "the value")?;
    let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    built(MapArray::try_new(
        entries,
        offsets,
        pairs,
        array.nulls().cloned(),
        sorted,
    ))
}

/// By name when all names are there, else by position.
fn rows(
    array: &ArrayRef,
    to: &DataType,
    fields: &[DataField],
    zone: &str,
    target: &Fields,
) -> Result<ArrayRef> {
    let ArrowType::Struct(given) = array.data_type() else {
        return Err(refused(array.data_type(), to));
    };
    if given.len() != fields.len() {
        return Err(Error::invalid(format!(
            "a row of {} fields cannot be written to {} fields of {}",
            given.len(),
            fields.len(),
            to.kind
        )));
    }
    let rows = array.as_struct();
    let named: Option<Vec<usize>> = fields.iter().map(|f| position(given, &f.name)).collect();
    let order = named.unwrap_or_else(|| (0..fields.len()).collect());
    let mut columns = Vec::with_capacity(fields.len());
    for (field, at) in fields.iter().zip(order) {
        // what a null row holds in its fields is of no account
        let values = match rows.nulls() {
            Some(nulls) if nulls.null_count() > 0 => {
                let valid = arrow::array::BooleanArray::new(!nulls.inner(), None);
                arrow::compute::nullif(rows.column(at), &valid)?
            }
            _ => rows.column(at).clone(),
        };
        let assigned = super::assign(&values, &field.data_type, zone)
            .map_err(|e| e.with("field", &field.name))?;
        let nulls_outside = rows.null_count();
        if !field.data_type.nullable && assigned.logical_null_count() > nulls_outside {
            return Err(Error::invalid(format!(
                "null in field {} of type {}",
                field.name, field.data_type
            )));
        }
        columns.push(assigned);
    }
    built(StructArray::try_new_with_length(
        target.clone(),
        columns,
        rows.nulls().cloned(),
        rows.len(),
    ))
}

/// The only field of that name, in any case.
fn position(fields: &Fields, name: &str) -> Option<usize> {
    let same = |f: &&Arc<Field>| f.name() == name;
    if let Some(at) = fields.iter().position(|f| same(&f)) {
        return Some(at);
    }
    let mut found = fields
        .iter()
        .enumerate()
        .filter(|(_, f)| f.name().eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    }
}

/// The two binaries of a variant.
fn variants(array: &ArrayRef, to: &DataType, target: &ArrowType) -> Result<ArrayRef> {
    let (ArrowType::Struct(given), ArrowType::Struct(wanted)) = (array.data_type(), target) else {
        return Err(refused(array.data_type(), to));
    };
    let columns: Option<Vec<ArrayRef>> = wanted
        .iter()
        .map(|f| Some(array.as_struct().column(position(given, f.name())?).clone()))
        .collect();
    let Some(columns) = columns.filter(|_| given.len() == wanted.len()) else {
        return Err(refused(array.data_type(), to));
    };
    let columns = columns
        .iter()
        .zip(wanted)
        .map(|(c, f)| match c.data_type().is_binary() {
            true => arrow_cast(c, f.data_type()),
            false => Err(refused(array.data_type(), to)),
        })
        .collect::<Result<Vec<_>>>()?;
    built(StructArray::try_new(
        wanted.clone(),
        columns,
        array.nulls().cloned(),
    ))
}

fn built<A: Array + 'static>(array: Result<A, arrow::error::ArrowError>) -> Result<ArrayRef> {
    match array {
        Ok(array) => Ok(Arc::new(array)),
        Err(e) => Err(Error::invalid("a nested value does not fit").with_source(e)),
    }
}
