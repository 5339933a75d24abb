//! HASH index files of dynamic buckets when several writers changed them: the file of a bucket then holds the keys of
//! all. Java keeps those of the last one, and its next writer puts the lost keys into other buckets.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use super::files::ManifestFiles;
use super::index::HASH;
use crate::commit::OVERTAKEN;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::index_file_path;
use crate::spec::{FileKind, IndexManifestEntry};
use crate::table::Table;
use crate::write::decode_hashes;

/// Largest HASH index file that is accepted, bytes.
const INDEX_SIZE_MAX: u64 = 1 << 30;

type BucketOf<'a> = (&'a Bytes, i32);

/// The changes of index files as they fit those that are live: the file of a bucket that another commit replaced since
/// the writer read it is written again, with the keys of both. With `all` every key is looked up, even if the files of
/// the changed buckets are as they were.
///
/// # Errors
/// `CommitConflict` when a key got another bucket meanwhile, or its bucket was removed.
pub(in crate::commit) async fn join(
    table: &Table,
    live: &[IndexManifestEntry],
    changes: &[IndexManifestEntry],
    all: bool,
    files: &mut ManifestFiles<'_>,
) -> Result<Vec<IndexManifestEntry>> {
    let is = |e: &&IndexManifestEntry, kind| e.index_type == HASH && e.kind == kind;
    let known = by_bucket(changes.iter().filter(|e| is(e, FileKind::Delete)));
    let found = by_bucket(live.iter().filter(|e| e.index_type == HASH));
    let name = |e: Option<&&IndexManifestEntry>| e.map(|e| e.file_name.clone());
    let added = || {
        changes
            .iter()
            .filter(|e| is(e, FileKind::Add))
            .map(bucket_of)
    };
    let moved: HashSet<BucketOf<'_>> = added()
        .filter(|b| name(known.get(b)) != name(found.get(b)))
        .collect();
    let partitions: HashSet<&Bytes> = added()
        .filter(|bucket| all || moved.contains(bucket))
        .map(|(partition, _)| partition)
        .collect();
    let mut owners: HashMap<&Bytes, HashMap<i32, i32>> = HashMap::new();
    for partition in partitions {
        owners.insert(partition, owners_of(table, live, partition).await?);
    }
    let mut joined = Vec::with_capacity(changes.len());
    for change in changes {
        let bucket = bucket_of(change);
        let Some(owners) = owners
            .get(&change.partition)
            .filter(|_| change.index_type == HASH)
        else {
            joined.push(change.clone());
            continue;
        };
        if !moved.contains(&bucket) {
            if change.kind == FileKind::Add {
                check_owners(change, owners, &hashes_of(table, change).await?)?;
            }
            joined.push(change.clone());
        } else if change.kind == FileKind::Add {
            if known.contains_key(&bucket) && !found.contains_key(&bucket) {
                return Err(moved_meanwhile(change));
            }
            joined.push(with_keys_of_both(table, change, owners, files).await?);
        }
    }
    Ok(joined)
}

fn bucket_of(entry: &IndexManifestEntry) -> BucketOf<'_> {
    (&entry.partition, entry.bucket)
}

fn by_bucket<'a>(
    entries: impl Iterator<Item = &'a IndexManifestEntry>,
) -> HashMap<BucketOf<'a>, &'a IndexManifestEntry> {
    entries.map(|e| (bucket_of(e), e)).collect()
}

async fn hashes_of(table: &Table, entry: &IndexManifestEntry) -> Result<Vec<i32>> {
    let path = index_file_path(table.location(), entry)?;
    let bytes = table.io().read(&path, INDEX_SIZE_MAX).await?;
    decode_hashes(&bytes).map_err(|e| e.with("path", path))
}

/// The bucket of every key of a partition.
async fn owners_of(
    table: &Table,
    live: &[IndexManifestEntry],
    partition: &Bytes,
) -> Result<HashMap<i32, i32>> {
    let mut owners = HashMap::new();
    let of_partition = |e: &&IndexManifestEntry| e.index_type == HASH && e.partition == *partition;
    for entry in live.iter().filter(of_partition) {
        let hashes = hashes_of(table, entry).await?;
        owners.extend(hashes.into_iter().map(|hash| (hash, entry.bucket)));
    }
    Ok(owners)
}

/// The entry of a new file with the keys of the change and those that the bucket has by now.
async fn with_keys_of_both(
    table: &Table,
    change: &IndexManifestEntry,
    owners: &HashMap<i32, i32>,
    files: &mut ManifestFiles<'_>,
) -> Result<IndexManifestEntry> {
    let own = hashes_of(table, change).await?;
    check_owners(change, owners, &own)?;
    let there = owners
        .iter()
        .filter(|(_, bucket)| **bucket == change.bucket);
    let all: BTreeSet<i32> = own
        .into_iter()
        .chain(there.map(|(hash, _)| *hash))
        .collect();
    let all: Vec<i32> = all.into_iter().collect();
    let (file_name, file_size) = files.hashes(&all).await?;
    Ok(IndexManifestEntry {
        file_name,
        file_size,
        row_count: i64::try_from(all.len()).unwrap_or(i64::MAX),
        ..change.clone()
    })
}

/// No key of a bucket may be in another one.
fn check_owners(
    change: &IndexManifestEntry,
    owners: &HashMap<i32, i32>,
    hashes: &[i32],
) -> Result<()> {
    let elsewhere = |hash: &i32| owners.get(hash).is_some_and(|b| *b != change.bucket);
    match hashes.iter().any(elsewhere) {
        true => Err(moved_meanwhile(change)),
        false => Ok(()),
    }
}

fn moved_meanwhile(change: &IndexManifestEntry) -> Error {
    Error::new(
        ErrorKind::CommitConflict,
        "another commit gave keys of these rows another bucket: run the statement again",
    )
    .with("bucket", change.bucket)
    .with("file", &change.file_name)
    .with(OVERTAKEN, true)
}
