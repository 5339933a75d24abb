//! System tables `t$<name>`: metadata as rows.
//!
//! Source: `SystemTableLoader` and the classes of `org.apache.paimon.table.system`, columns of release 2.0.0. Times are
//! UTC.

mod files;
mod history;
mod rows;

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
];

/// System tables of Java that this engine does not offer yet.
const NOT_YET: &[&str] = &[
    "audit_log",
    "binlog",
    "ro",
    "row_tracking",
    "file_key_ranges",
    "file_indexes",
    "aggregation_fields",
    "statistics",
    "table_indexes",
];

/// Computes a system table.
///
/// # Errors
/// `NotFound` for an unknown name, `Unsupported` for one that is not offered yet.
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
        other if NOT_YET.contains(&other) => {
            return Err(
                Error::unsupported(format!("system table {other:?} is not supported yet"))
                    .with("table", table.name()),
            );
        }
        other => {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no system table {other:?}; there are {}",
                    SYSTEM_TABLES.join(", ")
                ),
            )
            .with("table", table.name()));
        }
    };
    rows.finish()
}
