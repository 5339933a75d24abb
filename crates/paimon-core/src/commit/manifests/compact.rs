//! Merging all manifests of the newest snapshot. Source: `FileStoreCommitImpl.compactManifest`.

use super::merge;
use crate::commit::changes::Changes;
use crate::commit::{FileStoreCommit, Plan};
use crate::error::Result;
use crate::manifest::read_manifest_list;
use crate::spec::{CommitKind, ManifestCommittable};

impl FileStoreCommit {
    /// Rewrites the small manifests of the newest snapshot, and those with entries of removed files, into as few as
    /// possible: a COMPACT snapshot that changes no file. Returns its id; `None` when there is nothing to gain.
    ///
    /// # Errors
    /// As [`Self::commit`].
    ///
    /// # Cancel safety
    /// A cancelled call may have taken effect; calling it again finds nothing to gain then.
    pub async fn compact_manifests(&self, identifier: i64) -> Result<Option<i64>> {
        let mut eager = self.clone();
        eager.options.full_merge_size = 1;
        if !eager.gains_from_merging().await? {
            return Ok(None);
        }
        let none = Changes::default();
        let committable = ManifestCommittable {
            identifier,
            ..ManifestCommittable::default()
        };
        let plan = Plan::Fixed(&none);
        let request = eager.request(CommitKind::Compact, &committable, false, plan);
        eager.publish(&request).await.map(Some)
    }

    async fn gains_from_merging(&self) -> Result<bool> {
        let Some(snapshot) = self.table.snapshots().latest().await? else {
            return Ok(false);
        };
        let (io, location) = (self.table.io(), self.table.location());
        let mut metas = read_manifest_list(io, location, &snapshot.base_manifest_list).await?;
        metas.extend(read_manifest_list(io, location, &snapshot.delta_manifest_list).await?);
        let target = self.options.manifest_target_size;
        Ok(merge::pays(&metas, target))
    }
}
