//! One compaction of some sorted runs of a bucket. Source: `MergeTreeCompactTask`, `MergeTreeCompactRewriter`.

use std::sync::Arc;

use futures::StreamExt;

use super::expire::RecordLevelExpire;
use crate::error::Result;
use crate::mergetree::sections;
use crate::read::{KeyedFile, OrderedMerge, Partition, RowFilter, section_of};
use crate::spec::{CompactIncrement, DataFileMeta};
use crate::table::Table;
use crate::write::{
    DataFilePaths, FileRows, FileSettings, KeyValueBatch, RollingFileWriter, WriteContext,
};

/// What a compaction of a bucket does and with what.
pub(super) struct MergeTreeCompactTask {
    pub table: Table,
    pub context: WriteContext,
    pub partition: Arc<Partition>,
    pub paths: Arc<DataFilePaths>,
    /// Files of the output level.
    pub settings: Arc<FileSettings>,
    /// Whether that is the deepest level: no deletes are left there.
    pub deepest: bool,
    /// Nothing older exists below: deletes have nothing left to delete.
    pub drop_delete: bool,
    /// Files below this size are rewritten with their neighbours, bytes.
    pub small_file_size: u64,
    /// Rewrites files that would only change their level, too.
    pub rewrite_all: bool,
    pub expire: Option<Arc<RecordLevelExpire>>,
}

/// Neighbouring sections that are rewritten into common files.
type Group = Vec<Vec<KeyedFile>>;

impl MergeTreeCompactTask {
    /// Merges files into the output level. On failure the files written are removed.
    ///
    /// # Errors
    /// `Damaged` naming a file, those of the merge function, `Io` when the store fails.
    ///
    /// # Cancel safety
    /// A cancelled compaction leaves files behind that no snapshot names.
    pub async fn run(self, files: Vec<KeyedFile>) -> Result<CompactIncrement> {
        let mut increment = CompactIncrement::default();
        let result = self.merge(files, &mut increment).await;
        if result.is_err() {
            discard_written(&self.paths, &increment).await;
        }
        result.map(|()| increment)
    }

    async fn merge(&self, files: Vec<KeyedFile>, out: &mut CompactIncrement) -> Result<()> {
        let mut group = Group::new();
        for section in sections(files) {
            match section.as_slice() {
                [only] if !self.is_small(only) => {
                    // a large file ends the group, so that files stay in key order
                    self.rewrite(std::mem::take(&mut group), out).await?;
                    self.upgrade(only.clone(), out).await?;
                }
                _ => group.push(section),
            }
        }
        self.rewrite(group, out).await
    }

    fn is_small(&self, file: &KeyedFile) -> bool {
        u64::try_from(file.file.meta.file_size).unwrap_or(0) < self.small_file_size
    }

    async fn rewrite(&self, mut group: Group, out: &mut CompactIncrement) -> Result<()> {
        if let [section] = group.as_mut_slice()
            && section.len() == 1
            && let Some(file) = section.pop()
        {
            return self.upgrade(file, out).await;
        }
        self.rewrite_rows(group, out).await
    }

    /// Moves a file to the output level as it is, where that is all there is to do.
    async fn upgrade(&self, file: KeyedFile, out: &mut CompactIncrement) -> Result<()> {
        let meta = &file.file.meta;
        let deletes = self.deepest && meta.delete_row_count != Some(0);
        let expired = match &self.expire {
            Some(expire) => expire.has_expired(&self.table, meta).await?,
            None => false,
        };
        if deletes || expired || self.rewrite_all {
            return self.rewrite_rows(vec![vec![file]], out).await;
        }
        if meta.level != self.settings.level {
            out.compact_before.push(DataFileMeta::clone(meta));
            out.compact_after.push(DataFileMeta {
                level: self.settings.level,
                ..DataFileMeta::clone(meta)
            });
        }
        Ok(())
    }

    async fn rewrite_rows(&self, group: Group, out: &mut CompactIncrement) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let before: Vec<DataFileMeta> = group
            .iter()
            .flatten()
            .map(|f| DataFileMeta::clone(&f.file.meta))
            .collect();
        let mut writer = RollingFileWriter::new(
            Arc::clone(&self.settings),
            Arc::clone(&self.paths),
            self.context.clone(),
            0,
        );
        match self.write_rows(&mut writer, group).await {
            Ok(after) => {
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

    async fn write_rows(
        &self,
        writer: &mut RollingFileWriter,
        group: Group,
    ) -> Result<Vec<DataFileMeta>> {
        for section in group {
            let merge = OrderedMerge {
                table: self.table.clone(),
                partition: Arc::clone(&self.partition),
                section: section_of(section),
                keep_deletes: !self.drop_delete,
                filter: self.expire.clone().map(|e| e as Arc<dyn RowFilter>),
            };
            let mut rows = merge.stream()?;
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                let rows = KeyValueBatch {
                    values: batch.values,
                    sequence: batch.sequence,
                    kinds: batch.kinds,
                };
                writer.write(FileRows::Keyed(rows)).await?;
            }
        }
        writer.close().await
    }
}

/// Removes the files that a compaction wrote and that are in no snapshot.
pub(super) async fn discard_written(paths: &DataFilePaths, increment: &CompactIncrement) {
    for file in &increment.compact_after {
        let before = &increment.compact_before;
        if !before.iter().any(|b| b.file_name == file.file_name) {
            paths.discard(file).await;
        }
    }
}
