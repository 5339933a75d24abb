//! Scan of a format table's files.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, ScalarValue};
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
use futures::{StreamExt, TryStreamExt};
use paimon_catalog::FormatTable;

use super::listing::TableFile;
use super::read::FileReader;
use crate::error::to_datafusion;
use crate::scan::limited;

/// Where a column of the rows comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// A column that is read from files, by position among those.
    File(usize),
    /// A partition column, by level.
    Folder(usize),
}

/// Reads files; rows that do not match a filter may come back. Output order is not defined.
#[derive(Debug)]
pub(super) struct FormatScanExec {
    table: Arc<FormatTable>,
    reader: FileReader,
    origins: Arc<Vec<Origin>>,
    files: Vec<Vec<TableFile>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FormatScanExec {
    /// A scan of the files of each partition of the plan; `schema` is that of the rows.
    pub(super) fn new(
        table: Arc<FormatTable>,
        reader: FileReader,
        origins: Vec<Origin>,
        schema: SchemaRef,
        files: Vec<Vec<TableFile>>,
        limit: Option<usize>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(files.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            table,
            reader,
            origins: Arc::new(origins),
            files,
            limit,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for FormatScanExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.files.iter().map(Vec::len).sum();
        let schema = self.schema();
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        write!(
            f,
            "FormatTableScanExec: table={}, format={}, files={files}, projection=[{}]",
            self.table.name,
            self.table.format.name(),
            names.join(", ")
        )?;
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for FormatScanExec {
    fn name(&self) -> &'static str {
        "FormatTableScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    crate::leaf::leaf_plan!();

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let files = self.files.get(partition).cloned().unwrap_or_default();
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let read = MetricBuilder::new(&self.metrics).counter("files_read", partition);
        let (table, reader) = (self.table.clone(), self.reader.clone());
        let (origins, shape) = (self.origins.clone(), schema.clone());
        let stream = futures::stream::iter(files)
            .then(move |file| {
                let (table, reader) = (table.clone(), reader.clone());
                let (origins, shape) = (origins.clone(), shape.clone());
                read.add(1);
                async move {
                    let input = table.io.input(&file.location, file.size);
                    let batches = match input {
                        Ok(input) => reader.read(input).await,
                        Err(e) => Err(e),
                    };
                    let batches = batches.map_err(to_datafusion)?.map_err(to_datafusion);
                    Result::<_>::Ok(batches.and_then(move |batch| {
                        let row = with_partition(&batch, &origins, &file.partition, &shape);
                        futures::future::ready(row)
                    }))
                }
            })
            .try_flatten()
            .inspect_ok(move |batch: &RecordBatch| baseline.record_output(batch.num_rows()));
        let stream = match self.limit {
            Some(limit) => limited(stream.boxed(), limit),
            None => stream.boxed(),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Rows of a file with the columns of its partition.
fn with_partition(
    batch: &RecordBatch,
    origins: &[Origin],
    partition: &[ArrayRef],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let lost = || {
        datafusion::error::DataFusionError::Internal("a column of a format table is lost".into())
    };
    let columns = origins
        .iter()
        .map(|origin| match origin {
            Origin::File(at) => batch.columns().get(*at).cloned().ok_or_else(lost),
            Origin::Folder(level) => {
                let value = partition.get(*level).ok_or_else(lost)?;
                ScalarValue::try_from_array(value, 0)?.to_array_of_size(rows)
            }
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}
