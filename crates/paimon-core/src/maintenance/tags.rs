//! Making, renaming, removing and expiring tags.
//!
//! Source: `TagManager`, `TagTimeExpire`. A tag made while its snapshot expires is safe or refused: expiry removes the
//! snapshot, then looks for tags, then removes files; making a tag writes it, then looks for the snapshot.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Timelike};
use serde_json::{Value, json};

use super::discard::delete_unneeded;
use super::reachable::{reachable, reachable_from};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{Publication, checked_name};
use crate::options::RetentionOptions;
use crate::snapshot::{TagInfo, list_tags, read_tag};
use crate::spec::Snapshot;
use crate::table::Table;

/// A tag to be made.
#[derive(Debug, Clone, Default)]
pub struct NewTag {
    /// Name: one plain path component, not blank. One that is a number stands before the snapshot of that number in
    /// `scan.version`.
    pub name: String,
    /// Snapshot to tag, which may live on in another tag alone; the newest one by default.
    pub snapshot_id: Option<i64>,
    /// Milliseconds after which the tag may expire; `tag.default-time-retained` by default, never without it.
    pub time_retained_ms: Option<u64>,
}

/// Makes a tag at the local wall clock `local_now_ms` (milliseconds, read as UTC). Returns the tagged snapshot's id.
///
/// # Errors
/// `InvalidInput` for a bad name or one that is taken, `NotFound` or `SnapshotExpired` when there is no such snapshot.
pub async fn create_tag(table: &Table, tag: &NewTag, local_now_ms: i64) -> Result<i64> {
    check_name(&tag.name)?;
    let made = make_tag(table, tag, local_now_ms).await?;
    made.ok_or_else(|| {
        Error::invalid(format!("tag {:?} exists already", tag.name)).with("table", table.name())
    })
}

/// As [`create_tag`], whatever the name; `None` when it is taken.
pub(super) async fn make_tag(
    table: &Table,
    tag: &NewTag,
    local_now_ms: i64,
) -> Result<Option<i64>> {
    let prepared = prepare(table, tag, local_now_ms).await?;
    let id = prepared.1.id;
    Ok(publish(table, &tag.name, prepared).await?.then_some(id))
}

/// Makes a tag that never expires, whatever the table's options say. Returns the snapshot.
pub(super) async fn keep_snapshot(table: &Table, name: &str, id: i64) -> Result<Snapshot> {
    let snapshot = tagged_snapshot(table, id, None).await?;
    let bytes = content(&snapshot, None, 0)?;
    let prepared = (path_of(table, name)?, snapshot.clone(), bytes);
    match publish(table, name, prepared).await? {
        true => Ok(snapshot),
        false => {
            Err(Error::invalid(format!("tag {name:?} exists already")).with("table", table.name()))
        }
    }
}

/// Writes a tag; false when its name is taken.
async fn publish(
    table: &Table,
    name: &str,
    (path, snapshot, bytes): (String, Snapshot, Vec<u8>),
) -> Result<bool> {
    match table.io().publish(&path, bytes.into()).await? {
        Publication::Created => {}
        Publication::Exists => return Ok(false),
    }
    if let Err(error) = tagged_snapshot(table, snapshot.id, Some(name)).await {
        table.io().discard(&path).await?;
        return Err(error);
    }
    register_tag(table, name).await;
    Ok(true)
}

/// Makes the tag a partition of the table in its catalog (option `metastore.tag-to-partition`). The tag stands whatever
/// happens here.
async fn register_tag(table: &Table, name: &str) {
    if let Some((column, register)) = &table.environment().tags {
        let partition = vec![(column.clone(), name.to_string())];
        if let Err(error) = register.add(&[partition]).await {
            tracing::warn!(table = table.name(), tag = name, %error, "the tag is made, the catalog does not name it yet");
        }
    }
}

async fn unregister_tags(table: &Table, tags: &[TagInfo]) {
    if let Some((column, register)) = &table.environment().tags {
        let partition = |tag: &TagInfo| vec![(column.clone(), tag.name.clone())];
        let partitions: Vec<_> = tags.iter().map(partition).collect();
        if let Err(error) = register.remove(&partitions).await {
            tracing::warn!(table = table.name(), %error, "the tags are removed, the catalog names them still");
        }
    }
}

/// Makes a tag or gives it another snapshot, as [`create_tag`]. Files that only the old snapshot needs are left to orphan
/// cleaning.
///
/// # Errors
/// As [`create_tag`], but for a name that is taken; the tag is as it was then.
pub async fn replace_tag(table: &Table, tag: &NewTag, local_now_ms: i64) -> Result<i64> {
    check_name(&tag.name)?;
    let (path, snapshot, bytes) = prepare(table, tag, local_now_ms).await?;
    let before = table.io().read_optional(&path, TAG_SIZE_MAX).await?;
    let held = read_tag(table.io(), &table.metadata_root()?, &tag.name).await?;
    table.io().overwrite(&path, bytes.into()).await?;
    if held.is_some_and(|old| old.snapshot.id == snapshot.id) {
        // the tag itself held on to the snapshot all the time
        register_tag(table, &tag.name).await;
        return Ok(snapshot.id);
    }
    if let Err(error) = tagged_snapshot(table, snapshot.id, Some(&tag.name)).await {
        match before {
            Some(old) => table.io().overwrite(&path, old).await?,
            None => table.io().discard(&path).await?,
        }
        return Err(error);
    }
    register_tag(table, &tag.name).await;
    Ok(snapshot.id)
}

/// Renames a tag.
///
/// # Errors
/// `NotFound` when there is none of the old name, `InvalidInput` for a bad new name or one that is taken.
///
/// # Cancel safety
/// A cancelled call may leave the tag under both names.
pub async fn rename_tag(table: &Table, from: &str, to: &str) -> Result<()> {
    check_name(to)?;
    let (old, new) = (path_of(table, from)?, path_of(table, to)?);
    let bytes = table.io().read_optional(&old, TAG_SIZE_MAX).await?;
    let bytes = bytes.ok_or_else(|| no_tag(table, from))?;
    match table.io().publish(&new, bytes).await? {
        Publication::Created => table.io().discard(&old).await,
        Publication::Exists => {
            Err(Error::invalid(format!("tag {to:?} exists already")).with("table", table.name()))
        }
    }
}

/// Removes a tag, and the files that only it needs when its snapshot expired.
///
/// # Errors
/// `NotFound` when there is none of that name.
///
/// # Cancel safety
/// A cancelled call leaves garbage at worst.
pub async fn delete_tag(table: &Table, name: &str) -> Result<()> {
    // automatic tags may be numbers
    checked_name(name)?;
    let tags = list_tags(table.io(), &table.metadata_root()?).await?;
    match tags.into_iter().find(|t| t.name == name) {
        Some(tag) => remove(table, vec![tag]).await,
        None => Err(no_tag(table, name)),
    }
}

/// A point in time that tags are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagsOlderThan {
    /// Milliseconds of the local wall clock, read as UTC: what tags record.
    pub local_ms: i64,
    /// Milliseconds since the epoch: what files record.
    pub epoch_ms: i64,
}

/// Removes the tags whose time is over at the local wall clock `local_now_ms`, and those made before `older_than` (tags
/// without a recorded time go by the modification time of their file). Returns their names.
///
/// # Errors
/// `Damaged` for a broken tag.
///
/// # Cancel safety
/// As [`delete_tag`].
pub async fn expire_tags(
    table: &Table,
    older_than: Option<TagsOlderThan>,
    local_now_ms: i64,
) -> Result<Vec<String>> {
    let tags = list_tags(table.io(), &table.metadata_root()?).await?;
    let is_over = |tag: &TagInfo| {
        let recorded = tag.tag.create_time_ms();
        let over = recorded
            .zip(tag.tag.time_retained_ms())
            .is_some_and(|(made, kept)| local_now_ms > made.saturating_add(kept));
        let is_older = |limit: TagsOlderThan| match recorded {
            Some(made) => limit.local_ms > made,
            None => limit.epoch_ms > tag.modified_ms,
        };
        over || older_than.is_some_and(is_older)
    };
    let gone: Vec<TagInfo> = tags.into_iter().filter(is_over).collect();
    let names = gone.iter().map(|t| t.name.clone()).collect();
    if !gone.is_empty() {
        remove(table, gone).await?;
    }
    Ok(names)
}

/// Largest tag file, bytes.
const TAG_SIZE_MAX: u64 = 16 << 20;

async fn remove(table: &Table, tags: Vec<TagInfo>) -> Result<()> {
    let left = table.snapshots().ids().await?;
    let expired: Vec<Snapshot> = tags
        .iter()
        .map(|t| t.tag.snapshot.clone())
        .filter(|s| left.binary_search(&s.id).is_err())
        .collect();
    let files = reachable_from(table, &expired).await?;
    for tag in &tags {
        table.io().discard(&path_of(table, &tag.name)?).await?;
    }
    unregister_tags(table, &tags).await;
    discard_unreached(table, files).await
}

/// Removes those of the files that nothing needs. Tags are gone by now: what stops this stays for orphan cleaning.
async fn discard_unreached(table: &Table, files: BTreeSet<String>) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    match reachable(table, |_, _| true, &[]).await {
        Ok(kept) => {
            let gone = files.difference(&kept).cloned().collect();
            delete_unneeded(table, gone).await
        }
        Err(error) => {
            tracing::warn!(table = table.name(), %error, "files of removed tags stay behind");
            Ok(())
        }
    }
}

async fn prepare(
    table: &Table,
    tag: &NewTag,
    local_now_ms: i64,
) -> Result<(String, Snapshot, Vec<u8>)> {
    let snapshot = match tag.snapshot_id {
        Some(id) => tagged_snapshot(table, id, None).await?,
        None => table.snapshots().latest().await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the table has no snapshot to tag")
                .with("table", table.name())
        })?,
    };
    let default = RetentionOptions::new(table.options())?.tag_time_retained;
    let default = default.and_then(|d| u64::try_from(d.as_millis()).ok());
    let retained = tag.time_retained_ms.or(default);
    let bytes = content(&snapshot, retained, local_now_ms)?;
    Ok((path_of(table, &tag.name)?, snapshot, bytes))
}

/// A snapshot that exists, or that another tag than `own` keeps.
async fn tagged_snapshot(table: &Table, id: i64, own: Option<&str>) -> Result<Snapshot> {
    let expired = match table.snapshots().get(id).await {
        Err(error) if error.kind() == ErrorKind::SnapshotExpired => error,
        other => return other,
    };
    let tags = list_tags(table.io(), &table.metadata_root()?).await?;
    let other = |t: &TagInfo| t.tag.snapshot.id == id && own != Some(t.name.as_str());
    match tags.into_iter().find(other) {
        Some(tag) => Ok(tag.tag.snapshot),
        None => Err(expired),
    }
}

fn path_of(table: &Table, name: &str) -> Result<String> {
    Ok(format!(
        "{}/tag/tag-{}",
        table.metadata_root()?,
        checked_name(name)?
    ))
}

fn no_tag(table: &Table, name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("tag {name:?} does not exist"))
        .with("table", table.name())
}

fn check_name(name: &str) -> Result<()> {
    match checked_name(name).is_ok() && !name.trim().is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "a tag name must be one plain path component and not blank, found {name:?}"
        ))),
    }
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
