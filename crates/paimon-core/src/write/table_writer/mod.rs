//! Writes batches to all buckets of a table. Source: `TableWriteImpl`, `AbstractFileStoreWrite`.
//!
//! Rows wait per bucket. Primary-key buckets are sorted, merged and written to level 0 when memory runs out or a commit
//! is prepared, several at a time; append buckets encode in the background as rows come. All buckets share one memory
//! budget: when it is used up the largest buffer goes first. Primary-key rows go to sorted runs on local disk then, and
//! to level 0 with the next commit, so that a large load leaves few files.

mod bucket;
mod memory;
mod messages;
mod setup;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Int8Array, RecordBatch};
use bytes::Bytes;
use indexmap::IndexMap;
use tokio::task::JoinSet;

use self::bucket::Bucket;
use self::setup::Setup;
use super::assign::{BucketMode, DynamicBuckets, GlobalIndex, RoutedRows, Router};
use super::buffer::flush::Flushed;
use super::buffer::memory::{batch_memory, compact, take_rows};
use super::buffer::spill::{SpillSpace, SpilledRun};
use super::context::WriteContext;
use super::file::rows::KeyValueBatch;
use super::pipeline::{PreparedRows, RowPipeline};
use super::restore::{Restored, load_keys};
use crate::error::{Error, Result};
use crate::mergetree::function::{MergeInput, MergeRows};
use crate::read::Partition;
use crate::spec::{CommitMessage, IndexManifestEntry, WriteBase, is_retract};
use crate::table::Table;

/// What became of rows that left memory.
enum Released {
    Files(Flushed),
    /// A run on local disk, and the sequence number of its first row.
    Run(i64, SpilledRun<KeyValueBatch>),
}

/// The same, with the position of the bucket.
type FlushResult = (usize, Result<Released>);

/// How a write differs from the usual.
#[derive(Debug, Clone, Default)]
pub struct WriteSettings {
    /// Clock, names, memory and cores; `None` is the system's with `write-buffer-size` bytes of memory.
    pub context: Option<WriteContext>,
    /// All files of the partitions written to will be gone (overwrite): sequence numbers and buckets begin anew.
    pub ignore_previous_files: bool,
    /// Who will commit: part of the names of postponed files; `None` is a random name.
    pub commit_user: Option<String>,
    /// Nulls stay nulls where a column has a default: rows that were in the table before.
    pub keep_nulls: bool,
    /// Rows of a table with row tracking bring their ids: `_ROW_ID` and `_SEQUENCE_NUMBER` behind the table's columns.
    pub keep_row_ids: bool,
    /// Postponed rows are written after all: to so many buckets in partitions without any.
    pub postponed_into: Option<i32>,
}

/// A write under way.
pub struct TableWriter {
    table: Table,
    setup: Setup,
    context: WriteContext,
    pipeline: RowPipeline,
    router: Router,
    dynamic: DynamicBuckets,
    /// Tables whose keys move between partitions.
    global: Option<GlobalIndex>,
    ignore_previous_files: bool,
    /// HASH index files by partition and bucket, as this writer knows them.
    hash_indexes: HashMap<(Bytes, i32), IndexManifestEntry>,
    /// What was looked at first.
    base: Option<WriteBase>,
    /// Read when first needed; empty when files that are there do not matter.
    restored: Option<Restored>,
    reads_files: bool,
    buckets: IndexMap<(Bytes, i32), Bucket>,
    flushes: JoinSet<FlushResult>,
    /// Where primary-key rows wait when memory is short; `None` when they are written to the table instead.
    spill: Option<Arc<SpillSpace>>,
    index_files: u64,
    index_uuid: uuid::Uuid,
    failed: bool,
}

impl TableWriter {
    /// A writer for the newest snapshot of a table.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option or column when the table cannot be written to. Nothing is
    /// written then.
    pub fn new(table: &Table, settings: WriteSettings) -> Result<Self> {
        if table.target().snapshot().is_some() {
            return Err(Error::invalid(
                "a table that is opened at a snapshot takes no rows: open it without time travel",
            )
            .with("table", table.name()));
        }
        let mut setup = Setup::new(table, settings.postponed_into)
            .map_err(|e| e.with_default("table", table.name()))?;
        if settings.keep_row_ids {
            setup.keep_row_ids();
        }
        let context = settings.context.clone();
        let context =
            context.unwrap_or_else(|| WriteContext::with_memory(setup.options.buffer_size));
        if setup.mode == BucketMode::Postponed {
            setup.name_postponed_files(settings.commit_user.as_deref(), &context);
        }
        let spills = setup.key_value.is_some() && setup.options.spillable;
        let options = &setup.options;
        let spill = spills
            .then(|| SpillSpace::new(&context, options.spill_bytes_max, options.spill_compression));
        let schema = table.schema();
        let reads_files = !matches!(setup.mode, BucketMode::Unaware | BucketMode::Postponed)
            && !settings.ignore_previous_files;
        let mut pipeline = RowPipeline::new(schema, table.options(), &setup.options)?;
        if settings.keep_row_ids {
            pipeline = pipeline.with_row_ids();
        }
        Ok(Self {
            pipeline: match settings.keep_nulls {
                true => pipeline.keeping_nulls(),
                false => pipeline,
            },
            router: Router::new(
                schema,
                setup.mode,
                setup.options.bucket_function,
                &table.options().bucket_keys(schema),
            )?,
            dynamic: DynamicBuckets::new(table.options())?,
            global: None,
            ignore_previous_files: settings.ignore_previous_files,
            hash_indexes: HashMap::new(),
            base: None,
            restored: (!reads_files).then(Restored::default),
            reads_files,
            buckets: IndexMap::new(),
            flushes: JoinSet::new(),
            spill: spill.transpose()?.map(Arc::new),
            index_files: 0,
            index_uuid: context.ids.uuid(),
            failed: false,
            table: table.clone(),
            setup,
            context,
        })
    }

    /// Writes rows: the table's columns by position, and a row kind per row (`None`: +I).
    ///
    /// # Errors
    /// `InvalidInput` for rows that the table does not take, `Io` when the store fails, errors of earlier rows that
    /// were written in the background. After an error only [`Self::abort`] is of use.
    pub async fn write(&mut self, batch: &RecordBatch, kinds: Option<&Int8Array>) -> Result<()> {
        self.check_usable()?;
        // stays so when the future is dropped half-way: some of the rows are lost then
        self.failed = true;
        let result = self.write_rows(batch, kinds).await;
        self.failed = result.is_err();
        result.map_err(|e| e.with_default("table", self.table.name()))
    }

    async fn write_rows(&mut self, batch: &RecordBatch, kinds: Option<&Int8Array>) -> Result<()> {
        let rows = self.pipeline.prepare(batch, kinds)?;
        if rows.values.num_rows() == 0 {
            return Ok(());
        }
        self.try_retract(&rows)?;
        let mut partitions = self.router.partitions(&rows.values)?;
        if self.setup.mode == BucketMode::Dynamic {
            self.load_dynamic(&partitions.partitions).await?;
        }
        if self.setup.mode == BucketMode::PerPartition {
            let default_total = self.setup.postpone_buckets;
            let restored = self.restored().await?;
            let total = |p: &Arc<Partition>| restored.total(&p.bytes).unwrap_or(default_total);
            partitions.totals = partitions.partitions.iter().map(total).collect();
        }
        let (rows, routed) = if self.setup.mode == BucketMode::CrossPartition {
            self.global_index().await?.route(&rows, &partitions)?
        } else {
            let routed = self
                .router
                .route(&rows.values, &partitions, &mut self.dynamic)?;
            (rows, routed)
        };
        self.refresh_for(&routed).await?;
        for part in routed {
            let piece = piece(&rows, &part)?;
            self.push(&part.partition, part.bucket, piece).await?;
        }
        Ok(())
    }

    /// Merges the first retract of postponed rows once, so that a table that takes none says so now and not when it is
    /// compacted. Source: `PostponeBucketWriter.validateRetract`.
    fn try_retract(&mut self, rows: &PreparedRows) -> Result<()> {
        let Some(kinds) = &rows.kinds else {
            return Ok(());
        };
        let Some(row) = kinds.values().iter().position(|k| is_retract(*k)) else {
            return Ok(());
        };
        if let Some(function) = self.setup.later.take() {
            function.merge(&MergeInput {
                rows: &MergeRows::of(&rows.values.slice(row, 1)),
                kinds: &kinds.values()[row..=row],
                offsets: &[0, 1],
            })?;
        }
        Ok(())
    }

    async fn load_dynamic(&mut self, partitions: &[Arc<Partition>]) -> Result<()> {
        for partition in partitions {
            if !self.dynamic.knows(&partition.bytes) {
                let (files, known) = self.hash_indexes(&partition.bytes).await?;
                self.dynamic.load(&partition.bytes, &files)?;
                let known = known.into_iter();
                let known = known.map(|e| ((e.partition.clone(), e.bucket), e));
                self.hash_indexes.extend(known);
            }
        }
        Ok(())
    }

    /// Keys of a partition by bucket, and the files that hold them. When they expire before they are read, those of the newest
    /// snapshot.
    async fn hash_indexes(
        &mut self,
        partition: &Bytes,
    ) -> Result<(Vec<(i32, Bytes)>, Vec<IndexManifestEntry>)> {
        let table = self.table.clone();
        loop {
            let restored = self.restored().await?;
            let seen = restored.snapshot_id();
            match restored.hash_indexes(&table, partition).await {
                Ok(files) => return Ok((files, restored.hash_entries(partition).to_vec())),
                Err(error) if table.snapshots().is_outdated(seen, &error).await => {
                    self.restored = Some(self.load().await?);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where all keys of the table are, read from it when first needed.
    async fn global_index(&mut self) -> Result<&mut GlobalIndex> {
        if self.global.is_none() {
            let mut index = GlobalIndex::new(self.table.schema(), self.table.options())?;
            if !self.ignore_previous_files {
                // what others commit from here on is a conflict
                self.restored().await?;
                load_keys(&self.table, &mut index).await?;
            }
            self.global = Some(index);
        }
        self.global
            .as_mut()
            .ok_or_else(|| Error::internal("keys of the table were not read"))
    }

    async fn restored(&mut self) -> Result<&Restored> {
        if self.restored.is_none() {
            self.restored = Some(self.load().await?);
        }
        self.restored
            .as_ref()
            .ok_or_else(|| Error::internal("files of the table were not read"))
    }

    /// Reads the newest snapshot again when rows go to a bucket without a writer: others may have written there.
    async fn refresh_for(&mut self, routed: &[RoutedRows]) -> Result<()> {
        let known = |part: &RoutedRows| {
            let key = (part.partition.bytes.clone(), part.bucket);
            self.buckets.contains_key(&key)
        };
        if !self.reads_files || routed.iter().all(known) {
            return Ok(());
        }
        let latest = self.table.snapshots().latest_id().await?;
        if self
            .restored
            .as_ref()
            .is_none_or(|r| r.snapshot_id() != latest)
        {
            self.restored = Some(self.load().await?);
        }
        Ok(())
    }

    /// What is in the newest snapshot. The first one looked at is what the buckets of all rows are checked against.
    async fn load(&mut self) -> Result<Restored> {
        let restored = Restored::load(&self.table).await?;
        self.base.get_or_insert_with(|| restored.base());
        Ok(restored)
    }

    async fn push(
        &mut self,
        partition: &Arc<Partition>,
        bucket: i32,
        rows: PreparedRows,
    ) -> Result<()> {
        let at = self.bucket(partition, bucket).await?;
        let bytes = batch_memory(&rows.values);
        self.reserve(at, bytes).await?;
        let bucket = self.bucket_at(at)?;
        if bucket.writer.push(rows, bytes)? {
            self.encode(at).await?;
        }
        self.flush_early()
    }

    /// Position of a bucket's writer, made when it is new.
    async fn bucket(&mut self, partition: &Arc<Partition>, bucket: i32) -> Result<usize> {
        let key = (partition.bytes.clone(), bucket);
        if let Some(at) = self.buckets.get_index_of(&key) {
            return Ok(at);
        }
        let mode = self.setup.mode;
        let default_total = self.setup.postpone_buckets;
        let table = self.table.clone();
        let restored = self.restored().await?;
        let total = match mode.total_buckets() {
            Some(total) => total,
            None => restored.total(&partition.bytes).unwrap_or(default_total),
        };
        restored.check_total(table.schema(), partition, total)?;
        let next_sequence = restored.next_sequence(&partition.bytes, bucket);
        let made = Bucket::new(
            &table,
            &self.setup,
            &self.context,
            partition,
            (bucket, total),
            next_sequence,
        )?;
        Ok(self.buckets.insert_full(key, made).0)
    }

    fn bucket_at(&mut self, at: usize) -> Result<&mut Bucket> {
        self.buckets
            .get_index_mut(at)
            .map(|(_, bucket)| bucket)
            .ok_or_else(|| Error::internal("a bucket has no writer"))
    }

    /// Writes what is buffered and returns the changes since the last call, one message per changed bucket.
    ///
    /// The files belong to whoever commits them from then on. The writer can go on.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn prepare_commit(&mut self) -> Result<Vec<CommitMessage>> {
        self.check_usable()?;
        self.failed = true;
        let result = self.collect_messages().await;
        self.failed = result.is_err();
        result.map_err(|e| e.with_default("table", self.table.name()))
    }

    /// Gives the write up and removes every file that [`Self::prepare_commit`] has not returned.
    pub async fn abort(&mut self) {
        self.failed = true;
        while let Some(done) = self.flushes.join_next().await {
            if let Ok((at, Ok(Released::Files(flushed)))) = done
                && let Ok(bucket) = self.bucket_at(at)
            {
                bucket.take_flushed(flushed);
            }
        }
        for bucket in self.buckets.values_mut() {
            for index in &bucket.ready.new_index_files {
                let location = format!("{}/index/{}", self.table.location(), index.file_name);
                if let Err(error) = self.table.io().discard(&location).await {
                    tracing::warn!(path = location, %error, "could not remove an uncommitted file");
                }
            }
            bucket.abort().await;
        }
        self.buckets.clear();
        self.spill = None;
    }

    fn check_usable(&self) -> Result<()> {
        if self.failed {
            return Err(Error::internal(
                "the write failed or was aborted earlier, it takes no more rows",
            )
            .with("table", self.table.name()));
        }
        Ok(())
    }
}

/// The rows of one bucket, in memory of their own.
fn piece(rows: &PreparedRows, part: &RoutedRows) -> Result<PreparedRows> {
    let Some(positions) = &part.rows else {
        return Ok(PreparedRows {
            values: compact(&rows.values)?,
            kinds: rows.kinds.clone(),
        });
    };
    let kind = |kinds: &Int8Array| -> Int8Array {
        let at = |row: &u32| {
            usize::try_from(*row)
                .ok()
                .and_then(|i| kinds.values().get(i))
        };
        positions.iter().map(|row| at(row).copied()).collect()
    };
    Ok(PreparedRows {
        values: take_rows(&rows.values, positions)?,
        kinds: rows.kinds.as_ref().map(kind),
    })
}
