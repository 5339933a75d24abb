//! Scan of data files that tells the file and the position of every row.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
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
use paimon_core::format::BatchStream;
use paimon_core::predicate::Predicate;
use paimon_core::read::{FileScan, Partition, SplitFile, live_rows, row_ids};
use paimon_core::spec::{DataField, row_id_field, sequence_number_field};
use paimon_core::table::Table;

use super::balance;
use super::place::{Place, ROW_COLUMN, place_of_file};
use crate::error::to_datafusion;

/// A column that a scan is to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Of the table, by position.
    Column(usize),
    /// Where the row is stored.
    Place(Place),
}

/// A file to scan, and its number.
#[derive(Debug, Clone)]
pub struct NumberedFile {
    /// Its number in the statement.
    pub number: i32,
    /// Its partition.
    pub partition: Arc<Partition>,
    /// Its bucket.
    pub bucket: i32,
    /// The file.
    pub file: SplitFile,
}

/// A column of the scan.
#[derive(Debug, Clone, Copy)]
enum Output {
    /// Of the columns read, by position.
    Column(usize),
    /// The id stored with the row is among the columns read, by position.
    RowId(usize),
    /// The same of sequence numbers.
    Sequence(usize),
    Place(Place),
}

/// Reads files one by one; rows that do not match the filter may come back. Without columns of the table no file is
/// opened.
pub struct PositionScanExec {
    table: Table,
    wanted: Vec<Wanted>,
    fields: Arc<Vec<DataField>>,
    outputs: Arc<Vec<Output>>,
    filter: Predicate,
    batch_size: usize,
    groups: Vec<Vec<NumberedFile>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PositionScanExec {
    /// A scan of some columns.
    pub(super) fn new(
        table: &Table,
        files: Vec<NumberedFile>,
        wanted: &[Wanted],
        filter: Predicate,
        (partitions, batch_size): (usize, usize),
    ) -> Result<Self> {
        let size = |f: &NumberedFile| u64::try_from(f.file.meta.file_size).unwrap_or(0);
        let groups = balance(files, partitions, size);
        Self::of_groups(table, groups, wanted, filter, batch_size)
    }

    /// A scan of the files of each partition.
    ///
    /// # Errors
    /// When the table has no such column.
    pub fn of_groups(
        table: &Table,
        groups: Vec<Vec<NumberedFile>>,
        wanted: &[Wanted],
        filter: Predicate,
        batch_size: usize,
    ) -> Result<Self> {
        let own = &table.schema().fields;
        let mut fields = Vec::new();
        let mut outputs = Vec::with_capacity(wanted.len());
        let mut columns = Vec::with_capacity(wanted.len());
        let arrow = table.arrow_schema();
        for column in wanted {
            let at = fields.len();
            match column {
                Wanted::Column(column) => {
                    let field = own.get(*column).ok_or_else(|| {
                        DataFusionError::Internal(format!("the table has no column {column}"))
                    })?;
                    fields.push(field.clone());
                    columns.push(arrow.field(*column).clone());
                    outputs.push(Output::Column(at));
                    continue;
                }
                Wanted::Place(Place::RowId(_)) => {
                    fields.push(row_id_field());
                    outputs.push(Output::RowId(at));
                }
                Wanted::Place(Place::Sequence) => {
                    fields.push(sequence_number_field());
                    outputs.push(Output::Sequence(at));
                }
                Wanted::Place(place) => outputs.push(Output::Place(*place)),
            }
            if let Wanted::Place(place) = column {
                columns.push(place.field(table));
            }
        }
        let schema = Arc::new(Schema::new(columns));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(groups.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            table: table.clone(),
            wanted: wanted.to_vec(),
            fields: Arc::new(fields),
            outputs: Arc::new(outputs),
            filter,
            batch_size: batch_size.max(1),
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

    /// Its columns.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
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

/// The positions of a file's rows, which metadata and its deletion vector tell: the file is not opened.
async fn places(
    table: &Table,
    file: &SplitFile,
    batch_size: usize,
) -> paimon_core::Result<BatchStream> {
    let live = live_rows(table, file).await?;
    let field = Field::new(ROW_COLUMN, DataType::Int64, false);
    let schema = Arc::new(Schema::new(vec![field]));
    let rows = file.meta.row_count;
    let mut at: i64 = 0;
    let batches = std::iter::from_fn(move || {
        let step = i64::try_from(batch_size.max(1)).unwrap_or(i64::MAX);
        let end = at.saturating_add(step).min(rows);
        let is_live = |row: &i64| match &live {
            Some(live) => usize::try_from(*row).is_ok_and(|row| live.bits().value(row)),
            None => true,
        };
        let positions: Int64Array = (at..end).filter(is_live).collect();
        let more = at < rows;
        at = end;
        more.then(|| {
            let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(positions)]);
            batch.map_err(paimon_core::Error::from)
        })
    });
    Ok(futures::stream::iter(batches).boxed())
}

/// A batch of a file as a batch of the scan.
fn shaped(
    batch: &RecordBatch,
    outputs: &[Output],
    columns: usize,
    file: &NumberedFile,
    (table, schema): (&Table, &SchemaRef),
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let meta = &file.file.meta;
    let positions = || {
        let positions = batch.columns().get(columns);
        positions
            .ok_or_else(|| DataFusionError::Internal("a scan gives no positions of rows".into()))
    };
    let arrays = outputs
        .iter()
        .map(|output| match output {
            Output::Column(at) => Ok(batch.column(*at).clone()),
            Output::RowId(at) => {
                row_ids(batch.column(*at), positions()?, meta.first_row_id).map_err(to_datafusion)
            }
            Output::Sequence(at) => {
                let stored = batch.column(*at).as_primitive::<Int64Type>().iter();
                let numbers = stored.map(|n| n.unwrap_or(meta.max_sequence_number));
                Ok(Arc::new(Int64Array::from_iter_values(numbers)) as ArrayRef)
            }
            Output::Place(Place::Row) => positions().cloned(),
            Output::Place(place) => place_of_file(table, file, *place, rows),
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
                let opened = opened.clone();
                let table = table.clone();
                async move {
                    let rows = match columns {
                        0 => places(&table, &numbered.file, batch_size).await,
                        _ => {
                            opened.add(1);
                            scan.open().await
                        }
                    };
                    let rows = rows.map_err(to_datafusion)?;
                    Result::<_>::Ok(rows.map(move |batch| {
                        let batch = batch.map_err(to_datafusion)?;
                        shaped(&batch, &outputs, columns, &numbered, (&table, &schema))
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
