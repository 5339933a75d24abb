//! The catalog whose databases and tables are rows of a relational database: SQLite, PostgreSQL or MySQL.
//!
//! Java: `org.apache.paimon.jdbc.JdbcCatalog`. The rows say which tables there are; columns and options come from the
//! schema files in the warehouse. Copies of the options in the rows are for other programs.

mod address;
mod connections;
mod databases;
mod dialect;
mod lock;
mod repair;
mod rows;
mod settings;
mod tables;
#[cfg(test)]
mod tests;
mod views;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use paimon_core::io::{FileIo, Stores};
use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::TableSchema;
use paimon_core::table::{CatalogEnvironment, CatalogLock, SystemTable, Table};
use paimon_core::{Error, ErrorKind, Result};

use self::connections::Connections;
use self::lock::JdbcLock;
use self::rows::Rows;
use self::settings::JdbcSettings;
use crate::catalog::{Catalog, PropertyChanges};
use crate::identifier::{DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
use crate::names::check_component;
use crate::queues::Queues;
use crate::sys_tables;
use crate::view::{View, ViewChange};

/// Databases and tables of a relational database, with files in a warehouse.
///
/// Nothing is asked of the database before the first use, which creates Paimon's tables in it where they are missing.
#[derive(Clone)]
pub struct JdbcCatalog {
    name: String,
    options: BTreeMap<String, String>,
    settings: Arc<JdbcSettings>,
    io: FileIo,
    rows: Arc<Rows>,
    /// Of those that wait for the locks in the database.
    lock_queues: Arc<Queues>,
    /// Of those that change a table, with locks in the database or without.
    change_queues: Arc<Queues>,
}

impl fmt::Debug for JdbcCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // options may hold a password
        f.debug_struct("JdbcCatalog")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl JdbcCatalog {
    /// From options: `uri` and `warehouse` are required.
    ///
    /// # Errors
    /// `InvalidInput` for a missing or malformed option, `Unsupported` naming what this client cannot do.
    pub fn new(name: &str, options: BTreeMap<String, String>) -> Result<Self> {
        Self::on(name, options, &Stores::new())
    }

    /// As [`Self::new`], for warehouses on any of these stores, opened with the options of the catalog.
    ///
    /// # Errors
    /// As [`Self::new`], and those of the store.
    pub fn on(name: &str, options: BTreeMap<String, String>, stores: &Stores) -> Result<Self> {
        let settings = JdbcSettings::new(&options).map_err(|e| e.with("catalog", name))?;
        let connections = Connections::new(settings.address.clone(), settings.pool.clone());
        let lock = &settings.lock;
        let rows = Rows::new(
            Arc::new(connections),
            settings.catalog_key.clone(),
            lock.enabled.then_some(lock.key_length_max),
        );
        Ok(Self {
            name: name.to_string(),
            io: stores.file_io(&settings.warehouse, &options)?,
            options,
            settings: Arc::new(settings),
            rows: Arc::new(rows),
            lock_queues: Arc::default(),
            change_queues: Arc::default(),
        })
    }

    fn no_table(&self, identifier: &Identifier) -> Error {
        Error::new(ErrorKind::NotFound, "table does not exist")
            .with("table", identifier)
            .with("catalog", &self.name)
    }

    fn no_database(&self, database: &str) -> Error {
        Error::new(ErrorKind::NotFound, "database does not exist")
            .with("database", database)
            .with("catalog", &self.name)
    }

    fn lock(&self, identifier: &Identifier) -> Option<Arc<dyn CatalogLock>> {
        let settings = &self.settings.lock;
        settings.enabled.then(|| {
            let (database, table) = (identifier.database(), identifier.table());
            Arc::new(JdbcLock {
                connections: self.rows.connections.clone(),
                settings: settings.clone(),
                queue: self.lock_queues.of(identifier),
                id: format!("{}.{database}.{table}", self.settings.catalog_key),
            }) as Arc<dyn CatalogLock>
        })
    }

    /// Runs a change of a table alone: in this process, and under the lock in the database if there are locks.
    async fn exclusively<T>(
        &self,
        identifier: &Identifier,
        change: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let queue = self.change_queues.of(identifier);
        let _turn = queue.lock().await;
        self.rows.connections().await?;
        self.environment(identifier).locked(change).await
    }

    /// As [`Self::exclusively`], of both objects of a rename.
    async fn both_exclusively<T>(
        &self,
        from: &Identifier,
        to: &Identifier,
        change: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        // two that rename against each other take the locks in one order
        let (first, second) = match from.to_string() < to.to_string() {
            true => (from, to),
            false => (to, from),
        };
        self.exclusively(first, self.exclusively(second, change))
            .await
    }

    /// What this catalog lends to a table.
    fn environment(&self, identifier: &Identifier) -> CatalogEnvironment {
        CatalogEnvironment {
            lock: self.lock(identifier),
            ..CatalogEnvironment::default()
        }
    }

    async fn open(&self, identifier: &Identifier) -> Result<Table> {
        let location = self.table_location(identifier)?;
        if !self.rows.has_table_row(identifier).await? {
            return Err(match self.rows.has_view(identifier).await? {
                true => Error::new(ErrorKind::NotFound, "expected a table, found a view")
                    .with("table", identifier)
                    .with("catalog", &self.name),
                false => self.no_table(identifier),
            });
        }
        let name = format!("{}.{}", identifier.database(), identifier.table());
        let table = Table::open(self.io.clone(), &location, &name).await?;
        let table = table.with_environment(self.environment(identifier));
        match identifier.branch() {
            Some(branch) => table.branch(branch).await,
            None => Ok(table),
        }
    }
}

#[async_trait]
impl Catalog for JdbcCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    async fn list_databases(&self) -> Result<Vec<String>> {
        let mut names = self.rows.databases().await?;
        names.push(DEFAULT_DATABASE.to_string());
        names.retain(|name| name != SYSTEM_DATABASE);
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn database_exists(&self, database: &str) -> Result<bool> {
        if database == SYSTEM_DATABASE {
            return Ok(true);
        }
        check_component("database", database)?;
        self.has_database(database).await
    }

    async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        if database == SYSTEM_DATABASE {
            let names = sys_tables::names(&self.options);
            return Ok(names.iter().map(ToString::to_string).collect());
        }
        self.table_names(database).await
    }

    async fn table_exists(&self, identifier: &Identifier) -> Result<bool> {
        if identifier.database() == SYSTEM_DATABASE {
            return Ok(sys_tables::names(&self.options).contains(&identifier.table()));
        }
        self.rows.has_table_row(identifier).await
    }

    async fn get_table(&self, identifier: &Identifier) -> Result<Table> {
        self.open(identifier).await
    }

    fn keeps_views(&self) -> bool {
        true
    }

    async fn list_views(&self, database: &str) -> Result<Vec<String>> {
        self.view_names(database).await
    }

    async fn get_view(&self, identifier: &Identifier) -> Result<View> {
        self.view(identifier).await
    }

    async fn create_view(
        &self,
        identifier: &Identifier,
        view: &View,
        ignore_if_exists: bool,
    ) -> Result<()> {
        self.new_view(identifier, view, ignore_if_exists).await
    }

    async fn drop_view(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        self.remove_view(identifier, ignore_if_missing).await
    }

    async fn rename_view(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        self.move_view(from, to).await
    }

    async fn alter_view(&self, identifier: &Identifier, changes: &[ViewChange]) -> Result<()> {
        self.change_view(identifier, changes).await
    }

    async fn create_database_with(
        &self,
        database: &str,
        ignore_if_exists: bool,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.new_database(database, ignore_if_exists, properties)
            .await
    }

    async fn create_database(&self, database: &str, ignore_if_exists: bool) -> Result<()> {
        self.create_database_with(database, ignore_if_exists, &BTreeMap::new())
            .await
    }

    async fn database_properties(&self, database: &str) -> Result<BTreeMap<String, String>> {
        self.properties_of(database).await
    }

    async fn alter_database(&self, database: &str, changes: &PropertyChanges) -> Result<()> {
        self.change_database(database, changes).await
    }

    async fn drop_database(
        &self,
        database: &str,
        ignore_if_missing: bool,
        cascade: bool,
    ) -> Result<()> {
        self.remove_database(database, ignore_if_missing, cascade)
            .await
    }

    fn schema_of_new(&self, identifier: &Identifier, table: &NewTable) -> Result<TableSchema> {
        self.table_schema(identifier, table.clone())
    }

    async fn create_table(
        &self,
        identifier: &Identifier,
        table: NewTable,
        ignore_if_exists: bool,
    ) -> Result<bool> {
        self.new_table(identifier, table, ignore_if_exists).await
    }

    async fn drop_table(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        self.remove_table(identifier, ignore_if_missing).await
    }

    async fn rename_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        self.move_table(from, to).await
    }

    async fn alter_table(&self, identifier: &Identifier, changes: &[SchemaChange]) -> Result<()> {
        self.change_table(identifier, changes).await
    }

    async fn rollback_schema(&self, identifier: &Identifier, schema_id: i64) -> Result<()> {
        self.go_back_to_schema(identifier, schema_id).await
    }

    async fn replace_table(&self, identifier: &Identifier, schema: &TableSchema) -> Result<()> {
        self.put_in_place(identifier, schema).await
    }

    async fn repair(&self, database: Option<&str>, table: Option<&str>) -> Result<()> {
        self.repair_objects(database, table).await
    }

    fn global_system_tables(&self) -> &'static [&'static str] {
        sys_tables::names(&self.options)
    }

    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>> {
        sys_tables::read(self, name).await
    }
}
