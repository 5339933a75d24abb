//! Going back to an earlier snapshot.
//!
//! Source: `RollbackHelper`. Data files of the snapshots left behind stay until orphan cleaning.

mod as_latest;
mod schema;

pub(super) use as_latest::was_restored;
pub use as_latest::{RolledBack, rollback_as_latest};
pub use schema::rollback_schema;

use crate::commit::VersionManagement;
use crate::error::{Error, ErrorKind, Result};
use crate::snapshot::{SnapshotManager, list_tags, read_tag};
use crate::spec::Tag;
use crate::table::Table;

/// Where to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollbackTarget {
    /// A snapshot that exists, or that a tag keeps.
    Snapshot(i64),
    /// A tag; its snapshot is written back if it expired.
    Tag(String),
}

/// Removes all snapshots, changelogs and tags later than the target. Returns the target's id, which is the newest then.
///
/// # Errors
/// `NotFound` for an unknown tag, `SnapshotExpired` for a snapshot that does not exist.
///
/// # Cancel safety
/// A cancelled call has removed some of the latest snapshots; call it again.
pub async fn rollback_to(table: &Table, target: &RollbackTarget) -> Result<i64> {
    let root = table.metadata_root()?;
    if let Some(versions) = &table.environment().versions {
        return through(versions.as_ref(), table, target).await;
    }
    let manager = table.snapshots();
    let id = match target {
        RollbackTarget::Snapshot(id) => existing(table, *id).await?,
        RollbackTarget::Tag(name) => {
            let tag = existing_tag(table, name).await?;
            write_back(table, &tag.snapshot).await?;
            tag.snapshot.id
        }
    };
    let tags = list_tags(table.io(), &root).await?;
    for tag in tags.iter().filter(|t| t.tag.snapshot.id > id) {
        let path = format!("{root}/tag/tag-{}", tag.name);
        table.io().discard(&path).await?;
    }
    // the hint before the snapshots: Java believes one that is too large, one that is too small makes readers list
    manager.hint_latest(id).await;
    let changelogs = SnapshotManager::changelogs(table.io().clone(), &root);
    // readers of changelogs look at their hint alone
    if let Some(newest) = changelogs.ids().await?.into_iter().rev().find(|i| *i <= id) {
        changelogs.hint_latest(newest).await;
    }
    for manager in [manager, &changelogs] {
        // newest first: what is left is without gaps whenever this stops
        for later in manager.ids().await?.into_iter().rev().filter(|i| *i > id) {
            table.io().discard(&manager.location(later)).await?;
        }
    }
    Ok(id)
}

/// Lets the catalog go back.
async fn through(
    versions: &dyn VersionManagement,
    table: &Table,
    target: &RollbackTarget,
) -> Result<i64> {
    let branch = table.branch_name();
    match target {
        RollbackTarget::Snapshot(id) => {
            versions.rollback_to_snapshot(branch, *id).await?;
            Ok(*id)
        }
        RollbackTarget::Tag(name) => {
            let tag = existing_tag(table, name).await?;
            versions.rollback_to_tag(branch, name).await?;
            Ok(tag.snapshot.id)
        }
    }
}

async fn existing_tag(table: &Table, name: &str) -> Result<Tag> {
    let tag = read_tag(table.io(), &table.metadata_root()?, name).await?;
    tag.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("tag {name:?} does not exist"))
            .with("table", table.name())
    })
}

/// Makes sure that a snapshot exists: one that only a tag keeps is written back.
async fn existing(table: &Table, id: i64) -> Result<i64> {
    let expired = match table.snapshots().get(id).await {
        Err(error) if error.kind() == ErrorKind::SnapshotExpired => error,
        other => return other.map(|s| s.id),
    };
    let tags = list_tags(table.io(), &table.metadata_root()?).await?;
    match tags.iter().find(|t| t.tag.snapshot.id == id) {
        Some(tag) => write_back(table, &tag.tag.snapshot).await.map(|()| id),
        None => Err(expired),
    }
}

/// Makes the snapshot of a tag exist again.
async fn write_back(table: &Table, snapshot: &crate::spec::Snapshot) -> Result<()> {
    let manager = table.snapshots();
    if manager.try_get(snapshot.id).await?.is_some() {
        return Ok(());
    }
    let bytes = serde_json::to_vec_pretty(snapshot)
        .map_err(|e| Error::internal("a snapshot is no JSON").with_source(e))?;
    let path = manager.location(snapshot.id);
    table.io().publish(&path, bytes.into()).await?;
    manager.hint_earliest(snapshot.id).await;
    Ok(())
}
