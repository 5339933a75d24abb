//! Removing files that nothing refers to: what failed or killed writers, commits and expiries left behind.
//!
//! Source: `OrphanFilesClean`, `LocalOrphanFilesClean`.

use std::collections::HashSet;

use super::discard::delete_unneeded;
use super::reachable::reachable;
use crate::error::{Error, Result};
use crate::read::is_pack;
use crate::table::Table;

/// A day, milliseconds: files of writes under way are younger.
const AGE_MIN_DEFAULT_MS: i64 = 86_400_000;

/// Folders of the table root whose files belong to managers, not to commits.
const MANAGED: &[&str] = &[
    "schema",
    "snapshot",
    "tag",
    "branch",
    "changelog",
    "consumer",
    "service",
    "metadata",
];

/// Which files may go.
#[derive(Debug, Clone, Default)]
pub struct RemoveOrphanFiles {
    /// Files modified at this time, epoch milliseconds, or later stay; the default is a day ago.
    pub older_than_ms: Option<i64>,
    /// Only tell what would be removed.
    pub dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrphanFiles {
    /// Locations, sorted.
    pub files: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
}

impl RemoveOrphanFiles {
    /// Removes orphan files below the table's folder at the time `now_ms`, epoch milliseconds. Files in external paths
    /// and packs of BLOBs, to which data files refer, are left alone.
    ///
    /// # Errors
    /// `InvalidInput` for a time limit in the future, `Damaged` when metadata cannot be read; nothing was removed then.
    ///
    /// # Cancel safety
    /// A cancelled call has removed some of the orphans.
    pub async fn run(&self, table: &Table, now_ms: i64) -> Result<OrphanFiles> {
        let limit = self.older_than_ms.unwrap_or(now_ms - AGE_MIN_DEFAULT_MS);
        if limit > now_ms {
            return Err(Error::invalid(
                "orphan files must be older than a time in the past",
            ));
        }
        // files first: one that a commit adds meanwhile is too young, one it names is in the references read after
        let mut candidates = Vec::new();
        for (path, status) in table.io().list_recursive(table.location()).await? {
            if status.modified_ms < limit && is_candidate(&path) {
                candidates.push((format!("{}/{path}", table.location()), status.size));
            }
        }
        let needed = reachable(table, |_, _| true, &[]).await?;
        // by name, which is nobody else's: other engines may change the options that name the folders of partitions
        let names: HashSet<&str> = needed.iter().map(|path| name_of(path)).collect();
        candidates.retain(|(path, _)| !names.contains(name_of(path)));
        candidates.sort();
        if !self.dry_run {
            let paths = candidates.iter().map(|(path, _)| path.clone()).collect();
            delete_unneeded(table, paths).await?;
        }
        Ok(OrphanFiles {
            bytes: candidates.iter().map(|(_, size)| size).sum(),
            files: candidates.into_iter().map(|(path, _)| path).collect(),
        })
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Whether a file of this path below the table's folder is one that commits refer to, or a stage of one.
fn is_candidate(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let (Some(first), Some(name)) = (parts.first(), parts.last()) else {
        return false;
    };
    if name.starts_with('.') && name.ends_with(".tmp") {
        return true;
    }
    if MANAGED.contains(first) && parts.len() > 1 {
        return false;
    }
    // as in Java: only the rows know which of their values live
    if is_pack(name) {
        return false;
    }
    let folders = &parts[..parts.len() - 1];
    matches!(*first, "manifest" | "index" | "statistics") && folders.len() == 1
        || folders.last().is_some_and(|f| f.starts_with("bucket-"))
}

#[cfg(test)]
mod tests {
    use super::is_candidate;

    #[test]
    fn only_files_that_commits_refer_to_are_candidates() {
        for path in [
            "manifest/manifest-x-0",
            "index/index-x-0",
            "statistics/stat-x",
            "bucket-0/data-x-0.parquet",
            "dt=2024-01-01/h=1/bucket-3/data-x-0.parquet.index",
            "snapshot/.snapshot-3.5f.tmp",
        ] {
            assert!(is_candidate(path), "{path}");
        }
        for path in [
            "snapshot/snapshot-1",
            "schema/schema-0",
            "tag/tag-a",
            "branch/branch-b/snapshot/snapshot-1",
            "README",
            "notes/bucket.txt",
            "bucket-0/data-x-0.managed.blob",
        ] {
            assert!(!is_candidate(path), "{path}");
        }
    }
}
