//! Removing old snapshots and the files that only they need.
//!
//! Source: `ExpireSnapshotsImpl`. Unlike there, snapshot files go first, and every file that anything else reaches
//! (later snapshots, tags, branches, changelogs) is kept.

use std::collections::BTreeSet;

use super::reachable::{reachable, reachable_from};
use crate::error::{Error, Result};
use crate::options::{parse_bool, parse_duration_ms, parse_i64};
use crate::snapshot::list_consumers;
use crate::spec::Snapshot;
use crate::table::Table;

/// Which snapshots may go. What is not set comes from the table's options.
#[derive(Debug, Clone, Default)]
pub struct ExpireSnapshots {
    /// Newest snapshots kept at most (`snapshot.num-retained.max`, no limit).
    pub retain_max: Option<i64>,
    /// Newest snapshots kept in any case (`snapshot.num-retained.min`, 10).
    pub retain_min: Option<i64>,
    /// Snapshots of this time, epoch milliseconds, or later stay (now less `snapshot.time-retained`, 1 hour).
    pub older_than_ms: Option<i64>,
    /// Snapshots removed at most (`snapshot.expire.limit`, 50).
    pub max_deletes: Option<i64>,
    /// Only tell what would be removed.
    pub dry_run: bool,
}

/// What an expiry removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpiredSnapshots {
    /// Ids, ascending.
    pub snapshots: Vec<i64>,
    /// Locations of data, changelog, index and metadata files that nothing else needs.
    pub files: BTreeSet<String>,
}

/// Options of long-lived changelogs: expiring their snapshots would have to write `changelog/` files.
const CHANGELOG_OPTIONS: &[&str] = &[
    "changelog.num-retained.max",
    "changelog.num-retained.min",
    "changelog.time-retained",
];

impl ExpireSnapshots {
    /// Expires snapshots of the table's branch at the time `now_ms`, epoch milliseconds.
    ///
    /// # Errors
    /// `InvalidInput` for limits that contradict each other, `Unsupported` for tables with long-lived changelogs,
    /// `Damaged` when metadata that stays cannot be read; nothing was removed then. `Io` when the store fails: what was
    /// not removed yet is garbage that orphan cleaning finds.
    ///
    /// # Cancel safety
    /// A cancelled expiry leaves garbage at worst.
    pub async fn run(&self, table: &Table, now_ms: i64) -> Result<ExpiredSnapshots> {
        let limits = Limits::new(self, table, now_ms)?;
        let manager = table.snapshots();
        let ids = manager.ids().await?;
        let (Some(earliest), Some(latest)) = (ids.first().copied(), ids.last().copied()) else {
            return Ok(ExpiredSnapshots::default());
        };
        let end = limits.end(table, earliest, latest).await?;
        if end <= earliest {
            return Ok(ExpiredSnapshots::default());
        }
        let mut expired: Vec<Snapshot> = Vec::new();
        for id in earliest..end {
            // a snapshot that vanished or is broken takes no files with it
            if let Ok(Some(snapshot)) = manager.try_get(id).await {
                expired.push(snapshot);
            }
        }
        let own = table.branch_name().to_string();
        let kept = reachable(table, |branch, id| branch != own || id >= end).await?;
        let files = reachable_from(table, &expired).await?;
        let result = ExpiredSnapshots {
            snapshots: expired.iter().map(|s| s.id).collect(),
            files: files.difference(&kept).cloned().collect(),
        };
        if !self.dry_run {
            remove(table, earliest, end, &result.files).await?;
        }
        Ok(result)
    }
}

async fn remove(table: &Table, earliest: i64, end: i64, files: &BTreeSet<String>) -> Result<()> {
    let manager = table.snapshots();
    for id in earliest..end {
        table.io().discard(&manager.location(id)).await?;
    }
    manager.hint_earliest(end).await;
    for file in files {
        table.io().discard(file).await?;
    }
    Ok(())
}

/// The limits that hold.
struct Limits {
    retain_max: i64,
    retain_min: i64,
    older_than_ms: i64,
    max_deletes: i64,
    /// `consumer.changelog-only`
    ignore_consumers: bool,
}

impl Limits {
    fn new(request: &ExpireSnapshots, table: &Table, now_ms: i64) -> Result<Self> {
        let options = table.options();
        if let Some(key) = CHANGELOG_OPTIONS.iter().find(|k| options.get(k).is_some()) {
            return Err(Error::unsupported(format!(
                "expiring snapshots of tables with option `{key}` is not supported"
            ))
            .with("option", key));
        }
        let number = |key: &'static str, default: i64| -> Result<i64> {
            let value = options.get(key).map(parse_i64).transpose();
            Ok(value.map_err(|e| e.with("option", key))?.unwrap_or(default))
        };
        let retained = options
            .get("snapshot.time-retained")
            .map(parse_duration_ms)
            .transpose()
            .map_err(|e| e.with("option", "snapshot.time-retained"))?
            .unwrap_or(3_600_000);
        let changelog_only = options
            .get("consumer.changelog-only")
            .map(parse_bool)
            .transpose()
            .map_err(|e| e.with("option", "consumer.changelog-only"))?;
        let limits = Self {
            retain_max: match request.retain_max {
                Some(max) => max,
                None => number("snapshot.num-retained.max", i64::MAX)?,
            },
            retain_min: match request.retain_min {
                Some(min) => min,
                None => number("snapshot.num-retained.min", 10)?,
            },
            older_than_ms: request
                .older_than_ms
                .unwrap_or(now_ms.saturating_sub_unsigned(retained)),
            max_deletes: match request.max_deletes {
                Some(max) => max,
                None => number("snapshot.expire.limit", 50)?,
            },
            ignore_consumers: changelog_only.unwrap_or(false),
        };
        if limits.retain_min < 1 || limits.retain_max < limits.retain_min {
            return Err(Error::invalid(format!(
                "retained snapshots must be at least 1 and the maximum not below the minimum, found minimum {} and \
                 maximum {}",
                limits.retain_min, limits.retain_max
            )));
        }
        Ok(limits)
    }

    /// The first snapshot that stays.
    async fn end(&self, table: &Table, earliest: i64, latest: i64) -> Result<i64> {
        let mut end = (latest - self.retain_min + 1).min(earliest.saturating_add(self.max_deletes));
        if !self.ignore_consumers {
            let consumers = list_consumers(table.io(), &table.metadata_root()?).await?;
            let protected = consumers.iter().map(|(_, c)| c.next_snapshot).min();
            end = end.min(protected.unwrap_or(i64::MAX));
        }
        let first = latest
            .saturating_sub(self.retain_max)
            .saturating_add(1)
            .max(earliest);
        for id in first..end {
            let next = table.snapshots().try_get(id + 1).await?;
            if next.is_some_and(|s| s.time_millis >= self.older_than_ms) {
                return Ok(id);
            }
        }
        Ok(end)
    }
}
