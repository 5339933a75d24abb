//! The writer of one bucket and the files it has made.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Int8Array;

use super::setup::Setup;
use crate::error::{Error, Result};
use crate::read::Partition;
use crate::spec::{DataFileMeta, DataIncrement};
use crate::table::Table;
use crate::write::append::{AppendWriter, LANE_BYTES};
use crate::write::assign::BucketMode;
use crate::write::buffer::flush::{Buffered, Flush, Flushed, KeyValueSettings};
use crate::write::buffer::sort_buffer::BufferedRows;
use crate::write::buffer::spill::SpilledRun;
use crate::write::context::{Reservation, WriteContext};
use crate::write::file::paths::DataFilePaths;
use crate::write::file::rolling::RollingFileWriter;
use crate::write::file::rows::{FileRows, KeyValueBatch};
use crate::write::pipeline::PreparedRows;

/// One bucket of a write.
pub(super) struct Bucket {
    pub writer: Writer,
    /// Memory of buffered rows and open files.
    pub reservation: Reservation,
    /// Files since the last commit.
    pub ready: DataIncrement,
    /// Bucket count recorded in manifests.
    pub total_buckets: i32,
    paths: Arc<DataFilePaths>,
}

pub(super) enum Writer {
    /// Rows are written in the order they come.
    Append {
        writer: Box<AppendWriter>,
        /// Sequence number of the next row, where rows have keys.
        next_sequence: i64,
        keyed: bool,
    },
    /// An append writer that a task is closing.
    Closing,
    KeyValue(KeyValueBuffer),
}

/// Rows of a primary-key bucket that wait for a flush.
pub(super) struct KeyValueBuffer {
    settings: Arc<KeyValueSettings>,
    rows: BufferedRows,
    /// Sequence number of the first buffered row.
    first_sequence: i64,
    next_sequence: i64,
    /// Rows that came before, by the sequence number of the first.
    spilled: BTreeMap<i64, SpilledRun<KeyValueBatch>>,
    /// Runs that are being written.
    spilling: usize,
}

/// Rows without bucket order are encoded on several lanes.
fn append_writer(
    setup: &Setup,
    context: &WriteContext,
    paths: &Arc<DataFilePaths>,
    next_sequence: i64,
) -> AppendWriter {
    let lanes = match setup.mode {
        BucketMode::Unaware => context.parallelism,
        _ => 1,
    };
    let (settings, paths, context) = (Arc::clone(&setup.data), Arc::clone(paths), context.clone());
    let make = move || {
        RollingFileWriter::new(
            Arc::clone(&settings),
            Arc::clone(&paths),
            context.clone(),
            next_sequence,
        )
    };
    AppendWriter::new(lanes, LANE_BYTES, Box::new(make))
}

impl Writer {
    /// Takes rows of `bytes` bytes; returns whether they should be encoded now.
    ///
    /// # Errors
    /// `Internal` while the bucket is being closed.
    pub fn push(&mut self, rows: PreparedRows, bytes: usize) -> Result<bool> {
        match self {
            Self::Closing => Err(Error::internal("a bucket is closing")),
            Self::KeyValue(buffer) => {
                buffer.push(rows)?;
                Ok(false)
            }
            Self::Append {
                writer,
                keyed: false,
                ..
            } => Ok(writer.push(FileRows::Plain(rows.values), bytes)),
            Self::Append {
                writer,
                next_sequence,
                ..
            } => {
                let count = rows.values.num_rows();
                let first = *next_sequence;
                *next_sequence = first.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
                let rows = KeyValueBatch {
                    kinds: rows
                        .kinds
                        .unwrap_or_else(|| Int8Array::from_value(0, count)),
                    sequence: (first..*next_sequence).collect::<Vec<_>>().into(),
                    values: rows.values,
                };
                Ok(writer.push(FileRows::Keyed(rows), bytes))
            }
        }
    }
}

impl KeyValueBuffer {
    fn push(&mut self, rows: PreparedRows) -> Result<()> {
        let count = rows.values.num_rows();
        let kinds = rows
            .kinds
            .unwrap_or_else(|| Int8Array::from_value(0, count));
        self.rows.push(rows.values, kinds)?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.next_sequence = self.next_sequence.saturating_add(count);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.rows.batches.is_empty()
    }

    /// Whether runs are being written: a flush must wait for them, or its files would be newer than later ones.
    pub fn is_spilling(&self) -> bool {
        self.spilling > 0
    }

    /// Runs on disk, and those on their way.
    pub fn runs(&self) -> usize {
        self.spilled.len() + self.spilling
    }

    fn take_rows(&mut self, reservation: &mut Reservation) -> Buffered {
        let first_sequence = self.first_sequence;
        self.first_sequence = self.next_sequence;
        Buffered {
            settings: Arc::clone(&self.settings),
            rows: std::mem::take(&mut self.rows),
            first_sequence,
            reservation: reservation.take(),
        }
    }
}

impl Bucket {
    pub fn new(
        table: &Table,
        setup: &Setup,
        context: &WriteContext,
        partition: &Arc<Partition>,
        (bucket, total_buckets): (i32, i32),
        next_sequence: i64,
    ) -> Result<Self> {
        setup.check_partition(table, partition)?;
        let uuid = context.ids.uuid();
        let paths = DataFilePaths::of_bucket(table, &setup.options, partition, bucket, uuid)?;
        let paths = Arc::new(paths);
        let writer = match &setup.key_value {
            None => Writer::Append {
                writer: Box::new(append_writer(setup, context, &paths, next_sequence)),
                next_sequence,
                keyed: setup.data.layout.is_keyed(),
            },
            Some(settings) => Writer::KeyValue(KeyValueBuffer {
                settings: Arc::clone(settings),
                rows: BufferedRows::default(),
                first_sequence: next_sequence,
                next_sequence,
                spilled: BTreeMap::new(),
                spilling: 0,
            }),
        };
        Ok(Self {
            writer,
            reservation: Reservation::new(Arc::clone(&context.memory)),
            ready: DataIncrement::default(),
            total_buckets,
            paths,
        })
    }

    /// The rows as a flush; `None` when there are none, or some are still being spilled.
    pub fn take_flush(&mut self, context: &WriteContext) -> Option<Flush> {
        let Writer::KeyValue(buffer) = &mut self.writer else {
            return None;
        };
        if buffer.is_spilling() || (buffer.is_empty() && buffer.spilled.is_empty()) {
            return None;
        }
        Some(Flush {
            buffered: buffer.take_rows(&mut self.reservation),
            spilled: std::mem::take(&mut buffer.spilled).into_values().collect(),
            context: context.clone(),
            paths: Arc::clone(&self.paths),
        })
    }

    /// The buffered rows for a run on disk; `None` when there are none, or the bucket has `runs_max` runs.
    pub fn take_spill(&mut self, runs_max: usize) -> Option<Buffered> {
        let Writer::KeyValue(buffer) = &mut self.writer else {
            return None;
        };
        if buffer.is_empty() || buffer.runs() >= runs_max {
            return None;
        }
        buffer.spilling += 1;
        Some(buffer.take_rows(&mut self.reservation))
    }

    /// Adds a run.
    pub fn take_spilled(&mut self, first_sequence: i64, run: SpilledRun<KeyValueBatch>) {
        if let Writer::KeyValue(buffer) = &mut self.writer {
            buffer.spilling = buffer.spilling.saturating_sub(1);
            buffer.spilled.insert(first_sequence, run);
        }
    }

    /// The append writer, for a task that closes it.
    pub fn take_append(&mut self) -> Option<Writer> {
        match std::mem::replace(&mut self.writer, Writer::Closing) {
            append @ Writer::Append { .. } => Some(append),
            other => {
                self.writer = other;
                None
            }
        }
    }

    /// Adds the files of a flush.
    pub fn take_flushed(&mut self, flushed: Flushed) {
        self.ready.new_files.extend(flushed.data);
        self.ready.changelog_files.extend(flushed.changelog);
    }

    /// The files since the last call, oldest rows first.
    pub fn take_ready(&mut self) -> DataIncrement {
        let mut ready = std::mem::take(&mut self.ready);
        let age = |f: &DataFileMeta| f.min_sequence_number;
        // flushes may end out of order; the files of one flush are in key order already
        ready.new_files.sort_by_key(age);
        ready.changelog_files.sort_by_key(age);
        ready
    }

    /// Removes all files that were not taken.
    pub async fn abort(&mut self) {
        if let Writer::Append { writer, .. } = &mut self.writer {
            writer.abort().await;
        }
        let ready = std::mem::take(&mut self.ready);
        for file in ready.new_files.iter().chain(&ready.changelog_files) {
            self.paths.discard(file).await;
        }
    }
}
