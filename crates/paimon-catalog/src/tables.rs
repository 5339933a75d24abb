//! What the catalogs with a service of their own do alike with tables.

use std::collections::BTreeMap;

#[cfg(any(feature = "hive", feature = "jdbc"))]
use paimon_core::io::FileIo;
#[cfg(any(feature = "hive", feature = "jdbc"))]
use paimon_core::options::CoreOptions;
use paimon_core::schema::NewTable;
#[cfg(any(feature = "hive", feature = "jdbc"))]
use paimon_core::schema::SchemaManager;
use paimon_core::{Error, Result};

#[cfg(any(feature = "hive", feature = "jdbc"))]
use crate::identifier::Identifier;

/// Catalog options with this prefix are options of new tables.
const TABLE_DEFAULT: &str = "table-default.";

/// Gives a new table the catalog's `table-default.<key>` options that it does not set itself.
pub(crate) fn add_defaults(options: &BTreeMap<String, String>, table: &mut NewTable) {
    for (key, value) in options {
        if let Some(key) = key.strip_prefix(TABLE_DEFAULT) {
            let entry = table.options.entry(key.to_string());
            entry.or_insert_with(|| value.clone());
        }
    }
}

/// Refuses tables of kinds that this engine does not make.
pub(crate) fn refuse_kinds(table: &NewTable) -> Result<()> {
    match table.options.get("type").map(String::as_str) {
        None | Some("table" | "materialized-table") => Ok(()),
        Some(other) => Err(Error::unsupported(format!(
            "tables of type {other:?} cannot be created"
        ))
        .with("option", "type")),
    }
}

#[cfg(any(feature = "hive", feature = "jdbc"))]
/// Refuses to drop a table whose data files outside of its folder would stay behind.
pub(crate) async fn refuse_external_data(
    io: &FileIo,
    identifier: &Identifier,
    location: &str,
) -> Result<()> {
    const KEY: &str = "data-file.external-paths";
    let latest = SchemaManager::new(io.clone(), location).latest().await;
    // a table that cannot be read can be dropped all the same
    let options = latest.ok().flatten();
    let options = options.and_then(|s| CoreOptions::new(&s).ok());
    match options.as_ref().and_then(|o| o.get(KEY)) {
        None => Ok(()),
        Some(_) => Err(Error::unsupported(
            "tables with data files on external paths cannot be dropped yet",
        )
        .with("option", KEY)
        .with("table", identifier)),
    }
}

#[cfg(any(feature = "hive", feature = "jdbc"))]
/// Whether a change may have taken effect although it failed.
pub(crate) fn is_doubtful(error: &Error) -> bool {
    let unknown = (OUTCOME, UNKNOWN);
    error
        .context()
        .iter()
        .any(|(k, v)| (*k, v.as_str()) == unknown)
}

#[cfg(any(feature = "hive", feature = "jdbc"))]
/// The error of a change of which a catalog did not take the new schema: the schema is taken back unless nobody knows
/// whether the catalog took it, or another one builds on it.
pub(crate) async fn not_stored(schemas: &SchemaManager, id: i64, error: Error) -> Error {
    if is_doubtful(&error) {
        return error.with("schema_id", id);
    }
    match schemas.withdraw(id).await {
        Ok(true) => error,
        undone => {
            if let Err(undo) = undone {
                tracing::warn!(error = %undo, schema = id, "a schema could not be taken back");
            }
            error.with("schema_id", id)
        }
    }
}

/// Context key of an error after which nobody knows whether a change took effect; its value is [`UNKNOWN`].
pub(crate) const OUTCOME: &str = "outcome";
/// See [`OUTCOME`].
pub(crate) const UNKNOWN: &str = "unknown";
