//! Whether a commit fits the files of the snapshot it builds on. Pure.
//!
//! Source: `ConflictDetection`.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::manifest::FileIdentifier;
use crate::spec::{BinaryRow, CommitKind, DataField, FileKind, ManifestEntry};

/// Checks `delta` against the live files of the partitions it touches. Returns what is live with it, in no order.
///
/// # Errors
/// `CommitConflict` when the delta adds a file twice, removes one that is not there, changes the bucket number of a
/// partition, or leaves overlapping key ranges on a level.
pub(in crate::commit) fn check<'a>(
    base: &'a [ManifestEntry],
    delta: &'a [ManifestEntry],
    kind: CommitKind,
    key_fields: &[DataField],
) -> Result<Vec<&'a ManifestEntry>> {
    if kind != CommitKind::Overwrite {
        check_bucket_numbers(base.iter().chain(delta))?;
    }
    let live = merge(base, delta)?;
    if !key_fields.is_empty() {
        check_levels(&live, delta, key_fields)?;
    }
    Ok(live)
}

/// A compaction by a handle with an older schema would leave out the columns that its files got since.
///
/// # Errors
/// `CommitConflict` when the delta removes a file that was written with a schema after `schema_id`.
pub(in crate::commit) fn check_schemas(delta: &[ManifestEntry], schema_id: i64) -> Result<()> {
    let mut removed = delta.iter().filter(|e| e.kind == FileKind::Delete);
    match removed.find(|e| e.file.schema_id > schema_id) {
        None => Ok(()),
        Some(entry) => Err(conflict(format!(
            "the table was opened with schema {schema_id}, and file {} was written with schema {}: open the table again \
             and repeat the compaction",
            entry.file.file_name, entry.file.schema_id
        ))),
    }
}

/// All files of a partition must have been written with one bucket number.
pub(in crate::commit) fn check_bucket_numbers<'a>(
    entries: impl Iterator<Item = &'a ManifestEntry>,
) -> Result<()> {
    let mut known: HashMap<&Bytes, i32> = HashMap::new();
    let fixed = entries.filter(|e| e.kind == FileKind::Add && e.total_buckets > 0);
    for entry in fixed {
        let first = *known.entry(&entry.partition).or_insert(entry.total_buckets);
        if first != entry.total_buckets {
            return Err(conflict(format!(
                "the files of a partition have {first} buckets, files with {} are being added: rewrite the partition \
                 (INSERT OVERWRITE) to change its bucket number",
                entry.total_buckets
            )));
        }
    }
    Ok(())
}

/// Applies ADD and DELETE entries in order.
fn merge<'a>(
    base: &'a [ManifestEntry],
    delta: &'a [ManifestEntry],
) -> Result<Vec<&'a ManifestEntry>> {
    let mut live: HashMap<FileIdentifier<'a>, &'a ManifestEntry> =
        base.iter().map(|e| (FileIdentifier::of(e), e)).collect();
    for entry in delta {
        let identifier = FileIdentifier::of(entry);
        let name = &entry.file.file_name;
        match entry.kind {
            FileKind::Add => {
                if live.insert(identifier, entry).is_some() {
                    return Err(
                        conflict("a file that is in the table already is added again")
                            .with("data_file", name),
                    );
                }
            }
            FileKind::Delete => {
                if live.remove(&identifier).is_none() {
                    return Err(conflict(
                        "a file to be removed is gone: another commit replaced or removed it",
                    )
                    .with("data_file", name)
                    .with("bucket", entry.bucket));
                }
            }
        }
    }
    Ok(live.into_values().collect())
}

/// On each level but 0 the files of a bucket must have disjoint key ranges. Only levels that the delta adds to are
/// looked at: key bounds of old releases can be too wide, which must not stop every commit.
fn check_levels(
    live: &[&ManifestEntry],
    delta: &[ManifestEntry],
    key_fields: &[DataField],
) -> Result<()> {
    let added: HashSet<(&Bytes, i32, i32)> = delta
        .iter()
        .filter(|e| e.kind == FileKind::Add)
        .map(level_of)
        .collect();
    let touched: Vec<&ManifestEntry> = live
        .iter()
        .copied()
        .filter(|e| added.contains(&level_of(e)))
        .collect();
    match overlaps(&touched, key_fields)?.first() {
        None => Ok(()),
        Some((a, b)) => Err(conflict(
            "two files of a level would overlap: another commit compacted them",
        )
        .with("bucket", a.bucket)
        .with("level", a.file.level)
        .with("data_file", &a.file.file_name)
        .with("other_file", &b.file.file_name)),
    }
}

fn level_of(entry: &ManifestEntry) -> (&Bytes, i32, i32) {
    (&entry.partition, entry.bucket, entry.file.level)
}

/// Files that the delta adds with row ids given (updates of columns, compactions) must cover exactly the rows of files
/// that are live beside them, or rows of their own: ranges are equal or disjoint.
///
/// # Errors
/// `CommitConflict` when two ranges overlap without being equal.
pub(in crate::commit) fn check_row_ranges(
    live: &[&ManifestEntry],
    delta: &[ManifestEntry],
) -> Result<()> {
    let gives_ids = |e: &ManifestEntry| e.kind == FileKind::Add && e.file.first_row_id.is_some();
    if !delta.iter().any(gives_ids) {
        return Ok(());
    }
    // blobs and vectors split the range of the file they belong to
    let mut ranges: Vec<(i64, i64, &str)> = live
        .iter()
        .filter(|e| !crate::read::is_side_file(&e.file.file_name))
        .filter_map(|e| {
            let first = e.file.first_row_id?;
            Some((first, first + e.file.row_count, e.file.file_name.as_str()))
        })
        .collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let equal = (a.0, a.1) == (b.0, b.1);
        if !equal && b.0 < a.1 {
            return Err(conflict(
                "row id ranges of two files overlap without being equal: another commit rewrote the rows",
            )
            .with("data_file", a.2)
            .with("other_file", b.2));
        }
    }
    Ok(())
}

/// Files with columns of rows that were there before (ids below `next_row_id`) need those rows: another commit may have
/// removed them. Whether ranges overlap in another way is [`check_row_ranges`]' matter.
///
/// # Errors
/// `CommitConflict` when no live file has the rows of an added one.
pub(in crate::commit) fn check_rows_exist(
    base: &[ManifestEntry],
    delta: &[ManifestEntry],
    next_row_id: i64,
) -> Result<()> {
    let normal = |e: &&ManifestEntry| !crate::read::is_side_file(&e.file.file_name);
    let range = |e: &ManifestEntry| Some((e.file.first_row_id?, e.file.row_count));
    let old = |e: &&ManifestEntry| e.file.first_row_id.is_some_and(|first| first < next_row_id);
    let added = delta.iter().filter(|e| e.kind == FileKind::Add);
    let mut added = added.filter(normal).filter(old).peekable();
    if added.peek().is_none() {
        return Ok(());
    }
    let known: HashSet<_> = base.iter().filter(normal).filter_map(range).collect();
    match added.find(|e| range(e).is_none_or(|range| !known.contains(&range))) {
        None => Ok(()),
        Some(entry) => Err(conflict(
            "columns were written for rows that another commit removed or moved to another file",
        )
        .with("data_file", &entry.file.file_name)),
    }
}

/// Pairs of neighbouring files of one bucket and level above 0 whose key ranges overlap.
///
/// # Errors
/// `Damaged` for a malformed key.
pub fn overlapping_files<'a>(
    live: &'a [ManifestEntry],
    key_fields: &[DataField],
) -> Result<Vec<(&'a ManifestEntry, &'a ManifestEntry)>> {
    let live: Vec<&ManifestEntry> = live.iter().collect();
    overlaps(&live, key_fields)
}

fn overlaps<'a>(
    live: &[&'a ManifestEntry],
    key_fields: &[DataField],
) -> Result<Vec<(&'a ManifestEntry, &'a ManifestEntry)>> {
    let mut levels: HashMap<(&Bytes, i32, i32), Vec<&'a ManifestEntry>> = HashMap::new();
    for entry in live.iter().copied().filter(|e| e.file.level > 0) {
        levels
            .entry((&entry.partition, entry.bucket, entry.file.level))
            .or_default()
            .push(entry);
    }
    let mut found = Vec::new();
    for files in levels.into_values() {
        for pair in sorted_by_min_key(files, key_fields)?.windows(2) {
            let order = compare_keys(&pair[0].file.max_key, &pair[1].file.min_key, key_fields)?;
            if order != Ordering::Less {
                found.push((pair[0], pair[1]));
            }
        }
    }
    Ok(found)
}

fn sorted_by_min_key<'a>(
    mut files: Vec<&'a ManifestEntry>,
    key_fields: &[DataField],
) -> Result<Vec<&'a ManifestEntry>> {
    let mut failure = None;
    files.sort_by(|a, b| {
        compare_keys(&a.file.min_key, &b.file.min_key, key_fields).unwrap_or_else(|e| {
            failure.get_or_insert(e);
            Ordering::Equal
        })
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(files),
    }
}

/// Order of two serialised keys; nulls first.
///
/// # Errors
/// `Damaged` for a malformed key.
pub(in crate::commit) fn compare_keys(
    a: &Bytes,
    b: &Bytes,
    fields: &[DataField],
) -> Result<Ordering> {
    let a = BinaryRow::from_serialized(a, "key")?;
    let b = BinaryRow::from_serialized(b, "key")?;
    for (i, field) in fields.iter().enumerate() {
        let order = match (a.get(i, &field.data_type)?, b.get(i, &field.data_type)?) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => a.compare(&b).unwrap_or(Ordering::Equal),
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

fn conflict(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::CommitConflict, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::commit::testing::{add, delete, entry, file, key_fields, leveled};

    fn conflicts(base: &[ManifestEntry], delta: &[ManifestEntry], kind: CommitKind) -> bool {
        match check(base, delta, kind, &key_fields()) {
            Ok(_) => false,
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::CommitConflict, "{e}");
                true
            }
        }
    }

    #[test]
    fn a_file_is_added_once_and_removed_once() {
        let base = [add("a")];
        assert!(!conflicts(&base, &[add("b")], CommitKind::Append));
        assert!(conflicts(&base, &[add("a")], CommitKind::Append));
        assert!(!conflicts(&base, &[delete("a")], CommitKind::Compact));
        assert!(conflicts(&base, &[delete("b")], CommitKind::Compact));
        assert!(conflicts(
            &base,
            &[delete("a"), delete("a")],
            CommitKind::Compact
        ));
    }

    #[test]
    fn files_of_a_later_schema_are_not_compacted_away() {
        let mut later = delete("b");
        Arc::make_mut(&mut later.file).schema_id = 4;
        let delta = [delete("a"), later, add("c")];
        assert!(check_schemas(&delta, 4).is_ok());
        let error = check_schemas(&delta, 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitConflict);
        assert!(error.to_string().contains("schema 4"), "{error}");
        // one that is added may be of any
        let mut added = add("d");
        Arc::make_mut(&mut added.file).schema_id = 9;
        assert!(check_schemas(&[added], 3).is_ok());
    }

    #[test]
    fn a_level_change_of_a_live_file_fits() {
        let base = [leveled("a", 1, (1, 5))];
        let gone = ManifestEntry {
            kind: FileKind::Delete,
            ..base[0].clone()
        };
        let lifted = leveled("a", 5, (1, 5));
        let delta = [gone, lifted];
        let live = check(&base, &delta, CommitKind::Compact, &key_fields());
        assert_eq!(live.unwrap().len(), 1);
    }

    #[test]
    fn only_an_overwrite_may_change_the_bucket_number() {
        let base = [add("a")];
        let mut other = add("b");
        other.total_buckets = 2;
        let delta = [other];
        assert!(conflicts(&base, &delta, CommitKind::Append));
        assert!(!conflicts(&base, &delta, CommitKind::Overwrite));
    }

    #[test]
    fn ranges_of_a_level_stay_disjoint() {
        let base = [leveled("a", 5, (1, 5)), leveled("b", 5, (8, 9))];
        for (level, keys, expected) in [
            (5, (6, 7), false),
            (5, (5, 6), true),
            (5, (0, 20), true),
            (5, (7, 8), true),
            (4, (1, 9), false),
            (0, (1, 9), false),
        ] {
            let delta = [leveled("c", level, keys)];
            let found = conflicts(&base, &delta, CommitKind::Compact);
            assert_eq!(found, expected, "level {level}, keys {keys:?}");
        }
    }

    #[test]
    fn bounds_that_overlapped_before_do_not_stop_commits_to_other_levels() {
        let base = [leveled("a", 5, (1, 5)), leveled("b", 5, (5, 9))];
        let delta = [leveled("c", 0, (1, 9))];
        assert!(!conflicts(&base, &delta, CommitKind::Append));
    }

    fn ranged(name: &str, first: i64, rows: i64) -> ManifestEntry {
        let mut entry = entry(FileKind::Add, file(name, rows));
        Arc::make_mut(&mut entry.file).first_row_id = Some(first);
        entry
    }

    #[test]
    fn columns_need_the_rows_that_they_belong_to() {
        let base = [ranged("a", 0, 10), ranged("x.blob", 20, 5)];
        for (first, rows, fits) in [(0, 10, true), (0, 5, false), (20, 5, false), (30, 5, true)] {
            let result = check_rows_exist(&base, &[ranged("n", first, rows)], 30);
            assert_eq!(result.is_ok(), fits, "rows {first}..+{rows}");
        }
        check_rows_exist(&base, &[add("n"), ranged("c.blob", 3, 4)], 30).unwrap();
    }

    #[test]
    fn row_ranges_are_equal_or_disjoint() {
        let base = ranged("a", 0, 10);
        let next = ranged("b", 10, 5);
        for (first, rows, fits) in [
            (0, 10, true),
            (10, 5, true),
            (15, 1, true),
            (0, 9, false),
            (9, 2, false),
            (0, 15, false),
        ] {
            let new = ranged("n", first, rows);
            let result = check_row_ranges(&[&base, &next, &new], std::slice::from_ref(&new));
            assert_eq!(result.is_ok(), fits, "rows {first}..+{rows}");
        }
        let blob = ranged("c.blob", 3, 4);
        check_row_ranges(&[&base, &next, &blob], std::slice::from_ref(&blob)).unwrap();
    }
}
