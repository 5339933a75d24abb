//! Manifests that a snapshot names and its store does not have. Source: `RemoveUnexistingManifestsAction`.

use crate::commit::{FileStoreCommit, Plan};
use crate::error::Result;
use crate::manifest::{manifest_path, read_manifest_list};
use crate::spec::{CommitKind, ManifestCommittable, ManifestFileMeta, Snapshot};
use crate::table::Table;

impl FileStoreCommit {
    /// Makes an OVERWRITE snapshot of the manifests that are there, when some of the newest snapshot's are not. What the
    /// others named is no longer of the table. Returns its id; `None` when none is missing.
    ///
    /// # Errors
    /// As [`Self::commit`].
    ///
    /// # Cancel safety
    /// A cancelled call may have taken effect; calling it again finds nothing missing then.
    pub async fn drop_missing_manifests(&self, identifier: i64) -> Result<Option<i64>> {
        let Some(snapshot) = self.table.snapshots().latest().await? else {
            return Ok(None);
        };
        let all = named(&self.table, &snapshot).await?.len();
        if existing(&self.table, &snapshot).await?.len() == all {
            return Ok(None);
        }
        let committable = ManifestCommittable {
            identifier,
            ..ManifestCommittable::default()
        };
        let request = self.request(CommitKind::Overwrite, &committable, false, Plan::Remaining);
        self.publish(&request).await.map(Some)
    }
}

/// The manifests of a snapshot that are there.
pub(in crate::commit) async fn existing(
    table: &Table,
    snapshot: &Snapshot,
) -> Result<Vec<ManifestFileMeta>> {
    let mut found = Vec::new();
    for manifest in named(table, snapshot).await? {
        let path = manifest_path(table.location(), &manifest.file_name)?;
        match table.io().exists(&path).await? {
            true => found.push(manifest),
            false => tracing::warn!(
                table = table.name(),
                manifest = manifest.file_name,
                "a manifest is not there"
            ),
        }
    }
    Ok(found)
}

async fn named(table: &Table, snapshot: &Snapshot) -> Result<Vec<ManifestFileMeta>> {
    let (io, location) = (table.io(), table.location());
    let mut all = read_manifest_list(io, location, &snapshot.base_manifest_list).await?;
    all.extend(read_manifest_list(io, location, &snapshot.delta_manifest_list).await?);
    Ok(all)
}
