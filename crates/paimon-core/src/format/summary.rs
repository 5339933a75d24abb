//! What a data file says about itself: for files that another program wrote.
//!
//! Java: `SimpleStatsExtractor`.

use super::{FileReadRequest, avro, orc, parquet, read_as};
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, Datum, TypeKind};

/// Names of the parts of lists and maps, whatever the file calls them.
pub(super) const ELEMENT: &str = "element";
pub(super) const KEY: &str = "key";
pub(super) const VALUE: &str = "value";

/// What is known of the values of one column of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnBounds {
    /// No value is less, no value is greater; `None` when that is not known, or there are none but nulls.
    pub range: Option<(Datum, Datum)>,
    /// Nulls.
    pub nulls: u64,
}

/// A column of a file, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileColumn {
    /// Name in the file; of parts of a list `element`, of those of a map `key` and `value`.
    pub name: String,
    /// Fields of a struct, parts of a list or a map. Those of a column that is not wanted are left out.
    pub parts: Vec<FileColumn>,
}

/// A data file as its own metadata describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSummary {
    /// Rows.
    pub rows: u64,
    /// The top-level columns, in the order of the file.
    pub columns: Vec<FileColumn>,
    /// By wanted column; `None` where the file says nothing. Files of ORC and Avro are not asked.
    pub bounds: Vec<Option<ColumnBounds>>,
}

/// What a type is made of, under the names that [`FileColumn`] has for it.
pub(crate) fn parts_of(data_type: &DataType) -> Vec<(&str, &DataType)> {
    match &data_type.kind {
        TypeKind::Row(fields) => named(fields),
        TypeKind::Array(element) | TypeKind::Vector(element, _) => {
            vec![(ELEMENT, element.as_ref())]
        }
        TypeKind::Map(key, value) => vec![(KEY, key.as_ref()), (VALUE, value.as_ref())],
        TypeKind::Multiset(element) => vec![(KEY, element.as_ref())],
        _ => Vec::new(),
    }
}

/// Columns or fields by name.
pub(crate) fn named(fields: &[DataField]) -> Vec<(&str, &DataType)> {
    let fields = fields.iter();
    fields.map(|f| (f.name.as_str(), &f.data_type)).collect()
}

/// The columns of a file, or parts of one, with the parts of those that are wanted: only as deep as these go, since a broken
/// file may describe more than memory holds. `parts` takes a type of the file apart as the wanted type next to it.
pub(super) fn file_columns<T>(
    found: Vec<(String, T)>,
    wanted: &[(&str, &DataType)],
    parts: &impl Fn(&T, &DataType) -> Vec<(String, T)>,
) -> Vec<FileColumn> {
    let mut wanted = wanted.to_vec();
    let mut columns = Vec::with_capacity(found.len());
    for (name, file_type) in found {
        let at = wanted.iter().position(|(wanted, _)| *wanted == name);
        // of several with one name the readers take the first
        let own = at.map(|at| wanted.swap_remove(at).1);
        let below = own.map(|data_type| (data_type, parts_of(data_type)));
        let parts = match below {
            Some((data_type, below)) if !below.is_empty() => {
                file_columns(parts(&file_type, data_type), &below, parts)
            }
            _ => Vec::new(),
        };
        columns.push(FileColumn { name, parts });
    }
    columns
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
