//! Finding a field by its path.

use crate::error::{Error, ErrorKind, Result};
use crate::spec::{DataField, DataType, TypeKind};

/// The fields among which the last name of a path is, and that name.
///
/// # Errors
/// `NotFound` when a name before the last does not exist, `InvalidInput` when what it names has no fields.
pub(super) fn siblings<'a, 'p>(
    fields: &'a mut Vec<DataField>,
    path: &'p [String],
) -> Result<(&'a mut Vec<DataField>, &'p str)> {
    let Some((last, parents)) = path.split_last() else {
        return Err(Error::internal("a column without name"));
    };
    if parents.is_empty() {
        return Ok((fields, last));
    }
    let parent = data_type(fields, parents)?;
    match &mut parent.kind {
        TypeKind::Row(fields) => Ok((fields, last)),
        other => Err(Error::invalid(format!(
            "`{}` is {other}, which has no field {last:?}",
            parents.join(".")
        ))
        .with("column", path.join("."))),
    }
}

/// A field.
///
/// # Errors
/// `NotFound` when there is none of this path.
pub(super) fn field<'a>(
    fields: &'a mut Vec<DataField>,
    path: &[String],
) -> Result<&'a mut DataField> {
    let (fields, name) = siblings(fields, path)?;
    match fields.iter().position(|f| f.name == name) {
        Some(at) => fields.get_mut(at).ok_or_else(|| missing(path, &[])),
        None => Err(missing(path, fields)),
    }
}

/// The type of a field, or of the elements or values of a collection.
///
/// # Errors
/// `NotFound` when there is none of this path.
pub(super) fn data_type<'a>(
    fields: &'a mut Vec<DataField>,
    path: &[String],
) -> Result<&'a mut DataType> {
    let Some((first, rest)) = path.split_first() else {
        return Err(Error::internal("a column without name"));
    };
    let mut found = &mut field(fields, std::slice::from_ref(first))?.data_type;
    for name in rest {
        found = match &mut found.kind {
            TypeKind::Row(fields) => match fields.iter().position(|f| f.name == *name) {
                Some(at) => match fields.get_mut(at) {
                    Some(field) => &mut field.data_type,
                    None => return Err(missing(path, &[])),
                },
                None => return Err(missing(path, fields)),
            },
            TypeKind::Array(element) if name == "element" => element.as_mut(),
            TypeKind::Map(_, value) if name == "value" => value.as_mut(),
            _ => return Err(missing(path, &[])),
        };
    }
    Ok(found)
}

/// A column that does not exist, beside those that do.
pub(super) fn missing(path: &[String], there: &[DataField]) -> Error {
    let name = path.join(".");
    let names: Vec<&str> = there.iter().map(|f| f.name.as_str()).collect();
    let there = match names.is_empty() {
        true => String::new(),
        false => format!(": there are {}", names.join(", ")),
    };
    Error::new(
        ErrorKind::NotFound,
        format!("column `{name}` does not exist{there}"),
    )
    .with("column", name)
}
