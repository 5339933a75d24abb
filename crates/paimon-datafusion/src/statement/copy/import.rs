//! Files into a table: one commit, then the load history.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use paimon_core::spec::DataField;
use paimon_core::table::Table;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, ErrorKind};
use parking_lot::Mutex;

use super::format::ImportFormat;
use super::history::{History, Load};
use super::place::{Place, SourceFile};
use super::rows::{Columns, Rows};
use super::stream::{Parts, Reader};
use super::{Import, OnError};
use crate::error::to_datafusion;
use crate::session::{PaimonSession, WrittenTable};
use crate::statement::ident_text;
use crate::statement::insert::{self, position};

/// A row per file.
pub(super) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let count = |name: &str| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        text("file_name"),
        text("status"),
        count("rows_loaded"),
        count("rows_parsed"),
        count("errors_seen"),
        text("first_error"),
    ]))
}

/// # Errors
/// When the table cannot take rows or has no such columns.
pub(super) async fn check(session: &PaimonSession, import: &Import) -> Result<()> {
    let table = target(session, import).await?;
    fields(&table, import).map(drop)
}

async fn target(session: &PaimonSession, import: &Import) -> Result<Table> {
    match session.written_table(&import.table, Vec::new()).await? {
        WrittenTable::Paimon(table) => Ok(table),
        WrittenTable::Files(files) => Err(to_datafusion(
            Error::unsupported("COPY INTO loads tables with snapshots: INSERT INTO a format table")
                .with("table", &files.table().name),
        )),
    }
}

/// The columns that files fill, in their order.
fn fields(table: &Table, import: &Import) -> Result<Vec<DataField>> {
    let schema = table.schema();
    let Some(names) = &import.columns else {
        return Ok(schema.fields.clone());
    };
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let at = position(schema, &ident_text(name))?;
        if found.contains(&at) {
            return Err(DataFusionError::Plan(format!(
                "column {} is given twice",
                name.value
            )));
        }
        found.push(at);
    }
    let fields = found.iter().filter_map(|at| schema.fields.get(*at));
    Ok(fields.cloned().collect())
}

/// Beside the error of a load whose history could not be written.
const COMMITTED: &str =
    "the rows are committed, their files not remembered: loading these again repeats the rows";

/// Loads the files and tells what became of each.
pub(super) async fn run(
    session: &PaimonSession,
    import: &Import,
    format: &ImportFormat,
) -> Result<RecordBatch> {
    let table = target(session, import).await?;
    let place = Place::new(session, &import.path)?;
    let history = History::open(&table).await.map_err(to_datafusion)?;
    let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
    for file in place.files(import.pattern.as_deref()).await? {
        match !import.force && history.holds(&file).await {
            true => skipped.push(Outcome::skipped(file)),
            false => wanted.push(file),
        }
    }
    let loading = Arc::new(Loading {
        columns: Arc::new(Columns::new(
            fields(&table, import)?,
            &session.settings().time_zone(),
        )),
        outcomes: Mutex::new(wanted.iter().cloned().map(Outcome::new).collect()),
        files: wanted,
        on_error: import.on_error,
    });
    match loading.files.is_empty() {
        false => load(session, import, format, &loading, table.clone(), place).await?,
        // the statements after it keep their numbers when all are run again
        true => drop(session.settings().next_commit_identity()),
    }
    let mut outcomes = std::mem::take(&mut *loading.outcomes.lock());
    remember(&table, &history, &outcomes).await.map_err(|e| {
        to_datafusion(
            e.with_default("table", table.name())
                .with("outcome", COMMITTED),
        )
    })?;
    outcomes.append(&mut skipped);
    report(&outcomes)
}

/// Writes the rows and commits them.
async fn load(
    session: &PaimonSession,
    import: &Import,
    format: &ImportFormat,
    loading: &Arc<Loading>,
    table: Table,
    place: Place,
) -> Result<()> {
    let reader = Reader {
        format: format.clone(),
        columns: loading.columns.clone(),
        place,
        state: session.context().state(),
    };
    let files = Files {
        loading: loading.clone(),
        reader: Arc::new(reader),
    };
    let schema = loading.columns.schema.clone();
    let provider = StreamingTable::try_new(schema, vec![Arc::new(files)])?;
    let source = provider_as_source(Arc::new(provider));
    let rows = LogicalPlanBuilder::scan("files", source, None)?.build()?;
    let columns = match &import.columns {
        Some(names) => insert::Columns::Listed(names.clone()),
        None => insert::Columns::All,
    };
    let written = insert::append(session, table, &columns, rows)?;
    written.collect().await.map(drop)
}

/// What became of a file.
#[derive(Debug, Clone)]
struct Outcome {
    file: SourceFile,
    status: Status,
    loaded: u64,
    parsed: u64,
    errors: u64,
    first_error: Option<String>,
    /// Whether the file was read to its end.
    whole: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Loaded,
    PartiallyLoaded,
    LoadFailed,
    Skipped,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Loaded => "LOADED",
            Self::PartiallyLoaded => "PARTIALLY_LOADED",
            Self::LoadFailed => "LOAD_FAILED",
            Self::Skipped => "SKIPPED",
        }
    }
}

impl Outcome {
    fn new(file: SourceFile) -> Self {
        Self {
            file,
            status: Status::Loaded,
            loaded: 0,
            parsed: 0,
            errors: 0,
            first_error: None,
            whole: true,
        }
    }

    fn skipped(file: SourceFile) -> Self {
        Self {
            status: Status::Skipped,
            ..Self::new(file)
        }
    }

    /// Counts the rows of a part.
    fn count(&mut self, rows: &Rows) {
        let parsed = number(rows.count());
        if let Some((at, error)) = rows.errors.iter().next() {
            let place = self.parsed + number(*at) + 1;
            self.first_error
                .get_or_insert_with(|| format!("record {place}: {error}"));
        }
        self.parsed += parsed;
        self.errors += number(rows.errors.len());
        self.loaded = self.parsed - self.errors;
        self.settle();
    }

    /// Counts that the rest of the file cannot be read.
    fn broken(&mut self, error: &DataFusionError) {
        self.whole = false;
        self.parsed += 1;
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
        self.settle();
    }

    fn settle(&mut self) {
        self.status = match (self.errors, self.loaded) {
            (0, _) => Status::Loaded,
            (_, 0) => Status::LoadFailed,
            _ => Status::PartiallyLoaded,
        };
    }

    /// Files of which rows were loaded, and those without a row; not those whose rest could not be read.
    fn is_remembered(&self) -> bool {
        self.whole && matches!(self.status, Status::Loaded | Status::PartiallyLoaded)
    }

    /// The whole file is left out.
    fn fail(&mut self) {
        self.loaded = 0;
        self.status = Status::LoadFailed;
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Files on their way into the table.
#[derive(Debug)]
struct Loading {
    columns: Arc<Columns>,
    files: Vec<SourceFile>,
    /// One per file.
    outcomes: Mutex<Vec<Outcome>>,
    on_error: OnError,
}

impl Loading {
    fn note(&self, at: usize, change: impl FnOnce(&mut Outcome)) {
        if let Some(outcome) = self.outcomes.lock().get_mut(at) {
            change(outcome);
        }
    }

    /// The rows of a file that are to be written.
    async fn rows(
        self: Arc<Self>,
        reader: Arc<Reader>,
        at: usize,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let Some(file) = self.files.get(at).cloned() else {
            return Ok(futures::stream::empty().boxed());
        };
        if self.on_error == OnError::SkipFile && !self.is_clean(&reader, &file, at).await? {
            return Ok(futures::stream::empty().boxed());
        }
        let parts = match reader.open(&file).await {
            Ok(parts) => parts,
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        };
        Ok(self.counted(parts, at, file.name))
    }

    fn counted(
        self: Arc<Self>,
        parts: Parts,
        at: usize,
        name: String,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let batches = parts.map(move |part| {
            let rows = match part {
                Ok(rows) => rows,
                Err(error) if self.on_error == OnError::Continue && is_of_the_file(&error) => {
                    self.note(at, |outcome| outcome.broken(&error));
                    return Ok(None);
                }
                Err(error) => return Err(error.context(format!("file {name}"))),
            };
            if self.on_error == OnError::SkipFile {
                // counted when the file was looked at
                if rows.errors.is_empty() {
                    return rows.good().map(Some).map_err(to_datafusion);
                }
                return Err(changed(&name));
            }
            self.note(at, |outcome| outcome.count(&rows));
            if self.on_error == OnError::AbortStatement && !rows.errors.is_empty() {
                return Err(self.aborted(at, &name));
            }
            rows.good().map(Some).map_err(to_datafusion)
        });
        // nothing follows what cannot be read
        batches
            .try_take_while(|batch| futures::future::ready(Ok(batch.is_some())))
            .try_filter_map(|batch| futures::future::ready(Ok(batch)))
            .boxed()
    }

    fn aborted(&self, at: usize, name: &str) -> DataFusionError {
        let outcomes = self.outcomes.lock();
        let first = outcomes.get(at).and_then(|o| o.first_error.clone());
        let message = format!("ON_ERROR = ABORT_STATEMENT: {}", first.unwrap_or_default());
        to_datafusion(Error::invalid(message).with("file", name))
    }

    /// Reads a whole file before any of its rows is written.
    async fn is_clean(&self, reader: &Reader, file: &SourceFile, at: usize) -> Result<bool> {
        let mut clean = true;
        let looked = async {
            let mut parts = reader.open(file).await?;
            while let Some(rows) = parts.next().await {
                let rows = rows?;
                clean &= rows.errors.is_empty();
                self.note(at, |outcome| outcome.count(&rows));
            }
            Ok(())
        };
        let looked: Result<()> = looked.await;
        match looked {
            Ok(()) => {}
            Err(error) if is_of_the_file(&error) => {
                self.note(at, |outcome| outcome.broken(&error));
                clean = false;
            }
            Err(error) => return Err(error.context(format!("file {}", file.name))),
        }
        if !clean {
            self.note(at, Outcome::fail);
        }
        Ok(clean)
    }
}

fn changed(name: &str) -> DataFusionError {
    to_datafusion(Error::invalid("the file changed while it was read").with("file", name))
}

/// Whether an error is one of a file's content, and not of the statement, the store or the machine. What wraps another
/// error does not tell: all of them are looked at.
fn is_of_the_file(error: &DataFusionError) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<object_store::Error>() {
            return false;
        }
        if let Some(error) = error.downcast_ref::<DataFusionError>() {
            match error {
                DataFusionError::Plan(_)
                | DataFusionError::ObjectStore(_)
                | DataFusionError::ResourcesExhausted(_)
                | DataFusionError::Internal(_)
                | DataFusionError::NotImplemented(_) => return false,
                DataFusionError::Collection(all) => return all.iter().all(is_of_the_file),
                _ => {}
            }
        }
        if let Some(error) = error.downcast_ref::<Error>()
            && matches!(error.kind(), ErrorKind::Io | ErrorKind::Internal)
        {
            return false;
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(error) if !is_of_content(error.kind()) => return false,
            // `source` leaves out what an I/O error wraps
            Some(error) => error
                .get_ref()
                .map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    true
}

/// Whether decoders report damaged content in this way.
fn is_of_content(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput
    )
}

/// All files as one partition of rows, one file after the other.
#[derive(Debug)]
struct Files {
    loading: Arc<Loading>,
    reader: Arc<Reader>,
}

impl PartitionStream for Files {
    fn schema(&self) -> &SchemaRef {
        &self.loading.columns.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (loading, reader) = (self.loading.clone(), self.reader.clone());
        let rows = futures::stream::iter(0..loading.files.len())
            .then(move |at| loading.clone().rows(reader.clone(), at))
            .try_flatten();
        let schema = self.loading.columns.schema.clone();
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}

/// Records the files that are not loaded again.
async fn remember(
    table: &Table,
    history: &History,
    outcomes: &[Outcome],
) -> paimon_core::Result<()> {
    let snapshot = table.snapshots().latest_id().await?;
    let at_ms = SystemClock.epoch_ms();
    for outcome in outcomes.iter().filter(|o| o.is_remembered()) {
        let load = Load {
            at_ms,
            snapshot_id: snapshot.unwrap_or(-1),
            rows: outcome.loaded,
        };
        history.record(&outcome.file, load).await?;
    }
    Ok(())
}

fn report(outcomes: &[Outcome]) -> Result<RecordBatch> {
    let count = |of: fn(&Outcome) -> u64| -> ArrayRef {
        let counts = outcomes.iter().map(|o| i64::try_from(of(o)).ok());
        Arc::new(counts.collect::<Int64Array>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            outcomes.iter().map(|o| &o.file.name),
        )),
        Arc::new(StringArray::from_iter_values(
            outcomes.iter().map(|o| o.status.name()),
        )),
        count(|o| o.loaded),
        count(|o| o.parsed),
        count(|o| o.errors),
        Arc::new(StringArray::from_iter(
            outcomes.iter().map(|o| o.first_error.as_deref()),
        )),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn gone() -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: "connection reset".into(),
        }
    }

    #[test]
    fn errors_of_stores_and_machines_are_not_of_the_file_however_wrapped() {
        let io = |kind| io::Error::new(kind, "it");
        let external = |e: io::Error| DataFusionError::External(Box::new(e));
        for error in [
            DataFusionError::from(gone()),
            DataFusionError::External(Box::new(gone())),
            // what a decoder makes of an error of its input
            DataFusionError::from(io::Error::other(DataFusionError::from(gone()))),
            DataFusionError::from(io::Error::new(io::ErrorKind::InvalidData, gone())),
            DataFusionError::from(parquet::errors::ParquetError::External(Box::new(gone()))),
            DataFusionError::from(arrow::error::ArrowError::ExternalError(Box::new(gone()))),
            external(io(io::ErrorKind::PermissionDenied)),
            external(io(io::ErrorKind::StorageFull)).context("file a"),
            DataFusionError::Shared(Arc::new(DataFusionError::from(gone()))),
            DataFusionError::Plan("types".to_string()),
            to_datafusion(Error::invalid("it").with_source(gone())),
        ] {
            assert!(!is_of_the_file(&error), "{error:?}");
        }
        for error in [
            external(io(io::ErrorKind::UnexpectedEof)),
            DataFusionError::from(io(io::ErrorKind::InvalidData)).context("file a"),
            DataFusionError::from(parquet::errors::ParquetError::EOF("short".to_string())),
            DataFusionError::Execution("no UTF-8".to_string()),
            to_datafusion(Error::unsupported("a line too long")),
        ] {
            assert!(is_of_the_file(&error), "{error:?}");
        }
    }

    #[test]
    fn a_file_whose_rest_was_not_read_is_not_remembered() {
        let mut outcome = Outcome::new(SourceFile {
            name: "a.csv.gz".to_string(),
            hadoop_path: "file:/data/a.csv.gz".to_string(),
            meta: object_store::ObjectMeta {
                location: object_store::path::Path::from("data/a.csv.gz"),
                last_modified: Default::default(),
                size: 1,
                e_tag: None,
                version: None,
            },
        });
        assert!(outcome.is_remembered());
        (outcome.parsed, outcome.loaded) = (5, 5);
        outcome.broken(&DataFusionError::Execution("end".to_string()));
        assert_eq!(outcome.status, Status::PartiallyLoaded);
        assert!(!outcome.is_remembered());
    }
}
