//! Row ids and sequence numbers that a commit assigns.
//!
//! Source: `RowTrackingCommitUtils`, `FileStoreCommitImpl`.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::spec::{FileKind, FileSource, ManifestEntry};

/// Name of the row id column in `_WRITE_COLS`.
const ROW_ID: &str = "_ROW_ID";

/// Gives the files of snapshot `snapshot_id` their sequence number and first row id; returns the next free row id.
pub(super) fn assign_row_ids(
    entries: &mut [ManifestEntry],
    snapshot_id: i64,
    next_row_id: i64,
) -> i64 {
    let mut next = next_row_id;
    // side files (blobs) share the row range of the normal file before them, those of each column for itself
    let mut range_start = next_row_id;
    let mut side_starts: HashMap<Option<Vec<String>>, i64> = HashMap::new();
    for entry in entries.iter_mut().filter(|e| e.kind == FileKind::Add) {
        let file = Arc::make_mut(&mut entry.file);
        if file.min_sequence_number == 0 {
            file.min_sequence_number = snapshot_id;
            file.max_sequence_number = snapshot_id;
        } else if file.max_sequence_number == 0 {
            file.max_sequence_number = snapshot_id;
        }
        let has_ids = file
            .write_cols
            .as_ref()
            .is_some_and(|c| c.iter().any(|name| name == ROW_ID));
        if file.first_row_id.is_some() || file.file_source != Some(FileSource::Append) || has_ids {
            continue;
        }
        if crate::read::is_side_file(&file.file_name) {
            let start = side_starts
                .entry(file.write_cols.clone())
                .or_insert(range_start);
            file.first_row_id = Some(*start);
            *start += file.row_count;
        } else {
            file.first_row_id = Some(next);
            range_start = next;
            side_starts.clear();
            next += file.row_count;
        }
    }
    next
}

/// Puts the entries of a partition next to each other, so that their row ids are contiguous. Partitions stay in order of
/// first appearance, and so do the files within one.
pub(super) fn group_by_partition(entries: &mut [ManifestEntry]) {
    let mut order: HashMap<Bytes, usize> = HashMap::new();
    for entry in entries.iter() {
        let next = order.len();
        order.entry(entry.partition.clone()).or_insert(next);
    }
    entries.sort_by_key(|e| order.get(&e.partition).copied());
}

/// Stamps added files with the snapshot id as their sequence number (`sequence.snapshot-ordering`).
pub(super) fn stamp_sequences(entries: &mut [ManifestEntry], snapshot_id: i64) {
    for entry in entries.iter_mut().filter(|e| e.kind == FileKind::Add) {
        Arc::make_mut(&mut entry.file).min_sequence_number = snapshot_id;
        Arc::make_mut(&mut entry.file).max_sequence_number = snapshot_id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::testing::{add, entry, file};

    fn firsts(entries: &[ManifestEntry]) -> Vec<Option<i64>> {
        entries.iter().map(|e| e.file.first_row_id).collect()
    }

    #[test]
    fn side_files_share_the_rows_of_the_file_before_them() {
        let blob = |name: &str, column: &str, rows| {
            let mut blob = entry(FileKind::Add, file(name, rows));
            Arc::make_mut(&mut blob.file).write_cols = Some(vec![column.to_string()]);
            blob
        };
        let mut entries = [
            add("a.parquet"),
            blob("1.blob", "x", 4),
            blob("2.blob", "x", 6),
            blob("3.blob", "y", 10),
            add("b.parquet"),
            blob("4.blob", "x", 10),
        ];
        assert_eq!(assign_row_ids(&mut entries, 7, 100), 120);
        let expected = [100, 100, 104, 100, 110, 110].map(Some);
        assert_eq!(firsts(&entries), expected);
        assert!(entries.iter().all(|e| e.file.max_sequence_number == 7));
    }

    #[test]
    fn given_and_written_row_ids_stay() {
        let mut given = add("a");
        Arc::make_mut(&mut given.file).first_row_id = Some(3);
        let mut stored = add("b");
        Arc::make_mut(&mut stored.file).write_cols = Some(vec!["v".into(), ROW_ID.into()]);
        let mut entries = [given, stored, add("c")];
        assert_eq!(assign_row_ids(&mut entries, 7, 100), 110);
        assert_eq!(firsts(&entries), [Some(3), None, Some(100)]);
    }

    #[test]
    fn partitions_get_contiguous_ids() {
        let of = |partition: &'static str, name: &str| ManifestEntry {
            partition: Bytes::from_static(partition.as_bytes()),
            ..add(name)
        };
        let mut entries = [of("q", "1"), of("p", "2"), of("q", "3"), of("p", "4")];
        group_by_partition(&mut entries);
        let names: Vec<&str> = entries.iter().map(|e| e.file.file_name.as_str()).collect();
        assert_eq!(names, ["1", "3", "2", "4"]);
    }
}
