//! What an expiry removes, found from the changes of the expired snapshots alone.
//!
//! A data file goes when a snapshot after it removed it and that snapshot is the first that stays, or older. Metadata
//! goes when the first snapshot that stays does not name it: files are named by consecutive snapshots. Tags hold on to
//! what they name. Only for tables without branches and long-lived changelogs. Source: `SnapshotDeletion`.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::maintenance::fsck::Check;
use crate::maintenance::fsck::files::{Reached, data_files, reach, reach_indexes, reach_list};
use crate::maintenance::rollback::was_restored;
use crate::snapshot::list_tags;
use crate::spec::{CommitKind, FileKind, ManifestEntry, Snapshot};
use crate::table::Table;

type Paths = BTreeSet<Reached>;

/// Files that go with the snapshots `expired` (ascending), all before the snapshot `end`, which stays.
///
/// # Errors
/// `Damaged` when metadata that stays cannot be read.
pub(super) async fn unneeded(
    table: &Table,
    expired: &[Snapshot],
    end: i64,
) -> Result<BTreeSet<String>> {
    let first = table.snapshots().get(end).await?;
    let mut doomed = doomed_metadata(table, expired).await?;
    doomed.extend(removed_files(table, expired, &first).await?);
    let kept = kept(table, expired, &first).await?;
    let kept: BTreeSet<String> = kept.into_iter().map(|(path, _)| path).collect();
    let doomed = doomed.into_iter().map(|(path, _)| path);
    Ok(doomed.filter(|path| !kept.contains(path)).collect())
}

/// Manifests, lists, indexes, statistics and changelog files of the expired snapshots, as far as they can be read.
async fn doomed_metadata(table: &Table, expired: &[Snapshot]) -> Result<Paths> {
    let lenient = Check::default();
    let mut doomed = Paths::new();
    for snapshot in expired {
        let mut lists = vec![
            (
                &snapshot.base_manifest_list,
                snapshot.base_manifest_list_size,
            ),
            (
                &snapshot.delta_manifest_list,
                snapshot.delta_manifest_list_size,
            ),
        ];
        if let Some(name) = &snapshot.changelog_manifest_list {
            let size = snapshot.changelog_manifest_list_size;
            let entries = reach_list(&lenient, table, snapshot.id, name, size, &mut doomed).await?;
            data_files(table, &entries, &mut doomed)?;
            lists.push((name, size));
        }
        for (name, size) in lists {
            list_and_manifests(&lenient, table, snapshot.id, name, size, &mut doomed).await?;
        }
        reach_indexes(&lenient, table, snapshot, &mut doomed).await?;
    }
    Ok(doomed)
}

/// The names that a manifest list holds, without reading the manifests.
async fn list_and_manifests(
    check: &Check,
    table: &Table,
    id: i64,
    name: &str,
    size: Option<i64>,
    paths: &mut Paths,
) -> Result<()> {
    let path_of = |name: &str| crate::manifest::manifest_path(table.location(), name);
    paths.insert((path_of(name)?, size));
    for meta in check.list(table, name, id).await.unwrap_or_default() {
        paths.insert((path_of(&meta.file_name)?, Some(meta.file_size)));
    }
    Ok(())
}

/// Data files that the snapshots after the first expired one removed, up to the first that stays. A file that is added
/// again (on another level, say) is not removed.
async fn removed_files(table: &Table, expired: &[Snapshot], first: &Snapshot) -> Result<Paths> {
    let lenient = Check::default();
    let mut removed = Paths::new();
    for snapshot in expired.iter().skip(1).chain([first]) {
        let entries = delta_of(&lenient, table, snapshot).await;
        let (mut gone, mut added) = (Paths::new(), Paths::new());
        data_files(table, &of_kind(&entries, FileKind::Delete), &mut gone)?;
        data_files(table, &of_kind(&entries, FileKind::Add), &mut added)?;
        removed.extend(gone);
        removed.retain(|file| !added.contains(file));
    }
    Ok(removed)
}

async fn delta_of(check: &Check, table: &Table, snapshot: &Snapshot) -> Vec<ManifestEntry> {
    let name = &snapshot.delta_manifest_list;
    let list = check.list(table, name, snapshot.id).await;
    let list = list.unwrap_or_default();
    let entries = check.entries(table, &list, snapshot.id).await;
    entries.unwrap_or_default()
}

fn of_kind(entries: &[ManifestEntry], kind: FileKind) -> Vec<ManifestEntry> {
    let found = entries.iter().filter(|e| e.kind == kind);
    found.cloned().collect()
}

/// What of it is needed all the same.
async fn kept(table: &Table, expired: &[Snapshot], first: &Snapshot) -> Result<Paths> {
    let strict = Check::default();
    let mut kept = Paths::new();
    for (name, size) in [
        (&first.base_manifest_list, first.base_manifest_list_size),
        (&first.delta_manifest_list, first.delta_manifest_list_size),
    ] {
        list_and_manifests(&strict, table, first.id, name, size, &mut kept).await?;
    }
    reach_indexes(&strict, table, first, &mut kept).await?;
    // an overwrite may bring back files that were removed before
    let mut staying = Vec::new();
    for id in table.snapshots().ids().await? {
        let Some(snapshot) = table.snapshots().try_get(id).await? else {
            continue;
        };
        if id > first.id && snapshot.commit_kind == CommitKind::Overwrite {
            let entries = delta_of(&strict, table, &snapshot).await;
            data_files(table, &of_kind(&entries, FileKind::Add), &mut kept)?;
        }
        staying.push(snapshot);
    }
    for tagged in tags_in_reach(table, expired, &staying, first.id).await? {
        reach(&strict, table, &tagged, &mut kept).await?;
    }
    strict.into_result()?;
    Ok(kept)
}

/// Tags of expired snapshots and the nearest one before them: what older ones share with an expired snapshot, that one
/// has too, unless files came back. Then all before them.
async fn tags_in_reach(
    table: &Table,
    expired: &[Snapshot],
    staying: &[Snapshot],
    end: i64,
) -> Result<Vec<Snapshot>> {
    let begin = expired.first().map_or(end, |s| s.id);
    let tags = list_tags(table.io(), &table.metadata_root()?).await?;
    let restored = was_restored(table, expired.iter().chain(staying), &tags).await?;
    let tags: Vec<Snapshot> = tags.into_iter().map(|t| t.tag.snapshot).collect();
    if restored {
        return Ok(tags.into_iter().filter(|t| t.id < end).collect());
    }
    let before = tags.iter().filter(|t| t.id < begin).max_by_key(|t| t.id);
    let within = tags.iter().filter(|t| t.id >= begin && t.id < end);
    Ok(before.into_iter().chain(within).cloned().collect())
}
