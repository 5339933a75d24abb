//! Index files of a snapshot: those of the previous one combined with a commit's changes.
//!
//! Source: `IndexManifestFileHandler`.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::spec::{FileKind, IndexManifestEntry};

/// Index type of deletion vectors.
pub(in crate::commit) const DELETION_VECTORS: &str = "DELETION_VECTORS";
/// Index type of the keys of a dynamic bucket.
pub(in crate::commit) const HASH: &str = "HASH";

/// Whether an index file holds deletion vectors.
pub(in crate::commit) fn is_vectors(entry: &IndexManifestEntry) -> bool {
    entry.index_type == DELETION_VECTORS
}

/// The live index files after a commit. `bucketed` is false for tables that put all rows into one unaware bucket.
///
/// # Errors
/// `CommitConflict` when a change does not fit: an index file added twice, one removed that is not there, a data file
/// with two vectors, two global indexes of one field over the same rows.
pub(in crate::commit) fn combine(
    previous: Vec<IndexManifestEntry>,
    changes: &[IndexManifestEntry],
    bucketed: bool,
) -> Result<Vec<IndexManifestEntry>> {
    let mut live = previous;
    for change in changes {
        let by_bucket =
            change.index_type == HASH || (change.index_type == DELETION_VECTORS && bucketed);
        match change.kind {
            // stricter than Java, which loses what another writer put into the index of a bucket meanwhile
            FileKind::Delete => remove(&mut live, change)?,
            FileKind::Add => {
                if by_bucket {
                    live.retain(|e| !same_bucket(e, change));
                } else if live.iter().any(|e| e.file_name == change.file_name) {
                    return Err(conflict("an index file is added twice", change));
                }
                live.push(change.clone());
            }
        }
    }
    check_vectors(&live)?;
    check_global(&live, changes)?;
    Ok(live)
}

fn same_bucket(a: &IndexManifestEntry, b: &IndexManifestEntry) -> bool {
    a.index_type == b.index_type && a.partition == b.partition && a.bucket == b.bucket
}

fn remove(live: &mut Vec<IndexManifestEntry>, change: &IndexManifestEntry) -> Result<()> {
    match live.iter().position(|e| e.file_name == change.file_name) {
        Some(at) => {
            live.remove(at);
            Ok(())
        }
        None => Err(conflict(
            "an index file to be replaced is gone: another commit changed it",
            change,
        )),
    }
}

/// A data file may have one deletion vector.
fn check_vectors(live: &[IndexManifestEntry]) -> Result<()> {
    let mut seen = HashSet::new();
    for entry in live.iter().filter(|e| e.index_type == DELETION_VECTORS) {
        for range in entry.dv_ranges.iter().flatten() {
            let key = (&entry.partition, entry.bucket, &range.data_file_name);
            if !seen.insert(key) {
                return Err(conflict("a data file has two deletion vectors", entry)
                    .with("data_file", &range.data_file_name));
            }
        }
    }
    Ok(())
}

/// Added global indexes of one type and field must cover disjoint rows.
fn check_global(live: &[IndexManifestEntry], changes: &[IndexManifestEntry]) -> Result<()> {
    let added = changes.iter().filter(|c| c.kind == FileKind::Add);
    for change in added {
        let Some(new) = &change.global_index else {
            continue;
        };
        let overlaps = |e: &&IndexManifestEntry| {
            e.file_name != change.file_name
                && e.index_type == change.index_type
                && e.global_index.as_ref().is_some_and(|old| {
                    old.index_field_id == new.index_field_id
                        && old.row_range_start <= new.row_range_end
                        && new.row_range_start <= old.row_range_end
                })
        };
        if let Some(other) = live.iter().find(overlaps) {
            return Err(conflict(
                "two global indexes of one field cover the same rows",
                change,
            )
            .with("other_file", &other.file_name));
        }
    }
    Ok(())
}

fn conflict(message: &str, entry: &IndexManifestEntry) -> Error {
    Error::new(ErrorKind::CommitConflict, message)
        .with("index_file", &entry.file_name)
        .with("bucket", entry.bucket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;
    use crate::spec::DeletionVectorMeta;

    fn entry(kind: FileKind, index_type: &str, bucket: i32, name: &str) -> IndexManifestEntry {
        IndexManifestEntry {
            kind,
            partition: Bytes::from_static(b"p"),
            bucket,
            index_type: index_type.to_string(),
            file_name: name.to_string(),
            file_size: 1,
            row_count: 1,
            dv_ranges: None,
            external_path: None,
            global_index: None,
        }
    }

    fn names(live: &[IndexManifestEntry]) -> Vec<&str> {
        live.iter().map(|e| e.file_name.as_str()).collect()
    }

    #[test]
    fn a_bucket_has_one_hash_index() {
        let old = vec![
            entry(FileKind::Add, HASH, 0, "a"),
            entry(FileKind::Add, HASH, 1, "b"),
        ];
        let live = combine(old, &[entry(FileKind::Add, HASH, 0, "c")], true).unwrap();
        assert_eq!(names(&live), ["b", "c"]);
    }

    #[test]
    fn vectors_of_unaware_buckets_go_by_file_name() {
        let old = vec![
            entry(FileKind::Add, DELETION_VECTORS, 0, "a"),
            entry(FileKind::Add, DELETION_VECTORS, 0, "b"),
        ];
        let changes = [
            entry(FileKind::Delete, DELETION_VECTORS, 0, "a"),
            entry(FileKind::Add, DELETION_VECTORS, 0, "c"),
        ];
        let live = combine(old.clone(), &changes, false).unwrap();
        assert_eq!(names(&live), ["b", "c"]);
        let gone = combine(live, &changes, false).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::CommitConflict);
    }

    #[test]
    fn a_data_file_with_two_vectors_is_refused() {
        let with_range = |name: &str| IndexManifestEntry {
            dv_ranges: Some(vec![DeletionVectorMeta {
                data_file_name: "d".into(),
                offset: 1,
                length: 2,
                cardinality: None,
            }]),
            ..entry(FileKind::Add, DELETION_VECTORS, 0, name)
        };
        let error = combine(vec![with_range("a")], &[with_range("b")], false).unwrap_err();
        assert!(
            error.to_string().contains("two deletion vectors"),
            "{error}"
        );
    }
}
