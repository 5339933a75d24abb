//! ADD and DELETE entries to live files.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::spec::{FileKind, ManifestEntry};

/// What makes two entries speak of one file. Source: `FileEntry.Identifier`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileIdentifier<'a> {
    partition: &'a Bytes,
    bucket: i32,
    level: i32,
    file_name: &'a str,
    extra_files: &'a [String],
    embedded_index: Option<&'a Bytes>,
    external_path: Option<&'a str>,
}

impl<'a> FileIdentifier<'a> {
    /// Of an entry, whatever its kind.
    pub fn of(entry: &'a ManifestEntry) -> Self {
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
    let deleted: HashSet<FileIdentifier<'_>> = entries
        .iter()
        .filter(|e| e.kind == FileKind::Delete)
        .map(FileIdentifier::of)
        .collect();
    if deleted.is_empty() {
        return entries;
    }
    let keep: Vec<bool> = entries
        .iter()
        .map(|e| e.kind == FileKind::Add && !deleted.contains(&FileIdentifier::of(e)))
        .collect();
    drop(deleted);
    entries
        .into_iter()
        .zip(keep)
        .filter_map(|(entry, keep)| keep.then_some(entry))
        .collect()
}

/// Entries with each DELETE and the ADD it cancels left out; a DELETE whose ADD is not among them stays. In order.
pub fn merge_entries(entries: Vec<ManifestEntry>) -> Vec<ManifestEntry> {
    let mut added: HashMap<FileIdentifier<'_>, usize> = HashMap::new();
    let mut gone = vec![false; entries.len()];
    for (i, entry) in entries.iter().enumerate() {
        let identifier = FileIdentifier::of(entry);
        match entry.kind {
            FileKind::Add => {
                added.insert(identifier, i);
            }
            FileKind::Delete => {
                if let Some(at) = added.remove(&identifier) {
                    gone[at] = true;
                    gone[i] = true;
                }
            }
        }
    }
    drop(added);
    let kept = entries.into_iter().zip(gone);
    kept.filter_map(|(entry, gone)| (!gone).then_some(entry))
        .collect()
}
