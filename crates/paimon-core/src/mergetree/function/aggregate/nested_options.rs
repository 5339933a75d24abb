//! Options of the nested functions.

use super::super::options::{FieldOptions, invalid};
use crate::spec::DataField;
use crate::{Error, Result};

/// What to do with rows that have null in a nested key (`NestedKeyNullStrategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullKeys {
    /// Null is a key like any other.
    Merge,
    /// The row is dropped.
    Ignore,
    /// The merge fails.
    Error,
}

/// Positions of the fields that options name within the nested row.
#[derive(Debug)]
pub(super) struct NestedOptions {
    /// `nested-key`; empty: none.
    pub key: Vec<usize>,
    /// `nested-sequence-field`; empty: none.
    pub sequence: Vec<usize>,
    pub null_keys: NullKeys,
    /// `count-limit`.
    pub count_limit: usize,
}

impl NestedOptions {
    pub(super) fn new(fields: &[DataField], options: &FieldOptions) -> Result<Self> {
        const STRATEGY: &str = "nested-key-null-strategy";
        const SEQUENCE: &str = "nested-sequence-field";
        let key = positions(fields, options, "nested-key")?;
        let sequence = positions(fields, options, SEQUENCE)?;
        for suffix in [STRATEGY, SEQUENCE] {
            if key.is_empty() && options.get(suffix).is_some() {
                return Err(Error::invalid(format!(
                    "option '{}' needs option '{}'",
                    options.key(suffix),
                    options.key("nested-key")
                ))
                .with("option", options.key(suffix)));
            }
        }
        let null_keys = match options.get(STRATEGY) {
            None => NullKeys::Merge,
            Some(v) if v.eq_ignore_ascii_case("merge") => NullKeys::Merge,
            Some(v) if v.eq_ignore_ascii_case("ignore") => NullKeys::Ignore,
            Some(v) if v.eq_ignore_ascii_case("error") => NullKeys::Error,
            Some(v) => return Err(invalid(&options.key(STRATEGY), v, "merge, ignore or error")),
        };
        let limit = options.parse::<i32>("count-limit", "a 32-bit integer")?;
        Ok(Self {
            key,
            sequence,
            null_keys,
            // a negative limit lets nothing in, as zero does
            count_limit: usize::try_from(limit.unwrap_or(i32::MAX)).unwrap_or(0),
        })
    }
}

fn positions(fields: &[DataField], options: &FieldOptions, suffix: &str) -> Result<Vec<usize>> {
    let find = |name: &str| {
        fields.iter().position(|f| f.name == name).ok_or_else(|| {
            let key = options.key(suffix);
            Error::invalid(format!(
                "option '{key}': the nested ROW has no field '{name}'"
            ))
            .with("option", key)
        })
    };
    options.list(suffix).into_iter().map(find).collect()
}
