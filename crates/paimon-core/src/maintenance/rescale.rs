//! Rewriting partitions into another number of fixed buckets. Source: `RescaleProcedure`, `RescaleAction`.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use futures::TryStreamExt;

use super::auto_compact::compact_and_commit;
use super::partitions::live_scan;
use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit, Overwrite, Replaced};
use crate::compact::CompactRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Publication;
use crate::manifest::{partition_values, read_index_manifest};
use crate::predicate::{Predicate, PredicateOp};
use crate::schema::validate_schema;
use crate::spec::{
    CommitMessage, Datum, ManifestCommittable, ManifestEntry, Snapshot, TableSchema,
};
use crate::table::Table;
use crate::write::WriteContext;

/// So often a partition is read anew when it was written to meanwhile, and a schema when others altered it.
const ATTEMPTS: usize = 10;

/// Values of partition columns by name.
pub(super) type Spec = Vec<(String, Option<Datum>)>;

/// Gives partitions of a table with fixed buckets another number of them.
///
/// The option `bucket` is changed first, in a schema of its own: from then on writers use the new number, and refuse the
/// partitions that have not been rewritten yet.
#[derive(Debug, Clone, Default)]
pub struct RescaleBuckets {
    /// Buckets to have; the table's option `bucket` by default.
    pub bucket_num: Option<i32>,
    /// Partitions with any of these values of some or all partition columns; all of them when empty.
    pub partitions: Vec<Spec>,
}

impl RescaleBuckets {
    /// Rewrites every chosen partition that has another number of buckets, each by an OVERWRITE snapshot. Returns their
    /// ids. What others write to a partition meanwhile is kept: it is read anew. Where reads leave out level 0 (deletion
    /// vectors, first-row) a partition is compacted first, and afterwards if its new files could not be put into the
    /// deepest level.
    ///
    /// # Errors
    /// `InvalidInput` for a number below 1 or a column that is no partition column, `Unsupported` for a table without
    /// fixed buckets, `CommitConflict` when a partition is
    /// written to over and over; otherwise as reads, writes and commits.
    ///
    /// # Cancel safety
    /// Partitions that a cancelled call has not come to keep their buckets; the next call rewrites them.
    pub async fn run(&self, table: &Table, context: &CommitContext) -> Result<Vec<i64>> {
        let count = self
            .checked_count(table)
            .map_err(|e| e.with_default("table", table.name()))?;
        let table = with_buckets(table, count, context.clock.epoch_ms()).await?;
        let mut made = Vec::new();
        for partition in self.pending(&table, count).await? {
            made.extend(rescale(&table, &partition, context).await?);
        }
        Ok(made)
    }

    fn checked_count(&self, table: &Table) -> Result<i32> {
        let options = table.options();
        if options.bucket < 1 {
            return Err(Error::unsupported(format!(
                "only tables with a fixed number of buckets are rescaled, `bucket` is {}",
                options.bucket
            ))
            .with("option", "bucket"));
        }
        let known = table.schema().partition_keys.as_slice();
        let columns = self.partitions.iter().flatten();
        if let Some((name, _)) = columns.into_iter().find(|(name, _)| !known.contains(name)) {
            return Err(Error::invalid(format!(
                "{name:?} is not a partition column"
            )));
        }
        match self.bucket_num.unwrap_or(options.bucket) {
            count if count >= 1 => Ok(count),
            count => Err(Error::invalid(format!(
                "expected at least one bucket, found {count}"
            ))),
        }
    }

    /// The chosen partitions that have another number of buckets.
    async fn pending(&self, table: &Table, count: i32) -> Result<Vec<Bytes>> {
        let Some(snapshot) = table.snapshots().latest().await? else {
            return Ok(Vec::new());
        };
        let (entries, _) = live_scan(table).live_files(&snapshot).await?;
        let mut pending = Vec::new();
        let mut seen = HashSet::new();
        for entry in entries.iter().filter(|e| e.total_buckets != count) {
            if seen.insert(&entry.partition) && self.holds(table, &entry.partition)? {
                pending.push(entry.partition.clone());
            }
        }
        Ok(pending)
    }

    fn holds(&self, table: &Table, partition: &Bytes) -> Result<bool> {
        Ok(self.partitions.is_empty() || is_any_of(table, partition, &self.partitions)?)
    }
}

/// Whether a partition has the values of any of these specs.
pub(super) fn is_any_of(table: &Table, partition: &Bytes, specs: &[Spec]) -> Result<bool> {
    let values = spec_of(table, partition)?;
    let fits = |spec: &Spec| spec.iter().all(|pair| values.contains(pair));
    Ok(specs.iter().any(fits))
}

pub(super) fn spec_of(table: &Table, partition: &Bytes) -> Result<Spec> {
    let fields = table.schema().partition_fields();
    let values = partition_values(partition, &fields)?;
    Ok(fields.into_iter().map(|f| f.name).zip(values).collect())
}

/// The newest state of the table, after a schema with this number of buckets was made if it has another one.
async fn with_buckets(table: &Table, count: i32, now_ms: i64) -> Result<Table> {
    for _ in 0..ATTEMPTS {
        let newest = table.branch(table.branch_name()).await?;
        let known = newest.schemas().latest().await?;
        let known = known.ok_or_else(|| Error::damaged("the table has no schema any more"))?;
        if newest.options().bucket == count {
            return write_settings(&newest).await;
        }
        let mut schema = TableSchema::clone(&known);
        schema.id += 1;
        schema.time_millis = now_ms;
        schema.options.insert("bucket".into(), count.to_string());
        validate_schema(&schema)?;
        if newest.schemas().create(&schema).await? == Publication::Created {
            let altered = table.branch(table.branch_name()).await?;
            return write_settings(&altered).await;
        }
    }
    let message = "the schema was altered by others over and over";
    Err(Error::new(ErrorKind::CommitConflict, message).with("table", table.name()))
}

/// Rows that only move make no changelog, and nothing is compacted on the way.
async fn write_settings(table: &Table) -> Result<Table> {
    let mut options = HashMap::from([("write-only".to_string(), "true".to_string())]);
    if table.schema().has_primary_key() {
        options.insert("changelog-producer".into(), "none".into());
    }
    table.with_options(&options).await
}

/// Rewrites one partition until nobody wrote to it meanwhile.
async fn rescale(table: &Table, partition: &Bytes, context: &CommitContext) -> Result<Vec<i64>> {
    let spec = spec_of(table, partition)?;
    let user = context.ids.uuid().to_string();
    let commit = FileStoreCommit::new(table, &user, context.clone())?;
    let hidden = table.schema().has_primary_key() && table.options().batch_scan_skips_level0();
    let mut attempt = 1;
    loop {
        if hidden {
            merge_all(table, &spec, context).await?;
        }
        let Some((messages, replaced)) = rewrite(table, partition, &spec).await? else {
            return Ok(Vec::new());
        };
        if hidden && replaced.level0 {
            // rows that were written since are in no read yet
            table.new_commit().abort(&messages).await;
            if attempt == ATTEMPTS {
                return Err(written_over_and_over());
            }
            attempt += 1;
            continue;
        }
        let replaced = replaced.files;
        let committable = ManifestCommittable {
            identifier: BATCH_COMMIT_IDENTIFIER,
            watermark: None,
            properties: BTreeMap::new(),
            messages,
        };
        let target = Overwrite::Static(spec.clone());
        match commit.replace(&target, &committable, &replaced).await {
            Ok(mut made) => {
                if hidden {
                    made.extend(merge_all(table, &spec, context).await?);
                }
                return Ok(made);
            }
            Err(error) if error.kind() == ErrorKind::CommitConflict => {
                table.new_commit().abort(&committable.messages).await;
                if attempt == ATTEMPTS {
                    return Err(error);
                }
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn written_over_and_over() -> Error {
    let message = "the partition was written to by others over and over";
    Error::new(ErrorKind::CommitConflict, message)
}

/// Merges a partition, so that nothing of it lies in level 0, with the changelog that this makes. Returns the snapshots.
async fn merge_all(table: &Table, spec: &Spec, context: &CommitContext) -> Result<Vec<i64>> {
    // without the settings of the rewrite
    let plain = table.branch(table.branch_name()).await?;
    let request = CompactRequest {
        full: true,
        partitions: match spec.is_empty() {
            true => Vec::new(),
            false => vec![spec.clone()],
        },
        buckets: None,
        numbers: None,
        idle_since_local_ms: None,
        clustering: None,
        changelog: true,
        context: WriteContext {
            clock: context.clock.clone(),
            ids: context.ids.clone(),
            ..WriteContext::with_memory(0)
        },
    };
    compact_and_commit(&plain, &request, context).await
}

/// The files of a partition in a snapshot.
struct Found {
    files: Replaced,
    /// Whether some of them lie in level 0.
    level0: bool,
}

/// Writes the rows of a partition into new buckets: what to commit, and the files that this stands for.
async fn rewrite(
    table: &Table,
    partition: &Bytes,
    spec: &Spec,
) -> Result<Option<(Vec<CommitMessage>, Found)>> {
    let builder = table.alone().read_builder().with_filter(only(table, spec)?);
    let plan = builder.plan().await?;
    let Some(snapshot) = &plan.snapshot else {
        return Ok(None);
    };
    let replaced = replaced(table, snapshot, partition).await?;
    let reader = builder.reader()?;
    let writer = table.write_builder().with_ignore_previous_files(true);
    let mut write = writer.with_nulls_kept(true).build()?;
    let written = async {
        for split in &plan.splits {
            let mut batches = reader.read(split)?;
            while let Some(batch) = batches.try_next().await? {
                write.write(&batch).await?;
            }
        }
        write.prepare_commit().await
    };
    match written.await {
        Ok(messages) => Ok(Some((messages, replaced))),
        Err(error) => {
            write.abort().await;
            Err(error)
        }
    }
}

fn only(table: &Table, spec: &Spec) -> Result<Predicate> {
    let fields = table.schema().partition_fields();
    let parts = fields
        .iter()
        .zip(spec)
        .map(|(field, (_, value))| match value {
            Some(value) => Predicate::leaf(field, PredicateOp::Eq, vec![Some(value.clone())]),
            None => Predicate::leaf(field, PredicateOp::IsNull, vec![]),
        });
    Ok(Predicate::and(parts.collect::<Result<Vec<_>>>()?))
}

/// The data and index files of a partition in a snapshot.
async fn replaced(table: &Table, snapshot: &Snapshot, partition: &Bytes) -> Result<Found> {
    let (entries, _) = live_scan(table).live_files(snapshot).await?;
    let of_partition = |e: &&ManifestEntry| e.partition == *partition;
    let index = snapshot.index_manifest.as_deref();
    let index = read_index_manifest(table.io(), table.location(), index).await?;
    let entries: Vec<&ManifestEntry> = entries.iter().filter(of_partition).collect();
    Ok(Found {
        level0: entries.iter().any(|e| e.file.level == 0),
        files: Replaced {
            files: entries.iter().map(|e| e.file.file_name.clone()).collect(),
            index_files: index
                .into_iter()
                .filter(|e| e.partition == *partition)
                .map(|e| e.file_name)
                .collect(),
        },
    })
}
