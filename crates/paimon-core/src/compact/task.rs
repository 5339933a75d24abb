//! One compaction of some sorted runs of a bucket. Source: `MergeTreeCompactTask`, `MergeTreeCompactRewriter`,
//! `ChangelogMergeTreeRewriter`.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;

use super::expire::RecordLevelExpire;
use super::tracking::{Tracking, Upgrade};
use crate::deletionvectors::DeletionVector;
use crate::error::Result;
use crate::mergetree::{KeyInterval, sections};
use crate::read::{
    BelowRun, ChangelogRules, KeyLookup, KeyedFile, Merged, OrderedBatch, OrderedMerge, Partition,
    section_of,
};
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
    /// Changelog files.
    pub changelog_settings: Arc<FileSettings>,
    /// The deepest level: no deletes are left there.
    pub max_level: i32,
    /// Nothing older that counts exists below: deletes have nothing left to delete.
    pub drop_delete: bool,
    /// Files below this size are rewritten with their neighbours, bytes.
    pub small_file_size: u64,
    /// Rewrites files that would only change their level, too.
    pub rewrite_all: bool,
    /// Rewrites every file by itself.
    pub one_by_one: bool,
    pub expire: Option<Arc<RecordLevelExpire>>,
    pub tracking: Tracking,
    /// Which changes are told.
    pub changelog: Option<ChangelogRules>,
    /// Files of deeper levels than the output's.
    pub below: Vec<KeyedFile>,
}

/// What a compaction changes in its bucket.
#[derive(Debug, Default)]
pub(super) struct TaskResult {
    pub increment: CompactIncrement,
    /// Rows of files of deeper levels that newer rows replace, by file name.
    pub deletions: HashMap<String, DeletionVector>,
}

/// Encoded rows that an open file holds before they are given to the store, bytes.
pub(super) const OPEN_BYTES: usize = 32 << 20;

/// Neighbouring sections that are rewritten into common files.
type Group = Vec<Vec<KeyedFile>>;

/// The files that a rewrite makes.
struct Writers {
    /// `None`: the rows stay where they are.
    rows: Option<RollingFileWriter>,
    changelog: RollingFileWriter,
}

impl MergeTreeCompactTask {
    /// Merges files into the output level. On failure the files written are removed.
    ///
    /// # Errors
    /// `Damaged` naming a file, those of the merge function, `Io` when the store fails.
    ///
    /// # Cancel safety
    /// A cancelled compaction leaves files behind that no snapshot names.
    pub async fn run(self, files: Vec<KeyedFile>) -> Result<TaskResult> {
        let mut out = TaskResult::default();
        let result = self.merge(files, &mut out).await;
        if result.is_err() {
            discard_written(&self.paths, &out.increment).await;
        }
        result.map(|()| out)
    }

    async fn merge(&self, files: Vec<KeyedFile>, out: &mut TaskResult) -> Result<()> {
        if self.one_by_one {
            for file in files {
                self.rewrite_rows(vec![vec![file]], out).await?;
            }
            return Ok(());
        }
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

    async fn rewrite(&self, mut group: Group, out: &mut TaskResult) -> Result<()> {
        if let [section] = group.as_mut_slice()
            && section.len() == 1
            && let Some(file) = section.pop()
        {
            return self.upgrade(file, out).await;
        }
        self.rewrite_rows(group, out).await
    }

    /// Moves a file to the output level as it is, where that is all there is to do.
    async fn upgrade(&self, file: KeyedFile, out: &mut TaskResult) -> Result<()> {
        let meta = Arc::clone(&file.file.meta);
        let level = self.settings.level;
        let deletes = level == self.max_level && meta.delete_row_count != Some(0);
        let expired = match &self.expire {
            Some(expire) if self.drop_delete => expire.has_expired(&self.table, &meta).await?,
            _ => false,
        };
        let same_format = format_of(&meta.file_name) == format_of(&self.settings.kind.extension);
        let levels = (level, self.max_level);
        let outdated = self.is_outdated(&file);
        let upgrade = self.tracking.upgrade(&meta, levels, same_format, outdated);
        if deletes || expired || self.rewrite_all || upgrade == Upgrade::Rewrite {
            return self.rewrite_rows(vec![vec![file]], out).await;
        }
        if upgrade == Upgrade::Track {
            self.track(file, out).await?;
        }
        if meta.level != level {
            out.increment.compact_before.push((*meta).clone());
            out.increment.compact_after.push(DataFileMeta {
                level,
                ..(*meta).clone()
            });
        }
        Ok(())
    }

    /// Whether deeper files of the same keys may hold later records.
    fn is_outdated(&self, file: &KeyedFile) -> bool {
        let first = file.file.meta.min_sequence_number;
        let below = self.below.iter().filter(|below| overlap(file, below));
        below
            .map(|below| below.file.meta.max_sequence_number)
            .any(|last| last >= first)
    }

    /// Changelog and deletions of a file whose rows stay as they are.
    async fn track(&self, file: KeyedFile, out: &mut TaskResult) -> Result<()> {
        let section = vec![file];
        if self.changelog.is_none() {
            self.look_up(&section, out).await?;
            return Ok(());
        }
        let mut writers = Writers {
            rows: None,
            changelog: self.writer(&self.changelog_settings),
        };
        self.write(&mut writers, vec![section], out).await
    }

    async fn rewrite_rows(&self, group: Group, out: &mut TaskResult) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let before: Vec<DataFileMeta> = group
            .iter()
            .flatten()
            .map(|f| DataFileMeta::clone(&f.file.meta))
            .collect();
        let mut writers = Writers {
            rows: Some(self.writer(&self.settings)),
            changelog: self.writer(&self.changelog_settings),
        };
        self.write(&mut writers, group, out).await?;
        out.increment.compact_before.extend(before);
        Ok(())
    }

    fn writer(&self, settings: &Arc<FileSettings>) -> RollingFileWriter {
        let (settings, paths) = (Arc::clone(settings), Arc::clone(&self.paths));
        RollingFileWriter::new(settings, paths, self.context.clone(), 0)
    }

    /// Writes what merging a group gives. On failure the files written are removed.
    async fn write(&self, writers: &mut Writers, group: Group, out: &mut TaskResult) -> Result<()> {
        let result = match self.write_rows(writers, group, out).await {
            Ok(()) => writers.close(&mut out.increment).await,
            failure => failure,
        };
        if result.is_err() {
            writers.abort().await;
        }
        result
    }

    async fn write_rows(
        &self,
        writers: &mut Writers,
        group: Group,
        out: &mut TaskResult,
    ) -> Result<()> {
        let folds_single = self.tracking.folds_single() && has_new_files(&group);
        for section in group {
            let below = self.look_up(&section, out).await?;
            let merge = OrderedMerge {
                table: self.table.clone(),
                partition: Arc::clone(&self.partition),
                section: section_of(section),
                keep_deletes: !self.drop_delete,
                below: match self.tracking.merges_rows_below() {
                    true => below,
                    false => Vec::new(),
                },
                changelog: self.changelog.clone(),
                folds_single,
            };
            // older records below would come back in place of one that is left out
            let expire = self.expire.as_ref().filter(|_| self.drop_delete);
            let mut rows = merge.stream()?;
            while let Some(merged) = rows.next().await {
                let merged = merged?;
                writers
                    .write(match expire {
                        Some(expire) => expire.leave_out(merged)?,
                        None => merged,
                    })
                    .await?;
            }
        }
        Ok(())
    }

    /// Finds the rows of deeper levels that rows of a section's level-0 files replace.
    async fn look_up(&self, section: &[KeyedFile], out: &mut TaskResult) -> Result<Vec<BelowRun>> {
        if !self.tracking.lookup || self.below.is_empty() {
            return Ok(Vec::new());
        }
        let newer: Vec<&KeyedFile> = section.iter().filter(|f| f.file.meta.level == 0).collect();
        let overlaps = |below: &&KeyedFile| newer.iter().any(|f| overlap(f, below));
        let below = self.below.iter().filter(overlaps).cloned().collect();
        let lookup = KeyLookup {
            table: self.table.clone(),
            partition: Arc::clone(&self.partition),
            first_key: KeyedFile::first_key_range(&newer),
            newer: newer.iter().map(|f| f.file.clone()).collect(),
            below: section_of(below).runs,
        };
        let found = lookup.run().await?;
        if self.tracking.vectors {
            for run in &found {
                for (file, rows) in run.run.files.iter().zip(&run.rows) {
                    let name = file.meta.file_name.clone();
                    let vector = out.deletions.entry(name).or_default();
                    for position in rows.bits().set_indices() {
                        vector.delete(u64::try_from(position).unwrap_or(u64::MAX));
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Whether a group holds files of level 0.
fn has_new_files(group: &Group) -> bool {
    group.iter().flatten().any(|f| f.file.meta.level == 0)
}

/// Whether two files may have keys in common.
fn overlap(a: &KeyedFile, b: &KeyedFile) -> bool {
    a.compare_min_to_max(b).is_le() && b.compare_min_to_max(a).is_le()
}

impl Writers {
    async fn write(&mut self, merged: Merged) -> Result<()> {
        let (writer, batch) = match merged {
            Merged::Rows(batch) => (self.rows.as_mut(), batch),
            Merged::Changelog(batch) => (Some(&mut self.changelog), batch),
        };
        let Some(writer) = writer else {
            return Ok(());
        };
        writer.write(FileRows::Keyed(key_values(batch))).await?;
        match writer.memory_size() >= OPEN_BYTES {
            true => writer.flush_memory().await,
            false => Ok(()),
        }
    }

    async fn close(&mut self, increment: &mut CompactIncrement) -> Result<()> {
        let changelog = self.changelog.close().await?;
        // named before the other files are complete: a failure there removes these, too
        increment.changelog_files.extend(changelog);
        if let Some(rows) = &mut self.rows {
            increment.compact_after.extend(rows.close().await?);
        }
        Ok(())
    }

    async fn abort(&mut self) {
        self.changelog.abort().await;
        if let Some(rows) = &mut self.rows {
            rows.abort().await;
        }
    }
}

/// What follows the last dot.
fn format_of(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, format)| format)
}

fn key_values(batch: OrderedBatch) -> KeyValueBatch {
    KeyValueBatch {
        values: batch.values,
        sequence: batch.sequence,
        kinds: batch.kinds,
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
    for file in &increment.changelog_files {
        paths.discard(file).await;
    }
}
