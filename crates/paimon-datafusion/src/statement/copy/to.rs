//! DataFusion's `COPY .. TO 'file'`: values that a format cannot hold become texts, and a statement that fails leaves no
//! file that was not there.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::TableReference;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::CopyTo;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::session::PaimonSession;
use crate::text;

/// The plan with rows for the files of a COPY that these can hold.
///
/// # Errors
/// Never for valid plans.
pub(crate) fn writable(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_down(|plan| {
        let LogicalPlan::Copy(copy) = plan else {
            return Ok(Transformed::no(plan));
        };
        let rows = Arc::unwrap_or_clone(copy.input);
        let input = Arc::new(match copy.file_type.get_ext().as_str() {
            "csv" => text::for_csv(rows)?,
            "json" => text::for_json(rows)?,
            _ => rows,
        });
        let copy = LogicalPlan::Copy(CopyTo { input, ..copy });
        Ok(Transformed::new(copy, true, TreeNodeRecursion::Jump))
    });
    rewritten.data()
}

/// A COPY to one file that takes the file away when it fails; `None` for all other plans.
///
/// # Errors
/// For a malformed location, and one of an unknown store.
pub(crate) fn plan(session: &PaimonSession, plan: &LogicalPlan) -> Result<Option<DataFrame>> {
    let LogicalPlan::Copy(copy) = plan else {
        return Ok(None);
    };
    let url = ListingTableUrl::parse(&copy.output_url)?;
    let is_file = match copy.options.get("single_file_output").map(|v| v.trim()) {
        Some(given) => given == "true",
        None => !url.is_collection() && url.file_extension().is_some(),
    };
    if !is_file {
        return Ok(None);
    }
    let target = WrittenFile {
        store: session.context().runtime_env().object_store(&url)?,
        path: url.prefix().clone(),
    };
    let schema: &Schema = plan.schema().as_arrow();
    let source = provider_as_source(Arc::new(CopyTarget {
        plan: plan.clone(),
        schema: Arc::new(schema.clone()),
        target: Arc::new(target),
    }));
    let plan = LogicalPlanBuilder::scan(TableReference::bare("copy"), source, None)?.build()?;
    Ok(Some(DataFrame::new(session.context().state(), plan)))
}

/// The file that a COPY makes.
#[derive(Debug)]
struct WrittenFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

impl WrittenFile {
    /// What a store does not tell counts as there: it is not deleted.
    async fn is_missing(&self) -> bool {
        let found = self.store.head(&self.path).await;
        matches!(found, Err(object_store::Error::NotFound { .. }))
    }

    /// A file that stays is named in the log: the error of the statement says more.
    async fn remove(&self) {
        match self.store.delete(&self.path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(%error, path = %self.path, "the file of a failed COPY stays");
            }
        }
    }
}

/// A COPY as the table of its count.
#[derive(Debug)]
struct CopyTarget {
    plan: LogicalPlan,
    schema: SchemaRef,
    target: Arc<WrittenFile>,
}

#[async_trait]
impl TableProvider for CopyTarget {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = state.create_physical_plan(&self.plan).await?;
        let target = Arc::clone(&self.target);
        Ok(Arc::new(CopyExec { input, target }))
    }
}

/// The write with an input that tells of its failure and then waits, and where it tells.
fn held(
    write: Arc<dyn ExecutionPlan>,
) -> Result<(Arc<dyn ExecutionPlan>, UnboundedReceiver<DataFusionError>)> {
    let (failed, failures) = unbounded_channel();
    let children = write.children().into_iter();
    let inputs = children.map(|input| -> Arc<dyn ExecutionPlan> {
        Arc::new(HeldExec {
            input: Arc::clone(input),
            failed: failed.clone(),
        })
    });
    let inputs = inputs.collect();
    Ok((write.with_new_children(inputs)?, failures))
}

/// Rows up to a failure, which goes elsewhere; behind it nothing comes, not even the end.
#[derive(Debug)]
struct HeldExec {
    input: Arc<dyn ExecutionPlan>,
    failed: UnboundedSender<DataFusionError>,
}

impl DisplayAs for HeldExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaimonHeldExec")
    }
}

impl ExecutionPlan for HeldExec {
    fn name(&self) -> &'static str {
        "PaimonHeldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let failed = self.failed.clone();
        let input = only(children)?;
        Ok(Arc::new(Self { input, failed }))
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let failed = self.failed.clone();
        let rows = self.input.execute(partition, context)?;
        let rows = rows.then(move |batch| {
            let failed = failed.clone();
            async move {
                match batch {
                    Ok(batch) => Ok(batch),
                    Err(error) => {
                        // nobody listens when the write has failed by itself
                        let _ = failed.send(error);
                        std::future::pending().await
                    }
                }
            }
        });
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

fn only(mut plans: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
    match (plans.pop(), plans.is_empty()) {
        (Some(plan), true) => Ok(plan),
        _ => Err(DataFusionError::Internal("a plan has one input".into())),
    }
}

/// Runs a COPY, and takes its file away when it fails.
#[derive(Debug)]
struct CopyExec {
    input: Arc<dyn ExecutionPlan>,
    target: Arc<WrittenFile>,
}

impl DisplayAs for CopyExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaimonCopyExec: {}", self.target.path)
    }
}

impl ExecutionPlan for CopyExec {
    fn name(&self) -> &'static str {
        "PaimonCopyExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let target = Arc::clone(&self.target);
        let input = only(children)?;
        Ok(Arc::new(Self { input, target }))
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (input, target) = (Arc::clone(&self.input), Arc::clone(&self.target));
        let counts = async move {
            let was_missing = target.is_missing().await;
            let (input, mut failed) = held(input)?;
            let written = input.execute(partition, context)?;
            // dropping what is being written leaves nothing: DataFusion itself would publish the rows before the failure
            let counts = tokio::select! {
                counts = written.try_collect::<Vec<_>>() => counts,
                Some(error) = failed.recv() => Err(error),
            };
            if counts.is_err() && was_missing {
                target.remove().await;
            }
            Result::<_>::Ok(futures::stream::iter(counts?.into_iter().map(Ok)))
        };
        let stream = futures::stream::once(counts).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            stream,
        )))
    }
}
