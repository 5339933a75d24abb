//! A version of a table: the file `snapshot/snapshot-<id>`; tags, changelogs and consumers beside it.
//!
//! Source: `Snapshot`, `Tag`, `Changelog`, `Consumer`, `Statistics`.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use indexmap::IndexMap;
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

impl Tag {
    /// Creation time, milliseconds of the creator's wall clock read as UTC; `None` when not recorded or unreadable.
    pub fn create_time_ms(&self) -> Option<i64> {
        let value = self.tag_create_time.as_ref()?;
        if let Some(text) = value.as_str() {
            let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
            let parse = |f: &&str| NaiveDateTime::parse_from_str(text, f).ok();
            let time = formats.iter().find_map(parse)?;
            return Some(time.and_utc().timestamp_millis());
        }
        let parts: Vec<i64> = value.as_array()?.iter().filter_map(Value::as_i64).collect();
        let at = |i: usize| u32::try_from(parts.get(i).copied().unwrap_or(0)).ok();
        let year = i32::try_from(parts.first().copied()?).ok()?;
        let date = NaiveDate::from_ymd_opt(year, at(1)?, at(2)?)?;
        let time = date.and_hms_nano_opt(at(3)?, at(4)?, at(5)?, at(6)?)?;
        Some(time.and_utc().timestamp_millis())
    }

    /// How long the tag is kept, milliseconds; `None` when not recorded or unreadable.
    pub fn time_retained_ms(&self) -> Option<i64> {
        let value = self.tag_time_retained.as_ref()?;
        match value.as_str() {
            Some(text) => iso_duration_ms(text),
            None => seconds_ms(&value.to_string()),
        }
    }
}

/// `PT24H`, `PT1H30M`, `PT0.5S`, `P2D`: what `Duration.toString` prints and parses.
fn iso_duration_ms(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('P')?;
    let mut total = 0i64;
    while !rest.is_empty() {
        rest = rest.strip_prefix('T').unwrap_or(rest);
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = (&rest[..end], rest.as_bytes()[end]);
        let part = match unit {
            b'D' => number.parse::<i64>().ok()?.checked_mul(86_400_000)?,
            b'H' => number.parse::<i64>().ok()?.checked_mul(3_600_000)?,
            b'M' => number.parse::<i64>().ok()?.checked_mul(60_000)?,
            b'S' => seconds_ms(number)?,
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = &rest[end + 1..];
    }
    Some(total)
}

/// Decimal seconds; digits past the milliseconds are cut.
fn seconds_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: i64 = whole.parse().ok()?;
    whole
        .checked_mul(1000)?
        .checked_add(millis.parse::<i64>().ok()?)
}

/// A consumer's progress: the file `consumer/consumer-<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// First snapshot the consumer has not read.
    pub next_snapshot: i64,
    /// What tells the last snapshot that it read from others of its number; streams of this library keep it. Java passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_snapshot: Option<String>,
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
    /// Per column name, in the order of the file.
    #[serde(default)]
    pub col_stats: IndexMap<String, ColStats>,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tag(create: &str, retained: &str) -> Tag {
        let text = format!(
            r#"{{"id": 1, "schemaId": 0, "baseManifestList": "b", "deltaManifestList": "d", "commitUser": "u",
                "commitIdentifier": 1, "commitKind": "APPEND", "timeMillis": 0, "tagCreateTime": {create},
                "tagTimeRetained": {retained}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn tag_times_are_read_in_all_their_forms() {
        for create in [
            "[2026, 11, 21, 2, 7]",
            "[2026, 11, 21, 2, 7, 0, 373]",
            "\"2026-11-21T02:07\"",
            "\"2026-11-21T02:07:00.000000373\"",
        ] {
            let ms = tag(create, "1").create_time_ms();
            assert_eq!(ms, Some(1_795_226_820_000), "{create}");
        }
        for (retained, expected) in [
            ("86400.000000000", Some(86_400_000)),
            ("3600", Some(3_600_000)),
            ("0.5", Some(500)),
            ("\"PT24H\"", Some(86_400_000)),
            ("\"PT1H30M0.25S\"", Some(5_400_250)),
            ("\"P2D\"", Some(172_800_000)),
            ("\"soon\"", None),
            ("\"PT1X\"", None),
        ] {
            let ms = tag("[2026, 1, 1, 0, 0]", retained).time_retained_ms();
            assert_eq!(ms, expected, "{retained}");
        }
    }
}
