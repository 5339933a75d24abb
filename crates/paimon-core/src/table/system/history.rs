//! `$snapshots`, `$schemas`, `$options`, `$tags`, `$branches`, `$consumers`.

use serde_json::Value;

use super::rows::{Rows, instant, long, opt_long, opt_text, text, time};
use crate::error::{Error, Result};
use crate::options::redacted;
use crate::snapshot::{list_branches, list_consumers, list_tags};
use crate::table::Table;
use crate::table::travel::parse_local;

pub(super) async fn snapshots(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("snapshot_id", "BIGINT NOT NULL"),
        ("schema_id", "BIGINT NOT NULL"),
        ("commit_user", "STRING NOT NULL"),
        ("commit_identifier", "BIGINT NOT NULL"),
        ("commit_kind", "STRING NOT NULL"),
        ("commit_time", "TIMESTAMP(3) NOT NULL"),
        ("base_manifest_list", "STRING NOT NULL"),
        ("delta_manifest_list", "STRING NOT NULL"),
        ("changelog_manifest_list", "STRING"),
        ("total_record_count", "BIGINT"),
        ("delta_record_count", "BIGINT"),
        ("changelog_record_count", "BIGINT"),
        ("watermark", "BIGINT"),
        ("next_row_id", "BIGINT"),
        ("operation", "STRING"),
    ])?;
    for s in table.snapshots().all().await? {
        rows.push(vec![
            long(s.id),
            long(s.schema_id),
            text(s.commit_user),
            long(s.commit_identifier),
            text(s.commit_kind.as_str()),
            instant(Some(s.time_millis)),
            text(s.base_manifest_list),
            text(s.delta_manifest_list),
            opt_text(s.changelog_manifest_list),
            opt_long(s.total_record_count),
            opt_long(s.delta_record_count),
            opt_long(s.changelog_record_count),
            opt_long(s.watermark),
            opt_long(s.next_row_id),
            opt_text(s.operation),
        ]);
    }
    Ok(rows)
}

pub(super) async fn schemas(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("schema_id", "BIGINT NOT NULL"),
        ("fields", "STRING NOT NULL"),
        ("partition_keys", "STRING NOT NULL"),
        ("primary_keys", "STRING NOT NULL"),
        ("options", "STRING NOT NULL"),
        ("comment", "STRING"),
        ("update_time", "TIMESTAMP(3) NOT NULL"),
    ])?;
    for id in table.schemas().ids().await? {
        let schema = table.schemas().schema(id).await?;
        let options: indexmap::IndexMap<&String, String> = schema
            .options
            .iter()
            .map(|(k, v)| (k, redacted(k, v)))
            .collect();
        rows.push(vec![
            long(id),
            text(json(&schema.fields)?),
            text(json(&schema.partition_keys)?),
            text(json(&schema.primary_keys)?),
            text(json(&options)?),
            opt_text(schema.comment.clone()),
            instant(Some(schema.time_millis)),
        ]);
    }
    Ok(rows)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal("JSON").with_source(e))
}

pub(super) fn options(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[("key", "STRING NOT NULL"), ("value", "STRING NOT NULL")])?;
    for (key, value) in table.options().map() {
        rows.push(vec![text(key), text(redacted(key, value))]);
    }
    Ok(rows)
}

pub(super) async fn tags(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("tag_name", "STRING NOT NULL"),
        ("snapshot_id", "BIGINT NOT NULL"),
        ("schema_id", "BIGINT NOT NULL"),
        ("commit_time", "TIMESTAMP(3) NOT NULL"),
        ("record_count", "BIGINT"),
        ("create_time", "TIMESTAMP(3)"),
        ("time_retained", "STRING"),
    ])?;
    for info in list_tags(table.io(), &table.metadata_root()?).await? {
        let snapshot = info.tag.snapshot;
        rows.push(vec![
            text(info.name),
            long(snapshot.id),
            long(snapshot.schema_id),
            instant(Some(snapshot.time_millis)),
            opt_long(snapshot.total_record_count),
            time(info.tag.tag_create_time.as_ref().and_then(local_time_ms)),
            opt_text(info.tag.tag_time_retained.as_ref().map(duration_text)),
        ]);
    }
    Ok(rows)
}

/// `[y, m, d, h, min, s, nanos]` (the last ones may be missing) or an ISO text: milliseconds of a wall clock, read as UTC.
fn local_time_ms(value: &Value) -> Option<i64> {
    if let Some(text) = value.as_str() {
        return parse_local(text)
            .ok()
            .map(|at| at.and_utc().timestamp_millis());
    }
    let parts: Vec<i64> = value.as_array()?.iter().filter_map(Value::as_i64).collect();
    let at = |i: usize| parts.get(i).copied().unwrap_or(0);
    let part = |i: usize| u32::try_from(at(i)).ok();
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(at(0)).ok()?, part(1)?, part(2)?)?;
    let time = date.and_hms_nano_opt(part(3)?, part(4)?, part(5)?, part(6)?)?;
    Some(time.and_utc().timestamp_millis())
}

/// A retention as Java's `Duration` prints it: `PT24H`.
fn duration_text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_string();
    }
    let Some(seconds) = value.as_f64() else {
        return value.to_string();
    };
    #[allow(clippy::cast_possible_truncation)]
    let whole = seconds as i64;
    let (hours, minutes, rest) = (whole / 3600, whole % 3600 / 60, whole % 60);
    let mut out = String::from("PT");
    for (n, unit) in [(hours, 'H'), (minutes, 'M'), (rest, 'S')] {
        if n != 0 {
            out.push_str(&format!("{n}{unit}"));
        }
    }
    if out == "PT" {
        out.push_str("0S");
    }
    out
}

pub(super) async fn branches(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("branch_name", "STRING NOT NULL"),
        ("create_time", "TIMESTAMP(3) NOT NULL"),
    ])?;
    for branch in list_branches(table.io(), table.location()).await? {
        rows.push(vec![text(branch.name), instant(Some(branch.created_ms))]);
    }
    Ok(rows)
}

pub(super) async fn consumers(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("consumer_id", "STRING NOT NULL"),
        ("next_snapshot_id", "BIGINT NOT NULL"),
    ])?;
    for (id, consumer) in list_consumers(table.io(), &table.metadata_root()?).await? {
        rows.push(vec![text(id), long(consumer.next_snapshot)]);
    }
    Ok(rows)
}
