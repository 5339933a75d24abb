//! The writing half of column files: Arrow batches to the bytes of a data file.
//!
//! Encoders do no I/O: whoever drives one moves the bytes to a store. Source: `FileFormat`, `FormatWriterFactory`.

use arrow_array::RecordBatch;
use bytes::Bytes;
use indexmap::IndexMap;

use super::{avro, orc, parquet};
use crate::arrow_bridge::{arrow_type, check_decimals, declared_max};
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

/// Checks the compression of files to be written.
///
/// # Errors
/// `Unsupported` naming the option whose codec files of the format are not written with; `InvalidInput` for a malformed
/// level of it.
pub fn check_compression(options: &EncoderOptions) -> Result<()> {
    match options.format.as_str() {
        "parquet" => parquet::check_compression(options),
        "avro" => avro::check_compression(options),
        "orc" => orc::check_compression(options),
        // said when an encoder is made
        _ => Ok(()),
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
        check_decimals(column, stored_max).map_err(|e| e.with("column", &field.name))?;
    }
    Ok(())
}

/// The largest unscaled value that files hold of a decimal: narrow ones are numbers of 32 or 64 bits. Sums of narrow
/// decimals may have more digits than their type, as in Java (`DecimalUtils.add`).
fn stored_max(precision: u8) -> i128 {
    match precision {
        0..=9 => i32::MAX.into(),
        10..=18 => i64::MAX.into(),
        _ => declared_max(precision),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::Decimal128Array;
    use arrow_schema::DataType as ArrowType;

    use super::*;
    use crate::arrow_bridge::arrow_schema;
    use crate::spec::{DataType, TypeKind};

    fn of_decimal(precision: u8, value: i128) -> (Vec<DataField>, RecordBatch) {
        let kind = TypeKind::Decimal {
            precision,
            scale: 2,
        };
        let fields = vec![DataField::new(0, "d", DataType::nullable(kind))];
        let array = Decimal128Array::from(vec![None, Some(value)])
            .with_data_type(ArrowType::Decimal128(precision, 2));
        let batch = RecordBatch::try_new(arrow_schema(&fields), vec![Arc::new(array)]);
        (fields, batch.unwrap())
    }

    #[test]
    fn decimals_that_files_would_cut_are_refused() {
        for (precision, value, fits) in [
            (5, 99_999, true),
            (5, -100_000, true),
            (9, 2_147_483_647, true),
            (9, 2_147_483_648, false),
            (9, -3_000_000_000, false),
            (18, 1_000_000_000_000_000_000, true),
            (18, 1 << 63, false),
            (20, 99_999_999_999_999_999_999, true),
            (20, 100_000_000_000_000_000_000, false),
        ] {
            let (fields, batch) = of_decimal(precision, value);
            let checked = check_columns(&batch, &fields);
            assert_eq!(checked.is_ok(), fits, "{precision} {value}");
            if let Err(error) = checked {
                assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
            }
        }
        let (_, batch) = of_decimal(5, 1);
        assert!(check_columns(&batch, &[]).is_err());
    }
}
