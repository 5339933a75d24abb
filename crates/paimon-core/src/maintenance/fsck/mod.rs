//! Checks the invariants of a table: what `paimon fsck` prints.
//!
//! | name | holds when |
//! |---|---|
//! | I1 | snapshot ids have no gaps, every snapshot parses, holds its own id and names a schema that exists |
//! | I2 | every file that a snapshot, tag or changelog of any branch reaches exists with the recorded size; Parquet files of the newest snapshot have the recorded rows |
//! | I3 | the files of a snapshot are what the next one builds on; nothing is added twice or removed that was not there |
//! | I4 | key ranges of a bucket's files on one level above 0 do not overlap |
//! | I5 | every deletion vector belongs to a live file, has its recorded cardinality and fits the rows |
//! | I9 | recorded record counts equal a recount |
//!
//! Findings are returned, not errors: an error means that the check itself could not go on.

pub(super) mod files;
mod history;
mod newest;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::manifest::{ManifestScan, read_manifest_list};
use crate::snapshot::{SnapshotManager, list_branches, list_tags};
use crate::spec::{ManifestEntry, ManifestFileMeta, Snapshot};
use crate::table::Table;

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `I1` .. `I9`.
    pub invariant: &'static str,
    /// What was expected and found.
    pub message: String,
    /// The file it is about.
    pub path: Option<String>,
    /// The snapshot it is about.
    pub snapshot_id: Option<i64>,
}

/// What a check looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Snapshots, tags and changelogs of all branches.
    pub snapshots: usize,
    /// Distinct files they reach, metadata included.
    pub files: usize,
    /// Violations, in the order of branches and snapshots.
    pub findings: Vec<Finding>,
}

/// Checks a table with all its branches, as the store holds it: past all caches.
///
/// # Errors
/// `Io` when the store fails; broken files are findings.
pub async fn fsck(table: &Table) -> Result<FsckReport> {
    let table = &table.uncached()?;
    let check = Check::default();
    let mut report = FsckReport::default();
    let mut reached = BTreeSet::new();
    let mut branches = vec!["main".to_string()];
    let others = list_branches(table.io(), table.location()).await?;
    branches.extend(others.into_iter().map(|b| b.name));
    for branch in branches {
        let branch = match table.branch(&branch).await {
            Ok(branch) => branch,
            Err(error) => {
                check.found(Finding::of("I1", &error, None));
                continue;
            }
        };
        let roots = roots(&check, &branch).await?;
        report.snapshots += roots.whole.len() + roots.changelogs.len();
        history::check(&check, &branch, &roots.snapshots).await?;
        for root in &roots.whole {
            files::reach(&check, &branch, root, &mut reached).await?;
        }
        for root in &roots.changelogs {
            files::reach_changelog(&check, &branch, root, &mut reached).await?;
        }
        if let Some(last) = roots.snapshots.last() {
            newest::check(&check, &branch, last).await?;
        }
    }
    report.files = reached.len();
    files::check_sizes(&check, table, reached).await?;
    report.findings = check.findings.into_inner();
    Ok(report)
}

impl Finding {
    fn new(invariant: &'static str, message: impl Into<String>) -> Self {
        Self {
            invariant,
            message: message.into(),
            path: None,
            snapshot_id: None,
        }
    }

    fn of(invariant: &'static str, error: &Error, snapshot_id: Option<i64>) -> Self {
        Self {
            snapshot_id,
            ..Self::new(invariant, error.to_string())
        }
    }

    fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    fn in_snapshot(mut self, id: i64) -> Self {
        self.snapshot_id = Some(id);
        self
    }
}

/// Findings so far, and manifests that were read: they are shared by many snapshots.
#[derive(Default)]
pub(super) struct Check {
    findings: Mutex<Vec<Finding>>,
    manifests: Mutex<HashMap<String, Option<Arc<Vec<ManifestEntry>>>>>,
}

/// Where references to files begin in one branch.
pub(super) struct Roots {
    /// Ascending.
    pub(super) snapshots: Vec<Snapshot>,
    /// Snapshots and tags: everything they name is needed.
    pub(super) whole: Vec<Snapshot>,
    /// Long-lived changelogs: their changelog files are needed, or the rows they added where there is no producer.
    pub(super) changelogs: Vec<Snapshot>,
}

impl Check {
    /// The first finding as an error: for work that must not go on with a damaged table.
    pub(super) fn into_result(self) -> Result<()> {
        match self.findings.into_inner().into_iter().next() {
            None => Ok(()),
            Some(finding) => {
                Err(Error::damaged(finding.message).with("path", finding.path.unwrap_or_default()))
            }
        }
    }

    pub(super) fn found(&self, finding: Finding) {
        self.findings.lock().push(finding);
    }

    /// Records of a list; a list that cannot be read is a finding.
    pub(super) async fn list(
        &self,
        table: &Table,
        name: &str,
        snapshot: i64,
    ) -> Option<Vec<ManifestFileMeta>> {
        match read_manifest_list(table.io(), table.location(), name).await {
            Ok(list) => Some(list),
            Err(error) => {
                self.found(Finding::of("I2", &error, Some(snapshot)));
                None
            }
        }
    }

    /// Entries of the manifests of a list, in order; `None` when one cannot be read.
    pub(super) async fn entries(
        &self,
        table: &Table,
        list: &[ManifestFileMeta],
        snapshot: i64,
    ) -> Option<Vec<ManifestEntry>> {
        let mut all = Vec::new();
        for meta in list {
            all.extend(self.manifest(table, meta, snapshot).await?.iter().cloned());
        }
        Some(all)
    }

    async fn manifest(
        &self,
        table: &Table,
        meta: &ManifestFileMeta,
        snapshot: i64,
    ) -> Option<Arc<Vec<ManifestEntry>>> {
        let known = self.manifests.lock().get(&meta.file_name).cloned();
        if let Some(known) = known {
            return known;
        }
        let read = match scan(table).entries(std::slice::from_ref(meta)).await {
            Ok(entries) => Some(Arc::new(entries)),
            Err(error) => {
                self.found(Finding::of("I2", &error, Some(snapshot)));
                None
            }
        };
        let mut manifests = self.manifests.lock();
        manifests.insert(meta.file_name.clone(), read.clone());
        read
    }
}

fn scan(table: &Table) -> ManifestScan {
    table.manifest_scan()
}

/// I1, and the snapshots it could read.
pub(super) async fn roots(check: &Check, table: &Table) -> Result<Roots> {
    let manager = table.snapshots();
    let ids = manager.ids().await?;
    for pair in ids.windows(2).filter(|p| p[1] != p[0] + 1) {
        check.found(Finding::new(
            "I1",
            format!(
                "snapshot ids have a gap: {} is followed by {}",
                pair[0], pair[1]
            ),
        ));
    }
    let snapshots = readable(check, manager, &ids).await;
    let root = table.metadata_root()?;
    let mut whole = snapshots.clone();
    match list_tags(table.io(), &root).await {
        Ok(tags) => whole.extend(tags.into_iter().map(|t| t.tag.snapshot)),
        Err(error) => check.found(Finding::of("I1", &error, None)),
    }
    let manager = SnapshotManager::changelogs(table.io().clone(), &root);
    let ids = manager.ids().await?;
    let changelogs = readable(check, &manager, &ids).await;
    for snapshot in whole.iter().chain(&changelogs) {
        if let Err(error) = table.schemas().schema(snapshot.schema_id).await {
            check.found(Finding::of("I1", &error, Some(snapshot.id)));
        }
    }
    Ok(Roots {
        snapshots,
        whole,
        changelogs,
    })
}

async fn readable(check: &Check, manager: &SnapshotManager, ids: &[i64]) -> Vec<Snapshot> {
    let mut snapshots = Vec::with_capacity(ids.len());
    for id in ids {
        match manager.get(*id).await {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(error) => check.found(Finding::of("I1", &error, Some(*id))),
        }
    }
    snapshots
}
