//! Arrow batches to Avro files. Source: `AvroSchemaConverter`, `FieldWriterFactory`, `AvroFileFormat`.

mod schema;
#[cfg(test)]
mod tests;
mod values;

use arrow_array::RecordBatch;
use bytes::Bytes;

use self::values::Values;
use crate::codec::avro::{BlockWriter, Codec};
use crate::error::{Error, Result};
use crate::format::encoder::{EncoderOptions, FileEncoder, check_columns};
use crate::spec::DataField;

/// Checks the codec that the options name.
///
/// # Errors
/// As making an encoder.
pub(in crate::format) fn check_compression(options: &EncoderOptions) -> Result<()> {
    codec(options).map(drop)
}

/// Encodes one Avro file.
pub struct AvroEncoder {
    fields: Vec<DataField>,
    file: BlockWriter,
}

impl AvroEncoder {
    /// An encoder for files with these columns.
    ///
    /// # Errors
    /// `Unsupported` for a type, name or codec that Avro files of Paimon cannot have.
    pub fn new(fields: &[DataField], options: &EncoderOptions) -> Result<Self> {
        let schema = schema::record(fields)?;
        Ok(Self {
            fields: fields.to_vec(),
            file: BlockWriter::new(schema, codec(options)?),
        })
    }
}

fn codec(options: &EncoderOptions) -> Result<Codec> {
    const KEY: &str = "avro.codec";
    let table = &options.table;
    if let Some(key) = table.keys().find(|k| k.starts_with("avro.") && *k != KEY) {
        return Err(
            Error::unsupported(format!("option `{key}` is not supported when writing"))
                .with("option", key),
        );
    }
    let (key, name) = match table.get(KEY) {
        Some(name) => (KEY, name),
        None => ("file.compression", &options.compression),
    };
    Codec::from_name(&name.to_ascii_lowercase(), options.zstd_level)
        .map_err(|e| e.with("option", key))
}

impl FileEncoder for AvroEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(batch, &self.fields)?;
        let columns = batch
            .columns()
            .iter()
            .zip(&self.fields)
            .map(|(column, field)| Values::new(column.as_ref(), &field.data_type))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            self.file
                .append(|out| columns.iter().try_for_each(|c| c.put(row, out)))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.close_block()
    }

    fn take_output(&mut self) -> Vec<Bytes> {
        vec![self.file.take_output().into()]
    }

    fn estimated_size(&self) -> u64 {
        self.file.estimated_size()
    }

    fn memory_size(&self) -> usize {
        self.file.memory_size()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Bytes>> {
        self.file.finish()?;
        Ok(self.take_output())
    }
}
