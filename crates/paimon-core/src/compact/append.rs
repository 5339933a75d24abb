//! Compaction of the buckets of an append table. Source: `AppendCompactTask`, `BucketedAppendCompactManager`,
//! `BaseAppendFileStoreWrite.compactRewrite`.

use std::collections::HashMap;
use std::sync::Arc;

use super::append_pick::{AppendFile, AppendRules};
use super::live_file::LiveFile;
use super::options::CompactOptions;
use super::state::BucketState;
use super::task::discard_written;
use super::vectors::BucketVectors;
use crate::error::Result;
use crate::read::SplitFile;
use crate::spec::{CompactIncrement, DataFileMeta};
use crate::table::Table;
use crate::write::{
    DataFilePaths, FileRole, FileRows, FileSettings, RollingFileWriter, WriteContext, WriteOptions,
};

/// What all compactions of an append table have in common.
#[derive(Debug)]
pub(super) struct AppendCompaction {
    table: Table,
    context: WriteContext,
    settings: Arc<FileSettings>,
    options: CompactOptions,
    /// Buckets keep the order of rows and have one index file of deletion vectors.
    bucketed: bool,
}

impl AppendCompaction {
    /// Settings of a table.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming an option that compaction cannot honour.
    pub fn new(table: &Table, context: &WriteContext) -> Result<Self> {
        let write = WriteOptions::new(table.schema(), table.options())?;
        Ok(Self {
            options: CompactOptions::new(table.options(), write.target_file_size)?,
            settings: Arc::new(FileSettings::of(
                table.schema(),
                table.options(),
                &write,
                FileRole::Compacted { level: 0 },
            )?),
            bucketed: table.options().bucket > 0,
            table: table.clone(),
            context: context.clone(),
        })
    }

    /// Joins the files of a bucket that are too small or mostly deleted. Nothing to join: no changes.
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
        for pack in self.packs(&bucket.files, full) {
            self.join(bucket, pack, paths, out).await?;
        }
        let vectors = BucketVectors {
            table: &self.table,
            context: &self.context,
            partition: &bucket.partition.bytes,
            bucket: bucket.bucket,
            files: &bucket.vectors,
            version: self.options.vector_version,
            bucketed: self.bucketed,
        };
        vectors.update(out, HashMap::new()).await
    }

    /// Files to join, each pack in the order of its rows.
    fn packs(&self, files: &[SplitFile], full: bool) -> Vec<Vec<SplitFile>> {
        let mut files = files.to_vec();
        files.sort_by(|a, b| {
            let age = |f: &SplitFile| (f.meta.min_sequence_number, f.meta.creation_time);
            age(a)
                .cmp(&age(b))
                .then_with(|| a.meta.file_name.cmp(&b.meta.file_name))
        });
        files.truncate(self.options.file_limit);
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        let sizes: Vec<AppendFile> = files
            .iter()
            .map(|f| AppendFile {
                bytes: number(f.meta.file_size),
                rows: number(f.meta.row_count),
                // a vector without a count is taken for all rows: the file is looked at
                deleted: f
                    .deletion
                    .as_ref()
                    .map(|d| number(d.meta.cardinality.unwrap_or(f.meta.row_count))),
            })
            .collect();
        let rules = AppendRules {
            target: self.options.target_file_size,
            small: self.options.small_file_size,
            min_files: self.options.min_files,
            open_cost: self.options.open_file_cost,
            delete_ratio: self.options.delete_ratio,
        };
        let packs = match self.bucketed {
            true => rules.ordered(&sizes, full),
            false => rules.unaware(&sizes, full),
        };
        let pack = |mut positions: Vec<usize>| {
            positions.sort_unstable();
            positions.into_iter().map(|i| files[i].clone()).collect()
        };
        packs.into_iter().map(pack).collect()
    }

    async fn join(
        &self,
        bucket: &BucketState,
        pack: Vec<SplitFile>,
        paths: &Arc<DataFilePaths>,
        out: &mut CompactIncrement,
    ) -> Result<()> {
        // rows are numbered anew from the first: they stay before those of the files behind
        let first = pack.iter().map(|f| f.meta.min_sequence_number).min();
        let mut writer = RollingFileWriter::new(
            Arc::clone(&self.settings),
            Arc::clone(paths),
            self.context.clone(),
            first.unwrap_or(0),
        );
        match self.copy(&mut writer, bucket, &pack).await {
            Ok(after) => {
                let before = pack.iter().map(|f| DataFileMeta::clone(&f.meta));
                out.compact_before.extend(before);
                out.compact_after.extend(after);
                Ok(())
            }
            Err(error) => {
                writer.abort().await;
                Err(error)
            }
        }
    }

    /// Copies the rows that are not deleted.
    async fn copy(
        &self,
        writer: &mut RollingFileWriter,
        bucket: &BucketState,
        pack: &[SplitFile],
    ) -> Result<Vec<DataFileMeta>> {
        let fields = self.settings.layout.file_fields();
        for file in pack {
            let mut rows = LiveFile::open(&self.table, &bucket.partition, file, &fields).await?;
            while let Some(batch) = rows.next().await? {
                writer.write(FileRows::Plain(batch)).await?;
            }
        }
        writer.close().await
    }
}
