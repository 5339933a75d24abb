//! A table that becomes another one in place: emptied, then given its next schema. Its snapshots and tags stay.
//!
//! Source: `AbstractCatalog.replaceTableImpl`, which leaves the table empty when the schema cannot be published.

use std::sync::Arc;

use super::{BATCH_COMMIT_IDENTIFIER, ScanTarget, Table};
use crate::arrow_bridge::arrow_schema;
use crate::commit::{CommitContext, FileStoreCommit};
use crate::error::{ErrorKind, Result};
use crate::options::CoreOptions;
use crate::spec::{Snapshot, TableSchema};

impl Table {
    /// This table as it will be once it is [replaced](Self::replace) by a schema: for writing rows before that. Such a
    /// write must ignore what is there, and its commit must wait.
    ///
    /// # Errors
    /// `Unsupported` / `InvalidInput` for options that cannot be honoured.
    pub fn to_be(&self, schema: &TableSchema) -> Result<Self> {
        let options = CoreOptions::new(schema).map_err(|e| e.with("table", self.name()))?;
        let mut table = self.with(Arc::new(schema.clone()), options, ScanTarget::Latest, None);
        // new, and so nobody else's
        if let Some(own) = Arc::get_mut(&mut table.inner) {
            own.arrow_schema = arrow_schema(&schema.fields);
        }
        Ok(table)
    }

    /// Removes all rows and lets `publish` make a schema (of [`TableSchema::replaced_by`]) the newest one. When that was
    /// in vain the rows come back.
    ///
    /// # Errors
    /// `CommitConflict` when another change of the schema came first; else those of the commit and of `publish`.
    ///
    /// # Cancel safety
    /// A cancelled call may have emptied the table; what it held is in the snapshot before.
    pub async fn replace(
        &self,
        schema: &TableSchema,
        publish: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        self.schemas().check_next(schema).await?;
        let before = self.snapshots().latest().await?;
        if before.is_some() {
            self.new_commit().truncate(BATCH_COMMIT_IDENTIFIER).await?;
        }
        let Err(error) = publish.await else {
            return Ok(());
        };
        let Some(before) = before else {
            return Err(error);
        };
        let in_vain = match error.kind() {
            ErrorKind::CommitConflict => true,
            _ => self.schemas().check_next(schema).await.is_ok(),
        };
        match in_vain {
            true => Err(self.refilled(&before, error).await),
            false => Err(error),
        }
    }

    /// Makes the rows of a snapshot those of the table again, after a failure.
    async fn refilled(&self, before: &Snapshot, failure: crate::Error) -> crate::Error {
        let context = CommitContext::default();
        let user = context.ids.uuid().to_string();
        let restored = match FileStoreCommit::new(self, &user, context) {
            Ok(commit) => commit.restore(before, BATCH_COMMIT_IDENTIFIER).await,
            Err(error) => Err(error),
        };
        match restored {
            Ok(_) => failure,
            Err(undo) => {
                tracing::warn!(table = self.name(), error = %undo, "the rows of a table could not be brought back");
                failure.with("rows_in_snapshot", before.id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow_array::{Int32Array, RecordBatch};
    use object_store::memory::InMemory;

    use super::*;
    use crate::error::Error;
    use crate::io::FileIo;
    use crate::schema::{NewColumn, NewTable};
    use crate::spec::parse_data_type;

    fn declared(name: &str, text: &str) -> TableSchema {
        let column = NewColumn {
            name: name.to_string(),
            data_type: parse_data_type(text).unwrap(),
            comment: None,
            default: None,
        };
        let new = NewTable {
            columns: vec![column],
            ..NewTable::default()
        };
        new.into_schema(7).unwrap()
    }

    async fn filled() -> Table {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        let manager = crate::schema::SchemaManager::new(io.clone(), "memory:/t");
        manager.append(&declared("id", "INT")).await.unwrap();
        let table = Table::open(io, "memory:/t", "t").await.unwrap();
        let mut write = table.new_write().unwrap();
        let rows = Arc::new(Int32Array::from(vec![1, 2, 3]));
        let rows = RecordBatch::try_new(table.arrow_schema(), vec![rows]).unwrap();
        write.write(&rows).await.unwrap();
        let messages = write.prepare_commit().await.unwrap();
        table.new_commit().commit(1, messages).await.unwrap();
        table
    }

    async fn rows(table: &Table) -> usize {
        let batches = table.read_builder().collect().await.unwrap();
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    async fn operation(table: &Table) -> Option<String> {
        table.snapshots().latest().await.unwrap().unwrap().operation
    }

    #[tokio::test]
    async fn rows_written_before_are_those_of_the_table_afterwards() {
        let table = filled().await;
        let schema = table.schema().replaced_by(declared("v", "INT")).unwrap();
        let next = table.to_be(&schema).unwrap();
        let builder = next.write_builder().with_ignore_previous_files(true);
        let mut write = builder.build().unwrap();
        let new = Arc::new(Int32Array::from(vec![9]));
        let new = RecordBatch::try_new(next.arrow_schema(), vec![new]).unwrap();
        write.write(&new).await.unwrap();
        let messages = write.prepare_commit().await.unwrap();
        assert_eq!(rows(&table).await, 3);
        table
            .replace(&schema, table.schemas().append(&schema))
            .await
            .unwrap();
        assert_eq!(operation(&table).await.as_deref(), Some("TRUNCATE"));
        let commit = next.new_commit().with_operation("REPLACE_TABLE_AS_SELECT");
        commit.commit(1, messages).await.unwrap();
        let again = Table::open(table.io().clone(), "memory:/t", "t")
            .await
            .unwrap();
        assert_eq!(again.schema().fields[0].name, "v");
        assert_eq!(rows(&again).await, 1);
        assert_eq!(
            operation(&again).await.as_deref(),
            Some("REPLACE_TABLE_AS_SELECT")
        );
        let options = [("scan.snapshot-id".to_string(), "1".to_string())];
        let before = again.with_options(&options.into()).await.unwrap();
        assert_eq!(before.schema().fields[0].name, "id");
        assert_eq!(rows(&before).await, 3);
    }

    #[tokio::test]
    async fn rows_come_back_when_the_schema_is_not_published() {
        let table = filled().await;
        let schema = table.schema().replaced_by(declared("v", "INT")).unwrap();
        let fails = async { Err(Error::invalid("the metastore is gone")) };
        let error = table.replace(&schema, fails).await.unwrap_err();
        assert!(error.to_string().contains("metastore"), "{error}");
        assert_eq!(rows(&table).await, 3);
        // another schema comes while the table is emptied
        let other = declared("id", "INT");
        let other = TableSchema { id: 1, ..other };
        let races = async {
            table.schemas().append(&other).await?;
            table.schemas().append(&schema).await
        };
        let error = table.replace(&schema, races).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitConflict);
        assert_eq!(rows(&table).await, 3);
        // nothing happens to one that comes too late
        let newest = table.snapshots().latest_id().await.unwrap();
        let error = table
            .replace(&schema, table.schemas().append(&schema))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitConflict);
        assert_eq!(table.snapshots().latest_id().await.unwrap(), newest);
    }
}
