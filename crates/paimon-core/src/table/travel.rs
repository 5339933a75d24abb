//! Which snapshot a read sees: `scan.*` options to a [`ScanTarget`].
//!
//! Source: `CoreOptions.startupMode`, `TimeTravelUtil`, `StaticFrom*StartingScanner`.

use std::collections::HashMap;

use chrono::{NaiveDate, NaiveDateTime};
use indexmap::IndexMap;

use super::Table;
use crate::arrow_bridge::zone::{instant_of, process_zone};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{check_scan_mode, parse_i64};
use crate::snapshot::read_tag;
use crate::spec::{CommitKind, Snapshot};

/// What a read sees.
#[derive(Debug, Clone, PartialEq)]
pub enum ScanTarget {
    /// The newest snapshot when the read is planned.
    Latest,
    /// Nothing: a table without commits, pinned.
    Empty,
    /// One snapshot.
    Pinned {
        /// The snapshot (or a tag's copy of it).
        snapshot: Box<Snapshot>,
        /// Only files created at or after this time, milliseconds of the writer's wall clock.
        created_since_ms: Option<i64>,
        /// Only the files this snapshot added.
        delta_only: bool,
    },
}

impl ScanTarget {
    pub(super) fn at(snapshot: Snapshot) -> Self {
        Self::Pinned {
            snapshot: Box::new(snapshot),
            created_since_ms: None,
            delta_only: false,
        }
    }

    /// The pinned snapshot.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Self::Pinned { snapshot, .. } => Some(snapshot),
            _ => None,
        }
    }
}

/// Keys that name a point in time; at most one may be given.
const TRAVEL_KEYS: &[&str] = &[
    "scan.snapshot-id",
    "scan.tag-name",
    "scan.timestamp",
    "scan.timestamp-millis",
    "scan.watermark",
    "scan.version",
    "scan.file-creation-time-millis",
    "scan.creation-time-millis",
];

/// Incremental keys: changes between snapshots, not a state.
const INCREMENTAL_KEYS: &[&str] = &[
    "incremental-between",
    "incremental-between-timestamp",
    "incremental-to-auto-tag",
];

/// Further scan keys that a batch read honours or that do not change a batch read's rows.
const KNOWN_SCAN_KEYS: &[&str] = &[
    "scan.mode",
    "scan.ignore-corrupt-files",
    "scan.ignore-lost-files",
    "scan.manifest.parallelism",
    "scan.max-splits-per-task",
    "scan.plan-sort-partition",
    "scan.fallback-branch",
    "scan.primary-branch",
    "scan.bounded.watermark",
];

/// Whether options of a schema already ask for time travel.
pub(super) fn asks_for_travel(options: &IndexMap<String, String>) -> bool {
    TRAVEL_KEYS.iter().any(|k| options.contains_key(*k))
        || options
            .get("scan.mode")
            .is_some_and(|m| !matches!(m.as_str(), "default" | "latest-full" | "full" | "latest"))
}

/// Refuses dynamic `scan.*` and `incremental*` keys that would be ignored otherwise.
pub(super) fn refuse_unknown_scan_options(dynamic: &HashMap<String, String>) -> Result<()> {
    let mut keys: Vec<&String> = dynamic.keys().collect();
    keys.sort();
    for key in keys {
        let scan = key.starts_with("scan.") || key.starts_with("incremental");
        let known = TRAVEL_KEYS.contains(&key.as_str()) || KNOWN_SCAN_KEYS.contains(&key.as_str());
        if scan && !known {
            return Err(
                Error::unsupported(format!("option `{key}` is not supported in reads"))
                    .with("option", key),
            );
        }
    }
    Ok(())
}

/// The target that the options choose.
pub(super) async fn resolve(
    table: &Table,
    options: &IndexMap<String, String>,
) -> Result<ScanTarget> {
    for key in INCREMENTAL_KEYS {
        if options.contains_key(*key) {
            return Err(Error::unsupported(format!(
                "incremental reads (`{key}`) are not supported"
            ))
            .with("option", key));
        }
    }
    check_scan_mode(options)?;
    let given: Vec<(&str, &str)> = TRAVEL_KEYS
        .iter()
        .filter_map(|k| options.get(*k).map(|v| (*k, v.as_str())))
        .collect();
    match given.as_slice() {
        [] => by_mode(table, options).await,
        [(key, value)] => by_key(table, key, value)
            .await
            .map_err(|e| e.with_default("option", key)),
        [(a, _), (b, _), ..] => Err(Error::invalid(format!(
            "only one time travel option may be given, found `{a}` and `{b}`"
        ))),
    }
}

async fn by_mode(table: &Table, options: &IndexMap<String, String>) -> Result<ScanTarget> {
    let mode = options.get("scan.mode").map_or("default", String::as_str);
    match mode {
        "default" | "latest-full" | "full" | "latest" => Ok(ScanTarget::Latest),
        "compacted-full" => compacted_full(table).await,
        "latest-delta" => Ok(match table.snapshots().latest().await? {
            Some(snapshot) => ScanTarget::Pinned {
                delta_only: true,
                created_since_ms: None,
                snapshot: Box::new(snapshot),
            },
            None => ScanTarget::Empty,
        }),
        other => {
            Err(Error::invalid(format!("unknown scan mode {other:?}")).with("option", "scan.mode"))
        }
    }
}

async fn compacted_full(table: &Table) -> Result<ScanTarget> {
    let all = table.snapshots().all().await?;
    let compacted = all
        .iter()
        .rev()
        .find(|s| s.commit_kind == CommitKind::Compact);
    Ok(match compacted.or(all.last()) {
        Some(snapshot) => ScanTarget::at(snapshot.clone()),
        None => ScanTarget::Empty,
    })
}

async fn by_key(table: &Table, key: &str, value: &str) -> Result<ScanTarget> {
    match key {
        "scan.snapshot-id" => by_id(table, parse_i64(value)?).await,
        "scan.tag-name" => by_tag(table, value).await,
        "scan.timestamp-millis" => by_time(table, parse_i64(value)?).await,
        "scan.timestamp" => by_time(table, parse_timestamp_ms(value)?).await,
        "scan.watermark" => by_watermark(table, parse_i64(value)?).await,
        "scan.version" => by_version(table, value).await,
        "scan.file-creation-time-millis" => by_file_time(table, parse_i64(value)?).await,
        _ => by_creation_time(table, parse_i64(value)?).await,
    }
}

async fn by_id(table: &Table, id: i64) -> Result<ScanTarget> {
    if let Some(snapshot) = table.snapshots().try_get(id).await? {
        return Ok(ScanTarget::at(snapshot));
    }
    let ids = table.snapshots().ids().await?;
    let range = match (ids.first(), ids.last()) {
        (Some(first), Some(last)) => format!("snapshots {first} to {last} exist"),
        _ => "the table has no snapshots".to_string(),
    };
    Err(Error::invalid(format!(
        "snapshot {id} does not exist: {range}"
    )))
}

async fn by_tag(table: &Table, name: &str) -> Result<ScanTarget> {
    match read_tag(table.io(), &table.metadata_root()?, name).await? {
        Some(tag) => Ok(ScanTarget::at(tag.snapshot)),
        None => Err(Error::new(
            ErrorKind::NotFound,
            format!("tag {name:?} does not exist"),
        )),
    }
}

async fn by_time(table: &Table, time_ms: i64) -> Result<ScanTarget> {
    match table.snapshots().at_or_before(time_ms).await? {
        Some(snapshot) => Ok(ScanTarget::at(snapshot)),
        None => Err(Error::invalid(format!(
            "no snapshot was committed at or before {time_ms} (epoch milliseconds)"
        ))),
    }
}

async fn by_watermark(table: &Table, watermark: i64) -> Result<ScanTarget> {
    match table.snapshots().first_with_watermark(watermark).await? {
        Some(snapshot) => Ok(ScanTarget::at(snapshot)),
        None => Err(Error::invalid(format!(
            "no snapshot has a watermark of at least {watermark}"
        ))),
    }
}

async fn by_version(table: &Table, version: &str) -> Result<ScanTarget> {
    if read_tag(table.io(), &table.metadata_root()?, version)
        .await?
        .is_some()
    {
        return by_tag(table, version).await;
    }
    if let Some(watermark) = version.strip_prefix("watermark-") {
        return by_watermark(table, parse_i64(watermark)?).await;
    }
    if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) {
        return by_id(table, parse_i64(version)?).await;
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("version {version:?} is neither a tag, a snapshot id nor `watermark-<n>`"),
    ))
}

async fn by_file_time(table: &Table, time_ms: i64) -> Result<ScanTarget> {
    Ok(match table.snapshots().latest().await? {
        Some(snapshot) => ScanTarget::Pinned {
            snapshot: Box::new(snapshot),
            created_since_ms: Some(time_ms),
            delta_only: false,
        },
        None => ScanTarget::Empty,
    })
}

async fn by_creation_time(table: &Table, time_ms: i64) -> Result<ScanTarget> {
    let earlier = table
        .snapshots()
        .at_or_before(time_ms.saturating_sub(1))
        .await?;
    if let Some(earlier) = earlier
        && let Some(next) = table
            .snapshots()
            .try_get(earlier.id.saturating_add(1))
            .await?
    {
        return Ok(ScanTarget::at(next));
    }
    by_file_time(table, time_ms).await
}

/// Epoch milliseconds of a timestamp text in the zone of the process (`TZ`, else UTC), as Java reads options:
/// `2024-01-31`, `2024-01-31 10:20:30[.123]`, `T` between as well.
///
/// # Errors
/// `InvalidInput` for any other form.
pub fn parse_timestamp_ms(text: &str) -> Result<i64> {
    let instant = instant_of(parse_local(text)?, &process_zone()?);
    let millis = instant.map(|at| at.timestamp_millis());
    millis.ok_or_else(|| Error::invalid(format!("timestamp {text:?} is out of range")))
}

/// A timestamp text without zone.
///
/// # Errors
/// As [`parse_timestamp_ms`].
pub(super) fn parse_local(text: &str) -> Result<NaiveDateTime> {
    let trimmed = text.trim();
    for format in [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(trimmed, format) {
            return Ok(time);
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(trimmed, "%Y-%m-%d")
        && let Some(time) = date.and_hms_opt(0, 0, 0)
    {
        return Ok(time);
    }
    Err(Error::invalid(format!(
        "expected a timestamp such as `2024-01-31 10:20:30`, found {text:?}"
    )))
}
