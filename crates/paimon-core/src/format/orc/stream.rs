//! The stream of batches: stripe after stripe, the next one fetched meanwhile.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType as ArrowType, Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use futures::StreamExt;
use orc_rust::arrow_reader::ArrowReader;
use tokio::task::JoinHandle;

use super::column::{Column, Columns};
use super::convert::convert;
use super::decoder_error;
use super::stripe::{StripeData, StripeImage, StripeReader};
use super::tail::{StripeRange, Tail, to_usize};
use crate::arrow_bridge::{arrow_field, arrow_type};
use crate::error::{Error, Result};
use crate::format::{BatchStream, FileReadRequest, POSITION_COLUMN};
use crate::selection::FileSelection;
use crate::spec::DataField;

const BATCH_ROWS_MAX: usize = 1 << 20;

/// Opens the file and starts the stream.
pub(super) async fn open(request: FileReadRequest) -> Result<BatchStream> {
    let tail = Tail::read(&request.file).await?;
    if let Some(selection) = &request.selection
        && selection.rows() as u64 != tail.rows
    {
        return Err(Error::damaged(format!(
            "file must have {} rows, found {}",
            selection.rows(),
            tail.rows
        )));
    }
    let Columns { types, columns } = Columns::resolve(tail.footer.types, &request.fields)?;
    let names = request.fields.iter().map(|f| f.name.clone());
    let shape = Shape::new(&request, columns.clone());
    let stripes = StripeReader {
        file: request.file.clone(),
        codec: tail.codec,
        types,
        columns: names
            .zip(columns)
            .filter_map(|(name, column)| Some((name, column?)))
            .collect(),
    };
    let location = request.file.location();
    let state = ReadState {
        todo: tail
            .stripes
            .into_iter()
            .filter(|s| shape.wants(s))
            .collect(),
        stripes: Arc::new(stripes),
        shape: Arc::new(shape),
        fetched: None,
        current: None,
    };
    let batches = futures::stream::try_unfold(state, |mut state| async move {
        let batch = state.next().await?;
        Ok(batch.map(|batch| (batch, state)))
    });
    Ok(batches
        .map(move |b| b.map_err(|e: Error| e.with_default("path", &location)))
        .boxed())
}

struct ReadState {
    todo: VecDeque<StripeRange>,
    stripes: Arc<StripeReader>,
    shape: Arc<Shape>,
    fetched: Option<Fetch>,
    current: Option<Decoding>,
}

/// A stripe on its way; dropping it ends the request.
struct Fetch {
    stripe: StripeRange,
    task: JoinHandle<Result<StripeData>>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A stripe being decoded.
struct Decoding {
    source: Source,
    /// Position of the next row in the file.
    position: u64,
    end: u64,
}

enum Source {
    /// Columns of the stripe.
    Reader(Box<ArrowReader<StripeImage>>),
    /// No column is wanted, rows are only counted.
    Nothing,
}

impl ReadState {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let Some(mut decoding) = self.current.take() else {
                if !self.open_stripe().await? {
                    return Ok(None);
                }
                continue;
            };
            let shape = Arc::clone(&self.shape);
            let (decoding, batch) = on_blocking_thread(move || {
                let batch = decoding.next(&shape)?;
                Ok((decoding, batch))
            })
            .await?;
            if decoding.position < decoding.end {
                self.current = Some(decoding);
            }
            if let Some(batch) = batch {
                return Ok(Some(batch));
            }
        }
    }

    /// Starts decoding the next stripe and fetching the one after it; `false` at the end of the file.
    async fn open_stripe(&mut self) -> Result<bool> {
        let Some(mut fetch) = self.fetched.take().or_else(|| self.fetch()) else {
            return Ok(false);
        };
        let data = (&mut fetch.task).await.map_err(failed_task)??;
        let stripe = fetch.stripe.clone();
        drop(fetch);
        self.fetched = self.fetch();
        let stripes = Arc::clone(&self.stripes);
        let batch_size = self.shape.batch_size;
        let source = if stripes.columns.is_empty() {
            Source::Nothing
        } else {
            on_blocking_thread(move || {
                let reader = stripes.decode(data, batch_size)?;
                Ok(Source::Reader(Box::new(reader)))
            })
            .await?
        };
        self.current = Some(Decoding {
            source,
            position: stripe.first_row,
            end: stripe.first_row + stripe.rows,
        });
        Ok(true)
    }

    fn fetch(&mut self) -> Option<Fetch> {
        let stripe = self.todo.pop_front()?;
        let stripes = Arc::clone(&self.stripes);
        let range = stripe.clone();
        let task = tokio::spawn(async move {
            if stripes.columns.is_empty() {
                return Ok(StripeData::default());
            }
            stripes.load(&range).await
        });
        Some(Fetch { stripe, task })
    }
}

impl Decoding {
    /// The next batch of the stripe, without the rows that are not wanted; `None` when no row of it is.
    fn next(&mut self, shape: &Shape) -> Result<Option<RecordBatch>> {
        let left = to_usize(self.end - self.position)?;
        let batch = match &mut self.source {
            Source::Nothing => None,
            Source::Reader(reader) => Some(
                reader
                    .next()
                    .ok_or_else(|| {
                        Error::damaged(format!("ORC stripe ends {left} rows before its row count"))
                    })?
                    .map_err(|e| decoder_error("ORC stripe cannot be decoded", e))?,
            ),
        };
        let rows = batch
            .as_ref()
            .map_or(left.min(shape.batch_size), RecordBatch::num_rows);
        if rows == 0 || rows > left {
            return Err(Error::damaged(format!(
                "ORC stripe must have {left} more rows, found {rows}"
            )));
        }
        let first = self.position;
        self.position += rows as u64;
        let mask = match shape.mask(first, rows)? {
            Mask::None => return Ok(None),
            Mask::All => None,
            Mask::Some(mask) => Some(BooleanArray::new(mask, None)),
        };
        let batch = shape.batch(batch.as_ref(), first, rows)?;
        Ok(Some(match mask {
            Some(mask) => filter_record_batch(&batch, &mask)?,
            None => batch,
        }))
    }
}

/// What the batches look like and which rows they hold.
struct Shape {
    fields: Vec<DataField>,
    columns: Vec<Option<Arc<Column>>>,
    schema: SchemaRef,
    with_position: bool,
    selection: Option<Arc<FileSelection>>,
    row_range: Option<Range<u64>>,
    batch_size: usize,
}

enum Mask {
    All,
    None,
    Some(BooleanBuffer),
}

impl Shape {
    fn new(request: &FileReadRequest, columns: Vec<Option<Arc<Column>>>) -> Self {
        let mut fields: Vec<Field> = request.fields.iter().map(arrow_field).collect();
        if request.with_position {
            fields.push(Field::new(POSITION_COLUMN, ArrowType::Int64, false));
        }
        Self {
            fields: request.fields.clone(),
            columns,
            schema: Arc::new(Schema::new(fields)),
            with_position: request.with_position,
            selection: request.selection.clone(),
            row_range: request.row_range.clone(),
            batch_size: request.batch_size.clamp(1, BATCH_ROWS_MAX),
        }
    }

    /// Whether a stripe has wanted rows.
    fn wants(&self, stripe: &StripeRange) -> bool {
        let Some((start, end)) = self.clip(stripe.first_row, stripe.first_row + stripe.rows) else {
            return false;
        };
        match (
            &self.selection,
            usize::try_from(start),
            usize::try_from(end - start),
        ) {
            (Some(selection), Ok(start), Ok(length)) => {
                selection.bits().slice(start, length).count_set_bits() > 0
            }
            _ => true,
        }
    }

    /// The part of the rows in the row range; `None` when it is empty.
    fn clip(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let (start, end) = match &self.row_range {
            Some(range) => (start.max(range.start), end.min(range.end)),
            None => (start, end),
        };
        (start < end).then_some((start, end))
    }

    /// Which of `rows` rows from `first` on are wanted.
    fn mask(&self, first: u64, rows: usize) -> Result<Mask> {
        let Some((start, end)) = self.clip(first, first + rows as u64) else {
            return Ok(Mask::None);
        };
        let (before, inside) = (to_usize(start - first)?, to_usize(end - start)?);
        let bits = match &self.selection {
            Some(selection) => selection.bits().slice(to_usize(start)?, inside),
            None if inside == rows => return Ok(Mask::All),
            None => BooleanBuffer::new_set(inside),
        };
        Ok(match bits.count_set_bits() {
            0 => Mask::None,
            n if n == rows => Mask::All,
            _ if inside == rows => Mask::Some(bits),
            _ => {
                let mut mask = arrow_buffer::BooleanBufferBuilder::new(rows);
                mask.append_n(before, false);
                mask.append_buffer(&bits);
                mask.append_n(rows - before - inside, false);
                Mask::Some(mask.finish())
            }
        })
    }

    /// The decoded columns in the shape the caller asked for.
    fn batch(&self, decoded: Option<&RecordBatch>, first: u64, rows: usize) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (field, column) in self.fields.iter().zip(&self.columns) {
            let array = match column {
                None => new_null_array(&arrow_type(&field.data_type), rows),
                Some(column) => {
                    let array = decoded
                        .and_then(|batch| batch.column_by_name(&field.name))
                        .ok_or_else(|| Error::internal("ORC decoder left out a column"))?;
                    convert(array, column, &field.data_type)
                        .map_err(|e| e.with_default("column", &field.name))?
                }
            };
            if !field.data_type.nullable && array.null_count() > 0 {
                return Err(
                    Error::damaged("NOT NULL column holds nulls").with("column", &field.name)
                );
            }
            arrays.push(array);
        }
        if self.with_position {
            let first = i64::try_from(first)
                .map_err(|_| Error::damaged("row position does not fit 63 bits"))?;
            arrays.push(Arc::new(Int64Array::from_iter_values((first..).take(rows))));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|e| decoder_error("ORC columns contradict their types", e))
    }
}

/// Runs decoder work away from the event loop; a panic of the decoder becomes an error.
async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(failed_task)?
}

fn failed_task(error: tokio::task::JoinError) -> Error {
    if !error.is_panic() {
        return Error::internal("read was cancelled").with_source(error);
    }
    let panic = error.into_panic();
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::damaged(format!("ORC decoder failed on broken data: {text}"))
}
