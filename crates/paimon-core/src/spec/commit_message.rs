//! What a writer or a compaction hands to a commit.
//!
//! Source: `CommitMessageImpl`, `DataIncrement`, `CompactIncrement`, `ManifestCommittable`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{DataFileMeta, IndexManifestEntry, Snapshot};

/// Files that a write added to and removed from one bucket.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataIncrement {
    /// Data files to add.
    pub new_files: Vec<DataFileMeta>,
    /// Data files to remove (copy-on-write, overwrite of single files).
    pub deleted_files: Vec<DataFileMeta>,
    /// Changelog files.
    pub changelog_files: Vec<DataFileMeta>,
    /// Index files to add; partition and bucket are those of the message.
    pub new_index_files: Vec<IndexManifestEntry>,
    /// Index files to remove.
    pub deleted_index_files: Vec<IndexManifestEntry>,
}

/// Files that a compaction of one bucket replaced, and what it replaced them with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompactIncrement {
    /// Files to remove.
    pub compact_before: Vec<DataFileMeta>,
    /// Files to add.
    pub compact_after: Vec<DataFileMeta>,
    /// Changelog files.
    pub changelog_files: Vec<DataFileMeta>,
    /// Index files to add.
    pub new_index_files: Vec<IndexManifestEntry>,
    /// Index files to remove.
    pub deleted_index_files: Vec<IndexManifestEntry>,
}

/// The state of a table that a writer looked at first, and what it committed since. Clones are of one writer.
#[derive(Debug, Clone)]
pub struct WriteBase {
    snapshot: Option<Arc<Snapshot>>,
    /// Ids of the writer's own snapshots, ascending.
    committed: Arc<Mutex<Vec<i64>>>,
}

impl WriteBase {
    /// The newest snapshot; `None` for a table without any.
    pub fn new(snapshot: Option<Arc<Snapshot>>) -> Self {
        Self {
            snapshot,
            committed: Arc::default(),
        }
    }

    /// The snapshot.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_deref()
    }

    /// Id of the snapshot; 0 without one.
    pub fn id(&self) -> i64 {
        self.snapshot.as_ref().map_or(0, |s| s.id)
    }

    /// Remembers a snapshot that rows of the writer went into.
    pub fn note_commit(&self, id: i64) {
        let mut committed = self.committed.lock();
        if let Err(place) = committed.binary_search(&id) {
            committed.insert(place, id);
        }
    }

    /// Whether rows of the writer went into a snapshot.
    pub fn has_committed(&self, id: i64) -> bool {
        self.committed.lock().binary_search(&id).is_ok()
    }
}

impl PartialEq for WriteBase {
    fn eq(&self, other: &Self) -> bool {
        self.snapshot == other.snapshot
    }
}

/// Changes of one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitMessage {
    /// Serialised partition row (arity, then row); the row without fields in unpartitioned tables.
    pub partition: Bytes,
    /// Bucket; -2 is the postpone bucket.
    pub bucket: i32,
    /// Bucket count of the partition; -1 when not fixed.
    pub total_buckets: i32,
    /// The state by which the rows were put into buckets; `None` where it does not matter.
    pub base: Option<WriteBase>,
    /// What writing changed.
    pub data: DataIncrement,
    /// What compaction changed.
    pub compact: CompactIncrement,
}

/// Everything one commit publishes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ManifestCommittable {
    /// Number that grows with each commit of one user: the same user and identifier commit at most once.
    pub identifier: i64,
    /// Event-time watermark, epoch milliseconds.
    pub watermark: Option<i64>,
    /// Free properties of the snapshot.
    pub properties: BTreeMap<String, String>,
    /// Changes, in any order.
    pub messages: Vec<CommitMessage>,
}

impl DataIncrement {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.new_files.is_empty()
            && self.deleted_files.is_empty()
            && self.changelog_files.is_empty()
            && self.new_index_files.is_empty()
            && self.deleted_index_files.is_empty()
    }
}

impl CompactIncrement {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.compact_before.is_empty()
            && self.compact_after.is_empty()
            && self.changelog_files.is_empty()
            && self.new_index_files.is_empty()
            && self.deleted_index_files.is_empty()
    }
}

impl CommitMessage {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty() && self.compact.is_empty()
    }
}
