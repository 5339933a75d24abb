//! Files as tables: `read_parquet('path')`, `read_csv('path', delimiter => ';')`, `read_json('path')` and `FROM 'path'`.
//!
//! The parser makes of them the name of a table in a catalog that no list shows, with path and arguments as options (see
//! `parse::files`); here the name becomes a table.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::prelude::{CsvReadOptions, JsonReadOptions, ParquetReadOptions, SessionContext};
use futures::TryStreamExt;
use paimon_core::{Error, ErrorKind};
use parking_lot::RwLock;

use crate::error::to_datafusion;
use crate::parse::{FILES_SCHEMA, plain_and_options};

/// The catalog and the only database of files, for a session that it does not keep alive.
#[derive(Clone)]
pub(super) struct Files {
    state: Weak<RwLock<SessionState>>,
}

impl Files {
    pub(super) fn new(state: Weak<RwLock<SessionState>>) -> Self {
        Self { state }
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl CatalogProvider for Files {
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        (name == FILES_SCHEMA).then(|| Arc::new(self.clone()) as Arc<dyn SchemaProvider>)
    }
}

#[async_trait]
impl SchemaProvider for Files {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let (Some((_, options)), Some(state)) = (plain_and_options(name), self.state.upgrade())
        else {
            return Ok(None);
        };
        let state = state.read().clone();
        let files = FileTable::new(options)?;
        let path = files.path.clone();
        let opened = files.open(&SessionContext::new_with_state(state)).await;
        opened.map(Some).map_err(|e| without_file(e, &path))
    }

    fn table_exist(&self, name: &str) -> bool {
        plain_and_options(name).is_some()
    }
}

/// A missing file is a wrong path and no damage.
fn without_file(error: DataFusionError, path: &str) -> DataFusionError {
    match error.find_root() {
        DataFusionError::ObjectStore(e) if matches!(**e, object_store::Error::NotFound { .. }) => {
            no_file(path)
        }
        _ => error,
    }
}

fn no_file(path: &str) -> DataFusionError {
    to_datafusion(
        Error::new(
            ErrorKind::NotFound,
            "there is no such file, or a folder without one",
        )
        .with("path", path),
    )
}

/// What to read and how.
struct FileTable {
    format: String,
    path: String,
    compression: FileCompressionType,
    has_header: bool,
    delimiter: u8,
    quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
}

impl FileTable {
    /// # Errors
    /// For an argument that the format does not have, and one of another type.
    fn new(options: Vec<(String, String)>) -> Result<Self> {
        let csv = CsvReadOptions::new();
        let mut table = Self {
            format: String::new(),
            path: String::new(),
            compression: FileCompressionType::UNCOMPRESSED,
            has_header: csv.has_header,
            delimiter: csv.delimiter,
            quote: csv.quote,
            escape: None,
            comment: None,
        };
        for (key, value) in options {
            match key.as_str() {
                "format" => table.format = value,
                "path" => table.path = value,
                _ => table.argument(&key, &value)?,
            }
        }
        table.compression = compression_of(&table.path);
        Ok(table)
    }

    /// Takes an argument of CSV files.
    fn argument(&mut self, key: &str, value: &str) -> Result<()> {
        if self.format != "csv" {
            return Err(DataFusionError::Plan(format!(
                "read_{} takes a path alone, found the argument {key}",
                self.format
            )));
        }
        let byte = || match value.as_bytes() {
            [byte] => Ok(*byte),
            _ => Err(wrong(key, "one character of ASCII", value)),
        };
        match key {
            "header" => {
                let parsed = value.to_ascii_lowercase().parse();
                self.has_header = parsed.map_err(|_| wrong(key, "true or false", value))?;
            }
            "delimiter" => self.delimiter = byte()?,
            "quote" => self.quote = byte()?,
            "escape" => self.escape = Some(byte()?),
            "comment" => self.comment = Some(byte()?),
            _ => {
                return Err(DataFusionError::Plan(format!(
                    "read_csv takes path, header, delimiter, quote, escape and comment, found {key}"
                )));
            }
        }
        Ok(())
    }

    async fn open(&self, context: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        let url = ListingTableUrl::parse(&self.path)?;
        // of a folder the files with the ending of the format, else what the path or pattern says
        let is_folder = url.is_collection() && url.get_glob().is_none();
        let ending = match is_folder {
            true => format!(".{}", self.format),
            false => String::new(),
        };
        let path = self.path.as_str();
        let state = context.state();
        let store = context.runtime_env().object_store(&url);
        let store = store.map_err(|_| no_store(&self.format, &url))?;
        let mut files = url.list_all_files(&state, store.as_ref(), &ending).await?;
        if files.try_next().await?.is_none() {
            return Err(no_file(path));
        }
        let rows = match self.format.as_str() {
            "parquet" => {
                let options = ParquetReadOptions {
                    file_extension: &ending,
                    ..ParquetReadOptions::default()
                };
                context.read_parquet(path, options).await?
            }
            "json" => {
                let options = JsonReadOptions {
                    file_extension: &ending,
                    file_compression_type: self.compression,
                    ..JsonReadOptions::default()
                };
                context.read_json(path, options).await?
            }
            _ => {
                let mut options = CsvReadOptions::new()
                    .has_header(self.has_header)
                    .delimiter(self.delimiter)
                    .quote(self.quote)
                    .file_extension(&ending)
                    .file_compression_type(self.compression);
                (options.escape, options.comment) = (self.escape, self.comment);
                context.read_csv(path, options).await?
            }
        };
        Ok(rows.into_view())
    }
}

fn no_store(format: &str, url: &ListingTableUrl) -> DataFusionError {
    let scheme = url.scheme();
    DataFusionError::Plan(format!(
        "read_{format} takes local files and those of stores that the session knows, {scheme}:// is none: COPY INTO loads \
         files of the catalog's stores"
    ))
}

fn wrong(key: &str, expected: &str, found: &str) -> DataFusionError {
    DataFusionError::Plan(format!("read_csv: {key} is {expected}, found {found:?}"))
}

/// As the name of a file ends.
fn compression_of(path: &str) -> FileCompressionType {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "gz" => FileCompressionType::GZIP,
        "bz2" => FileCompressionType::BZIP2,
        "xz" => FileCompressionType::XZ,
        "zst" => FileCompressionType::ZSTD,
        _ => FileCompressionType::UNCOMPRESSED,
    }
}
