//! Row ids and sequence numbers that a commit assigns.
//!
//! Source: `RowTrackingCommitUtils`, `FileStoreCommitImpl`.

use std::collections::HashMap;

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
        let file = &mut entry.file;
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
        entry.file.min_sequence_number = snapshot_id;
        entry.file.max_sequence_number = snapshot_id;
    }
}
