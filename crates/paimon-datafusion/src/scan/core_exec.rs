//! Scan of splits through `paimon-core`'s own readers.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use paimon_core::read::DataSplit;
use paimon_core::table::TableRead;

use super::memory::ScanMemory;
use super::{ScanRequest, balance, physical_rows};
use crate::error::to_datafusion;

/// Reads splits; rows that do not match the filter may come back. Output order is not defined.
pub struct CoreScanExec {
    table: String,
    reader: TableRead,
    splits: Vec<Vec<DataSplit>>,
    limit: Option<usize>,
    statistics: Arc<Statistics>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl CoreScanExec {
    pub(super) fn new(
        request: &ScanRequest,
        splits: Vec<DataSplit>,
        statistics: Option<Statistics>,
    ) -> Result<Self> {
        let schema = request.projected_schema()?;
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let reader = request
            .table
            .read_builder()
            .with_projection(&names)
            .with_filter(request.predicate.clone())
            .with_batch_size(request.batch_size)
            .reader()
            .map_err(to_datafusion)?;
        let splits = balance(splits, request.partitions, physical_rows);
        let filtered = request.predicate != paimon_core::predicate::Predicate::AlwaysTrue;
        let statistics = match statistics {
            Some(s) if !filtered => s.project(Some(&request.columns)),
            _ => Statistics::new_unknown(reader.schema()),
        };
        Ok(Self::of_splits(reader, splits, request.limit, statistics))
    }

    /// A scan of the splits of each partition; `statistics` are those of all rows.
    pub fn of_splits(
        reader: TableRead,
        splits: Vec<Vec<DataSplit>>,
        limit: Option<usize>,
        statistics: Statistics,
    ) -> Self {
        let schema = reader.schema().clone();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(splits.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            table: reader.table().name().to_string(),
            reader,
            splits,
            limit,
            statistics: Arc::new(statistics),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// Where the metrics of the scan are collected.
    pub(super) fn own_metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    /// What reads the splits.
    pub fn reader(&self) -> &TableRead {
        &self.reader
    }

    /// The splits of each partition.
    pub fn splits(&self) -> &[Vec<DataSplit>] {
        &self.splits
    }

    /// Rows wanted of each partition, at most.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// What is known of the rows of all partitions.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }
}

impl fmt::Debug for CoreScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreScanExec")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for CoreScanExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let splits: usize = self.splits.iter().map(Vec::len).sum();
        let files: usize = self.splits.iter().flatten().map(|s| s.files().len()).sum();
        let names: Vec<&str> = self
            .reader
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect();
        write!(
            f,
            "PaimonScanExec: table={}, splits={splits}, files={files}, projection=[{}]",
            self.table,
            names.join(", ")
        )?;
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for CoreScanExec {
    fn name(&self) -> &'static str {
        "PaimonScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    crate::leaf::leaf_plan!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema: SchemaRef = self.schema();
        let splits = self.splits.get(partition).cloned().unwrap_or_default();
        let bytes = splits.iter().map(DataSplit::size).sum();
        let memory = ScanMemory::reserve(&context, &self.table, self.splits.len(), bytes)?;
        let reader = self.reader.clone().with_memory(memory.bytes);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let read = MetricBuilder::new(&self.metrics).counter("splits_read", partition);
        let files = MetricBuilder::new(&self.metrics).counter("files_read", partition);
        let bytes = MetricBuilder::new(&self.metrics).counter("bytes_planned", partition);
        let stream = futures::stream::iter(splits)
            .map(move |split| {
                let _held = &memory;
                read.add(1);
                files.add(split.files().len());
                bytes.add(usize::try_from(split.size()).unwrap_or(usize::MAX));
                reader.read(&split).map_err(to_datafusion)
            })
            .map_ok(|s| s.map_err(to_datafusion))
            .try_flatten()
            .inspect_ok(move |batch: &RecordBatch| {
                baseline.record_output(batch.num_rows());
            });
        let stream = match self.limit {
            Some(limit) => limited(stream.boxed(), limit),
            None => stream.boxed(),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &datafusion::physical_plan::statistics::StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        if args.partition().is_some() {
            return Ok(Arc::new(Statistics::new_unknown(&self.schema())));
        }
        Ok(self.statistics.clone())
    }
}

/// Ends a stream after `limit` rows.
pub(crate) fn limited(
    stream: BoxStream<'static, Result<RecordBatch>>,
    limit: usize,
) -> BoxStream<'static, Result<RecordBatch>> {
    stream
        .scan(limit, |left, batch| {
            let out = match batch {
                _ if *left == 0 => None,
                Ok(batch) => {
                    let take = batch.num_rows().min(*left);
                    *left -= take;
                    Some(Ok(batch.slice(0, take)))
                }
                Err(e) => Some(Err(e)),
            };
            futures::future::ready(out)
        })
        .boxed()
}
