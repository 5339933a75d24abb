//! Flushing the buffer of a primary-key bucket to level-0 files. Source: `MergeTreeWriter.flushWriteBuffer`.

use std::ops::Range;
use std::sync::Arc;

use super::context::{Reservation, WriteContext};
use super::data_file::FileSettings;
use super::paths::DataFilePaths;
use super::rolling::{RollingFileWriter, blocking};
use super::rows::{FileRows, KeyValueBatch};
use super::sort_buffer::{BufferedRows, SortSpec, SortedRows};
use crate::error::Result;
use crate::mergetree::function::MergeFunction;
use crate::spec::DataFileMeta;

/// Keys or rows brought into order at a time, at most.
const STEP_ROWS: usize = 32 << 10;
/// The same in bytes, about.
const STEP_BYTES: usize = 16 << 20;

/// What all flushes of a table have in common.
#[derive(Debug)]
pub(super) struct KeyValueSettings {
    pub sort: SortSpec,
    /// `None`: the newest row of a key wins (deduplicate).
    pub function: Option<Arc<dyn MergeFunction>>,
    /// Level-0 files.
    pub data: Arc<FileSettings>,
    /// Changelog files, when the input is the changelog.
    pub changelog: Option<Arc<FileSettings>>,
}

/// One flush.
pub(super) struct Flush {
    pub settings: Arc<KeyValueSettings>,
    pub context: WriteContext,
    pub paths: Arc<DataFilePaths>,
    pub rows: BufferedRows,
    /// Sequence number of the first row.
    pub first_sequence: i64,
    /// Memory of the rows; given back at the end.
    pub reservation: Reservation,
}

/// Files of a flush.
#[derive(Debug, Default)]
pub(super) struct Flushed {
    pub data: Vec<DataFileMeta>,
    pub changelog: Vec<DataFileMeta>,
}

impl Flush {
    /// Sorts, merges and writes. On failure its files are removed.
    ///
    /// # Errors
    /// Those of the merge function, the encoder and the store.
    pub async fn run(self) -> Result<Flushed> {
        let Self {
            settings,
            context,
            paths,
            rows,
            first_sequence,
            mut reservation,
        } = self;
        let spec = Arc::clone(&settings);
        let sorted =
            blocking(move || SortedRows::new(rows, &spec.sort, first_sequence).map(Arc::new))
                .await?;
        let writer = |files: &Arc<FileSettings>| {
            RollingFileWriter::new(Arc::clone(files), Arc::clone(&paths), context.clone(), 0)
        };
        let mut changelog = settings.changelog.as_ref().map(&writer);
        let mut data = writer(&settings.data);
        let result = write_all(
            &settings,
            &sorted,
            &mut data,
            changelog.as_mut(),
            &mut reservation,
        )
        .await;
        drop(reservation);
        if result.is_err() {
            data.abort().await;
            if let Some(changelog) = &mut changelog {
                changelog.abort().await;
            }
        }
        result
    }
}

async fn write_all(
    settings: &Arc<KeyValueSettings>,
    sorted: &Arc<SortedRows>,
    data: &mut RollingFileWriter,
    changelog: Option<&mut RollingFileWriter>,
    reservation: &mut Reservation,
) -> Result<Flushed> {
    let rows_bytes = reservation.bytes();
    let mut flushed = Flushed::default();
    if let Some(changelog) = changelog {
        let rows = Arc::clone(sorted);
        let chunk = move |range| rows.raw(range);
        copy(sorted.num_rows(), chunk, changelog, rows_bytes, reservation).await?;
        flushed.changelog = changelog.close().await?;
        reservation.shrink_to(rows_bytes);
    }
    let rows = Arc::clone(sorted);
    let settings = Arc::clone(settings);
    let chunk = move |keys| match &settings.function {
        None => rows.newest(keys),
        Some(function) => rows.merged(keys, function.as_ref()),
    };
    copy(sorted.num_keys(), chunk, data, rows_bytes, reservation).await?;
    flushed.data = data.close().await?;
    Ok(flushed)
}

/// Takes memory for the open file beside that of the rows; when there is none, its row group ends.
async fn account(
    writer: &mut RollingFileWriter,
    rows_bytes: usize,
    reservation: &mut Reservation,
) -> Result<()> {
    let wanted = rows_bytes.saturating_add(writer.memory_size());
    reservation.shrink_to(wanted);
    let more = wanted.saturating_sub(reservation.bytes());
    if more > 0 && !reservation.try_grow(more) {
        writer.flush_memory().await?;
        reservation.shrink_to(rows_bytes);
    }
    Ok(())
}

/// Writes `count` keys or rows chunk by chunk; the next chunk is made while the last is being encoded.
async fn copy(
    count: usize,
    chunk: impl Fn(Range<usize>) -> Result<KeyValueBatch> + Clone + Send + 'static,
    writer: &mut RollingFileWriter,
    rows_bytes: usize,
    reservation: &mut Reservation,
) -> Result<()> {
    let step = (count.saturating_mul(STEP_BYTES) / rows_bytes.max(1)).clamp(1, STEP_ROWS);
    let make = |start: usize| {
        let chunk = chunk.clone();
        let range = start..count.min(start.saturating_add(step));
        blocking(move || chunk(range))
    };
    if count == 0 {
        return Ok(());
    }
    let mut ready = Some(make(0).await?);
    let mut start = step;
    while let Some(rows) = ready.take() {
        let next = async {
            match start < count {
                true => make(start).await.map(Some),
                false => Ok(None),
            }
        };
        let (written, made) = futures::join!(writer.write(FileRows::Keyed(rows)), next);
        written?;
        account(writer, rows_bytes, reservation).await?;
        ready = made?;
        start = start.saturating_add(step);
    }
    Ok(())
}
