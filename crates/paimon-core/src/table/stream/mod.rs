//! Streaming reads: the state of a table, then what every snapshot changes.
//!
//! Source: `DataTableStreamScan`, `ContinuousFileStoreSource`, `TableScanUtils.streamingReadingValidate`.

mod changes;
mod consumer;
mod history;
mod pause;
mod rows;
mod scan;
mod start;

use std::collections::HashMap;
use std::sync::Arc;

pub use changes::{ChangeBatch, ChangeStream};
pub use consumer::StreamConsumer;
pub use pause::{Pause, SystemPause};
pub use scan::{StreamPlan, StreamProgress, StreamScan, StreamStep};
pub use start::StreamStart;

use super::read_builder::{ReadBuilder, TableRead};
use super::travel::refuse_unknown_scan_options;
use super::{ScanTarget, Table};
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::options::{ChangelogProducer, ConsumerMode, StreamingOptions, folding_engine};
use crate::predicate::Predicate;
use crate::read::StreamSplit;
use crate::spec::TableSchema;
use crate::write::{Clock, SystemClock};

/// Options of streaming reads beside those of `scan.*`.
const STREAM_KEYS: &[&str] = &[
    "streaming-read-overwrite",
    "streaming-read-append-overwrite",
    "streaming-read-mode",
    "streaming.read.snapshot.delay",
    "stream-scan-mode",
    "consumer-id",
    "consumer.mode",
    "consumer.ignore-progress",
    "consumer.expiration-time",
    "consumer.changelog-only",
    "continuous.discovery-interval",
];

/// How to follow a table: from where, which columns and rows, and who keeps the progress.
///
/// Cheap to clone. The columns stay those of the table it was made of, whatever the table's schema becomes.
#[derive(Debug, Clone)]
pub struct StreamRead {
    table: Table,
    options: StreamingOptions,
    start: StreamStart,
    read: ReadBuilder,
    filter: Predicate,
    consumer: Option<StreamConsumer>,
    takes_written_rows: bool,
    pause: Arc<dyn Pause>,
    clock: Arc<dyn Clock>,
}

impl Table {
    /// A streaming read of this table with dynamic options on top of its own. `scan.mode` and the options it goes with
    /// say where it starts (the newest state, then every change), `consumer-id` who keeps its progress: a consumer that
    /// has progress goes on from there.
    ///
    /// # Errors
    /// `InvalidInput` for options that contradict each other or are malformed, `NotFound` for an unknown branch or
    /// version, `Unsupported` naming the option that cannot be honoured.
    pub async fn new_stream_read(&self, dynamic: &HashMap<String, String>) -> Result<StreamRead> {
        if let Some(branch) = dynamic.get("branch").filter(|b| *b != self.branch_name()) {
            let mut rest = dynamic.clone();
            rest.remove("branch");
            return Box::pin(self.branch(branch).await?.new_stream_read(&rest)).await;
        }
        let named = |e: Error| e.with_default("table", self.name());
        refuse_unknown(dynamic).map_err(named)?;
        super::refuse_fixed_options(self.schema(), dynamic).map_err(named)?;
        let mut schema = TableSchema::clone(self.schema());
        for (key, value) in dynamic {
            schema.options.insert(key.clone(), value.clone());
        }
        let table = self.aimed(schema, ScanTarget::Latest, None)?;
        let options = StreamingOptions::new(table.options()).map_err(named)?;
        let start = StreamStart::new(&table).await.map_err(named)?;
        let consumer = match &options.consumer {
            Some(id) => Some(StreamConsumer::new(&table, id).map_err(named)?),
            None => None,
        };
        Ok(StreamRead {
            read: table.read_builder().with_row_kind(),
            table,
            options,
            start,
            filter: Predicate::AlwaysTrue,
            consumer,
            takes_written_rows: false,
            pause: Arc::new(SystemPause),
            clock: Arc::new(SystemClock),
        })
    }
}

impl StreamRead {
    /// Columns to return, in this order, before the row kind; all of them when not called.
    #[must_use]
    pub fn with_projection(mut self, columns: &[&str]) -> Self {
        self.read = self.read.with_projection(columns);
        self
    }

    /// Only rows that match; exact. Of an update either side may be left out.
    #[must_use]
    pub fn with_filter(mut self, filter: Predicate) -> Self {
        self.filter = filter.clone();
        self.read = self.read.with_filter(filter);
        self
    }

    /// Takes rows as they were written also where the merge engine makes other rows of them and no changelog producer
    /// tells these.
    #[must_use]
    pub fn with_written_rows(mut self) -> Self {
        self.takes_written_rows = true;
        self
    }

    /// When the consumer's progress is kept, whatever `consumer.mode` says.
    #[must_use]
    pub fn with_consumer_mode(mut self, mode: ConsumerMode) -> Self {
        self.options.consumer_mode = mode;
        self
    }

    /// How to wait for the next snapshot.
    #[must_use]
    pub fn with_pause(mut self, pause: Arc<dyn Pause>) -> Self {
        self.pause = pause;
        self
    }

    /// The clock of `streaming.read.snapshot.delay`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts at another place than the options say.
    #[must_use]
    pub fn with_start(mut self, start: StreamStart) -> Self {
        self.start = start;
        self
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Rows that are returned.
    pub fn filter(&self) -> &Predicate {
        &self.filter
    }

    /// The typed options.
    pub fn options(&self) -> &StreamingOptions {
        &self.options
    }

    /// The keeper of this read's progress; `None` without `consumer-id`.
    pub fn consumer(&self) -> Option<&StreamConsumer> {
        self.consumer.as_ref()
    }

    /// Whether every row is of kind +I: appended rows alone.
    pub fn is_insert_only(&self) -> bool {
        !self.table.schema().has_primary_key()
    }

    /// A scan that plans one snapshot after the other.
    ///
    /// # Errors
    /// `Unsupported` when what is written to the table is not what changes in it.
    pub fn scan(&self) -> Result<StreamScan> {
        self.check_changes_are_told()?;
        Ok(StreamScan::new(self))
    }

    /// The reader of planned splits: the columns, then `_VALUE_KIND` (0 +I, 1 -U, 2 +U, 3 -D).
    ///
    /// # Errors
    /// `NotFound` for an unknown column.
    pub fn reader(&self) -> Result<TableRead> {
        self.read.reader()
    }

    /// Rows of one split.
    ///
    /// # Errors
    /// `Damaged` naming the file; also through the stream.
    pub fn rows(&self, reader: &TableRead, split: &StreamSplit) -> Result<BatchStream> {
        rows::rows_of(reader, split)
    }

    /// Finds the start and follows the table from there, until the stream is dropped or `scan.bounded.watermark` is
    /// passed.
    ///
    /// # Errors
    /// As [`Self::scan`], [`Self::reader`] and [`StreamScan::plan`].
    pub async fn changes(&self) -> Result<ChangeStream> {
        ChangeStream::start(self, None).await
    }

    /// As [`Self::changes`], from a checkpoint: the progress that some batch completed.
    ///
    /// # Errors
    /// `SnapshotExpired` when the next snapshot is gone, else as [`Self::changes`].
    pub async fn changes_after(&self, progress: &StreamProgress) -> Result<ChangeStream> {
        ChangeStream::start(self, Some(progress.clone())).await
    }

    fn check_changes_are_told(&self) -> Result<()> {
        let options = self.table.options();
        if self.takes_written_rows
            || !self.table.schema().has_primary_key()
            || options.changelog_producer != ChangelogProducer::None
        {
            return Ok(());
        }
        match folding_engine(options.merge_engine) {
            None => Ok(()),
            Some(engine) => Err(Error::unsupported(format!(
                "streaming reads of tables with merge engine {engine} need a `changelog-producer`: lookup or \
                 full-compaction tell the changes, input the written rows"
            ))
            .with("table", self.table.name())
            .with("option", "changelog-producer")),
        }
    }
}

fn refuse_unknown(dynamic: &HashMap<String, String>) -> Result<()> {
    let mut keys: Vec<&String> = dynamic.keys().collect();
    keys.sort();
    for key in keys {
        if key.starts_with("incremental") || (key == "scan.mode" && dynamic[key] == "incremental") {
            return Err(Error::invalid(format!(
                "a streaming read takes no range: option `{key}` is of batch reads"
            ))
            .with("option", key));
        }
        let family = ["streaming", "stream-", "consumer", "continuous.", "log."];
        let of_streams = family.iter().any(|f| key.starts_with(f));
        if of_streams && !STREAM_KEYS.contains(&key.as_str()) {
            return Err(Error::unsupported(format!(
                "option `{key}` is not supported in streaming reads"
            ))
            .with("option", key));
        }
    }
    refuse_unknown_scan_options(dynamic)
}
