//! Removing old snapshots and the files that only they need.
//!
//! Source: `ExpireSnapshotsImpl`. Unlike there, snapshot files go first. With `changelog.*` options that keep changelogs
//! longer than snapshots, an expired snapshot becomes a long-lived changelog.

mod changelogs;
mod unneeded;

use std::collections::BTreeSet;

pub use changelogs::{ChangelogLimits, ExpireChangelogs};

use self::unneeded::unneeded;
use super::discard::delete_unneeded;
use super::reachable::{reachable, reachable_from};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Retained, RetentionOptions};
use crate::snapshot::{SnapshotManager, list_branches, list_consumers, list_tags};
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

impl ExpireSnapshots {
    /// Expires snapshots of the table's branch at the time `now_ms`, epoch milliseconds. Begins again when another expiry
    /// was faster.
    ///
    /// # Errors
    /// `InvalidInput` for limits that contradict each other, `Damaged` when metadata that stays cannot be read; nothing
    /// was removed then. `Io` when the store fails: what was not removed yet is garbage that orphan cleaning finds.
    ///
    /// # Cancel safety
    /// A cancelled expiry leaves garbage at worst.
    pub async fn run(&self, table: &Table, now_ms: i64) -> Result<ExpiredSnapshots> {
        let manager = table.snapshots();
        let mut seen = manager.ids().await?.first().copied();
        loop {
            let error = match self.attempt(table, now_ms).await {
                Ok(expired) => return Ok(expired),
                Err(error) => error,
            };
            let may_be_stale = matches!(
                error.kind(),
                ErrorKind::Damaged | ErrorKind::SnapshotExpired
            );
            let earliest = manager.ids().await?.first().copied();
            if !may_be_stale || earliest <= seen {
                return Err(error);
            }
            seen = earliest;
        }
    }

    async fn attempt(&self, table: &Table, now_ms: i64) -> Result<ExpiredSnapshots> {
        let options = RetentionOptions::new(table.options())?;
        let limits = Limits::new(self, &options, now_ms)?;
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
        for id in ids.into_iter().filter(|id| *id < end) {
            // a snapshot that vanished or is broken takes no files with it
            if let Ok(Some(snapshot)) = manager.try_get(id).await {
                expired.push(snapshot);
            }
        }
        let decoupled = options.changelog_is_decoupled();
        let plan = Plan::new(table, &expired, end, decoupled).await?;
        let result = ExpiredSnapshots {
            snapshots: expired.iter().map(|s| s.id).collect(),
            files: plan.files.clone(),
        };
        if !self.dry_run {
            remove(table, &expired, earliest..end, plan, decoupled).await?;
        }
        Ok(result)
    }
}

/// What goes, and the tags that were looked at.
struct Plan {
    files: BTreeSet<String>,
    tags: Vec<(String, i64)>,
}

impl Plan {
    async fn new(table: &Table, expired: &[Snapshot], end: i64, decoupled: bool) -> Result<Self> {
        let tags = tags_of(table).await?;
        let root = table.metadata_root()?;
        let changelogs = SnapshotManager::changelogs(table.io().clone(), &root);
        let shared = table.branch_name() != "main"
            || !list_branches(table.io(), table.location())
                .await?
                .is_empty()
            || decoupled
            || !changelogs.ids().await?.is_empty();
        let files = match shared {
            false => unneeded(table, expired, end).await?,
            true => unreached(table, expired, end, decoupled).await?,
        };
        Ok(Self { files, tags })
    }
}

async fn tags_of(table: &Table) -> Result<Vec<(String, i64)>> {
    let tags = list_tags(table.io(), &table.metadata_root()?).await?;
    Ok(tags
        .into_iter()
        .map(|t| (t.name, t.tag.snapshot.id))
        .collect())
}

/// Files of the expired snapshots that nothing of any branch reaches: costs as much as the table has metadata.
async fn unreached(
    table: &Table,
    expired: &[Snapshot],
    end: i64,
    decoupled: bool,
) -> Result<BTreeSet<String>> {
    let own = table.branch_name().to_string();
    let becoming = if decoupled { expired } else { &[] };
    let kept = reachable(table, |branch, id| branch != own || id >= end, becoming).await?;
    let files = reachable_from(table, expired).await?;
    Ok(files.difference(&kept).cloned().collect())
}

async fn remove(
    table: &Table,
    expired: &[Snapshot],
    ids: std::ops::Range<i64>,
    mut plan: Plan,
    decoupled: bool,
) -> Result<()> {
    let manager = table.snapshots();
    if decoupled {
        changelogs::keep(table, expired).await?;
    }
    let end = ids.end;
    for id in ids {
        table.io().discard(&manager.location(id)).await?;
    }
    manager.hint_earliest(end).await;
    // a tag made meanwhile holds on to files; later ones find their snapshot gone
    if tags_of(table).await? != plan.tags {
        plan.files = unreached(table, expired, end, decoupled).await?;
    }
    delete_unneeded(table, plan.files.into_iter().collect()).await
}

/// The limits that hold.
struct Limits {
    kept: Retained,
    older_than_ms: i64,
    max_deletes: i64,
    ignore_consumers: bool,
}

impl Limits {
    fn new(request: &ExpireSnapshots, options: &RetentionOptions, now_ms: i64) -> Result<Self> {
        let kept = Retained {
            count_min: request.retain_min.unwrap_or(options.snapshots.count_min),
            count_max: request.retain_max.unwrap_or(options.snapshots.count_max),
            ..options.snapshots
        };
        if kept.count_min < 1 || kept.count_max < kept.count_min {
            return Err(Error::invalid(format!(
                "retained snapshots must be at least 1 and the maximum not below the minimum, found minimum {} and \
                 maximum {}",
                kept.count_min, kept.count_max
            )));
        }
        Ok(Self {
            kept,
            older_than_ms: request
                .older_than_ms
                .unwrap_or(older_than(now_ms, kept.time)),
            max_deletes: request.max_deletes.unwrap_or(options.expire_limit),
            ignore_consumers: options.consumers_keep_changelogs_only
                && options.changelog_is_decoupled(),
        })
    }

    /// The first snapshot that stays.
    async fn end(&self, table: &Table, earliest: i64, latest: i64) -> Result<i64> {
        let consumers = match self.ignore_consumers {
            true => None,
            false => consumed_until(table).await?,
        };
        let end = (latest.saturating_sub(self.kept.count_min).saturating_add(1))
            .min(earliest.saturating_add(self.max_deletes))
            .min(consumers.unwrap_or(i64::MAX));
        let first = latest
            .saturating_sub(self.kept.count_max)
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

fn older_than(now_ms: i64, kept: std::time::Duration) -> i64 {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    now_ms.saturating_sub(kept)
}

/// The first snapshot that some consumer has not read.
async fn consumed_until(table: &Table) -> Result<Option<i64>> {
    let consumers = list_consumers(table.io(), &table.metadata_root()?).await?;
    Ok(consumers.iter().map(|(_, c)| c.next_snapshot).min())
}

#[cfg(test)]
mod tests;
