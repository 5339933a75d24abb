//! Statements that take effect when their plan is executed: planning and explaining them changes nothing.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};

use crate::session::PaimonSession;

type Work = Arc<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A statement without rows. `what` shows in plans.
pub(crate) fn effect<F>(
    session: &PaimonSession,
    what: String,
    work: impl Fn() -> F + Send + Sync + 'static,
) -> Result<DataFrame>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let work: Work = Arc::new(move || work().boxed());
    let effect = Effect { what, work };
    let name = effect.what.clone();
    let source = provider_as_source(Arc::new(effect));
    let plan =
        LogicalPlanBuilder::scan(datafusion::common::TableReference::bare(name), source, None)?
            .build()?;
    Ok(DataFrame::new(session.context().state(), plan))
}

#[derive(Clone)]
struct Effect {
    what: String,
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
        Arc::new(Schema::empty())
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(EffectExec::new(self.clone())))
    }
}

/// Does the work when executed and returns no rows.
#[derive(Debug)]
struct EffectExec {
    effect: Effect,
    properties: Arc<PlanProperties>,
}

impl EffectExec {
    fn new(effect: Effect) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(effect.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self {
            effect,
            properties: Arc::new(properties),
        }
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

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let work = (self.effect.work)();
        let none = async move {
            let done: Result<()> = work.await;
            done.map(|()| futures::stream::empty::<Result<RecordBatch>>())
        };
        let stream = futures::stream::once(none).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.effect.schema(),
            stream,
        )))
    }
}
