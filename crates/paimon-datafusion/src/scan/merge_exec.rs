//! Scan of files of which some rows are gone: which survive first, then their columns.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use paimon_core::predicate::Predicate;
use paimon_core::read::DataSplit;
use paimon_core::table::Table;

use super::ScanRequest;
use super::memory::ScanMemory;
use super::sections::{CarriedSection, ScanMetrics, Share, Work};
use super::survivors::{ReadContext, Road};

/// Reads sections that need a key merge and files with deletion vectors. Output order is not defined.
pub struct MergeScanExec {
    work: Arc<Work>,
    /// The Parquet source with everything pushed into it, without files.
    inner: Arc<DataSourceExec>,
    limit: Option<usize>,
    /// Rows before filters.
    rows: Precision<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What a [`MergeScanExec`] is made of.
#[derive(Debug, Clone)]
pub struct MergeParts {
    /// The table.
    pub table: Table,
    /// What file indexes and key merges are asked.
    pub filter: Predicate,
    /// The sections.
    pub sections: Vec<CarriedSection>,
    /// The shares of each partition.
    pub shares: Vec<Vec<Share>>,
    /// The Parquet source with everything pushed into it, without files.
    pub inner: DataSourceExec,
    /// Rows wanted of each partition, at most.
    pub limit: Option<usize>,
    /// Rows before filters.
    pub rows: Precision<usize>,
}

impl MergeScanExec {
    /// A scan of parts.
    ///
    /// # Errors
    /// When a share is none of the sections, or the source reads no files.
    pub fn of_parts(parts: MergeParts) -> Result<Self> {
        let work = Work::carried(&parts.table, parts.filter, parts.sections, parts.shares)?;
        let inner = Arc::new(parts.inner);
        let made = Self::with_inner(Arc::new(work), inner, parts.limit, parts.rows);
        made.config()?;
        Ok(made)
    }

    /// What the scan is made of.
    pub fn parts(&self) -> MergeParts {
        MergeParts {
            table: self.work.table.clone(),
            filter: self.work.filter().clone(),
            sections: self.work.carried_sections(),
            shares: self.work.shares.clone(),
            inner: DataSourceExec::clone(&self.inner),
            limit: self.limit,
            rows: self.rows,
        }
    }

    pub(super) fn new(
        request: &ScanRequest,
        template: FileScanConfig,
        splits: Vec<DataSplit>,
        rows: Precision<usize>,
    ) -> Result<Self> {
        let work = Work::new(request, splits);
        Ok(Self::with_inner(
            Arc::new(work),
            Arc::new(DataSourceExec::new(Arc::new(template))),
            request.limit,
            rows,
        ))
    }

    fn with_inner(
        work: Arc<Work>,
        inner: Arc<DataSourceExec>,
        limit: Option<usize>,
        rows: Precision<usize>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(inner.schema()),
            Partitioning::UnknownPartitioning(work.shares.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            work,
            inner,
            limit,
            rows,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The same scan over another inner plan that pushdown produced.
    fn wrap(&self, inner: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
        let inner = inner.downcast_ref::<DataSourceExec>()?.clone();
        Some(Arc::new(Self::with_inner(
            self.work.clone(),
            Arc::new(inner),
            self.limit,
            self.rows,
        )))
    }

    fn config(&self) -> Result<&FileScanConfig> {
        self.inner
            .data_source()
            .downcast_ref::<FileScanConfig>()
            .ok_or_else(|| DataFusionError::Internal("a file scan is expected".into()))
    }
}

impl fmt::Debug for MergeScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeScanExec")
            .field("table", &self.work.table.name())
            .field("sections", &self.work.sections.len())
            .finish_non_exhaustive()
    }
}

impl DisplayAs for MergeScanExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections = self.work.sections.len();
        let runs: usize = self
            .work
            .sections
            .iter()
            .map(|s| s.section.runs.len())
            .sum();
        write!(
            f,
            "PaimonMergeScanExec: table={}, sections={sections}, runs={runs}",
            self.work.table.name()
        )?;
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        f.write_str(", ")?;
        self.inner.fmt_as(kind, f)
    }
}

impl ExecutionPlan for MergeScanExec {
    fn name(&self) -> &'static str {
        "PaimonMergeScanExec"
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
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let shares = self.work.shares.get(partition).cloned().unwrap_or_default();
        let schema = self.schema();
        let road = Road::choose(&self.work, self.config()?, &schema)?;
        let partitions = self.work.shares.len();
        let bytes = self.work.file_bytes();
        let memory = ScanMemory::reserve(&context, self.work.table.name(), partitions, bytes)?;
        let work = self.work.clone();
        let around = ReadContext {
            task: context,
            memory: Arc::new(memory),
            metrics: ScanMetrics::new(&self.metrics, partition),
            schema: schema.clone(),
        };
        let stream = futures::stream::iter(shares)
            .map(move |share| {
                let (work, road, around) = (work.clone(), road.clone(), around.clone());
                async move {
                    let outcome = work.outcome(share.section, &around).await?;
                    road.read(&work, &share, &outcome, &around)
                }
            })
            .buffered(1)
            .try_flatten();
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let stream = match self.limit {
            Some(limit) => crate::scan::core_exec::limited(stream.boxed(), limit),
            None => stream.boxed(),
        };
        let stream = stream.inspect_ok(move |batch| baseline.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut all = self.metrics.clone_inner();
        if let Some(inner) = self.inner.metrics() {
            // rows of the source are no rows of this scan: some do not survive
            let own = [
                "output_rows",
                "output_bytes",
                "output_batches",
                "elapsed_compute",
            ];
            for metric in inner.iter().filter(|m| !own.contains(&m.value().name())) {
                all.push(metric.clone());
            }
        }
        Some(all)
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &datafusion::physical_plan::statistics::StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        let whole = args.partition().is_none() && self.limit.is_none();
        if whole && self.config()?.file_source().filter().is_none() {
            statistics.num_rows = self.rows;
        }
        Ok(Arc::new(statistics))
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let swapped = self.inner.try_swapping_with_projection(projection)?;
        Ok(swapped.and_then(|inner| self.wrap(&inner)))
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        results: ChildPushdownResult,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let pushed = self
            .inner
            .handle_child_pushdown_result(phase, results, config)?;
        Ok(FilterPushdownPropagation {
            filters: pushed.filters,
            updated_node: pushed.updated_node.and_then(|inner| self.wrap(&inner)),
        })
    }
}
