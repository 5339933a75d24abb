//! Scan of sections that need a key merge: survivors first, then their columns through DataFusion's Parquet source.

use std::fmt;
use std::sync::Arc;

use arrow::array::{BooleanBufferBuilder, RecordBatch, RecordBatchOptions};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use paimon_core::predicate::Predicate;
use paimon_core::read::{
    DataSplit, FileSelection, MergeRules, Partition, Section, SectionOutcome, SplitKind,
    key_filter, merge_section,
};
use paimon_core::table::Table;
use tokio::sync::OnceCell;

use super::native::{partitioned_file, with_selection};
use super::{ScanRequest, balance, outcome_cache};
use crate::error::to_datafusion;

/// Rows below which a file is not shared between partitions.
const SHARED_ROWS_MIN: usize = 64 * 1024;

/// A section and, once merged, its outcome.
struct SharedSection {
    partition: Arc<Partition>,
    section: Section,
    outcome: OnceCell<Arc<SectionOutcome>>,
}

/// One partition's part of a section: share `index` of `of`.
#[derive(Clone)]
struct Share {
    section: usize,
    index: usize,
    of: usize,
}

/// What all executions of the plan share; outcomes are kept across them, data files being immutable.
struct Work {
    table: Table,
    rules: MergeRules,
    /// Narrows key merges that no cache knows: their outcome is right for matching keys alone.
    key_filter: Predicate,
    sections: Vec<SharedSection>,
    shares: Vec<Vec<Share>>,
}

/// Reads sections whose rows are decided by a key merge. Output order is not defined.
pub struct MergeScanExec {
    work: Arc<Work>,
    /// The Parquet source with everything pushed into it, without files.
    inner: Arc<DataSourceExec>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl MergeScanExec {
    pub(super) fn new(
        request: &ScanRequest,
        template: FileScanConfig,
        splits: Vec<DataSplit>,
    ) -> Result<Self> {
        let mut sections = Vec::new();
        for split in splits {
            if let SplitKind::Merge(own) = split.kind {
                for section in own {
                    sections.push(SharedSection {
                        partition: split.partition.clone(),
                        section,
                        outcome: OnceCell::new(),
                    });
                }
            }
        }
        let shares = share_out(&sections, request.partitions);
        let work = Work {
            table: request.table.clone(),
            rules: MergeRules::of(&request.table),
            key_filter: key_filter(&request.table, &request.predicate),
            sections,
            shares,
        };
        Ok(Self::with_inner(
            Arc::new(work),
            Arc::new(DataSourceExec::new(Arc::new(template))),
            request.limit,
        ))
    }

    fn with_inner(work: Arc<Work>, inner: Arc<DataSourceExec>, limit: Option<usize>) -> Self {
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
        )))
    }

    fn config(&self) -> Result<&FileScanConfig> {
        self.inner
            .data_source()
            .downcast_ref::<FileScanConfig>()
            .ok_or_else(|| DataFusionError::Internal("a file scan is expected".into()))
    }
}

/// Spreads sections over partitions: whole ones while there are plenty, else cut into shares so that every partition
/// has work.
fn share_out(sections: &[SharedSection], partitions: usize) -> Vec<Vec<Share>> {
    let rows = |s: &SharedSection| -> u64 {
        let files = s.section.runs.iter().flat_map(|r| &r.files);
        files
            .map(|f| u64::try_from(f.meta.row_count).unwrap_or(0))
            .sum()
    };
    let total: u64 = sections.iter().map(rows).sum();
    let fair = total / (partitions as u64).max(1);
    let mut shares = Vec::new();
    for (i, section) in sections.iter().enumerate() {
        let own = rows(section);
        let big = own > SHARED_ROWS_MIN as u64 && own * 2 > fair && sections.len() < 2 * partitions;
        let uneven = !sections.len().is_multiple_of(partitions) || sections.len() < partitions;
        let of = if big && uneven { partitions } else { 1 };
        shares.extend((0..of).map(|index| {
            (
                own / of as u64,
                Share {
                    section: i,
                    index,
                    of,
                },
            )
        }));
    }
    balance(shares, partitions, |(rows, _)| *rows)
        .into_iter()
        .map(|own| own.into_iter().map(|(_, share)| share).collect())
        .collect()
}

/// Counters of one partition.
#[derive(Clone)]
struct ScanMetrics {
    sections: Count,
    files: Count,
    rows_merged_away: Count,
    cached: Count,
    key_merge_time: Time,
}

impl ScanMetrics {
    fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(set).counter(name, partition);
        Self {
            sections: counter("sections"),
            files: counter("files_read"),
            rows_merged_away: counter("rows_merged_away"),
            cached: counter("sections_from_cache"),
            key_merge_time: MetricBuilder::new(set).subset_time("key_merge_time", partition),
        }
    }
}

impl Work {
    async fn outcome(&self, section: usize, metrics: &ScanMetrics) -> Result<Arc<SectionOutcome>> {
        let shared = &self.sections[section];
        let outcome = shared
            .outcome
            .get_or_try_init(|| async {
                let key = outcome_cache::key_of(&shared.section, &format!("{:?}", self.rules));
                if let Some(known) = outcome_cache::get(&key) {
                    metrics.cached.add(1);
                    return Ok(known);
                }
                let mut rules = self.rules.clone();
                rules.key_filter = self.key_filter.clone();
                let timer = metrics.key_merge_time.timer();
                let merged = merge_section(&self.table, &shared.partition, &shared.section, &rules)
                    .await
                    .map_err(to_datafusion)?;
                timer.done();
                let merged = Arc::new(merged);
                if rules.key_filter == Predicate::AlwaysTrue {
                    let files = merged.files.iter().flatten();
                    let physical: usize = files.map(|f| f.keep.rows()).sum();
                    metrics.rows_merged_away.add(physical - merged.kept_rows());
                    outcome_cache::put(key, merged.clone());
                }
                Ok::<_, DataFusionError>(merged)
            })
            .await?;
        metrics.sections.add(1);
        Ok(outcome.clone())
    }
}

/// The rows of a selection that belong to a share; `None` when there are none.
fn part_of(selection: &FileSelection, share: &Share, file: usize) -> Option<FileSelection> {
    if selection.selected() == 0 {
        return None;
    }
    if share.of == 1 {
        return Some(selection.clone());
    }
    let rows = selection.rows();
    if rows < SHARED_ROWS_MIN {
        return (file % share.of == share.index).then(|| selection.clone());
    }
    let start = rows * share.index / share.of;
    let end = rows * (share.index + 1) / share.of;
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(start, false);
    bits.append_buffer(&selection.bits().slice(start, end - start));
    bits.append_n(rows - end, false);
    let part = FileSelection::new(bits.finish());
    (part.selected() > 0).then_some(part)
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
        let metrics = ScanMetrics::new(&self.metrics, partition);
        let config = self.config()?.clone();
        let filtered = config.file_source().filter().is_some();
        let schema = self.schema();
        let counts_only = schema.fields().is_empty() && !filtered;
        let work = self.work.clone();
        let out = schema.clone();
        let stream = futures::stream::iter(shares)
            .map(move |share| {
                let (work, config, metrics) = (work.clone(), config.clone(), metrics.clone());
                let (context, schema) = (context.clone(), out.clone());
                async move {
                    let outcome = work.outcome(share.section, &metrics).await?;
                    if counts_only {
                        return counted(&schema, &outcome, &share);
                    }
                    fetch(&work, &share, &outcome, config, context, &metrics)
                }
            })
            .buffered(1)
            .try_flatten();
        let stream = match self.limit {
            Some(limit) => crate::scan::core_exec::limited(stream.boxed(), limit),
            None => stream.boxed(),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut all = self.metrics.clone_inner();
        if let Some(inner) = self.inner.metrics() {
            for metric in inner.iter() {
                all.push(metric.clone());
            }
        }
        Some(all)
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        _args: &datafusion::physical_plan::statistics::StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(Arc::new(Statistics::new_unknown(&self.schema())))
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

/// Reads the surviving rows of a share.
fn fetch(
    work: &Work,
    share: &Share,
    outcome: &SectionOutcome,
    config: FileScanConfig,
    context: Arc<TaskContext>,
    metrics: &ScanMetrics,
) -> Result<SendableRecordBatchStream> {
    let section = &work.sections[share.section].section;
    let files = section.runs.iter().flat_map(|r| &r.files);
    let outcomes = outcome.files.iter().flatten();
    let mut group = Vec::new();
    for (i, (file, outcome)) in files.zip(outcomes).enumerate() {
        let Some(part) = part_of(&outcome.keep, share, i) else {
            continue;
        };
        let own = partitioned_file(&work.table, file)?;
        group.push(if part.selected() == part.rows() {
            own
        } else {
            with_selection(own, &part)
        });
    }
    metrics.files.add(group.len());
    let config = FileScanConfigBuilder::from(config)
        .with_file_groups(vec![FileGroup::new(group)])
        .build();
    DataSourceExec::new(Arc::new(config)).execute(0, context)
}

/// Batches without columns: the number of rows is all that is wanted.
fn counted(
    schema: &arrow::datatypes::SchemaRef,
    outcome: &SectionOutcome,
    share: &Share,
) -> Result<SendableRecordBatchStream> {
    let rows = if share.index == 0 {
        outcome.kept_rows()
    } else {
        0
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema.clone(), Vec::new(), &options)?;
    let stream = futures::stream::iter([Ok(batch)]);
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        schema.clone(),
        stream,
    )))
}
