//! The catalog whose databases and tables are folders of a warehouse.
//!
//! Java: `org.apache.paimon.catalog.FileSystemCatalog`; spec: on-disk layout, section 1.
//!
//! ```text
//! <warehouse>/<database>.db/<table>/schema/schema-<N>
//! ```

mod ddl;

use std::collections::BTreeMap;

use async_trait::async_trait;
use paimon_core::io::{FileIo, Stores};
use paimon_core::schema::{NewTable, SchemaChange, SchemaManager};
use paimon_core::spec::TableSchema;
use paimon_core::table::{SystemTable, Table};
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use crate::catalog::Catalog;
use crate::format_table::{FormatTable, is_format_table};
use crate::identifier::{DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
use crate::names::{absolute_location, check_component};
use crate::sys_tables;

const DATABASE_SUFFIX: &str = ".db";
const SCHEMA_PREFIX: &str = "schema-";

/// Databases and tables as folders below one warehouse location.
///
/// A table exists when its folder holds a schema file. Reads never create folders; `default` counts as a database
/// before its folder exists.
#[derive(Debug, Clone)]
pub struct FileSystemCatalog {
    name: String,
    options: BTreeMap<String, String>,
    io: FileIo,
    warehouse: String,
}

impl FileSystemCatalog {
    /// From options; `warehouse` is required, a local path or in `memory:`.
    ///
    /// # Errors
    /// `InvalidInput` without a warehouse, `Unsupported` when its store is not supported.
    pub fn new(name: &str, options: BTreeMap<String, String>) -> Result<Self> {
        Self::on(name, options, &Stores::new())
    }

    /// As [`Self::new`], for warehouses on any of these stores, opened with the options of the catalog.
    ///
    /// # Errors
    /// As [`Self::new`], and those of the store.
    pub fn on(name: &str, options: BTreeMap<String, String>, stores: &Stores) -> Result<Self> {
        let warehouse = options.get("warehouse").ok_or_else(|| {
            Error::invalid(
                "option warehouse is missing: the location of the warehouse folder is expected",
            )
            .with("catalog", name)
        })?;
        let warehouse = absolute_location(warehouse)?;
        Ok(Self {
            name: name.to_string(),
            io: stores.file_io(&warehouse, &options)?,
            options,
            warehouse,
        })
    }

    /// The warehouse location, absolute, without a trailing slash.
    pub fn warehouse(&self) -> &str {
        &self.warehouse
    }

    /// Location of a database.
    ///
    /// # Errors
    /// `InvalidInput` when the name is not one plain path component or is reserved.
    pub fn database_location(&self, database: &str) -> Result<String> {
        check_component("database", database)?;
        if database == SYSTEM_DATABASE {
            return Err(Error::invalid("database name sys is reserved").with("database", database));
        }
        Ok(format!("{}/{database}{DATABASE_SUFFIX}", self.warehouse))
    }

    /// Location of a table.
    ///
    /// # Errors
    /// As [`FileSystemCatalog::database_location`].
    pub fn table_location(&self, identifier: &Identifier) -> Result<String> {
        check_component("table", identifier.table())?;
        Ok(format!(
            "{}/{}",
            self.database_location(identifier.database())?,
            identifier.table()
        ))
    }

    async fn has_schema(&self, location: &str) -> Result<bool> {
        let folder = format!("{location}/schema");
        if self
            .io
            .exists(&format!("{folder}/{SCHEMA_PREFIX}0"))
            .await?
        {
            return Ok(true);
        }
        let files = self.io.list_files(&folder).await?;
        Ok(files.iter().any(|f| is_schema_file(&f.name)))
    }
}

fn is_schema_file(name: &str) -> bool {
    name.strip_prefix(SCHEMA_PREFIX)
        .is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))
}

#[async_trait]
impl Catalog for FileSystemCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    async fn list_databases(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self
            .io
            .list_folders(&self.warehouse)
            .await?
            .iter()
            .filter_map(|n| n.strip_suffix(DATABASE_SUFFIX))
            .filter(|n| !n.is_empty() && *n != SYSTEM_DATABASE)
            .map(str::to_string)
            .collect();
        if !names.iter().any(|n| n == DEFAULT_DATABASE) {
            names.push(DEFAULT_DATABASE.to_string());
        }
        names.sort();
        Ok(names)
    }

    async fn database_exists(&self, database: &str) -> Result<bool> {
        if database == DEFAULT_DATABASE || database == SYSTEM_DATABASE {
            return Ok(true);
        }
        check_component("database", database)?;
        let folder = format!("{database}{DATABASE_SUFFIX}");
        let folders = self.io.list_folders(&self.warehouse).await?;
        Ok(folders.contains(&folder))
    }

    async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        if database == SYSTEM_DATABASE {
            return Ok(sys_tables::names(&self.options)
                .iter()
                .map(ToString::to_string)
                .collect());
        }
        if !self.database_exists(database).await? {
            return Err(self.no_database(database));
        }
        let location = self.database_location(database)?;
        let mut names = Vec::new();
        for name in self.io.list_folders(&location).await? {
            if self.has_schema(&format!("{location}/{name}")).await? {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    async fn table_exists(&self, identifier: &Identifier) -> Result<bool> {
        if identifier.database() == SYSTEM_DATABASE {
            return Ok(sys_tables::names(&self.options).contains(&identifier.table()));
        }
        self.has_schema(&self.table_location(identifier)?).await
    }

    async fn get_table(&self, identifier: &Identifier) -> Result<Table> {
        let location = self.table_location(identifier)?;
        if !self.has_schema(&location).await? {
            return Err(self.no_table(identifier));
        }
        let full_name = format!("{}.{}", identifier.database(), identifier.table());
        let table = Table::open(self.io.clone(), &location, &full_name).await?;
        match identifier.branch() {
            Some(branch) => table.branch(branch).await,
            None => Ok(table),
        }
    }

    async fn get_format_table(&self, identifier: &Identifier) -> Result<Option<FormatTable>> {
        let location = self.table_location(identifier)?;
        let schemas = SchemaManager::new(self.io.clone(), &location);
        let Some(schema) = schemas.latest().await? else {
            return Ok(None);
        };
        if !is_format_table(schema.options.iter()) {
            return Ok(None);
        }
        let name = format!("{}.{}", identifier.database(), identifier.table());
        let schema = schema.as_ref().clone();
        FormatTable::new(&name, &location, self.io.clone(), schema).map(Some)
    }

    async fn create_database(&self, database: &str, ignore_if_exists: bool) -> Result<()> {
        self.new_database(database, ignore_if_exists).await
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
        let table = self.get_table(identifier).await?;
        let has_snapshots = table.snapshots().latest_id().await?.is_some();
        let now_ms = SystemClock.epoch_ms();
        let altered = table.schemas().alter(changes, has_snapshots, now_ms);
        let altered = altered.await;
        altered
            .map(|_| ())
            .map_err(|e| e.with_default("table", identifier))
    }

    async fn replace_table(&self, identifier: &Identifier, schema: &TableSchema) -> Result<()> {
        let table = self.get_table(identifier).await?;
        let replaced = table.replace(schema, table.schemas().append(schema)).await;
        replaced.map_err(|e| e.with_default("table", identifier))
    }

    fn global_system_tables(&self) -> &'static [&'static str] {
        sys_tables::names(&self.options)
    }

    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>> {
        sys_tables::read(self, name).await
    }
}

#[cfg(test)]
mod tests;
