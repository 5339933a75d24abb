//! Files in the place of tables, as names that [`crate::session`] opens.
//!
//! ```text
//! FROM read_csv('x.csv', delimiter => ';')   ->   FROM "paimon$files".files."read_csv /*+ OPTIONS('format'='csv', ..) */"
//! FROM '/data/x.parquet'                     ->   FROM "paimon$files".files."/data/x.parquet /*+ OPTIONS(..) */"
//! ```

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{
    FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart,
};

use super::cursor::given_once;
use super::functions::{OptionPairs, constant, function_named};

/// The catalog of files, which no list shows.
pub(crate) const FILES_CATALOG: &str = "paimon$files";
/// Its only database.
pub(crate) const FILES_SCHEMA: &str = "files";

/// Functions, and the formats that they read.
const FUNCTIONS: &[(&str, &str)] = &[
    ("read_parquet", "parquet"),
    ("read_csv", "csv"),
    ("read_json", "json"),
];

/// Arguments that go with a format.
type Arguments = &'static [(&'static str, &'static str)];

/// Endings of names, and what files of such a name hold.
const ENDINGS: &[(&str, &str, Arguments)] = &[
    (".parquet", "parquet", &[]),
    (".csv", "csv", &[]),
    (".tsv", "csv", &[("delimiter", "\t")]),
    (".json", "json", &[]),
    (".ndjson", "json", &[]),
    (".jsonl", "json", &[]),
];
/// What may follow the ending of a text format.
const COMPRESSIONS: &[&str] = &[".gz", ".bz2", ".xz", ".zst"];

/// The table that a function of files stands for and its options; `None` for other functions.
///
/// # Errors
/// When the path is missing, and for arguments that are no constants.
pub(super) fn files_of_function(
    name: &ObjectName,
    arguments: &[FunctionArg],
) -> Result<Option<(ObjectName, OptionPairs)>> {
    let Some(wanted) = function_named(name) else {
        return Ok(None);
    };
    let Some((function, format)) = FUNCTIONS.iter().find(|(f, _)| *f == wanted) else {
        return Ok(None);
    };
    let mut options = vec![("format".to_string(), (*format).to_string())];
    for (i, argument) in arguments.iter().enumerate() {
        let (key, value) = match argument {
            FunctionArg::Unnamed(value) if i == 0 => (Some("path".to_string()), value),
            FunctionArg::Named { name, arg, .. } => (Some(name.value.to_ascii_lowercase()), arg),
            _ => (None, &FunctionArgExpr::Wildcard),
        };
        let (Some(key), Some(value)) = (key, constant(value)) else {
            return Err(DataFusionError::Plan(format!(
                "{function} takes a path and named constants, such as header => true, found {argument}"
            )));
        };
        options.push((key, value));
    }
    given_once(options.iter().map(|(key, _)| key.as_str()))?;
    if !options.iter().any(|(key, _)| key == "path") {
        return Err(DataFusionError::Plan(format!("{function} takes a path")));
    }
    Ok(Some((hidden(function), options)))
}

/// The table that a quoted path stands for and its options; `None` for names of tables. A path has a slash, or is in single
/// quotes and ends as files of a known format do.
///
/// # Errors
/// When the path does not tell the format.
pub(super) fn files_of_path(name: &ObjectName) -> Result<Option<(ObjectName, OptionPairs)>> {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
        return Ok(None);
    };
    let path = ident.value.as_str();
    let known = known_ending(path);
    let is_path = ident.quote_style.is_some() && path.contains('/')
        || ident.quote_style == Some('\'') && known.is_some();
    if !is_path {
        return Ok(None);
    }
    let Some((format, more)) = known else {
        return Err(DataFusionError::Plan(format!(
            "{path} does not tell the format of its files: use read_parquet, read_csv or read_json"
        )));
    };
    let more = more.iter();
    let pairs = [("format", format), ("path", path)];
    let pairs = pairs.iter().chain(more);
    let options = pairs.map(|(k, v)| ((*k).to_string(), (*v).to_string()));
    Ok(Some((hidden(path), options.collect())))
}

fn known_ending(path: &str) -> Option<(&'static str, Arguments)> {
    let lower = path.to_ascii_lowercase();
    let plain = COMPRESSIONS.iter().find_map(|c| lower.strip_suffix(c));
    let found = ENDINGS.iter().find(|(ending, format, _)| match plain {
        Some(plain) => *format != "parquet" && plain.ends_with(ending),
        None => lower.ends_with(ending),
    });
    found.map(|(_, format, more)| (*format, *more))
}

fn hidden(shown: &str) -> ObjectName {
    let parts = [FILES_CATALOG, FILES_SCHEMA, shown];
    ObjectName::from(parts.map(|part| Ident::with_quote('"', part)).to_vec())
}
