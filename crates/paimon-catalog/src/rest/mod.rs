//! The catalog behind Paimon's REST interface.
//!
//! Java: `org.apache.paimon.rest.RESTCatalog`. The service makes, changes and drops tables and publishes their snapshots;
//! this program reads metadata files and reads and writes data files itself, where the service says they lie.

mod api;
mod auth;
mod client;
mod data_tokens;
mod functions;
mod messages;
mod settings;
mod tables;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod versions;
mod views;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use paimon_core::io::{FileIo, Stores};
use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::TableSchema;
use paimon_core::table::{CatalogEnvironment, SystemTable, Table, VersionManagement};
use paimon_core::{Error, ErrorKind, Result};
use tokio::sync::OnceCell;

use self::api::Api;
use self::client::Failure;
use self::data_tokens::DataTokens;
use self::settings::RestSettings;
use self::versions::RestVersions;
use crate::catalog::{Catalog, PropertyChanges};
use crate::format_table::{FormatTable, is_format_table};
use crate::function::{Function, FunctionChange};
use crate::identifier::{DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
use crate::sys_tables;
use crate::view::{View, ViewChange};

/// Root of the local disk.
const LOCAL: &str = "/";

/// Databases and tables of a REST service.
///
/// Nothing is asked of the service before the first use.
#[derive(Clone)]
pub struct RestCatalog {
    name: String,
    options: BTreeMap<String, String>,
    api: Arc<Api>,
    stores: Stores,
    /// Local disk; other stores are opened from it, with the options of the session, each once.
    local: Arc<OnceCell<FileIo>>,
    tokens: Arc<DataTokens>,
}

impl fmt::Debug for RestCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // options may hold a token
        f.debug_struct("RestCatalog")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl RestCatalog {
    /// From options: `uri`, `token.provider` (`bear` or `dlf`) and what it needs are required.
    ///
    /// # Errors
    /// `InvalidInput` for a missing or malformed option, `Unsupported` naming what this client cannot do.
    pub fn new(name: &str, options: BTreeMap<String, String>) -> Result<Self> {
        Self::on(name, options, &Stores::new())
    }

    /// As [`Self::new`], for tables on any of these stores, opened with the options of the catalog and those that the
    /// service adds.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn on(name: &str, options: BTreeMap<String, String>, stores: &Stores) -> Result<Self> {
        let settings = RestSettings::new(&options).map_err(|e| e.with("catalog", name))?;
        let api = Api::new(&settings, &options).map_err(|e| e.with("catalog", name))?;
        Ok(Self {
            name: name.to_string(),
            options,
            api: Arc::new(api),
            stores: stores.clone(),
            local: Arc::default(),
            tokens: Arc::default(),
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

    /// The store of a location.
    async fn io(&self, location: &str) -> Result<FileIo> {
        let open = || async {
            let session = self.api.session().await.map_err(Error::from)?;
            self.stores.file_io(LOCAL, &session.options)
        };
        let local = self.local.get_or_try_init(open).await;
        let io = local.and_then(|local| local.at(location));
        io.map_err(|e| e.with("catalog", &self.name))
    }

    /// The store of a table, with credentials for it alone where the service gives these out.
    async fn table_io(
        &self,
        table: &Identifier,
        id: Option<&str>,
        location: &str,
    ) -> Result<FileIo> {
        let session = self.api.session().await;
        let session = session.map_err(|f| Error::from(f).with("catalog", &self.name))?;
        if !session.gives_tokens {
            return self.io(location).await;
        }
        let (stores, api) = (&self.stores, &self.api);
        let io = self.tokens.io(stores, api, table, id, location).await;
        io.map_err(|e| e.with("catalog", &self.name))
    }

    /// The format table of that name; `None` when there is none or it is of another kind.
    async fn format_table(&self, identifier: &Identifier) -> Result<Option<FormatTable>> {
        let found = match self.api.table(identifier).await {
            Err(Failure::Missing(..)) => return Ok(None),
            found => found.map_err(|f| self.error(identifier, f))?,
        };
        let Some(schema) = found.schema else {
            return Ok(None);
        };
        if !is_format_table(schema.options.iter()) {
            return Ok(None);
        }
        let name = format!("{}.{}", identifier.database(), identifier.table());
        let named = |e: Error| e.with("table", identifier);
        let schema = schema.into_table_schema().map_err(named)?;
        let io = self.table_io(identifier, found.id.as_deref(), &found.path);
        let io = io.await?;
        FormatTable::new(&name, &found.path, io, schema).map(Some)
    }

    async fn open(&self, identifier: &Identifier) -> Result<Table> {
        let found = match self.api.table(identifier).await {
            Err(Failure::Missing(..)) => return Err(self.no_table(identifier)),
            found => found.map_err(|f| self.error(identifier, f))?,
        };
        let options = found.schema.unwrap_or_default().options;
        if let Some(kind) = options.get("type")
            && !["table", "materialized-table"].contains(&kind.as_str())
        {
            return Err(Error::unsupported(format!(
                "a table of type {kind:?} has no snapshots, tags, branches or system tables: expected 'table'"
            ))
            .with("table", identifier)
            .with("catalog", &self.name));
        }
        let name = format!("{}.{}", identifier.database(), identifier.table());
        let location = found.path.trim_end_matches('/');
        let io = self.table_io(identifier, found.id.as_deref(), location);
        let table = Table::open(io.await?, location, &name).await?;
        let versions = RestVersions {
            api: self.api.clone(),
            table: Identifier::new(identifier.database(), identifier.table())?,
            id: found.id,
        };
        // the service knows nothing of the snapshots of a table that it did not make
        let versions =
            (!found.is_external).then(|| Arc::new(versions) as Arc<dyn VersionManagement>);
        let table = table.with_environment(CatalogEnvironment {
            versions,
            ..CatalogEnvironment::default()
        });
        match identifier.branch() {
            Some(branch) => table.branch(branch).await,
            None => Ok(table),
        }
    }
}

#[async_trait]
impl Catalog for RestCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    async fn list_databases(&self) -> Result<Vec<String>> {
        let names = self.api.databases().await;
        let mut names = names.map_err(|f| Error::from(f).with("catalog", &self.name))?;
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
        match self.api.table(identifier).await {
            Ok(_) => Ok(true),
            Err(Failure::Missing(..)) => Ok(false),
            Err(failure) => Err(self.error(identifier, failure)),
        }
    }

    async fn get_table(&self, identifier: &Identifier) -> Result<Table> {
        self.open(identifier).await
    }

    async fn get_format_table(&self, identifier: &Identifier) -> Result<Option<FormatTable>> {
        self.format_table(identifier).await
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

    fn keeps_functions(&self) -> bool {
        true
    }

    async fn list_functions(&self, database: &str) -> Result<Vec<String>> {
        self.function_names(database).await
    }

    async fn get_function(&self, identifier: &Identifier) -> Result<Function> {
        self.function(identifier).await
    }

    async fn create_function(
        &self,
        identifier: &Identifier,
        function: &Function,
        ignore_if_exists: bool,
    ) -> Result<()> {
        self.new_function(identifier, function, ignore_if_exists)
            .await
    }

    async fn drop_function(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        self.remove_function(identifier, ignore_if_missing).await
    }

    async fn alter_function(
        &self,
        identifier: &Identifier,
        changes: &[FunctionChange],
    ) -> Result<()> {
        self.change_function(identifier, changes).await
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

    fn global_system_tables(&self) -> &'static [&'static str] {
        sys_tables::names(&self.options)
    }

    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>> {
        sys_tables::read(self, name).await
    }
}
