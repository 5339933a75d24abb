//! Whether a commit's deletion vectors fit those of the snapshot it builds on. Pure.
//!
//! Data files and their vectors change in different commits, so a file that is live may have got a vector that the
//! committer never saw: compacting it would bring deleted rows back. Source: `ConflictDetection` (entries with deletion
//! vectors), here for bucketed tables too.

use std::collections::HashSet;

use bytes::Bytes;

use crate::commit::changes::Changes;
use crate::commit::manifests::index::is_vectors;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{FileKind, IndexManifestEntry, ManifestEntry};

/// A data file, whatever its level.
type DataFile<'a> = (&'a Bytes, i32, &'a str);

/// Checks the vectors of `changes` against the live index files `before` and the data files that are `live` after the
/// commit. `bucketed`: the table has real buckets, and one file holds all vectors of a bucket.
///
/// # Errors
/// `CommitConflict` when a removed data file has a vector that the commit neither removes nor replaces, or a new vector
/// belongs to a data file that is gone; `Internal` when the commit drops the vector of a file that stays.
pub(in crate::commit) fn check(
    before: &[IndexManifestEntry],
    live: &[&ManifestEntry],
    changes: &Changes,
    bucketed: bool,
) -> Result<()> {
    let is_replaced = |file: &DataFile<'_>| bucketed && bucket_is_replaced(file, changes);
    let live: HashSet<DataFile<'_>> = live.iter().map(|e| data_file(e)).collect();
    let of_kind = |kind: FileKind| {
        let vectors = changes.index.iter().filter(|c| is_vectors(c));
        vectors.filter(move |c| c.kind == kind)
    };
    let added: HashSet<DataFile<'_>> = of_kind(FileKind::Add).flat_map(owners).collect();
    let removed: HashSet<DataFile<'_>> = of_kind(FileKind::Delete).flat_map(owners).collect();
    check_removed_files(before, &live, changes, &is_replaced)?;
    if let Some(file) = added.difference(&removed).find(|f| !live.contains(*f)) {
        return Err(conflict(
            "rows of a data file are deleted that another commit replaced or removed",
            file,
        ));
    }
    match removed
        .difference(&added)
        .find(|file| live.contains(*file) && !is_replaced(file))
    {
        None => Ok(()),
        Some(file) => Err(Error::internal(
            "a commit drops the deletion vector of a data file that stays",
        )
        .with("data_file", file.2)
        .with("bucket", file.1)),
    }
}

/// The vectors of removed data files must be known to the commit.
fn check_removed_files(
    before: &[IndexManifestEntry],
    live: &HashSet<DataFile<'_>>,
    changes: &Changes,
    is_replaced: &dyn Fn(&DataFile<'_>) -> bool,
) -> Result<()> {
    let gone: HashSet<DataFile<'_>> = changes
        .entries
        .iter()
        .filter(|e| e.kind == FileKind::Delete)
        .map(data_file)
        .filter(|file| !live.contains(file))
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    for entry in before.iter().filter(|e| is_vectors(e)) {
        let Some(file) = owners(entry).find(|file| gone.contains(file)) else {
            continue;
        };
        let known = changes
            .index
            .iter()
            .any(|c| c.kind == FileKind::Delete && c.file_name == entry.file_name);
        if !known && !is_replaced(&file) {
            return Err(conflict(
                "rows of a data file were deleted while it was being replaced",
                &file,
            ));
        }
    }
    Ok(())
}

/// Whether the commit writes the vectors of a data file's bucket.
fn bucket_is_replaced(file: &DataFile<'_>, changes: &Changes) -> bool {
    let in_bucket = |c: &IndexManifestEntry| c.partition == *file.0 && c.bucket == file.1;
    let added = changes.index.iter().filter(|c| c.kind == FileKind::Add);
    added.filter(|c| is_vectors(c)).any(in_bucket)
}

fn data_file(entry: &ManifestEntry) -> DataFile<'_> {
    (&entry.partition, entry.bucket, &entry.file.file_name)
}

/// The data files with a vector in an index file.
fn owners(entry: &IndexManifestEntry) -> impl Iterator<Item = DataFile<'_>> {
    let ranges = entry.dv_ranges.iter().flatten();
    ranges.map(|r| (&entry.partition, entry.bucket, r.data_file_name.as_str()))
}

fn conflict(message: &str, file: &DataFile<'_>) -> Error {
    Error::new(ErrorKind::CommitConflict, message)
        .with("data_file", file.2)
        .with("bucket", file.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::commit::testing::{add, delete, vectors};
    use crate::spec::FileKind::{Add, Delete};

    fn changes(entries: Vec<ManifestEntry>, index: Vec<IndexManifestEntry>) -> Changes {
        Changes {
            entries,
            index,
            ..Changes::default()
        }
    }

    fn kind_of(result: Result<()>) -> ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn a_first_vector_of_a_live_file_fits() {
        let change = changes(vec![], vec![vectors(Add, "x", &["f"])]);
        check(&[], &[&add("f")], &change, false).unwrap();
    }

    #[test]
    fn deleting_rows_of_a_file_that_was_compacted_meanwhile_conflicts() {
        let change = changes(vec![], vec![vectors(Add, "x", &["f"])]);
        let result = check(&[], &[&add("g")], &change, false);
        assert_eq!(kind_of(result), ErrorKind::CommitConflict);
    }

    #[test]
    fn compacting_a_file_that_got_a_vector_meanwhile_conflicts() {
        let before = [vectors(Add, "x", &["f", "other"])];
        let compaction = changes(vec![delete("f"), add("g")], vec![]);
        let live = [&add("g"), &add("other")];
        for bucketed in [false, true] {
            let result = check(&before, &live, &compaction, bucketed);
            assert_eq!(kind_of(result), ErrorKind::CommitConflict);
        }
    }

    #[test]
    fn a_compaction_that_knows_the_vector_and_keeps_the_others_fits() {
        let before = [vectors(Add, "x", &["f", "other"])];
        let index = vec![
            vectors(Delete, "x", &["f", "other"]),
            vectors(Add, "y", &["other"]),
        ];
        let compaction = changes(vec![delete("f"), add("g")], index);
        check(&before, &[&add("g"), &add("other")], &compaction, false).unwrap();
    }

    #[test]
    fn losing_the_vector_of_a_file_that_stays_is_a_bug() {
        let before = [vectors(Add, "x", &["f", "other"])];
        let index = vec![vectors(Delete, "x", &["f", "other"])];
        let compaction = changes(vec![delete("f"), add("g")], index);
        let result = check(&before, &[&add("g"), &add("other")], &compaction, false);
        assert_eq!(kind_of(result), ErrorKind::Internal);
    }

    #[test]
    fn a_bucket_is_replaced_as_a_whole() {
        let before = [vectors(Add, "x", &["f", "other"])];
        let compaction = changes(
            vec![delete("f"), add("g")],
            vec![vectors(Add, "y", &["other"])],
        );
        let live = [&add("g"), &add("other")];
        check(&before, &live, &compaction, true).unwrap();
        let result = check(&before, &live, &compaction, false);
        assert_eq!(kind_of(result), ErrorKind::CommitConflict);
    }

    #[test]
    fn a_file_that_only_changes_its_level_keeps_its_vector() {
        let mut lifted = add("f");
        Arc::make_mut(&mut lifted.file).level = 5;
        let upgrade = changes(vec![delete("f"), lifted.clone()], vec![]);
        check(&[vectors(Add, "x", &["f"])], &[&lifted], &upgrade, true).unwrap();
    }
}
