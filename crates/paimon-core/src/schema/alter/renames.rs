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
    let options = std::mem::take(&mut schema.options);
    schema.options = options
        .into_iter()
        .map(|(key, value)| renamed(key, value, &names))
        .collect::<IndexMap<_, _>>();
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
