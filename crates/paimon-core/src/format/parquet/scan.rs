//! The stream of batches: fetch the next piece while one is decoded, filter, convert, number.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use futures::StreamExt;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, RowSelection};
use parquet::arrow::push_decoder::ParquetPushDecoderBuilder;
use parquet::errors::ParquetError;
use tokio::task::JoinHandle;

use super::columns::ColumnsPlan;
use super::footer::guarded;
use super::pieces::Piece;
use super::ranges::{self, Ranges};
use super::selection::slice;
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::io::InputFile;
use crate::selection::FileSelection;

/// What fetching needs.
#[derive(Clone)]
pub(super) struct ScanFile {
    /// The file.
    pub(super) file: InputFile,
    /// Its footer with the schema to decode.
    pub(super) reader: ArrowReaderMetadata,
    /// Leaf columns to read.
    pub(super) mask: ProjectionMask,
    /// Rows per batch, at most.
    pub(super) batch_size: usize,
}

/// The state of one read.
pub(super) struct Scan {
    file: ScanFile,
    plan: ColumnsPlan,
    selection: Option<Arc<FileSelection>>,
    pieces: VecDeque<Piece>,
    ahead: Option<(Piece, Fetch)>,
    current: Option<Current>,
}

/// A piece being decoded.
struct Current {
    /// `None` when no column is read: rows are counted out.
    reader: Option<ParquetRecordBatchReader>,
    /// Rows of the file that are still to come.
    rows: VecDeque<Range<u64>>,
    filter: bool,
}

impl Scan {
    /// A read of the pieces in order.
    pub(super) fn new(
        file: ScanFile,
        plan: ColumnsPlan,
        selection: Option<Arc<FileSelection>>,
        pieces: Vec<Piece>,
    ) -> Self {
        Self {
            file,
            plan,
            selection,
            pieces: pieces.into(),
            ahead: None,
            current: None,
        }
    }

    /// The batches; nothing is fetched before the first poll.
    pub(super) fn into_stream(self) -> BatchStream {
        futures::stream::try_unfold(self, |mut scan| async move {
            Ok(scan.next().await?.map(|batch| (batch, scan)))
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let Some(current) = &mut self.current else {
                if !self.open_piece().await? {
                    return Ok(None);
                }
                continue;
            };
            let Some((batch, rows)) = current.decode(self.file.batch_size)? else {
                self.current = None;
                continue;
            };
            let filter = current.filter;
            if let Some(batch) = self.finish(batch, &rows, filter)? {
                return Ok(Some(batch));
            }
        }
    }

    /// Takes the next piece, fetched ahead or now, and starts fetching the one after it.
    async fn open_piece(&mut self) -> Result<bool> {
        let next = match self.ahead.take() {
            Some(next) => Some(next),
            None => self.start_fetch(),
        };
        let Some((piece, fetch)) = next else {
            return Ok(false);
        };
        let reader = fetch.finish().await?;
        self.ahead = self.start_fetch();
        self.current = Some(Current {
            reader,
            rows: piece
                .rows
                .iter()
                .map(|r| r.start + piece.start..r.end + piece.start)
                .collect(),
            filter: piece.filter,
        });
        Ok(true)
    }

    fn start_fetch(&mut self) -> Option<(Piece, Fetch)> {
        let piece = self.pieces.pop_front()?;
        let fetch = if self.plan.leaves.is_empty() {
            Fetch::Nothing
        } else {
            let selection =
                (piece.rows != ranges::one(0..piece.group_rows)).then(|| piece.rows.clone());
            Fetch::start(fetch(
                self.file.clone(),
                piece.group,
                piece.group_rows,
                selection,
            ))
        };
        Some((piece, fetch))
    }

    /// Filters, converts and numbers the decoded rows; `None` when none is left.
    fn finish(
        &self,
        batch: RecordBatch,
        rows: &[Range<u64>],
        filter: bool,
    ) -> Result<Option<RecordBatch>> {
        let mask = match &self.selection {
            Some(selection) if filter => Some(mask(selection, rows)),
            _ => None,
        };
        let batch = match &mask {
            Some(mask) if mask.true_count() == 0 => return Ok(None),
            Some(mask) if mask.true_count() < mask.len() => filter_record_batch(&batch, mask)?,
            _ => batch,
        };
        let mut columns = self.plan.convert(&batch)?;
        if self.plan.schema.fields().len() > columns.len() {
            columns.push(positions(rows, mask.as_ref())?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = Arc::clone(&self.plan.schema);
        RecordBatch::try_new_with_options(schema, columns, &options)
            .map(Some)
            .map_err(|e| Error::internal("columns do not form a batch").with_source(e))
    }
}

impl Current {
    /// The next decoded rows and where they stand in the file; `None` at the end of the piece.
    fn decode(&mut self, batch_size: usize) -> Result<Option<(RecordBatch, Ranges)>> {
        let batch = match &mut self.reader {
            Some(reader) => match guarded("data pages", || next_batch(reader))? {
                Some(batch) => batch,
                None if self.rows.is_empty() => return Ok(None),
                None => return Err(row_count_error(0, &self.rows)),
            },
            None => {
                let left = self.rows.iter().map(|r| r.end - r.start).sum::<u64>();
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(batch_size);
                if count == 0 {
                    return Ok(None);
                }
                empty_batch(count)?
            }
        };
        let rows = self.take_rows(batch.num_rows() as u64)?;
        Ok(Some((batch, rows)))
    }

    fn take_rows(&mut self, count: u64) -> Result<Ranges> {
        let mut rows = Ranges::new();
        let mut left = count;
        while left > 0 {
            let Some(front) = self.rows.front_mut() else {
                return Err(row_count_error(count, &self.rows));
            };
            let taken = left.min(front.end - front.start);
            rows.push(front.start..front.start + taken);
            front.start += taken;
            left -= taken;
            if front.start == front.end {
                self.rows.pop_front();
            }
        }
        Ok(rows)
    }
}

fn row_count_error(found: u64, expected: &VecDeque<Range<u64>>) -> Error {
    let expected: u64 = expected.iter().map(|r| r.end - r.start).sum();
    Error::damaged(format!(
        "column chunks end early or late: {expected} rows were left to read, found {found}"
    ))
}

fn next_batch(reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>, ParquetError> {
    reader.next().transpose().map_err(|e| match e {
        ArrowError::ParquetError(message) => ParquetError::General(message),
        other => ParquetError::ArrowError(other.to_string()),
    })
}

fn empty_batch(rows: usize) -> Result<RecordBatch> {
    let schema = Arc::new(arrow_schema::Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, vec![], &options)?)
}

fn mask(selection: &FileSelection, rows: &[Range<u64>]) -> BooleanArray {
    if let [only] = rows {
        return BooleanArray::new(slice(selection.bits(), only), None);
    }
    let count = usize::try_from(ranges::count(rows)).unwrap_or(0);
    let mut bits = BooleanBufferBuilder::new(count);
    for range in rows {
        bits.append_buffer(&slice(selection.bits(), range));
    }
    BooleanArray::new(bits.finish(), None)
}

fn positions(rows: &[Range<u64>], mask: Option<&BooleanArray>) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(usize::try_from(ranges::count(rows)).unwrap_or(0));
    for range in rows {
        let end = i64::try_from(range.end)
            .map_err(|_| Error::damaged(format!("row number {} is too large", range.end)))?;
        let start = i64::try_from(range.start).unwrap_or(end);
        values.extend(start..end);
    }
    if let Some(mask) = mask {
        let mut wanted = mask.values().iter();
        values.retain(|_| wanted.next().unwrap_or(false));
    }
    Ok(Arc::new(Int64Array::from(values)))
}

type FetchFuture = Pin<Box<dyn Future<Output = Result<ParquetRecordBatchReader>> + Send>>;

/// A fetch under way. Dropping it stops it.
enum Fetch {
    /// No column to read.
    Nothing,
    /// On the runtime.
    Task(AbortOnDrop),
    /// Without a runtime: when polled.
    Inline(FetchFuture),
}

struct AbortOnDrop(JoinHandle<Result<ParquetRecordBatchReader>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Fetch {
    fn start(
        future: impl Future<Output = Result<ParquetRecordBatchReader>> + Send + 'static,
    ) -> Self {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => Fetch::Task(AbortOnDrop(runtime.spawn(future))),
            Err(_) => Fetch::Inline(Box::pin(future)),
        }
    }

    async fn finish(self) -> Result<Option<ParquetRecordBatchReader>> {
        match self {
            Fetch::Nothing => Ok(None),
            Fetch::Inline(future) => future.await.map(Some),
            Fetch::Task(mut task) => match (&mut task.0).await {
                Ok(result) => result.map(Some),
                Err(e) => Err(Error::internal("fetching a data file stopped").with_source(e)),
            },
        }
    }
}

/// Fetches the pages of some rows of a row group and opens a decoder on them.
async fn fetch(
    file: ScanFile,
    group: usize,
    group_rows: u64,
    rows: Option<Ranges>,
) -> Result<ParquetRecordBatchReader> {
    let mut decoder = guarded("row group", || {
        let mut builder = ParquetPushDecoderBuilder::new_with_metadata(file.reader)
            .with_row_groups(vec![group])
            .with_projection(file.mask)
            .with_batch_size(file.batch_size);
        if let Some(rows) = rows {
            builder = builder.with_row_selection(selectors(&rows, group_rows)?);
        }
        builder.build()
    })?;
    loop {
        match guarded("row group", || decoder.try_next_reader())? {
            DecodeResult::Data(reader) => return Ok(reader),
            DecodeResult::NeedsData(ranges) => {
                check_ranges(&ranges, file.file.size())?;
                let bytes = file.file.read_ranges(&ranges).await?;
                guarded("row group", || decoder.push_ranges(ranges, bytes))?;
            }
            DecodeResult::Finished => {
                return Err(Error::internal("no rows were selected of a row group"));
            }
        }
    }
}

fn check_ranges(ranges: &[Range<u64>], size: u64) -> Result<()> {
    match ranges.iter().find(|r| r.start > r.end || r.end > size) {
        Some(r) => Err(Error::damaged(format!(
            "pages at {}..{} are not within the file's {size} bytes",
            r.start, r.end
        ))),
        None => Ok(()),
    }
}

fn selectors(rows: &[Range<u64>], group_rows: u64) -> Result<RowSelection, ParquetError> {
    let total = usize::try_from(group_rows)?;
    let rows = rows
        .iter()
        .map(|r| Ok(usize::try_from(r.start)?..usize::try_from(r.end)?))
        .collect::<Result<Vec<_>, ParquetError>>()?;
    Ok(RowSelection::from_consecutive_ranges(
        rows.into_iter(),
        total,
    ))
}
