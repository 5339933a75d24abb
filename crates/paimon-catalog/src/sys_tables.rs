//! Global tables of database `sys`.
//!
//! Java: `org.apache.paimon.table.system.{AllTablesTable, AllPartitionsTable, AllTableOptionsTable, CatalogOptionsTable}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, BooleanBuilder, Int64Builder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringViewArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use paimon_core::table::{SystemTable, Table};
use paimon_core::{Error, Result};

use crate::catalog::Catalog;
use crate::identifier::Identifier;
use paimon_core::options::redacted;

/// Catalog option that shows `catalog_options`.
const SHOW_CATALOG_OPTIONS: &str = "catalog-options-table.enabled";

const CATALOG_OPTIONS: &str = "catalog_options";

const NAMES: &[&str] = &["all_table_options", CATALOG_OPTIONS, "partitions", "tables"];

const NAMES_WITHOUT_OPTIONS: &[&str] = &["all_table_options", "partitions", "tables"];

/// Names of the tables that a catalog with these options has, sorted.
pub(crate) fn names(options: &BTreeMap<String, String>) -> &'static [&'static str] {
    let shown = options.get(SHOW_CATALOG_OPTIONS);
    match shown.is_some_and(|v| v.trim().eq_ignore_ascii_case("true")) {
        true => NAMES,
        false => NAMES_WITHOUT_OPTIONS,
    }
}

/// Content of a global table, `None` for an unknown name.
pub(crate) async fn read(catalog: &dyn Catalog, name: &str) -> Result<Option<SystemTable>> {
    if !names(catalog.options()).contains(&name) {
        return Ok(None);
    }
    match name {
        CATALOG_OPTIONS => catalog_options(catalog.options()).map(Some),
        "all_table_options" => all_table_options(catalog).await.map(Some),
        "partitions" => all_partitions(catalog).await.map(Some),
        "tables" => all_tables(catalog).await.map(Some),
        _ => Ok(None),
    }
}

/// Every table that opens, with its database; a table that does not open is left out with a warning.
async fn open_all(catalog: &dyn Catalog) -> Result<Vec<(String, String, Table)>> {
    let mut tables = Vec::new();
    for database in catalog.list_databases().await? {
        for name in catalog.list_tables(&database).await? {
            match catalog.get_table(&Identifier::new(&database, &name)?).await {
                Ok(table) => tables.push((database.clone(), name, table)),
                Err(error) => {
                    tracing::warn!(%database, table = %name, %error, "table left out of sys")
                }
            }
        }
    }
    Ok(tables)
}

/// The options of the catalog, by key; values of secret-like keys are hidden.
fn catalog_options(options: &BTreeMap<String, String>) -> Result<SystemTable> {
    let keys: StringViewArray = options.keys().map(Some).collect();
    let values = options.iter().map(|(k, v)| Some(redacted(k, v)));
    let values: StringViewArray = values.collect();
    let column = |name| Field::new(name, DataType::Utf8View, false);
    let schema = Arc::new(Schema::new(vec![column("key"), column("value")]));
    system_table(schema, vec![Arc::new(keys), Arc::new(values)])
}

async fn all_table_options(catalog: &dyn Catalog) -> Result<SystemTable> {
    let mut columns: [StringViewBuilder; 4] = Default::default();
    for (database, name, table) in open_all(catalog).await? {
        let mut options: Vec<(&str, &str)> = table
            .schema()
            .options
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .filter(|(k, _)| *k != "path")
            .collect();
        options.push(("path", table.location()));
        options.sort_unstable();
        for (key, value) in options {
            let row = [&database, &name, key, &redacted(key, value)];
            for (column, text) in columns.iter_mut().zip(row) {
                column.append_value(text);
            }
        }
    }
    let schema = schema(&[
        ("database_name", DataType::Utf8View),
        ("table_name", DataType::Utf8View),
        ("key", DataType::Utf8View),
        ("value", DataType::Utf8View),
    ]);
    let arrays = columns
        .iter_mut()
        .map(|c| Arc::new(c.finish()) as ArrayRef)
        .collect();
    system_table(schema, arrays)
}

async fn all_tables(catalog: &dyn Catalog) -> Result<SystemTable> {
    let mut text: [StringViewBuilder; 3] = Default::default();
    let mut flags: [BooleanBuilder; 2] = Default::default();
    let mut created_at = Int64Builder::new();
    let mut counts: [Int64Builder; 4] = Default::default();
    for (database, name, table) in open_all(catalog).await? {
        let schema = table.schema();
        for (column, value) in text.iter_mut().zip([database.as_str(), &name, "table"]) {
            column.append_value(value);
        }
        flags[0].append_value(!schema.partition_keys.is_empty());
        flags[1].append_value(!schema.primary_keys.is_empty());
        created_at.append_option(first_schema_time(&table).await);
        let sums = partition_sums(&table).await;
        for (column, value) in counts.iter_mut().zip(sums) {
            column.append_option(value);
        }
    }
    let rows = created_at.len();
    let nulls = |kind: &DataType| arrow_array::new_null_array(kind, rows);
    let [database, name, kind] = text.map(|mut b| Arc::new(b.finish()) as ArrayRef);
    let [partitioned, primary_key] = flags.map(|mut b| Arc::new(b.finish()) as ArrayRef);
    let [records, bytes, files, last_file] = counts.map(|mut b| Arc::new(b.finish()) as ArrayRef);
    let schema = schema(&[
        ("database_name", DataType::Utf8View),
        ("table_name", DataType::Utf8View),
        ("table_type", DataType::Utf8View),
        ("partitioned", DataType::Boolean),
        ("primary_key", DataType::Boolean),
        ("owner", DataType::Utf8View),
        ("created_at", DataType::Int64),
        ("created_by", DataType::Utf8View),
        ("updated_at", DataType::Int64),
        ("updated_by", DataType::Utf8View),
        ("record_count", DataType::Int64),
        ("file_size_in_bytes", DataType::Int64),
        ("file_count", DataType::Int64),
        ("last_file_creation_time", DataType::Int64),
    ]);
    let utf8 = DataType::Utf8View;
    let arrays = vec![
        database,
        name,
        kind,
        partitioned,
        primary_key,
        nulls(&utf8),
        Arc::new(created_at.finish()),
        nulls(&utf8),
        nulls(&DataType::Int64),
        nulls(&utf8),
        records,
        bytes,
        files,
        last_file,
    ];
    system_table(schema, arrays)
}

async fn all_partitions(catalog: &dyn Catalog) -> Result<SystemTable> {
    let mut text: [StringViewBuilder; 3] = Default::default();
    let mut counts: [Int64Builder; 4] = Default::default();
    for (database, name, table) in open_all(catalog).await? {
        if table.schema().partition_keys.is_empty() {
            continue;
        }
        let content = table.system_table("partitions").await?;
        for batch in &content.batches {
            let partition = text_column(batch, "partition")?;
            let numbers = number_columns(batch)?;
            for row in 0..batch.num_rows() {
                let partition = partition.as_string_view();
                for (column, value) in
                    text.iter_mut()
                        .zip([database.as_str(), &name, partition.value(row)])
                {
                    column.append_value(value);
                }
                for (column, array) in counts.iter_mut().zip(&numbers) {
                    column.append_option(number(array, row));
                }
            }
        }
    }
    let rows = counts[0].len();
    let schema = schema(&[
        ("database_name", DataType::Utf8View),
        ("table_name", DataType::Utf8View),
        ("partition_name", DataType::Utf8View),
        ("record_count", DataType::Int64),
        ("file_size_in_bytes", DataType::Int64),
        ("file_count", DataType::Int64),
        ("last_file_creation_time", DataType::Int64),
        ("done", DataType::Boolean),
    ]);
    let mut arrays: Vec<ArrayRef> = text
        .iter_mut()
        .map(|c| Arc::new(c.finish()) as ArrayRef)
        .collect();
    arrays.extend(counts.iter_mut().map(|c| Arc::new(c.finish()) as ArrayRef));
    // only some catalogs store that a partition is done
    arrays.push(Arc::new(BooleanArray::from(vec![false; rows])));
    system_table(schema, arrays)
}

/// When the oldest schema was made, milliseconds since 1970; nothing when that cannot be told.
async fn first_schema_time(table: &Table) -> Option<i64> {
    let schemas = table.schemas();
    let first = schemas.ids().await.ok()?.into_iter().min()?;
    Some(schemas.schema(first).await.ok()?.time_millis)
}

/// Records, bytes, files and the newest file time of a table; nulls when they cannot be told.
async fn partition_sums(table: &Table) -> [Option<i64>; 4] {
    let Ok(content) = table.system_table("partitions").await else {
        return [None; 4];
    };
    let mut sums = [Some(0), Some(0), Some(0), None];
    for batch in &content.batches {
        let Ok(columns) = number_columns(batch) else {
            return [None; 4];
        };
        for row in 0..batch.num_rows() {
            for (i, (sum, array)) in sums.iter_mut().zip(&columns).enumerate() {
                let Some(value) = number(array, row) else {
                    continue;
                };
                *sum = match *sum {
                    Some(old) if i == 3 => Some(old.max(value)),
                    Some(old) => old.checked_add(value),
                    None => Some(value),
                };
            }
        }
    }
    sums
}

/// `record_count`, `file_size_in_bytes`, `file_count`, `last_update_time` as Int64.
fn number_columns(batch: &RecordBatch) -> Result<[ArrayRef; 4]> {
    let column = |name: &str| -> Result<ArrayRef> {
        let array = find(batch, name)?;
        Ok(arrow_cast::cast(&array, &DataType::Int64)?)
    };
    Ok([
        column("record_count")?,
        column("file_size_in_bytes")?,
        column("file_count")?,
        column("last_update_time")?,
    ])
}

fn text_column(batch: &RecordBatch, name: &str) -> Result<ArrayRef> {
    Ok(arrow_cast::cast(&find(batch, name)?, &DataType::Utf8View)?)
}

fn find(batch: &RecordBatch, name: &str) -> Result<ArrayRef> {
    batch
        .column_by_name(name)
        .cloned()
        .ok_or_else(|| Error::internal(format!("system table partitions lacks column {name}")))
}

fn number(array: &ArrayRef, row: usize) -> Option<i64> {
    let array = array.as_primitive_opt::<Int64Type>()?;
    array.is_valid(row).then(|| array.value(row))
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(
        columns
            .iter()
            .map(|(name, kind)| Field::new(*name, kind.clone(), true))
            .collect::<Vec<_>>(),
    ))
}

fn system_table(schema: SchemaRef, arrays: Vec<ArrayRef>) -> Result<SystemTable> {
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    Ok(SystemTable {
        schema,
        batches: vec![batch],
    })
}
