//! ADD and DELETE entries to live files.

use std::collections::HashSet;

use bytes::Bytes;

use crate::spec::{FileKind, ManifestEntry};

/// What makes two entries speak of one file. Source: `FileEntry.Identifier`.
#[derive(PartialEq, Eq, Hash)]
struct Identifier<'a> {
    partition: &'a Bytes,
    bucket: i32,
    level: i32,
    file_name: &'a str,
    extra_files: &'a [String],
    embedded_index: Option<&'a Bytes>,
    external_path: Option<&'a str>,
}

impl<'a> Identifier<'a> {
    fn of(entry: &'a ManifestEntry) -> Self {
        Self {
            partition: &entry.partition,
            bucket: entry.bucket,
            level: entry.file.level,
            file_name: &entry.file.file_name,
            extra_files: &entry.file.extra_files,
            embedded_index: entry.file.embedded_index.as_ref(),
            external_path: entry.file.external_path.as_deref(),
        }
    }
}

/// The ADD entries that no DELETE cancels, in order.
pub fn live_entries(entries: Vec<ManifestEntry>) -> Vec<ManifestEntry> {
    let deleted: HashSet<Identifier<'_>> = entries
        .iter()
        .filter(|e| e.kind == FileKind::Delete)
        .map(Identifier::of)
        .collect();
    if deleted.is_empty() {
        return entries;
    }
    let keep: Vec<bool> = entries
        .iter()
        .map(|e| e.kind == FileKind::Add && !deleted.contains(&Identifier::of(e)))
        .collect();
    drop(deleted);
    entries
        .into_iter()
        .zip(keep)
        .filter_map(|(entry, keep)| keep.then_some(entry))
        .collect()
}
