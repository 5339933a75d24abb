//! Views of catalogs as plans.
//!
//! Java: `PaimonViewResolver`. The text of a view is planned where the view lies: names without a catalog or database
//! mean those of the view. It never sees temporary views of the session.

use std::borrow::Cow;
use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Column;
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::ViewTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;
use futures::FutureExt;
use futures::future::BoxFuture;
use paimon_catalog::View;
use paimon_core::io::Stores;
use parking_lot::RwLock;

use super::catalogs::Catalogs;
use super::max_pt::with_max_pt;
use super::{PaimonSession, SessionSettings};
use crate::parse::tokenize;
use crate::statement::view_definition;

/// Name under which catalogs that keep several dialects of a view have ours.
pub(crate) const DIALECT: &str = "datafusion";
/// Views that may lie within each other.
const DEPTH_MAX: usize = 32;

tokio::task_local! {
    /// Full names of the views whose texts are being planned, the outermost first.
    static PLANNED: Vec<String>;
}

/// Whether the text of a view is being planned.
pub(crate) fn in_view() -> bool {
    PLANNED.try_with(|_| ()).is_ok()
}

/// Where a view lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ViewName {
    pub(crate) catalog: String,
    pub(crate) database: String,
    pub(crate) view: String,
}

impl ViewName {
    fn full(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.database, self.view)
    }
}

/// Plans the texts of views for the catalogs of a session, which it does not keep alive.
#[derive(Clone)]
pub(crate) struct ViewPlanner {
    pub(super) state: Weak<RwLock<SessionState>>,
    pub(super) catalogs: Weak<Catalogs>,
    pub(super) settings: Arc<SessionSettings>,
    pub(super) stores: Stores,
}

impl std::fmt::Debug for ViewPlanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewPlanner").finish_non_exhaustive()
    }
}

impl ViewPlanner {
    /// A view as a table.
    ///
    /// # Errors
    /// When its text is no query, does not fit its columns, reads itself or lies too deep.
    pub(crate) async fn provider(&self, name: &ViewName, view: View) -> Result<CatalogView> {
        let text = view.query_in(DIALECT);
        let plan = self.plan(name, text).await?;
        let names: Vec<&str> = view.fields.iter().map(|f| f.name.as_str()).collect();
        let plan = renamed(name, plan, &names)?;
        let definition = view_definition(name, &view);
        Ok(CatalogView {
            inner: ViewTable::new(plan, Some(definition)),
            view,
        })
    }

    /// The plan of a view's text.
    ///
    /// # Errors
    /// As [`Self::provider`].
    pub(crate) fn plan<'a>(
        &'a self,
        name: &'a ViewName,
        text: &'a str,
    ) -> BoxFuture<'a, Result<LogicalPlan>> {
        // boxed: a view may read views
        self.plan_within(name, text).boxed()
    }

    async fn plan_within(&self, name: &ViewName, text: &str) -> Result<LogicalPlan> {
        let mut planned = PLANNED.try_with(Clone::clone).unwrap_or_default();
        let full = name.full();
        if planned.contains(&full) || planned.len() >= DEPTH_MAX {
            let why = match planned.contains(&full) {
                true => "a view reads itself".to_string(),
                false => format!("more than {DEPTH_MAX} views lie within each other"),
            };
            planned.push(full);
            let chain = planned.join(" -> ");
            return Err(DataFusionError::Plan(format!("{why}: {chain}")));
        }
        planned.push(full.clone());
        let session = self.session(name)?;
        let text = text.to_string();
        let plan = async move { query(&session, &text).await };
        // a task of its own: views within each other do not pile up on one stack
        let plan = SpawnedTask::spawn(PLANNED.scope(planned, plan))
            .join()
            .await;
        let plan = plan.map_err(|e| DataFusionError::External(Box::new(e)))?;
        plan.map_err(|e| e.context(format!("in view {full}")))
    }

    /// A session like this one whose current database is that of the view.
    fn session(&self, name: &ViewName) -> Result<PaimonSession> {
        let (Some(state), Some(catalogs)) = (self.state.upgrade(), self.catalogs.upgrade()) else {
            return Err(DataFusionError::Plan("the session is gone".into()));
        };
        let state = state.read().clone();
        let session = PaimonSession {
            context: SessionContext::new_with_state(state),
            settings: self.settings.clone(),
            stores: self.stores.clone(),
            catalogs,
        };
        session.set_current(&name.catalog, &name.database);
        Ok(session)
    }
}

async fn query(session: &PaimonSession, text: &str) -> Result<LogicalPlan> {
    let tokens = with_max_pt(session, tokenize(text)?).await?;
    let only_query = |statement: &mut Statement| match statement {
        Statement::Statement(sql) if matches!(sql.as_ref(), Sql::Query(_)) => Ok(()),
        _ => Err(DataFusionError::Plan("a view is a query".into())),
    };
    session.plan_statement(tokens, only_query).await
}

/// A plan whose columns have these names, by position; as they are when there are none.
///
/// # Errors
/// When there are more or fewer columns.
pub(crate) fn renamed(name: &ViewName, plan: LogicalPlan, names: &[&str]) -> Result<LogicalPlan> {
    if names.is_empty() {
        return Ok(plan);
    }
    let found = plan.schema().fields().len();
    if found != names.len() {
        return Err(DataFusionError::Plan(format!(
            "view {} has {} columns, its query gives {found}",
            name.full(),
            names.len()
        )));
    }
    let columns = plan.schema().iter().zip(names);
    let exprs: Vec<Expr> = columns
        .map(|(column, name)| Expr::Column(Column::from(column)).alias(*name))
        .collect();
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// A view of a catalog.
#[derive(Debug)]
pub(crate) struct CatalogView {
    inner: ViewTable,
    view: View,
}

impl CatalogView {
    /// The view as the catalog has it.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }
}

#[async_trait]
impl TableProvider for CatalogView {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.inner.get_logical_plan()
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.inner.get_table_definition()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.inner.scan(state, projection, filters, limit).await
    }
}
