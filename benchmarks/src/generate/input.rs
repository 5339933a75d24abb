//! The rows that the write comparison loads, as plain Parquet files.

use std::fs::{self, File};
use std::path::Path;

use arrow::array::RecordBatch;
use paimon_core::spec::DataField;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

use super::data_file::Layout;
use super::fact;
use super::hash::{below_signed, mix};
use crate::Result;

const BATCH_ROWS: i64 = 1 << 16;

/// Which keys the rows have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Any of as many keys as there are rows, in no order: 63 of 100 keys occur, some of them often.
    Random,
    /// One after the other.
    Ascending,
}

/// The columns of the rows.
pub fn fields() -> Vec<DataField> {
    let columns = fact::columns();
    Layout {
        columns,
        keyed: false,
    }
    .fields()
}

/// Writes `rows` rows of the twelve columns to `path`, unless it is there; `null_percent` of the values are null.
///
/// # Errors
/// When the disk refuses.
pub fn ensure_input(path: &Path, rows: i64, keys: Keys, null_percent: u64) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    eprintln!("generating {}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let staged = path.with_extension("tmp");
    let schema = paimon_core::arrow_bridge::arrow_schema(&fields());
    // the engines choose the types themselves
    let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
    let file = File::create(&staged)?;
    let mut writer = ArrowWriter::try_new_with_options(file, schema.clone(), options)?;
    for (version, start) in (0..).zip((0..rows).step_by(usize::try_from(BATCH_ROWS)?)) {
        let positions = start..(start + BATCH_ROWS).min(rows);
        let ids: Vec<i64> = match keys {
            Keys::Ascending => positions.collect(),
            Keys::Random => positions
                .map(|i| below_signed(mix(i, 7, 7), rows.unsigned_abs()))
                .collect(),
        };
        let columns = fact::arrays(&ids, version, null_percent)?;
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    writer.close()?;
    Ok(fs::rename(staged, path)?)
}
