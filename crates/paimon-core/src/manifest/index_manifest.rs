//! Deletion vectors of a snapshot, by data file.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::read_index_entries;
use crate::error::Result;
use crate::io::{FileIo, checked_name};
use crate::spec::{DeletionVectorMeta, IndexManifestEntry};

/// Where the deletion vector of one data file is.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletionFile {
    /// Location of the index file.
    pub path: Arc<str>,
    /// Bytes of the index file.
    pub file_size: u64,
    /// Range and cardinality.
    pub meta: DeletionVectorMeta,
}

/// Deletion vectors by (partition, bucket, data file name).
#[derive(Debug, Default)]
pub struct DeletionFiles {
    by_bucket: HashMap<(Bytes, i32), HashMap<String, DeletionFile>>,
}

impl DeletionFiles {
    /// The vector of a data file.
    pub fn get(&self, partition: &Bytes, bucket: i32, file_name: &str) -> Option<&DeletionFile> {
        self.by_bucket
            .get(&(partition.clone(), bucket))?
            .get(file_name)
    }

    /// Vectors of an index manifest's entries. `bucket_path` gives the folder of a bucket's data files.
    ///
    /// # Errors
    /// `Damaged` for a file name that is not one plain path component.
    pub fn from_entries(table: &str, entries: &[IndexManifestEntry]) -> Result<Self> {
        let mut by_bucket: HashMap<_, HashMap<_, _>> = HashMap::new();
        for entry in entries {
            if entry.index_type != "DELETION_VECTORS" {
                continue;
            }
            let path: Arc<str> = index_file_path(table, entry)?.into();
            let files = by_bucket
                .entry((entry.partition.clone(), entry.bucket))
                .or_default();
            for meta in entry.dv_ranges.iter().flatten() {
                let file = DeletionFile {
                    path: path.clone(),
                    file_size: u64::try_from(entry.file_size).unwrap_or(0),
                    meta: meta.clone(),
                };
                files.insert(meta.data_file_name.clone(), file);
            }
        }
        Ok(Self { by_bucket })
    }
}

/// Location of an index file: its external path, else the `index` folder.
pub fn index_file_path(table: &str, entry: &IndexManifestEntry) -> Result<String> {
    match &entry.external_path {
        Some(path) => Ok(path.clone()),
        None => Ok(format!("{table}/index/{}", checked_name(&entry.file_name)?)),
    }
}

/// All entries of a snapshot's index manifest; empty without one.
pub async fn read_index_manifest(
    io: &FileIo,
    table: &str,
    name: Option<&str>,
) -> Result<Vec<IndexManifestEntry>> {
    match name {
        Some(name) => read_index_entries(io, table, name).await,
        None => Ok(Vec::new()),
    }
}
