//! Schema files of a table: `schema/schema-<id>`.
//!
//! Source: `SchemaManager`. Schema files are immutable, so loaded ones are kept.

mod alter;
mod create;
mod merging;
mod replace;
mod validation;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

pub(crate) use alter::options_in_names_of;
pub use alter::{ColumnPath, ColumnPosition, SchemaChange};
pub use create::{NewColumn, NewTable};
pub use merging::{SchemaMerging, column_position};
pub(crate) use replace::changed_meanwhile;
pub use validation::validate_schema;

use crate::codec::parse_json;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileIo, FileStatus, is_not_found};
use crate::spec::TableSchema;

/// Largest schema file that is accepted, bytes.
const SCHEMA_SIZE_MAX: u64 = 64 << 20;

/// Reads the schema files of one table or branch.
#[derive(Debug, Clone)]
pub struct SchemaManager {
    io: FileIo,
    folder: String,
    cache: Arc<Mutex<HashMap<i64, Arc<TableSchema>>>>,
    /// The newest file when it was looked for first.
    found: Arc<OnceLock<FileStatus>>,
}

impl SchemaManager {
    /// Schemas below `root`, the folder of a table or branch.
    pub fn new(io: FileIo, root: &str) -> Self {
        Self {
            io,
            folder: format!("{root}/schema"),
            cache: Arc::default(),
            found: Arc::default(),
        }
    }

    /// Ids of all schema files, ascending.
    pub async fn ids(&self) -> Result<Vec<i64>> {
        let files = self.io.list_files(&self.folder).await?;
        Ok(numbered(&files, "schema-"))
    }

    /// The newest schema; `None` when there is none (the folder is no table).
    pub async fn latest(&self) -> Result<Option<Arc<TableSchema>>> {
        match self.newest_file().await? {
            Some((id, file)) => {
                self.found.get_or_init(|| file);
                self.schema(id).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Whether the newest schema file is the one that [`Self::latest`] found first: nobody changed the schema, and
    /// nobody dropped the table and made another one in its place. Takes one listing; false before the first look.
    pub async fn is_current(&self) -> Result<bool> {
        let newest = self.newest_file().await?.map(|(_, file)| file);
        Ok(newest.is_some() && newest.as_ref() == self.found.get())
    }

    /// The newest schema, and whether the table is the one that was opened: the schema file that [`Self::latest`] found
    /// first is there as it was. Yes for a table whose schema came from elsewhere.
    ///
    /// # Errors
    /// `Damaged` when a schema is missing or malformed.
    pub(crate) async fn latest_of_same(&self) -> Result<(Option<Arc<TableSchema>>, bool)> {
        let files = self.io.list_files(&self.folder).await?;
        let same = match self.found.get() {
            Some(found) if !files.contains(found) => self.is_content_of(&found.name).await?,
            _ => true,
        };
        match numbered(&files, "schema-").last() {
            Some(id) => Ok((Some(self.schema(*id).await?), same)),
            None => Ok((None, same)),
        }
    }

    /// Whether a schema file that was written anew, as by a fast-forward, holds the schema that it held.
    async fn is_content_of(&self, name: &str) -> Result<bool> {
        let Some(id) = name.strip_prefix("schema-").and_then(|id| id.parse().ok()) else {
            return Ok(false);
        };
        let known = self.cache.lock().get(&id).cloned();
        let Some(known) = known else { return Ok(true) };
        let path = format!("{}/{name}", self.folder);
        let Some(bytes) = self
            .io
            .uncached()
            .read_optional(&path, SCHEMA_SIZE_MAX)
            .await?
        else {
            return Ok(false);
        };
        let found: TableSchema =
            parse_json(&bytes, "schema").map_err(|e| e.with_default("path", &path))?;
        Ok(found.time_millis == known.time_millis)
    }

    async fn newest_file(&self) -> Result<Option<(i64, FileStatus)>> {
        let files = self.io.list_files(&self.folder).await?;
        let files = files.into_iter().filter_map(|file| {
            let id = file.name.strip_prefix("schema-")?.parse().ok()?;
            Some((id, file))
        });
        Ok(files.max_by_key(|(id, _)| *id))
    }

    /// Schema by id.
    ///
    /// # Errors
    /// `Damaged` when the file is missing or malformed.
    pub async fn schema(&self, id: i64) -> Result<Arc<TableSchema>> {
        if let Some(schema) = self.cache.lock().get(&id) {
            return Ok(schema.clone());
        }
        let path = format!("{}/schema-{id}", self.folder);
        let bytes = self.io.read(&path, SCHEMA_SIZE_MAX).await.map_err(|e| {
            if is_not_found(&e) {
                Error::damaged(format!("schema {id} does not exist")).with("path", &path)
            } else {
                e
            }
        })?;
        let schema: TableSchema =
            parse_json(&bytes, "schema").map_err(|e| e.with_default("path", &path))?;
        if schema.id != id {
            return Err(
                Error::damaged(format!("schema file {id} holds the id {}", schema.id))
                    .with("path", &path),
            );
        }
        schema.validate().map_err(|e| e.with("path", &path))?;
        let schema = Arc::new(schema.with_legacy_defaults());
        self.cache.lock().insert(id, schema.clone());
        Ok(schema)
    }
}

/// Numbers of the files named `<prefix><number>`, ascending; other names are left out.
pub(crate) fn numbered(files: &[crate::io::FileStatus], prefix: &str) -> Vec<i64> {
    let mut ids: Vec<i64> = files
        .iter()
        .filter_map(|f| f.name.strip_prefix(prefix)?.parse().ok())
        .collect();
    ids.sort_unstable();
    ids
}

/// Whether an error means that a table does not exist.
pub fn is_no_table(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}
