//! From a table and a filter to splits.
//!
//! Source: `AbstractDataTableScan`, `KeyValueFileStoreScan`, `AppendOnlyFileStoreScan`, `BucketSelectConverter`.

pub(super) mod bucket_filter;
pub(super) mod generate;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;

use self::bucket_filter::{bucket_filter, buckets_are_current};
use self::generate::SplitGenerator;
use crate::error::{Error, Result};
use crate::manifest::{
    DeletionFiles, FileFilter, ManifestScan, ScanCounts, partition_values, read_index_manifest,
};
use crate::options::MergeEngine;
use crate::predicate::{Leaf, Predicate, may_match, project};
use crate::read::file::stats::FileStats;
use crate::read::split::{DataSplit, Partition, SplitFile};
use crate::spec::{
    DataFileMeta, Datum, ManifestEntry, POSTPONE_BUCKET, Snapshot, TableSchema, partition_path,
};
use crate::table::ScanTarget;
use crate::table::Table;

/// The files a read needs.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Snapshot planned on; `None` for a table without commits.
    pub snapshot: Option<Snapshot>,
    /// Units of work.
    pub splits: Vec<DataSplit>,
    /// What planning looked at and left out.
    pub counts: PlanCounts,
}

/// What planning looked at and left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanCounts {
    /// Manifests and entries.
    pub scan: ScanCounts,
    /// Files left out by key and value statistics or embedded indexes.
    pub files_pruned_by_stats: usize,
    /// Files planned.
    pub files: usize,
}

/// What to plan.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    /// Filter over the table's columns.
    pub filter: Predicate,
    /// Only files of the top level (`$ro`).
    pub read_optimized: bool,
    /// Files of which levels.
    pub levels: PlanLevels,
    /// Serialised rows of partitions that are left out.
    pub without_partitions: Arc<HashSet<Bytes>>,
}

/// Which levels of a primary-key table a plan takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlanLevels {
    /// Those that a batch read sees: all, or without level 0 where that awaits compaction. No postponed rows.
    #[default]
    Batch,
    /// All, postponed rows as well: with the files written from then on they tell everything.
    All,
    /// All, without postponed rows: those have no bucket yet, and their changelog comes with the compaction that gives them
    /// one.
    Placed,
    /// Level 1 and above: what lookup compactions have told.
    Compacted,
    /// One level: what full compactions have told.
    Only(i32),
}

impl Default for PlanRequest {
    fn default() -> Self {
        Self {
            filter: Predicate::AlwaysTrue,
            read_optimized: false,
            levels: PlanLevels::Batch,
            without_partitions: Arc::default(),
        }
    }
}

/// Plans a batch read of the table's current target.
///
/// # Errors
/// `Damaged` for broken metadata, `SnapshotExpired` when the snapshot vanished meanwhile.
#[tracing::instrument(name = "plan", skip_all, fields(table = table.name()))]
pub async fn plan(table: &Table, request: &PlanRequest) -> Result<Plan> {
    let Some(snapshot) = table.current_snapshot().await? else {
        return Ok(Plan {
            snapshot: None,
            splits: Vec::new(),
            counts: PlanCounts::default(),
        });
    };
    let planner = Planner { table, request };
    let id = snapshot.id;
    let plan = match planner.plan(snapshot).await {
        Ok(plan) => plan,
        Err(error) => {
            let error = table.snapshots().reading_error(id, error).await;
            return Err(error.with_default("table", table.name()));
        }
    };
    tracing::debug!(
        manifests = plan.counts.scan.manifests,
        manifests_read = plan.counts.scan.manifests_read,
        entries = plan.counts.scan.entries,
        pruned = plan.counts.files_pruned_by_stats,
        files = plan.counts.files,
        splits = plan.splits.len(),
        "planned"
    );
    Ok(plan)
}

/// Serialised rows of the partitions with live files that may match the filter.
///
/// # Errors
/// As [`plan`].
pub(crate) async fn live_partition_rows(
    table: &Table,
    request: &PlanRequest,
) -> Result<HashSet<Bytes>> {
    let Some(snapshot) = table.current_snapshot().await? else {
        return Ok(HashSet::new());
    };
    let scan = ManifestScan {
        bucket_filter: None,
        ..Planner { table, request }.manifest_scan().await
    };
    let (entries, _) = scan.live_files(&snapshot).await?;
    // copies, so that the set does not keep whole manifests alive
    let copy = |e: &ManifestEntry| Bytes::copy_from_slice(&e.partition);
    Ok(entries.iter().map(copy).collect())
}

pub(in crate::read) struct Planner<'a> {
    pub(in crate::read) table: &'a Table,
    pub(in crate::read) request: &'a PlanRequest,
}

/// Live files of one bucket.
pub(in crate::read) struct BucketFiles {
    pub partition: Arc<Partition>,
    pub bucket: i32,
    pub total_buckets: i32,
    pub files: Vec<SplitFile>,
}

impl Planner<'_> {
    async fn plan(&self, snapshot: Snapshot) -> Result<Plan> {
        let table = self.table;
        let scan = ManifestScan {
            file_filter: self.file_filter(),
            ..self.manifest_scan().await
        };
        let delta_only =
            matches!(table.target(), ScanTarget::Pinned { delta_only, .. } if *delta_only);
        let index = read_index_manifest(
            table.io(),
            table.location(),
            snapshot.index_manifest.as_deref(),
        );
        let (found, index) = if delta_only {
            futures::future::join(scan.added_files(&snapshot), index).await
        } else {
            futures::future::join(scan.live_files(&snapshot), index).await
        };
        let (entries, counts) = found?;
        let deletions = DeletionFiles::from_entries(table.location(), &index?)?;
        let schemas = self.schemas_of(&entries).await?;
        let mut counts = PlanCounts {
            files_pruned_by_stats: counts.files_left_out,
            scan: counts,
            files: 0,
        };
        let mut splits = Vec::new();
        let generator = SplitGenerator::new(table, snapshot.id)?;
        for bucket in self.buckets(entries, &deletions, &|e| self.is_visible(e))? {
            let before = bucket.files.len();
            let bucket = self.prune(bucket, &schemas)?;
            counts.files_pruned_by_stats += before - bucket.files.len();
            counts.files += bucket.files.len();
            splits.extend(generator.splits(bucket)?);
        }
        Ok(Plan {
            snapshot: Some(snapshot),
            splits,
            counts,
        })
    }

    pub(in crate::read) async fn manifest_scan(&self) -> ManifestScan {
        let table = self.table;
        let mut buckets = bucket_filter(table.schema(), table.options(), &self.request.filter);
        if buckets.is_some() && !buckets_are_current(table).await {
            buckets = None;
        }
        let schema = table.schema();
        let partition_ids: Vec<i32> = schema.partition_fields().iter().map(|f| f.id).collect();
        let in_partition = |leaf: &Leaf| partition_ids.contains(&leaf.field_id);
        ManifestScan {
            partition_filter: project(&self.request.filter, &in_partition),
            without_partitions: self.request.without_partitions.clone(),
            bucket_filter: buckets,
            ..table.manifest_scan()
        }
    }

    /// What [`Self::prune`] would leave out whatever else the bucket holds, for files of the current schema: such
    /// entries need not be kept in memory.
    fn file_filter(&self) -> Option<FileFilter> {
        let schema = self.table.schema();
        let keyed = schema.has_primary_key();
        // the files of a row-id range are judged together, the top level is known once all files are
        if self.table.options().data_evolution || (keyed && self.request.read_optimized) {
            return None;
        }
        let filter = match keyed {
            true => self.key_filter(),
            false => self.value_filter(),
        };
        if filter == Predicate::AlwaysTrue {
            return None;
        }
        let schema = schema.clone();
        Some(Arc::new(move |file: &DataFileMeta| {
            file.schema_id != schema.id || file_may_match(file, &schema, &schema, &filter)
        }))
    }

    /// The filter over columns that are not partition columns: the partition filter holds already, and statistics of
    /// partition columns may be of another encoding.
    fn value_filter(&self) -> Predicate {
        let partition = self.table.schema().partition_fields();
        project(&self.request.filter, &|leaf| {
            partition.iter().all(|f| f.id != leaf.field_id)
        })
    }

    /// The part of [`Self::value_filter`] over key columns.
    fn key_filter(&self) -> Predicate {
        let keys = self.table.schema().key_fields();
        project(&self.value_filter(), &|leaf| {
            keys.iter().any(|f| f.id == leaf.field_id)
        })
    }

    pub(in crate::read) async fn schemas_of(
        &self,
        entries: &[ManifestEntry],
    ) -> Result<HashMap<i64, Arc<TableSchema>>> {
        let mut ids: Vec<i64> = entries.iter().map(|e| e.file.schema_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let loads = ids
            .into_iter()
            .map(|id| async move { Ok::<_, Error>((id, self.table.schemas().schema(id).await?)) });
        let loaded: Vec<_> = futures::stream::iter(loads).buffered(8).collect().await;
        loaded.into_iter().collect()
    }

    /// Groups the visible entries by partition and bucket, in order of first appearance.
    pub(in crate::read) fn buckets(
        &self,
        entries: Vec<ManifestEntry>,
        deletions: &DeletionFiles,
        is_visible: &dyn Fn(&ManifestEntry) -> bool,
    ) -> Result<Vec<BucketFiles>> {
        let mut order: Vec<BucketFiles> = Vec::new();
        let mut known: HashMap<(Bytes, i32), usize> = HashMap::new();
        let mut partitions: HashMap<Bytes, Arc<Partition>> = HashMap::new();
        let mut folders: Vec<String> = Vec::new();
        // entries of one bucket often follow each other
        let mut last = 0;
        for entry in entries {
            if !is_visible(&entry) {
                continue;
            }
            let is_last =
                |b: &BucketFiles| b.bucket == entry.bucket && b.partition.bytes == entry.partition;
            let found = match order.get(last) {
                Some(bucket) if is_last(bucket) => Some(last),
                _ => known.get(&(entry.partition.clone(), entry.bucket)).copied(),
            };
            let at = match found {
                Some(at) => at,
                None => {
                    let partition = match partitions.get(&entry.partition) {
                        Some(partition) => partition.clone(),
                        None => {
                            let loaded = Arc::new(self.partition(&entry.partition)?);
                            partitions.insert(entry.partition.clone(), loaded.clone());
                            loaded
                        }
                    };
                    known.insert((entry.partition.clone(), entry.bucket), order.len());
                    folders.push(bucket_path(self.table, &partition, entry.bucket)?);
                    order.push(BucketFiles {
                        partition,
                        bucket: entry.bucket,
                        total_buckets: entry.total_buckets,
                        files: Vec::new(),
                    });
                    order.len() - 1
                }
            };
            last = at;
            let bucket = &mut order[at];
            let deletion = deletions
                .get(&entry.partition, entry.bucket, &entry.file.file_name)
                .cloned();
            bucket.files.push(SplitFile {
                path: data_file_path(&folders[at], &entry.file)?.into(),
                meta: entry.file,
                deletion,
            });
        }
        Ok(order)
    }

    fn partition(&self, bytes: &Bytes) -> Result<Partition> {
        Ok(Partition {
            bytes: bytes.clone(),
            values: partition_values(bytes, &self.table.schema().partition_fields())?,
        })
    }

    pub(in crate::read) fn is_visible(&self, entry: &ManifestEntry) -> bool {
        let options = self.table.options();
        if let ScanTarget::Pinned {
            created_since_ms: Some(since),
            ..
        } = self.table.target()
            && entry.file.creation_time.is_some_and(|t| t < *since)
        {
            return false;
        }
        if !self.table.schema().has_primary_key() {
            return true;
        }
        let delta =
            matches!(self.table.target(), ScanTarget::Pinned { delta_only, .. } if *delta_only);
        let hides_level0 =
            (options.batch_scan_skips_level0() && !delta) || self.request.read_optimized;
        let level = entry.file.level;
        match self.request.levels {
            PlanLevels::Batch => entry.bucket != POSTPONE_BUCKET && !(hides_level0 && level == 0),
            PlanLevels::All => true,
            PlanLevels::Placed => entry.bucket != POSTPONE_BUCKET,
            PlanLevels::Compacted => entry.bucket != POSTPONE_BUCKET && level > 0,
            PlanLevels::Only(wanted) => entry.bucket != POSTPONE_BUCKET && level == wanted,
        }
    }

    /// Leaves out files that cannot hold a wanted row, where leaving them out cannot bring back a superseded one.
    pub(in crate::read) fn prune(
        &self,
        mut bucket: BucketFiles,
        schemas: &HashMap<i64, Arc<TableSchema>>,
    ) -> Result<BucketFiles> {
        let table = self.table;
        let schema = table.schema();
        if self.request.read_optimized && schema.has_primary_key() {
            let top = bucket.files.iter().map(|f| f.meta.level).max();
            bucket.files.retain(|f| Some(f.meta.level) == top);
        }
        let of_values = self.value_filter();
        let of_keys = self.key_filter();
        if of_values == Predicate::AlwaysTrue {
            return Ok(bucket);
        }
        let may = |file: &SplitFile, predicate: &Predicate| -> Result<bool> {
            let file_schema = schemas
                .get(&file.meta.schema_id)
                .ok_or_else(|| Error::internal("schema of a data file was not loaded"))?;
            Ok(file_may_match(&file.meta, file_schema, schema, predicate))
        };
        let per_file =
            if !schema.has_primary_key() || values_are_final(table, &bucket, self.request) {
                &of_values
            } else {
                &of_keys
            };
        let mut kept = Vec::with_capacity(bucket.files.len());
        if table.options().data_evolution {
            // files of one row-id range complete each other: judged together when read
            return Ok(bucket);
        }
        for file in bucket.files {
            if may(&file, per_file)? {
                kept.push(file);
            }
        }
        bucket.files = kept;
        Ok(bucket)
    }
}

/// Whether every record of these files is its key's only one, so that a file without matching values can be left out.
fn values_are_final(table: &Table, bucket: &BucketFiles, request: &PlanRequest) -> bool {
    let options = table.options();
    if options.batch_scan_skips_level0()
        && options.deletion_vectors
        && !matches!(request.levels, PlanLevels::All | PlanLevels::Placed)
    {
        return true;
    }
    if request.read_optimized {
        return true;
    }
    if matches!(
        options.merge_engine,
        MergeEngine::PartialUpdate | MergeEngine::Aggregation
    ) && bucket.files.len() > 1
        && bucket.files.iter().any(|f| f.meta.level == 0)
    {
        return false;
    }
    match bucket.files.as_slice() {
        [_] => true,
        files => {
            let level = files.first().map_or(0, |f| f.meta.level);
            level > 0 && files.iter().all(|f| f.meta.level == level)
        }
    }
}

/// Whether a file may hold rows that match, by its statistics alone.
pub(in crate::read) fn file_may_match(
    meta: &DataFileMeta,
    file_schema: &TableSchema,
    schema: &TableSchema,
    predicate: &Predicate,
) -> bool {
    let stats = FileStats::new(meta, file_schema);
    let of = |id: i32| stats.column(schema.field_by_id(id)?);
    may_match(predicate, &of, meta.row_count)
}

/// Folder of a bucket's data files.
pub(crate) fn bucket_path(table: &Table, partition: &Partition, bucket: i32) -> Result<String> {
    let mut path = table.location().to_string();
    if let Some(folder) = &table.options().data_file_directory {
        path = format!("{path}/{}", folder.trim_matches('/'));
    }
    if !partition.values.is_empty() {
        path = format!("{path}/{}", partition_folder(table, &partition.values));
    }
    Ok(match bucket {
        -2 => format!("{path}/bucket-postpone"),
        n => format!("{path}/bucket-{n}"),
    })
}

/// Folder of a partition, below those of the table.
pub(crate) fn partition_folder(table: &Table, values: &[Option<Datum>]) -> String {
    let options = table.options();
    let fields = table.schema().partition_fields();
    let keys = fields.iter().zip(values);
    let keys: Vec<_> = keys
        .map(|(f, v)| (f.name.clone(), v.clone(), f.data_type.clone()))
        .collect();
    partition_path(
        &keys,
        &options.partition_default_name,
        options.partition_legacy_name,
    )
}

/// Location of a data file.
pub(crate) fn data_file_path(folder: &str, file: &DataFileMeta) -> Result<String> {
    match &file.external_path {
        Some(path) => Ok(path.clone()),
        None => Ok([folder, "/", crate::io::checked_name(&file.file_name)?].concat()),
    }
}
