//! The catalog whose databases and tables are objects of a Hive Metastore.
//!
//! Java: `org.apache.paimon.hive.HiveCatalog`. The metastore says which tables there are and where they lie; columns
//! and options come from the schema files there. What the metastore holds of them is a copy for other programs.

mod client;
mod databases;
mod format_tables;
mod lock;
mod machine;
mod mapping;
mod migrate;
mod partitions;
mod repair;
mod settings;
mod site;
mod tables;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod thrift;
mod types;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use paimon_core::io::{FileIo, Stores};
use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::TableSchema;
use paimon_core::table::{CatalogEnvironment, CatalogLock, SystemTable, Table};
use paimon_core::{Error, ErrorKind, Result};

use self::client::{HiveTable, MetastoreClient, RemoteMetastore};
use self::lock::HiveLock;
use self::mapping::Kind;
use self::partitions::HivePartitions;
use self::settings::HiveSettings;
use crate::catalog::{Catalog, PropertyChanges};
use crate::format_table::FormatTable;
use crate::identifier::{Identifier, SYSTEM_DATABASE};
use crate::migration::Migration;
use crate::names::check_component;
use crate::queues::Queues;
use crate::sys_tables;
use crate::view::View;

/// Root of the local disk.
const LOCAL: &str = "/";

/// Databases and tables of a Hive Metastore.
///
/// Nothing is asked of the metastore before the first use. Names are lower case unless option `case-sensitive` says
/// otherwise.
#[derive(Debug, Clone)]
pub struct HiveCatalog {
    name: String,
    options: BTreeMap<String, String>,
    client: Arc<dyn MetastoreClient>,
    /// Local disk; other stores are opened from it, with the options of the catalog, each once.
    local: FileIo,
    settings: Arc<HiveSettings>,
    queues: Arc<Queues>,
}

impl HiveCatalog {
    /// From options: `uri` (or a `hive-site.xml` that names it) is required.
    ///
    /// # Errors
    /// `InvalidInput` for a missing or malformed option, `Unsupported` naming what this client cannot do, such as TLS.
    pub fn new(name: &str, options: BTreeMap<String, String>) -> Result<Self> {
        Self::on(name, options, &Stores::new())
    }

    /// As [`Self::new`], for tables on any of these stores, opened with the options of the catalog.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn on(name: &str, options: BTreeMap<String, String>, stores: &Stores) -> Result<Self> {
        let settings = HiveSettings::new(&options).map_err(|e| e.with("catalog", name))?;
        let client = Arc::new(RemoteMetastore::new(settings.pool.clone()));
        let local = stores.file_io(LOCAL, &options)?;
        Ok(Self::with_client(name, options, settings, client, local))
    }

    fn with_client(
        name: &str,
        options: BTreeMap<String, String>,
        settings: HiveSettings,
        client: Arc<dyn MetastoreClient>,
        local: FileIo,
    ) -> Self {
        Self {
            name: name.to_string(),
            options,
            client,
            local,
            settings: Arc::new(settings),
            queues: Arc::default(),
        }
    }

    fn cased(&self, name: &str) -> String {
        match self.settings.case_sensitive {
            true => name.to_string(),
            false => name.to_lowercase(),
        }
    }

    /// The identifier with its database and table as the metastore has them.
    fn known_as(&self, identifier: &Identifier) -> Result<Identifier> {
        let own = Identifier::new(
            &self.cased(identifier.database()),
            &self.cased(identifier.table()),
        )?;
        Ok(identifier.moved_to(own.database(), own.table()))
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

    /// The table in the metastore, whatever it is.
    async fn hive_table(&self, identifier: &Identifier) -> Result<Option<HiveTable>> {
        self.client
            .table(identifier.database(), identifier.table())
            .await
            .map_err(|e| e.with_default("table", identifier))
    }

    /// The Paimon table in the metastore.
    async fn paimon_table(&self, identifier: &Identifier) -> Result<HiveTable> {
        let table = self.hive_table(identifier).await?;
        let table = table.ok_or_else(|| self.no_table(identifier))?;
        match mapping::kind(&table) {
            Kind::Paimon => Ok(table),
            Kind::Format(format) if self.settings.format_tables => {
                Err(Error::unsupported(format!(
                    "expected a Paimon table, found a format table of {} files: it has no snapshots, tags, branches or \
                     system tables, and its columns and options change by Hive's own ALTER TABLE alone",
                    format.name()
                ))
                .with("table", identifier)
                .with("catalog", &self.name))
            }
            kind => Err(Error::new(
                ErrorKind::NotFound,
                match kind {
                    Kind::View => "expected a Paimon table, found a Hive view",
                    _ => "expected a Paimon table, found a Hive table",
                },
            )
            .with("table", identifier)
            .with("catalog", &self.name)),
        }
    }

    fn location(&self, identifier: &Identifier, table: &HiveTable) -> Result<String> {
        mapping::location(table, &self.settings).ok_or_else(|| {
            Error::damaged("the metastore has no location for the table").with("table", identifier)
        })
    }

    /// The store of a location.
    fn io(&self, location: &str) -> Result<FileIo> {
        self.local
            .at(location)
            .map_err(|e| e.with("catalog", &self.name))
    }

    fn lock(&self, identifier: &Identifier) -> Option<Arc<dyn CatalogLock>> {
        let settings = &self.settings.lock;
        settings.enabled.then(|| {
            let client = self.client.clone();
            Arc::new(HiveLock::new(client, settings, &self.queues, identifier))
                as Arc<dyn CatalogLock>
        })
    }

    /// What this catalog lends to a table.
    fn environment(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
    ) -> Result<CatalogEnvironment> {
        let partitions = || {
            let (client, settings) = (self.client.clone(), self.settings.clone());
            Arc::new(HivePartitions::new(client, settings, identifier))
        };
        let mut environment = CatalogEnvironment {
            lock: self.lock(identifier),
            ..CatalogEnvironment::default()
        };
        if mapping::is_partitioned(schema)? {
            environment.partitions = Some(partitions());
        } else if let Some(column) = mapping::tag_column(schema) {
            environment.tags = Some((column.to_string(), partitions()));
        }
        Ok(environment)
    }

    async fn open(&self, identifier: &Identifier, table: &HiveTable) -> Result<Table> {
        let location = self.location(identifier, table)?;
        let name = format!("{}.{}", identifier.database(), identifier.table());
        let table = Table::open(self.io(&location)?, &location, &name).await?;
        let environment = self.environment(identifier, table.schema())?;
        Ok(table.with_environment(environment))
    }
}

#[async_trait]
impl Catalog for HiveCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    async fn list_databases(&self) -> Result<Vec<String>> {
        let mut names = self.client.database_names().await?;
        names.retain(|name| name != SYSTEM_DATABASE);
        names.sort();
        Ok(names)
    }

    async fn database_exists(&self, database: &str) -> Result<bool> {
        if database == SYSTEM_DATABASE {
            return Ok(true);
        }
        check_component("database", database)?;
        let found = self.client.database(&self.cased(database)).await?;
        Ok(found.is_some())
    }

    async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        if database == SYSTEM_DATABASE {
            let names = sys_tables::names(&self.options);
            return Ok(names.iter().map(ToString::to_string).collect());
        }
        self.table_names(&self.cased(database)).await
    }

    async fn table_exists(&self, identifier: &Identifier) -> Result<bool> {
        if identifier.database() == SYSTEM_DATABASE {
            return Ok(sys_tables::names(&self.options).contains(&identifier.table()));
        }
        let found = self.hive_table(&self.known_as(identifier)?).await?;
        Ok(found.is_some_and(|table| self.is_listed(&table)))
    }

    async fn get_table(&self, identifier: &Identifier) -> Result<Table> {
        let identifier = self.known_as(identifier)?;
        let table = self.paimon_table(&identifier).await?;
        let table = self.open(&identifier, &table).await?;
        match identifier.branch() {
            Some(branch) => table.branch(branch).await,
            None => Ok(table),
        }
    }

    async fn get_format_table(&self, identifier: &Identifier) -> Result<Option<FormatTable>> {
        self.format_table(&self.known_as(identifier)?).await
    }

    fn keeps_views(&self) -> bool {
        true
    }

    async fn list_views(&self, database: &str) -> Result<Vec<String>> {
        self.view_names(&self.cased(database)).await
    }

    async fn get_view(&self, identifier: &Identifier) -> Result<View> {
        self.view(&self.known_as(identifier)?).await
    }

    async fn create_view(
        &self,
        identifier: &Identifier,
        view: &View,
        ignore_if_exists: bool,
    ) -> Result<()> {
        self.new_view(&self.plain(identifier)?, view, ignore_if_exists)
            .await
    }

    async fn drop_view(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        self.remove_view(&self.plain(identifier)?, ignore_if_missing)
            .await
    }

    async fn rename_view(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        self.move_view(&self.plain(from)?, &self.plain(to)?).await
    }

    async fn create_database_with(
        &self,
        database: &str,
        ignore_if_exists: bool,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.new_database(&self.cased(database), ignore_if_exists, properties)
            .await
    }

    async fn create_database(&self, database: &str, ignore_if_exists: bool) -> Result<()> {
        self.create_database_with(database, ignore_if_exists, &BTreeMap::new())
            .await
    }

    async fn database_properties(&self, database: &str) -> Result<BTreeMap<String, String>> {
        self.properties_of(&self.cased(database)).await
    }

    async fn alter_database(&self, database: &str, changes: &PropertyChanges) -> Result<()> {
        self.change_database(&self.cased(database), changes).await
    }

    async fn drop_database(
        &self,
        database: &str,
        ignore_if_missing: bool,
        cascade: bool,
    ) -> Result<()> {
        self.remove_database(&self.cased(database), ignore_if_missing, cascade)
            .await
    }

    fn schema_of_new(&self, identifier: &Identifier, table: &NewTable) -> Result<TableSchema> {
        let identifier = self.plain(identifier)?;
        self.table_schema(&identifier, table.clone())
    }

    async fn create_table(
        &self,
        identifier: &Identifier,
        table: NewTable,
        ignore_if_exists: bool,
    ) -> Result<bool> {
        self.new_table(&self.plain(identifier)?, table, ignore_if_exists)
            .await
    }

    async fn drop_table(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        self.remove_table(&self.plain(identifier)?, ignore_if_missing)
            .await
    }

    async fn rename_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        self.move_table(&self.plain(from)?, &self.plain(to)?).await
    }

    async fn alter_table(&self, identifier: &Identifier, changes: &[SchemaChange]) -> Result<()> {
        self.change_table(&self.known_as(identifier)?, changes)
            .await
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

    async fn migrate_table(&self, migration: &Migration) -> Result<()> {
        self.migrate(migration).await
    }

    async fn list_migratable_tables(&self, database: &str) -> Result<Vec<String>> {
        self.migration_candidates(&self.cased(database)).await
    }

    fn global_system_tables(&self) -> &'static [&'static str] {
        sys_tables::names(&self.options)
    }

    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>> {
        sys_tables::read(self, name).await
    }
}
