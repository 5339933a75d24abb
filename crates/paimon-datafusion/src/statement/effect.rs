//! Statements that take effect when their plan is executed: planning and explaining them changes nothing.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::{DefaultTableSource, provider_as_source};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};

use crate::session::{
    CarriedSettings, CommitIdentity, FixedIdentity, PaimonSession, SessionSettings,
};

type Work = Arc<dyn Fn() -> BoxFuture<'static, Result<Option<RecordBatch>>> + Send + Sync>;

/// A statement without rows. `what` shows in plans.
pub(crate) fn effect<F>(
    session: &PaimonSession,
    what: String,
    work: impl Fn() -> F + Send + Sync + 'static,
) -> Result<DataFrame>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let work: Work = Arc::new(move || {
        let done = work();
        async move { done.await.map(|()| None) }.boxed()
    });
    let schema = Arc::new(Schema::empty());
    frame(session, Effect::new(what, schema, work))
}

/// A statement with rows of this schema.
pub(crate) fn effect_rows<F>(
    session: &PaimonSession,
    what: String,
    schema: SchemaRef,
    work: impl Fn() -> F + Send + Sync + 'static,
) -> Result<DataFrame>
where
    F: Future<Output = Result<RecordBatch>> + Send + 'static,
{
    let work: Work = Arc::new(move || {
        let rows = work();
        async move { rows.await.map(Some) }.boxed()
    });
    frame(session, Effect::new(what, schema, work))
}

fn frame(session: &PaimonSession, effect: Effect) -> Result<DataFrame> {
    let name = TableReference::bare(effect.what.clone());
    let source = provider_as_source(Arc::new(effect));
    let plan = LogicalPlanBuilder::scan(name, source, None)?.build()?;
    Ok(DataFrame::new(session.context().state(), plan))
}

/// Where a statement comes from: what another process needs to run it.
#[derive(Debug, Clone)]
pub struct StatementOrigin {
    /// The statement.
    pub sql: String,
    /// Current catalog and database of its session.
    pub current: (String, String),
    /// Settings of its session.
    pub settings: CarriedSettings,
    /// Who commits, fixed when it is first asked for.
    identity: FixedIdentity,
    session: Arc<SessionSettings>,
}

impl StatementOrigin {
    /// Who commits what the statement writes, the same whenever it is asked for.
    pub fn identity(&self) -> CommitIdentity {
        self.identity.choose(&self.session, None)
    }
}

/// A statement as the table of its rows.
#[derive(Clone)]
pub struct Effect {
    what: String,
    schema: SchemaRef,
    work: Work,
    origin: Option<Arc<StatementOrigin>>,
}

impl Effect {
    fn new(what: String, schema: SchemaRef, work: Work) -> Self {
        Self {
            what,
            schema,
            work,
            origin: None,
        }
    }

    /// A statement that a session plans and runs when the plan is executed. `what` shows in plans.
    pub fn of_sql(session: PaimonSession, sql: String, what: String, schema: SchemaRef) -> Self {
        let work: Work = Arc::new(move || {
            let (session, sql) = (session.clone(), sql.clone());
            async move {
                let rows = session.sql(&sql).await?;
                let schema = Arc::new(rows.schema().as_arrow().clone());
                let batches = rows.collect().await?;
                match schema.fields().is_empty() {
                    true => Ok(None),
                    false => Ok(Some(concat_batches(&schema, &batches)?)),
                }
            }
            .boxed()
        });
        Self::new(what, schema, work)
    }

    /// What shows in plans.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Its columns.
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Where it comes from; `None` for statements that no session planned from SQL.
    pub fn origin(&self) -> Option<&StatementOrigin> {
        self.origin.as_deref()
    }
}

/// The plan of a statement, that tells where it comes from when its work is done by an effect.
///
/// # Errors
/// Never for valid plans.
pub(crate) fn with_origin(
    session: &PaimonSession,
    rows: DataFrame,
    sql: &str,
) -> Result<DataFrame> {
    let (state, plan) = rows.into_parts();
    let LogicalPlan::TableScan(scan) = &plan else {
        return Ok(DataFrame::new(state, plan));
    };
    let source = scan.source.downcast_ref::<DefaultTableSource>();
    let Some(effect) = source.and_then(|s| s.table_provider.downcast_ref::<Effect>()) else {
        return Ok(DataFrame::new(state, plan));
    };
    let origin = StatementOrigin {
        sql: sql.to_string(),
        current: session.current(),
        settings: session.settings().carried(),
        identity: FixedIdentity::default(),
        session: session.settings().clone(),
    };
    let effect = Effect {
        origin: Some(Arc::new(origin)),
        ..effect.clone()
    };
    frame(session, effect)
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Effect").field(&self.what).finish()
    }
}

#[async_trait]
impl TableProvider for Effect {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let exec = EffectExec::new(self.clone(), projection.cloned())?;
        Ok(Arc::new(exec))
    }
}

/// Does the work when executed and returns its rows.
#[derive(Debug)]
pub struct EffectExec {
    effect: Effect,
    projection: Option<Vec<usize>>,
    properties: Arc<PlanProperties>,
}

impl EffectExec {
    /// Runs a statement and returns some of its columns, by index.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn new(effect: Effect, projection: Option<Vec<usize>>) -> Result<Self> {
        let schema = match &projection {
            Some(columns) => Arc::new(effect.schema.project(columns)?),
            None => effect.schema.clone(),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            effect,
            projection,
            properties: Arc::new(properties),
        })
    }

    /// The statement.
    pub fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Columns that are returned, by index; all without.
    pub fn projection(&self) -> Option<&[usize]> {
        self.projection.as_deref()
    }
}

impl DisplayAs for EffectExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaimonStatementExec: {}", self.effect.what)
    }
}

impl ExecutionPlan for EffectExec {
    fn name(&self) -> &'static str {
        "PaimonStatementExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    crate::leaf::leaf_plan!();

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let work = (self.effect.work)();
        let projection = self.projection.clone();
        let rows = async move {
            let rows = match (work.await?, projection) {
                (Some(rows), Some(columns)) => Some(rows.project(&columns)?),
                (rows, _) => rows,
            };
            Result::<_>::Ok(futures::stream::iter(rows.map(Ok)))
        };
        let stream = futures::stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            stream,
        )))
    }
}
