//! Taking the rows of a primary-key bucket out of memory: to level-0 files, or to a sorted run on local disk.
//!
//! Source: `MergeTreeWriter.flushWriteBuffer`, `SortBufferWriteBuffer.flushMemory`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use tokio::sync::mpsc;

use super::sort_buffer::{BufferedRows, SortSpec, SortedRows};
use super::spill::{Blocks, Merged, RunMerge, RunWriter, SpillSpace, SpilledRun};
use crate::error::{Error, Result};
use crate::mergetree::function::MergeFunction;
use crate::spec::DataFileMeta;
use crate::write::context::{Reservation, WriteContext};
use crate::write::file::data_file::FileSettings;
use crate::write::file::paths::DataFilePaths;
use crate::write::file::rolling::{RollingFileWriter, blocking};
use crate::write::file::rows::{FileRows, KeyValueBatch};

/// Keys or rows brought into order at a time, at most.
const STEP_ROWS: usize = 32 << 10;
/// The same in bytes, about.
const STEP_BYTES: usize = 16 << 20;

/// What all flushes of a table have in common.
#[derive(Debug)]
pub(in crate::write) struct KeyValueSettings {
    pub sort: SortSpec,
    /// `None`: the newest row of a key wins (deduplicate).
    pub function: Option<Arc<dyn MergeFunction>>,
    /// Level-0 files.
    pub data: Arc<FileSettings>,
    /// Changelog files, when the input is the changelog.
    pub changelog: Option<Arc<FileSettings>>,
}

impl KeyValueSettings {
    /// Brings rows into the order in which they will be asked for, where most of them will be as they are: when all of
    /// them are needed (`raw`, or they are the changelog), and when the newest of a key wins.
    ///
    /// # Errors
    /// `Internal` when Arrow fails.
    pub fn arrange(&self, rows: SortedRows, raw: bool) -> Result<SortedRows> {
        match &self.function {
            _ if raw || self.changelog.is_some() => rows.arranged(false),
            None => rows.arranged(true),
            Some(_) => Ok(rows),
        }
    }

    /// The rows of keys, merged.
    ///
    /// # Errors
    /// Those of the merge function.
    pub fn merge(&self, rows: &SortedRows, keys: Range<usize>) -> Result<KeyValueBatch> {
        match &self.function {
            None => rows.newest(keys),
            Some(function) => rows.merged(keys, function.as_ref()),
        }
    }
}

/// Buffered rows that leave memory.
pub(in crate::write) struct Buffered {
    pub settings: Arc<KeyValueSettings>,
    pub rows: BufferedRows,
    /// Sequence number of the first row.
    pub first_sequence: i64,
    /// Memory of the rows; given back at the end.
    pub reservation: Reservation,
}

/// One flush: what is buffered and what was spilled before.
pub(in crate::write) struct Flush {
    pub buffered: Buffered,
    /// Oldest first.
    pub spilled: Vec<SpilledRun<KeyValueBatch>>,
    pub context: WriteContext,
    pub paths: Arc<DataFilePaths>,
}

/// Files of a flush.
#[derive(Debug, Default)]
pub(in crate::write) struct Flushed {
    pub data: Vec<DataFileMeta>,
    pub changelog: Vec<DataFileMeta>,
}

impl Buffered {
    /// Sorts and writes a run to local disk.
    ///
    /// # Errors
    /// Those of the merge function and the disk.
    pub async fn spill(self, space: Arc<SpillSpace>) -> Result<SpilledRun<KeyValueBatch>> {
        blocking(move || {
            let Self {
                settings,
                rows,
                first_sequence,
                reservation,
            } = self;
            let Some(schema) = rows.batches.first().map(RecordBatch::schema) else {
                return Err(Error::internal("no rows to spill"));
            };
            let rows = SortedRows::new(rows, &settings.sort, first_sequence)?;
            let bytes = reservation.bytes();
            let mut blocks = Blocks::new(&settings, rows, bytes)?;
            let mut run = RunWriter::create(&space, &schema)?;
            while let Some(block) = blocks.next(&settings)? {
                run.write(&block)?;
            }
            run.finish()
        })
        .await
    }
}

impl Flush {
    /// Sorts, merges and writes. On failure its files are removed.
    ///
    /// # Errors
    /// Those of the merge function, the encoder, the disk and the store.
    pub async fn run(self) -> Result<Flushed> {
        let Self {
            buffered,
            spilled,
            context,
            paths,
        } = self;
        let Buffered {
            settings,
            rows,
            first_sequence,
            mut reservation,
        } = buffered;
        let spec = Arc::clone(&settings);
        let sorted = blocking(move || SortedRows::new(rows, &spec.sort, first_sequence)).await?;
        let writer = |files: &Arc<FileSettings>| {
            RollingFileWriter::new(Arc::clone(files), Arc::clone(&paths), context.clone(), 0)
        };
        let mut files = Files {
            paths: Arc::clone(&paths),
            data: writer(&settings.data),
            changelog: settings.changelog.as_ref().map(writer),
        };
        let written = if spilled.is_empty() {
            files.write(&settings, sorted, &mut reservation).await
        } else {
            files
                .write_merged(&settings, spilled, sorted, &mut reservation)
                .await
        };
        drop(reservation);
        let result = match written {
            Ok(()) => files.close().await,
            Err(e) => Err(e),
        };
        if result.is_err() {
            files.abort().await;
        }
        result
    }
}

/// The files that a flush is writing.
struct Files {
    paths: Arc<DataFilePaths>,
    data: RollingFileWriter,
    changelog: Option<RollingFileWriter>,
}

impl Files {
    /// Writes rows that were all in memory.
    async fn write(
        &mut self,
        settings: &Arc<KeyValueSettings>,
        sorted: SortedRows,
        reservation: &mut Reservation,
    ) -> Result<()> {
        let held = reservation.bytes();
        let own = Arc::clone(settings);
        let sorted = blocking(move || own.arrange(sorted, false).map(Arc::new)).await?;
        if self.changelog.is_some() {
            let rows = Arc::clone(&sorted);
            let raw = move |range| {
                Ok(Merged {
                    raw: Some(rows.raw(range)?),
                    data: None,
                })
            };
            self.copy(sorted.num_rows(), raw, held, reservation).await?;
            // the memory of the changelog file is not needed beside that of the data file
            self.flush_changelog().await?;
            reservation.shrink_to(held);
        }
        let (rows, settings) = (Arc::clone(&sorted), Arc::clone(settings));
        let merged = move |keys| {
            Ok(Merged {
                raw: None,
                data: Some(settings.merge(&rows, keys)?),
            })
        };
        self.copy(sorted.num_keys(), merged, held, reservation)
            .await
    }

    /// Writes `count` keys or rows chunk by chunk; the next chunk is made while the last is being encoded.
    async fn copy(
        &mut self,
        count: usize,
        chunk: impl Fn(Range<usize>) -> Result<Merged> + Clone + Send + 'static,
        held: usize,
        reservation: &mut Reservation,
    ) -> Result<()> {
        let step = step_rows(count, held);
        let make = |start: usize| {
            let chunk = chunk.clone();
            let range = start..count.min(start.saturating_add(step));
            blocking(move || chunk(range))
        };
        let mut ready = match count {
            0 => None,
            _ => Some(make(0).await?),
        };
        let mut start = step;
        while let Some(rows) = ready.take() {
            let next = async {
                match start < count {
                    true => make(start).await.map(Some),
                    false => Ok(None),
                }
            };
            let (written, made) = futures::join!(self.take(rows), next);
            written?;
            self.account(held, reservation).await?;
            ready = made?;
            start = start.saturating_add(step);
        }
        Ok(())
    }

    /// Encodes rows.
    async fn take(&mut self, Merged { raw, data }: Merged) -> Result<()> {
        if let (Some(changelog), Some(raw)) = (&mut self.changelog, raw) {
            changelog.write(FileRows::Keyed(raw)).await?;
        }
        match data {
            Some(data) => self.data.write(FileRows::Keyed(data)).await,
            None => Ok(()),
        }
    }

    async fn flush_changelog(&mut self) -> Result<()> {
        match &mut self.changelog {
            Some(changelog) => changelog.flush_memory().await,
            None => Ok(()),
        }
    }

    /// Writes spilled rows and those in memory; the next ones are merged while the last are being encoded.
    async fn write_merged(
        &mut self,
        settings: &Arc<KeyValueSettings>,
        spilled: Vec<SpilledRun<KeyValueBatch>>,
        sorted: SortedRows,
        reservation: &mut Reservation,
    ) -> Result<()> {
        let (own, bytes) = (Arc::clone(settings), reservation.bytes());
        let blocks = blocking(move || Blocks::new(&own, sorted, bytes)).await?;
        reservation.grow(spilled.iter().map(SpilledRun::merge_bytes).sum());
        let held = reservation.bytes();
        let mut merge = RunMerge::new(Arc::clone(settings), spilled, Some(blocks))?;
        let (sender, steps) = mpsc::channel::<Merged>(1);
        let merging = blocking(move || {
            while let Some(step) = merge.next()? {
                if sender.blocking_send(step).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let writing = async {
            // dropped at the end, also after a failure: the merge stops then
            let mut steps = steps;
            while let Some(step) = steps.recv().await {
                self.take(step).await?;
                self.account(held, reservation).await?;
            }
            Ok(())
        };
        let (merged, written) = futures::join!(merging, writing);
        merged.and(written)
    }

    /// Takes memory for the open files beside `held` bytes of rows; when there is none, their row groups end.
    async fn account(&mut self, held: usize, reservation: &mut Reservation) -> Result<()> {
        let changelog = self.changelog.as_ref().map_or(0, |c| c.memory_size());
        let wanted = held
            .saturating_add(self.data.memory_size())
            .saturating_add(changelog);
        reservation.shrink_to(wanted);
        let more = wanted.saturating_sub(reservation.bytes());
        if more > 0 && !reservation.try_grow(more) {
            self.data.flush_memory().await?;
            self.flush_changelog().await?;
            reservation.shrink_to(held);
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<Flushed> {
        let changelog = match &mut self.changelog {
            Some(changelog) => changelog.close().await?,
            None => Vec::new(),
        };
        match self.data.close().await {
            Ok(data) => Ok(Flushed { data, changelog }),
            Err(error) => {
                for file in &changelog {
                    self.paths.discard(file).await;
                }
                Err(error)
            }
        }
    }

    /// Removes every file that [`Self::close`] has not returned.
    async fn abort(&mut self) {
        self.data.abort().await;
        if let Some(changelog) = &mut self.changelog {
            changelog.abort().await;
        }
    }
}

/// Rows written at a time when `count` of them take `bytes` bytes.
fn step_rows(count: usize, bytes: usize) -> usize {
    (count.saturating_mul(STEP_BYTES) / bytes.max(1)).clamp(1, STEP_ROWS)
}
