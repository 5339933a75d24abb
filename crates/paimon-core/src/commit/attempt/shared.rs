//! Metadata files that several attempts of one commit use: what a lost race need not write again.

use crate::commit::changes::Changes;
use crate::commit::manifests::files::{ManifestFiles, NamedSize};
use crate::commit::manifests::merge;
use crate::commit::options::CommitOptions;
use crate::error::Result;
use crate::manifest::ManifestScan;
use crate::spec::ManifestFileMeta;

/// Manifest lists of what a commit changes.
#[derive(Debug, Clone)]
pub(in crate::commit) struct DeltaLists {
    /// Data files.
    pub(in crate::commit) delta: NamedSize,
    /// Changelog files, if there are any.
    pub(in crate::commit) changelog: Option<NamedSize>,
}

/// Files of all attempts of one commit.
pub(in crate::commit) struct Shared<'a> {
    /// Writes them.
    pub(in crate::commit) files: ManifestFiles<'a>,
    delta: Option<DeltaLists>,
    merged: Option<Merged>,
    /// Set when the outcome of an attempt is open: nothing may be removed any more.
    keep_all: bool,
}

/// Manifests of a snapshot and those that stand for them.
struct Merged {
    before: Vec<String>,
    after: Vec<ManifestFileMeta>,
}

impl DeltaLists {
    /// Writes manifests and lists of the changes.
    pub(in crate::commit) async fn write(
        changes: &Changes,
        files: &mut ManifestFiles<'_>,
    ) -> Result<Self> {
        let delta = files.entries(&changes.entries).await?;
        let delta = files.list(&delta).await?;
        let changelog = if changes.changelog.is_empty() {
            None
        } else {
            let manifests = files.entries(&changes.changelog).await?;
            Some(files.list(&manifests).await?)
        };
        Ok(Self { delta, changelog })
    }
}

impl<'a> Shared<'a> {
    pub(in crate::commit) fn new(files: ManifestFiles<'a>) -> Self {
        Self {
            files,
            delta: None,
            merged: None,
            keep_all: false,
        }
    }

    /// From now on no file is removed: an attempt may have published it.
    pub(in crate::commit) fn keep_all(&mut self) {
        self.keep_all = true;
    }

    /// Removes all files after the last attempt, unless one of them may have been published.
    pub(in crate::commit) async fn discard(&mut self) {
        if !self.keep_all {
            self.files.discard_written().await;
        }
    }

    /// Lists of changes that are the same on every attempt, written by the first.
    pub(in crate::commit) async fn delta_lists(&mut self, changes: &Changes) -> Result<DeltaLists> {
        if let Some(known) = &self.delta {
            return Ok(known.clone());
        }
        let lists = DeltaLists::write(changes, &mut self.files).await?;
        self.delta = Some(lists.clone());
        Ok(lists)
    }

    /// The manifests that stand for `metas`. What an earlier attempt merged is used again while other commits only
    /// added manifests behind it.
    pub(in crate::commit) async fn merge(
        &mut self,
        metas: Vec<ManifestFileMeta>,
        scan: &ManifestScan,
        options: &CommitOptions,
    ) -> Result<Vec<ManifestFileMeta>> {
        if let Some(known) = &self.merged {
            let still_there = known.before.len() <= metas.len()
                && known
                    .before
                    .iter()
                    .zip(&metas)
                    .all(|(a, b)| *a == b.file_name);
            if still_there {
                let mut out = known.after.clone();
                out.extend_from_slice(&metas[known.before.len()..]);
                return Ok(out);
            }
            self.discard_merged().await;
        }
        let before = metas.iter().map(|m| m.file_name.clone()).collect();
        let after = merge::merge(metas, scan, options, &mut self.files).await?;
        self.merged = Some(Merged {
            before,
            after: after.clone(),
        });
        Ok(after)
    }

    /// Merged manifests of a lost attempt that no later one can use.
    async fn discard_merged(&mut self) {
        let Some(merged) = self.merged.take() else {
            return;
        };
        if self.keep_all {
            return;
        }
        let new = merged.after.iter().map(|m| m.file_name.as_str());
        let new: Vec<&str> = new
            .filter(|n| !merged.before.iter().any(|b| b == n))
            .collect();
        self.files.discard_named(&new).await;
    }
}
