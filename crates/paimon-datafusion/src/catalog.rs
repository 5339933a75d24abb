//! Catalogs and databases as DataFusion sees them.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::TableType;
use paimon_catalog::{Catalog, Identifier, SYSTEM_DATABASE};
use paimon_core::table::{Table, TableOrigin};
use paimon_core::{Error, ErrorKind};
use parking_lot::RwLock;

use crate::changes::{ChangesProvider, Shape};
use crate::error::to_datafusion;
use crate::parse::{METADATA_OPTION, plain_and_options};
use crate::provider::{PaimonTableProvider, ReadOptimizedProvider, SystemTableProvider};
use crate::scan::MetadataProvider;
use crate::session::SessionSettings;
use crate::stream::StreamSource;

/// System table of the rows in files that need no merge.
const READ_OPTIMIZED: &str = "ro";
/// System table of rows with their ids.
const ROW_TRACKING: &str = "row_tracking";

/// Views and file tables that live in the session only, by database and name.
type SessionTables = Arc<RwLock<HashMap<(String, String), Arc<dyn TableProvider>>>>;

/// What an object of a catalog was opened by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReference {
    /// Name of the catalog.
    pub catalog: String,
    /// Name of the database.
    pub database: String,
    /// Name of the object: a table with its branch and system part, or a global system table.
    pub object: String,
    /// Dynamic options.
    pub options: BTreeMap<String, String>,
    /// Whether the session read tables as streams.
    pub streaming: bool,
}

/// A Paimon catalog. Databases resolve lazily: looking one up does no I/O.
#[derive(Debug)]
pub struct PaimonCatalogProvider {
    catalog: Arc<dyn Catalog>,
    settings: Arc<SessionSettings>,
    session_tables: SessionTables,
}

impl PaimonCatalogProvider {
    /// Serves a catalog with the dynamic options of a session.
    pub fn new(catalog: Arc<dyn Catalog>, settings: Arc<SessionSettings>) -> Self {
        Self {
            catalog,
            settings,
            session_tables: SessionTables::default(),
        }
    }

    /// The catalog.
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }

    /// The provider of one database, whether it exists or not.
    pub fn database(&self, name: &str) -> PaimonSchemaProvider {
        PaimonSchemaProvider {
            database: name.to_string(),
            catalog: self.catalog.clone(),
            settings: self.settings.clone(),
            session_tables: self.session_tables.clone(),
        }
    }
}

impl CatalogProvider for PaimonCatalogProvider {
    fn schema_names(&self) -> Vec<String> {
        let catalog = self.catalog.clone();
        block_on(async move { catalog.list_databases().await })
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(self.database(name)))
    }
}

/// A database of a Paimon catalog, with the session's own views and file tables in front.
#[derive(Debug)]
pub struct PaimonSchemaProvider {
    database: String,
    catalog: Arc<dyn Catalog>,
    settings: Arc<SessionSettings>,
    session_tables: SessionTables,
}

impl PaimonSchemaProvider {
    /// Names of the session's own tables in this database, sorted.
    pub fn session_table_names(&self) -> Vec<String> {
        let tables = self.session_tables.read();
        let mut names: Vec<String> = tables
            .keys()
            .filter(|(database, _)| *database == self.database)
            .map(|(_, name)| name.clone())
            .collect();
        names.sort();
        names
    }

    /// The session's own table of that name.
    pub fn session_table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.session_tables.read().get(&self.key(name)).cloned()
    }

    fn key(&self, name: &str) -> (String, String) {
        (self.database.clone(), name.to_string())
    }

    /// Opens what an object name stands for, past the session's own tables.
    pub async fn open_with(
        &self,
        object: &str,
        options: Vec<(String, String)>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        self.open(object, options).await.map_err(|e| {
            to_datafusion(e.with_default("table", format!("{}.{object}", self.database)))
        })
    }

    /// Opens what an object name stands for: a table, branch or system table with options.
    async fn open(
        &self,
        object: &str,
        options: Vec<(String, String)>,
    ) -> paimon_core::Result<Option<Arc<dyn TableProvider>>> {
        let identifier = Identifier::new(&self.database, object)?;
        if self.database == SYSTEM_DATABASE {
            return self.open_global(identifier.table(), &options).await;
        }
        let Some((identifier, table)) = self.find(identifier).await? else {
            return Ok(None);
        };
        let mut dynamic =
            self.settings
                .table_options(self.catalog.name(), &self.database, identifier.table());
        dynamic.extend(options);
        let metadata = dynamic.remove(METADATA_OPTION);
        let shape = Shape::of_system(identifier.system());
        let reference = ObjectReference {
            catalog: self.catalog.name().to_string(),
            database: self.database.clone(),
            object: identifier.object(),
            options: dynamic.clone().into_iter().collect(),
            streaming: self.settings.is_streaming(),
        };
        if let Some(changes) = table.incremental(&dynamic).await? {
            if metadata.is_some() {
                return Err(no_metadata("changes between snapshots"));
            }
            let shape = shape.ok_or_else(|| {
                Error::unsupported(format!(
                    "incremental options are not supported with `${}`",
                    identifier.system().unwrap_or_default()
                ))
            })?;
            return Ok(Some(Arc::new(
                ChangesProvider::of_range(changes, shape)?.referred(reference),
            )));
        }
        if self.settings.is_streaming()
            && let Some(shape) = shape
        {
            if metadata.is_some() {
                return Err(no_metadata("streams"));
            }
            return self.open_stream(&table, reference, shape).await.map(Some);
        }
        let table = if dynamic.is_empty() {
            table
        } else {
            table.with_options(&dynamic).await?
        };
        if let (Some(names), None) = (&metadata, identifier.system()) {
            let provider = MetadataProvider::new(table, names.split(','));
            return Ok(Some(Arc::new(provider)));
        }
        Ok(Some(match identifier.system() {
            None => Arc::new(PaimonTableProvider::new(table, self.settings.clone())),
            Some(READ_OPTIMIZED) => Arc::new(ReadOptimizedProvider::new(table)),
            Some(ROW_TRACKING) => Arc::new(ChangesProvider::tracked(table)?.referred(reference)),
            Some(system) => match shape {
                Some(shape) => {
                    Arc::new(ChangesProvider::of_state(table, shape)?.referred(reference))
                }
                None => system_provider(table.system_table(system).await?, reference)?,
            },
        }))
    }

    async fn open_stream(
        &self,
        table: &Table,
        reference: ObjectReference,
        shape: Shape,
    ) -> paimon_core::Result<Arc<dyn TableProvider>> {
        let stream = StreamSource::open(table, reference, shape).await?;
        Ok(match shape {
            Shape::Rows => {
                let settings = self.settings.clone();
                Arc::new(PaimonTableProvider::streaming(stream, settings))
            }
            _ => Arc::new(stream),
        })
    }

    async fn open_global(
        &self,
        name: &str,
        options: &[(String, String)],
    ) -> paimon_core::Result<Option<Arc<dyn TableProvider>>> {
        if let Some((key, _)) = options.first() {
            return Err(Error::unsupported("global system tables take no options")
                .with("table", format!("{SYSTEM_DATABASE}.{name}"))
                .with("option", key));
        }
        match self.catalog.global_system_table(name).await? {
            Some(content) => {
                let reference = ObjectReference {
                    catalog: self.catalog.name().to_string(),
                    database: self.database.clone(),
                    object: name.to_string(),
                    options: BTreeMap::new(),
                    streaming: false,
                };
                system_provider(content, reference).map(Some)
            }
            None => Ok(None),
        }
    }

    async fn get(&self, identifier: &Identifier) -> paimon_core::Result<Table> {
        let table = self.catalog.get_table(identifier).await?;
        Ok(table.with_origin(TableOrigin {
            catalog: self.catalog.name().to_string(),
            database: self.database.clone(),
            table: identifier.table().to_string(),
        }))
    }

    /// The table with exactly this name, else the only one whose name differs in case alone.
    async fn find(
        &self,
        identifier: Identifier,
    ) -> paimon_core::Result<Option<(Identifier, Table)>> {
        match self.get(&identifier).await {
            Ok(table) => return Ok(Some((identifier, table))),
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            Err(e) if self.catalog.table_exists(&identifier).await? => return Err(e),
            Err(_) => {}
        }
        if !self.catalog.database_exists(&self.database).await? {
            return Err(Error::new(ErrorKind::NotFound, "database does not exist")
                .with("database", &self.database)
                .with("catalog", self.catalog.name()));
        }
        let names = self.catalog.list_tables(&self.database).await?;
        let mut similar = names
            .iter()
            .filter(|n| n.eq_ignore_ascii_case(identifier.table()));
        match (similar.next(), similar.next()) {
            (Some(name), None) => {
                let identifier = identifier.with_table(name);
                let table = self.get(&identifier).await?;
                Ok(Some((identifier, table)))
            }
            _ => Ok(None),
        }
    }
}

fn no_metadata(whose: &str) -> Error {
    Error::unsupported(format!("{whose} have no metadata columns"))
}

fn system_provider(
    content: paimon_core::table::SystemTable,
    reference: ObjectReference,
) -> paimon_core::Result<Arc<dyn TableProvider>> {
    let provider = SystemTableProvider::new(content)
        .map_err(|e| Error::internal("system table batches disagree").with_source(e))?;
    Ok(Arc::new(provider.referred(reference)))
}

#[async_trait]
impl SchemaProvider for PaimonSchemaProvider {
    fn table_names(&self) -> Vec<String> {
        let (catalog, database) = (self.catalog.clone(), self.database.clone());
        let mut names = block_on(async move { catalog.list_tables(&database).await });
        names.extend(self.session_table_names());
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let (object, options) = plain_and_options(name).unwrap_or((name, Vec::new()));
        if let Some(table) = self.session_table(object) {
            if let Some((key, _)) = options.first() {
                return Err(DataFusionError::Plan(format!(
                    "{object} is a view or file table of the session: it takes no table options, found {key}"
                )));
            }
            return Ok(Some(table));
        }
        self.open_with(object, options).await
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(match self.session_table(name) {
            Some(table) => Some(table.table_type()),
            None => self.table_exist(name).then_some(TableType::Base),
        })
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let key = self.key(&name);
        Ok(self.session_tables.write().insert(key, table))
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.session_tables.write().remove(&self.key(name)))
    }

    fn table_exist(&self, name: &str) -> bool {
        if self.session_table(name).is_some() {
            return true;
        }
        let Ok(identifier) = Identifier::new(&self.database, name) else {
            return false;
        };
        let catalog = self.catalog.clone();
        let found = block_on(async move {
            let found = catalog.table_exists(&identifier).await?;
            Ok(found.then(|| identifier.object()).into_iter().collect())
        });
        !found.is_empty()
    }
}

/// Runs a listing where DataFusion's interface is not async (information_schema). A failure gives an empty list and a
/// warning: the interface has no room for an error.
fn block_on(listing: impl Future<Output = paimon_core::Result<Vec<String>>> + Send) -> Vec<String> {
    let result = std::thread::scope(|scope| {
        let handle = tokio::runtime::Handle::try_current();
        let worker = scope.spawn(move || match handle {
            Ok(handle) => handle.block_on(listing),
            Err(_) => match tokio::runtime::Builder::new_current_thread().build() {
                Ok(runtime) => runtime.block_on(listing),
                Err(e) => Err(Error::internal("no runtime").with_source(e)),
            },
        });
        worker
            .join()
            .unwrap_or_else(|_| Err(Error::internal("the listing thread failed")))
    });
    result.unwrap_or_else(|error| {
        tracing::warn!(%error, "catalog listing failed");
        Vec::new()
    })
}
