//! The files of a snapshot, bucket by bucket.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::manifest::{DeletionFiles, ManifestScan, partition_values, read_index_manifest};
use crate::predicate::Predicate;
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

/// The buckets of the newest snapshot, of the partitions that match any of `specs` (of all without any); none for a
/// table without snapshots.
///
/// # Errors
/// `InvalidInput` for a column that is no partition column, `Damaged` for broken metadata.
pub(super) async fn load(table: &Table, specs: &[PartitionSpec]) -> Result<Vec<BucketState>> {
    let wanted = Wanted::new(table, specs)?;
    let Some(snapshot) = table.snapshots().latest().await? else {
        return Ok(Vec::new());
    };
    let scan = ManifestScan {
        io: table.io().clone(),
        table: table.location().to_string(),
        partition_fields: Arc::new(table.schema().partition_fields()),
        partition_filter: Predicate::AlwaysTrue,
        bucket_filter: None,
        parallelism: std::thread::available_parallelism().map_or(4, usize::from),
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
                let partition = wanted.partition(&entry.partition)?;
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
                meta: Arc::new(entry.file),
            });
        }
    }
    Ok(buckets.into_iter().map(|(state, _)| state).collect())
}

fn vectors_of(index: &[IndexManifestEntry], key: &(Bytes, i32)) -> Vec<IndexManifestEntry> {
    let own = |e: &&IndexManifestEntry| {
        e.index_type == "DELETION_VECTORS" && e.partition == key.0 && e.bucket == key.1
    };
    index.iter().filter(own).cloned().collect()
}

/// The partitions asked for.
struct Wanted {
    fields: Vec<crate::spec::DataField>,
    specs: Vec<Vec<(usize, Option<Datum>)>>,
}

impl Wanted {
    fn new(table: &Table, specs: &[PartitionSpec]) -> Result<Self> {
        let fields = table.schema().partition_fields();
        let position = |(name, value): &(String, Option<Datum>)| {
            let at = fields.iter().position(|f| f.name == *name);
            at.map(|at| (at, value.clone()))
                .ok_or_else(|| Error::invalid(format!("{name:?} is not a partition column")))
        };
        let specs = specs
            .iter()
            .map(|spec| spec.iter().map(position).collect())
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { fields, specs })
    }

    /// The partition, when it is asked for.
    fn partition(&self, bytes: &Bytes) -> Result<Option<Arc<Partition>>> {
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
