//! Scan of data files that tells the file and the position of every row.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray,
    StructArray,
};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema, SchemaRef};
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
use paimon_core::arrow_bridge::{array_of, arrow_field};
use paimon_core::format::BatchStream;
use paimon_core::predicate::Predicate;
use paimon_core::read::{FileScan, Partition, SplitFile, live_rows};
use paimon_core::spec::{DataField, ROW_ID, SEQUENCE_NUMBER, row_id_field, sequence_number_field};
use paimon_core::table::Table;

use super::balance;
use crate::error::to_datafusion;

/// Number of the row's file in [`super::TargetFiles`].
pub(crate) const FILE_COLUMN: &str = "__paimon_file";

/// Physical position of the row in its file.
pub(crate) const ROW_COLUMN: &str = "__paimon_row_index";

/// Id of the row, in tables with row tracking.
pub(crate) const ROW_ID_COLUMN: &str = "__paimon_row_id";

/// What is known of the place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// [`FILE_COLUMN`]
    File,
    /// [`ROW_COLUMN`]
    Row,
    /// [`ROW_ID_COLUMN`], or `_ROW_ID`.
    RowId(&'static str),
    /// `_SEQUENCE_NUMBER`
    Sequence,
    /// `__paimon_file_path`: location of the file.
    Path,
    /// `__paimon_partition`: values of the partition columns.
    Partition,
    /// `__paimon_bucket`
    Bucket,
}

impl Place {
    /// The places that follow a table's own columns where rows are changed.
    pub(super) fn of_changes(table: &Table) -> Vec<Self> {
        let id = table
            .options()
            .row_tracking
            .then_some(Self::RowId(ROW_ID_COLUMN));
        [Self::File, Self::Row].into_iter().chain(id).collect()
    }

    /// The metadata column of a name; `None` where the table has none.
    pub(super) fn of_name(table: &Table, name: &str) -> Option<Self> {
        let tracked = table.options().row_tracking;
        match name {
            "__paimon_file_path" => Some(Self::Path),
            ROW_COLUMN => Some(Self::Row),
            "__paimon_partition" => Some(Self::Partition),
            "__paimon_bucket" => Some(Self::Bucket),
            ROW_ID if tracked => Some(Self::RowId(ROW_ID)),
            SEQUENCE_NUMBER if tracked => Some(Self::Sequence),
            _ => None,
        }
    }

    /// Its column.
    pub(super) fn field(self, table: &Table) -> Field {
        match self {
            Self::File => Field::new(FILE_COLUMN, DataType::Int32, false),
            Self::Row => Field::new(ROW_COLUMN, DataType::Int64, false),
            Self::RowId(name) => Field::new(name, DataType::Int64, true),
            Self::Sequence => Field::new(SEQUENCE_NUMBER, DataType::Int64, true),
            Self::Path => Field::new("__paimon_file_path", DataType::Utf8View, false),
            Self::Partition => {
                let values = DataType::Struct(partition_columns(table));
                Field::new("__paimon_partition", values, false)
            }
            Self::Bucket => Field::new("__paimon_bucket", DataType::Int32, false),
        }
    }
}

fn partition_columns(table: &Table) -> Fields {
    let fields = table.schema().partition_fields();
    fields.iter().map(arrow_field).collect()
}

/// A column that a scan is to give.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// Of the table, by position.
    Column(usize),
    Place(Place),
}

/// A file to scan, and its number.
#[derive(Debug, Clone)]
pub(super) struct NumberedFile {
    pub number: i32,
    pub partition: Arc<Partition>,
    pub bucket: i32,
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
pub(crate) struct PositionScanExec {
    table: Table,
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
        let own = &table.schema().fields;
        let mut fields = Vec::new();
        let mut outputs = Vec::with_capacity(wanted.len());
        let mut columns = Vec::with_capacity(wanted.len());
        let arrow = table.arrow_schema();
        for wanted in wanted {
            let at = fields.len();
            match wanted {
                Wanted::Column(column) => {
                    let field = own.get(*column);
                    fields.extend(field.cloned());
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
            if let Wanted::Place(place) = wanted {
                columns.push(place.field(table));
            }
        }
        let schema = Arc::new(Schema::new(columns));
        let size = |f: &NumberedFile| u64::try_from(f.file.meta.file_size).unwrap_or(0);
        let groups = balance(files, partitions, size);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(groups.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            table: table.clone(),
            fields: Arc::new(fields),
            outputs: Arc::new(outputs),
            filter,
            batch_size,
            groups,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
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
                let ids = row_ids(batch.column(*at), positions()?, meta.first_row_id);
                Ok(Arc::new(ids) as ArrayRef)
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

/// What is the same in all rows of a file.
fn place_of_file(
    table: &Table,
    file: &NumberedFile,
    place: Place,
    rows: usize,
) -> Result<ArrayRef> {
    Ok(match place {
        Place::File => Arc::new(Int32Array::from(vec![file.number; rows])),
        Place::Bucket => Arc::new(Int32Array::from(vec![file.bucket; rows])),
        Place::Path => {
            let path: &str = &file.file.path;
            Arc::new(StringViewArray::from(vec![path; rows]))
        }
        Place::Partition => {
            let fields = table.schema().partition_fields();
            let values = fields.iter().zip(&file.partition.values);
            let values = values
                .map(|(field, value)| array_of(value.as_ref(), &field.data_type, rows))
                .collect::<paimon_core::Result<Vec<_>>>()
                .map_err(to_datafusion)?;
            match values.is_empty() {
                true => Arc::new(StructArray::new_empty_fields(rows, None)),
                false => Arc::new(StructArray::try_new(
                    partition_columns(table),
                    values,
                    None,
                )?),
            }
        }
        Place::Row | Place::RowId(_) | Place::Sequence => {
            return Err(DataFusionError::Internal(
                "this place is that of a row".into(),
            ));
        }
    })
}

/// Ids as stored; where none is, the file's first one and the position say it.
fn row_ids(stored: &ArrayRef, positions: &ArrayRef, first: Option<i64>) -> Int64Array {
    let stored = stored.as_primitive::<Int64Type>();
    let positions = positions.as_primitive::<Int64Type>();
    let counted = |at: i64| first.and_then(|first| first.checked_add(at));
    stored
        .iter()
        .zip(positions.values())
        .map(|(stored, at)| stored.or_else(|| counted(*at)))
        .collect()
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
