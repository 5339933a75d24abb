//! Data files that a table names and its store does not have.
//!
//! Source: `RemoveUnexistingFilesAction`, `ListUnexistingFiles`.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use super::adopt::is_unfinished;
use crate::commit::{BATCH_COMMIT_IDENTIFIER, RowChange};
use crate::error::{Error, Result};
use crate::manifest::partition_values;
use crate::read::{Partition, SplitFile, bucket_path, data_file_path};
use crate::spec::ManifestEntry;
use crate::table::Table;
use crate::write::{Removal, RemovedRows, WriteContext, remove_rows};

/// Takes lost data files out of the newest snapshot, so that the rest can be read.
#[derive(Debug, Clone, Copy)]
pub struct RemoveMissingFiles {
    /// Only tells which ones.
    pub dry_run: bool,
    /// Files looked up at a time, at least one.
    pub parallelism: usize,
}

impl RemoveMissingFiles {
    /// Looks every data file up and commits a snapshot without those that are not there. Returns their names, sorted.
    ///
    /// # Errors
    /// `InvalidInput` while an adoption of files is unfinished, or where a file is in another folder of the table: neither
    /// is lost. `CommitConflict` when another commit changed rows meanwhile, `Io` when the store fails: a file counts as lost only
    /// when the store says so.
    ///
    /// # Cancel safety
    /// A cancelled call may have made the snapshot.
    pub async fn run(&self, table: &Table, context: &WriteContext) -> Result<Vec<String>> {
        let Some(snapshot) = table.snapshots().latest().await? else {
            return Ok(Vec::new());
        };
        if is_unfinished(table).await? {
            return Err(Error::invalid(
                "files are still to be moved into the table: finish its migration first, by the same call",
            )
            .with("table", table.name()));
        }
        let (files, _) = table.manifest_scan().live_files(&snapshot).await?;
        let looked_up = files.into_iter().map(|file| missing(table, file));
        let found = futures::stream::iter(looked_up)
            .buffered(self.parallelism.max(1))
            .try_collect::<Vec<_>>()
            .await?;
        let lost: Vec<RemovedRows> = found.into_iter().flatten().collect();
        let mut names: Vec<String> = lost.iter().map(|l| l.file.meta.file_name.clone()).collect();
        names.sort();
        if !names.is_empty() {
            check_elsewhere(table, &names).await?;
        }
        if names.is_empty() || self.dry_run {
            return Ok(names);
        }
        let messages = remove_rows(table, context, &snapshot, lost, Removal::Rewrite).await?;
        let change = RowChange {
            base: Some(snapshot),
            operation: "DELETE",
            even_if_empty: false,
        };
        let commit = table.new_commit();
        let done = commit.commit_change(&change, BATCH_COMMIT_IDENTIFIER, messages);
        done.await.map(|_| names)
    }
}

/// No lost file may be in another folder of the table: other engines may change the options that name the folders of
/// partitions.
async fn check_elsewhere(table: &Table, lost: &[String]) -> Result<()> {
    for (path, _) in table.io().list_recursive(table.location()).await? {
        let name = path
            .rsplit_once('/')
            .map_or(path.as_str(), |(_, name)| name);
        if lost.binary_search_by(|l| l.as_str().cmp(name)).is_ok() {
            return Err(Error::invalid(
                "a data file is in another folder than the options of partitions say, it is not lost",
            )
            .with("path", path)
            .with("table", table.name()));
        }
    }
    Ok(())
}

/// The file as one to remove when it is not there.
async fn missing(table: &Table, entry: ManifestEntry) -> Result<Option<RemovedRows>> {
    let fields = table.schema().partition_fields();
    let partition = Partition {
        values: partition_values(&entry.partition, &fields)?,
        bytes: entry.partition,
    };
    let folder = bucket_path(table, &partition, entry.bucket)?;
    let path = data_file_path(&folder, &entry.file)?;
    if table.io().exists(&path).await? {
        return Ok(None);
    }
    Ok(Some(RemovedRows {
        partition: Arc::new(partition),
        bucket: entry.bucket,
        total_buckets: entry.total_buckets,
        file: SplitFile {
            meta: entry.file,
            path: path.into(),
            deletion: None,
        },
        positions: Default::default(),
    }))
}
