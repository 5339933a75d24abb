//! The writing half of column files: Arrow batches to the bytes of a data file.
//!
//! Encoders do no I/O: whoever drives one moves the bytes to a store. Source: `FileFormat`, `FormatWriterFactory`.

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType as ArrowType;
use bytes::Bytes;
use indexmap::IndexMap;

use super::{avro, orc, parquet};
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::spec::DataField;

/// Encodes one data file.
///
/// Memory held is bounded by one row group or block; [`FileEncoder::flush`] lets go of it early.
pub trait FileEncoder: Send {
    /// Appends rows; the batch has the columns the encoder was made for, typed as
    /// [`crate::arrow_bridge::arrow_type`].
    ///
    /// # Errors
    /// `Internal` for other columns or a failing compressor. The file is lost then.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Ends the open row group or block, so that little memory is held.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn flush(&mut self) -> Result<()>;

    /// Takes the bytes that are final, in pieces; none when there are none.
    fn take_output(&mut self) -> Vec<Bytes>;

    /// Bytes of the file if it ended now: an estimate that grows with the rows.
    fn estimated_size(&self) -> u64;

    /// Bytes of memory held.
    fn memory_size(&self) -> usize;

    /// Ends the file and returns its last bytes. A file without rows is complete too.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn finish(self: Box<Self>) -> Result<Vec<Bytes>>;
}

/// How to encode: format, compression and the options that begin with the format's name.
#[derive(Debug, Clone)]
pub struct EncoderOptions {
    /// `parquet`, `orc` or `avro`.
    pub format: String,
    /// Value of `file.compression`, such as `zstd`.
    pub compression: String,
    /// `file.compression.zstd-level`.
    pub zstd_level: i32,
    /// `file.block-size`, bytes: row group or block; `None` is the format's default.
    pub block_size: Option<u64>,
    /// All options of the table; `parquet.*`, `orc.*` and `avro.*` reach the encoder.
    pub table: IndexMap<String, String>,
}

/// Makes the encoder of a file with these columns.
///
/// # Errors
/// `Unsupported` naming the option or the column when the format is not written by this engine or cannot hold a type;
/// `InvalidInput` for a malformed option. Nothing has been written then.
pub fn create_encoder(
    fields: &[DataField],
    options: &EncoderOptions,
) -> Result<Box<dyn FileEncoder>> {
    match options.format.as_str() {
        "parquet" => Ok(Box::new(parquet::ParquetEncoder::new(fields, options)?)),
        "avro" => Ok(Box::new(avro::AvroEncoder::new(fields, options)?)),
        "orc" => Ok(Box::new(orc::OrcEncoder::new(fields, options)?)),
        other => Err(Error::unsupported(format!(
            "data files of format `{other}` cannot be written: parquet, orc and avro can"
        ))
        .with("option", "file.format")),
    }
}

/// Checks that a batch has the columns of an encoder.
pub(super) fn check_columns(batch: &RecordBatch, fields: &[DataField]) -> Result<()> {
    if batch.num_columns() != fields.len() {
        return Err(Error::internal(format!(
            "batch has {} columns, the file has {}",
            batch.num_columns(),
            fields.len()
        )));
    }
    for (column, field) in batch.columns().iter().zip(fields) {
        if *column.data_type() != arrow_type(&field.data_type) {
            return Err(Error::internal(format!(
                "batch holds {} for column `{}` of type {}",
                column.data_type(),
                field.name,
                field.data_type
            )));
        }
        check_decimals(column).map_err(|e| e.with("column", &field.name))?;
    }
    Ok(())
}

/// Checks that decimals have no more digits than their type: narrow ones would be cut to fewer bytes.
fn check_decimals(array: &ArrayRef) -> Result<()> {
    match array.data_type() {
        ArrowType::Decimal128(precision, _) => array
            .as_primitive::<Decimal128Type>()
            .validate_decimal_precision(*precision)
            .map_err(|e| Error::invalid("decimal has more digits than its type").with_source(e)),
        ArrowType::List(_) => check_decimals(array.as_list::<i32>().values()),
        ArrowType::FixedSizeList(..) => check_decimals(array.as_fixed_size_list().values()),
        ArrowType::Map(..) => {
            let map = array.as_map();
            check_decimals(map.keys())?;
            check_decimals(map.values())
        }
        ArrowType::Struct(_) => array
            .as_struct()
            .columns()
            .iter()
            .try_for_each(check_decimals),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::Decimal128Array;

    use super::*;
    use crate::arrow_bridge::arrow_schema;
    use crate::spec::{DataType, TypeKind};

    #[test]
    fn decimals_with_too_many_digits_are_refused() {
        let kind = TypeKind::Decimal {
            precision: 5,
            scale: 2,
        };
        let fields = [DataField::new(0, "d", DataType::nullable(kind))];
        let batch = |v| {
            let array = Decimal128Array::from(vec![None, Some(v)])
                .with_data_type(ArrowType::Decimal128(5, 2));
            RecordBatch::try_new(arrow_schema(&fields), vec![Arc::new(array)]).unwrap()
        };
        assert!(check_columns(&batch(99_999), &fields).is_ok());
        let error = check_columns(&batch(-100_000), &fields).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
        assert!(check_columns(&batch(1), &[]).is_err());
    }
}
