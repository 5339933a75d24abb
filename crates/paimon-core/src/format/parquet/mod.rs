//! Parquet data files to Arrow batches.
//!
//! Java: `ParquetReaderFactory`, `VectorizedParquetRecordReader`; the mapping of types is the page on data files,
//! section 5. A read goes through these steps, one file of this folder each:
//!
//! 1. `footer`, `cache`: the checked footer, parsed once per file;
//! 2. `columns`: which leaves to read and how each column becomes its Paimon type;
//! 3. `pruning`, `selection`: which rows to decode, from statistics, page index, row range and bitmap;
//! 4. `pieces`: the rows cut into steps of bounded size;
//! 5. `scan`: fetch ahead, decode, filter, convert (`cast`, `nested`).

mod cache;
mod cast;
mod columns;
mod footer;
mod nested;
mod pages;
mod pieces;
mod pruning;
mod ranges;
mod scan;
mod selection;
mod statistics;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, FieldRef};
use futures::StreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::ParquetMetaData;

pub use writer::ParquetEncoder;
pub(super) use writer::check_compression;

use self::columns::ColumnsPlan;
use self::footer::Footer;
use self::scan::{Scan, ScanFile};
use super::summary::{ELEMENT, KEY, VALUE, file_columns, named};
use super::{BatchStream, FileReadRequest, FileSummary};
use crate::error::{Error, Result};
use crate::io::InputFile;
use crate::spec::DataType;

/// Reads one Parquet file as [`FileReadRequest`] describes.
///
/// The footer comes from a process-wide cache. Data is fetched in steps of [`FileReadRequest::step_bytes`], one step ahead of the
/// decoder, so a file with one huge row group needs no more memory than one with many small ones.
///
/// # Errors
/// `Damaged` when the file is not what its footer, its name or the request's columns say (the message names the
/// column, what was expected and what was found); `Unsupported` for encrypted files and for maps in the
/// shared-shredding layout. The stream ends at its first error.
///
/// # Cancel safety
/// Dropping the future or the stream stops the fetches.
pub async fn read_parquet(request: FileReadRequest) -> Result<BatchStream> {
    let location = request.file.location();
    match open(request).await {
        Ok(stream) => Ok(stream
            .map(move |batch| batch.map_err(|e| e.with_default("path", &location)))
            .boxed()),
        Err(e) => Err(e.with_default("path", &location)),
    }
}

/// The footer of a Parquet file, without page indexes.
///
/// INT96 columns show as FIXED_LEN_BYTE_ARRAY(12), the same bytes: the reader converts them itself.
///
/// # Errors
/// `Damaged` when the footer is not a Parquet footer or speaks of bytes that the file does not have.
pub async fn read_metadata(file: &InputFile) -> Result<Arc<ParquetMetaData>> {
    match cache::footer(file).await {
        Ok(footer) => Ok(Arc::clone(footer.metadata())),
        Err(e) => Err(e.with_default("path", file.location())),
    }
}

/// The footer as a summary.
pub(super) async fn summarize(request: &FileReadRequest) -> Result<FileSummary> {
    let footer = cache::footer(&request.file).await?;
    let plan = ColumnsPlan::new(request, &footer)?;
    let columns = plan.file_schema.fields().iter().map(named_type);
    let bounds = request.fields.iter();
    Ok(FileSummary {
        rows: footer.rows(),
        columns: file_columns(columns.collect(), &named(&request.fields), &parts),
        bounds: bounds
            .map(|field| statistics::of_file(&footer, &plan, field))
            .collect(),
    })
}

/// What a type of the file's schema is made of.
fn parts(found: &ArrowType, _: &DataType) -> Vec<(String, ArrowType)> {
    match found {
        ArrowType::Struct(children) => children.iter().map(named_type).collect(),
        ArrowType::List(item) => vec![(ELEMENT.to_string(), item.data_type().clone())],
        ArrowType::Map(entries, _) => match entries.data_type() {
            // names of key and value differ from writer to writer
            ArrowType::Struct(children) => [KEY, VALUE]
                .into_iter()
                .zip(children)
                .map(|(name, f)| (name.to_string(), f.data_type().clone()))
                .collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn named_type(field: &FieldRef) -> (String, ArrowType) {
    (field.name().clone(), field.data_type().clone())
}

async fn open(request: FileReadRequest) -> Result<BatchStream> {
    let footer = cache::footer(&request.file).await?;
    check_selection(&request, &footer)?;
    let plan = ColumnsPlan::new(&request, &footer)?;
    let (footer, groups) = selection::plan_groups(&request, footer, &plan).await?;
    let mut pieces = Vec::new();
    for group in groups {
        pieces::cut(&footer, &plan, group, request.step_bytes, &mut pieces);
    }
    let options = ArrowReaderOptions::new()
        .with_skip_arrow_metadata(true)
        .with_schema(Arc::clone(&plan.file_schema));
    let reader = ArrowReaderMetadata::try_new(Arc::clone(footer.metadata()), options)
        .map_err(|e| footer::damaged("cannot read the file's schema", e))?;
    let mask = ProjectionMask::leaves(reader.parquet_schema(), plan.leaves.iter().copied());
    let scan = Scan::new(
        ScanFile {
            file: request.file,
            reader,
            mask,
            batch_size: request.batch_size.max(1),
        },
        plan,
        request.selection,
        pieces,
    );
    Ok(scan.into_stream())
}

fn check_selection(request: &FileReadRequest, footer: &Footer) -> Result<()> {
    let Some(selection) = &request.selection else {
        return Ok(());
    };
    if u64::try_from(selection.rows()).ok() == Some(footer.rows()) {
        return Ok(());
    }
    Err(Error::damaged(format!(
        "file has {} rows, its selection has {}",
        footer.rows(),
        selection.rows()
    )))
}
