//! `FILE_FORMAT = (TYPE = .., key = value, ..)`.
//!
//! Source: `CopyFileFormat`.

use std::str::FromStr;

use datafusion::config::{CsvOptions, JsonOptions, TableParquetOptions};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_core::Error;

use super::equals;
use crate::error::to_datafusion;
use crate::parse::Cursor;

/// The clause as parsed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FileFormat {
    /// In upper case.
    kind: String,
    /// Keys in upper case; a value is a list where parentheses are around it.
    options: Vec<(String, Vec<String>)>,
}

/// How files are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ImportFormat {
    Csv(CsvFormat, TextFormat),
    Json { multi_line: bool, text: TextFormat },
    Parquet,
}

/// How lines of CSV are taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CsvFormat {
    pub(super) delimiter: char,
    pub(super) quote: char,
    pub(super) escape: char,
    pub(super) has_header: bool,
}

/// What text formats have in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TextFormat {
    /// Texts that stand for null.
    pub(super) nulls: Vec<String>,
    pub(super) empty_is_null: bool,
    /// None: by the end of a file's name.
    pub(super) compression: Option<FileCompressionType>,
}

/// How files are written.
#[derive(Debug, Clone)]
pub(super) enum ExportFormat {
    Csv(CsvOptions),
    Json(JsonOptions),
    Parquet(Box<TableParquetOptions>),
}

impl FileFormat {
    /// Reads behind `FILE_FORMAT =`.
    pub(super) fn parse(cursor: &mut Cursor) -> Result<Self> {
        if !cursor.eat(&Token::LParen) {
            return cursor.expected("(");
        }
        let (mut kind, mut options) = (None, Vec::new());
        loop {
            let key = match cursor.take() {
                Some(Token::Word(word)) => word.value.to_ascii_uppercase(),
                _ => return cursor.expected("the name of an option"),
            };
            equals(cursor)?;
            let value = value(cursor)?;
            let is_known =
                options.iter().any(|(k, _)| *k == key) || (key == "TYPE" && kind.is_some());
            if is_known {
                return Err(DataFusionError::Plan(format!(
                    "option {key} is given twice"
                )));
            }
            match (key.as_str(), value.as_slice()) {
                ("TYPE", [one]) => kind = Some(one.to_ascii_uppercase()),
                _ => options.push((key, value)),
            }
            if cursor.eat(&Token::RParen) {
                break;
            }
            if !cursor.eat(&Token::Comma) {
                return cursor.expected(", or )");
            }
        }
        match kind {
            Some(kind) => Ok(Self { kind, options }),
            None => cursor.expected("TYPE = CSV, JSON or PARQUET in FILE_FORMAT"),
        }
    }

    /// # Errors
    /// `Unsupported` naming a type or option that is not known for reading, `InvalidInput` naming one that is malformed.
    pub(super) fn for_import(&self) -> Result<ImportFormat> {
        self.import_format().map_err(to_datafusion)
    }

    fn import_format(&self) -> paimon_core::Result<ImportFormat> {
        match self.kind.as_str() {
            "CSV" => {
                self.check(&[
                    "FIELD_DELIMITER",
                    "SKIP_HEADER",
                    "QUOTE",
                    "ESCAPE",
                    "NULL_IF",
                    "EMPTY_FIELD_AS_NULL",
                    "COMPRESSION",
                ])?;
                let csv = CsvFormat {
                    delimiter: self.character("FIELD_DELIMITER", ',')?,
                    quote: self.character("QUOTE", '"')?,
                    escape: self.character("ESCAPE", '\\')?,
                    has_header: match self.single("SKIP_HEADER")? {
                        None | Some("0") => false,
                        Some("1") => true,
                        Some(other) => return Err(wrong("SKIP_HEADER", "0 or 1", other)),
                    },
                };
                Ok(ImportFormat::Csv(csv, self.text_format()?))
            }
            "JSON" => {
                self.check(&[
                    "MULTI_LINE",
                    "NULL_IF",
                    "EMPTY_FIELD_AS_NULL",
                    "COMPRESSION",
                ])?;
                Ok(ImportFormat::Json {
                    multi_line: self.flag("MULTI_LINE")?,
                    text: self.text_format()?,
                })
            }
            "PARQUET" => {
                self.check(&["COMPRESSION"])?;
                // the files tell; what is said is checked all the same
                self.parquet_codec()?;
                Ok(ImportFormat::Parquet)
            }
            other => Err(unknown_type(other)),
        }
    }

    /// # Errors
    /// As [`Self::for_import`], for writing.
    pub(super) fn for_export(&self) -> Result<ExportFormat> {
        self.export_format().map_err(to_datafusion)
    }

    fn export_format(&self) -> paimon_core::Result<ExportFormat> {
        match self.kind.as_str() {
            "CSV" => {
                self.check(&[
                    "FIELD_DELIMITER",
                    "HEADER",
                    "QUOTE",
                    "ESCAPE",
                    "COMPRESSION",
                ])?;
                let mut csv = CsvOptions::default()
                    .with_has_header(self.flag("HEADER")?)
                    .with_delimiter(self.byte("FIELD_DELIMITER", b',')?)
                    .with_quote(self.byte("QUOTE", b'"')?);
                if self.single("ESCAPE")?.is_some() {
                    csv.escape = Some(self.byte("ESCAPE", b'\\')?);
                    csv.double_quote = Some(csv.escape == Some(csv.quote));
                }
                csv.compression = self
                    .codec()?
                    .unwrap_or(FileCompressionType::UNCOMPRESSED)
                    .into();
                Ok(ExportFormat::Csv(csv))
            }
            "JSON" => {
                self.check(&["COMPRESSION"])?;
                let codec = self.codec()?.unwrap_or(FileCompressionType::UNCOMPRESSED);
                Ok(ExportFormat::Json(JsonOptions {
                    compression: codec.into(),
                    ..JsonOptions::default()
                }))
            }
            "PARQUET" => {
                self.check(&["COMPRESSION"])?;
                let mut parquet = TableParquetOptions::default();
                parquet.global.compression = Some(self.parquet_codec()?.to_string());
                Ok(ExportFormat::Parquet(Box::new(parquet)))
            }
            other => Err(unknown_type(other)),
        }
    }

    /// Refuses options that nobody would look at.
    fn check(&self, known: &[&str]) -> paimon_core::Result<()> {
        match self
            .options
            .iter()
            .find(|(key, _)| !known.contains(&key.as_str()))
        {
            None => Ok(()),
            Some((key, _)) => Err(Error::unsupported(format!(
                "option {key} of FILE_FORMAT is not supported here for TYPE = {}: there are {}",
                self.kind,
                known.join(", ")
            ))
            .with("option", key)),
        }
    }

    fn get(&self, key: &str) -> Option<&[String]> {
        let found = self.options.iter().find(|(k, _)| k == key);
        found.map(|(_, value)| value.as_slice())
    }

    fn single(&self, key: &str) -> paimon_core::Result<Option<&str>> {
        match self.get(key) {
            None => Ok(None),
            Some([one]) => Ok(Some(one)),
            Some(many) => Err(wrong(key, "one value", &many.join(", "))),
        }
    }

    fn flag(&self, key: &str) -> paimon_core::Result<bool> {
        match self.single(key)? {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(wrong(key, "TRUE or FALSE", text)),
        }
    }

    fn character(&self, key: &str, default: char) -> paimon_core::Result<char> {
        let Some(text) = self.single(key)? else {
            return Ok(default);
        };
        let mut chars = text.chars();
        match (text, chars.next(), chars.next()) {
            ("\\t", ..) => Ok('\t'),
            (_, Some(one), None) => Ok(one),
            _ => Err(wrong(key, "one character", text)),
        }
    }

    fn byte(&self, key: &str, default: u8) -> paimon_core::Result<u8> {
        let found = self.character(key, char::from(default))?;
        u8::try_from(found)
            .ok()
            .filter(u8::is_ascii)
            .ok_or_else(|| wrong(key, "a character of ASCII", &found.to_string()))
    }

    fn text_format(&self) -> paimon_core::Result<TextFormat> {
        Ok(TextFormat {
            nulls: self.get("NULL_IF").unwrap_or_default().to_vec(),
            empty_is_null: self.flag("EMPTY_FIELD_AS_NULL")?,
            compression: self.codec()?,
        })
    }

    fn codec(&self) -> paimon_core::Result<Option<FileCompressionType>> {
        let Some(text) = self.single("COMPRESSION")? else {
            return Ok(None);
        };
        let name = match text.to_ascii_uppercase().as_str() {
            "NONE" | "UNCOMPRESSED" => return Ok(Some(FileCompressionType::UNCOMPRESSED)),
            known @ ("GZIP" | "BZIP2" | "XZ" | "ZSTD") => known.to_string(),
            _ => return Err(wrong("COMPRESSION", "GZIP, BZIP2, XZ, ZSTD or NONE", text)),
        };
        let codec = FileCompressionType::from_str(&name);
        codec
            .map(Some)
            .map_err(|e| Error::unsupported("the codec is not known").with_source(e))
    }

    /// DataFusion's name of a codec of Parquet.
    fn parquet_codec(&self) -> paimon_core::Result<&'static str> {
        let text = self.single("COMPRESSION")?.unwrap_or("SNAPPY");
        Ok(match text.to_ascii_uppercase().as_str() {
            "SNAPPY" => "snappy",
            "GZIP" => "gzip(6)",
            "ZSTD" => "zstd(3)",
            "BROTLI" => "brotli(4)",
            "LZ4" | "LZ4_RAW" => "lz4_raw",
            "NONE" | "UNCOMPRESSED" => "uncompressed",
            _ => {
                let known = "SNAPPY, GZIP, ZSTD, BROTLI, LZ4_RAW or NONE";
                return Err(wrong("COMPRESSION", known, text));
            }
        })
    }
}

/// A text, word or number, or several texts in parentheses.
fn value(cursor: &mut Cursor) -> Result<Vec<String>> {
    if let Ok(text) = cursor.string() {
        return Ok(vec![text]);
    }
    match cursor.take() {
        Some(Token::Word(word)) => Ok(vec![word.value]),
        Some(Token::Number(digits, _)) => Ok(vec![digits]),
        Some(Token::LParen) => {
            let mut values = vec![cursor.string()?];
            while cursor.eat(&Token::Comma) {
                values.push(cursor.string()?);
            }
            match cursor.eat(&Token::RParen) {
                true => Ok(values),
                false => cursor.expected(", or )"),
            }
        }
        _ => cursor.expected("a value"),
    }
}

fn unknown_type(kind: &str) -> Error {
    Error::unsupported(format!(
        "files of TYPE = {kind} are not supported: CSV, JSON and PARQUET are"
    ))
    .with("option", "TYPE")
}

fn wrong(key: &str, expected: &str, found: &str) -> Error {
    Error::invalid(format!(
        "option {key} of FILE_FORMAT must be {expected}, found {found:?}"
    ))
    .with("option", key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn format(text: &str) -> FileFormat {
        FileFormat::parse(&mut Cursor::from_sql(text).unwrap()).unwrap()
    }

    #[test]
    fn options_have_the_defaults_of_java() {
        let ImportFormat::Csv(csv, text) = format("(TYPE = csv)").for_import().unwrap() else {
            panic!("no CSV");
        };
        assert_eq!((csv.delimiter, csv.quote, csv.escape), (',', '"', '\\'));
        assert!(!csv.has_header && text.nulls.is_empty() && text.compression.is_none());
        let own = "(TYPE = CSV, FIELD_DELIMITER = '\\t', SKIP_HEADER = 1, QUOTE = '''', NULL_IF = ('NULL', '\\N'), \
                   EMPTY_FIELD_AS_NULL = TRUE, COMPRESSION = GZIP)";
        let ImportFormat::Csv(csv, text) = format(own).for_import().unwrap() else {
            panic!("no CSV");
        };
        assert_eq!(
            (csv.delimiter, csv.quote, csv.has_header),
            ('\t', '\'', true)
        );
        assert_eq!(text.nulls, ["NULL", "\\N"]);
        assert!(text.empty_is_null);
        assert_eq!(text.compression, Some(FileCompressionType::GZIP));
        let ExportFormat::Parquet(parquet) = format("(TYPE = PARQUET)").for_export().unwrap()
        else {
            panic!("no Parquet");
        };
        assert_eq!(parquet.global.compression.as_deref(), Some("snappy"));
    }

    #[test]
    fn what_nobody_would_look_at_is_refused_by_name() {
        for (text, named) in [
            ("(TYPE = ORC)", "ORC"),
            ("(TYPE = CSV, HEADER = TRUE)", "HEADER"),
            ("(TYPE = CSV, MODE = 'PERMISSIVE')", "MODE"),
            ("(TYPE = CSV, SKIP_HEADER = 2)", "SKIP_HEADER"),
            ("(TYPE = CSV, QUOTE = 'ab')", "QUOTE"),
            ("(TYPE = CSV, COMPRESSION = LZO)", "LZO"),
            ("(TYPE = JSON, MULTI_LINE = 'maybe')", "MULTI_LINE"),
            ("(TYPE = PARQUET, NULL_IF = ('x'))", "NULL_IF"),
        ] {
            let error = format(text).for_import().unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        for (text, named) in [
            ("(TYPE = CSV, SKIP_HEADER = 1)", "SKIP_HEADER"),
            ("(TYPE = CSV, FIELD_DELIMITER = 'é')", "FIELD_DELIMITER"),
            ("(TYPE = JSON, DATE_FORMAT = 'yyyy')", "DATE_FORMAT"),
            ("(TYPE = PARQUET, COMPRESSION = LZO)", "LZO"),
        ] {
            let error = format(text).for_export().unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        for text in [
            "()",
            "(TYPE = CSV QUOTE = 'x')",
            "(TYPE = CSV, TYPE = JSON)",
            "(QUOTE = 'x')",
        ] {
            let parsed = FileFormat::parse(&mut Cursor::from_sql(text).unwrap());
            assert!(parsed.is_err(), "{text}");
        }
    }
}
