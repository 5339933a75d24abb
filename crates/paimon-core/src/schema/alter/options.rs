//! Options that change, and those that must not. Source: `SchemaManager.checkAlterTableOption`,
//! `CoreOptions.IMMUTABLE_OPTIONS`.

use indexmap::IndexMap;

use crate::error::{Error, Result};
use crate::options::{parse_bool, parse_i64};
use crate::spec::TableSchema;

type Options = IndexMap<String, String>;

/// Fixed once a table has a snapshot.
const IMMUTABLE: &[&str] = &[
    "bucket-key",
    "bucket-function.type",
    "data-file.path-directory",
    "merge-engine",
    "sequence.snapshot-ordering",
    "aggregation.remove-record-on-delete",
    "partial-update.remove-record-on-delete",
    "partial-update.remove-record-on-sequence-group",
    "rowkind.field",
    "primary-key",
    "primary-key.nullable",
    "partition",
    "partition.default-name",
    "partition.legacy-name",
    "dynamic-bucket.initial-buckets",
    "force-lookup",
    "row-tracking.enabled",
    "data-evolution.enabled",
    "index-file-in-data-file-dir",
    "blob-field",
    "blob-descriptor-field",
    "blob-view-field",
    "pk-clustering-override",
];

/// Only from false to true.
const ONLY_ON: &[&str] = &["ignore-delete", "ignore-update-before"];

const VECTORS: &str = "deletion-vectors.enabled";

/// Sets an option.
pub(super) fn set(
    old: &TableSchema,
    options: &mut Options,
    key: &str,
    value: &str,
    has_snapshots: bool,
) -> Result<()> {
    if is_unchanged(old, key, value) {
        return Ok(());
    }
    match key {
        "path" | "type" | "branch" => return Err(fixed(key)),
        // the keys of a table are lists of its schema, not options
        "primary-key" | "partition" => return Err(fixed(key)),
        _ if has_snapshots => check_set(old, key, value)?,
        _ => {}
    }
    options.insert(key.to_string(), value.to_string());
    Ok(())
}

/// Removes an option; one that is not there is fine.
pub(super) fn remove(
    old: &TableSchema,
    options: &mut Options,
    key: &str,
    has_snapshots: bool,
) -> Result<()> {
    let there = old.options.contains_key(key);
    match key {
        "path" | "type" => return Err(fixed(key)),
        _ if !has_snapshots || !there => {}
        "bucket" => {
            return Err(Error::invalid(
                "option `bucket` of a table with snapshots cannot be reset",
            )
            .with("option", key));
        }
        _ if IMMUTABLE.contains(&key) => return Err(fixed(key)),
        VECTORS => check_set(old, key, "false")?,
        "clustering.columns" => check_clustering(old, key)?,
        _ => {}
    }
    options.shift_remove(key);
    Ok(())
}

/// Whether an option has this value already, be it as a list of the schema.
fn is_unchanged(old: &TableSchema, key: &str, value: &str) -> bool {
    let list = |keys: &[String]| {
        value
            .split(',')
            .map(str::trim)
            .filter(|k| !k.is_empty())
            .eq(keys)
    };
    match (key, old.options.get(key)) {
        (_, Some(there)) if there == value => true,
        ("type", there) => value.eq_ignore_ascii_case(there.map_or("table", String::as_str)),
        ("primary-key", None) => list(&old.primary_keys),
        ("partition", None) => list(&old.partition_keys),
        _ => false,
    }
}

fn check_set(old: &TableSchema, key: &str, value: &str) -> Result<()> {
    if IMMUTABLE.contains(&key) {
        return Err(fixed(key));
    }
    let there = old.options.get(key).map(String::as_str);
    let flag = |text: &str| parse_bool(text).map_err(|e| e.with("option", key));
    match key {
        "bucket" => check_bucket(there.unwrap_or("-1"), value),
        VECTORS if !old.flag("deletion-vectors.modifiable", false)? => {
            match flag(there.unwrap_or("false"))? == flag(value)? {
                true => Ok(()),
                false => Err(Error::invalid(
                    "`deletion-vectors.enabled` of a table with snapshots cannot change: rows might appear twice \
                     without a full compaction; `deletion-vectors.modifiable` = true allows it",
                )
                .with("option", key)),
            }
        }
        _ if ONLY_ON.contains(&key) => match flag(there.unwrap_or("false"))? && !flag(value)? {
            false => Ok(()),
            true => Err(
                Error::invalid(format!("option `{key}` cannot go from true to false"))
                    .with("option", key),
            ),
        },
        "clustering.columns" => check_clustering(old, key),
        _ => Ok(()),
    }
}

fn check_bucket(there: &str, value: &str) -> Result<()> {
    let number = |text: &str| parse_i64(text).map_err(|e| e.with("option", "bucket"));
    match (number(there)?, number(value)?) {
        (-1, _) => {
            Err(Error::invalid("`bucket` cannot change when it is -1").with("option", "bucket"))
        }
        (_, -1) => Err(Error::invalid("`bucket` cannot change to -1").with("option", "bucket")),
        _ => Ok(()),
    }
}

fn check_clustering(old: &TableSchema, key: &str) -> Result<()> {
    match old.options.contains_key("pk-clustering-override") {
        false => Ok(()),
        true => Err(Error::invalid(
            "`clustering.columns` cannot change where `pk-clustering-override` is set",
        )
        .with("option", key)),
    }
}

fn fixed(key: &str) -> Error {
    Error::invalid(format!("option `{key}` of this table cannot change")).with("option", key)
}
