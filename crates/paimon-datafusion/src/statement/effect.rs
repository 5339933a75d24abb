//! Statements that take effect when their plan is executed: planning and explaining them changes nothing.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};

use crate::session::PaimonSession;

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
    frame(session, Effect { what, schema, work })
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
    frame(session, Effect { what, schema, work })
}

fn frame(session: &PaimonSession, effect: Effect) -> Result<DataFrame> {
    let name = TableReference::bare(effect.what.clone());
    let source = provider_as_source(Arc::new(effect));
    let plan = LogicalPlanBuilder::scan(name, source, None)?.build()?;
    Ok(DataFrame::new(session.context().state(), plan))
}

#[derive(Clone)]
struct Effect {
    what: String,
    schema: SchemaRef,
    work: Work,
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
struct EffectExec {
    effect: Effect,
    projection: Option<Vec<usize>>,
    properties: Arc<PlanProperties>,
}

impl EffectExec {
    fn new(effect: Effect, projection: Option<Vec<usize>>) -> Result<Self> {
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
