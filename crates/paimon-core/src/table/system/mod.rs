//! System tables `t$<name>`: metadata as rows.
//!
//! Source: `SystemTableLoader` and the classes of `org.apache.paimon.table.system`.

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
pub const SYSTEM_TABLES: &[&str] = &[];

/// Computes a system table.
///
/// # Errors
/// `NotFound` for an unknown name.
pub async fn load(table: &Table, name: &str) -> Result<SystemTable> {
    Err(Error::new(
        ErrorKind::NotFound,
        format!("there is no system table {name:?}"),
    )
    .with("table", table.name()))
}
