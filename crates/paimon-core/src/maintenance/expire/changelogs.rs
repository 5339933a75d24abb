//! Long-lived changelogs: made of expired snapshots, expired by limits of their own.
//!
//! Source: `ExpireChangelogImpl`. `changelog/changelog-<id>` is the snapshot's JSON as it was.

use std::collections::BTreeSet;

use super::{consumed_until, older_than};
use crate::error::{Error, Result};
use crate::maintenance::discard::discard_files;
use crate::maintenance::fsck::Check;
use crate::maintenance::fsck::files::reach_changelog;
use crate::maintenance::reachable::reachable;
use crate::options::RetentionOptions;
use crate::snapshot::SnapshotManager;
use crate::spec::Snapshot;
use crate::table::Table;

/// Expires long-lived changelogs by the table's `changelog.*` options.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExpireChangelogs;

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
        let options = RetentionOptions::new(table.options())?;
        let manager = SnapshotManager::changelogs(table.io().clone(), &table.metadata_root()?);
        let ids = manager.ids().await?;
        let (Some(earliest), Some(newest)) = (ids.first().copied(), ids.last().copied()) else {
            return Ok(Vec::new());
        };
        let latest = table.snapshots().latest_id().await?.unwrap_or(newest);
        let kept = options.changelogs;
        let end = newest
            .min(latest - kept.count_min + 1)
            .min(earliest.saturating_add(options.expire_limit))
            .min(consumed_until(table).await?.unwrap_or(i64::MAX));
        let by_count = latest.saturating_sub(kept.count_max).saturating_add(1);
        let limit_ms = older_than(now_ms, kept.time);
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
        discard_files(table, gone).await
    }
}
