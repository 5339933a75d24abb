//! Every file that a table needs.

use std::collections::BTreeSet;

use super::fsck::files::{Reached, reach, reach_changelog};
use super::fsck::{Check, roots};
use crate::error::Result;
use crate::snapshot::list_branches;
use crate::spec::Snapshot;
use crate::table::Table;

/// Locations that the snapshots `keep` accepts, all tags and all changelogs of all branches reach. `keep` gets the
/// branch and the snapshot id. `changelogs` are about to become long-lived changelogs of the table's own branch.
///
/// # Errors
/// `Damaged` when metadata that stays cannot be read: nothing may be deleted then.
pub(super) async fn reachable(
    table: &Table,
    keep: impl Fn(&str, i64) -> bool,
    changelogs: &[Snapshot],
) -> Result<BTreeSet<String>> {
    // what a cache still has, the store may have lost
    let table = &table.uncached()?;
    let mut reached: BTreeSet<Reached> = BTreeSet::new();
    let check = Check::default();
    for changelog in changelogs {
        reach_changelog(&check, table, changelog, &mut reached).await?;
    }
    check.into_result()?;
    let mut branches = vec!["main".to_string()];
    let others = list_branches(table.io(), table.location()).await?;
    branches.extend(others.into_iter().map(|b| b.name));
    for name in branches {
        let branch = table.branch(&name).await?;
        let check = Check::default();
        let roots = roots(&check, &branch).await?;
        let tags = &roots.whole[roots.snapshots.len()..];
        let kept = roots.snapshots.iter().filter(|s| keep(&name, s.id));
        for snapshot in kept.chain(tags) {
            reach(&check, &branch, snapshot, &mut reached).await?;
        }
        for changelog in &roots.changelogs {
            reach_changelog(&check, &branch, changelog, &mut reached).await?;
        }
        check.into_result()?;
    }
    Ok(reached.into_iter().map(|(path, _)| path).collect())
}

/// Locations that snapshots reach, as far as its metadata can be read.
pub(super) async fn reachable_from(
    table: &Table,
    snapshots: &[Snapshot],
) -> Result<BTreeSet<String>> {
    let check = Check::default();
    let mut reached = BTreeSet::new();
    for snapshot in snapshots {
        reach(&check, table, snapshot, &mut reached).await?;
    }
    Ok(reached.into_iter().map(|(path, _)| path).collect())
}
