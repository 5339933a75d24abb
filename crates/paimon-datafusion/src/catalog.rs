//! Catalogs and databases as DataFusion sees them.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::TableType;
use paimon_catalog::{Catalog, FormatTable, Identifier, SYSTEM_DATABASE, View};
use paimon_core::table::{ScanTarget, Table, TableOrigin};
use paimon_core::{Error, ErrorKind};
use parking_lot::RwLock;

use crate::changes::{ChangesProvider, Shape};
use crate::error::to_datafusion;
use crate::format_table::{FormatTableProvider, refuse_options};
use crate::parse::{METADATA_OPTION, plain_and_options};
use crate::provider::{PaimonTableProvider, ReadOptimizedProvider, SystemTableProvider};
use crate::scan::MetadataProvider;
use crate::session::{SessionSettings, ViewName, ViewPlanner, in_view};
use crate::stream::StreamSource;

/// System table of the rows in files that need no merge.
const READ_OPTIMIZED: &str = "ro";
/// System tables that tell of the table and not of one of its snapshots.
const TIMELESS: &[&str] = &[
    "snapshots",
    "schemas",
    "options",
    "tags",
    "branches",
    "consumers",
];
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
    views: Option<ViewPlanner>,
}

impl PaimonCatalogProvider {
    /// Serves a catalog with the dynamic options of a session.
    pub fn new(catalog: Arc<dyn Catalog>, settings: Arc<SessionSettings>) -> Self {
        Self {
            catalog,
            settings,
            session_tables: SessionTables::default(),
            views: None,
        }
    }

    /// Reads the views of the catalog by plans of this planner; without one they are refused.
    #[must_use]
    pub(crate) fn with_views(self, planner: ViewPlanner) -> Self {
        Self {
            views: Some(planner),
            ..self
        }
    }

    /// With the temporary views and tables of another one, which keeps them too.
    #[must_use]
    pub(crate) fn with_session_tables_of(self, other: &Self) -> Self {
        Self {
            session_tables: other.session_tables.clone(),
            ..self
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
            views: self.views.clone(),
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
    views: Option<ViewPlanner>,
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
        let named = |e: Error| {
            to_datafusion(e.with_default("table", format!("{}.{object}", self.database)))
        };
        match self.open(object, &options).await.map_err(named)? {
            Some(table) => Ok(Some(table)),
            None => self.open_view(object, &options).await,
        }
    }

    /// Plans a view of the catalog.
    async fn open_view(
        &self,
        object: &str,
        options: &[(String, String)],
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some((name, view)) = self.find_view(object).await.map_err(to_datafusion)? else {
            return Ok(None);
        };
        if let Some((key, _)) = options.first() {
            return Err(DataFusionError::Plan(format!(
                "{object} is a view: it takes no table options and no time travel, found {key}"
            )));
        }
        let Some(planner) = &self.views else {
            return Err(to_datafusion(
                Error::unsupported("views are read in a PaimonSession alone").with("view", object),
            ));
        };
        let name = ViewName {
            catalog: self.catalog.name().to_string(),
            database: self.database.clone(),
            view: name,
        };
        let provider = planner.provider(&name, view).await?;
        Ok(Some(Arc::new(provider)))
    }

    /// The view with exactly this name, else the only one whose name differs in case alone.
    async fn find_view(&self, object: &str) -> paimon_core::Result<Option<(String, View)>> {
        if !self.catalog.keeps_views() || self.database == SYSTEM_DATABASE {
            return Ok(None);
        }
        let identifier = Identifier::new(&self.database, object)?;
        if identifier.branch().is_some() || identifier.system().is_some() {
            return Ok(None);
        }
        match self.catalog.get_view(&identifier).await {
            Ok(view) => return Ok(Some((object.to_string(), view))),
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            Err(_) => {}
        }
        let names = self.catalog.list_views(&self.database).await?;
        let mut similar = names.iter().filter(|n| n.eq_ignore_ascii_case(object));
        match (similar.next(), similar.next()) {
            (Some(name), None) => {
                let view = self.catalog.get_view(&identifier.with_table(name)).await?;
                Ok(Some((name.clone(), view)))
            }
            _ => Ok(None),
        }
    }

    /// Opens what an object name stands for: a table, branch or system table with options.
    async fn open(
        &self,
        object: &str,
        options: &[(String, String)],
    ) -> paimon_core::Result<Option<Arc<dyn TableProvider>>> {
        let identifier = Identifier::new(&self.database, object)?;
        if self.database == SYSTEM_DATABASE {
            return self.open_global(identifier.table(), options).await;
        }
        let (identifier, table) = match self.find(identifier).await? {
            Some(Found::Table(identifier, table)) => (identifier, *table),
            Some(Found::Files(table)) => return self.open_files(*table, options).map(Some),
            None => return Ok(None),
        };
        let mut dynamic =
            self.settings
                .table_options(self.catalog.name(), &self.database, identifier.table());
        dynamic.extend(options.iter().cloned());
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
        if let Some(system) = identifier.system().filter(|name| TIMELESS.contains(name))
            && !options.is_empty()
            && !matches!(table.target(), ScanTarget::Latest)
        {
            return Err(Error::unsupported(format!(
                "system table {system:?} is not one of a snapshot: it takes no time travel"
            )));
        }
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

    /// Serves a format table with dynamic options.
    fn open_files(
        &self,
        mut table: FormatTable,
        options: &[(String, String)],
    ) -> paimon_core::Result<Arc<dyn TableProvider>> {
        if self.settings.is_streaming() {
            return Err(Error::unsupported(
                "a format table cannot be read as a stream: SET 'execution.runtime-mode' = 'batch' first",
            ));
        }
        let name = table.name.rsplit_once('.').map_or("", |(_, name)| name);
        let mut dynamic = self
            .settings
            .table_options(self.catalog.name(), &self.database, name);
        dynamic.extend(options.iter().cloned());
        refuse_options(&dynamic)?;
        table.options.extend(dynamic);
        let provider = FormatTableProvider::new(table, self.settings.clone())?;
        Ok(Arc::new(provider))
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

    async fn get(&self, identifier: &Identifier) -> paimon_core::Result<Found> {
        let error = match self.catalog.get_table(identifier).await {
            Ok(table) => {
                let table = table.with_origin(TableOrigin {
                    catalog: self.catalog.name().to_string(),
                    database: self.database.clone(),
                    table: identifier.table().to_string(),
                });
                return Ok(Found::Table(identifier.clone(), Box::new(table)));
            }
            Err(error) => error,
        };
        // a format table is no Paimon table, which is said so
        let plain = identifier.branch().is_none() && identifier.system().is_none();
        if error.kind() == ErrorKind::Unsupported
            && plain
            && let Some(table) = self.catalog.get_format_table(identifier).await?
        {
            return Ok(Found::Files(Box::new(table)));
        }
        Err(error)
    }

    /// The table with exactly this name, else the only one whose name differs in case alone.
    async fn find(&self, identifier: Identifier) -> paimon_core::Result<Option<Found>> {
        match self.get(&identifier).await {
            Ok(found) => return Ok(Some(found)),
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
            (Some(name), None) => self.get(&identifier.with_table(name)).await.map(Some),
            _ => Ok(None),
        }
    }
}

/// What a name stands for.
enum Found {
    /// A Paimon table.
    Table(Identifier, Box<Table>),
    /// A folder of files.
    Files(Box<FormatTable>),
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
        let mut names = block_on(async move {
            let mut names = catalog.list_tables(&database).await?;
            names.extend(catalog.list_views(&database).await?);
            Ok(names)
        });
        names.extend(self.session_table_names());
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let (object, options) = plain_and_options(name).unwrap_or((name, Vec::new()));
        // views of the catalog never see those of the session
        if let Some(table) = self.session_table(object).filter(|_| !in_view()) {
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
        if let Some(table) = self.session_table(name) {
            return Ok(Some(table.table_type()));
        }
        let view = self.find_view(name).await.map_err(to_datafusion)?;
        Ok(match view {
            Some(_) => Some(TableType::View),
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
            let mut found = catalog.table_exists(&identifier).await?;
            if !found && catalog.keeps_views() {
                found = match catalog.get_view(&identifier).await {
                    Ok(_) => true,
                    Err(e) if e.kind() == ErrorKind::NotFound => false,
                    Err(e) => return Err(e),
                };
            }
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
