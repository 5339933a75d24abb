//! A version of a table: the file `snapshot/snapshot-<id>`; tags, changelogs and consumers beside it.
//!
//! Source: `Snapshot`, `Tag`, `Changelog`, `Consumer`, `Statistics`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CommitKind {
    /// New files.
    Append,
    /// Files rewritten, same rows.
    Compact,
    /// Files replaced or dropped.
    Overwrite,
    /// Statistics only.
    Analyze,
}

impl CommitKind {
    /// `APPEND`, `COMPACT`, `OVERWRITE`, `ANALYZE`.
    pub fn as_str(&self) -> &'static str {
        match self {
            CommitKind::Append => "APPEND",
            CommitKind::Compact => "COMPACT",
            CommitKind::Overwrite => "OVERWRITE",
            CommitKind::Analyze => "ANALYZE",
        }
    }
}

/// A committed version of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Format version, 3 today; not checked by readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// Random id of this commit (since 2.0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Number in the file name, from 1.
    pub id: i64,
    /// Latest schema when committed.
    pub schema_id: i64,
    /// Manifest list of everything before this commit.
    pub base_manifest_list: String,
    /// Bytes of that list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_manifest_list_size: Option<i64>,
    /// Manifest list of this commit's changes.
    pub delta_manifest_list: String,
    /// Bytes of that list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_manifest_list_size: Option<i64>,
    /// Manifest list of this commit's changelog files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changelog_manifest_list: Option<String>,
    /// Bytes of that list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changelog_manifest_list_size: Option<i64>,
    /// Index manifest: all live index files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_manifest: Option<String>,
    /// Who committed.
    pub commit_user: String,
    /// Build of the writer (since 2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_version: Option<String>,
    /// Increasing number per user; `i64::MAX` for batch writers.
    pub commit_identifier: i64,
    /// What the commit did.
    pub commit_kind: CommitKind,
    /// Commit time, epoch milliseconds.
    pub time_millis: i64,
    /// Rows of all live files, physical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_record_count: Option<i64>,
    /// Rows added minus rows removed by this commit, physical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_record_count: Option<i64>,
    /// Rows of changelog files of this commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changelog_record_count: Option<i64>,
    /// Watermark; `i64::MIN` means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<i64>,
    /// File in `statistics/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<String>,
    /// Free properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<BTreeMap<String, String>>,
    /// Next free row id (row tracking).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_row_id: Option<i64>,
    /// `WRITE`, `DELETE`, ... (since 2.0), as text: readers need not know all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// A tag: a snapshot with optional creation time and retention.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// The snapshot, as it was.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// Creation time, local wall clock: `[y, m, d, h, min, s, nanos]` or an ISO text.
    #[serde(default)]
    pub tag_create_time: Option<Value>,
    /// Seconds as a number, or an ISO duration.
    #[serde(default)]
    pub tag_time_retained: Option<Value>,
}

/// A consumer's progress: the file `consumer/consumer-<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// First snapshot the consumer has not read.
    pub next_snapshot: i64,
}

/// Table statistics: a file in `statistics/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Snapshot they describe.
    pub snapshot_id: i64,
    /// Schema of the column names.
    pub schema_id: i64,
    /// Rows after merging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_record_count: Option<i64>,
    /// Bytes after merging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_record_size: Option<i64>,
    /// Per column name.
    #[serde(default)]
    pub col_stats: BTreeMap<String, ColStats>,
}

/// Statistics of one column; minimum and maximum as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColStats {
    /// Field id.
    pub col_id: i32,
    /// Number of distinct values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct_count: Option<i64>,
    /// Smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// Largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Number of nulls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_count: Option<i64>,
    /// Average length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_len: Option<i64>,
    /// Largest length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_len: Option<i64>,
}
