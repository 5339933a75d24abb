//! System tables `t$<name>`: metadata as rows.
//!
//! Source: `SystemTableLoader` and the classes of `org.apache.paimon.table.system`, columns of release 2.0.0. Times are
//! UTC.

mod aggregation;
mod files;
mod history;
mod indexes;
mod rows;
mod statistics;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::Table;
use crate::error::{Error, ErrorKind, Result};

/// Rows of a system table.
#[derive(Debug, Clone)]
pub struct SystemTable {
    /// Columns, with Java's names and types.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
}

/// Names of the system tables that [`load`] knows.
pub const SYSTEM_TABLES: &[&str] = &[
    "snapshots",
    "schemas",
    "options",
    "tags",
    "branches",
    "consumers",
    "files",
    "manifests",
    "partitions",
    "buckets",
    "file_key_ranges",
    "table_indexes",
    "statistics",
    "aggregation_fields",
];

/// System tables that hold rows of the table, and how these are read.
const OF_ROWS: &[(&str, &str)] = &[
    (
        "audit_log",
        "ReadBuilder::with_row_kind and Table::changes_between",
    ),
    ("binlog", "Table::changes_between"),
    ("ro", "ReadBuilder::read_optimized"),
    (
        "row_tracking",
        "ReadBuilder::with_projection of _ROW_ID and _SEQUENCE_NUMBER",
    ),
];

/// System table of releases after 2.0.0 that this engine does not offer yet.
const FILE_INDEXES: &str = "file_indexes";

/// Computes a system table.
///
/// # Errors
/// `NotFound` for an unknown name, `Unsupported` for one that is not offered yet or that holds rows of the table, which
/// reads give.
pub async fn load(table: &Table, name: &str) -> Result<SystemTable> {
    let rows = match name {
        "snapshots" => history::snapshots(table).await?,
        "schemas" => history::schemas(table).await?,
        "options" => history::options(table)?,
        "tags" => history::tags(table).await?,
        "branches" => history::branches(table).await?,
        "consumers" => history::consumers(table).await?,
        "files" => files::files(table).await?,
        "manifests" => files::manifests(table).await?,
        "partitions" => files::partitions(table).await?,
        "buckets" => files::buckets(table).await?,
        "file_key_ranges" => files::key_ranges(table).await?,
        "table_indexes" => indexes::table_indexes(table).await?,
        "statistics" => statistics::statistics(table).await?,
        "aggregation_fields" => aggregation::fields(table).await?,
        FILE_INDEXES => {
            return Err(Error::unsupported(format!(
                "system table {FILE_INDEXES:?} is not supported yet"
            ))
            .with("table", table.name()));
        }
        other => {
            if let Some((_, read)) = OF_ROWS.iter().find(|(name, _)| *name == other) {
                let message = format!("system table {other:?} holds rows of the table: {read}");
                return Err(Error::unsupported(message).with("table", table.name()));
            }
            let of_rows = OF_ROWS.iter().map(|(name, _)| *name);
            let names: Vec<&str> = SYSTEM_TABLES.iter().copied().chain(of_rows).collect();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no system table {other:?}; there are {}",
                    names.join(", ")
                ),
            )
            .with("table", table.name()));
        }
    };
    rows.finish()
}
