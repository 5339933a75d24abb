//! Compaction of tables with data evolution: the files that hold columns of the same rows, and those of the rows next to
//! them, become one file with all columns.
//!
//! ```text
//! row ids   0..100          100..150             0..150
//!           base            base         ->      one file, first row id 0,
//!           columns b, c                         largest sequence number of the four
//!           column b
//! ```
//! Row ids are positions, so no row is left out: deleted rows stay and their deletion vectors move to the new file. It
//! keeps the sequence numbers of the old files: columns that others write meanwhile are newer and win. A BLOB column
//! stays in files of its own. Source: `DataEvolutionCompactTask`, `DataEvolutionNormalCompactTask`,
//! `DataEvolutionCompactDeletionVectorRewriter`.

mod plan;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::StreamExt;

use self::plan::{RowGroup, Rules, row_groups};
use super::options::CompactOptions;
use super::state::BucketState;
use super::task::{OPEN_BYTES, discard_written};
use super::vectors::BucketVectors;
use crate::deletionvectors::DeletionVector;
use crate::error::{Error, Result};
use crate::read::{DataSplit, SplitFile, SplitKind, anchor_of, deleted_rows};
use crate::spec::{CompactIncrement, DataFileMeta, FileSource, TableSchema, TypeKind};
use crate::table::Table;
use crate::write::{
    DataFilePaths, FileRole, FileRows, FileSettings, RollingFileWriter, WriteContext, WriteOptions,
    write_vectors,
};

/// What all compactions of a table have in common.
#[derive(Debug)]
pub(super) struct EvolutionCompaction {
    table: Table,
    context: WriteContext,
    settings: Arc<FileSettings>,
    options: CompactOptions,
}

impl EvolutionCompaction {
    /// Settings of a table.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming an option that compaction cannot honour.
    pub fn new(table: &Table, context: &WriteContext) -> Result<Self> {
        let write = WriteOptions::new(table.schema(), table.options())?;
        Ok(Self {
            options: CompactOptions::new(table.options(), write.target_file_size)?,
            settings: Arc::new(settings(table, &write)?),
            table: table.clone(),
            context: context.clone(),
        })
    }

    /// Joins the files of a partition that are many or small. Nothing to join: no changes.
    ///
    /// # Errors
    /// `Damaged` naming a file, `Io` when the store fails. Files written are removed then.
    pub async fn compact(
        &self,
        bucket: BucketState,
        paths: &Arc<DataFilePaths>,
        full: bool,
    ) -> Result<CompactIncrement> {
        let mut increment = CompactIncrement::default();
        let result = self.join_all(&bucket, paths, full, &mut increment).await;
        if result.is_err() {
            discard_written(paths, &increment).await;
            for index in &increment.new_index_files {
                let location = format!("{}/index/{}", self.table.location(), index.file_name);
                self.table.io().discard(&location).await?;
            }
        }
        result.map(|()| increment)
    }

    async fn join_all(
        &self,
        bucket: &BucketState,
        paths: &Arc<DataFilePaths>,
        full: bool,
        out: &mut CompactIncrement,
    ) -> Result<()> {
        let rules = Rules {
            target: self.options.target_file_size,
            open_cost: self.options.open_file_cost,
            min_files: if full { 2 } else { self.options.min_files },
        };
        let mut moved = BTreeMap::new();
        for pack in rules.packs(row_groups(&bucket.files)?) {
            let deleted = self.deleted_rows(&pack).await?;
            let file = self.join(bucket, &pack, paths).await?;
            if !deleted.is_empty() {
                moved.insert(file.file_name.clone(), deleted);
            }
            let before = pack.iter().flat_map(|g| &g.files);
            out.compact_before
                .extend(before.map(|f| DataFileMeta::clone(&f.meta)));
            out.compact_after.push(file);
        }
        self.move_vectors(bucket, moved, out).await
    }

    /// Deleted rows of a pack, by their positions in the file that it becomes.
    async fn deleted_rows(&self, pack: &[RowGroup]) -> Result<DeletionVector> {
        let mut all = DeletionVector::new();
        let first = pack.first().map_or(0, |g| g.first_row_id);
        for group in pack {
            let Some(anchor) = anchor_of(&group.files) else {
                continue;
            };
            if let Some(deleted) = deleted_rows(&self.table, anchor).await? {
                let offset = u64::try_from(group.first_row_id.saturating_sub(first)).unwrap_or(0);
                let moved = deleted
                    .iter()
                    .map(|position| position.saturating_add(offset));
                all.merge(&moved.collect());
            }
        }
        Ok(all)
    }

    async fn move_vectors(
        &self,
        bucket: &BucketState,
        moved: BTreeMap<String, DeletionVector>,
        out: &mut CompactIncrement,
    ) -> Result<()> {
        let vectors = BucketVectors {
            table: &self.table,
            context: &self.context,
            partition: &bucket.partition.bytes,
            bucket: bucket.bucket,
            files: &bucket.vectors,
            version: self.options.vector_version,
            bucketed: false,
        };
        vectors.update(out, HashMap::new()).await?;
        let owner = (vectors.partition, vectors.bucket);
        let index = write_vectors(&self.table, &self.context, owner, moved, vectors.version);
        out.new_index_files.extend(index.await?);
        Ok(())
    }

    /// Writes the one file that a pack becomes.
    async fn join(
        &self,
        bucket: &BucketState,
        pack: &[RowGroup],
        paths: &Arc<DataFilePaths>,
    ) -> Result<DataFileMeta> {
        let mut writer = RollingFileWriter::new(
            Arc::clone(&self.settings),
            Arc::clone(paths),
            self.context.clone(),
            0,
        );
        match self.fill(&mut writer, bucket, pack).await {
            Ok(file) => Ok(file),
            Err(error) => {
                writer.abort().await;
                Err(error)
            }
        }
    }

    async fn fill(
        &self,
        writer: &mut RollingFileWriter,
        bucket: &BucketState,
        pack: &[RowGroup],
    ) -> Result<DataFileMeta> {
        for group in pack {
            self.copy(writer, bucket, group).await?;
        }
        writer.end_file().await?;
        let mut files = writer.take_files();
        let (Some(mut file), true) = (files.pop(), files.is_empty()) else {
            return Err(Error::internal(
                "row ids in a row became other than one file",
            ));
        };
        let before = || pack.iter().flat_map(|g| &g.files).map(|f| &f.meta);
        let smallest = before().map(|m| m.min_sequence_number).min();
        let largest = before().map(|m| m.max_sequence_number).max();
        file.first_row_id = pack.first().map(|g| g.first_row_id);
        // a commit takes 0 for rows that are new and would put this file before columns written meanwhile
        file.min_sequence_number = smallest.unwrap_or(1).max(1);
        file.max_sequence_number = largest.unwrap_or(1).max(1);
        Ok(file)
    }

    /// Copies all rows of a group, deleted ones too.
    async fn copy(
        &self,
        writer: &mut RollingFileWriter,
        bucket: &BucketState,
        group: &RowGroup,
    ) -> Result<()> {
        let bare = |file: &SplitFile| SplitFile {
            deletion: None,
            ..file.clone()
        };
        let split = DataSplit {
            snapshot_id: 0,
            partition: Arc::clone(&bucket.partition),
            bucket: bucket.bucket,
            total_buckets: bucket.total_buckets,
            kind: SplitKind::Columns(vec![group.files.iter().map(bare).collect()]),
        };
        let fields = self.settings.layout.values.iter();
        let names: Vec<&str> = fields.map(|f| f.name.as_str()).collect();
        let reader = self.table.read_builder().with_projection(&names).reader()?;
        let mut rows = reader.read(&split)?;
        let mut found = 0i64;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            found = found.saturating_add(i64::try_from(batch.num_rows()).unwrap_or(i64::MAX));
            writer.write(FileRows::Plain(batch)).await?;
            if writer.memory_size() >= OPEN_BYTES {
                writer.flush_memory().await?;
            }
        }
        if found == group.rows {
            return Ok(());
        }
        Err(Error::damaged(format!(
            "{found} rows of a row-id range were read, it has {}",
            group.rows
        ))
        .with("first_row_id", group.first_row_id))
    }
}

/// Settings of files that end with their row ids only and leave BLOBs where they are.
fn settings(table: &Table, write: &WriteOptions) -> Result<FileSettings> {
    let mut schema = TableSchema::clone(table.schema());
    schema.fields.retain(|f| f.data_type.kind != TypeKind::Blob);
    let some = schema.fields.len() < table.schema().fields.len();
    let role = FileRole::Data { level: 0 };
    let mut settings = FileSettings::of(&schema, table.options(), write, role)?;
    if some {
        settings.layout = settings.layout.naming_columns();
    }
    settings.source = FileSource::Compact;
    settings.target_size = u64::MAX;
    settings.target_rows = None;
    Ok(settings)
}
