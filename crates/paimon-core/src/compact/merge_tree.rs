//! Compaction of the buckets of a primary-key table. Source: `MergeTreeCompactManager`.

use std::sync::Arc;

use super::CompactRequest;
use super::expire::RecordLevelExpire;
use super::options::CompactOptions;
use super::task::{MergeTreeCompactTask, TaskResult};
use super::tracking::Tracking;
use crate::error::Result;
use crate::mergetree::{
    CompactUnit, ForceUpLevel0Compaction, LevelSortedRun, Levels, PickTime, pick_full,
};
use crate::read::{KeyedFile, Partition, SplitFile};
use crate::spec::{CompactIncrement, DataField, IndexManifestEntry};
use crate::table::Table;
use crate::write::{DataFilePaths, FileRole, FileSettings, WriteContext, WriteOptions};

const HOUR_MS: i64 = 3_600_000;

/// What all compactions of a primary-key table have in common.
#[derive(Debug, Clone)]
pub(super) struct MergeTreeCompaction {
    table: Table,
    context: WriteContext,
    write: WriteOptions,
    options: CompactOptions,
    tracking: Tracking,
    changelog_settings: Arc<FileSettings>,
    key_fields: Arc<Vec<DataField>>,
    expire: Option<Arc<RecordLevelExpire>>,
}

/// A bucket with its files.
pub(super) struct BucketFiles {
    pub partition: Arc<Partition>,
    pub bucket: i32,
    pub paths: Arc<DataFilePaths>,
    pub files: Vec<SplitFile>,
    /// Its index files with deletion vectors.
    pub vectors: Vec<IndexManifestEntry>,
}

/// Files to merge, and where.
struct Pick {
    files: Vec<KeyedFile>,
    output_level: i32,
    max_level: i32,
    drop_delete: bool,
    /// Whether every file is rewritten by itself: others lie between them.
    one_by_one: bool,
    /// Files of deeper levels than the output's.
    below: Vec<KeyedFile>,
}

impl MergeTreeCompaction {
    /// Settings of a table.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming an option that compaction cannot honour.
    pub fn new(table: &Table, request: &CompactRequest) -> Result<Self> {
        let context = &request.context;
        let write = WriteOptions::new(table.schema(), table.options())?;
        let (schema, core) = (table.schema(), table.options());
        let changelog = FileSettings::of(schema, core, &write, FileRole::Changelog)?;
        Ok(Self {
            tracking: Tracking::new(table, request.changelog)?,
            changelog_settings: Arc::new(changelog),
            options: CompactOptions::new(table.options(), write.target_file_size)?,
            key_fields: Arc::new(table.schema().key_fields()),
            expire: RecordLevelExpire::new(table, context.clock.epoch_ms())?,
            table: table.clone(),
            context: context.clone(),
            write,
        })
    }

    /// Merges what is due in a bucket, or everything (`full`). Nothing due: no changes.
    ///
    /// # Errors
    /// `Damaged` naming a file, those of the merge function, `Io` when the store fails. Files written are removed then.
    pub async fn compact(&self, bucket: BucketFiles, full: bool) -> Result<CompactIncrement> {
        let keyed = |file| KeyedFile::new(file, &self.key_fields);
        let files = bucket.files.into_iter().map(keyed).collect::<Result<_>>()?;
        let levels = Levels::new(files, self.options.levels);
        let pick = match full {
            true => self.pick_full(levels).await?,
            false => self.pick(levels),
        };
        let Some(pick) = pick else {
            return Ok(CompactIncrement::default());
        };
        let settings = FileSettings::of(
            self.table.schema(),
            self.table.options(),
            &self.write,
            FileRole::Compacted {
                level: pick.output_level,
            },
        )?;
        let task = MergeTreeCompactTask {
            table: self.table.clone(),
            context: self.context.clone(),
            partition: Arc::clone(&bucket.partition),
            paths: Arc::clone(&bucket.paths),
            settings: Arc::new(settings),
            changelog_settings: Arc::clone(&self.changelog_settings),
            max_level: pick.max_level,
            drop_delete: pick.drop_delete || self.tracking.vectors,
            small_file_size: self.options.small_file_size,
            rewrite_all: self.options.rewrite_all,
            one_by_one: pick.one_by_one,
            expire: self.expire.clone(),
            changelog: self.tracking.changelog(pick.output_level, pick.max_level),
            tracking: self.tracking.clone(),
            below: pick.below,
        };
        let TaskResult {
            mut increment,
            deletions,
        } = task.run(pick.files).await?;
        let vectors = super::vectors::BucketVectors {
            table: &self.table,
            context: &self.context,
            partition: &bucket.partition.bytes,
            bucket: bucket.bucket,
            files: &bucket.vectors,
            version: self.options.vector_version,
            bucketed: true,
        };
        if let Err(error) = vectors.update(&mut increment, deletions).await {
            super::task::discard_written(&bucket.paths, &increment).await;
            return Err(error);
        }
        Ok(increment)
    }

    fn pick(&self, levels: Levels<KeyedFile>) -> Option<Pick> {
        let (max_level, highest) = (levels.max_level(), levels.highest_non_empty());
        let runs = levels.into_runs();
        let sizes: Vec<_> = runs.iter().map(LevelSortedRun::size).collect();
        let time = self.time(max_level, &runs);
        let unit = match self.options.force_level0 || self.tracking.lookup {
            true => {
                // every commit leaves a file in level 0 and asks for a pick
                let waiting = sizes.iter().filter(|s| s.level == 0).count();
                ForceUpLevel0Compaction {
                    universal: self.options.universal.clone(),
                    interval: self.options.lookup_interval,
                }
                .pick(
                    max_level,
                    &sizes,
                    &time,
                    &mut u32::try_from(waiting.saturating_sub(1)).unwrap_or(u32::MAX),
                )
            }
            false => self.options.universal.pick(max_level, &sizes, &time),
        }?;
        let picked = take(runs, unit, max_level, highest);
        let done = matches!(picked.files.as_slice(),
            [only] if only.file.meta.level == picked.output_level);
        (!done && !picked.files.is_empty()).then_some(picked)
    }

    async fn pick_full(&self, levels: Levels<KeyedFile>) -> Result<Option<Pick>> {
        let (max_level, highest) = (levels.max_level(), levels.highest_non_empty());
        let runs = levels.into_runs();
        let sizes: Vec<_> = runs.iter().map(LevelSortedRun::size).collect();
        if let Some(unit) = pick_full(max_level, &sizes) {
            return Ok(Some(take(runs, unit, max_level, highest)));
        }
        // all is merged already: only files with something to leave out are rewritten
        let mut files = Vec::new();
        for file in runs.into_iter().flat_map(|run| run.files) {
            if self.has_to_leave_out(&file).await? {
                files.push(file);
            }
        }
        Ok((!files.is_empty()).then_some(Pick {
            files,
            output_level: max_level,
            max_level,
            drop_delete: true,
            one_by_one: true,
            below: Vec::new(),
        }))
    }

    /// Whether a rewrite would leave out rows of a file.
    async fn has_to_leave_out(&self, file: &KeyedFile) -> Result<bool> {
        if self.options.rewrite_all || file.file.deletion.is_some() {
            return Ok(true);
        }
        match &self.expire {
            Some(expire) => expire.has_expired(&self.table, &file.file.meta).await,
            None => Ok(false),
        }
    }

    fn time(&self, max_level: i32, runs: &[LevelSortedRun<KeyedFile>]) -> PickTime {
        let now = self.context.clock.local_ms();
        let merged = runs.iter().filter(|run| run.level == max_level);
        let newest = merged
            .flat_map(|run| &run.files)
            .filter_map(|f| f.file.meta.creation_time)
            .max();
        PickTime {
            since_full_ms: newest.map(|t| u64::try_from(now.saturating_sub(t)).unwrap_or(0)),
            hour: u32::try_from(now.div_euclid(HOUR_MS).rem_euclid(24)).unwrap_or(0),
        }
    }
}

fn take(
    runs: Vec<LevelSortedRun<KeyedFile>>,
    unit: CompactUnit,
    max_level: i32,
    highest: Option<i32>,
) -> Pick {
    let mut runs = runs.into_iter();
    let picked = runs.by_ref().take(unit.runs);
    Pick {
        files: picked.flat_map(|run| run.files).collect(),
        below: runs.flat_map(|run| run.files).collect(),
        output_level: unit.output_level,
        max_level,
        drop_delete: unit.output_level != 0 && Some(unit.output_level) >= highest,
        one_by_one: false,
    }
}
