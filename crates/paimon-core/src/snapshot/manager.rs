//! Snapshot files and their hints.

use crate::codec::parse_json;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileIo, is_not_found};
use crate::schema::numbered;
use crate::spec::Snapshot;

/// Largest JSON metadata file that is accepted, bytes.
pub(crate) const JSON_SIZE_MAX: u64 = 16 << 20;

/// Reads the snapshots of one table or branch.
#[derive(Debug, Clone)]
pub struct SnapshotManager {
    io: FileIo,
    folder: String,
    prefix: &'static str,
}

impl SnapshotManager {
    /// Snapshots below `root`, the folder of a table or branch.
    pub fn new(io: FileIo, root: &str) -> Self {
        Self {
            io,
            folder: format!("{root}/snapshot"),
            prefix: "snapshot-",
        }
    }

    /// Long-lived changelogs below `root`.
    pub fn changelogs(io: FileIo, root: &str) -> Self {
        Self {
            io,
            folder: format!("{root}/changelog"),
            prefix: "changelog-",
        }
    }

    /// Location of a snapshot's file, whether it exists or not.
    pub fn location(&self, id: i64) -> String {
        format!("{}/{}{id}", self.folder, self.prefix)
    }

    /// Notes the newest id where readers look first. Failing is harmless: they list the folder then.
    pub async fn hint_latest(&self, id: i64) {
        self.write_hint("LATEST", id).await;
    }

    /// Notes the oldest id where readers look first. Failing is harmless: they list the folder then.
    pub async fn hint_earliest(&self, id: i64) {
        self.write_hint("EARLIEST", id).await;
    }

    async fn write_hint(&self, name: &str, id: i64) {
        let path = format!("{}/{name}", self.folder);
        if let Err(error) = self.io.overwrite_hint(&path, id.to_string().into()).await {
            tracing::warn!(path, %error, "a hint could not be written");
        }
    }

    /// Id of the newest snapshot. The hint counts when no later snapshot exists, else the folder is listed.
    pub async fn latest_id(&self) -> Result<Option<i64>> {
        if let Some(id) = self.hint("LATEST").await
            && id > 0
            && let Some(next) = id.checked_add(1)
            && !self.io.exists(&self.location(next)).await?
            && self.io.exists(&self.location(id)).await?
        {
            return Ok(Some(id));
        }
        Ok(self.ids().await?.last().copied())
    }

    /// Id of the oldest snapshot.
    pub async fn earliest_id(&self) -> Result<Option<i64>> {
        if let Some(id) = self.hint("EARLIEST").await
            && id > 0
            && self.io.exists(&self.location(id)).await?
            && !self.io.exists(&self.location(id - 1)).await?
        {
            return Ok(Some(id));
        }
        Ok(self.ids().await?.first().copied())
    }

    /// Ids of all snapshots, ascending.
    pub async fn ids(&self) -> Result<Vec<i64>> {
        Ok(numbered(
            &self.io.list_files(&self.folder).await?,
            self.prefix,
        ))
    }

    async fn hint(&self, name: &str) -> Option<i64> {
        let path = format!("{}/{name}", self.folder);
        let bytes = self.io.read(&path, 64).await.ok()?;
        std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
    }

    /// Snapshot by id.
    ///
    /// # Errors
    /// `SnapshotExpired` when the file is gone, `Damaged` when it is malformed.
    pub async fn get(&self, id: i64) -> Result<Snapshot> {
        match self.try_get(id).await? {
            Some(snapshot) => Ok(snapshot),
            None => Err(Error::new(
                ErrorKind::SnapshotExpired,
                format!("{}{id} does not exist; it may have expired", self.prefix),
            )
            .with("path", self.location(id))
            .with("snapshot_id", id)),
        }
    }

    /// Snapshot by id, `None` when the file does not exist.
    pub async fn try_get(&self, id: i64) -> Result<Option<Snapshot>> {
        let path = self.location(id);
        let bytes = match self.io.read(&path, JSON_SIZE_MAX).await {
            Ok(bytes) => bytes,
            Err(e) if is_not_found(&e) => return Ok(None),
            Err(e) => return Err(e),
        };
        let snapshot: Snapshot =
            parse_json(&bytes, "snapshot").map_err(|e| e.with_default("path", &path))?;
        if snapshot.id != id {
            return Err(
                Error::damaged(format!("snapshot file {id} holds the id {}", snapshot.id))
                    .with("path", path),
            );
        }
        Ok(Some(snapshot))
    }

    /// The newest snapshot; `None` for a table without commits. Looks again when it is gone before it could be read
    /// (expiry, rollback).
    ///
    /// # Errors
    /// `SnapshotExpired` when it cannot be had at all, `Damaged` when it is malformed.
    pub async fn latest(&self) -> Result<Option<Snapshot>> {
        self.newest(true).await
    }

    /// As [`Self::latest`], for a commit to build on: never the file of a commit that took the number of an expired
    /// snapshot and is about to go back, to which a hint may lead.
    ///
    /// # Errors
    /// As [`Self::latest`].
    pub async fn latest_to_build_on(&self) -> Result<Option<Snapshot>> {
        self.newest(false).await
    }

    async fn newest(&self, trusts_hint: bool) -> Result<Option<Snapshot>> {
        let mut gone = None;
        loop {
            let hinted = self.latest_id().await?;
            let id = match hinted {
                Some(id) if trusts_hint || self.was_never_used_before(id).await? => Some(id),
                _ => self.ids().await?.last().copied(),
            };
            let Some(id) = id else {
                return Ok(None);
            };
            match self.try_get(id).await? {
                Some(snapshot) => return Ok(Some(snapshot)),
                None if gone == Some(id) => return self.get(id).await.map(Some),
                None => gone = Some(id),
            }
        }
    }

    /// Whether the snapshot before is still there: expiry removes it first. One request where listing takes more with
    /// every snapshot.
    async fn was_never_used_before(&self, id: i64) -> Result<bool> {
        match id {
            ..=1 => Ok(false),
            _ => self.io.exists(&self.location(id - 1)).await,
        }
    }

    /// Whether an error of work on the snapshot `seen` may come from that snapshot having expired meanwhile: there is a
    /// newer one to begin with again.
    pub async fn is_outdated(&self, seen: Option<i64>, error: &Error) -> bool {
        let may_be = matches!(
            error.kind(),
            ErrorKind::Damaged | ErrorKind::SnapshotExpired
        );
        may_be && matches!(self.latest_id().await, Ok(newest) if newest > seen)
    }

    /// The error of a reader of snapshot `id`: `SnapshotExpired` when a file is missing and the snapshot is gone too.
    pub async fn reading_error(&self, id: i64, error: Error) -> Error {
        if !is_not_found(&error) || !matches!(self.io.exists(&self.location(id)).await, Ok(false)) {
            return error;
        }
        Error::new(
            ErrorKind::SnapshotExpired,
            format!("{}{id} expired while it was read", self.prefix),
        )
        .with("snapshot_id", id)
        .with_source(error)
    }

    /// All snapshots, ascending by id; those that vanish while reading are left out.
    pub async fn all(&self) -> Result<Vec<Snapshot>> {
        let ids = self.ids().await?;
        let reads = ids.into_iter().map(|id| self.try_get(id));
        let found = futures::future::try_join_all(reads).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The newest snapshot committed at or before `time_ms`.
    pub async fn at_or_before(&self, time_ms: i64) -> Result<Option<Snapshot>> {
        let ids = self.ids().await?;
        let (mut low, mut high) = (0, ids.len());
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let snapshot = self.get(ids[middle]).await?;
            if snapshot.time_millis <= time_ms {
                low = middle + 1;
                found = Some(snapshot);
            } else {
                high = middle;
            }
        }
        Ok(found)
    }

    /// The newest snapshot whose watermark is at most `watermark`.
    pub async fn last_with_watermark(&self, watermark: i64) -> Result<Option<Snapshot>> {
        let all = self.all().await?;
        Ok(all
            .into_iter()
            .rfind(|s| s.watermark.is_some_and(|w| w != i64::MIN && w <= watermark)))
    }

    /// The first snapshot whose watermark is at least `watermark`.
    pub async fn first_with_watermark(&self, watermark: i64) -> Result<Option<Snapshot>> {
        let all = self.all().await?;
        Ok(all
            .into_iter()
            .find(|s| s.watermark.is_some_and(|w| w != i64::MIN && w >= watermark)))
    }
}
