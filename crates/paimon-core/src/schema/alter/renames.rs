//! What follows a renamed column: keys and options that name it. Source: `SchemaManager.applyRenameColumnsToOptions`.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::SchemaChange;
use crate::spec::TableSchema;

/// Options whose value is a list of columns.
const LISTS: &[&str] = &["bucket-key", "sequence.field"];

/// Options `fields.<columns>.<what>` whose value is a list of columns too.
const GROUPS: &[&str] = &[".sequence-group"];

/// Puts the new names of columns in place of the old ones.
pub(super) fn follow(schema: &mut TableSchema, changes: &[SchemaChange]) {
    let names: HashMap<&str, &str> = changes
        .iter()
        .filter_map(|change| match change {
            SchemaChange::RenameColumn { path, to } => match path.as_slice() {
                [name] => Some((name.as_str(), to.as_str())),
                _ => None,
            },
            _ => None,
        })
        .collect();
    if names.is_empty() {
        return;
    }
    for key in &mut schema.primary_keys {
        if let Some(new) = names.get(key.as_str()) {
            *key = (*new).to_string();
        }
    }
    schema.options = with_names(std::mem::take(&mut schema.options), &names);
}

/// The options of a schema in the words of another one of the same table: where they name a column, by the name that it
/// has there.
pub(crate) fn options_in_names_of(
    schema: &TableSchema,
    other: &TableSchema,
) -> IndexMap<String, String> {
    let names: HashMap<&str, &str> = schema
        .fields
        .iter()
        .filter_map(|field| {
            let there = other.field_by_id(field.id)?;
            (there.name != field.name).then_some((field.name.as_str(), there.name.as_str()))
        })
        .collect();
    with_names(schema.options.clone(), &names)
}

fn with_names(
    options: IndexMap<String, String>,
    names: &HashMap<&str, &str>,
) -> IndexMap<String, String> {
    options
        .into_iter()
        .map(|(key, value)| renamed(key, value, names))
        .collect()
}

fn renamed(key: String, value: String, names: &HashMap<&str, &str>) -> (String, String) {
    if LISTS.contains(&key.as_str()) {
        let value = list(&value, names);
        return (key, value);
    }
    let Some(rest) = key.strip_prefix("fields.") else {
        return (key, value);
    };
    for what in GROUPS {
        if let Some(columns) = rest.strip_suffix(what) {
            let key = format!("fields.{}{what}", list(columns, names));
            return (key, list(&value, names));
        }
    }
    for (old, new) in names {
        if let Some(what) = rest.strip_prefix(old).filter(|what| what.starts_with('.')) {
            return (format!("fields.{new}{what}"), value);
        }
    }
    (key, value)
}

fn list(columns: &str, names: &HashMap<&str, &str>) -> String {
    let renamed = columns.split(',').map(|column| {
        let plain = column.trim();
        names.get(plain).map_or(column, |new| *new)
    });
    renamed.collect::<Vec<_>>().join(",")
}
