//! Removing what was written for a commit that did not take effect. Source: `FileStoreCommitImpl.abort`.

use super::context::IdSource;
use super::file::paths::DataFilePaths;
use super::options::WriteOptions;
use crate::error::Result;
use crate::manifest::partition_values;
use crate::read::Partition;
use crate::spec::CommitMessage;
use crate::table::Table;

/// Removes the files of a message that no snapshot names.
///
/// # Errors
/// `Io` when an index file cannot be removed; data files that cannot be removed are logged.
pub async fn discard_files(
    table: &Table,
    ids: &dyn IdSource,
    message: &CommitMessage,
) -> Result<()> {
    let partition = Partition {
        values: partition_values(&message.partition, &table.schema().partition_fields())?,
        bytes: message.partition.clone(),
    };
    let options = WriteOptions::new(table.schema(), table.options())?;
    let paths = DataFilePaths::of_bucket(table, &options, &partition, message.bucket, ids.uuid())?;
    let (data, compact) = (&message.data, &message.compact);
    // files that only change their level are in use
    let moved = |name: &String| compact.compact_before.iter().any(|b| b.file_name == *name);
    let compacted = compact.compact_after.iter();
    let files = data
        .new_files
        .iter()
        .chain(&data.changelog_files)
        .chain(compacted.filter(|f| !moved(&f.file_name)))
        .chain(&compact.changelog_files);
    for file in files {
        paths.discard(file).await;
    }
    for index in data.new_index_files.iter().chain(&compact.new_index_files) {
        let location = format!("{}/index/{}", table.location(), index.file_name);
        table.io().discard(&location).await?;
    }
    Ok(())
}
