//! Rows that a statement removes from data files of an append table: by deletion vectors, or by files in place of theirs.
//!
//! Source: `BaseAppendDeleteFileMaintainer`, `DeleteFromPaimonTableCommand`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;

use super::context::WriteContext;
use super::file::vectors::{read_vectors, write_vectors};
use crate::deletionvectors::{DeletionVector, DeletionVectorVersion};
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::manifest::read_index_manifest;
use crate::options::parse_bool;
use crate::read::{FileScan, Partition, SplitFile, live_rows, with_row_ids};
use crate::selection::FileSelection;
use crate::spec::{
    CommitMessage, DataFileMeta, DataIncrement, IndexManifestEntry, Snapshot, row_id_field,
    sequence_number_field,
};
use crate::table::Table;

/// Some rows of one data file.
#[derive(Debug, Clone)]
pub struct RemovedRows {
    /// Partition of the file.
    pub partition: Arc<Partition>,
    /// Its bucket.
    pub bucket: i32,
    /// Bucket count of the partition; -1 when not fixed.
    pub total_buckets: i32,
    /// The file, with the deletion vector that it has in the snapshot read.
    pub file: SplitFile,
    /// Physical positions of the rows. Rows that the file's own vector deletes are not among them.
    pub positions: DeletionVector,
}

/// What becomes of files with removed rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Their vectors take up the positions; a file of which no row is left goes, unless others hold columns of its rows
    /// (data evolution).
    Vectors,
    /// They go: what is left of them ([`RemovedRows::rest`]) is written elsewhere.
    Rewrite,
}

impl RemovedRows {
    /// The rows of the file that stay: all columns of the table, and with row tracking `_ROW_ID` and `_SEQUENCE_NUMBER`. Fewer or more rows than the manifest says are an error
    /// at the end.
    ///
    /// # Errors
    /// `Damaged` naming the file, `Io` when the store fails; also through the stream.
    pub async fn rest(&self, table: &Table) -> Result<BatchStream> {
        let rows = usize::try_from(self.file.meta.row_count)
            .map_err(|_| Error::damaged("row count in the manifest is negative"))?;
        let mut stay = FileSelection::all_but(rows, self.positions.iter());
        if let Some(live) = live_rows(table, &self.file).await? {
            stay = stay.intersect(&live);
        }
        let expected = stay.selected();
        if expected == 0 {
            return Ok(futures::stream::empty().boxed());
        }
        let mut bare = self.file.clone();
        bare.deletion = None;
        let mut fields = table.schema().fields.clone();
        if table.options().row_tracking {
            fields.extend([row_id_field(), sequence_number_field()]);
        }
        let mut scan = FileScan::new(table, &self.partition, &bare, &fields);
        scan.selection = Some(Arc::new(stay));
        let path = Arc::clone(&self.file.path);
        Ok(counted(with_row_ids(scan).await?, expected, path))
    }

    /// Whether no row is left, as far as that is known without reading.
    fn is_all(&self) -> bool {
        let before = match &self.file.deletion {
            None => Some(0),
            Some(vector) => vector.meta.cardinality,
        };
        let removed = i64::try_from(self.positions.cardinality()).ok();
        let sum = before
            .zip(removed)
            .and_then(|(before, removed)| before.checked_add(removed));
        sum == Some(self.file.meta.row_count)
    }
}

/// The same batches; an error at the end unless they hold so many rows.
fn counted(rows: BatchStream, expected: usize, path: Arc<str>) -> BatchStream {
    let state = (rows, 0usize, path);
    futures::stream::try_unfold(state, move |(mut rows, found, path)| async move {
        match rows.next().await {
            Some(batch) => {
                let batch = batch?;
                let found = found + batch.num_rows();
                Ok(Some((batch, (rows, found, path))))
            }
            None if found == expected => Ok(None),
            None => Err(Error::damaged(format!(
                "{found} rows of a data file were read, {expected} were expected by its manifest entry"
            ))
            .with("path", &path)),
        }
    })
    .boxed()
}

/// Removes rows that were read from a snapshot: writes index files where vectors change and returns one message per
/// bucket. New rows go into messages of their own.
///
/// # Errors
/// `Damaged` naming the index file, `Io` when the store fails. Files written are removed then.
///
/// # Cancel safety
/// A cancelled call leaves index files behind that no snapshot names.
pub async fn remove_rows(
    table: &Table,
    context: &WriteContext,
    snapshot: &Snapshot,
    removed: Vec<RemovedRows>,
    removal: Removal,
) -> Result<Vec<CommitMessage>> {
    let name = snapshot.index_manifest.as_deref();
    let index = read_index_manifest(table.io(), table.location(), name).await?;
    let mut buckets: BTreeMap<(Bytes, i32), Vec<RemovedRows>> = BTreeMap::new();
    for rows in removed {
        let key = (rows.partition.bytes.clone(), rows.bucket);
        buckets.entry(key).or_default().push(rows);
    }
    let mut messages = Vec::with_capacity(buckets.len());
    for (key, rows) in buckets {
        let own = |e: &&IndexManifestEntry| {
            e.index_type == "DELETION_VECTORS" && e.partition == key.0 && e.bucket == key.1
        };
        let bucket = Bucket {
            table,
            context,
            partition: &key.0,
            bucket: key.1,
            index: index.iter().filter(own).cloned().collect(),
        };
        let total_buckets = rows.first().map_or(-1, |r| r.total_buckets);
        let mut data = DataIncrement::default();
        if let Err(error) = bucket.remove(rows, removal, &mut data).await {
            discard_index_files(table, &data).await;
            for message in &messages {
                let message: &CommitMessage = message;
                discard_index_files(table, &message.data).await;
            }
            return Err(error);
        }
        messages.push(CommitMessage {
            partition: key.0.clone(),
            bucket: key.1,
            total_buckets,
            base: None,
            data,
            compact: Default::default(),
        });
    }
    Ok(messages)
}

async fn discard_index_files(table: &Table, data: &DataIncrement) {
    for index in &data.new_index_files {
        let location = format!("{}/index/{}", table.location(), index.file_name);
        if let Err(error) = table.io().discard(&location).await {
            tracing::warn!(path = location, %error, "could not remove an uncommitted file");
        }
    }
}

/// A bucket and its index files with deletion vectors.
struct Bucket<'a> {
    table: &'a Table,
    context: &'a WriteContext,
    partition: &'a Bytes,
    bucket: i32,
    index: Vec<IndexManifestEntry>,
}

impl Bucket<'_> {
    async fn remove(
        &self,
        rows: Vec<RemovedRows>,
        removal: Removal,
        data: &mut DataIncrement,
    ) -> Result<()> {
        let alone = !self.table.options().data_evolution;
        let goes = |r: &RemovedRows| removal == Removal::Rewrite || (alone && r.is_all());
        let (gone, marked): (Vec<_>, Vec<_>) = rows.into_iter().partition(goes);
        data.deleted_files
            .extend(gone.iter().map(|r| DataFileMeta::clone(&r.file.meta)));
        let gone: HashSet<&str> = gone
            .iter()
            .map(|r| r.file.meta.file_name.as_str())
            .collect();
        let mut marked: BTreeMap<String, DeletionVector> = marked
            .into_iter()
            .map(|r| (r.file.meta.file_name.clone(), r.positions))
            .collect();
        if self.is_bucketed() {
            return self.update_all(&gone, marked, data).await;
        }
        let touched: Vec<&IndexManifestEntry> = self
            .index
            .iter()
            .filter(|e| names(e).any(|n| gone.contains(n) || marked.contains_key(n)))
            .collect();
        for entry in touched {
            let mut vectors = read_vectors(self.table, std::slice::from_ref(entry), &gone).await?;
            for (file, vector) in &mut vectors {
                if let Some(more) = marked.remove(file) {
                    vector.merge(&more);
                }
            }
            data.deleted_index_files.push(entry.clone());
            data.new_index_files.extend(self.write(vectors).await?);
        }
        data.new_index_files.extend(self.write(marked).await?);
        Ok(())
    }

    /// The bucket's one index file.
    async fn update_all(
        &self,
        gone: &HashSet<&str>,
        marked: BTreeMap<String, DeletionVector>,
        data: &mut DataIncrement,
    ) -> Result<()> {
        let drops = self.index.iter().flat_map(names).any(|n| gone.contains(n));
        if marked.is_empty() && !drops {
            return Ok(());
        }
        let mut vectors = read_vectors(self.table, &self.index, gone).await?;
        for (file, more) in marked {
            vectors.entry(file).or_default().merge(&more);
        }
        data.deleted_index_files.extend(self.index.iter().cloned());
        data.new_index_files.extend(self.write(vectors).await?);
        Ok(())
    }

    /// One index file holds all vectors of a real bucket; the unaware bucket may have many.
    fn is_bucketed(&self) -> bool {
        self.table.options().bucket != -1
    }

    async fn write(
        &self,
        vectors: BTreeMap<String, DeletionVector>,
    ) -> Result<Option<IndexManifestEntry>> {
        const BITMAP64: &str = "deletion-vectors.bitmap64";
        let wide = self.table.options().get(BITMAP64).map(parse_bool);
        let wide = wide.transpose().map_err(|e| e.with("option", BITMAP64))?;
        let version = match wide.unwrap_or(false) {
            true => DeletionVectorVersion::V2,
            false => DeletionVectorVersion::V1,
        };
        let bucket = (self.partition, self.bucket);
        write_vectors(self.table, self.context, bucket, vectors, version).await
    }
}

/// The data files with a vector in an index file.
fn names(entry: &IndexManifestEntry) -> impl Iterator<Item = &str> {
    let ranges = entry.dv_ranges.iter().flatten();
    ranges.map(|r| r.data_file_name.as_str())
}
