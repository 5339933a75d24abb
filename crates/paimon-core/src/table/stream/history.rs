//! Snapshots and the changelogs that outlive them, by id. Source: `NextSnapshotFetcher`, `TimeTravelUtil`.

use super::super::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::options::RetentionOptions;
use crate::snapshot::SnapshotManager;
use crate::spec::Snapshot;

/// What can be followed of a table.
#[derive(Debug, Clone)]
pub(super) struct History {
    table: String,
    snapshots: SnapshotManager,
    changelogs: SnapshotManager,
    /// Changelogs outlive snapshots: reads may start there.
    decoupled: bool,
}

impl History {
    pub(super) fn new(table: &Table) -> Result<Self> {
        let root = table.metadata_root()?;
        Ok(Self {
            table: table.name().to_string(),
            snapshots: table.snapshots().clone(),
            changelogs: SnapshotManager::changelogs(table.io().clone(), &root),
            decoupled: RetentionOptions::new(table.options())?.changelog_is_decoupled(),
        })
    }

    pub(super) fn snapshots(&self) -> &SnapshotManager {
        &self.snapshots
    }

    /// A snapshot or what lives on of it.
    pub(super) async fn try_get(&self, id: i64) -> Result<Option<Snapshot>> {
        match self.snapshots.try_get(id).await? {
            Some(snapshot) => Ok(Some(snapshot)),
            // also of tables that no longer keep changelogs: what is there can be read
            None => self.changelogs.try_get(id).await,
        }
    }

    /// The oldest id that can be followed; `None` for a table without commits.
    pub(super) async fn earliest_id(&self) -> Result<Option<i64>> {
        if self.decoupled
            && let Some(id) = self.changelogs.earliest_id().await?
        {
            return Ok(Some(id));
        }
        self.snapshots.earliest_id().await
    }

    /// The snapshot after `read`, which was the last one read; `None` while there is none.
    ///
    /// # Errors
    /// `SnapshotExpired` when it is gone, `InvalidInput` when the table never came that far.
    pub(super) async fn next(&self, id: i64) -> Result<Option<Snapshot>> {
        if let Some(snapshot) = self.try_get(id).await? {
            return Ok(Some(snapshot));
        }
        let earliest = self.snapshots.earliest_id().await?;
        let latest = self.snapshots.latest_id().await?;
        // committed, and perhaps expired, since the first look
        if let Some(snapshot) = self.try_get(id).await? {
            return Ok(Some(snapshot));
        }
        match (earliest, latest) {
            (Some(earliest), _) if earliest > id => Err(self.expired(id, earliest, latest)),
            (None, _) if id > 1 => Err(self.too_far(id, latest)),
            (_, Some(latest)) if id > latest.saturating_add(1) => {
                Err(self.too_far(id, Some(latest)))
            }
            _ => Ok(None),
        }
    }

    fn expired(&self, id: i64, earliest: i64, latest: Option<i64>) -> Error {
        Error::new(
            ErrorKind::SnapshotExpired,
            format!(
                "snapshot {id}, which this reader has not read, has expired: snapshots {earliest} to {} are left; keep \
                 snapshots or changelogs for longer, or read with a `consumer-id`, which keeps what it has not read",
                latest.unwrap_or(earliest)
            ),
        )
        .with("table", &self.table)
        .with("snapshot_id", id)
    }

    fn too_far(&self, id: i64, latest: Option<i64>) -> Error {
        let found = match latest {
            Some(latest) => format!("the newest snapshot is {latest}"),
            None => "the table has no snapshots".to_string(),
        };
        Error::invalid(format!(
            "snapshot {id} is to be read next, but {found}: the table was rolled back or created anew"
        ))
        .with("table", &self.table)
        .with("snapshot_id", id)
    }

    /// The error where the last snapshot read is another one now.
    pub(super) fn other(&self, id: i64) -> Error {
        Error::invalid(format!(
            "snapshot {id} is not the one that was read: the table was rolled back or created anew since. Read it from the \
             snapshot on that is to come next (`scan.snapshot-id`), with another `consumer-id` or `consumer.ignore-progress`"
        ))
        .with("table", &self.table)
        .with("snapshot_id", id)
    }

    /// The newest id that was committed before a time, one less than the earliest where all are later; `None` for a table
    /// without commits.
    pub(super) async fn last_before(&self, time_ms: i64) -> Result<Option<i64>> {
        let (Some(mut low), Some(mut high)) =
            (self.earliest_id().await?, self.snapshots.latest_id().await?)
        else {
            return Ok(None);
        };
        low -= 1;
        while low < high {
            let middle = low + (high - low + 1) / 2;
            let snapshot = match self.try_get(middle).await? {
                Some(snapshot) => snapshot,
                None => self.snapshots.get(middle).await?,
            };
            match snapshot.time_millis < time_ms {
                true => low = middle,
                false => high = middle - 1,
            }
        }
        Ok(Some(low))
    }
}
