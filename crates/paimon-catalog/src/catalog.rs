//! What every catalog can do.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use paimon_core::Result;
use paimon_core::spec::TableSchema;
use paimon_core::table::{SystemTable, Table};

use crate::identifier::Identifier;

/// A named set of databases with tables.
///
/// Java: `org.apache.paimon.catalog.Catalog`. Reads never create anything.
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// Name under which the catalog is registered.
    fn name(&self) -> &str;

    /// The options it was created with, by Paimon's catalog option keys. May hold secrets: show them through
    /// [`crate::redacted`] only.
    fn options(&self) -> &BTreeMap<String, String>;

    /// Names of all databases, sorted, `default` always among them, the reserved `sys` not.
    async fn list_databases(&self) -> Result<Vec<String>>;

    /// Whether the database exists; true for `default` and `sys`.
    async fn database_exists(&self, database: &str) -> Result<bool>;

    /// Names of the tables of a database, sorted.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist.
    async fn list_tables(&self, database: &str) -> Result<Vec<String>>;

    /// Whether the table (without regard to branch and system part) exists.
    async fn table_exists(&self, identifier: &Identifier) -> Result<bool>;

    /// Opens the table, on its branch when the identifier names one. The system part is left to the caller.
    ///
    /// # Errors
    /// `NotFound` when there is no such table or branch, `Damaged` when its metadata is broken.
    async fn get_table(&self, identifier: &Identifier) -> Result<Table>;

    /// Makes a database.
    ///
    /// # Errors
    /// `InvalidInput` when it exists already or its name is reserved.
    async fn create_database(&self, database: &str) -> Result<()>;

    /// Removes a database; with `cascade` also its tables.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, `InvalidInput` when it has tables and `cascade` is false.
    async fn drop_database(&self, database: &str, cascade: bool) -> Result<()>;

    /// Makes a table without rows.
    ///
    /// # Errors
    /// `NotFound` for an unknown database, `InvalidInput` when the table exists already.
    async fn create_table(&self, identifier: &Identifier, schema: &TableSchema) -> Result<()>;

    /// Removes a table with its files. Files in external paths are left alone.
    ///
    /// # Errors
    /// `NotFound` when it does not exist.
    async fn drop_table(&self, identifier: &Identifier) -> Result<()>;

    /// Names of the global tables of database `sys`.
    fn global_system_tables(&self) -> &'static [&'static str];

    /// Content of a global table of database `sys`; `None` when there is none of that name.
    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>>;
}
