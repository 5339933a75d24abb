//! The files of a snapshot, bucket by bucket.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::CompactRequest;
use crate::error::{Error, Result};
use crate::manifest::{
    BucketFilter, DeletionFiles, ManifestScan, partition_values, read_index_manifest,
};
use crate::predicate::{Predicate, PredicateOp};
use crate::read::{Partition, SplitFile, bucket_path, data_file_path};
use crate::spec::{Datum, IndexManifestEntry};
use crate::table::Table;

/// Values of some or all partition columns by name.
pub type PartitionSpec = Vec<(String, Option<Datum>)>;

/// One bucket and all its files.
#[derive(Debug, Clone)]
pub(super) struct BucketState {
    pub partition: Arc<Partition>,
    pub bucket: i32,
    /// As recorded with its files; -1 when not fixed.
    pub total_buckets: i32,
    pub files: Vec<SplitFile>,
    /// Its index files with deletion vectors.
    pub vectors: Vec<IndexManifestEntry>,
}

/// The buckets of the newest snapshot that a request is about; none for a table without snapshots.
///
/// # Errors
/// `InvalidInput` for a column that is no partition column, and when files have a newer schema than the table;
/// `Damaged` for broken metadata.
pub(super) async fn load(table: &Table, request: &CompactRequest) -> Result<Vec<BucketState>> {
    let wanted = Wanted::new(table, request)?;
    let Some(snapshot) = table.snapshots().latest().await? else {
        return Ok(Vec::new());
    };
    let scan = ManifestScan {
        partition_filter: wanted.partition_filter(request)?,
        bucket_filter: wanted.bucket_filter(),
        ..table.manifest_scan()
    };
    let (entries, _) = scan.live_files(&snapshot).await?;
    let index = snapshot.index_manifest.as_deref();
    let index = read_index_manifest(table.io(), table.location(), index).await?;
    let deletions = DeletionFiles::from_entries(table.location(), &index)?;
    let mut buckets: Vec<(BucketState, String)> = Vec::new();
    let mut known: HashMap<(Bytes, i32), Option<usize>> = HashMap::new();
    for entry in entries {
        let key = (entry.partition.clone(), entry.bucket);
        let at = match known.get(&key) {
            Some(at) => *at,
            None => {
                let partition = wanted.partition(&entry.partition, entry.bucket)?;
                let at = partition.is_some().then_some(buckets.len());
                if let Some(partition) = partition {
                    let folder = bucket_path(table, &partition, entry.bucket)?;
                    buckets.push((
                        BucketState {
                            vectors: vectors_of(&index, &key),
                            partition,
                            bucket: entry.bucket,
                            total_buckets: entry.total_buckets,
                            files: Vec::new(),
                        },
                        folder,
                    ));
                }
                known.insert(key, at);
                at
            }
        };
        if let Some((state, folder)) = at.and_then(|at| buckets.get_mut(at)) {
            let name = &entry.file.file_name;
            state.files.push(SplitFile {
                path: data_file_path(folder, &entry.file)?.into(),
                deletion: deletions.get(&entry.partition, entry.bucket, name).cloned(),
                meta: entry.file,
            });
        }
    }
    let mut buckets: Vec<BucketState> = buckets.into_iter().map(|(state, _)| state).collect();
    if let Some(since) = request.idle_since_local_ms {
        retain_idle(&mut buckets, since);
    }
    if let Some(numbers) = &request.numbers {
        buckets.retain(|bucket| numbers.contains(&bucket.bucket));
    }
    known_schemas(table, request, buckets)
}

/// The partitions that a request for idle ones means now.
///
/// # Errors
/// As those of [`load`].
pub(crate) async fn idle_partitions(table: &Table, request: &CompactRequest) -> Result<Vec<Bytes>> {
    let buckets = load(table, request).await?.into_iter();
    let mut partitions: Vec<Bytes> = buckets.map(|b| b.partition.bytes.clone()).collect();
    partitions.sort_unstable();
    partitions.dedup();
    Ok(partitions)
}

/// Leaves the buckets of partitions without a file that is newer than `since` (local wall clock, milliseconds). A file
/// that does not tell counts as new. Source: `CompactProcedure.getHistoryPartition`.
fn retain_idle(buckets: &mut Vec<BucketState>, since: i64) {
    let is_new = |file: &SplitFile| file.meta.creation_time.is_none_or(|time| time > since);
    let busy: HashSet<Bytes> = (buckets.iter())
        .filter(|bucket| bucket.files.iter().any(is_new))
        .map(|bucket| bucket.partition.bytes.clone())
        .collect();
    buckets.retain(|bucket| !busy.contains(&bucket.partition.bytes));
}

/// The buckets without those that hold files of a newer schema than the table was opened with: their columns would be
/// lost. A compaction that follows a write leaves such buckets to writers that know the schema.
///
/// # Errors
/// `InvalidInput` for such a bucket where a compaction was asked for.
fn known_schemas(
    table: &Table,
    request: &CompactRequest,
    mut buckets: Vec<BucketState>,
) -> Result<Vec<BucketState>> {
    let own = table.schema().id;
    let newer = |file: &&SplitFile| file.meta.schema_id > own;
    if request.buckets.is_some() {
        let all = buckets.len();
        buckets.retain(|bucket| !bucket.files.iter().any(|f| newer(&f)));
        if buckets.len() < all {
            let left = all - buckets.len();
            tracing::warn!(
                table = table.name(),
                left,
                "buckets of a newer schema are not compacted"
            );
        }
        return Ok(buckets);
    }
    match buckets.iter().flat_map(|b| &b.files).find(newer) {
        None => Ok(buckets),
        Some(file) => Err(Error::invalid(format!(
            "a data file has schema {}, the table was opened with schema {own}: open it again",
            file.meta.schema_id
        ))
        .with("path", &file.path)),
    }
}

fn vectors_of(index: &[IndexManifestEntry], key: &(Bytes, i32)) -> Vec<IndexManifestEntry> {
    let own = |e: &&IndexManifestEntry| {
        e.index_type == "DELETION_VECTORS" && e.partition == key.0 && e.bucket == key.1
    };
    index.iter().filter(own).cloned().collect()
}

/// So many partitions are looked for by value in the manifests' statistics.
const POINT_PARTITIONS: usize = 32;

/// The partitions and buckets asked for.
struct Wanted<'a> {
    buckets: Option<&'a HashSet<(Bytes, i32)>>,
    fields: Vec<crate::spec::DataField>,
    specs: Vec<Vec<(usize, Option<Datum>)>>,
}

impl<'a> Wanted<'a> {
    fn new(table: &Table, request: &'a CompactRequest) -> Result<Self> {
        let fields = table.schema().partition_fields();
        let position = |(name, value): &(String, Option<Datum>)| {
            let at = fields.iter().position(|f| f.name == *name);
            at.map(|at| (at, value.clone()))
                .ok_or_else(|| Error::invalid(format!("{name:?} is not a partition column")))
        };
        let specs = request
            .partitions
            .iter()
            .map(|spec| spec.iter().map(position).collect())
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            buckets: request.buckets.as_ref(),
            fields,
            specs,
        })
    }

    /// Prunes manifests where the buckets asked for lie in a few partitions.
    fn partition_filter(&self, request: &CompactRequest) -> Result<Predicate> {
        let Some(buckets) = &request.buckets else {
            return Ok(Predicate::AlwaysTrue);
        };
        let partitions: HashSet<&Bytes> = buckets.iter().map(|(partition, _)| partition).collect();
        if self.fields.is_empty() || partitions.len() > POINT_PARTITIONS {
            return Ok(Predicate::AlwaysTrue);
        }
        let equal = |bytes: &Bytes| -> Result<Predicate> {
            let values = partition_values(bytes, &self.fields)?.into_iter();
            let leaves = values.zip(&self.fields).map(|(value, field)| match value {
                None => Predicate::leaf(field, PredicateOp::IsNull, Vec::new()),
                value => Predicate::leaf(field, PredicateOp::Eq, vec![value]),
            });
            Ok(Predicate::and(leaves.collect::<Result<Vec<_>>>()?))
        };
        let parts = partitions.into_iter().map(equal);
        Ok(Predicate::or(parts.collect::<Result<Vec<_>>>()?))
    }

    fn bucket_filter(&self) -> Option<BucketFilter> {
        let numbers: HashSet<i32> = self.buckets?.iter().map(|(_, bucket)| *bucket).collect();
        Some(Arc::new(move |bucket, _| numbers.contains(&bucket)))
    }

    /// The partition, when it and the bucket are asked for.
    fn partition(&self, bytes: &Bytes, bucket: i32) -> Result<Option<Arc<Partition>>> {
        let key = (bytes.clone(), bucket);
        if self.buckets.is_some_and(|buckets| !buckets.contains(&key)) {
            return Ok(None);
        }
        let values = partition_values(bytes, &self.fields)?;
        let matches = |spec: &Vec<(usize, Option<Datum>)>| {
            spec.iter().all(|(at, value)| values[*at] == *value)
        };
        let wanted = self.specs.is_empty() || self.specs.iter().any(matches);
        Ok(wanted.then(|| {
            Arc::new(Partition {
                bytes: bytes.clone(),
                values,
            })
        }))
    }
}
