//! The session: DataFusion with Paimon's catalogs, options and statements.

mod catalogs;
mod files;
mod functions;
mod max_pt;
mod settings;
mod travel;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionStateBuilder, SessionStateDefaults};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Ident};
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use paimon_catalog::{Catalog, DEFAULT_DATABASE};
use paimon_core::io::Stores;
use paimon_core::spec::{DataField, TableSchema};
use paimon_core::table::Table;

use crate::analyze::{CommonTypes, TimestampLiterals};
use crate::catalog::{PaimonCatalogProvider, PaimonSchemaProvider};
use crate::error::to_datafusion;
use crate::format_table::FormatTableProvider;
use crate::parse::{
    Cursor, attach_options, parse_marked, query_with_defaults, split_statements, tokenize,
    with_before_query, with_distinct_names, with_metadata_columns,
};
use crate::planner::{MapKeyPlanner, PaimonRelationPlanner, PaimonTypePlanner};
use crate::provider::PaimonTableProvider;
use crate::statement;

use catalogs::Catalogs;
use files::Files;
pub(crate) use functions::StoredFunction;
pub use settings::{CarriedSettings, CommitIdentity, OverwriteMode, SessionSettings};
pub(crate) use settings::{FixedIdentity, USER_PREFIX};
pub(crate) use travel::instant_ms;
pub(crate) use views::{CatalogView, DIALECT, ViewName, ViewPlanner, in_view, renamed};

/// A SQL session over Paimon catalogs and everything DataFusion knows.
///
/// ```no_run
/// # async fn example() -> datafusion::error::Result<()> {
/// use std::collections::BTreeMap;
///
/// use paimon_datafusion::PaimonSession;
///
/// let session = PaimonSession::new();
/// let options = BTreeMap::from([("warehouse".to_string(), "/data/wh".to_string())]);
/// session.create_catalog("paimon", options)?;
/// session.use_catalog("paimon")?;
/// session.sql("SELECT * FROM t VERSION AS OF 3").await?.show().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PaimonSession {
    context: SessionContext,
    settings: Arc<SessionSettings>,
    stores: Stores,
    catalogs: Arc<Catalogs>,
}

impl Default for PaimonSession {
    fn default() -> Self {
        Self::new()
    }
}

impl PaimonSession {
    /// A session with the default configuration and memory limits.
    pub fn new() -> Self {
        Self::with_runtime(SessionConfig::new(), Arc::new(RuntimeEnv::default()))
    }

    /// A session with a given configuration and runtime (memory pool, spill folders). Paimon's defaults are set on
    /// top: decimal literals are exact, `information_schema` is on, the time zone is that of `TZ` or else UTC.
    pub fn with_runtime(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> Self {
        let settings = Arc::new(SessionSettings::from_environment());
        let config = session_config(config, &settings);
        let mut rules = Analyzer::new().rules;
        rules.insert(0, Arc::new(TimestampLiterals));
        rules.insert(1, Arc::new(CommonTypes));
        let mut expr_planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(MapKeyPlanner)];
        expr_planners.extend(SessionStateDefaults::default_expr_planners());
        let catalogs = Arc::new(Catalogs::default());
        let state = SessionStateBuilder::new_with_default_features()
            .with_catalog_list(catalogs.clone())
            .with_config(config)
            .with_runtime_env(runtime)
            .with_analyzer_rules(rules)
            .with_expr_planners(expr_planners)
            .with_physical_optimizer_rules(crate::optimizer::rules())
            .with_relation_planners(vec![Arc::new(PaimonRelationPlanner)])
            .with_type_planner(Arc::new(PaimonTypePlanner {
                settings: settings.clone(),
            }))
            .build();
        let context = SessionContext::new_with_state(state);
        catalogs.set_files(Files::new(context.state_weak_ref()));
        for function in crate::function::all() {
            context.register_udf(function);
        }
        Self {
            context,
            settings,
            stores: Stores::new(),
            catalogs,
        }
    }

    /// Opens the warehouses of catalogs that are created from now on with these stores; without this, local paths and
    /// `memory:` only.
    #[must_use]
    pub fn with_stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    /// The DataFusion session. Its own `sql` lacks Paimon's statements: prefer [`PaimonSession::sql`].
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Dynamic options and time zone.
    pub fn settings(&self) -> &Arc<SessionSettings> {
        &self.settings
    }

    /// Opens a catalog by its options and registers it.
    ///
    /// # Errors
    /// As [`paimon_catalog::create_catalog_on`], and when the name is taken.
    pub fn create_catalog(&self, name: &str, options: BTreeMap<String, String>) -> Result<()> {
        if self.context.catalog(name).is_some() {
            return Err(DataFusionError::Plan(format!(
                "catalog {name} exists already"
            )));
        }
        let catalog = paimon_catalog::create_catalog_on(name, options, &self.stores)
            .map_err(to_datafusion)?;
        self.register_catalog(catalog);
        self.catalogs.made_from_options(name, String::new());
        Ok(())
    }

    /// Registers a catalog under its own name; one of the same name is replaced.
    pub fn register_catalog(&self, catalog: Arc<dyn Catalog>) {
        let name = catalog.name().to_string();
        let provider = PaimonCatalogProvider::new(catalog, self.settings.clone())
            .with_views(self.view_planner());
        self.context.register_catalog(name, Arc::new(provider));
    }

    /// Plans views in the catalogs of this session.
    pub(crate) fn view_planner(&self) -> ViewPlanner {
        ViewPlanner {
            state: self.context.state_weak_ref(),
            catalogs: Arc::downgrade(&self.catalogs),
            settings: self.settings.clone(),
            stores: self.stores.clone(),
        }
    }

    /// Forgets a catalog; its databases and tables stay. A missing one is fine when `ignore_if_missing`.
    ///
    /// # Errors
    /// When there is no such catalog, or it is the current one.
    pub fn drop_catalog(&self, name: &str, ignore_if_missing: bool) -> Result<()> {
        if self.current().0 == name {
            return Err(DataFusionError::Plan(format!(
                "catalog {name} is the current one: USE another one before it is dropped"
            )));
        }
        match self.catalogs.remove(name) || ignore_if_missing {
            true => Ok(()),
            false => Err(DataFusionError::Plan(format!(
                "catalog {name} does not exist"
            ))),
        }
    }

    /// Makes a catalog and its `default` database current.
    ///
    /// # Errors
    /// When there is no such catalog.
    pub fn use_catalog(&self, name: &str) -> Result<()> {
        let Some(catalog) = self.context.catalog(name) else {
            return Err(DataFusionError::Plan(format!(
                "catalog {name} does not exist"
            )));
        };
        let database = if catalog.is::<PaimonCatalogProvider>() {
            DEFAULT_DATABASE.to_string()
        } else {
            catalog
                .schema_names()
                .into_iter()
                .next()
                .unwrap_or_else(|| "public".to_string())
        };
        self.set_current(name, &database);
        Ok(())
    }

    /// Current catalog and database.
    pub fn current(&self) -> (String, String) {
        let state = self.context.state_ref();
        let state = state.read();
        let catalog = &state.config_options().catalog;
        (
            catalog.default_catalog.clone(),
            catalog.default_schema.clone(),
        )
    }

    /// Makes a database of a catalog current, whether they exist or not.
    pub fn set_current(&self, catalog: &str, database: &str) {
        let state = self.context.state_ref();
        let mut state = state.write();
        let options = &mut state.config_mut().options_mut().catalog;
        options.default_catalog = catalog.to_string();
        options.default_schema = database.to_string();
    }

    /// Runs SQL: all statements but the last to their end, then plans the last one and returns it.
    ///
    /// # Errors
    /// The first failing statement's error; [`crate::paimon_error`] finds the engine's own error in it.
    pub async fn sql(&self, sql: &str) -> Result<DataFrame> {
        let mut statements = split_statements(sql);
        let last = statements
            .pop()
            .ok_or_else(|| DataFusionError::Plan("no SQL statement was given".into()))?;
        for statement in statements {
            self.statement(&statement).await?.collect().await?;
        }
        self.statement(&last).await
    }

    /// Plans one statement. Statements that change the session alone (SET, USE, CREATE VIEW) take effect at once, those
    /// that write when their plan is executed.
    async fn statement(&self, sql: &str) -> Result<DataFrame> {
        // boxed: the future of each kind of statement is large, and callers await this one deep inside of theirs
        let tokens = tokenize(sql)?;
        let mut cursor = Cursor::new(&tokens);
        let explain = statement::explain::parse(&mut cursor)?;
        if let Some(rows) = Box::pin(statement::kept(self, &cursor, &tokens, sql)).await? {
            return match explain {
                Some(option) => rows.explain_with_options(option),
                None => statement::with_origin(self, rows, sql),
            };
        }
        let tokens = with_before_query(tokens, &cursor, statement::query_of_insert)?;
        let tokens = Box::pin(max_pt::with_max_pt(self, tokens)).await?;
        let mut cursor = Cursor::new(&tokens);
        let explain = statement::explain::parse(&mut cursor)?;
        if let Some(rows) = Box::pin(statement::write(self, &cursor, &tokens)).await? {
            return match explain {
                Some(option) => rows.explain_with_options(option),
                None => statement::with_origin(self, rows, sql),
            };
        }
        if explain.is_none()
            && let Some(command) = statement::parse(&mut cursor, sql)?
        {
            return Box::pin(statement::run(self, command)).await;
        }
        let tokens = statement::without_temporary(tokens);
        let plan = Box::pin(self.plan_statement(tokens, |_| Ok(()))).await?;
        let plan = statement::writable(plan)?;
        self.context.execute_logical_plan(plan).await
    }

    /// Plans a statement of DataFusion's with options hints and time travel; `change` may rewrite it first.
    async fn plan_statement(
        &self,
        tokens: Vec<TokenWithSpan>,
        change: impl FnOnce(&mut Statement) -> Result<()>,
    ) -> Result<LogicalPlan> {
        let mut statement = self.parse_statement(tokens)?;
        change(&mut statement)?;
        let is_table = |name: &[Ident]| statement::is_paimon_table(self, name).unwrap_or(false);
        with_metadata_columns(&mut statement, &is_table)?;
        self.plan_parsed(statement).await
    }

    /// Plans a parsed statement.
    ///
    /// # Errors
    /// As DataFusion's planner, and those of catalogs whose functions it calls.
    pub(crate) async fn plan_parsed(&self, mut statement: Statement) -> Result<LogicalPlan> {
        functions::with_stored_functions(self, &mut statement).await?;
        self.context.state().statement_to_plan(statement).await
    }

    /// Parses a statement; names of tables hold the options of their hints and time-travel clauses.
    ///
    /// # Errors
    /// On a syntax error and misplaced clauses.
    pub(crate) fn parse_statement(&self, tokens: Vec<TokenWithSpan>) -> Result<Statement> {
        let recursion_limit = {
            let state = self.context.state_ref();
            let state = state.read();
            state.config_options().sql_parser.recursion_limit.get()
        };
        let marked = parse_marked(tokens, recursion_limit)?;
        let options = marked
            .clauses
            .iter()
            .map(|clause| Ok((clause.name.clone(), travel::clause_options(self, clause)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut statement = marked.statement;
        attach_options(&mut statement, &options)?;
        Ok(statement)
    }

    /// Plans a query. `columns` are those it fills, in order: DEFAULT in VALUES stands for their defaults.
    ///
    /// # Errors
    /// For anything but a query.
    pub(crate) async fn plan_query(
        &self,
        tokens: Vec<TokenWithSpan>,
        columns: &[Option<&DataField>],
    ) -> Result<LogicalPlan> {
        let change = |statement: &mut Statement| query_with_defaults(statement, columns);
        self.plan_statement(tokens, change).await
    }

    /// Plans a query whose columns are taken by position, as [`Self::plan_query`]: their names do not matter, and may be
    /// there twice.
    ///
    /// # Errors
    /// As [`Self::plan_query`].
    pub(crate) async fn plan_positional(
        &self,
        tokens: Vec<TokenWithSpan>,
        columns: &[Option<&DataField>],
    ) -> Result<LogicalPlan> {
        let change = |statement: &mut Statement| {
            query_with_defaults(statement, columns)?;
            with_distinct_names(statement);
            Ok(())
        };
        self.plan_statement(tokens, change).await
    }

    /// Value of a constant expression.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn constant(&self, expr: Expr) -> Result<ScalarValue> {
        let text = expr.to_string();
        travel::evaluate(self, expr)
            .map_err(|e| e.context(format!("a constant is expected, found {text}")))
    }

    /// A Paimon table to write to, with dynamic options.
    ///
    /// # Errors
    /// When there is no such table, or it is a system table, view or format table.
    pub(crate) async fn paimon_table(
        &self,
        name: &[Ident],
        options: Vec<(String, String)>,
    ) -> Result<Table> {
        match self.written_table(name, options).await? {
            WrittenTable::Paimon(table) => Ok(table),
            WrittenTable::Files(files) => Err(to_datafusion(
                paimon_core::Error::unsupported(
                    "a format table takes SELECT, INSERT, TRUNCATE, SHOW, DESCRIBE, ALTER and DROP alone: it has no snapshots",
                )
                .with("table", &files.table().name),
            )),
        }
    }

    /// A table that takes rows, with dynamic options.
    ///
    /// # Errors
    /// When there is no such table, or it is a system table or view.
    pub(crate) async fn written_table(
        &self,
        name: &[Ident],
        options: Vec<(String, String)>,
    ) -> Result<WrittenTable> {
        let (catalog, database, table) = self.resolve(name)?;
        let full = TableReference::full(catalog.as_str(), database.as_str(), table.as_str());
        let schema = self.paimon_database(&catalog, &database);
        let provider = match schema {
            Some(schema) => schema.open_with(&table, options).await?,
            None => None,
        };
        let Some(provider) = provider else {
            return Err(no_table(&full));
        };
        if let Some(paimon) = provider.downcast_ref::<PaimonTableProvider>() {
            return Ok(WrittenTable::Paimon(paimon.table().clone()));
        }
        if let Some(files) = provider.downcast_ref::<FormatTableProvider>() {
            return Ok(WrittenTable::Files(files.clone()));
        }
        let what = match provider.is::<CatalogView>() {
            true => "a view cannot be written",
            false => "a system table cannot be written",
        };
        Err(to_datafusion(
            paimon_core::Error::invalid(what).with("table", full),
        ))
    }

    /// Catalog, database and table that a name of one to three parts stands for.
    ///
    /// # Errors
    /// When it has more parts.
    pub(crate) fn resolve(&self, name: &[Ident]) -> Result<(String, String, String)> {
        let mut parts: Vec<String> = name.iter().map(statement::ident_text).collect();
        let (catalog, database) = self.current();
        match parts.len() {
            1 => Ok((catalog, database, parts.remove(0))),
            2 => Ok((catalog, parts.remove(0), parts.remove(0))),
            3 => Ok((parts.remove(0), parts.remove(0), parts.remove(0))),
            _ => Err(DataFusionError::Plan(format!(
                "a table name has one to three parts, found {}",
                parts.join(".")
            ))),
        }
    }

    /// The catalog provider.
    pub(crate) fn catalog(&self, name: &str) -> Result<Arc<dyn CatalogProvider>> {
        self.context
            .catalog(name)
            .ok_or_else(|| DataFusionError::Plan(format!("catalog {name} does not exist")))
    }

    /// The database of a Paimon catalog; `None` when the catalog is another one.
    pub(crate) fn paimon_database(
        &self,
        catalog: &str,
        database: &str,
    ) -> Option<PaimonSchemaProvider> {
        let catalog = self.context.catalog(catalog)?;
        let catalog = catalog.downcast_ref::<PaimonCatalogProvider>()?;
        Some(catalog.database(database))
    }

    /// What serves a table name.
    ///
    /// # Errors
    /// When there is no such table.
    pub(crate) async fn table(&self, name: &[Ident]) -> Result<Arc<dyn TableProvider>> {
        let (catalog, database, table) = self.resolve(name)?;
        let name = TableReference::full(catalog.as_str(), database.as_str(), table.as_str());
        let missing = || no_table(&name);
        let schema: Arc<dyn SchemaProvider> = self
            .catalog(&catalog)?
            .schema(&database)
            .ok_or_else(missing)?;
        schema.table(&table).await?.ok_or_else(missing)
    }
}

/// A table that takes rows.
pub(crate) enum WrittenTable {
    /// With snapshots.
    Paimon(Table),
    /// A folder of files.
    Files(FormatTableProvider),
}

impl WrittenTable {
    /// Its columns, keys and options.
    pub(crate) fn schema(&self) -> Arc<TableSchema> {
        match self {
            Self::Paimon(table) => table.schema().clone(),
            Self::Files(files) => Arc::new(files.table_schema()),
        }
    }
}

fn no_table(name: &TableReference) -> DataFusionError {
    to_datafusion(
        paimon_core::Error::new(paimon_core::ErrorKind::NotFound, "table does not exist")
            .with("table", name),
    )
}

fn session_config(config: SessionConfig, settings: &SessionSettings) -> SessionConfig {
    let mut config = config.with_information_schema(true);
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.time_zone = Some(settings.time_zone());
    options.execution.parquet.schema_force_view_types = true;
    // DataFusion 55.2 forgets the minimum when the first rows are all null: `min(a), max(a)` then skips files that hold it
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    config
}
