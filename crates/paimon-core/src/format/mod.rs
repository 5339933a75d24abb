//! Column files: Parquet, ORC and Avro data files to Arrow batches, and back.
//!
//! The name of a file decides its reader, never the table's options.

pub mod avro;
pub mod blob;
mod encoder;
pub mod orc;
pub mod parquet;
mod summary;
#[cfg(test)]
pub(crate) mod testing;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::stream::BoxStream;

pub use encoder::{EncoderOptions, FileEncoder, check_compression, create_encoder};
pub use summary::{ColumnBounds, FileColumn, FileSummary, summarize};
pub(crate) use summary::{named, parts_of};

use crate::error::{Error, Result};
use crate::io::InputFile;
use crate::predicate::Predicate;
use crate::selection::FileSelection;
use crate::spec::DataField;

/// Name of the `Int64` column with 0-based physical row positions that [`FileReadRequest::with_position`] asks for.
pub const POSITION_COLUMN: &str = "__position";

/// [`FileReadRequest::step_bytes`] when there is no reason for another value: large enough for an object store.
pub const DEFAULT_STEP_BYTES: u64 = 8 << 20;

/// Batches of one file.
pub type BatchStream = BoxStream<'static, Result<RecordBatch>>;

/// What to read of one file.
#[derive(Clone)]
pub struct FileReadRequest {
    /// The file.
    pub file: InputFile,
    /// Wanted columns as typed in the file's own schema, found in the file by name (case-sensitive);
    /// a column the file lacks reads as null. The batches have exactly these columns, in this order, with the types of
    /// [`crate::arrow_bridge::arrow_type`]; after them [`POSITION_COLUMN`] when asked for.
    pub fields: Vec<DataField>,
    /// Rows wanted; `None` is all. Its length must equal the file's row count, else the file is damaged.
    pub selection: Option<Arc<FileSelection>>,
    /// Restricts the read to these physical rows; `None` is all.
    pub row_range: Option<Range<u64>>,
    /// A hint over the file's columns: rows that cannot match may be left out (row groups, pages), rows that may
    /// match are all returned.
    pub predicate: Option<Predicate>,
    /// Rows per batch, at most.
    pub batch_size: usize,
    /// Compressed bytes to hold of the file at a time, about; one step more is fetched ahead. A row group without a
    /// page index is held whole.
    pub step_bytes: u64,
    /// Appends the position column.
    pub with_position: bool,
}

/// Reads a data file with the reader that its name asks for.
///
/// # Errors
/// `Unsupported` for a format without a reader, `Damaged` for a broken file.
pub async fn read_file(request: FileReadRequest) -> Result<BatchStream> {
    let name = request.file.path().filename().unwrap_or_default();
    let format = format_of(name).to_string();
    read_as(&format, request).await
}

/// As [`read_file`], for a file of this format whatever its name.
async fn read_as(format: &str, request: FileReadRequest) -> Result<BatchStream> {
    match format {
        "parquet" => parquet::read_parquet(request).await,
        "orc" => orc::read_orc(request).await,
        "blob" => blob::read_blob(request).await,
        "avro" => avro::read_avro(request).await,
        other => Err(Error::unsupported(format!(
            "data files of format {other:?} are not supported: parquet, orc and avro are"
        ))
        .with("path", request.file.location())),
    }
}

/// Format in a file name: the text after the last dot, or before it when that is the name of a codec.
///
/// Source: `DataFilePathFactory.formatIdentifier`.
pub fn format_of(name: &str) -> &str {
    const CODECS: &[&str] = &["gz", "bz2", "deflate", "snappy", "lz4", "zst"];
    let mut parts = name.rsplit('.');
    let last = parts.next().unwrap_or_default();
    if CODECS.contains(&last) {
        return parts.next().unwrap_or(last);
    }
    last
}
