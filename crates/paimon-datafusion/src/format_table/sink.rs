//! Writes to a format table.
//!
//! Java: `FormatTableWrite`, `FormatTableFileWriter`, `FormatTableCommit`. Files are staged while the statement runs and
//! appear when all of its rows are written; what an overwrite replaces goes after that. A statement that fails or is
//! dropped leaves nothing.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_not_null, take_record_batch};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::datasource::sink::DataSink;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType};
use futures::StreamExt;
use paimon_catalog::{FileFormat, FormatTable};
use paimon_core::commit::Overwrite;
use paimon_core::format::FileEncoder;
use paimon_core::io::OutputFile;
use paimon_core::spec::{DataField, TypeKind};
use paimon_core::write::{IdSource, RandomIds};
use paimon_core::{Error, ErrorKind};

use super::encode::encoder;
use super::listing::{self, TableFile, joined};
use super::options::FileOptions;
use super::partitions::Layout;
use super::read::check_nulls;
use super::values::typed;
use crate::error::to_datafusion;
use crate::sink::SinkMode;
use crate::store::StoreAssignment;

/// Option that would make a metastore know new partitions.
const HIVE_SYNC: &str = "format-table.commit-hive-sync-url";
/// Files that a statement may have open at once.
const OPEN_FILES_MAX: usize = 1_000;

/// Writes rows to a format table.
pub(super) struct FormatSink {
    table: Arc<FormatTable>,
    options: Arc<FileOptions>,
    layout: Layout,
    mode: SinkMode,
    store: StoreAssignment,
    /// Columns of the table that files hold, by position.
    stored: Vec<usize>,
    /// Partition columns, by position, in the order of folders.
    keys: Vec<usize>,
    metrics: ExecutionPlanMetricsSet,
}

impl FormatSink {
    /// A sink in a session of this time zone.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option or column that cannot be written.
    pub(super) fn new(
        table: Arc<FormatTable>,
        options: Arc<FileOptions>,
        mode: SinkMode,
        zone: &str,
    ) -> paimon_core::Result<Self> {
        if table.options.contains_key(HIVE_SYNC) {
            return Err(Error::unsupported(
                "new partitions of format tables are not told to a metastore",
            )
            .with("option", HIVE_SYNC)
            .with("table", &table.name));
        }
        let position = |name: &String| table.fields.iter().position(|f| f.name == *name);
        let keys: Vec<usize> = table.partition_keys.iter().filter_map(position).collect();
        let stored: Vec<usize> = (0..table.fields.len())
            .filter(|i| !keys.contains(i))
            .collect();
        let sink = Self {
            layout: Layout::new(&table, &options),
            store: StoreAssignment::new(table.fields.clone(), zone),
            options,
            mode,
            stored,
            keys,
            metrics: ExecutionPlanMetricsSet::new(),
            table,
        };
        sink.check_text()?;
        let trial = encoder(&sink.table, &sink.options, &sink.stored_fields());
        trial.map_err(|e| e.with_default("table", &sink.table.name))?;
        Ok(sink)
    }

    fn check_text(&self) -> paimon_core::Result<()> {
        if self.table.format != FileFormat::Text {
            return Ok(());
        }
        match self.stored_fields().as_slice() {
            [only]
                if matches!(
                    only.data_type.kind,
                    TypeKind::VarChar(_) | TypeKind::Char(_)
                ) =>
            {
                Ok(())
            }
            _ => Err(Error::invalid(
                "text files hold one column of type STRING, beside the partition columns",
            )
            .with("table", &self.table.name)),
        }
    }

    /// Checks the types of the rows to come, by position.
    ///
    /// # Errors
    /// `InvalidInput` naming the column.
    pub(super) fn check(&self, rows: &SchemaRef) -> paimon_core::Result<()> {
        let checked = self.store.check(rows);
        checked.map_err(|e| e.with_default("table", &self.table.name))
    }

    fn stored_fields(&self) -> Vec<DataField> {
        let field = |at: &usize| self.table.fields.get(*at).cloned();
        self.stored.iter().filter_map(field).collect()
    }

    /// Rows of the query as rows of the table: in its types, defaults in the place of null.
    fn rows(&self, batch: &RecordBatch) -> paimon_core::Result<RecordBatch> {
        let rows = self.store.batch(batch)?;
        let mut columns = rows.columns().to_vec();
        for (column, field) in columns.iter_mut().zip(&self.table.fields) {
            let Some(text) = &field.default_value else {
                continue;
            };
            let default = typed(&[Some(text.as_str())], &field.data_type)?.array;
            let filled = is_not_null(column.as_ref())
                .and_then(|given| or_default(&given, column, default.as_ref()));
            *column =
                filled.map_err(|e| Error::internal("a default has another type").with_source(e))?;
        }
        let rows = RecordBatch::try_new(rows.schema(), columns)
            .map_err(|e| Error::internal("defaults do not fit").with_source(e))?;
        check_nulls(&rows, &self.table.fields)?;
        Ok(rows)
    }

    /// Rows by the folder of their partition.
    fn by_folder(&self, rows: &RecordBatch) -> paimon_core::Result<BTreeMap<String, Vec<u64>>> {
        let keys: Vec<ArrayRef> = self
            .keys
            .iter()
            .filter_map(|at| rows.columns().get(*at).cloned())
            .collect();
        let mut folders: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (row, number) in (0..rows.num_rows()).zip(0u64..) {
            let folder = self.layout.folder(&keys, row)?;
            folders.entry(folder).or_default().push(number);
        }
        Ok(folders)
    }

    async fn write_rows(&self, staged: &mut Staged, rows: &RecordBatch) -> paimon_core::Result<()> {
        let broken = |e| Error::internal("rows could not be parted").with_source(e);
        for (folder, numbers) in self.by_folder(rows)? {
            let part = match numbers.len() == rows.num_rows() {
                true => rows.clone(),
                false => {
                    let numbers = UInt64Array::from(numbers);
                    take_record_batch(rows, &numbers).map_err(broken)?
                }
            };
            let part = part.project(&self.stored).map_err(broken)?;
            staged.write(self, folder, &part).await?;
        }
        Ok(())
    }

    /// Files that an overwrite replaces.
    async fn replaced(&self, written: &HashSet<String>) -> Result<Vec<TableFile>> {
        let SinkMode::Overwrite(overwrite) = &self.mode else {
            return Ok(Vec::new());
        };
        let given = match overwrite {
            Overwrite::Static(pairs) => pairs.as_slice(),
            _ => &[],
        };
        let is_partitioned = !self.layout.keys.is_empty();
        let only_written =
            given.is_empty() && matches!(overwrite, Overwrite::Dynamic) && is_partitioned;
        let all = listing::partitions(&self.table, &self.layout, None).await?;
        let mut wanted = Vec::new();
        for partition in all {
            let goes = match only_written {
                true => written.contains(&partition.path),
                false => {
                    let matches = self.layout.matches(&partition.values, given);
                    matches.map_err(to_datafusion)?
                }
            };
            if goes {
                wanted.push(partition);
            }
        }
        listing::files(&self.table, wanted)
            .await
            .map_err(to_datafusion)
    }

    fn named(&self, error: Error) -> datafusion::error::DataFusionError {
        to_datafusion(error.with_default("table", &self.table.name))
    }

    async fn run(&self, staged: &mut Staged, mut data: SendableRecordBatchStream) -> Result<u64> {
        let counter = MetricBuilder::new(&self.metrics).global_counter("rows_written");
        let mut rows = 0u64;
        while let Some(batch) = data.next().await {
            let batch = self.rows(&batch?).map_err(|e| self.named(e))?;
            let written = self.write_rows(staged, &batch).await;
            written.map_err(|e| self.named(e))?;
            counter.add(batch.num_rows());
            rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        }
        staged.finish().await.map_err(|e| self.named(e))?;
        Ok(rows)
    }
}

fn or_default(
    given: &BooleanArray,
    column: &ArrayRef,
    default: &dyn Array,
) -> std::result::Result<ArrayRef, arrow::error::ArrowError> {
    let default = arrow::array::Scalar::new(arrow::array::make_array(default.to_data()));
    zip(given, column, &default)
}

/// A file that is being written.
struct OpenFile {
    encoder: Box<dyn FileEncoder>,
    file: OutputFile,
}

/// Files of a statement, none of which is to be seen yet.
struct Staged {
    /// The open file of each partition, by its folder.
    open: BTreeMap<String, OpenFile>,
    /// Complete ones.
    complete: Vec<OutputFile>,
    folders: HashSet<String>,
    uuid: String,
    count: usize,
}

impl Staged {
    fn new() -> Self {
        Self {
            open: BTreeMap::new(),
            complete: Vec::new(),
            folders: HashSet::new(),
            uuid: RandomIds.uuid().to_string(),
            count: 0,
        }
    }

    async fn write(
        &mut self,
        sink: &FormatSink,
        folder: String,
        rows: &RecordBatch,
    ) -> paimon_core::Result<()> {
        if !self.open.contains_key(&folder) {
            if self.open.len() >= OPEN_FILES_MAX {
                self.finish().await?;
            }
            let open = self.create(sink, &folder).await?;
            self.folders.insert(folder.clone());
            self.open.insert(folder.clone(), open);
        }
        let Some(open) = self.open.get_mut(&folder) else {
            return Err(Error::internal("an open file is lost"));
        };
        open.encoder.write(rows)?;
        let bytes = open.encoder.take_output();
        open.file.write_all(bytes).await?;
        if open.encoder.estimated_size() >= sink.options.target_bytes
            && let Some(open) = self.open.remove(&folder)
        {
            self.end(open).await?;
        }
        Ok(())
    }

    async fn create(&mut self, sink: &FormatSink, folder: &str) -> paimon_core::Result<OpenFile> {
        let table = &sink.table;
        let encoder = encoder(table, &sink.options, &sink.stored_fields())?;
        let name = format!("data-{}-{}.{}", self.uuid, self.count, table.format.name());
        self.count += 1;
        let location = joined(&joined(&table.location, folder), &name);
        Ok(OpenFile {
            encoder,
            file: table.io.create(&location).await?,
        })
    }

    /// All bytes of a file, which stays hidden.
    async fn end(&mut self, open: OpenFile) -> paimon_core::Result<()> {
        let OpenFile { encoder, mut file } = open;
        let bytes = encoder.finish()?;
        file.write_all(bytes).await?;
        self.complete.push(file);
        Ok(())
    }

    async fn finish(&mut self) -> paimon_core::Result<()> {
        for (_, open) in std::mem::take(&mut self.open) {
            self.end(open).await?;
        }
        Ok(())
    }

    async fn abort(self) {
        for open in self.open.into_values() {
            open.file.abort().await;
        }
        for file in self.complete {
            file.abort().await;
        }
    }

    /// Makes all files seen, or none but where the store fails to take one back.
    async fn publish(mut self, table: &FormatTable) -> paimon_core::Result<()> {
        let mut seen = Vec::with_capacity(self.complete.len());
        while let Some(file) = self.complete.pop() {
            let location = file.location().to_string();
            seen.push(location);
            if let Err(error) = file.close().await {
                self.abort().await;
                for location in seen {
                    if let Err(e) = table.io.discard(&location).await {
                        tracing::warn!(error = %e, path = location, "a file of a failed write stays behind");
                    }
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for FormatSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormatSink")
            .field("table", &self.table.name)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for FormatSink {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "FormatTableSink: table={}, format={}, {}",
            self.table.name,
            self.table.format.name(),
            match &self.mode {
                SinkMode::Append => "append",
                SinkMode::Overwrite(_) => "overwrite",
            }
        )
    }
}

#[async_trait]
impl DataSink for FormatSink {
    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn schema(&self) -> &SchemaRef {
        // as of a sink of a Paimon table
        self.store.relaxed_schema()
    }

    async fn write_all(
        &self,
        data: SendableRecordBatchStream,
        _context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let mut staged = Staged::new();
        let ready = async {
            let rows = self.run(&mut staged, data).await?;
            let replaced = self.replaced(&staged.folders).await?;
            Ok((rows, replaced))
        };
        let (rows, replaced) = match ready.await {
            Ok(ready) => ready,
            Err(error) => {
                staged.abort().await;
                return Err(error);
            }
        };
        let published = staged.publish(&self.table).await;
        published.map_err(|e| self.named(e))?;
        for file in replaced {
            self.table.io.discard(&file.location).await.map_err(|e| {
                self.named(
                    Error::new(
                        ErrorKind::Io,
                        "the new files are there, but one that they replace could not be removed",
                    )
                    .with("path", &file.location)
                    .with_source(e),
                )
            })?;
        }
        Ok(rows)
    }
}
