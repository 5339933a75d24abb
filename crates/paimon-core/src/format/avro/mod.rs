//! Avro data files to Arrow batches.
//!
//! Columns are found by name in the writer schema; the others are skipped. Blocks without a wanted row are not even
//! inflated. Source: `AvroBulkFormat`, `FieldReaderFactory`.

mod column;
mod nested;
mod record;
mod source;
mod writer;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::Int64Builder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType as ArrowType, Field, Schema, SchemaRef};
use bytes::Bytes;
use futures::{StreamExt, stream};

pub use writer::AvroEncoder;
pub(super) use writer::check_compression;

use self::record::RecordReader;
use self::source::BlockSource;
use super::summary::{ELEMENT, KEY, VALUE, file_columns, named};
use super::{BatchStream, FileReadRequest, FileSummary, POSITION_COLUMN};
use crate::arrow_bridge::arrow_field;
use crate::codec::avro::{AvroRecord, AvroType, Cursor, Header, Inflater};
use crate::error::{Error, Result};
use crate::selection::FileSelection;
use crate::spec::{DataField, DataType, TypeKind};

/// A batch is closed early when its rows took this many bytes.
const MAX_BATCH_BYTES: usize = 32 << 20;

/// Reads an Avro data file, see [`FileReadRequest`]; the predicate is not used.
///
/// A NOT NULL column that the file lacks comes out as a nullable column of nulls.
///
/// # Errors
/// `Damaged` when the file breaks the format, holds other types than its schema says or has another row count than the
/// selection; `Unsupported` for types Paimon does not store in Avro (VARIANT) and unknown codecs. Errors past
/// the header come out of the stream.
pub async fn read_avro(request: FileReadRequest) -> Result<BatchStream> {
    let location = request.file.location();
    let reader = match FileReader::open(request).await {
        Ok(reader) => reader,
        Err(e) => return Err(e.with_default("path", location)),
    };
    let batches = stream::try_unfold(reader, move |mut reader| {
        let location = location.clone();
        async move {
            match reader.next_batch().await {
                Ok(batch) => Ok(batch.map(|batch| (batch, reader))),
                Err(e) => Err(e.with_default("path", location)),
            }
        }
    });
    Ok(batches.boxed())
}

/// The header, and the rows of all blocks, as a summary.
pub(super) async fn summarize(request: &FileReadRequest) -> Result<FileSummary> {
    let (header, mut source) = BlockSource::open(request.file.clone()).await?;
    let (record, _) = header.record()?;
    let mut rows = 0u64;
    while let Some(frame) = source.next_frame().await? {
        rows = rows.saturating_add(u64::try_from(frame.rows).unwrap_or(u64::MAX));
        source.take_block(&frame).await?;
    }
    Ok(FileSummary {
        rows,
        columns: file_columns(fields_of(record), &named(&request.fields), &parts),
        bounds: vec![None; request.fields.len()],
    })
}

fn fields_of(record: &AvroRecord) -> Vec<(String, AvroType)> {
    let fields = record.fields.iter();
    fields.map(|f| (f.name.clone(), f.avro.clone())).collect()
}

/// What a type of the file's schema is made of. An array may be the entries of a map.
fn parts(found: &AvroType, wanted: &DataType) -> Vec<(String, AvroType)> {
    // a union of another kind has no reader
    let Ok((found, _)) = found.optional() else {
        return Vec::new();
    };
    let is_map = matches!(wanted.kind, TypeKind::Map(..) | TypeKind::Multiset(_));
    match found {
        AvroType::Record(record) => fields_of(record),
        AvroType::Array(entry) if is_map => match entry.optional() {
            Ok((AvroType::Record(entry), _)) => fields_of(entry),
            _ => Vec::new(),
        },
        AvroType::Array(item) => vec![(ELEMENT.to_string(), AvroType::clone(item))],
        AvroType::Map(value) => vec![
            (KEY.to_string(), AvroType::String),
            (VALUE.to_string(), AvroType::clone(value)),
        ],
        _ => Vec::new(),
    }
}

struct FileReader {
    header: Header,
    source: BlockSource,
    inflater: Inflater,
    /// Every record is wrapped in `["null", record]`.
    wrapped: bool,
    records: RecordReader,
    schema: SchemaRef,
    wanted: Wanted,
    batch_size: usize,
    positions: Option<Int64Builder>,
    block: Option<OpenBlock>,
    /// Physical row of the next record.
    row: u64,
    /// Rows in the batch being built.
    rows: usize,
}

impl FileReader {
    async fn open(request: FileReadRequest) -> Result<Self> {
        let (header, source) = BlockSource::open(request.file).await?;
        let (record, wrapped) = header.record()?;
        let records = RecordReader::compile(&request.fields, record)?;
        Ok(Self {
            schema: batch_schema(&request.fields, &records, request.with_position),
            inflater: header.inflater(),
            source,
            wrapped,
            records,
            wanted: Wanted {
                selection: request.selection,
                range: request.row_range.unwrap_or(0..u64::MAX),
            },
            batch_size: request.batch_size.max(1),
            positions: request.with_position.then(Int64Builder::new),
            block: None,
            row: 0,
            rows: 0,
            header,
        })
    }

    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut bytes = 0usize;
        while self.rows < self.batch_size && bytes < MAX_BATCH_BYTES {
            match self.block.take() {
                Some(mut block) => {
                    let start = block.at;
                    self.read_rows(&mut block)?;
                    bytes = bytes.saturating_add(block.at - start);
                    if block.rows_left > 0 {
                        self.block = Some(block);
                    } else {
                        block.check_end()?;
                    }
                }
                None if !self.next_block().await? => break,
                None => {}
            }
        }
        if self.rows == 0 {
            return Ok(None);
        }
        self.finish_batch().map(Some)
    }

    /// Opens the next block with wanted rows; false at the end.
    async fn next_block(&mut self) -> Result<bool> {
        while self.row < self.wanted.range.end {
            let Some(frame) = self.source.next_frame().await? else {
                self.wanted.check_end(self.row)?;
                return Ok(false);
            };
            let bytes = self.source.take_block(&frame).await?;
            let end = self.wanted.check_block(self.row, frame.rows)?;
            if self.wanted.any(self.row..end) {
                let block = frame.open(&bytes, &self.header, &mut self.inflater)?;
                self.block = Some(OpenBlock {
                    data: block.data,
                    at: 0,
                    rows_left: block.rows,
                });
                return Ok(true);
            }
            self.header
                .check_sync(bytes.get(frame.head + frame.body..).unwrap_or(&[]))?;
            self.row = end;
        }
        Ok(false)
    }

    /// Reads records until the block or the batch is at its end.
    fn read_rows(&mut self, block: &mut OpenBlock) -> Result<()> {
        let mut cursor = Cursor::resume(&block.data, block.at);
        while block.rows_left > 0
            && self.rows < self.batch_size
            && cursor.position() - block.at < MAX_BATCH_BYTES
        {
            if self.wrapped && !cursor.non_null()? {
                return Err(Error::damaged("record is null, a value is expected"));
            }
            if self.wanted.row(self.row) {
                self.records.read(&mut cursor)?;
                self.rows += 1;
                if let Some(positions) = &mut self.positions {
                    positions.append_value(i64::try_from(self.row).unwrap_or(i64::MAX));
                }
            } else {
                self.records.skip(&mut cursor)?;
            }
            self.row += 1;
            block.rows_left -= 1;
        }
        block.at = cursor.position();
        Ok(())
    }

    fn finish_batch(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let mut columns = self.records.finish(rows)?;
        if let Some(positions) = &mut self.positions {
            let positions: ArrayRef = Arc::new(positions.finish());
            columns.push(positions);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            self.schema.clone(),
            columns,
            &options,
        )?)
    }
}

/// The block being read.
struct OpenBlock {
    data: Bytes,
    /// Position of the next record.
    at: usize,
    rows_left: usize,
}

impl OpenBlock {
    fn check_end(&self) -> Result<()> {
        match self.data.len() - self.at {
            0 => Ok(()),
            left => Err(Error::damaged(format!(
                "{left} bytes are left after the last record of an Avro block"
            ))),
        }
    }
}

/// Schema of the batches: columns the file lacks are nullable whatever their type says.
fn batch_schema(fields: &[DataField], records: &RecordReader, with_position: bool) -> SchemaRef {
    let mut out: Vec<Field> = fields
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let out = arrow_field(field);
            let nullable = out.is_nullable() || records.is_missing(i);
            out.with_nullable(nullable)
        })
        .collect();
    if with_position {
        out.push(Field::new(POSITION_COLUMN, ArrowType::Int64, false));
    }
    Arc::new(Schema::new(out))
}

/// Which rows to return.
struct Wanted {
    selection: Option<Arc<FileSelection>>,
    range: Range<u64>,
}

impl Wanted {
    /// Row after a block of `rows` rows, which must be covered by the selection.
    fn check_block(&self, start: u64, rows: usize) -> Result<u64> {
        let end = u64::try_from(rows)
            .ok()
            .and_then(|n| start.checked_add(n))
            .ok_or_else(|| Error::damaged("Avro blocks have too many records"))?;
        match self.selected_rows() {
            Some(selected) if end > selected => Err(Error::damaged(format!(
                "file has at least {end} rows, {selected} are expected"
            ))),
            _ => Ok(end),
        }
    }

    /// At the end of the file.
    fn check_end(&self, rows: u64) -> Result<()> {
        match self.selected_rows() {
            Some(selected) if rows != selected => Err(Error::damaged(format!(
                "file has {rows} rows, {selected} are expected"
            ))),
            _ => Ok(()),
        }
    }

    fn selected_rows(&self) -> Option<u64> {
        let selection = self.selection.as_ref()?;
        Some(u64::try_from(selection.rows()).unwrap_or(u64::MAX))
    }

    /// Whether any row of a stretch inside the selection is wanted.
    fn any(&self, rows: Range<u64>) -> bool {
        let start = rows.start.max(self.range.start);
        let end = rows.end.min(self.range.end);
        if start >= end {
            return false;
        }
        let Some(selection) = &self.selection else {
            return true;
        };
        match (usize::try_from(start), usize::try_from(end - start)) {
            (Ok(start), Ok(length)) if start.saturating_add(length) <= selection.rows() => {
                selection.bits().slice(start, length).count_set_bits() > 0
            }
            _ => true,
        }
    }

    fn row(&self, row: u64) -> bool {
        self.range.contains(&row)
            && self.selection.as_ref().is_none_or(|selection| {
                usize::try_from(row)
                    .is_ok_and(|i| i < selection.rows() && selection.bits().value(i))
            })
    }
}

#[cfg(test)]
mod tests;
