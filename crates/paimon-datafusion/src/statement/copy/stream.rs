//! The rows of one file, part by part.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::datasource::file_format::FileFormat as _;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use paimon_core::Error;

use super::format::{CsvFormat, ImportFormat, TextFormat};
use super::place::{Place, SourceFile};
use super::rows::{Columns, Rows};
use super::{csv, json};
use crate::error::to_datafusion;
use crate::format_table::LineSplitter;

/// Longest line, bytes.
const LINE_MAX: usize = 64 << 20;

/// Parts of a file.
pub(super) type Parts = BoxStream<'static, Result<Rows>>;

/// Reads files of one format.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) format: ImportFormat,
    pub(super) columns: Arc<Columns>,
    pub(super) place: Place,
    pub(super) state: SessionState,
}

impl Reader {
    /// # Errors
    /// When the file cannot be opened or its types do not fit the columns.
    pub(super) async fn open(&self, file: &SourceFile) -> Result<Parts> {
        match &self.format {
            ImportFormat::Csv(csv, text) => {
                let lines = self.lines(file, text, csv.has_header).await?;
                let (columns, csv, text) = (self.columns.clone(), csv.clone(), text.clone());
                let parts = lines.map(move |part| fields(&columns, &part?, &csv, &text));
                Ok(parts.boxed())
            }
            ImportFormat::Json { multi_line, text } => {
                let (columns, own) = (self.columns.clone(), text.clone());
                if *multi_line {
                    return self.whole(file, text).await;
                }
                let lines = self.lines(file, text, false).await?;
                let parts = lines.map(move |part| {
                    let records: Vec<_> = part?.iter().map(|l| json::record(l)).collect();
                    columns.of_records(&records, &own).map_err(to_datafusion)
                });
                Ok(parts.boxed())
            }
            ImportFormat::Parquet => self.parquet(file).await,
        }
    }

    /// The bytes of a text file, unpacked.
    async fn bytes(
        &self,
        file: &SourceFile,
        text: &TextFormat,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let codec = text.compression.unwrap_or_else(|| by_name(&file.name));
        let bytes = self.place.store.get(&file.meta.location).await?;
        let bytes = bytes.into_stream().map_err(DataFusionError::from);
        codec.convert_stream(bytes.boxed())
    }

    /// Lines that are not blank.
    async fn lines(
        &self,
        file: &SourceFile,
        text: &TextFormat,
        has_header: bool,
    ) -> Result<BoxStream<'static, Result<Vec<String>>>> {
        let state = Lines {
            bytes: self.bytes(file, text).await?,
            splitter: Some(LineSplitter::new("\n")),
            pending: Vec::new(),
            open: 0,
            waiting: VecDeque::new(),
            skips_first: has_header,
            batch_size: self.state.config().batch_size().max(1),
            line_max: LINE_MAX,
        };
        let parts = futures::stream::try_unfold(state, |mut state| async move {
            Ok(state.next().await?.map(|lines| (lines, state)))
        });
        Ok(parts.boxed())
    }

    /// The records of a file of one JSON text.
    async fn whole(&self, file: &SourceFile, text: &TextFormat) -> Result<Parts> {
        let mut bytes = self.bytes(file, text).await?;
        let mut all = Vec::new();
        while let Some(next) = bytes.next().await {
            all.extend_from_slice(&next?);
            if all.len() > json::WHOLE_MAX {
                let message = format!(
                    "a file with MULTI_LINE = TRUE is read as a whole: at most {} bytes are expected",
                    json::WHOLE_MAX
                );
                return Err(to_datafusion(
                    Error::unsupported(message).with("path", &file.hadoop_path),
                ));
            }
        }
        let records = json::records(&all);
        drop(all);
        let size = self.state.config().batch_size().max(1);
        let (columns, text) = (self.columns.clone(), text.clone());
        let parts = futures::stream::try_unfold(records.into_iter(), move |mut rest| {
            let next: Vec<_> = rest.by_ref().take(size).collect();
            let rows = match next.is_empty() {
                true => Ok(None),
                false => columns.of_records(&next, &text).map(Some),
            };
            async move { Ok(rows.map_err(to_datafusion)?.map(|rows| (rows, rest))) }
        });
        Ok(parts.boxed())
    }

    /// Parquet files are read by DataFusion's own source; columns are found by name, in any case.
    async fn parquet(&self, file: &SourceFile) -> Result<Parts> {
        let objects = [file.meta.clone()];
        let schema = ParquetFormat::default()
            .with_options(self.state.default_table_options().parquet)
            .infer_schema(&self.state, &self.place.store, &objects)
            .await?;
        let found = self.positions(&schema);
        let wanted: Vec<usize> = found.iter().flatten().copied().collect();
        self.check(&schema, &found)?;
        let source = Arc::new(ParquetSource::new(schema));
        let config = FileScanConfigBuilder::new(self.place.url.clone(), source)
            .with_projection_indices(Some(wanted))?
            .with_file(PartitionedFile::new_from_meta(file.meta.clone()))
            .build();
        let context = Arc::new(TaskContext::from(&self.state));
        let batches = DataSourceExec::from_data_source(config).execute(0, context)?;
        let columns = self.columns.clone();
        let parts = batches.map(move |batch| {
            let batch = batch?;
            let mut given = batch.columns().iter().cloned();
            let arrays: Vec<Option<ArrayRef>> = found
                .iter()
                .map(|at| at.and_then(|_| given.next()))
                .collect();
            let rows = columns.of_columns(&arrays, batch.num_rows());
            rows.map_err(to_datafusion)
        });
        Ok(parts.boxed())
    }

    /// Where the file has each column.
    fn positions(&self, schema: &SchemaRef) -> Vec<Option<usize>> {
        let fields = schema.fields();
        let position = |name: &str| {
            let exact = fields.iter().position(|f| f.name() == name);
            exact.or_else(|| {
                fields
                    .iter()
                    .position(|f| f.name().eq_ignore_ascii_case(name))
            })
        };
        let wanted = self.columns.fields().iter();
        wanted.map(|field| position(&field.name)).collect()
    }

    /// Types that never fit are an error of the statement.
    fn check(&self, schema: &SchemaRef, found: &[Option<usize>]) -> Result<()> {
        let own = self.columns.schema.fields().iter();
        let given: Vec<_> = own
            .zip(found)
            .map(|(own, at)| {
                at.and_then(|at| schema.fields().get(at))
                    .unwrap_or(own)
                    .clone()
            })
            .collect();
        let given = Arc::new(arrow::datatypes::Schema::new(given));
        let checked = self.columns.check(&given);
        checked.map_err(|e| DataFusionError::Plan(e.to_string()))
    }
}

fn fields(columns: &Columns, lines: &[String], csv: &CsvFormat, text: &TextFormat) -> Result<Rows> {
    let records: Vec<_> = lines.iter().map(|line| csv::fields(line, csv)).collect();
    columns.of_fields(&records, text).map_err(to_datafusion)
}

/// Codec by the end of a file's name.
fn by_name(name: &str) -> FileCompressionType {
    let (_, end) = name.rsplit_once('.').unwrap_or_default();
    match end {
        "gz" | "bz2" | "xz" | "zst" => {
            FileCompressionType::from_str(end).unwrap_or(FileCompressionType::UNCOMPRESSED)
        }
        _ => FileCompressionType::UNCOMPRESSED,
    }
}

struct Lines {
    bytes: BoxStream<'static, Result<Bytes>>,
    /// None at the end of the file.
    splitter: Option<LineSplitter>,
    /// Bytes without the end of a line, which the splitter has not seen.
    pending: Vec<u8>,
    /// Length of the line that has begun.
    open: usize,
    waiting: VecDeque<String>,
    skips_first: bool,
    batch_size: usize,
    /// Longest line, bytes.
    line_max: usize,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Vec<String>>> {
        while self.waiting.len() < self.batch_size
            && let Some(splitter) = &mut self.splitter
        {
            let mut found = Vec::new();
            match self.bytes.next().await {
                Some(bytes) => {
                    let bytes = bytes?;
                    let end = bytes.iter().rposition(|b| matches!(b, b'\n' | b'\r'));
                    self.open = end.map_or(self.open + bytes.len(), |at| bytes.len() - at - 1);
                    if self.open > self.line_max {
                        return Err(too_long(self.line_max));
                    }
                    self.pending.extend_from_slice(&bytes);
                    // the splitter looks at all bytes of a line that has begun: they come to it once
                    if end.is_some() {
                        splitter.push(&self.pending, &mut found);
                        self.pending.clear();
                    }
                }
                None => {
                    splitter.push(&self.pending, &mut found);
                    found.extend(self.splitter.take().and_then(LineSplitter::finish));
                }
            }
            found.retain(|line| !line.trim().is_empty());
            if self.skips_first && !found.is_empty() {
                found.remove(0);
                self.skips_first = false;
            }
            self.waiting.extend(found);
        }
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let count = self.batch_size.min(self.waiting.len());
        Ok(Some(self.waiting.drain(..count).collect()))
    }
}

fn too_long(line_max: usize) -> DataFusionError {
    to_datafusion(Error::unsupported(format!(
        "a line of more than {line_max} bytes is not read"
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(pieces: Vec<Bytes>, skips_first: bool) -> Lines {
        Lines {
            bytes: futures::stream::iter(pieces.into_iter().map(Ok)).boxed(),
            splitter: Some(LineSplitter::new("\n")),
            pending: Vec::new(),
            open: 0,
            waiting: VecDeque::new(),
            skips_first,
            batch_size: 2,
            line_max: 64,
        }
    }

    #[tokio::test]
    async fn lines_come_in_batches_wherever_pieces_end() {
        let pieces = ["he", "ad\r", "\na\n\nb", "b", "b\nc\nd"];
        let pieces = pieces.map(|p| Bytes::from_static(p.as_bytes()));
        let mut lines = lines(pieces.to_vec(), true);
        assert_eq!(lines.next().await.unwrap().unwrap(), ["a", "bbb"]);
        assert_eq!(lines.next().await.unwrap().unwrap(), ["c", "d"]);
        assert!(lines.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_refused() {
        let piece = Bytes::from_static(b"xxxxxxxx");
        let mut pieces = vec![piece.clone(); 8];
        let whole = lines(pieces.clone(), false).next().await.unwrap().unwrap();
        assert_eq!(whole[0].len(), 64);
        pieces.push(piece);
        let error = lines(pieces, false).next().await.unwrap_err();
        assert!(error.to_string().contains("more than 64 bytes"), "{error}");
    }
}
