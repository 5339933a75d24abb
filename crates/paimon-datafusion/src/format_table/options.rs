//! Options of format tables: those of text formats, of partitions and of new files.
//!
//! Java: `CsvOptions`, `JsonOptions`, `TextOptions`, `CoreOptions.formatTableFileCompression`.

use std::collections::{BTreeMap, HashMap};

use paimon_catalog::{FileFormat, FormatTable};
use paimon_core::options::{parse_bool, parse_bytes};
use paimon_core::{Error, Result};

use crate::parse::METADATA_OPTION;

const TARGET_BYTES: u64 = 256 << 20;

/// What to do with a field of a CSV file that does not fit its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CsvMode {
    /// It and those after it are null.
    Permissive,
    /// Its row is left out.
    DropMalformed,
    /// The read fails.
    FailFast,
}

/// How fields stand in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvOptions {
    pub(super) delimiter: char,
    pub(super) quote: char,
    /// None when nothing escapes.
    pub(super) escape: char,
    pub(super) has_header: bool,
    pub(super) null: String,
    pub(super) mode: CsvMode,
}

/// How values stand in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    Csv(CsvOptions),
    Json {
        /// What cannot be read is null, a line that is no object is left out.
        ignores_errors: bool,
    },
    Text,
    /// Parquet and ORC describe themselves.
    Columns,
}

/// Options as typed values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileOptions {
    pub(super) encoding: Encoding,
    /// Ends a line of a text file.
    pub(super) line_delimiter: String,
    /// Codec of new files.
    pub(super) compression: String,
    /// Bytes after which a new file is begun.
    pub(super) target_bytes: u64,
    /// Name of the folder of null.
    pub(super) default_partition: String,
    /// Folders are named by the value alone.
    pub(super) only_value: bool,
    /// Folders are named by the text of the value inside of the engine: dates by days.
    pub(super) legacy_names: bool,
    /// An overwrite without PARTITION replaces the partitions of its rows alone.
    pub(super) overwrites_dynamically: bool,
}

struct Reader<'a>(&'a BTreeMap<String, String>);

impl Reader<'_> {
    fn text(&self, keys: &[&str], default: &str) -> String {
        let found = keys.iter().find_map(|key| self.0.get(*key));
        found.map_or(default, String::as_str).to_string()
    }

    fn flag(&self, keys: &[&str], default: bool) -> Result<bool> {
        match keys.iter().find_map(|key| Some((key, self.0.get(*key)?))) {
            Some((key, text)) => parse_bool(text).map_err(|e| e.with("option", *key)),
            None => Ok(default),
        }
    }

    /// The first character of an option.
    fn character(&self, keys: &[&str], default: &str) -> Result<char> {
        let text = self.text(keys, default);
        text.chars().next().ok_or_else(|| {
            let key = keys.first().copied().unwrap_or_default();
            Error::invalid("a character is expected, found nothing").with("option", key)
        })
    }
}

impl FileOptions {
    /// # Errors
    /// `InvalidInput` naming a malformed option.
    pub(super) fn new(table: &FormatTable) -> Result<Self> {
        let options = Reader(&table.options);
        let (encoding, line_keys): (_, &[&str]) = match table.format {
            FileFormat::Csv => (
                Encoding::Csv(csv(&options)?),
                &["csv.line-delimiter", "lineSep"],
            ),
            FileFormat::Json => (
                Encoding::Json {
                    ignores_errors: options.flag(&["json.ignore-parse-errors"], false)?,
                },
                &["json.line-delimiter"],
            ),
            FileFormat::Text => (Encoding::Text, &["text.line-delimiter", "lineSep"]),
            FileFormat::Parquet | FileFormat::Orc => (Encoding::Columns, &[]),
        };
        let line_delimiter = options.text(line_keys, "\n");
        if line_delimiter.is_empty() {
            let key = line_keys.first().copied().unwrap_or_default();
            return Err(Error::invalid("a line delimiter is not empty").with("option", key));
        }
        let codec = match table.format {
            FileFormat::Parquet => "snappy",
            FileFormat::Orc => "zstd",
            _ => "none",
        };
        let target = options.0.get("target-file-size");
        let target = target.map(|text| parse_bytes(text)).transpose();
        Ok(Self {
            encoding,
            line_delimiter,
            compression: options.text(
                &[
                    "file.compression",
                    "format-table.file.compression",
                    "compression",
                ],
                codec,
            ),
            target_bytes: target
                .map_err(|e| e.with("option", "target-file-size"))?
                .unwrap_or(TARGET_BYTES),
            default_partition: options.text(&["partition.default-name"], "__DEFAULT_PARTITION__"),
            only_value: options.flag(&["format-table.partition-path-only-value"], false)?,
            legacy_names: options.flag(&["partition.legacy-name"], true)?,
            overwrites_dynamically: options.flag(&["dynamic-partition-overwrite"], true)?,
        })
    }
}

fn csv(options: &Reader) -> Result<CsvOptions> {
    let delimiters = ["csv.field-delimiter", "field-delimiter", "seq", "delimiter"];
    let mode = options.text(&["csv.mode", "mode"], "permissive");
    let csv = CsvOptions {
        delimiter: options.character(&delimiters, ",")?,
        quote: options.character(&["csv.quote-character", "quote"], "\"")?,
        escape: options.character(&["csv.escape-character", "escape"], "\\")?,
        has_header: options.flag(&["csv.include-header", "header"], false)?,
        null: options.text(&["csv.null-literal", "nullvalue"], ""),
        mode: match mode.to_ascii_lowercase().as_str() {
            "permissive" => CsvMode::Permissive,
            "dropmalformed" => CsvMode::DropMalformed,
            "failfast" => CsvMode::FailFast,
            other => {
                return Err(Error::invalid(format!(
                    "permissive, dropmalformed or failfast is expected, found {other:?}"
                ))
                .with("option", "csv.mode"));
            }
        },
    };
    if csv.delimiter == '\0' {
        return Err(Error::invalid("a field delimiter is not the character 0")
            .with("option", "csv.field-delimiter"));
    }
    let same = [
        (csv.delimiter == csv.quote, "csv.quote-character"),
        (csv.delimiter == csv.escape, "csv.escape-character"),
        (
            csv.quote == csv.escape && csv.quote != '\0',
            "csv.escape-character",
        ),
    ];
    match same.iter().find(|(is_same, _)| *is_same) {
        Some((_, key)) => Err(Error::invalid(
            "the characters between, around and within fields must differ",
        )
        .with("option", *key)),
        None => Ok(csv),
    }
}

/// Refuses dynamic options that ask for what a format table has not.
///
/// # Errors
/// `Unsupported` naming the option.
pub(crate) fn refuse_options(options: &HashMap<String, String>) -> Result<()> {
    let asks_for_snapshots = |key: &&String| {
        let key = key.as_str();
        key.starts_with("scan.")
            || key.starts_with("incremental-")
            || ["consumer-id", "branch"].contains(&key)
    };
    if let Some(key) = options.keys().find(asks_for_snapshots) {
        return Err(Error::unsupported(
            "a format table has no snapshots: it is read as it is, without time travel",
        )
        .with("option", key));
    }
    match options.contains_key(METADATA_OPTION) {
        true => Err(Error::unsupported("a format table has no metadata columns")),
        false => Ok(()),
    }
}
