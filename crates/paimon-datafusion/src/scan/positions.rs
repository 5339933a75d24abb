//! Scan of data files that tells the file and the position of every row.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
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
use paimon_core::predicate::Predicate;
use paimon_core::read::{FileScan, Partition, SplitFile};
use paimon_core::spec::DataField;
use paimon_core::table::Table;

use super::balance;
use crate::error::to_datafusion;

/// Number of the row's file in [`super::TargetFiles`].
pub(crate) const FILE_COLUMN: &str = "__paimon_file";

/// Physical position of the row in its file.
pub(crate) const ROW_COLUMN: &str = "__paimon_row_index";

/// The two columns that follow a table's own.
pub(super) fn position_fields() -> [Field; 2] {
    [
        Field::new(FILE_COLUMN, DataType::Int32, false),
        Field::new(ROW_COLUMN, DataType::Int64, false),
    ]
}

/// A file to scan, and its number.
#[derive(Debug, Clone)]
pub struct NumberedFile {
    /// Its number in the statement.
    pub number: i32,
    /// Its partition.
    pub partition: Arc<Partition>,
    /// The file.
    pub file: SplitFile,
}

/// A column of the scan.
#[derive(Debug, Clone, Copy)]
enum Output {
    /// Of the table's columns read, by position.
    Column(usize),
    File,
    Row,
}

/// Reads files one by one; rows that do not match the filter may come back.
pub struct PositionScanExec {
    table: Table,
    columns: Vec<usize>,
    fields: Arc<Vec<DataField>>,
    outputs: Arc<Vec<Output>>,
    filter: Predicate,
    batch_size: usize,
    groups: Vec<Vec<NumberedFile>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PositionScanExec {
    /// A scan of some of the columns: the table's, then the two of [`position_fields`], by index.
    pub(super) fn new(
        table: &Table,
        files: Vec<NumberedFile>,
        columns: &[usize],
        filter: Predicate,
        (partitions, batch_size): (usize, usize),
    ) -> Result<Self> {
        let size = |f: &NumberedFile| u64::try_from(f.file.meta.file_size).unwrap_or(0);
        let groups = balance(files, partitions, size);
        Self::of_groups(table, groups, columns, filter, batch_size)
    }

    /// A scan of the files of each partition.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn of_groups(
        table: &Table,
        groups: Vec<Vec<NumberedFile>>,
        columns: &[usize],
        filter: Predicate,
        batch_size: usize,
    ) -> Result<Self> {
        let own = &table.schema().fields;
        let mut fields = Vec::new();
        let mut outputs = Vec::with_capacity(columns.len());
        for column in columns {
            outputs.push(match own.get(*column) {
                Some(field) => {
                    fields.push(field.clone());
                    Output::Column(fields.len() - 1)
                }
                None if *column == own.len() => Output::File,
                None => Output::Row,
            });
        }
        let all: Vec<_> = table
            .arrow_schema()
            .fields()
            .iter()
            .map(|f| f.as_ref().clone())
            .chain(position_fields())
            .collect();
        let schema = Arc::new(Schema::new(all).project(columns)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(groups.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            table: table.clone(),
            columns: columns.to_vec(),
            fields: Arc::new(fields),
            outputs: Arc::new(outputs),
            filter,
            batch_size,
            groups,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The files of each partition.
    pub fn groups(&self) -> &[Vec<NumberedFile>] {
        &self.groups
    }

    /// Columns by index: the table's, then the file and the position of the row.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Rows wanted; others may come back.
    pub fn filter(&self) -> &Predicate {
        &self.filter
    }

    /// Rows per batch, at most.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }
}

/// A batch of a file as a batch of the scan.
fn shaped(
    batch: &RecordBatch,
    outputs: &[Output],
    columns: usize,
    number: i32,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let arrays = outputs
        .iter()
        .map(|output| match output {
            Output::Column(at) => Ok(batch.column(*at).clone()),
            Output::File => Ok(Arc::new(Int32Array::from(vec![number; rows])) as ArrayRef),
            Output::Row => batch.columns().get(columns).cloned().ok_or_else(|| {
                DataFusionError::Internal("a scan gives no positions of rows".into())
            }),
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let exact = RecordBatch::try_new_with_options(schema.clone(), arrays.clone(), &options);
    if let Ok(batch) = exact {
        return Ok(batch);
    }
    // a NOT NULL column that old files lack reads as null
    let fields = schema.fields().iter();
    let relaxed: Vec<Field> = fields
        .map(|f| f.as_ref().clone().with_nullable(true))
        .collect();
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(relaxed)),
        arrays,
        &options,
    )?)
}

impl fmt::Debug for PositionScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PositionScanExec")
            .field("table", &self.table.name())
            .finish_non_exhaustive()
    }
}

impl DisplayAs for PositionScanExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.groups.iter().map(Vec::len).sum();
        let schema = self.schema();
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        write!(
            f,
            "PaimonPositionScanExec: table={}, files={files}, projection=[{}]",
            self.table.name(),
            names.join(", ")
        )
    }
}

impl ExecutionPlan for PositionScanExec {
    fn name(&self) -> &'static str {
        "PaimonPositionScanExec"
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
        let declared = schema.clone();
        let files = self.groups.get(partition).cloned().unwrap_or_default();
        let (table, fields, filter) =
            (self.table.clone(), self.fields.clone(), self.filter.clone());
        let (outputs, batch_size) = (self.outputs.clone(), self.batch_size);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let opened = MetricBuilder::new(&self.metrics).counter("files_read", partition);
        let stream = futures::stream::iter(files)
            .then(move |numbered| {
                let mut scan = FileScan::new(&table, &numbered.partition, &numbered.file, &fields);
                scan.filter = filter.clone();
                scan.batch_size = batch_size;
                scan.with_position = true;
                let (outputs, schema) = (outputs.clone(), schema.clone());
                let columns = fields.len();
                opened.add(1);
                async move {
                    let rows = scan.open().await.map_err(to_datafusion)?;
                    Result::<_>::Ok(rows.map(move |batch| {
                        let batch = batch.map_err(to_datafusion)?;
                        shaped(&batch, &outputs, columns, numbered.number, &schema)
                    }))
                }
            })
            .try_flatten()
            .inspect_ok(move |batch: &RecordBatch| {
                baseline.record_output(batch.num_rows());
            });
        Ok(Box::pin(RecordBatchStreamAdapter::new(declared, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
