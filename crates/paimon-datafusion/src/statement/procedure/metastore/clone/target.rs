//! The table that a clone makes or writes to.

use std::collections::{BTreeMap, BTreeSet};

use paimon_catalog::{FormatTable, Identifier};
use paimon_core::schema::{NewColumn, NewTable};
use paimon_core::spec::{DataField, TableSchema};
use paimon_core::table::Table;
use paimon_core::{Error, Result};

use super::{Place, Source};

const BUCKET: &str = "bucket";
const BUCKET_KEY: &str = "bucket-key";
const COMMENT: &str = "comment";
const DEFAULT_PARTITION: &str = "partition.default-name";
const FILE_FORMAT: &str = "file.format";
const HIVE_COMMENT: &str = "hive.comment";
const PATH: &str = "path";
/// Rows wait for no bucket; batches are written to fixed ones.
const POSTPONE: &str = "-2";
const UNAWARE: &str = "-1";

/// A new table like the source.
///
/// Java: `CloneHiveSchemaFunction`, `ClonePaimonSchemaFunction`.
pub(super) fn like(
    source: &Source,
    format: Option<String>,
    options: Vec<(String, String)>,
) -> NewTable {
    let mut new = match source {
        Source::Files(table) => like_files(table),
        Source::Paimon(table) => like_paimon(table.schema(), options),
    };
    if let Some(format) = format {
        new.options.insert(FILE_FORMAT.into(), format);
    }
    new
}

/// An append table without buckets.
fn like_files(table: &FormatTable) -> NewTable {
    let column = |field: &DataField| NewColumn {
        name: field.name.clone(),
        data_type: field.data_type.clone(),
        comment: field.description.clone(),
        default: None,
    };
    let format = match table.format.name() {
        own @ ("parquet" | "orc") => own,
        _ => "parquet",
    };
    let mut new = NewTable {
        columns: table.fields.iter().map(column).collect(),
        partition_keys: table.partition_keys.clone(),
        comment: table.comment.clone(),
        ..NewTable::default()
    };
    let options = &mut new.options;
    options.insert(FILE_FORMAT.to_string(), format.to_string());
    options.insert(BUCKET.to_string(), UNAWARE.to_string());
    if let Some(name) = table.options.get(DEFAULT_PARTITION) {
        options.insert(DEFAULT_PARTITION.to_string(), name.clone());
    }
    if let Some(comment) = &table.comment {
        options.insert(HIVE_COMMENT.to_string(), comment.clone());
    }
    new
}

/// Buckets of append tables stay; those of primary-key tables are postponed.
fn like_paimon(schema: &TableSchema, options: Vec<(String, String)>) -> NewTable {
    let mut new = NewTable::like(schema);
    new.options.extend(options);
    let is_place = |key: &str| key.eq_ignore_ascii_case(BUCKET) || key.eq_ignore_ascii_case(PATH);
    new.options.retain(|key, _| !is_place(key));
    if schema.has_primary_key() {
        new.options.insert(BUCKET.into(), POSTPONE.into());
    } else if schema.options.contains_key(BUCKET_KEY) {
        for key in [BUCKET, BUCKET_KEY] {
            if let Some(value) = schema.options.get(key) {
                new.options.insert(key.into(), value.clone());
            }
        }
    }
    new
}

/// Checks that the rows of a source can be those of a table that is there: all columns are, and the partitions are the same. A
/// clone of plain files is an append table without buckets.
///
/// # Errors
/// `InvalidInput` saying what differs.
pub(super) fn check(source: &Source, target: &Table) -> Result<()> {
    let schema = target.schema();
    if source.location() == target.location() {
        return Err(Error::invalid("a table cannot be cloned into itself"));
    }
    if let Source::Files(_) = source
        && (schema.has_primary_key() || target.options().bucket != -1)
    {
        return Err(Error::invalid(
            "files are cloned into tables without a primary key and without buckets",
        ));
    }
    let keys = |keys: &[String]| keys.iter().cloned().collect::<BTreeSet<_>>();
    if keys(source.partition_keys()) != keys(&schema.partition_keys) {
        return Err(Error::invalid(
            "the partition columns of the table are not those of the source",
        ));
    }
    let is_missing = |field: &&DataField| schema.fields.iter().all(|f| f.name != field.name);
    match source.fields().iter().find(is_missing) {
        None => Ok(()),
        Some(field) => {
            Err(Error::invalid("the table lacks a column of the source")
                .with("column", &field.name))
        }
    }
}

/// The properties of a database of plain tables that its clone has as well: the comment.
pub(super) async fn database_properties(
    source: &Place,
    table: &Identifier,
) -> Result<BTreeMap<String, String>> {
    let known = source.catalog.database_properties(table.database()).await?;
    Ok(known
        .into_iter()
        .filter(|(key, _)| key == COMMENT)
        .collect())
}
