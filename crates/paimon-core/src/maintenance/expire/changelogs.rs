//! Long-lived changelogs: made of expired snapshots, expired by limits of their own.
//!
//! Source: `ExpireChangelogImpl`. `changelog/changelog-<id>` is the snapshot's JSON as it was.

use std::collections::BTreeSet;

use super::{consumed_until, older_than};
use crate::error::{Error, Result};
use crate::maintenance::discard::delete_unneeded;
use crate::maintenance::fsck::Check;
use crate::maintenance::fsck::files::reach_changelog;
use crate::maintenance::reachable::reachable;
use crate::options::{Retained, RetentionOptions};
use crate::snapshot::SnapshotManager;
use crate::spec::Snapshot;
use crate::table::Table;

/// Expires long-lived changelogs by the table's `changelog.*` options.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExpireChangelogs;

/// Limits of one expiry of changelogs. What is not set comes from the table's options.
#[derive(Debug, Clone, Default)]
pub struct ChangelogLimits {
    /// Newest snapshots and changelogs kept at most (`changelog.num-retained.max`).
    pub retain_max: Option<i64>,
    /// Newest snapshots and changelogs kept in any case (`changelog.num-retained.min`).
    pub retain_min: Option<i64>,
    /// Changelogs of this time, epoch milliseconds, or later stay (now less `changelog.time-retained`).
    pub older_than_ms: Option<i64>,
    /// Changelogs removed at most (`snapshot.expire.limit`).
    pub max_deletes: Option<i64>,
    /// All changelogs go, the newest one and those that consumers have not read among them; the other limits do not
    /// count then.
    pub delete_all: bool,
}

/// Makes long-lived changelogs of snapshots that are about to go.
pub(super) async fn keep(table: &Table, expired: &[Snapshot]) -> Result<()> {
    let manager = SnapshotManager::changelogs(table.io().clone(), &table.metadata_root()?);
    for snapshot in expired {
        let bytes = serde_json::to_vec_pretty(snapshot)
            .map_err(|e| Error::internal("a snapshot is no JSON").with_source(e))?;
        let path = manager.location(snapshot.id);
        table.io().overwrite(&path, bytes.into()).await?;
    }
    if let Some(last) = expired.last() {
        manager.hint_latest(last.id).await;
    }
    if let Some(first) = manager.ids().await?.first() {
        manager.hint_earliest(*first).await;
    }
    Ok(())
}

impl ChangelogLimits {
    fn retained(&self, options: &RetentionOptions) -> Result<Retained> {
        let kept = Retained {
            count_min: self.retain_min.unwrap_or(options.changelogs.count_min),
            count_max: self.retain_max.unwrap_or(options.changelogs.count_max),
            ..options.changelogs
        };
        if kept.count_min < 1 || kept.count_max < kept.count_min {
            return Err(Error::invalid(format!(
                "retained changelogs must be at least 1 and the maximum not below the minimum, found minimum {} and \
                 maximum {}",
                kept.count_min, kept.count_max
            )));
        }
        Ok(kept)
    }
}

impl ExpireChangelogs {
    /// Expires changelogs of the table's branch at the time `now_ms`, epoch milliseconds. The newest one always stays.
    /// Returns the ids, ascending.
    ///
    /// # Errors
    /// As [`super::ExpireSnapshots::run`].
    ///
    /// # Cancel safety
    /// A cancelled call leaves garbage at worst.
    pub async fn run(self, table: &Table, now_ms: i64) -> Result<Vec<i64>> {
        self.run_within(table, &ChangelogLimits::default(), now_ms)
            .await
    }

    /// As [`Self::run`], by limits of one's own.
    ///
    /// # Errors
    /// As [`Self::run`], and `InvalidInput` for limits that contradict each other.
    ///
    /// # Cancel safety
    /// As [`Self::run`].
    pub async fn run_within(
        self,
        table: &Table,
        limits: &ChangelogLimits,
        now_ms: i64,
    ) -> Result<Vec<i64>> {
        let options = RetentionOptions::new(table.options())?;
        let kept = limits.retained(&options)?;
        let manager = SnapshotManager::changelogs(table.io().clone(), &table.metadata_root()?);
        let ids = manager.ids().await?;
        let (Some(earliest), Some(newest)) = (ids.first().copied(), ids.last().copied()) else {
            return Ok(Vec::new());
        };
        if limits.delete_all {
            return self.remove_all(table, &manager).await;
        }
        let latest = table.snapshots().latest_id().await?.unwrap_or(newest);
        let max_deletes = limits.max_deletes.unwrap_or(options.expire_limit);
        let end = newest
            .min(latest.saturating_sub(kept.count_min).saturating_add(1))
            .min(earliest.saturating_add(max_deletes))
            .min(consumed_until(table).await?.unwrap_or(i64::MAX));
        let by_count = latest.saturating_sub(kept.count_max).saturating_add(1);
        let limit_ms = limits
            .older_than_ms
            .unwrap_or(older_than(now_ms, kept.time));
        let mut expired = Vec::new();
        for id in ids.into_iter().filter(|id| *id < end) {
            let Ok(Some(changelog)) = manager.try_get(id).await else {
                continue;
            };
            if id >= by_count && changelog.time_millis >= limit_ms {
                break;
            }
            expired.push(changelog);
        }
        self.remove(table, &manager, &expired).await?;
        Ok(expired.iter().map(|c| c.id).collect())
    }

    async fn remove_all(self, table: &Table, manager: &SnapshotManager) -> Result<Vec<i64>> {
        let all = manager.all().await?;
        let folder = format!("{}/changelog", table.metadata_root()?);
        // the hint first: Java believes one that names a changelog that is gone
        table.io().discard(&format!("{folder}/LATEST")).await?;
        self.remove(table, manager, &all).await?;
        table.io().discard(&format!("{folder}/EARLIEST")).await?;
        Ok(all.iter().map(|c| c.id).collect())
    }

    async fn remove(
        self,
        table: &Table,
        manager: &SnapshotManager,
        expired: &[Snapshot],
    ) -> Result<()> {
        let Some(last) = expired.last() else {
            return Ok(());
        };
        // what cannot be read takes no files with it
        let check = Check::default();
        let mut reached = BTreeSet::new();
        for changelog in expired {
            reach_changelog(&check, table, changelog, &mut reached).await?;
        }
        // everything that stays must be readable before anything goes
        reachable(table, |_, _| true, &[]).await?;
        for changelog in expired {
            let path = manager.location(changelog.id);
            table.io().discard(&path).await?;
        }
        manager.hint_earliest(last.id + 1).await;
        let kept = reachable(table, |_, _| true, &[]).await?;
        let gone = reached.into_iter().map(|(path, _)| path);
        let gone = gone.filter(|path| !kept.contains(path)).collect();
        delete_unneeded(table, gone).await
    }
}
