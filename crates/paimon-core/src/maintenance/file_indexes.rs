//! File indexes for files that are there: what the table's options ask for now, in place of what they asked for when a file
//! was written.
//!
//! Source: `RewriteFileIndexProcedure`, `FileIndexProcessor`. Data files stay as they are; their entries in the manifests
//! get another index. As there, an index lies in the entry or, when it is large, beside the file. Its name is one that
//! nobody else uses, so that older snapshots keep theirs.
//!
//! Readers leave out every entry that the manifests remove somewhere, whatever comes behind: a file that gets an entry
//! that it had before would be lost to them (in Java it is). Its index lies beside it then, however small, and one without
//! content where it is to have none.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use indexmap::IndexMap;

use super::rescale::{Spec, is_any_of};
use crate::commit::{CommitContext, FileStoreCommit, check_committable};
use crate::error::{Error, ErrorKind, Result};
use crate::index::FileIndexWriter;
use crate::io::{checked_name, is_not_found};
use crate::manifest::{FileIdentifier, live_entries, partition_values, read_manifest_list};
use crate::read::{
    FileScan, INDEX_SIZE_MAX, INDEX_SUFFIX, Partition, SplitFile, bucket_path, check_index_size,
    data_file_path, is_side_file,
};
use crate::spec::{CommitMessage, DataFileMeta, FileKind, ManifestCommittable, ManifestEntry};
use crate::table::Table;
use crate::write::assign::POSTPONE_BUCKET;
use crate::write::{WriteOptions, blocking};

/// So often everything is looked at anew when others replaced files meanwhile.
const ATTEMPTS: usize = 10;

/// Gives the files of the newest snapshot the indexes that the options `file-index.*` ask for.
#[derive(Debug, Clone)]
pub struct RewriteFileIndexes {
    /// The partitions with the given values of some or all partition columns; `None` is all of them.
    pub partitions: Option<Vec<Spec>>,
    /// Files read at a time, at least one.
    pub parallelism: usize,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RewrittenIndexes {
    /// Partitions with a changed file; one for a table without partitions.
    pub partitions: usize,
    /// Files whose index came, changed or went.
    pub files: usize,
}

/// New entries for files, and the index files written for them.
#[derive(Default)]
struct Rewritten {
    buckets: IndexMap<(Bytes, i32), CommitMessage>,
    files: usize,
    written: Vec<String>,
}

/// The new entry of a file.
struct Indexed {
    meta: DataFileMeta,
    /// Location of its index, when that lies beside it.
    beside: Option<String>,
}

impl RewriteFileIndexes {
    /// Reads the columns to index and commits the changed entries as one COMPACT snapshot; none when all files have the
    /// wanted indexes already. Postponed rows have none until they are compacted.
    ///
    /// # Errors
    /// `Unsupported` for tables with data evolution and for what cannot be indexed, `InvalidInput` for an unknown column;
    /// both name the option. `Damaged` naming a file, `Io` when the store fails, `CommitConflict` when others replace files
    /// over and over. Index files are removed then, unless the commit may have taken effect.
    ///
    /// # Cancel safety
    /// A cancelled call may have made the snapshot, or leaves index files that no snapshot names.
    pub async fn run(&self, table: &Table, context: &CommitContext) -> Result<RewrittenIndexes> {
        let named = |e: Error| e.with_default("table", table.name());
        check(table).map_err(named)?;
        let user = context.ids.uuid().to_string();
        let commit = FileStoreCommit::new(table, &user, context.clone())?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let seen = table.snapshots().latest_id().await?;
            let error = match self.rewrite(table, context).await {
                Ok(rewritten) => {
                    let done = rewritten.counts();
                    match self.publish(table, &commit, rewritten).await {
                        Ok(()) => return Ok(done),
                        Err(error) if error.kind() == ErrorKind::CommitConflict => error,
                        Err(error) => return Err(named(error)),
                    }
                }
                // expiry may have removed what was being read
                Err(error) if table.snapshots().is_outdated(seen, &error).await => error,
                Err(error) => return Err(named(error)),
            };
            if attempt == ATTEMPTS {
                return Err(named(error));
            }
        }
    }

    async fn publish(
        &self,
        table: &Table,
        commit: &FileStoreCommit,
        rewritten: Rewritten,
    ) -> Result<()> {
        if rewritten.files == 0 {
            return Ok(());
        }
        let committable = ManifestCommittable {
            identifier: 0,
            watermark: None,
            properties: BTreeMap::new(),
            messages: rewritten.buckets.into_values().collect(),
        };
        let Err(error) = commit.commit(&committable).await else {
            return Ok(());
        };
        if error.kind() == ErrorKind::CommitConflict {
            discard(table, &rewritten.written).await;
        }
        Err(error)
    }

    async fn rewrite(&self, table: &Table, context: &CommitContext) -> Result<Rewritten> {
        let Some(snapshot) = table.snapshots().latest().await? else {
            return Ok(Rewritten::default());
        };
        let mut manifests = Vec::new();
        for list in [&snapshot.base_manifest_list, &snapshot.delta_manifest_list] {
            manifests.extend(read_manifest_list(table.io(), table.location(), list).await?);
        }
        let entries = table.manifest_scan().entries(&manifests).await?;
        let removed: Vec<ManifestEntry> = (entries.iter())
            .filter(|e| e.kind == FileKind::Delete)
            .cloned()
            .collect();
        let work = Work {
            table,
            context,
            threshold: WriteOptions::new(table.schema(), table.options())?.index_in_manifest,
            removed: removed.iter().map(FileIdentifier::of).collect(),
        };
        let work = &work;
        let files = self.wanted(table, live_entries(entries))?;
        let works = files.into_iter().map(|entry| async move {
            let indexed = work.indexed(&entry).await?;
            Ok::<_, Error>(indexed.map(|indexed| (entry, indexed)))
        });
        let mut works = futures::stream::iter(works).buffered(self.parallelism.max(1));
        let mut all = Rewritten::default();
        let mut failure = None;
        while let Some(result) = works.next().await {
            match result {
                Ok(Some((entry, indexed))) => all.add(&entry, indexed),
                Ok(None) => {}
                // what is under way ends first: its files are to be removed, too
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            None => Ok(all),
            Some(error) => {
                discard(table, &all.written).await;
                Err(error)
            }
        }
    }

    fn wanted(&self, table: &Table, live: Vec<ManifestEntry>) -> Result<Vec<ManifestEntry>> {
        let mut wanted = Vec::new();
        for entry in live {
            let has_rows = entry.bucket != POSTPONE_BUCKET && !is_side_file(&entry.file.file_name);
            let chosen = match &self.partitions {
                None => true,
                Some(specs) => is_any_of(table, &entry.partition, specs)?,
            };
            if has_rows && chosen {
                wanted.push(entry);
            }
        }
        Ok(wanted)
    }
}

impl Rewritten {
    fn add(&mut self, old: &ManifestEntry, new: Indexed) {
        let key = (old.partition.clone(), old.bucket);
        let message = self.buckets.entry(key).or_insert_with(|| CommitMessage {
            partition: old.partition.clone(),
            bucket: old.bucket,
            total_buckets: old.total_buckets,
            base: None,
            data: Default::default(),
            compact: Default::default(),
        });
        let before = DataFileMeta::clone(&old.file);
        message.compact.compact_before.push(before);
        message.compact.compact_after.push(new.meta);
        self.written.extend(new.beside);
        self.files += 1;
    }

    fn counts(&self) -> RewrittenIndexes {
        let partitions: HashSet<&Bytes> = self.buckets.keys().map(|(p, _)| p).collect();
        RewrittenIndexes {
            partitions: partitions.len(),
            files: self.files,
        }
    }
}

fn check(table: &Table) -> Result<()> {
    check_committable(table)?;
    if table.options().data_evolution {
        return Err(Error::unsupported(
            "files of tables with data evolution hold some of the columns of their rows: their indexes are not rewritten",
        )
        .with("option", "data-evolution.enabled"));
    }
    // before anything is read
    FileIndexWriter::new(&table.schema().fields, &table.schema().options).map(drop)
}

/// What the files of a snapshot have in common.
struct Work<'a> {
    table: &'a Table,
    context: &'a CommitContext,
    /// Larger indexes lie beside their file, bytes.
    threshold: u64,
    /// Entries that the manifests remove: a new one like them would not count.
    removed: HashSet<FileIdentifier<'a>>,
}

impl Work<'_> {
    /// The entry of a file with the indexes that the options ask for; `None` when it has them.
    async fn indexed(&self, entry: &ManifestEntry) -> Result<Option<Indexed>> {
        let fields = self.table.schema().partition_fields();
        let partition = Partition {
            values: partition_values(&entry.partition, &fields)?,
            bytes: entry.partition.clone(),
        };
        let folder = bucket_path(self.table, &partition, entry.bucket)?;
        let path = data_file_path(&folder, &entry.file)?;
        let file = SplitFile {
            meta: Arc::clone(&entry.file),
            path: path.as_str().into(),
            deletion: None,
        };
        let container = build(self.table, &Arc::new(partition), &file).await?;
        let size = container.as_ref().map_or(0, Bytes::len);
        if u64::try_from(size).is_ok_and(|size| size <= self.threshold) {
            let meta = with_index(&entry.file, Vec::new(), container.clone());
            if same_index(&meta, &entry.file) {
                return Ok(None);
            }
            if !self.is_removed(entry, &meta) {
                return Ok(Some(Indexed { meta, beside: None }));
            }
        }
        let index = match container {
            Some(index) => index,
            None => FileIndexWriter::without()?,
        };
        let directory = path.strip_suffix(&entry.file.file_name).unwrap_or_default();
        self.beside(directory, &entry.file, index).await
    }

    /// Whether the manifests remove the very entry that a file is to get: readers would not see it.
    fn is_removed(&self, entry: &ManifestEntry, meta: &DataFileMeta) -> bool {
        let new = ManifestEntry {
            file: Arc::new(meta.clone()),
            ..entry.clone()
        };
        self.removed.contains(&FileIdentifier::of(&new))
    }

    /// Writes an index beside its file, unless it lies there already.
    async fn beside(
        &self,
        directory: &str,
        old: &DataFileMeta,
        index: Bytes,
    ) -> Result<Option<Indexed>> {
        if is_known(self.table, directory, old, &index).await? {
            return Ok(None);
        }
        check_index_size(&index)?;
        let name = format!(
            "{}-{}{INDEX_SUFFIX}",
            old.file_name,
            self.context.ids.uuid()
        );
        let location = format!("{directory}{name}");
        let io = self.table.io().at(&location)?;
        let mut output = io.create(&location).await?;
        output.write(index).await?;
        output.close().await?;
        Ok(Some(Indexed {
            meta: with_index(old, vec![name], None),
            beside: Some(location),
        }))
    }
}

/// A file with other indexes.
fn with_index(old: &DataFileMeta, beside: Vec<String>, embedded: Option<Bytes>) -> DataFileMeta {
    let others = old.extra_files.iter().filter(|name| !is_index(name));
    DataFileMeta {
        extra_files: others.cloned().chain(beside).collect(),
        embedded_index: embedded,
        ..DataFileMeta::clone(old)
    }
}

fn same_index(a: &DataFileMeta, b: &DataFileMeta) -> bool {
    a.embedded_index == b.embedded_index && a.extra_files == b.extra_files
}

fn is_index(name: &str) -> bool {
    name.ends_with(INDEX_SUFFIX)
}

/// The container of a file's indexes, made of all its rows; `None` when it is to have none.
async fn build(
    table: &Table,
    partition: &Arc<Partition>,
    file: &SplitFile,
) -> Result<Option<Bytes>> {
    let schema = table.schemas().schema(file.meta.schema_id).await?;
    let current = table.schema();
    let writer = FileIndexWriter::of_file(&current.fields, &current.options, &schema.fields)?;
    let Some(writer) = writer else {
        return Ok(None);
    };
    let wanted = writer.columns();
    let fields: Vec<_> = (schema.fields.iter())
        .filter(|f| wanted.contains(&f.name.as_str()))
        .cloned()
        .collect();
    let writer = FileIndexWriter::of_file(&current.fields, &current.options, &fields)?;
    let Some(mut writer) = writer else {
        return Ok(None);
    };
    let mut rows = FileScan::new(table, partition, file, &fields)
        .open()
        .await?;
    while let Some(batch) = rows.try_next().await? {
        writer = blocking(move || {
            writer.update(&batch)?;
            Ok(writer)
        })
        .await?;
    }
    blocking(move || writer.finish()).await.map(Some)
}

/// Whether a file has this very index beside it, and no other.
async fn is_known(
    table: &Table,
    directory: &str,
    old: &DataFileMeta,
    index: &Bytes,
) -> Result<bool> {
    let sides: Vec<&String> = old.extra_files.iter().filter(|n| is_index(n)).collect();
    let ([name], None) = (sides.as_slice(), &old.embedded_index) else {
        return Ok(false);
    };
    let location = format!("{directory}{}", checked_name(name)?);
    match table
        .io()
        .at(&location)?
        .read(&location, INDEX_SIZE_MAX)
        .await
    {
        Ok(there) => Ok(there == *index),
        Err(error) if is_not_found(&error) => Ok(false),
        // larger than any that is written here
        Err(error) if error.kind() == ErrorKind::ResourceExhausted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes index files that were not committed; only logs when that fails.
async fn discard(table: &Table, written: &[String]) {
    for location in written {
        let removed = match table.io().at(location) {
            Ok(io) => io.discard(location).await,
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(path = location, %error, "could not remove an uncommitted index");
        }
    }
}
