//! Going back to an earlier schema. Source: `SchemaManager.rollbackTo`.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::snapshot::{SnapshotManager, list_tags};
use crate::spec::TableSchema;
use crate::table::Table;

/// Removes all schemas later than one, which is the newest then. Returns it.
///
/// # Errors
/// `NotFound` when there is no such schema, `InvalidInput` when a snapshot, changelog or tag is of a later one,
/// `CommitConflict` when another change of the schema came meanwhile.
///
/// # Cancel safety
/// A cancelled call has removed some of the latest schemas; call it again.
pub async fn rollback_schema(table: &Table, schema_id: i64) -> Result<Arc<TableSchema>> {
    let schemas = table.schemas();
    let ids = schemas.ids().await?;
    if !ids.contains(&schema_id) {
        return Err(
            Error::new(ErrorKind::NotFound, "the table has no such schema")
                .with("schema_id", schema_id)
                .with("table", table.name()),
        );
    }
    if let Some((user, used)) = later_use(&table.uncached()?, schema_id).await? {
        return Err(Error::invalid(format!(
            "schema {used} cannot be removed: {user} is of it; go back to an earlier snapshot first"
        ))
        .with("schema_id", schema_id)
        .with("table", table.name()));
    }
    let mut withdrawn = Vec::new();
    // newest first: what is left is without gaps whenever this stops
    for later in ids.into_iter().rev().filter(|id| *id > schema_id) {
        withdrawn.push(schemas.schema(later).await?);
        if !schemas.withdraw(later).await? {
            return Err(Error::new(
                ErrorKind::CommitConflict,
                "another change of the schema came meanwhile",
            )
            .with("schema_id", later)
            .with("table", table.name()));
        }
    }
    // a commit that was under way with one of them needs it
    if let Some((user, used)) = later_use(&table.uncached()?, schema_id).await? {
        for schema in withdrawn.iter().rev() {
            schemas.append(schema).await?;
        }
        return Err(Error::new(
            ErrorKind::CommitConflict,
            format!("{user} came with schema {used} meanwhile, which stays"),
        )
        .with("table", table.name()));
    }
    schemas.schema(schema_id).await
}

/// What is of a schema later than one, and of which.
async fn later_use(table: &Table, schema_id: i64) -> Result<Option<(String, i64)>> {
    let root = table.metadata_root()?;
    let changelogs = SnapshotManager::changelogs(table.io().clone(), &root);
    for (what, manager) in [("snapshot", table.snapshots()), ("changelog", &changelogs)] {
        for id in manager.ids().await?.into_iter().rev() {
            let found = manager.try_get(id).await?;
            if let Some(found) = found.filter(|s| s.schema_id > schema_id) {
                return Ok(Some((format!("{what} {id}"), found.schema_id)));
            }
        }
    }
    let tags = list_tags(table.io(), &root).await?;
    let later = tags.iter().find(|t| t.tag.snapshot.schema_id > schema_id);
    Ok(later.map(|t| (format!("tag {}", t.name), t.tag.snapshot.schema_id)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow_array::{Int32Array, RecordBatch};
    use object_store::memory::InMemory;

    use super::*;
    use crate::io::FileIo;
    use crate::schema::SchemaChange;

    const SCHEMA: &str = r#"{"version": 3, "id": 0, "highestFieldId": 0, "partitionKeys": [],
        "primaryKeys": [], "fields": [{"id": 0, "name": "id", "type": "INT"}],
        "options": {"write-only": "true"}}"#;

    async fn alter(table: &Table, value: &str) {
        let change = SchemaChange::SetOption {
            key: "x".into(),
            value: value.into(),
        };
        table.schemas().alter(&[change], true, 7).await.unwrap();
    }

    #[tokio::test]
    async fn later_schemas_go_unless_something_is_of_them() {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        io.publish("memory:/t/schema/schema-0", SCHEMA.into())
            .await
            .unwrap();
        let open = || Table::open(io.clone(), "memory:/t", "t");
        let table = open().await.unwrap();
        alter(&table, "1").await;
        let table = open().await.unwrap();
        let rows = Arc::new(Int32Array::from(vec![1]));
        let rows = RecordBatch::try_new(table.arrow_schema(), vec![rows]).unwrap();
        let mut write = table.new_write().unwrap();
        write.write(&rows).await.unwrap();
        let messages = write.prepare_commit().await.unwrap();
        table.new_commit().commit(1, messages).await.unwrap();
        alter(&table, "2").await;
        alter(&table, "3").await;
        let error = rollback_schema(&table, 0).await.unwrap_err();
        assert!(error.to_string().contains("snapshot 1 is of it"), "{error}");
        let error = rollback_schema(&table, 9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let newest = rollback_schema(&table, 1).await.unwrap();
        assert_eq!(newest.options["x"], "1");
        assert_eq!(table.schemas().ids().await.unwrap(), [0, 1]);
        // the ids are free again, and nothing of the old schemas is remembered
        alter(&table, "new").await;
        assert_eq!(open().await.unwrap().schema().options["x"], "new");
        assert_eq!(table.schemas().schema(2).await.unwrap().options["x"], "new");
    }
}
