//! Rewriting the rows of partitions in a new order. Source: `SortCompactAction`.

use std::sync::Arc;

use super::keys::ClusterKeys;
use super::sort::{ExternalSort, KeyedRows, SortLimits, SortedRows};
use super::strategy::Clustering;
use crate::compact::CompactRequest;
use crate::compact::live_file::LiveFile;
use crate::compact::state::{self, BucketState};
use crate::compact::task::OPEN_BYTES;
use crate::error::{Error, Result};
use crate::read::{Partition, SplitFile};
use crate::spec::{CommitMessage, CompactIncrement, DataFileMeta, DataIncrement};
use crate::table::Table;
use crate::write::{
    DataFilePaths, FileRole, FileRows, FileSettings, RollingFileWriter, SpillSpace, WriteOptions,
    blocking, compact_batch, discard_files,
};

/// Sorts the rows of the newest snapshot, or of the partitions asked for, partition by partition. The messages remove all
/// files that were read and add the new ones, so a commit of them conflicts with one that changed those files.
///
/// # Errors
/// `Unsupported` for tables with buckets or primary keys, `InvalidInput` or `Unsupported` for columns that cannot order
/// rows, `ResourceExhausted` when the disk is full, `Damaged` naming a file, `Io` when the store fails. Files written are
/// removed then.
///
/// # Cancel safety
/// A cancelled call leaves data files behind that no snapshot names.
pub(in crate::compact) async fn cluster_table(
    table: &Table,
    request: &CompactRequest,
    clustering: &Clustering,
) -> Result<Vec<CommitMessage>> {
    check(table, request)?;
    let rewrite = Rewrite::new(table, request, clustering)?;
    let settings = Arc::new(rewrite.settings(FileRole::Data { level: 0 })?);
    let mut messages = Vec::new();
    for bucket in state::load(table, request).await? {
        match rewrite.bucket(bucket, &settings).await {
            Ok(message) => messages.push(message),
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

fn check(table: &Table, request: &CompactRequest) -> Result<()> {
    const ONLY: &str = "sorting compactions support append tables without buckets only";
    if table.schema().has_primary_key() {
        return Err(Error::unsupported(format!(
            "{ONLY}, the table has a primary key"
        )));
    }
    let bucket = table.options().bucket;
    if bucket != -1 {
        return Err(
            Error::unsupported(format!("{ONLY}, the table has {bucket}")).with("option", "bucket"),
        );
    }
    if table.options().row_tracking {
        return Err(Error::unsupported(format!(
            "{ONLY} whose rows have no ids: sorted rows would get new ones"
        ))
        .with("option", "row-tracking.enabled"));
    }
    if !request.full {
        return Err(Error::invalid(
            "a sorting compaction rewrites all files, it cannot be limited to what is due",
        ));
    }
    Ok(())
}

/// What the partitions have in common.
pub(super) struct Rewrite<'a> {
    table: &'a Table,
    request: &'a CompactRequest,
    keys: Arc<ClusterKeys>,
    options: WriteOptions,
    limits: SortLimits,
}

impl<'a> Rewrite<'a> {
    /// Rewriting in an order.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` for columns that cannot order rows and for options.
    pub fn new(table: &'a Table, request: &'a CompactRequest, by: &Clustering) -> Result<Self> {
        let (schema, core) = (table.schema(), table.options());
        let options = WriteOptions::new(schema, core)?;
        Ok(Self {
            keys: Arc::new(ClusterKeys::new(schema, core, by)?),
            limits: SortLimits {
                memory: usize::try_from(options.buffer_size).unwrap_or(usize::MAX),
                runs_max: options.spill_runs_max,
                spillable: options.spillable,
            },
            table,
            request,
            options,
        })
    }

    /// `target-file-size`, bytes.
    pub fn target_file_size(&self) -> u64 {
        self.options.target_file_size
    }

    /// Settings of new files.
    ///
    /// # Errors
    /// `InvalidInput` naming an option.
    pub fn settings(&self, role: FileRole) -> Result<FileSettings> {
        let (schema, core) = (self.table.schema(), self.table.options());
        FileSettings::of(schema, core, &self.options, role)
    }

    /// Where new files of a bucket go.
    ///
    /// # Errors
    /// `InvalidInput` naming an option.
    pub fn paths(&self, bucket: &BucketState) -> Result<DataFilePaths> {
        let uuid = self.request.context.ids.uuid();
        DataFilePaths::of_bucket(
            self.table,
            &self.options,
            &bucket.partition,
            bucket.bucket,
            uuid,
        )
    }

    async fn bucket(
        &self,
        bucket: BucketState,
        settings: &Arc<FileSettings>,
    ) -> Result<CommitMessage> {
        let paths = Arc::new(self.paths(&bucket)?);
        let sorted = self
            .sorted(&bucket.partition, &bucket.files, settings)
            .await?;
        // rows of tables without buckets have no sequence: each writer numbers them from the first
        let new_files = self.written(sorted, Arc::clone(settings), paths, 0).await?;
        let old_files = bucket.files.iter().map(|f| DataFileMeta::clone(&f.meta));
        Ok(CommitMessage {
            partition: bucket.partition.bytes.clone(),
            bucket: bucket.bucket,
            total_buckets: bucket.total_buckets,
            base: None,
            data: DataIncrement {
                new_files,
                deleted_files: old_files.collect(),
                changelog_files: Vec::new(),
                new_index_files: Vec::new(),
                // deleted rows are left out, so no file is left that the vectors are about
                deleted_index_files: bucket.vectors,
            },
            compact: CompactIncrement::default(),
        })
    }

    /// Reads and sorts the rows of files, with the columns of the files that are to be written.
    ///
    /// # Errors
    /// `Damaged` naming a file, `Io` when the store fails, `ResourceExhausted` when the disk is full.
    pub async fn sorted(
        &self,
        partition: &Arc<Partition>,
        files: &[SplitFile],
        settings: &FileSettings,
    ) -> Result<SortedRows> {
        let options = &self.options;
        let space = SpillSpace::new(
            &self.request.context,
            options.spill_bytes_max,
            options.spill_compression,
        )?;
        let space = Arc::new(space);
        let mut sort = ExternalSort::new(&space, self.limits);
        let fields = settings.layout.file_fields();
        for file in files {
            let mut rows = LiveFile::open(self.table, partition, file, &fields).await?;
            while let Some(batch) = rows.next().await? {
                let keys = Arc::clone(&self.keys);
                sort = blocking(move || {
                    sort.push(KeyedRows {
                        keys: keys.encode(&batch)?,
                        rows: compact_batch(&batch)?,
                    })?;
                    Ok(sort)
                })
                .await?;
            }
        }
        blocking(move || sort.finish()).await
    }

    /// Writes sorted rows into files, numbered from `first_sequence`. On failure they are removed.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn written(
        &self,
        sorted: SortedRows,
        settings: Arc<FileSettings>,
        paths: Arc<DataFilePaths>,
        first_sequence: i64,
    ) -> Result<Vec<DataFileMeta>> {
        let context = self.request.context.clone();
        let mut writer = RollingFileWriter::new(settings, paths, context, first_sequence);
        let result = copy(sorted, &mut writer).await;
        if result.is_err() {
            writer.abort().await;
        }
        result
    }
}

async fn copy(mut sorted: SortedRows, writer: &mut RollingFileWriter) -> Result<Vec<DataFileMeta>> {
    loop {
        let (rest, next) = blocking(move || {
            let next = sorted.next()?;
            Ok((sorted, next))
        })
        .await?;
        sorted = rest;
        let Some(rows) = next else {
            break;
        };
        writer.write(FileRows::Plain(rows)).await?;
        if writer.memory_size() >= OPEN_BYTES {
            writer.flush_memory().await?;
        }
    }
    blocking(move || {
        drop(sorted);
        Ok(())
    })
    .await?;
    writer.close().await
}
