//! Compaction of a whole table.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;

use super::append::AppendCompaction;
use super::cluster::{self, Clustering};
use super::evolution::EvolutionCompaction;
use super::merge_tree::{BucketFiles, MergeTreeCompaction};
use super::state::{self, BucketState, PartitionSpec};
use super::{postpone, supported};
use crate::error::Result;
use crate::spec::{CommitMessage, CompactIncrement, DataIncrement};
use crate::table::Table;
use crate::write::assign::POSTPONE_BUCKET;
use crate::write::{DataFilePaths, WriteContext, WriteOptions, discard_files};

/// What to compact.
#[derive(Debug, Clone)]
pub struct CompactRequest {
    /// Merges everything instead of what is due.
    pub full: bool,
    /// Only the partitions that match any of these (values of some or all partition columns); empty is the whole table.
    pub partitions: Vec<PartitionSpec>,
    /// Only these buckets: serialised partition and number; `None` is all.
    pub buckets: Option<HashSet<(Bytes, i32)>>,
    /// Only buckets of these numbers, in whatever partition; `None` is all.
    pub numbers: Option<HashSet<i32>>,
    /// Only partitions whose newest file was written at this time (local wall clock, milliseconds read as UTC) or before.
    pub idle_since_local_ms: Option<i64>,
    /// Sorts all rows of append tables; `None` leaves them in the order of the files.
    pub clustering: Option<Clustering>,
    /// Whether changes are told, in tables whose compactions do that.
    pub changelog: bool,
    /// Clock, names and the number of buckets compacted at a time.
    pub context: WriteContext,
}

enum Kind {
    MergeTree(Box<MergeTreeCompaction>),
    Append(Box<AppendCompaction>),
    Evolution(Box<EvolutionCompaction>),
}

impl Kind {
    fn of(table: &Table, request: &CompactRequest) -> Result<Self> {
        let context = &request.context;
        Ok(match table.schema().has_primary_key() {
            true => Self::MergeTree(Box::new(MergeTreeCompaction::new(table, request)?)),
            false if table.options().data_evolution => {
                Self::Evolution(Box::new(EvolutionCompaction::new(table, context)?))
            }
            false => Self::Append(Box::new(AppendCompaction::new(table, context)?)),
        })
    }
}

/// Compacts the newest snapshot of a table and returns one message per changed bucket. Nothing is visible until they are
/// committed. On failure all files written are removed.
///
/// # Errors
/// `Unsupported` naming the option of a table that cannot be compacted, `Damaged` naming a file, `Io` when the store
/// fails.
///
/// # Cancel safety
/// A cancelled compaction leaves files behind that no snapshot names.
pub async fn compact_table(table: &Table, request: &CompactRequest) -> Result<Vec<CommitMessage>> {
    let named = |e: crate::Error| e.with_default("table", table.name());
    supported::check(table, request).map_err(named)?;
    if let Some(clustering) = &request.clustering {
        let sorted = cluster::cluster_table(table, request, clustering);
        return sorted.await.map_err(named);
    }
    if cluster::is_incremental(table)? {
        let clustered = cluster::cluster_incrementally(table, request);
        return clustered.await.map_err(named);
    }
    let kind = Kind::of(table, request)?;
    let options = WriteOptions::new(table.schema(), table.options())?;
    let buckets: Vec<BucketState> = state::load(table, request).await.map_err(named)?;
    let (postponed, buckets): (Vec<_>, Vec<_>) =
        (buckets.into_iter()).partition(|b| b.bucket == POSTPONE_BUCKET);
    if !postponed.is_empty() {
        return distribute_all(table, request, postponed, &buckets)
            .await
            .map_err(named);
    }
    let works = buckets.into_iter().map(|bucket| {
        let (kind, options) = (&kind, &options);
        async move {
            let uuid = request.context.ids.uuid();
            let paths =
                DataFilePaths::of_bucket(table, options, &bucket.partition, bucket.bucket, uuid);
            compact_bucket(kind, bucket, &Arc::new(paths?), request.full).await
        }
    });
    let done: Vec<_> = futures::stream::iter(works)
        .buffer_unordered(request.context.parallelism.max(1))
        .collect()
        .await;
    let mut messages = Vec::new();
    let mut failure = None;
    for result in done {
        match result {
            Ok(done) => messages.push(done),
            Err(e) => failure = failure.or(Some(e)),
        }
    }
    if let Some(failure) = failure {
        for message in &messages {
            discard_files(table, request.context.ids.as_ref(), message).await?;
        }
        return Err(named(failure));
    }
    let messages = messages.into_iter();
    Ok(messages.filter(|m| !m.is_empty()).collect())
}

/// Moves postponed rows to their buckets; merging those is left to the next compaction.
async fn distribute_all(
    table: &Table,
    request: &CompactRequest,
    postponed: Vec<BucketState>,
    buckets: &[BucketState],
) -> Result<Vec<CommitMessage>> {
    let mut messages: Vec<CommitMessage> = Vec::new();
    for part in postponed {
        let same = |b: &&BucketState| b.partition.bytes == part.partition.bytes;
        let total = buckets.iter().find(same).map(|b| b.total_buckets);
        match postpone::distribute(table, &request.context, part, total).await {
            Ok(more) => messages.extend(more),
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

async fn compact_bucket(
    kind: &Kind,
    bucket: BucketState,
    paths: &Arc<DataFilePaths>,
    full: bool,
) -> Result<CommitMessage> {
    let partition = bucket.partition.bytes.clone();
    let (number, total_buckets) = (bucket.bucket, bucket.total_buckets);
    let compact: CompactIncrement = match kind {
        Kind::Append(append) => append.compact(bucket, paths, full).await?,
        Kind::Evolution(evolution) => evolution.compact(bucket, paths, full).await?,
        Kind::MergeTree(tree) => {
            let files = BucketFiles {
                partition: bucket.partition,
                bucket: bucket.bucket,
                paths: Arc::clone(paths),
                files: bucket.files,
                vectors: bucket.vectors,
            };
            tree.compact(files, full).await?
        }
    };
    Ok(CommitMessage {
        partition,
        bucket: number,
        total_buckets,
        base: None,
        data: DataIncrement::default(),
        compact,
    })
}
