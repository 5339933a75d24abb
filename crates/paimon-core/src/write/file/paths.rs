//! Names and places of the data files of one bucket. Source: `DataFilePathFactory`, `ExternalPathProvider`.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::io::FileIo;
use crate::read::{Partition, bucket_path};
use crate::spec::DataFileMeta;
use crate::table::Table;
use crate::write::options::WriteOptions;

/// Gives out names: `<prefix><uuid>-<counter><extension>`, one UUID and one counter per writer, shared by its data and
/// changelog files.
#[derive(Debug)]
pub struct DataFilePaths {
    io: FileIo,
    folder: String,
    /// Bucket folders below the external roots.
    external: Vec<String>,
    uuid: Uuid,
    counter: AtomicU64,
}

/// Where a new file goes.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Its store.
    pub io: FileIo,
    /// Full location.
    pub location: String,
    /// Base name.
    pub name: String,
    /// Full location when it is not in the table's folder.
    pub external_path: Option<String>,
}

impl DataFilePaths {
    /// Names in `folder` of `io`, or by turns in the folders `external` when there are any.
    pub fn new(io: FileIo, folder: String, external: Vec<String>, uuid: Uuid) -> Self {
        Self {
            io,
            folder,
            external,
            uuid,
            counter: AtomicU64::new(0),
        }
    }

    /// Names in the folder of a bucket, or in the bucket's folders below the table's external paths.
    ///
    /// # Errors
    /// `Internal` when the partition has no folder.
    pub fn of_bucket(
        table: &Table,
        options: &WriteOptions,
        partition: &Partition,
        bucket: i32,
        uuid: Uuid,
    ) -> Result<Self> {
        let folder = bucket_path(table, partition, bucket)?;
        let root = match &table.options().data_file_directory {
            Some(data) => format!("{}/{}", table.location(), data.trim_matches('/')),
            None => table.location().to_string(),
        };
        let relative = folder
            .strip_prefix(&root)
            .ok_or_else(|| Error::internal("a bucket's folder is outside of its table"))?;
        let roots = options.external_paths.iter();
        let external = roots.map(|path| format!("{path}{relative}")).collect();
        Ok(Self::new(table.io().clone(), folder, external, uuid))
    }

    /// The next file.
    ///
    /// # Errors
    /// `Unsupported` when an external path is on a store this engine does not know.
    pub fn next(&self, prefix: &str, extension: &str) -> Result<NewFile> {
        let n = self.counter.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}{}-{n}{extension}", self.uuid);
        self.place(name, n)
    }

    /// A side file of a data file, in the same folder.
    pub fn beside(&self, file: &NewFile, name: &str) -> NewFile {
        let folder = file.location.strip_suffix(&file.name).unwrap_or_default();
        let location = format!("{folder}{name}");
        NewFile {
            io: file.io.clone(),
            external_path: file.external_path.as_ref().map(|_| location.clone()),
            location,
            name: name.to_string(),
        }
    }

    /// Removes a data file that was never committed, with its side files; only logs when that fails.
    pub async fn discard(&self, file: &DataFileMeta) {
        let main = match &file.external_path {
            Some(path) => path.clone(),
            None => format!("{}/{}", self.folder, file.file_name),
        };
        let folder = main.strip_suffix(&file.file_name).unwrap_or_default();
        let sides = file
            .extra_files
            .iter()
            .map(|name| format!("{folder}{name}"));
        for location in sides.chain([main.clone()]) {
            let removed = match self.io.at(&location) {
                Ok(io) => io.discard(&location).await,
                Err(e) => Err(e),
            };
            if let Err(error) = removed {
                tracing::warn!(path = location, %error, "could not remove an uncommitted file");
            }
        }
    }

    fn place(&self, name: String, n: u64) -> Result<NewFile> {
        let count = u64::try_from(self.external.len()).unwrap_or(0);
        // writers of one file each begin anywhere
        let begin = self.uuid.as_u64_pair().0;
        let turn = begin.wrapping_add(n).checked_rem(count);
        let turn = turn.and_then(|i| usize::try_from(i).ok());
        let Some(folder) = turn.and_then(|i| self.external.get(i)) else {
            return Ok(NewFile {
                io: self.io.clone(),
                location: format!("{}/{name}", self.folder),
                name,
                external_path: None,
            });
        };
        let location = format!("{folder}/{name}");
        Ok(NewFile {
            io: self.io.at(&location)?,
            external_path: Some(location.clone()),
            location,
            name,
        })
    }
}
