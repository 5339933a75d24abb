//! What a data file says about itself: for files that another program wrote.
//!
//! Java: `SimpleStatsExtractor`.

use super::{FileReadRequest, avro, orc, parquet, read_as};
use crate::error::{Error, Result};
use crate::spec::Datum;

/// What is known of the values of one column of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnBounds {
    /// No value is less, no value is greater; `None` when that is not known, or there are none but nulls.
    pub range: Option<(Datum, Datum)>,
    /// Nulls.
    pub nulls: u64,
}

/// A data file as its own metadata describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSummary {
    /// Rows.
    pub rows: u64,
    /// Names of the top-level columns, in the order of the file.
    pub columns: Vec<String>,
    /// By wanted column; `None` where the file says nothing. Files of ORC and Avro are not asked.
    pub bounds: Vec<Option<ColumnBounds>>,
}

/// Reads the metadata of a file of `format`, whatever its name, and makes sure that its columns can be read as the request
/// wants them.
///
/// # Errors
/// `Unsupported` for a format without a reader, `Damaged` for a broken file or a column of another type.
///
/// # Cancel safety
/// Nothing changes.
pub async fn summarize(format: &str, request: FileReadRequest) -> Result<FileSummary> {
    let located = |e: Error| e.with_default("path", request.file.location());
    let summary = match format {
        "parquet" => parquet::summarize(&request).await,
        "orc" => orc::summarize(&request).await,
        "avro" => avro::summarize(&request).await,
        other => Err(Error::unsupported(format!(
            "expected a file of parquet, orc or avro, found {other}"
        ))),
    };
    let summary = summary.map_err(located)?;
    read_as(format, request).await.map(drop)?;
    Ok(summary)
}
