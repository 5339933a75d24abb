//! The files of one table's newest snapshot, copied into another table.
//!
//! Source: `CopyFilesProcedure` of Spark, `ListDataFilesOperator`, `CopyDataFilesOperator`, `CopyFilesCommitOperator`. As
//! there, copies have new names, so that a table may be copied into again; deletion vectors name the copies here, too.
//! Files are copied first and committed once all are there: a kill leaves files that no snapshot names.

mod fitting;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use indexmap::IndexMap;

use self::fitting::{check_kind, check_pair, check_schemas};
use super::rescale::{Spec, is_any_of};
use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, Overwrite};
use crate::error::{Error, Result};
use crate::io::FileIo;
use crate::manifest::{partition_values, read_index_manifest};
use crate::read::{Partition, bucket_path, data_file_path};
use crate::spec::{
    CommitMessage, CompactIncrement, DataFileMeta, DataIncrement, IndexManifestEntry, ManifestEntry,
};
use crate::table::Table;
use crate::write::{DataFilePaths, WriteOptions, discard_files};

/// Bytes copied at a time.
const STEP_BYTES: u64 = 8 << 20;

/// Copies the files of the newest snapshot of a table.
#[derive(Debug, Clone)]
pub struct CopyFiles {
    /// The partitions with the given values of some or all partition columns; `None` is all of them.
    pub partitions: Option<Vec<Spec>>,
    /// Files copied at a time, at least one.
    pub parallelism: usize,
}

/// A file to copy.
struct Copy {
    from: String,
    to: String,
    /// Bytes, where the metadata tells.
    size: Option<u64>,
}

/// A copy of a snapshot to be.
#[derive(Default)]
struct Planned {
    copies: Vec<Copy>,
    buckets: IndexMap<(Bytes, i32), CommitMessage>,
    /// New names of data files by their old ones.
    names: HashMap<String, String>,
}

impl CopyFiles {
    /// Checks that the files of a table can be copied.
    ///
    /// # Errors
    /// `Unsupported` for a table with row tracking or postponed buckets, and for files of a schema with other columns than
    /// the table has now.
    pub async fn check(&self, source: &Table) -> Result<()> {
        check_kind(source).map_err(|e| e.with_default("table", source.name()))?;
        let (live, _) = self.live(source).await?;
        check_schemas(source, live.iter().map(|e| e.file.schema_id)).await
    }

    /// Copies from `source` to `target` and commits the copies as an overwrite of the partitions that they are in. Returns
    /// the number of data files.
    ///
    /// # Errors
    /// As [`Self::check`]. `InvalidInput` when it is the same table, or when columns, keys or options differ that decide how
    /// files are read. `Io` when a store fails and `Damaged` when a file is gone or has another size: what was copied is
    /// removed then. Those of a commit.
    ///
    /// # Cancel safety
    /// A cancelled copy leaves files that orphan cleaning removes.
    pub async fn run(
        &self,
        source: &Table,
        target: &Table,
        context: &CommitContext,
    ) -> Result<usize> {
        check_pair(source, target)?;
        let planned = self.plan(source, target, context).await?;
        let count = planned.names.len();
        let messages: Vec<CommitMessage> = planned.buckets.into_values().collect();
        let copied = self.copy_all(source.io(), target.io(), &planned.copies);
        let committed = match copied.await {
            Ok(()) => {
                let commit = target.new_commit().with_context(context.clone());
                commit
                    .overwrite(
                        Overwrite::Dynamic,
                        BATCH_COMMIT_IDENTIFIER,
                        messages.clone(),
                    )
                    .await
                    .map(drop)
            }
            Err(error) => {
                for message in &messages {
                    discard_files(target, context.ids.as_ref(), message).await?;
                }
                Err(error)
            }
        };
        committed.map_err(|e| e.with_default("table", target.name()))?;
        Ok(count)
    }

    async fn plan(
        &self,
        source: &Table,
        target: &Table,
        context: &CommitContext,
    ) -> Result<Planned> {
        let mut planned = Planned::default();
        let (live, index) = self.live(source).await?;
        check_schemas(source, live.iter().map(|e| e.file.schema_id)).await?;
        let mut paths: HashMap<(Bytes, i32), BucketPaths> = HashMap::new();
        let options = WriteOptions::new(target.schema(), target.options())?;
        for entry in live {
            let key = (entry.partition.clone(), entry.bucket);
            let places = match paths.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(BucketPaths::new(source, target, &options, &entry, context)?)
                }
            };
            planned.add_file(places, &options, &entry, target.schema().id)?;
        }
        for entry in index {
            let name = format!("index-{}-0", context.ids.uuid());
            planned.add_index(source, target, entry, name)?;
        }
        Ok(planned)
    }

    /// What the newest snapshot has in the wanted partitions: data files and index files.
    async fn live(&self, source: &Table) -> Result<(Vec<ManifestEntry>, Vec<IndexManifestEntry>)> {
        let Some(snapshot) = source.snapshots().latest().await? else {
            return Ok(Default::default());
        };
        let (mut live, _) = source.manifest_scan().live_files(&snapshot).await?;
        let name = snapshot.index_manifest.as_deref();
        let mut index = read_index_manifest(source.io(), source.location(), name).await?;
        let mut wanted: HashMap<Bytes, bool> = HashMap::new();
        let partitions = live.iter().map(|e| &e.partition);
        for partition in partitions.chain(index.iter().map(|e| &e.partition)) {
            if !wanted.contains_key(partition) {
                wanted.insert(partition.clone(), self.wants(source, partition)?);
            }
        }
        live.retain(|e| wanted.get(&e.partition) == Some(&true));
        index.retain(|e| wanted.get(&e.partition) == Some(&true));
        Ok((live, index))
    }

    fn wants(&self, source: &Table, partition: &Bytes) -> Result<bool> {
        match &self.partitions {
            None => Ok(true),
            Some(specs) => is_any_of(source, partition, specs),
        }
    }

    async fn copy_all(&self, from: &FileIo, to: &FileIo, copies: &[Copy]) -> Result<()> {
        let mut running = Vec::with_capacity(copies.len());
        for copy in copies {
            running.push(copy_file(from, to, copy));
        }
        futures::stream::iter(running)
            .buffer_unordered(self.parallelism.max(1))
            .try_collect()
            .await
    }
}

/// Where the files of a bucket are and go.
struct BucketPaths {
    source: String,
    target: DataFilePaths,
}

impl BucketPaths {
    fn new(
        source: &Table,
        target: &Table,
        options: &WriteOptions,
        entry: &ManifestEntry,
        context: &CommitContext,
    ) -> Result<Self> {
        let fields = source.schema().partition_fields();
        let partition = Partition {
            values: partition_values(&entry.partition, &fields)?,
            bytes: entry.partition.clone(),
        };
        let uuid = context.ids.uuid();
        Ok(Self {
            source: bucket_path(source, &partition, entry.bucket)?,
            target: DataFilePaths::of_bucket(target, options, &partition, entry.bucket, uuid)?,
        })
    }
}

impl Planned {
    fn message(
        &mut self,
        partition: &Bytes,
        bucket: i32,
        total_buckets: i32,
    ) -> &mut DataIncrement {
        let key = (partition.clone(), bucket);
        let message = self.buckets.entry(key).or_insert_with(|| CommitMessage {
            partition: partition.clone(),
            bucket,
            total_buckets,
            base: None,
            data: DataIncrement::default(),
            compact: CompactIncrement::default(),
        });
        &mut message.data
    }

    /// Plans the copy of a data file with its side files, which have its name in theirs.
    fn add_file(
        &mut self,
        places: &BucketPaths,
        options: &WriteOptions,
        entry: &ManifestEntry,
        schema_id: i64,
    ) -> Result<()> {
        let old = &entry.file;
        let new = places
            .target
            .next(&options.data_prefix, extension(&old.file_name))?;
        let from = data_file_path(&places.source, old)?;
        let folder = from.strip_suffix(&old.file_name).unwrap_or_default();
        let mut sides = Vec::new();
        for side in &old.extra_files {
            let Some(ending) = side.strip_prefix(&old.file_name) else {
                continue;
            };
            let place = places.target.beside(&new, &format!("{}{ending}", new.name));
            self.copies.push(Copy {
                from: format!("{folder}{side}"),
                to: place.location,
                size: None,
            });
            sides.push(place.name);
        }
        self.copies.push(Copy {
            from,
            to: new.location,
            size: u64::try_from(old.file_size).ok(),
        });
        self.names.insert(old.file_name.clone(), new.name.clone());
        let meta = DataFileMeta {
            file_name: new.name,
            schema_id,
            extra_files: sides,
            external_path: new.external_path,
            ..DataFileMeta::clone(old)
        };
        let data = self.message(&entry.partition, entry.bucket, entry.total_buckets);
        data.new_files.push(meta);
        Ok(())
    }

    /// Plans the copy of an index file; the vectors in it are those of the copies.
    fn add_index(
        &mut self,
        source: &Table,
        target: &Table,
        mut entry: IndexManifestEntry,
        name: String,
    ) -> Result<()> {
        let from = match &entry.external_path {
            Some(path) => path.clone(),
            None => index_path(source, &entry.file_name)?,
        };
        for range in entry.dv_ranges.iter_mut().flatten() {
            let copied = self.names.get(&range.data_file_name).ok_or_else(|| {
                Error::damaged("a deletion vector is of a data file that is not there")
                    .with("path", &range.data_file_name)
            })?;
            range.data_file_name = copied.clone();
        }
        self.copies.push(Copy {
            from,
            to: index_path(target, &name)?,
            size: u64::try_from(entry.file_size).ok(),
        });
        let total_buckets = target.options().bucket;
        let data = self.message(&entry.partition, entry.bucket, total_buckets);
        data.new_index_files.push(IndexManifestEntry {
            file_name: name,
            external_path: None,
            ..entry
        });
        Ok(())
    }
}

fn index_path(table: &Table, name: &str) -> Result<String> {
    let name = crate::io::checked_name(name)?;
    Ok(format!("{}/index/{name}", table.location()))
}

/// Everything behind the counter of a file's name: `.parquet`, `.zstd.parquet`.
fn extension(name: &str) -> &str {
    let counter = name.rfind('-').unwrap_or(0);
    let dot = name[counter..].find('.').map(|dot| counter + dot);
    dot.map_or("", |dot| &name[dot..])
}

async fn copy_file(from: &FileIo, to: &FileIo, copy: &Copy) -> Result<()> {
    let input = from.at(&copy.from)?.open(&copy.from).await?;
    let size = input.size();
    if copy.size.is_some_and(|expected| expected != size) {
        return Err(Error::damaged(format!(
            "the file has {size} bytes, not those of its metadata"
        ))
        .with("path", &copy.from));
    }
    let mut output = to.at(&copy.to)?.create(&copy.to).await?;
    let mut at = 0;
    while at < size {
        let end = size.min(at + STEP_BYTES);
        let written = match input.read_range(at..end).await {
            Ok(bytes) => output.write(bytes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            output.abort().await;
            return Err(error);
        }
        at = end;
    }
    output.close().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_what_names_say_about_the_format() {
        for (name, expected) in [
            ("data-1b2c-0.parquet", ".parquet"),
            ("data-1b2c-12.zstd.orc", ".zstd.orc"),
            ("my.data-1b2c-0.avro", ".avro"),
            ("plain.parquet", ".parquet"),
            ("none", ""),
        ] {
            assert_eq!(extension(name), expected);
        }
    }
}
