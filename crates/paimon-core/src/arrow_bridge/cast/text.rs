//! Casts to CHAR, VARCHAR and STRING.
//!
//! Source: `*ToStringCastRule`, `BinaryStringUtils.toCharacterString`. DATE, TIME and timestamps go to STRING only.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::timezone::Tz;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, ListArray, MapArray, StringViewArray, StructArray, Time32MillisecondArray,
};

use super::local::clock_millis;
use super::temporal::{Timestamps, precision};
use super::{datetime, decimal, down, unsupported};
use crate::error::{Error, Result};
use crate::spec::java_float;
use crate::spec::{DataType, MAX_LENGTH, TypeKind};

/// Appends the text of one row that is not null.
type RowWriter<'a> = Box<dyn Fn(usize, &mut String) -> Result<()> + 'a>;

/// Casts to a string type.
pub(super) fn to_string(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
    zone: Tz,
) -> Result<ArrayRef> {
    if from.kind.is_string() {
        return Ok(fit_strings(down::<StringViewArray>(array, from)?, &to.kind));
    }
    let only_string =
        matches!(from.kind, TypeKind::Date | TypeKind::Time(_)) || from.kind.is_timestamp();
    if only_string && to.kind != TypeKind::VarChar(MAX_LENGTH) {
        return Err(unsupported(from, to));
    }
    let fits_length = !from.kind.is_nested() && !from.kind.is_binary();
    let writer = row_writer(array, from, zone).ok_or_else(|| unsupported(from, to))??;
    let mut builder = StringViewBuilder::with_capacity(array.len());
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        writer(row, &mut text)?;
        if fits_length {
            builder.append_value(fit_text(&text, &to.kind));
        } else {
            builder.append_value(&text);
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Cuts to the target's length in characters; CHAR is filled with spaces.
pub(super) fn fit_text<'a>(text: &'a str, to: &TypeKind) -> Cow<'a, str> {
    let (TypeKind::Char(length) | TypeKind::VarChar(length)) = to else {
        return Cow::Borrowed(text);
    };
    let length = usize::try_from(*length).unwrap_or(usize::MAX);
    let fill = matches!(to, TypeKind::Char(_));
    if !fill && text.len() <= length {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(length) {
        Some((end, _)) => Cow::Borrowed(&text[..end]),
        None if fill => {
            let missing = length - text.chars().count();
            Cow::Owned(format!("{text}{}", " ".repeat(missing)))
        }
        None => Cow::Borrowed(text),
    }
}

fn fit_strings(array: &StringViewArray, to: &TypeKind) -> ArrayRef {
    let unchanged = matches!(to, TypeKind::VarChar(n) if array.lengths().all(|l| l <= *n));
    if unchanged {
        return Arc::new(array.clone());
    }
    let mut builder = StringViewBuilder::with_capacity(array.len());
    for text in array {
        builder.append_option(text.map(|t| fit_text(t, to)));
    }
    Arc::new(builder.finish())
}

/// Writer for the rows of an array; `None` when the type has no text form.
fn row_writer<'a>(
    array: &'a dyn Array,
    from: &'a DataType,
    zone: Tz,
) -> Option<Result<RowWriter<'a>>> {
    Some(match &from.kind {
        TypeKind::Array(element) => list_writer(array, from, element, zone),
        TypeKind::Map(key, value) => map_writer(array, from, (key, value), zone),
        TypeKind::Row(_) => row_type_writer(array, from, zone),
        TypeKind::Multiset(_) | TypeKind::Variant | TypeKind::Blob | TypeKind::Vector(..) => {
            return None;
        }
        _ => primitive_writer(array, from, zone),
    })
}

fn primitive_writer<'a>(
    array: &'a dyn Array,
    from: &'a DataType,
    zone: Tz,
) -> Result<RowWriter<'a>> {
    macro_rules! display {
        ($values:expr) => {{
            let values = $values;
            Box::new(move |row, out| write!(out, "{}", values.value(row)).map_err(fmt_error))
        }};
    }
    Ok(match &from.kind {
        TypeKind::Boolean => display!(down::<BooleanArray>(array, from)?),
        TypeKind::TinyInt => display!(down::<arrow_array::PrimitiveArray<Int8Type>>(array, from)?),
        TypeKind::SmallInt => {
            display!(down::<arrow_array::PrimitiveArray<Int16Type>>(array, from)?)
        }
        TypeKind::Int => display!(down::<arrow_array::PrimitiveArray<Int32Type>>(array, from)?),
        TypeKind::BigInt => display!(down::<arrow_array::PrimitiveArray<Int64Type>>(array, from)?),
        TypeKind::Char(_) | TypeKind::VarChar(_) => display!(down::<StringViewArray>(array, from)?),
        TypeKind::Float => {
            let values = down::<Float32Array>(array, from)?;
            infallible(move |row, out| java_float::write_float(values.value(row), out))
        }
        TypeKind::Double => {
            let values = down::<Float64Array>(array, from)?;
            infallible(move |row, out| java_float::write_double(values.value(row), out))
        }
        TypeKind::Decimal { scale, .. } => {
            let values = down::<Decimal128Array>(array, from)?;
            infallible(move |row, out| decimal::write(values.value(row), *scale, out))
        }
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
            let values = down::<BinaryViewArray>(array, from)?;
            // Java keeps bytes that are not UTF-8 and shows replacement characters; Arrow text must be UTF-8
            infallible(move |row, out| out.push_str(&String::from_utf8_lossy(values.value(row))))
        }
        TypeKind::Date => {
            let values = down::<Date32Array>(array, from)?;
            infallible(move |row, out| datetime::write_date(i64::from(values.value(row)), out))
        }
        TypeKind::Time(p) => {
            let values = down::<Time32MillisecondArray>(array, from)?;
            infallible(move |row, out| datetime::write_time(values.value(row), *p, out))
        }
        kind => {
            let digits = precision(kind)
                .ok_or_else(|| Error::internal(format!("{kind} is not a primitive type")))?;
            let values = Timestamps::new(array, from)?;
            let instants = matches!(kind, TypeKind::LocalZonedTimestamp(_));
            infallible(move |row, out| {
                if let Some((millis, nanos)) = values.value(row) {
                    let shown = if instants {
                        clock_millis(millis, zone)
                    } else {
                        millis
                    };
                    datetime::write_timestamp(shown, nanos, digits, out);
                }
            })
        }
    })
}

fn infallible<'a>(write: impl Fn(usize, &mut String) + 'a) -> RowWriter<'a> {
    Box::new(move |row, out| {
        write(row, out);
        Ok(())
    })
}

fn fmt_error(error: std::fmt::Error) -> Error {
    Error::internal("formatting a value").with_source(error)
}

/// Writer of an element that may be null.
fn element_writer<'a>(
    array: &'a ArrayRef,
    element: &'a DataType,
    zone: Tz,
) -> Result<RowWriter<'a>> {
    let inner = row_writer(array, element, zone)
        .ok_or_else(|| unsupported(element, &DataType::string()))??;
    Ok(Box::new(move |row, out| {
        if array.is_null(row) {
            out.push_str("null");
            Ok(())
        } else {
            inner(row, out)
        }
    }))
}

fn list_writer<'a>(
    array: &'a dyn Array,
    from: &DataType,
    element: &'a DataType,
    zone: Tz,
) -> Result<RowWriter<'a>> {
    let list = down::<ListArray>(array, from)?;
    let inner = element_writer(list.values(), element, zone)?;
    Ok(Box::new(move |row, out| {
        out.push('[');
        for (i, at) in span(list.value_offsets(), row).enumerate() {
            separate(i, out);
            inner(at, out)?;
        }
        out.push(']');
        Ok(())
    }))
}

fn map_writer<'a>(
    array: &'a dyn Array,
    from: &DataType,
    (key, value): (&'a DataType, &'a DataType),
    zone: Tz,
) -> Result<RowWriter<'a>> {
    let map = down::<MapArray>(array, from)?;
    let keys = element_writer(map.keys(), key, zone)?;
    let values = element_writer(map.values(), value, zone)?;
    Ok(Box::new(move |row, out| {
        out.push('{');
        for (i, at) in span(map.value_offsets(), row).enumerate() {
            separate(i, out);
            keys(at, out)?;
            out.push_str(" -> ");
            values(at, out)?;
        }
        out.push('}');
        Ok(())
    }))
}

fn row_type_writer<'a>(
    array: &'a dyn Array,
    from: &'a DataType,
    zone: Tz,
) -> Result<RowWriter<'a>> {
    let TypeKind::Row(fields) = &from.kind else {
        return Err(Error::internal(format!("{from} is not a ROW type")));
    };
    down::<StructArray>(array, from)?;
    let children = array.as_struct().columns();
    let writers = fields
        .iter()
        .zip(children)
        .map(|(field, child)| element_writer(child, &field.data_type, zone))
        .collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |row, out| {
        out.push('{');
        for (i, writer) in writers.iter().enumerate() {
            separate(i, out);
            writer(row, out)?;
        }
        out.push('}');
        Ok(())
    }))
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push_str(", ");
    }
}

fn span(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let at = |i: usize| {
        offsets
            .get(i)
            .map_or(0, |o| usize::try_from(*o).unwrap_or(0))
    };
    at(row)..at(row + 1)
}
