//! Rows as the bytes of text files.
//!
//! Java: `CsvFormatWriter`, `JsonFormatWriter`, `TextFormatWriter`.

use arrow::array::{Array, RecordBatch, StringViewArray};
use bytes::Bytes;
use paimon_catalog::{FileFormat, FormatTable};
use paimon_core::format::{EncoderOptions, FileEncoder, create_encoder};
use paimon_core::spec::DataField;
use paimon_core::{Error, Result};

use super::options::{Encoding, FileOptions};
use super::values::texts;
use super::{csv, json};

/// Option key of the codec that is meant.
const COMPRESSION: &str = "format-table.file.compression";

/// Makes the encoder of a new file with these columns.
///
/// # Errors
/// `Unsupported` naming the option or column that cannot be written.
pub(super) fn encoder(
    table: &FormatTable,
    options: &FileOptions,
    fields: &[DataField],
) -> Result<Box<dyn FileEncoder>> {
    match table.format {
        FileFormat::Parquet | FileFormat::Orc => {
            let options = EncoderOptions {
                format: table.format.name().to_string(),
                compression: options.compression.clone(),
                zstd_level: 1,
                block_size: None,
                table: table.schema().options,
            };
            create_encoder(fields, &options)
        }
        FileFormat::Csv | FileFormat::Json | FileFormat::Text => {
            if !["none", ""].contains(&options.compression.to_ascii_lowercase().as_str()) {
                return Err(Error::unsupported(format!(
                    "text files are written without a codec, found {:?}",
                    options.compression
                ))
                .with("option", COMPRESSION));
            }
            let mut encoder = TextEncoder {
                fields: fields.to_vec(),
                options: options.clone(),
                ready: Vec::new(),
                has_rows: false,
                size: 0,
            };
            // types are checked before anything is written
            let schema = paimon_core::arrow_bridge::arrow_schema(fields);
            encoder.write(&RecordBatch::new_empty(schema))?;
            Ok(Box::new(encoder))
        }
    }
}

struct TextEncoder {
    fields: Vec<DataField>,
    options: FileOptions,
    /// Bytes that nobody took yet.
    ready: Vec<u8>,
    /// Whether the header is there.
    has_rows: bool,
    /// Bytes so far.
    size: u64,
}

impl TextEncoder {
    fn csv(&self, batch: &RecordBatch, options: &super::options::CsvOptions) -> Result<String> {
        let columns = self.texts(batch)?;
        let end = self.options.line_delimiter.as_str();
        let mut out = String::new();
        if options.has_header && !self.has_rows && batch.num_rows() > 0 {
            let names = self.fields.iter().map(|f| Some(f.name.as_str()));
            csv::write_line(names, end, options, &mut out);
        }
        for row in 0..batch.num_rows() {
            let fields = columns
                .iter()
                .map(|c| c.is_valid(row).then(|| c.value(row)));
            csv::write_line(fields, end, options, &mut out);
        }
        Ok(out)
    }

    fn texts(&self, batch: &RecordBatch) -> Result<Vec<StringViewArray>> {
        let columns = batch.columns().iter().zip(&self.fields);
        columns
            .map(|(column, field)| {
                let texts = texts(column, &field.data_type);
                texts.map_err(|e| e.with("column", &field.name))
            })
            .collect()
    }
}

impl FileEncoder for TextEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let end = &self.options.line_delimiter;
        let text = match &self.options.encoding {
            Encoding::Csv(options) => self.csv(batch, options)?,
            Encoding::Json { .. } => {
                json::write(batch.columns(), &self.fields, batch.num_rows(), end)?
            }
            Encoding::Text | Encoding::Columns => {
                let columns = self.texts(batch)?;
                let lines = columns.iter().flatten();
                lines
                    .map(|l| format!("{}{end}", l.unwrap_or_default()))
                    .collect()
            }
        };
        self.has_rows |= batch.num_rows() > 0;
        self.size += u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.ready.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_output(&mut self) -> Vec<Bytes> {
        match self.ready.is_empty() {
            true => Vec::new(),
            false => vec![std::mem::take(&mut self.ready).into()],
        }
    }

    fn estimated_size(&self) -> u64 {
        self.size
    }

    fn memory_size(&self) -> usize {
        self.ready.capacity()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Bytes>> {
        Ok(self.take_output())
    }
}
