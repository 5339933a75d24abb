//! I3 and I9: how snapshots build on each other.

use std::collections::HashSet;

use super::{Check, Finding};
use crate::error::Result;
use crate::manifest::{FileIdentifier, live_entries, merge_entries};
use crate::spec::{FileKind, ManifestEntry, Snapshot};
use crate::table::Table;

/// Checks each snapshot in itself and against the one before.
pub(super) async fn check(check: &Check, table: &Table, snapshots: &[Snapshot]) -> Result<()> {
    let mut before: Option<(i64, Vec<ManifestEntry>)> = None;
    for snapshot in snapshots {
        let Some((base, delta)) = parts(check, table, snapshot).await else {
            before = None;
            continue;
        };
        let base = merge_entries(base);
        check_base(check, snapshot, &base);
        if let Some((id, live)) = &before
            && id + 1 == snapshot.id
        {
            check_continuity(check, snapshot, live, &base);
        }
        check_delta(check, snapshot, &base, &delta);
        let mut all = base;
        all.extend(delta);
        let live = live_entries(all);
        check_counts(check, snapshot, &live);
        before = Some((snapshot.id, live));
    }
    Ok(())
}

async fn parts(
    check: &Check,
    table: &Table,
    snapshot: &Snapshot,
) -> Option<(Vec<ManifestEntry>, Vec<ManifestEntry>)> {
    let base = check.list(table, &snapshot.base_manifest_list, snapshot.id);
    let base = base.await?;
    let delta = check.list(table, &snapshot.delta_manifest_list, snapshot.id);
    let delta = delta.await?;
    Some((
        check.entries(table, &base, snapshot.id).await?,
        check.entries(table, &delta, snapshot.id).await?,
    ))
}

fn check_base(check: &Check, snapshot: &Snapshot, base: &[ManifestEntry]) {
    for entry in base.iter().filter(|e| e.kind == FileKind::Delete) {
        let message = format!(
            "the base manifests remove {}, which no manifest adds",
            entry.file.file_name
        );
        check.found(Finding::new("I3", message).in_snapshot(snapshot.id));
    }
}

fn check_continuity(
    check: &Check,
    snapshot: &Snapshot,
    before: &[ManifestEntry],
    base: &[ManifestEntry],
) {
    let adds = |entries: &'_ [ManifestEntry]| -> Vec<ManifestEntry> {
        let adds = entries.iter().filter(|e| e.kind == FileKind::Add);
        adds.cloned().collect()
    };
    let (left, right) = (adds(before), adds(base));
    let left: HashSet<FileIdentifier<'_>> = left.iter().map(FileIdentifier::of).collect();
    let right: HashSet<FileIdentifier<'_>> = right.iter().map(FileIdentifier::of).collect();
    let (lost, appeared) = (
        left.difference(&right).count(),
        right.difference(&left).count(),
    );
    if lost + appeared > 0 {
        let message = format!(
            "the base manifests do not hold the files of snapshot {}: {lost} are missing, {appeared} are there without \
             a commit",
            snapshot.id - 1
        );
        check.found(Finding::new("I3", message).in_snapshot(snapshot.id));
    }
}

fn check_delta(
    check: &Check,
    snapshot: &Snapshot,
    base: &[ManifestEntry],
    delta: &[ManifestEntry],
) {
    let mut live: HashSet<FileIdentifier<'_>> = base
        .iter()
        .filter(|e| e.kind == FileKind::Add)
        .map(FileIdentifier::of)
        .collect();
    for entry in delta {
        let identifier = FileIdentifier::of(entry);
        let name = &entry.file.file_name;
        let message = match entry.kind {
            FileKind::Add if !live.insert(identifier) => format!("{name} is added twice"),
            FileKind::Delete if !live.remove(&FileIdentifier::of(entry)) => {
                format!("{name} is removed but was not live")
            }
            _ => continue,
        };
        check.found(Finding::new("I3", message).in_snapshot(snapshot.id));
    }
}

fn check_counts(check: &Check, snapshot: &Snapshot, live: &[ManifestEntry]) {
    let rows: i64 = live.iter().map(|e| e.file.row_count).sum();
    if let Some(recorded) = snapshot.total_record_count
        && recorded != rows
    {
        let message = format!("totalRecordCount is {recorded}, the live files have {rows} rows");
        check.found(Finding::new("I9", message).in_snapshot(snapshot.id));
    }
}
