//! A table that becomes another one in place: given its next schema, then emptied. Its snapshots and tags stay.
//!
//! Source: `AbstractCatalog.replaceTableImpl`, which empties the table first. Here the schema decides who of several
//! goes on, so that nobody removes rows in vain.

use std::sync::Arc;

use super::{BATCH_COMMIT_IDENTIFIER, ScanTarget, Table};
use crate::arrow_bridge::arrow_schema;
use crate::commit::{CommitContext, FileStoreCommit, Overwrite, Replaced};
use crate::error::{ErrorKind, Result};
use crate::manifest::read_index_manifest;
use crate::options::CoreOptions;
use crate::schema::changed_meanwhile;
use crate::spec::{ManifestCommittable, Snapshot, TableSchema};

/// So often the files are looked at anew when other commits change them meanwhile.
const ATTEMPTS: usize = 10;

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

    /// Lets `publish` make a schema (of [`TableSchema::replaced_by`]) the newest one, and then removes all rows that were
    /// there. Of several that replace the table at once one publishes; the others change nothing.
    ///
    /// # Errors
    /// `CommitConflict` when another change of the schema came first; else those of the commit and of `publish`. An
    /// error after the publication names the schema.
    ///
    /// # Cancel safety
    /// A cancelled call may have published the schema and left the rows, whose columns it does not have: call it again
    /// with the schema after that, or remove them.
    pub async fn replace(
        &self,
        schema: &TableSchema,
        publish: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        self.schemas().check_next(schema).await?;
        let next = self.to_be(schema)?;
        publish.await?;
        let emptied = next.empty_for(schema).await;
        emptied.map_err(|e| e.with("published_schema", schema.id))
    }

    /// Removes what is there, but nothing that came under a later schema.
    async fn empty_for(&self, schema: &TableSchema) -> Result<()> {
        let context = CommitContext::default();
        let user = context.ids.uuid().to_string();
        let commit = FileStoreCommit::new(self, &user, context)?.with_operation("TRUNCATE");
        let nothing = ManifestCommittable {
            identifier: BATCH_COMMIT_IDENTIFIER,
            ..ManifestCommittable::default()
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Some(snapshot) = self.snapshots().latest().await? else {
                return Ok(());
            };
            // looked at after the snapshot: rows of a later schema come after that schema
            if self.schemas().ids().await?.last() != Some(&schema.id) {
                return Err(changed_meanwhile(schema));
            }
            let files = all_files(self, &snapshot).await?;
            let all = Overwrite::Static(Vec::new());
            match commit.replace(&all, &nothing, &files).await {
                Err(error) if error.kind() == ErrorKind::CommitConflict && attempt < ATTEMPTS => {}
                done => return done.map(drop),
            }
        }
    }
}

/// All data and index files of a snapshot.
async fn all_files(table: &Table, snapshot: &Snapshot) -> Result<Replaced> {
    let (entries, _) = table.manifest_scan().live_files(snapshot).await?;
    let index = snapshot.index_manifest.as_deref();
    let index = read_index_manifest(table.io(), table.location(), index).await?;
    Ok(Replaced {
        files: entries.iter().map(|e| e.file.file_name.clone()).collect(),
        index_files: index.into_iter().map(|e| e.file_name).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow_array::{Int32Array, RecordBatch};
    use futures::FutureExt;
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
    async fn rows_stay_when_the_schema_is_not_published() {
        let table = filled().await;
        let schema = table.schema().replaced_by(declared("v", "INT")).unwrap();
        let newest = table.snapshots().latest_id().await.unwrap();
        let fails = async { Err(Error::invalid("the metastore is gone")) };
        let error = table.replace(&schema, fails).await.unwrap_err();
        assert!(error.to_string().contains("metastore"), "{error}");
        // another one publishes first
        let other = declared("id", "INT");
        let other = TableSchema { id: 1, ..other };
        let races = async {
            table.schemas().append(&other).await?;
            table.schemas().append(&schema).await
        };
        for late in [races.boxed(), table.schemas().append(&schema).boxed()] {
            let error = table.replace(&schema, late).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CommitConflict);
        }
        assert_eq!(rows(&table).await, 3);
        assert_eq!(table.snapshots().latest_id().await.unwrap(), newest);
    }

    async fn insert(table: &Table, identifier: i64) {
        let mut write = table.new_write().unwrap();
        let new = Arc::new(Int32Array::from(vec![9]));
        let new = RecordBatch::try_new(table.arrow_schema(), vec![new]).unwrap();
        write.write(&new).await.unwrap();
        let messages = write.prepare_commit().await.unwrap();
        let commit = table.new_commit();
        commit.commit(identifier, messages).await.unwrap();
    }

    #[tokio::test]
    async fn what_another_replacement_wrote_stays() {
        let table = filled().await;
        let first = table.schema().replaced_by(declared("v", "INT")).unwrap();
        // before the first one has removed the rows, a second one is through
        let publish = async {
            table.schemas().append(&first).await?;
            let second = first.replaced_by(declared("w", "INT")).unwrap();
            let then = table.to_be(&first).unwrap();
            then.replace(&second, table.schemas().append(&second))
                .await?;
            insert(&then.to_be(&second).unwrap(), 2).await;
            Ok(())
        };
        let error = table.replace(&first, publish).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitConflict);
        let again = Table::open(table.io().clone(), "memory:/t", "t").await;
        assert_eq!(rows(&again.unwrap()).await, 1);
    }

    #[tokio::test]
    async fn rows_of_before_the_publication_go() {
        let table = filled().await;
        let schema = table.schema().replaced_by(declared("v", "INT")).unwrap();
        let publish = async {
            insert(&table, 2).await;
            table.schemas().append(&schema).await
        };
        table.replace(&schema, publish).await.unwrap();
        assert_eq!(rows(&table.to_be(&schema).unwrap()).await, 0);
        assert_eq!(operation(&table).await.as_deref(), Some("TRUNCATE"));
    }
}
