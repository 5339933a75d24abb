//! Inputs of the benches: a batch and a data file of the fact columns.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::format::FileReadRequest;
use paimon_core::io::FileIo;
use paimon_core::spec::{DataField, FileSource};

use crate::Result;
use crate::generate::{DataFileWriter, FilePlace, Layout, fact};

/// The twelve columns.
pub fn fields() -> Vec<DataField> {
    layout().fields()
}

fn layout() -> Layout {
    Layout {
        columns: fact::columns(),
        keyed: false,
    }
}

/// Rows `ids` as run `version` writes them.
///
/// # Errors
/// Never in practice.
pub fn batch(ids: &[i64], version: u64, null_percent: u64) -> Result<RecordBatch> {
    let schema = arrow_schema(&fields());
    let schema = Arc::new(arrow::datatypes::Schema::new(schema.fields().clone()));
    Ok(RecordBatch::try_new(
        schema,
        fact::arrays(ids, version, null_percent)?,
    )?)
}

/// Writes a Parquet file of `rows` rows into `folder` and returns the request that reads all of it.
///
/// # Errors
/// When the disk refuses.
pub fn file(folder: &Path, rows: i64) -> Result<FileReadRequest> {
    std::fs::create_dir_all(folder)?;
    let place = FilePlace {
        name: format!("sample-{rows}.parquet"),
        level: 0,
        source: FileSource::Append,
        first_sequence: 0,
    };
    let path = folder.join(&place.name);
    let mut writer = DataFileWriter::create(folder, place, &layout())?;
    let ids: Vec<i64> = (0..rows).collect();
    for chunk in ids.chunks(1 << 16) {
        writer.write_plain(fact::arrays(chunk, 0, 1)?)?;
    }
    let size = u64::try_from(writer.finish()?.file_size)?;
    let location = format!("file://{}", path.display());
    Ok(FileReadRequest {
        file: FileIo::for_location(&location)?.input(&location, size)?,
        fields: fields(),
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: 8192,
        step_bytes: paimon_core::format::DEFAULT_STEP_BYTES,
        with_position: false,
    })
}
