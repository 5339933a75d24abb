//! What one snapshot tells a streaming reader.
//!
//! Source: `DeltaFollowUpScanner`, `ChangelogFollowUpScanner`, `FollowUpScanner.getOverwriteChangesPlan`,
//! `SnapshotReaderImpl.readChanges`. Unlike there, deletion vectors hold for the rows that an overwrite took away: a row
//! that was deleted before is not told a second time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::{ChangeSplit, split};
use crate::error::{Error, Result};
use crate::manifest::{DeletionFiles, ManifestScan, read_index_manifest};
use crate::options::ChangelogProducer;
use crate::predicate::Predicate;
use crate::read::plan::generate::SplitGenerator;
use crate::read::plan::{BucketFiles, PlanRequest, Planner};
use crate::read::split::{DataSplit, SplitKind};
use crate::spec::{FileKind, ManifestEntry, Snapshot};
use crate::table::Table;

/// Which files of a snapshot tell what it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// The files it added: rows as written, after the merge in the write buffer.
    Added,
    /// Its changelog files.
    Changelog,
    /// Of a primary-key table the files it took away (rows of kind -D), then those it added.
    Replaced,
}

/// A unit of work of a streaming read.
#[derive(Debug, Clone)]
pub enum StreamSplit {
    /// Rows that are.
    Rows(DataSplit),
    /// Rows with the kinds that files store.
    Changes(ChangeSplit),
    /// Rows of one bucket that an overwrite took away, then those it put there.
    Replaced {
        /// Rows of kind -D.
        before: Vec<DataSplit>,
        /// Rows that are.
        after: Vec<DataSplit>,
    },
}

impl StreamSplit {
    /// Number of data files.
    pub fn file_count(&self) -> usize {
        let files = |splits: &[DataSplit]| splits.iter().map(|s| s.files().len()).sum::<usize>();
        match self {
            Self::Rows(split) => split.files().len(),
            Self::Changes(split) => split.files.len(),
            Self::Replaced { before, after } => files(before) + files(after),
        }
    }
}

/// Plans what one snapshot changed.
///
/// # Errors
/// `Damaged` for broken metadata, `SnapshotExpired` when the snapshot before is needed and gone, `Unsupported` for
/// columns that were written to rows that were there before.
pub async fn plan_follow_up(
    table: &Table,
    snapshot: &Snapshot,
    follow_up: FollowUp,
    filter: &Predicate,
) -> Result<Vec<StreamSplit>> {
    let request = PlanRequest {
        filter: filter.clone(),
        ..PlanRequest::default()
    };
    let planner = Planner {
        table,
        request: &request,
    };
    let plan = FollowUpPlan {
        planner: &planner,
        manifests: planner.manifest_scan().await,
        snapshot,
    };
    let splits = match follow_up {
        FollowUp::Added => plan.added().await,
        FollowUp::Changelog => plan.changelog().await,
        FollowUp::Replaced => plan.replaced().await,
    };
    splits.map_err(|e| {
        e.with_default("table", table.name())
            .with_default("snapshot_id", snapshot.id)
    })
}

struct FollowUpPlan<'a> {
    planner: &'a Planner<'a>,
    manifests: ManifestScan,
    snapshot: &'a Snapshot,
}

impl FollowUpPlan<'_> {
    fn table(&self) -> &Table {
        self.planner.table
    }

    async fn changelog(&self) -> Result<Vec<StreamSplit>> {
        let entries = self.manifests.changelog_files(self.snapshot).await?;
        self.changes(entries)
    }

    async fn added(&self) -> Result<Vec<StreamSplit>> {
        let entries = self.manifests.added_files(self.snapshot).await?.0;
        if self.table().options().data_evolution {
            return self.column_groups(entries).await;
        }
        self.changes(entries)
    }

    fn changes(&self, entries: Vec<ManifestEntry>) -> Result<Vec<StreamSplit>> {
        // a changelog tells postponed rows when they move to their buckets
        let told_later = self.table().options().changelog_producer != ChangelogProducer::None;
        let visible = |e: &ManifestEntry| e.bucket >= 0 || !told_later;
        let none = DeletionFiles::default();
        let buckets = self.planner.buckets(entries, &none, &visible)?;
        let of = |b| StreamSplit::Changes(split(self.snapshot.id, b));
        Ok(buckets.into_iter().map(of).collect())
    }

    async fn column_groups(&self, entries: Vec<ManifestEntry>) -> Result<Vec<StreamSplit>> {
        let schemas = self.planner.schemas_of(&entries).await?;
        let none = DeletionFiles::default();
        let buckets = self.planner.buckets(entries, &none, &|_| true)?;
        let generator = SplitGenerator::new(self.table(), self.snapshot.id)?;
        let mut splits = Vec::new();
        for bucket in buckets {
            for split in generator.splits(bucket)? {
                self.refuse_partial_rows(&split, &schemas)?;
                splits.push(StreamSplit::Rows(split));
            }
        }
        Ok(splits)
    }

    /// Column files alone would read as rows whose other columns are null.
    fn refuse_partial_rows(
        &self,
        split: &DataSplit,
        schemas: &HashMap<i64, Arc<crate::spec::TableSchema>>,
    ) -> Result<()> {
        let SplitKind::Columns(groups) = &split.kind else {
            return Ok(());
        };
        for group in groups {
            let metas = group.iter().map(|f| &f.meta);
            if metas.clone().any(|m| m.write_cols.is_none()) {
                continue;
            }
            let written: BTreeSet<&String> = metas
                .clone()
                .filter_map(|m| m.write_cols.as_ref())
                .flatten()
                .collect();
            let oldest = metas.map(|m| m.schema_id).min();
            let schema = oldest.and_then(|id| schemas.get(&id));
            let all = schema.map_or(&self.table().schema().fields, |s| &s.fields);
            if let Some(field) = all.iter().find(|f| !written.contains(&f.name)) {
                return Err(Error::unsupported(format!(
                    "streaming reads of new columns of old rows are not supported: snapshot {} wrote rows without \
                     column {:?}",
                    self.snapshot.id, field.name
                ))
                .with("option", "data-evolution.enabled"));
            }
        }
        Ok(())
    }

    async fn replaced(&self) -> Result<Vec<StreamSplit>> {
        let table = self.table();
        let scan = &self.manifests;
        let list = crate::manifest::read_manifest_list(
            table.io(),
            table.location(),
            &self.snapshot.delta_manifest_list,
        )
        .await?;
        let (before, after) = net(scan.entries(&list).await?);
        let before_deletions = match table.options().deletion_vectors && !before.is_empty() {
            true => {
                let previous = table.snapshots().get(self.snapshot.id - 1).await?;
                self.deletions(&previous).await?
            }
            false => DeletionFiles::default(),
        };
        let after_deletions = match table.options().deletion_vectors {
            true => self.deletions(self.snapshot).await?,
            false => DeletionFiles::default(),
        };
        let mut units: Vec<Unit> = Vec::new();
        let mut known = HashMap::new();
        for (is_after, entries, deletions) in [
            (false, before, &before_deletions),
            (true, after, &after_deletions),
        ] {
            for (key, splits) in self.states(entries, deletions).await? {
                let at = *known.entry(key).or_insert_with(|| {
                    units.push(Unit::default());
                    units.len() - 1
                });
                match is_after {
                    true => units[at].after = splits,
                    false => units[at].before = splits,
                }
            }
        }
        let of = |u: Unit| StreamSplit::Replaced {
            before: u.before,
            after: u.after,
        };
        Ok(units.into_iter().map(of).collect())
    }

    async fn deletions(&self, snapshot: &Snapshot) -> Result<DeletionFiles> {
        let table = self.table();
        let name = snapshot.index_manifest.as_deref();
        let entries = read_index_manifest(table.io(), table.location(), name).await?;
        DeletionFiles::from_entries(table.location(), &entries)
    }

    /// Splits that merge the files of each bucket.
    async fn states(
        &self,
        entries: Vec<ManifestEntry>,
        deletions: &DeletionFiles,
    ) -> Result<Vec<((Bytes, i32), Vec<DataSplit>)>> {
        let schemas = self.planner.schemas_of(&entries).await?;
        let generator = SplitGenerator::new(self.table(), self.snapshot.id)?;
        let buckets: Vec<BucketFiles> = self.planner.buckets(entries, deletions, &|_| true)?;
        let mut out = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            let key = (bucket.partition.bytes.clone(), bucket.bucket);
            let bucket = self.planner.prune(bucket, &schemas)?;
            out.push((key, generator.splits(bucket)?));
        }
        Ok(out)
    }
}

#[derive(Default)]
struct Unit {
    before: Vec<DataSplit>,
    after: Vec<DataSplit>,
}

/// Files that entries take away and those that they add, without files that are in both.
fn net(entries: Vec<ManifestEntry>) -> (Vec<ManifestEntry>, Vec<ManifestEntry>) {
    let (added, removed): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|e| e.kind == FileKind::Add);
    let name = |e: &ManifestEntry| (e.partition.clone(), e.bucket, e.file.file_name.clone());
    let names = |of: &[ManifestEntry]| of.iter().map(name).collect::<HashSet<_>>();
    let (added_names, removed_names) = (names(&added), names(&removed));
    let without = |of: Vec<ManifestEntry>, other: &HashSet<_>| {
        of.into_iter()
            .filter(|e| !other.contains(&name(e)))
            .collect::<Vec<_>>()
    };
    (
        without(removed, &added_names),
        without(added, &removed_names),
    )
}
