//! Making and removing tags.
//!
//! Source: `TagManager`. A removed tag's files that nothing else needs are left to orphan cleaning.

use chrono::{DateTime, Datelike, Timelike};
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::io::{Publication, checked_name};
use crate::snapshot::read_tag;
use crate::spec::Snapshot;
use crate::table::Table;

/// A tag to be made.
#[derive(Debug, Clone, Default)]
pub struct NewTag {
    /// Name: one plain path component, not blank, no number.
    pub name: String,
    /// Snapshot to tag; the newest one by default.
    pub snapshot_id: Option<i64>,
    /// Milliseconds after which the tag may expire; never by default (`tag.default-time-retained` is not looked at).
    pub time_retained_ms: Option<u64>,
}

/// Makes a tag at the local wall clock `local_now_ms` (milliseconds, read as UTC). Returns the tagged snapshot's id.
///
/// # Errors
/// `InvalidInput` for a bad name or one that is taken, `NotFound` or `SnapshotExpired` when there is no such snapshot.
pub async fn create_tag(table: &Table, tag: &NewTag, local_now_ms: i64) -> Result<i64> {
    check_name(&tag.name)?;
    let snapshot = match tag.snapshot_id {
        Some(id) => table.snapshots().get(id).await?,
        None => table.snapshots().latest().await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the table has no snapshot to tag")
                .with("table", table.name())
        })?,
    };
    let path = format!("{}/tag/tag-{}", table.metadata_root()?, tag.name);
    let bytes = content(&snapshot, tag.time_retained_ms, local_now_ms)?;
    match table.io().publish(&path, bytes.into()).await? {
        Publication::Created => Ok(snapshot.id),
        Publication::Exists => Err(Error::invalid(format!("tag {:?} exists already", tag.name))
            .with("table", table.name())),
    }
}

/// Removes a tag.
///
/// # Errors
/// `NotFound` when there is none of that name.
pub async fn delete_tag(table: &Table, name: &str) -> Result<()> {
    check_name(name)?;
    let root = table.metadata_root()?;
    if read_tag(table.io(), &root, name).await?.is_none() {
        return Err(
            Error::new(ErrorKind::NotFound, format!("tag {name:?} does not exist"))
                .with("table", table.name()),
        );
    }
    table.io().discard(&format!("{root}/tag/tag-{name}")).await
}

fn check_name(name: &str) -> Result<()> {
    let plain = checked_name(name).is_ok() && !name.trim().is_empty();
    if !plain || name.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::invalid(format!(
            "a tag name must be one plain path component and no number, found {name:?}"
        )));
    }
    Ok(())
}

/// The snapshot; with a retention also when the tag was made.
fn content(snapshot: &Snapshot, retained_ms: Option<u64>, local_now_ms: i64) -> Result<Vec<u8>> {
    let failed = |e| Error::internal("a tag is no JSON").with_source(e);
    let mut value = serde_json::to_value(snapshot).map_err(failed)?;
    if let (Some(retained), Some(fields)) = (retained_ms, value.as_object_mut()) {
        fields.insert("tagCreateTime".into(), local_time(local_now_ms)?);
        let seconds = retained as f64 / 1000.0;
        fields.insert("tagTimeRetained".into(), json!(seconds));
    }
    serde_json::to_vec_pretty(&value).map_err(failed)
}

/// `[year, month, day, hour, minute, second, nanosecond]`.
fn local_time(ms: i64) -> Result<Value> {
    let time = DateTime::from_timestamp_millis(ms)
        .ok_or_else(|| Error::invalid(format!("time {ms} is out of range")))?;
    Ok(json!([
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.nanosecond()
    ]))
}
