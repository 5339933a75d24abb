//! Arrow batches to ORC files. Source: `OrcFileFormat`, `OrcTypeUtil`, `FieldWriterFactory`, `OrcBulkWriter`.
//!
//! ```text
//! "ORC" | stripe: streams, column by column | stripe footer | .. | footer | postscript | u8 postscript length
//! ```
//! Not on the writer of `orc-rust`: it has no place for decimals, nested columns and ids of fields. Files have no row
//! indexes and no statistics of their own: readers of Paimon tables take those from the manifests.

mod bits;
mod column;
mod compress;
mod integers;
mod schema;
#[cfg(test)]
mod tests;

use arrow_array::RecordBatch;
use bytes::Bytes;
use orc_rust::proto::{Footer, PostScript, StripeFooter, StripeInformation};
use prost::Message;

use self::column::ColumnWriter;
use self::compress::Compression;
use crate::error::{Error, Result};
use crate::format::encoder::{EncoderOptions, FileEncoder, check_columns};
use crate::options::parse_bytes;
use crate::spec::DataField;

const MAGIC: &[u8] = b"ORC";
/// `orc.stripe.size` of Java, bytes.
const STRIPE_BYTES: u64 = 64 * 1024 * 1024;
/// Zone of timestamps without one.
const ZONE: &str = "UTC";
/// Version 0.12 of the format: run lengths of the second kind.
const VERSION: [u32; 2] = [0, 12];
/// No writer that has a number.
const WRITER: u32 = 1 << 20;
/// The newest rules of Java's writer that concern the data: timestamps in UTC.
const WRITER_VERSION: u32 = 9;

/// Checks the codec that the options name.
///
/// # Errors
/// As making an encoder.
pub(in crate::format) fn check_compression(options: &EncoderOptions) -> Result<()> {
    compress::of(options).map(drop)
}

/// Encodes one ORC file.
pub struct OrcEncoder {
    fields: Vec<DataField>,
    columns: Vec<ColumnWriter>,
    compression: Compression,
    stripe_bytes: u64,
    output: Vec<u8>,
    /// Bytes taken away or in `output`.
    written: u64,
    open_rows: u64,
    stripes: Vec<StripeInformation>,
}

impl OrcEncoder {
    /// An encoder for files with these columns.
    ///
    /// # Errors
    /// `Unsupported` for a type, option or codec that ORC files of this engine cannot have; `InvalidInput` for a
    /// malformed option.
    pub fn new(fields: &[DataField], options: &EncoderOptions) -> Result<Self> {
        let columns = fields
            .iter()
            .map(|f| ColumnWriter::new(&f.data_type).map_err(|e| e.with("column", &f.name)))
            .collect::<Result<_>>()?;
        Ok(Self {
            columns,
            compression: compress::of(options)?,
            stripe_bytes: stripe_bytes(options)?,
            fields: fields.to_vec(),
            output: MAGIC.to_vec(),
            written: to_u64(MAGIC.len()),
            open_rows: 0,
            stripes: Vec::new(),
        })
    }

    fn open_bytes(&self) -> u64 {
        to_u64(self.columns.iter().map(ColumnWriter::bytes).sum())
    }

    fn close_stripe(&mut self) -> Result<()> {
        if self.open_rows == 0 {
            return Ok(());
        }
        let offset = self.written;
        let mut footer = StripeFooter {
            writer_timezone: Some(ZONE.into()),
            ..Default::default()
        };
        footer.columns.push(column::encoding(false));
        for column in &mut self.columns {
            column.finish(&mut footer, &self.compression, &mut self.output)?;
        }
        let data_length = footer.streams.iter().map(|s| s.length()).sum();
        let footer_length = self
            .compression
            .append(&footer.encode_to_vec(), &mut self.output)?;
        self.written += data_length + footer_length;
        self.stripes.push(StripeInformation {
            offset: Some(offset),
            index_length: Some(0),
            data_length: Some(data_length),
            footer_length: Some(footer_length),
            number_of_rows: Some(self.open_rows),
            ..Default::default()
        });
        self.open_rows = 0;
        Ok(())
    }

    fn close_file(&mut self) -> Result<()> {
        let footer = Footer {
            header_length: Some(to_u64(MAGIC.len())),
            content_length: Some(self.written),
            number_of_rows: Some(self.stripes.iter().map(|s| s.number_of_rows()).sum()),
            stripes: std::mem::take(&mut self.stripes),
            types: schema::types(&self.fields)?,
            // no row indexes
            row_index_stride: Some(0),
            writer: Some(WRITER),
            ..Default::default()
        };
        let footer_length = self
            .compression
            .append(&footer.encode_to_vec(), &mut self.output)?;
        let postscript = PostScript {
            footer_length: Some(footer_length),
            compression: Some(self.compression.kind().into()),
            compression_block_size: Some(to_u64(compress::BLOCK_BYTES)),
            version: VERSION.to_vec(),
            metadata_length: Some(0),
            writer_version: Some(WRITER_VERSION),
            magic: Some("ORC".into()),
            ..Default::default()
        }
        .encode_to_vec();
        self.output.extend_from_slice(&postscript);
        self.output.push(
            u8::try_from(postscript.len())
                .map_err(|_| Error::internal("an ORC postscript has at most 255 bytes"))?,
        );
        Ok(())
    }
}

impl FileEncoder for OrcEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(batch, &self.fields)?;
        for ((writer, array), field) in self
            .columns
            .iter_mut()
            .zip(batch.columns())
            .zip(&self.fields)
        {
            writer
                .append(array)
                .map_err(|e| e.with_default("column", &field.name))?;
        }
        self.open_rows += to_u64(batch.num_rows());
        match self.open_bytes() >= self.stripe_bytes {
            true => self.close_stripe(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.close_stripe()
    }

    fn take_output(&mut self) -> Vec<Bytes> {
        vec![std::mem::take(&mut self.output).into()]
    }

    fn estimated_size(&self) -> u64 {
        self.written + self.open_bytes()
    }

    fn memory_size(&self) -> usize {
        let open: usize = self.columns.iter().map(ColumnWriter::bytes).sum();
        open + self.output.capacity()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Bytes>> {
        self.close_stripe()?;
        self.close_file()?;
        Ok(self.take_output())
    }
}

/// `orc.stripe.size`, else `file.block-size`, else 64 MiB.
fn stripe_bytes(options: &EncoderOptions) -> Result<u64> {
    const KEY: &str = "orc.stripe.size";
    let own = options
        .table
        .get(KEY)
        .map(|v| parse_bytes(v).map_err(|e| e.with("option", KEY)))
        .transpose()?;
    Ok(own.or(options.block_size).unwrap_or(STRIPE_BYTES))
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
