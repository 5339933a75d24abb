//! Merging manifests by hand, and leaving out those that are lost. Source: `CompactManifestProcedure`,
//! `RemoveUnexistingManifestsAction`.

use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit};
use crate::error::Result;
use crate::table::Table;

/// Rewrites all manifests of the newest snapshot that are small or name removed files, as
/// [`FileStoreCommit::compact_manifests`]. Returns the snapshot made, `None` when there is nothing to gain.
///
/// # Errors
/// `Unsupported` naming the option when the table cannot be committed to, `CommitConflict` when every race was lost,
/// `Damaged` naming a manifest, `Io` when the store fails.
///
/// # Cancel safety
/// A cancelled call may have taken effect: call it again.
pub async fn compact_manifests(table: &Table, context: CommitContext) -> Result<Option<i64>> {
    let commit = committer(table, context)?;
    commit.compact_manifests(BATCH_COMMIT_IDENTIFIER).await
}

/// Takes manifests that the store has lost out of the newest snapshot, as [`FileStoreCommit::drop_missing_manifests`], so
/// that the rest can be read. Returns the snapshot made, `None` when none is missing. Source:
/// `RemoveUnexistingManifestsProcedure`.
///
/// # Errors
/// As [`compact_manifests`]. A manifest counts as lost only when the store says so.
///
/// # Cancel safety
/// A cancelled call may have taken effect: call it again.
pub async fn remove_missing_manifests(
    table: &Table,
    context: CommitContext,
) -> Result<Option<i64>> {
    let commit = committer(&table.uncached()?, context)?;
    commit.drop_missing_manifests(BATCH_COMMIT_IDENTIFIER).await
}

/// Commits as a user of its own, as batch commits do.
fn committer(table: &Table, context: CommitContext) -> Result<FileStoreCommit> {
    let own = context.ids.uuid().to_string();
    let user = match table.options().get("commit.user-prefix") {
        Some(prefix) => format!("{prefix}_{own}"),
        None => own,
    };
    FileStoreCommit::new(table, &user, context)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::{Int32Array, RecordBatch};
    use object_store::memory::InMemory;

    use super::*;
    use crate::io::FileIo;
    use crate::manifest::{manifest_path, read_manifest_list};

    const SCHEMA: &str = r#"{"version": 3, "id": 0, "highestFieldId": 0, "partitionKeys": [],
        "primaryKeys": [], "fields": [{"id": 0, "name": "id", "type": "INT"}],
        "options": {"write-only": "true"}}"#;

    async fn insert(table: &Table, ids: Vec<i32>) {
        let rows = Arc::new(Int32Array::from(ids));
        let rows = RecordBatch::try_new(table.arrow_schema(), vec![rows]).unwrap();
        let mut write = table.new_write().unwrap();
        write.write(&rows).await.unwrap();
        let messages = write.prepare_commit().await.unwrap();
        table.new_commit().commit(1, messages).await.unwrap();
    }

    #[tokio::test]
    async fn what_lost_manifests_named_is_left_out() {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        io.publish("memory:/t/schema/schema-0", SCHEMA.into())
            .await
            .unwrap();
        let table = Table::open(io.clone(), "memory:/t", "t").await.unwrap();
        for ids in [vec![1], vec![2, 3], vec![4, 5, 6]] {
            insert(&table, ids).await;
        }
        let context = CommitContext::default;
        let none = remove_missing_manifests(&table, context()).await.unwrap();
        assert_eq!(none, None);
        // the manifest of the second commit
        let second = table.snapshots().get(2).await.unwrap();
        let delta = second.delta_manifest_list.clone();
        let lost = read_manifest_list(&io, "memory:/t", &delta).await.unwrap();
        let path = manifest_path("memory:/t", &lost[0].file_name).unwrap();
        io.discard(&path).await.unwrap();
        assert!(
            table
                .uncached()
                .unwrap()
                .read_builder()
                .collect()
                .await
                .is_err()
        );
        let made = remove_missing_manifests(&table, context()).await.unwrap();
        assert_eq!(made, Some(4));
        let snapshot = table.snapshots().get(4).await.unwrap();
        assert_eq!(snapshot.total_record_count, Some(4));
        assert_eq!(snapshot.delta_record_count, Some(0));
        let fresh = table.uncached().unwrap();
        let rows = fresh.read_builder().collect().await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
        assert_eq!(
            remove_missing_manifests(&table, context()).await.unwrap(),
            None
        );
        insert(&table, vec![7]).await;
    }
}
