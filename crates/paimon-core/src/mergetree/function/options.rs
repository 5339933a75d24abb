//! Reading the options that merge functions understand (`CoreOptions`, prefix `fields.`).

use std::collections::HashMap;
use std::str::FromStr;

use indexmap::IndexMap;

use crate::{Error, Result};

/// Table options by key, without caring how they are stored.
pub trait OptionLookup {
    /// Value of a key.
    fn get(&self, key: &str) -> Option<&str>;
    /// All keys.
    fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_>;
}

impl OptionLookup for IndexMap<String, String> {
    fn get(&self, key: &str) -> Option<&str> {
        IndexMap::get(self, key).map(String::as_str)
    }

    fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(IndexMap::keys(self).map(String::as_str))
    }
}

impl OptionLookup for HashMap<String, String> {
    fn get(&self, key: &str) -> Option<&str> {
        HashMap::get(self, key).map(String::as_str)
    }

    fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(HashMap::keys(self).map(String::as_str))
    }
}

/// Whether a column's aggregate function makes maps or arrays whose elements come in no defined order: those of Java's
/// hash maps and sets.
pub(crate) fn aggregates_unordered(options: &dyn OptionLookup, field: &str) -> bool {
    let own = FieldOptions::new(options, field);
    own.aggregate_function().is_some_and(|(_, name)| {
        name.starts_with("merge_map")
            || (name == "collect" && own.boolean("distinct").unwrap_or(false))
    })
}

/// Whether retract records are dropped, with the keys of older releases.
pub(super) fn ignore_delete(options: &dyn OptionLookup) -> Result<bool> {
    const KEYS: [&str; 4] = [
        "ignore-delete",
        "first-row.ignore-delete",
        "deduplicate.ignore-delete",
        "partial-update.ignore-delete",
    ];
    match KEYS.into_iter().find(|key| options.get(key).is_some()) {
        Some(key) => boolean(options, key),
        None => Ok(false),
    }
}

/// A boolean option, false when absent.
pub(super) fn boolean(options: &dyn OptionLookup, key: &str) -> Result<bool> {
    match options.get(key).map(str::trim) {
        None => Ok(false),
        Some(v) if v.eq_ignore_ascii_case("true") => Ok(true),
        Some(v) if v.eq_ignore_ascii_case("false") => Ok(false),
        Some(v) => Err(invalid(key, v, "true or false")),
    }
}

/// The error of an option whose value is not what was expected.
pub(super) fn invalid(key: &str, value: &str, expected: &str) -> Error {
    Error::invalid(format!("option '{key}' is '{value}', expected {expected}")).with("option", key)
}

/// Options `fields.<field>.*` of one column.
pub(super) struct FieldOptions<'a> {
    options: &'a dyn OptionLookup,
    /// Column name.
    pub field: &'a str,
}

impl<'a> FieldOptions<'a> {
    pub(super) fn new(options: &'a dyn OptionLookup, field: &'a str) -> Self {
        Self { options, field }
    }

    pub(super) fn key(&self, suffix: &str) -> String {
        format!("fields.{}.{suffix}", self.field)
    }

    pub(super) fn get(&self, suffix: &str) -> Option<&'a str> {
        self.options.get(&self.key(suffix))
    }

    pub(super) fn boolean(&self, suffix: &str) -> Result<bool> {
        boolean(self.options, &self.key(suffix))
    }

    /// A comma separated list, trimmed; empty when absent.
    pub(super) fn list(&self, suffix: &str) -> Vec<&'a str> {
        self.get(suffix)
            .map(|v| v.split(',').map(str::trim).collect())
            .unwrap_or_default()
    }

    pub(super) fn parse<T: FromStr>(&self, suffix: &str, expected: &str) -> Result<Option<T>> {
        let Some(value) = self.get(suffix) else {
            return Ok(None);
        };
        match value.trim().parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(_) => Err(invalid(&self.key(suffix), value, expected)),
        }
    }

    /// Key and name of the configured aggregate function: the column's own, else the default one.
    pub(super) fn aggregate_function(&self) -> Option<(String, &'a str)> {
        const DEFAULT: &str = "fields.default-aggregate-function";
        let own = self.key("aggregate-function");
        if let Some(name) = self.options.get(&own) {
            return Some((own, name));
        }
        Some((DEFAULT.to_string(), self.options.get(DEFAULT)?))
    }
}
