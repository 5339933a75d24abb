//! Paimon tables as the metastore stores them.
//!
//! Java: `HiveCatalog.createHiveTable`, `updateHmsTable`, `updateHmsTablePars`.

use std::collections::{BTreeMap, BTreeSet};

use paimon_core::Result;
use paimon_core::options::CoreOptions;
use paimon_core::spec::{DataField, TableSchema};

use super::client::{FieldSchema, HiveTable, StorageDescriptor};
use super::settings::HiveSettings;
use super::types::{paimon_type, type_name};
use crate::format_table::FileFormat;
use crate::identifier::Identifier;

pub(super) const INPUT_FORMAT: &str = "org.apache.paimon.hive.mapred.PaimonInputFormat";
pub(super) const OUTPUT_FORMAT: &str = "org.apache.paimon.hive.mapred.PaimonOutputFormat";
const SERDE: &str = "org.apache.paimon.hive.PaimonSerDe";
const STORAGE_HANDLER: &str = "org.apache.paimon.hive.PaimonStorageHandler";

pub(super) const COMMENT: &str = "comment";
/// Parameter that tells whose table it is, or the format of its files.
pub(super) const TABLE_TYPE: &str = "table_type";
/// Where a location is kept with option `location-in-properties`.
pub(super) const LOCATION: &str = "paimon_location";
pub(super) const EXTERNAL_TABLE: &str = "EXTERNAL_TABLE";
pub(super) const VIEW: &str = "VIRTUAL_VIEW";
/// Set by Hive 4 on managed tables that it stores as external ones.
const TRANSLATED: &str = "TRANSLATED_TO_EXTERNAL";
/// Options with this prefix are stored without it when not all are.
const HIVE_PREFIX: &str = "hive.";
/// Stored even when not all options are.
const ALWAYS_SYNCED: [&str; 2] = ["partition.expiration-time", "data-file.path-directory"];
const KEY_OPTIONS: [&str; 3] = ["primary-key", "partition", "bucket-key"];

/// Longest column comment of the metastore's own database, characters.
const COMMENT_MAX: usize = 255;

pub(super) const PARTITIONED: &str = "metastore.partitioned-table";
pub(super) const TAG_TO_PARTITION: &str = "metastore.tag-to-partition";

/// Columns of a table or view of Hive as Paimon's, partition keys last.
///
/// # Errors
/// `Unsupported` for a type that Paimon lacks.
pub(super) fn fields_of(table: &HiveTable) -> Result<Vec<DataField>> {
    let columns = table.storage.columns.iter().chain(&table.partition_keys);
    let fields = (0i32..).zip(columns).map(|(id, column)| {
        let data_type =
            paimon_type(&column.data_type).map_err(|e| e.with("column", &column.name))?;
        Ok(DataField {
            description: column.comment.clone(),
            ..DataField::new(id, &column.name, data_type)
        })
    });
    fields.collect()
}

/// What a table of the metastore is to this catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Paimon,
    /// Files that Hive's own formats read.
    Format(FileFormat),
    View,
    Other,
}

pub(super) fn kind(table: &HiveTable) -> Kind {
    let storage = &table.storage;
    let input = storage.input_format.as_deref().unwrap_or_default();
    if input == INPUT_FORMAT && storage.output_format.as_deref() == Some(OUTPUT_FORMAT) {
        return Kind::Paimon;
    }
    if table.table_type == VIEW {
        return Kind::View;
    }
    let library = storage.serde.library.clone().unwrap_or_default();
    let library = library.to_lowercase();
    let is_text = input.contains("Text");
    if library.contains("parquet") {
        Kind::Format(FileFormat::Parquet)
    } else if library.contains("orc") {
        Kind::Format(FileFormat::Orc)
    } else if is_text && library.contains("json") {
        Kind::Format(FileFormat::Json)
    } else if is_text
        && table
            .parameters
            .get(TABLE_TYPE)
            .is_some_and(|t| t == "TEXT")
    {
        Kind::Format(FileFormat::Text)
    } else if is_text {
        Kind::Format(FileFormat::Csv)
    } else {
        Kind::Other
    }
}

/// Whether dropping the table leaves its files.
pub(super) fn is_external(table: &HiveTable) -> bool {
    let translated = table.parameters.get(TRANSLATED);
    table.table_type == EXTERNAL_TABLE
        && !translated.is_some_and(|t| t.eq_ignore_ascii_case("true"))
}

/// Location of a table's files.
pub(super) fn location(table: &HiveTable, settings: &HiveSettings) -> Option<String> {
    let in_properties = table.parameters.get(LOCATION);
    let found = match in_properties.filter(|_| settings.location_in_properties) {
        Some(location) => Some(location.clone()),
        None => table.storage.location.clone(),
    };
    found.map(|l| l.trim_end_matches('/').to_string())
}

pub(super) fn set_location(table: &mut HiveTable, location: &str, settings: &HiveSettings) {
    if settings.location_in_properties {
        table
            .parameters
            .insert(LOCATION.to_string(), location.to_string());
    } else {
        table.storage.location = Some(location.to_string());
    }
}

/// A new table, made `now` (epoch seconds).
///
/// # Errors
/// `InvalidInput` for malformed options.
pub(super) fn new_table(
    identifier: &Identifier,
    schema: &TableSchema,
    place: &Place,
    settings: &HiveSettings,
    now: i32,
) -> Result<HiveTable> {
    let mut parameters = if settings.sync_all_properties {
        all_properties(schema)?
    } else {
        let mut some = prefixed_properties(schema);
        let always = ALWAYS_SYNCED.iter().filter_map(|key| {
            let value = schema.options.get(*key)?;
            Some((key.to_string(), value.clone()))
        });
        some.extend(always);
        some
    };
    let own = [(TABLE_TYPE, "PAIMON"), ("storage_handler", STORAGE_HANDLER)];
    parameters.extend(own.map(|(k, v)| (k.to_string(), v.to_string())));
    if place.external {
        parameters.insert("EXTERNAL".to_string(), "TRUE".to_string());
    }
    let table_type = if place.external {
        EXTERNAL_TABLE
    } else {
        "MANAGED_TABLE"
    };
    let mut table = HiveTable {
        name: identifier.table().to_string(),
        database: identifier.database().to_string(),
        owner: Some(settings.user.clone()),
        create_time: now,
        storage: StorageDescriptor::plain(),
        parameters,
        table_type: table_type.to_string(),
        rest: HiveTable::rest_of_new(now),
        ..HiveTable::default()
    };
    set_columns(&mut table, schema)?;
    set_location(&mut table, &place.location, settings);
    Ok(table)
}

/// Where a table lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) location: String,
    pub(super) external: bool,
}

/// Brings a stored table to a newer schema. `removed` are options (and perhaps [`COMMENT`]) that are gone; all else that
/// is stored stays.
///
/// # Errors
/// `InvalidInput` for malformed options.
pub(super) fn update(
    table: &mut HiveTable,
    schema: &TableSchema,
    removed: &BTreeSet<String>,
    settings: &HiveSettings,
) -> Result<()> {
    let properties = if settings.sync_all_properties {
        all_properties(schema)?
    } else {
        prefixed_properties(schema)
    };
    for key in removed {
        table.parameters.remove(key);
        let short = key.strip_prefix(HIVE_PREFIX);
        if let Some(short) = short.filter(|_| !settings.sync_all_properties) {
            table.parameters.remove(short);
        }
    }
    if settings.sync_all_properties {
        for key in KEY_OPTIONS {
            table.parameters.remove(key);
        }
    }
    table.parameters.extend(properties);
    set_columns(table, schema)
}

fn all_properties(schema: &TableSchema) -> Result<BTreeMap<String, String>> {
    let mut all: BTreeMap<String, String> = schema
        .options
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let bucket_keys = CoreOptions::new(schema)?.bucket_keys(schema);
    let keys = [&schema.primary_keys, &schema.partition_keys, &bucket_keys];
    for (option, columns) in KEY_OPTIONS.iter().zip(keys) {
        if !columns.is_empty() {
            all.insert(option.to_string(), columns.join(","));
        }
    }
    Ok(all)
}

fn prefixed_properties(schema: &TableSchema) -> BTreeMap<String, String> {
    let short = |(key, value): (&String, &String)| {
        let key = key.strip_prefix(HIVE_PREFIX)?;
        Some((key.to_string(), value.clone()))
    };
    schema.options.iter().filter_map(short).collect()
}

/// Columns, partition keys, formats and the comment.
fn set_columns(table: &mut HiveTable, schema: &TableSchema) -> Result<()> {
    let storage = &mut table.storage;
    storage.input_format = Some(INPUT_FORMAT.to_string());
    storage.output_format = Some(OUTPUT_FORMAT.to_string());
    storage.serde.library = Some(SERDE.to_string());
    storage.serde.parameters.clear();
    let is_key = |f: &DataField| schema.partition_keys.contains(&f.name);
    let in_keys = is_partitioned(schema)?;
    let columns = schema.fields.iter().filter(|f| !(in_keys && is_key(f)));
    storage.columns = columns.map(column).collect();
    if in_keys {
        table.partition_keys = schema.partition_fields().iter().map(key_column).collect();
    } else if let Some(tag) = tag_column(schema) {
        table.partition_keys = vec![FieldSchema {
            name: tag.to_string(),
            data_type: "string".to_string(),
            comment: None,
        }];
    }
    if let Some(comment) = &schema.comment {
        table
            .parameters
            .insert(COMMENT.to_string(), comment.clone());
    }
    Ok(())
}

/// Whether the metastore knows the table's partitions.
pub(super) fn is_partitioned(schema: &TableSchema) -> Result<bool> {
    let wanted = match schema.options.get(PARTITIONED) {
        Some(text) => {
            paimon_core::options::parse_bool(text).map_err(|e| e.with("option", PARTITIONED))?
        }
        None => false,
    };
    Ok(wanted && !schema.partition_keys.is_empty())
}

/// The column under which the metastore knows tags as partitions.
pub(super) fn tag_column(schema: &TableSchema) -> Option<&str> {
    schema.options.get(TAG_TO_PARTITION).map(String::as_str)
}

pub(super) fn key_column(field: &DataField) -> FieldSchema {
    FieldSchema {
        name: field.name.clone(),
        data_type: type_name(&field.data_type),
        comment: field.description.clone(),
    }
}

pub(super) fn column(field: &DataField) -> FieldSchema {
    FieldSchema {
        comment: field.description.as_deref().map(short_comment),
        ..key_column(field)
    }
}

/// A comment on one line that fits the metastore's database.
fn short_comment(comment: &str) -> String {
    let line = comment.replace(['\n', '\r'], " ");
    match line.chars().count() > COMMENT_MAX {
        true => {
            let start: String = line.chars().take(COMMENT_MAX - 3).collect();
            format!("{start}...")
        }
        false => line,
    }
}

#[cfg(test)]
mod tests;
