//! Arrow batches to Parquet files that every Java release reads.
//!
//! Source: `ParquetSchemaConverter`, `ParquetRowDataWriter`, `RowDataParquetBuilder`. The schema carries Paimon's field
//! ids; no key-value metadata is written.

mod dictionary;
mod int96;
mod pieces;
mod properties;
mod schema;
#[cfg(test)]
mod tests;

use std::io::Sink;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{FieldRef, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use self::int96::{as_written, written_type};
use self::pieces::Pieces;
use crate::arrow_bridge::arrow_field;
use crate::error::{Error, Result};
use crate::format::encoder::{EncoderOptions, FileEncoder, check_columns};
use crate::spec::DataField;

/// Bytes of a row group when no option says otherwise, as in Java.
const ROW_GROUP_BYTES: u64 = 128 << 20;
/// Rows of a row group when no option says otherwise: readers share a file between cores by its row groups, and a writer
/// holds one in memory.
const ROW_GROUP_ROWS: u64 = 1 << 20;
/// Rows encoded between two looks at the size of the row group.
const ROWS_PER_STEP: usize = 4096;

/// Checks the codec that the options name.
///
/// # Errors
/// As making an encoder.
pub(in crate::format) fn check_compression(options: &EncoderOptions) -> Result<()> {
    properties::compression(options).map(drop)
}

/// Encodes one Parquet file.
///
/// TIMESTAMP(7..9) is stored as INT96, which the column writers cannot encode: they get the same 12 bytes as
/// FIXED_LEN_BYTE_ARRAY and the finished chunk is relabelled (see `int96`).
pub struct ParquetEncoder {
    fields: Vec<DataField>,
    /// Arrow fields as handed to the column writers.
    written: Vec<FieldRef>,
    file: SerializedFileWriter<Pieces>,
    /// Layout of the column writers: 12 bytes in place of INT96.
    twin: SerializedFileWriter<Sink>,
    /// Made when the first rows are seen.
    factory: Option<ArrowRowGroupWriterFactory>,
    /// Columns, by position, for which no option decides about a dictionary.
    undecided: Vec<usize>,
    /// Columns of the open row group; empty between row groups.
    open: Vec<ArrowColumnWriter>,
    row_groups: usize,
    /// Rows of the open row group.
    open_rows: u64,
    row_group_bytes: u64,
    row_group_rows: u64,
}

impl ParquetEncoder {
    /// An encoder for files with these columns.
    ///
    /// # Errors
    /// `Unsupported` for a type or an option that cannot be written, `InvalidInput` for a malformed option.
    pub fn new(fields: &[DataField], options: &EncoderOptions) -> Result<Self> {
        let layout = schema::message(fields, schema::Int96::Physical)?;
        let bytes_layout = schema::message(fields, schema::Int96::Bytes)?;
        let properties = Arc::new(properties::writer_properties(fields, &layout, options)?);
        let written: Vec<FieldRef> = fields
            .iter()
            .map(|f| {
                let field = arrow_field(f);
                let data_type = written_type(field.data_type());
                Arc::new(field.with_data_type(data_type))
            })
            .collect();
        let twin: SerializedFileWriter<Sink> =
            SerializedFileWriter::new(std::io::sink(), bytes_layout, Arc::clone(&properties))
                .map_err(failed)?;
        Ok(Self {
            fields: fields.to_vec(),
            written,
            file: SerializedFileWriter::new(Pieces::default(), layout, properties)
                .map_err(failed)?,
            twin,
            factory: None,
            undecided: properties::undecided_dictionaries(fields, options),
            open: Vec::new(),
            row_groups: 0,
            open_rows: 0,
            row_group_bytes: properties::row_group_bytes(options)?.unwrap_or(ROW_GROUP_BYTES),
            row_group_rows: properties::row_group_rows(options)?,
        })
    }

    fn write_step(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        if self.open.is_empty() {
            let factory = match self.factory.take() {
                Some(factory) => factory,
                None => self.new_factory(columns)?,
            };
            let writers = factory.create_column_writers(self.row_groups);
            self.factory = Some(factory);
            self.open = writers.map_err(failed)?;
        }
        let mut writers = self.open.iter_mut();
        for (field, column) in self.written.iter().zip(columns) {
            for leaf in compute_leaves(field, column).map_err(failed)? {
                let writer = writers
                    .next()
                    .ok_or_else(|| Error::internal("more leaf columns than the file has"))?;
                writer.write(&leaf).map_err(failed)?;
            }
        }
        self.open_rows += u64::try_from(rows).unwrap_or(u64::MAX);
        if self.open_rows >= self.row_group_rows || self.open_bytes() >= self.row_group_bytes {
            self.close_row_group()?;
        }
        Ok(())
    }

    /// Settles how the columns are encoded, with a look at the first rows.
    fn new_factory(&self, columns: &[ArrayRef]) -> Result<ArrowRowGroupWriterFactory> {
        let properties = self.twin.properties();
        let mut builder = properties.as_ref().clone().into_builder();
        for at in &self.undecided {
            let (Some(field), Some(column)) = (self.written.get(*at), columns.get(*at)) else {
                continue;
            };
            let path = ColumnPath::from(field.name().as_str());
            let page_bytes = properties.column_dictionary_page_size_limit(&path);
            if dictionary::is_useless(column, page_bytes) {
                builder = builder.set_column_dictionary_enabled(path, false);
            }
        }
        let layout = self.twin.schema_descr().root_schema_ptr();
        let twin: SerializedFileWriter<Sink> =
            SerializedFileWriter::new(std::io::sink(), layout, Arc::new(builder.build()))
                .map_err(failed)?;
        let schema = Arc::new(Schema::new(self.written.clone()));
        Ok(ArrowRowGroupWriterFactory::new(&twin, schema))
    }

    fn open_bytes(&self) -> u64 {
        let bytes: usize = self
            .open
            .iter()
            .map(ArrowColumnWriter::get_estimated_total_bytes)
            .sum();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn close_row_group(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let leaves = self.file.schema_descr().columns().to_vec();
        let mut group = self.file.next_row_group().map_err(failed)?;
        for (writer, leaf) in std::mem::take(&mut self.open).into_iter().zip(&leaves) {
            let mut chunk: ArrowColumnChunk = writer.close().map_err(failed)?;
            if leaf.physical_type() == PhysicalType::INT96 {
                int96::relabel(chunk.close_mut(), leaf).map_err(failed)?;
            }
            chunk.append_to_row_group(&mut group).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        self.row_groups += 1;
        self.open_rows = 0;
        Ok(())
    }
}

impl FileEncoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(batch, &self.fields)?;
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .map(as_written)
            .collect::<Result<_>>()?;
        let mut start = 0;
        while start < batch.num_rows() {
            let left = self.row_group_rows - self.open_rows;
            let rows = ROWS_PER_STEP
                .min(batch.num_rows() - start)
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let step: Vec<ArrayRef> = columns.iter().map(|c| c.slice(start, rows)).collect();
            self.write_step(&step, rows)?;
            start += rows;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.close_row_group()
    }

    fn take_output(&mut self) -> Vec<Bytes> {
        // memory takes every write, so its buffer cannot fail to flush
        let _ = self.file.flush();
        self.file.inner_mut().take()
    }

    fn estimated_size(&self) -> u64 {
        u64::try_from(self.file.bytes_written())
            .unwrap_or(u64::MAX)
            .saturating_add(self.open_bytes())
    }

    fn memory_size(&self) -> usize {
        let open: usize = self.open.iter().map(ArrowColumnWriter::memory_size).sum();
        open + self.file.inner().memory_size()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Bytes>> {
        self.close_row_group()?;
        self.file.finish().map_err(failed)?;
        Ok(self.take_output())
    }
}

/// The encoder works in memory, so its failures are not the store's.
fn failed(error: ParquetError) -> Error {
    Error::internal("encoding a Parquet file failed").with_source(error)
}
