//! Incremental clustering: files of append tables are runs of an LSM tree, and what is compacted into a deeper level is
//! sorted, so that only new rows and those they are merged with are rewritten.
//!
//! ```text
//! level 0   one run per file, as written
//! level 1.. one sorted run each, the largest at the bottom
//! ```
//! Source: `IncrementalClusterManager`, `IncrementalClusterStrategy`, `BucketedAppendClusterManager`.

use std::sync::Arc;

use super::rewrite::Rewrite;
use super::strategy::{Clustering, OrderStrategy};
use crate::compact::CompactRequest;
use crate::compact::options::CompactOptions;
use crate::compact::state::{self, BucketState};
use crate::compact::supported::switched_on;
use crate::compact::task::discard_written;
use crate::compact::vectors::BucketVectors;
use crate::error::{Error, Result};
use crate::mergetree::{EarlyFullCompaction, PickTime, RunSize, UniversalCompaction, pick_full};
use crate::options::{CoreOptions, parse_bool};
use crate::read::SplitFile;
use crate::spec::{CommitMessage, CompactIncrement, DataFileMeta, DataIncrement};
use crate::table::Table;
use crate::write::{DataFilePaths, FileRole, discard_files};

const INCREMENTAL: &str = "clustering.incremental";
const COLUMNS: &str = "clustering.columns";
const STRATEGY: &str = "clustering.strategy";
const MODE: &str = "clustering.incremental.mode";
const IDLE: &str = "clustering.history-partition.idle-to-full-sort";
const ORDERED: &str = "bucket-append-ordered";

/// Most columns that a Z-order of strategy `auto` takes.
const Z_ORDER_MAX: usize = 4;

/// Whether a table is clustered bit by bit.
///
/// # Errors
/// `InvalidInput` for a malformed option.
pub(in crate::compact) fn is_incremental(table: &Table) -> Result<bool> {
    Ok(!table.schema().has_primary_key() && switched_on(table, INCREMENTAL)?)
}

/// Sorts what is due of each bucket, or everything that is not sorted yet, and moves it to a deeper level. Nothing due:
/// no messages.
///
/// # Errors
/// `Unsupported` or `InvalidInput` naming an option, `ResourceExhausted` when the disk is full, `Damaged` naming a file,
/// `Io` when the store fails. Files written are removed then.
///
/// # Cancel safety
/// A cancelled call leaves data files behind that no snapshot names.
pub(in crate::compact) async fn cluster_incrementally(
    table: &Table,
    request: &CompactRequest,
) -> Result<Vec<CommitMessage>> {
    let clusters = Incremental::new(table, request)?;
    let mut messages = Vec::new();
    for bucket in state::load(table, request).await? {
        match clusters.bucket(&bucket).await {
            Ok(message) => messages.extend(message),
            Err(error) => {
                for message in &messages {
                    discard_files(table, request.context.ids.as_ref(), message).await?;
                }
                return Err(error);
            }
        }
    }
    Ok(messages)
}

struct Incremental<'a> {
    table: &'a Table,
    request: &'a CompactRequest,
    clustering: Clustering,
    options: CompactOptions,
    rewrite: Rewrite<'a>,
}

/// Files that become one sorted run.
struct Pick {
    files: Vec<SplitFile>,
    output_level: i32,
}

/// Files of a level; one in level 0.
struct Run {
    level: i32,
    files: Vec<SplitFile>,
}

impl<'a> Incremental<'a> {
    fn new(table: &'a Table, request: &'a CompactRequest) -> Result<Self> {
        let core = table.options();
        check(table)?;
        let clustering = clustering_of(core)?;
        let rewrite = Rewrite::new(table, request, &clustering)?;
        let options = CompactOptions::new(core, rewrite.target_file_size())?;
        Ok(Self {
            // the rules of primary-key tables for early full compactions and quiet hours do not hold here
            options: CompactOptions {
                universal: UniversalCompaction {
                    early_full: EarlyFullCompaction::default(),
                    off_peak: None,
                    ..options.universal
                },
                ..options
            },
            rewrite,
            clustering,
            table,
            request,
        })
    }

    async fn bucket(&self, bucket: &BucketState) -> Result<Option<CommitMessage>> {
        let Some(pick) = self.pick(&bucket.files).await? else {
            return Ok(None);
        };
        let paths = Arc::new(self.rewrite.paths(bucket)?);
        let mut compact = CompactIncrement::default();
        let result = self.sort(bucket, pick, &paths, &mut compact).await;
        if result.is_err() {
            discard_written(&paths, &compact).await;
        }
        result.map(|()| {
            Some(CommitMessage {
                partition: bucket.partition.bytes.clone(),
                bucket: bucket.bucket,
                total_buckets: bucket.total_buckets,
                base: None,
                data: DataIncrement::default(),
                compact,
            })
        })
    }

    async fn sort(
        &self,
        bucket: &BucketState,
        pick: Pick,
        paths: &Arc<DataFilePaths>,
        out: &mut CompactIncrement,
    ) -> Result<()> {
        let settings = Arc::new(self.rewrite.settings(FileRole::Compacted {
            level: pick.output_level,
        })?);
        let sorted = self
            .rewrite
            .sorted(&bucket.partition, &pick.files, &settings)
            .await?;
        let before = pick.files.iter().map(|f| DataFileMeta::clone(&f.meta));
        out.compact_before.extend(before);
        let first = pick.files.iter().map(|f| f.meta.min_sequence_number).min();
        out.compact_after = self
            .rewrite
            .written(sorted, settings, Arc::clone(paths), first.unwrap_or(0))
            .await?;
        let vectors = BucketVectors {
            table: self.table,
            context: &self.request.context,
            partition: &bucket.partition.bytes,
            bucket: bucket.bucket,
            files: &bucket.vectors,
            version: self.options.vector_version,
            bucketed: false,
        };
        vectors.update(out, Default::default()).await
    }

    async fn pick(&self, files: &[SplitFile]) -> Result<Option<Pick>> {
        let runs = runs_of(files);
        let sizes: Vec<RunSize> = runs.iter().map(Run::size).collect();
        let deepest = runs.iter().map(|r| r.level).max().unwrap_or(0);
        let levels = i32::try_from(self.options.levels.max(2)).unwrap_or(i32::MAX);
        let max_level = deepest.max(levels - 1);
        let unit = match self.request.full {
            false => {
                let universal = &self.options.universal;
                universal.pick(max_level, &sizes, &PickTime::default())
            }
            true => pick_full(max_level, &sizes),
        };
        let (count, output_level) = match unit {
            Some(unit) => (unit.runs, unit.output_level),
            // sorted by other columns than today's
            None if self.request.full && !self.sorted_as_now(&runs).await? => {
                (runs.len(), max_level)
            }
            None => return Ok(None),
        };
        Ok(Some(Pick {
            files: runs.into_iter().take(count).flat_map(|r| r.files).collect(),
            output_level,
        }))
    }

    /// Whether the files, which are one run, were sorted by the columns of now, as the schema tells that they were
    /// written with.
    async fn sorted_as_now(&self, runs: &[Run]) -> Result<bool> {
        let Some(file) = runs.iter().flat_map(|r| &r.files).next() else {
            return Ok(true);
        };
        let schema = self.table.schemas().schema(file.meta.schema_id).await?;
        let then = schema.options.get(COLUMNS).map(String::as_str);
        Ok(columns_of(then) == self.clustering.columns)
    }
}

impl Run {
    fn size(&self) -> RunSize {
        let bytes = |f: &SplitFile| u64::try_from(f.meta.file_size).unwrap_or(0);
        RunSize {
            level: self.level,
            bytes: self.files.iter().map(bytes).sum(),
        }
    }
}

/// The runs of a bucket: the files of level 0, the newest first, then the levels from the first on.
fn runs_of(files: &[SplitFile]) -> Vec<Run> {
    let mut files = files.to_vec();
    files.sort_by(|a, b| {
        (a.meta.level.cmp(&b.meta.level))
            .then_with(|| b.meta.creation_time.cmp(&a.meta.creation_time))
            .then_with(|| a.meta.file_name.cmp(&b.meta.file_name))
    });
    let mut runs: Vec<Run> = Vec::new();
    for file in files {
        let level = file.meta.level;
        match runs.last_mut().filter(|r| level > 0 && r.level == level) {
            Some(run) => run.files.push(file),
            None => runs.push(Run {
                level,
                files: vec![file],
            }),
        }
    }
    runs
}

/// Refuses tables whose rows must stay in order, and options that are not honoured.
fn check(table: &Table) -> Result<()> {
    let core = table.options();
    if core.get(IDLE).is_some() {
        return Err(
            Error::unsupported("full clustering of idle partitions is not supported")
                .with("option", IDLE),
        );
    }
    if let Some(mode) = core.get(MODE) {
        // one process sorts all of a bucket, so that both come to the same
        let known = ["global-sort", "local-sort"];
        if !known.iter().any(|k| mode.trim().eq_ignore_ascii_case(k)) {
            return Err(Error::invalid(format!(
                "expected global-sort or local-sort, found {mode:?}"
            ))
            .with("option", MODE));
        }
    }
    if core.bucket == -1 {
        return Ok(());
    }
    let ordered = core.get(ORDERED).map(parse_bool).transpose();
    let ordered = ordered.map_err(|e| e.with("option", ORDERED))?;
    if ordered.unwrap_or(true) || core.deletion_vectors {
        return Err(Error::invalid(format!(
            "a table with buckets is clustered without deletion vectors and with `{ORDERED}` = false only"
        ))
        .with("option", INCREMENTAL));
    }
    Ok(())
}

fn clustering_of(core: &CoreOptions) -> Result<Clustering> {
    let columns = columns_of(core.get(COLUMNS));
    if columns.is_empty() {
        return Err(
            Error::invalid("incremental clustering needs columns to sort by, found none")
                .with("option", COLUMNS),
        );
    }
    let strategy = core.get(STRATEGY).unwrap_or("auto").trim();
    let strategy = match strategy.eq_ignore_ascii_case("auto") {
        true => match columns.len() {
            1 => OrderStrategy::Order,
            2..=Z_ORDER_MAX => OrderStrategy::ZOrder,
            _ => OrderStrategy::Hilbert,
        },
        false => strategy
            .parse()
            .map_err(|e: Error| e.with("option", STRATEGY))?,
    };
    Ok(Clustering { strategy, columns })
}

fn columns_of(text: Option<&str>) -> Vec<String> {
    let names = text.into_iter().flat_map(|t| t.split(','));
    let names = names.map(str::trim).filter(|n| !n.is_empty());
    names.map(str::to_string).collect()
}
