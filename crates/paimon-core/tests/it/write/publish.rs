//! Tables in folders, and commits to them.

use std::path::Path;

use paimon_core::io::FileIo;
use paimon_core::spec::{CommitMessage, TableSchema};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};

use crate::commit::like_another_process;

/// A new table in `folder`.
pub async fn create(folder: &Path, schema: &TableSchema) -> Table {
    let path = folder.join(format!("schema/schema-{}", schema.id));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, serde_json::to_vec_pretty(schema).unwrap()).unwrap();
    open(folder).await
}

/// The table in `folder`.
pub async fn open(folder: &Path) -> Table {
    let location = folder.to_str().unwrap();
    let io = FileIo::for_location(location).unwrap();
    Table::open(io, location, "t").await.unwrap()
}

/// Publishes messages as the next snapshot.
pub async fn publish(table: &Table, messages: Vec<CommitMessage>) {
    let commit = table.new_commit().with_context(like_another_process());
    commit
        .commit(BATCH_COMMIT_IDENTIFIER, messages)
        .await
        .unwrap();
}
