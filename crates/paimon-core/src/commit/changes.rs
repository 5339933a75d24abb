//! Commit messages as manifest entries.
//!
//! Source: `ManifestEntryChanges`.

use std::sync::Arc;

use crate::spec::{CommitMessage, DataFileMeta, FileKind, IndexManifestEntry, ManifestEntry};

/// What one snapshot changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Changes {
    /// Data files, removed ones before added ones within a message.
    pub(super) entries: Vec<ManifestEntry>,
    /// Changelog files, all added.
    pub(super) changelog: Vec<ManifestEntry>,
    /// Index files, in the order in which they are applied.
    pub(super) index: Vec<IndexManifestEntry>,
}

impl Changes {
    /// What writing changed.
    pub(super) fn of_writes(messages: &[CommitMessage]) -> Self {
        let mut changes = Self::default();
        for message in messages {
            let data = &message.data;
            changes.files(message, &data.deleted_files, FileKind::Delete);
            changes.files(message, &data.new_files, FileKind::Add);
            changes.changelog_files(message, &data.changelog_files);
            changes.index_files(message, &data.deleted_index_files, FileKind::Delete);
            changes.index_files(message, &data.new_index_files, FileKind::Add);
        }
        changes
    }

    /// What compaction changed.
    pub(super) fn of_compactions(messages: &[CommitMessage]) -> Self {
        let mut changes = Self::default();
        for message in messages {
            let compact = &message.compact;
            changes.files(message, &compact.compact_before, FileKind::Delete);
            changes.files(message, &compact.compact_after, FileKind::Add);
            changes.changelog_files(message, &compact.changelog_files);
            changes.index_files(message, &compact.deleted_index_files, FileKind::Delete);
            changes.index_files(message, &compact.new_index_files, FileKind::Add);
        }
        changes
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.changelog.is_empty() && self.index.is_empty()
    }

    /// Whether files are removed or deletion vectors change: such a write is an OVERWRITE.
    pub(super) fn removes_rows(&self) -> bool {
        let removed = |e: &ManifestEntry| e.kind == FileKind::Delete;
        let vectors =
            |e: &IndexManifestEntry| e.index_type == super::manifests::index::DELETION_VECTORS;
        self.entries.iter().any(removed) || self.index.iter().any(vectors)
    }

    /// Whether files hold columns of rows that are there already: they must still lie as they did.
    pub(super) fn adds_columns(&self) -> bool {
        let given = |e: &ManifestEntry| e.kind == FileKind::Add && e.file.first_row_id.is_some();
        self.entries.iter().any(given)
    }

    fn files(&mut self, message: &CommitMessage, files: &[DataFileMeta], kind: FileKind) {
        let entries = files.iter().map(|file| entry(message, file, kind));
        self.entries.extend(entries);
    }

    fn changelog_files(&mut self, message: &CommitMessage, files: &[DataFileMeta]) {
        let entries = files.iter().map(|file| entry(message, file, FileKind::Add));
        self.changelog.extend(entries);
    }

    fn index_files(
        &mut self,
        message: &CommitMessage,
        files: &[IndexManifestEntry],
        kind: FileKind,
    ) {
        self.index
            .extend(files.iter().map(|file| IndexManifestEntry {
                kind,
                partition: message.partition.clone(),
                bucket: message.bucket,
                ..file.clone()
            }));
    }
}

fn entry(message: &CommitMessage, file: &DataFileMeta, kind: FileKind) -> ManifestEntry {
    ManifestEntry {
        kind,
        partition: message.partition.clone(),
        bucket: message.bucket,
        total_buckets: message.total_buckets,
        file: Arc::new(file.clone()),
    }
}
