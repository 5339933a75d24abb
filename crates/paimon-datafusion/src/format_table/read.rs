//! Rows of one file.
//!
//! Java: `CsvFileReader`, `JsonFileReader`, `TextFileReader`, `FormatReadBuilder`. The table's format decides the reader,
//! the end of a text file's name its codec.

use std::io::Read;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow::compute::{filter_record_batch, is_null, nullif};
use arrow::datatypes::SchemaRef;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use paimon_catalog::FileFormat;
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::format::{DEFAULT_STEP_BYTES, FileReadRequest, orc, parquet};
use paimon_core::io::InputFile;
use paimon_core::predicate::Predicate;
use paimon_core::spec::{DataField, DataType};
use paimon_core::{Error, Result};
use serde_json::Value;

use super::lines::LineSplitter;
use super::options::{CsvMode, CsvOptions, Encoding, FileOptions};
use super::values::typed;
use super::{csv, json};

/// Bytes of a text file to hold at a time.
const STEP_BYTES: u64 = 4 << 20;

/// What to read of the files of a table.
#[derive(Debug, Clone)]
pub(super) struct FileReader {
    pub(super) format: FileFormat,
    pub(super) options: Arc<FileOptions>,
    /// Columns in files, in their order.
    pub(super) stored: Arc<Vec<DataField>>,
    /// Wanted ones of them, by position.
    pub(super) wanted: Arc<Vec<usize>>,
    /// A hint for Parquet and ORC.
    pub(super) predicate: Predicate,
    pub(super) batch_size: usize,
}

/// Batches with the wanted columns.
type Batches = BoxStream<'static, Result<RecordBatch>>;

impl FileReader {
    fn fields(&self) -> Vec<DataField> {
        let field = |at: &usize| self.stored.get(*at).cloned();
        self.wanted.iter().filter_map(field).collect()
    }

    /// # Errors
    /// `Damaged` for a file that breaks its format, `Unsupported` for a codec or type that is not read.
    pub(super) async fn read(self, file: InputFile) -> Result<Batches> {
        let location = file.location();
        let batches = match self.format {
            FileFormat::Parquet => parquet::read_parquet(self.request(file)).await,
            FileFormat::Orc => orc::read_orc(self.request(file)).await,
            FileFormat::Csv | FileFormat::Json | FileFormat::Text => self.read_lines(file).await,
        };
        let named = move |e: Error| e.with_default("path", &location);
        match batches {
            Ok(batches) => Ok(batches.map_err(named).boxed()),
            Err(e) => Err(named(e)),
        }
    }

    fn request(&self, file: InputFile) -> FileReadRequest {
        FileReadRequest {
            file,
            fields: self.fields(),
            selection: None,
            row_range: None,
            predicate: Some(self.predicate.clone()),
            batch_size: self.batch_size,
            step_bytes: DEFAULT_STEP_BYTES,
            with_position: false,
        }
    }

    async fn read_lines(self, file: InputFile) -> Result<Batches> {
        let source = match codec(&file)? {
            None => Source::Plain { file, at: 0 },
            Some(codec) => {
                let bytes = file.read_range(0..file.size()).await?;
                let bytes = std::io::Cursor::new(bytes);
                let bytes = codec.convert_read(bytes).map_err(|e| {
                    Error::unsupported("the codec of the file is not read").with_source(e)
                })?;
                Source::Packed(Box::new(bytes))
            }
        };
        let has_header = matches!(&self.options.encoding, Encoding::Csv(csv) if csv.has_header);
        let state = LineState {
            splitter: Some(LineSplitter::new(&self.options.line_delimiter)),
            source,
            lines: Vec::new(),
            skips: usize::from(has_header),
            schema: arrow_schema(&self.fields()),
            reader: self,
        };
        let batches = futures::stream::try_unfold(state, |mut state| async move {
            Ok(state.next().await?.map(|batch| (batch, state)))
        });
        Ok(batches.boxed())
    }

    /// The rows of lines.
    fn batch(&self, lines: &[String], schema: &SchemaRef) -> Result<RecordBatch> {
        let (columns, kept) = match &self.options.encoding {
            Encoding::Csv(options) => self.csv(lines, options)?,
            Encoding::Json { ignores_errors } => self.json(lines, *ignores_errors)?,
            Encoding::Text | Encoding::Columns => {
                let texts: StringViewArray = lines.iter().map(|l| Some(l.as_str())).collect();
                let texts: ArrayRef = Arc::new(texts);
                (vec![texts; self.wanted.len()], None)
            }
        };
        let rows = columns.first().map_or(lines.len(), |c| c.len());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let broken = |e| Error::damaged("a NOT NULL column has no value").with_source(e);
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options);
        let batch = batch.map_err(broken)?;
        match kept {
            Some(kept) => filter_record_batch(&batch, &kept)
                .map_err(|e| Error::internal("rows could not be left out").with_source(e)),
            None => Ok(batch),
        }
    }

    fn csv(
        &self,
        lines: &[String],
        options: &CsvOptions,
    ) -> Result<(Vec<ArrayRef>, Option<BooleanArray>)> {
        let count = self.wanted.iter().max().map_or(0, |last| last + 1);
        let rows: Vec<Vec<Option<String>>> = lines
            .iter()
            .map(|line| csv::parse(line, count, options))
            .collect();
        // rows whose fields from here on are no values
        let mut malformed = vec![false; rows.len()];
        let mut columns = Vec::with_capacity(self.wanted.len());
        for at in self.wanted.iter() {
            let field = self.stored.get(*at).ok_or_else(no_column)?;
            let texts: Vec<Option<&str>> = rows
                .iter()
                .map(|row| row.get(*at).and_then(Option::as_deref))
                .map(|text| text.filter(|text| *text != options.null))
                .collect();
            let read =
                typed(&texts, &field.data_type).map_err(|e| e.with("column", &field.name))?;
            if let Some(first) = read.malformed.first()
                && options.mode == CsvMode::FailFast
            {
                let text = texts.get(*first).copied().flatten().unwrap_or_default();
                return Err(Error::damaged(format!(
                    "a field of a CSV file is no {}: {text:?}",
                    field.data_type.kind
                ))
                .with("column", &field.name));
            }
            for at in &read.malformed {
                if let Some(flag) = malformed.get_mut(*at) {
                    *flag = true;
                }
            }
            columns.push(without(&read.array, &malformed, &field.data_type)?);
        }
        let kept = (options.mode == CsvMode::DropMalformed && malformed.contains(&true))
            .then(|| malformed.iter().map(|wrong| Some(!wrong)).collect());
        Ok((columns, kept))
    }

    fn json(
        &self,
        lines: &[String],
        ignores_errors: bool,
    ) -> Result<(Vec<ArrayRef>, Option<BooleanArray>)> {
        let objects: Vec<_> = lines.iter().map(|line| json::object(line)).collect();
        if !ignores_errors && let Some(at) = objects.iter().position(Option::is_none) {
            let line = lines.get(at).map_or("", String::as_str);
            let start: String = line.chars().take(100).collect();
            return Err(Error::damaged(format!(
                "a line of a JSON file is no object: {start:?}"
            )));
        }
        let mut columns = Vec::with_capacity(self.wanted.len());
        for at in self.wanted.iter() {
            let field = self.stored.get(*at).ok_or_else(no_column)?;
            let values: Vec<Option<&Value>> = objects
                .iter()
                .map(|object| object.as_ref().and_then(|o| o.get(&field.name)))
                .collect();
            let column = match values.iter().all(Option::is_none) {
                true => json::missing(&field.data_type, lines.len()),
                false => json::column(&values, &field.data_type, ignores_errors)
                    .map_err(|e| e.with("column", &field.name))?,
            };
            columns.push(column);
        }
        let kept = objects
            .iter()
            .any(Option::is_none)
            .then(|| objects.iter().map(|o| Some(o.is_some())).collect());
        Ok((columns, kept))
    }
}

fn no_column() -> Error {
    Error::internal("a wanted column is none of the file")
}

/// The column with null in the marked rows.
fn without(array: &ArrayRef, marked: &[bool], data_type: &DataType) -> Result<ArrayRef> {
    if !marked.contains(&true) {
        return Ok(array.clone());
    }
    let marked: BooleanArray = marked.iter().map(|m| Some(*m)).collect();
    nullif(array.as_ref(), &marked).map_err(|e| {
        Error::internal(format!("null has no place in a column of {data_type}")).with_source(e)
    })
}

/// Codec by the end of the file's name; `None` for plain files.
fn codec(file: &InputFile) -> Result<Option<FileCompressionType>> {
    let name = file.path().filename().unwrap_or_default();
    let (_, end) = name.rsplit_once('.').unwrap_or_default();
    let codec = match end {
        "gz" | "gzip" => "gzip",
        "bz2" => "bzip2",
        "zst" | "zstd" => "zstd",
        "xz" => "xz",
        "deflate" | "snappy" | "lz4" => {
            return Err(Error::unsupported(format!(
                "text files of codec {end:?} are not read: gz, bz2, zst and xz are"
            )));
        }
        _ => return Ok(None),
    };
    let codec = FileCompressionType::from_str(codec);
    codec
        .map(Some)
        .map_err(|e| Error::unsupported("the codec of the file is not read").with_source(e))
}

/// Where the bytes of lines come from.
enum Source {
    Plain { file: InputFile, at: u64 },
    Packed(Box<dyn Read + Send>),
}

impl Source {
    /// The next bytes; empty at the end.
    async fn next(&mut self) -> Result<Vec<u8>> {
        match self {
            Self::Plain { file, at } => {
                let end = file.size().min(*at + STEP_BYTES);
                if *at >= end {
                    return Ok(Vec::new());
                }
                let bytes = file.read_range(*at..end).await?;
                *at = end;
                Ok(bytes.to_vec())
            }
            Self::Packed(bytes) => {
                let mut step = Vec::new();
                let read = bytes.take(STEP_BYTES).read_to_end(&mut step);
                read.map_err(|e| Error::damaged("the file cannot be unpacked").with_source(e))?;
                Ok(step)
            }
        }
    }
}

struct LineState {
    reader: FileReader,
    source: Source,
    /// None at the end of the file.
    splitter: Option<LineSplitter>,
    /// Lines that are not read yet.
    lines: Vec<String>,
    /// Lines that are no rows, at the start.
    skips: usize,
    schema: SchemaRef,
}

impl LineState {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        while self.lines.len() < self.reader.batch_size + self.skips
            && let Some(splitter) = &mut self.splitter
        {
            let bytes = self.source.next().await?;
            if bytes.is_empty() {
                let last = self.splitter.take().and_then(LineSplitter::finish);
                self.lines.extend(last);
            } else {
                splitter.push(&bytes, &mut self.lines);
            }
        }
        let skipped = self.skips.min(self.lines.len());
        self.lines.drain(..skipped);
        self.skips -= skipped;
        if self.lines.is_empty() {
            return Ok(None);
        }
        let rest = self
            .lines
            .split_off(self.reader.batch_size.min(self.lines.len()));
        let lines = std::mem::replace(&mut self.lines, rest);
        self.reader.batch(&lines, &self.schema).map(Some)
    }
}

/// Refuses null in NOT NULL columns of rows to write.
pub(super) fn check_nulls(batch: &RecordBatch, fields: &[DataField]) -> Result<()> {
    for (column, field) in batch.columns().iter().zip(fields) {
        let has_null = || is_null(column.as_ref()).is_ok_and(|nulls| nulls.true_count() > 0);
        if !field.data_type.nullable && has_null() {
            return Err(
                Error::invalid("a NOT NULL column has no value").with("column", &field.name)
            );
        }
    }
    Ok(())
}
