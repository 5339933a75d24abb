//! One attempt to publish a snapshot on top of the newest one.

mod place;
mod restore;
pub(super) mod retry;
pub(super) mod shared;

use bytes::Bytes;

use self::place::published;
use self::shared::{DeltaLists, Shared};
use crate::codec::parse_json;
use crate::commit::changes::Changes;
use crate::commit::checks::layout::{self, Layout};
use crate::commit::checks::{conflict, vectors};
use crate::commit::manifests::files::{ManifestFiles, NamedSize};
use crate::commit::manifests::{hashes, index, missing};
use crate::commit::versions::{
    CommitAnswer, SnapshotPublication, VersionManagement, added_to_partitions,
};
use crate::commit::{
    FileStoreCommit, HeldLock, PartitionStatistics, Plan, Request, overwrite, row_tracking,
};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileIo, Publication};
use crate::manifest::{
    ManifestScan, live_entries, partition_values, read_index_manifest, read_manifest_list,
};
use crate::predicate::{Predicate, PredicateOp};
use crate::spec::{
    CommitKind, DataField, FileKind, IndexManifestEntry, ManifestEntry, ManifestFileMeta, Snapshot,
    Statistics,
};

/// Version of snapshot files.
const SNAPSHOT_VERSION: i32 = 3;

/// Partitions that a conflict check names in its scan; with more it reads all.
const PARTITIONS_NAMED_MAX: usize = 64;

/// How an attempt ended.
pub(in crate::commit) enum Outcome {
    /// The snapshot is there.
    Committed(i64),
    /// It cannot be committed; nothing was published.
    Failed(Error),
    /// Another commit got the id; nothing was published.
    Lost,
    /// It may or may not have been published.
    Unknown(Error),
    /// It was published, and another program put its own file in its place.
    Replaced(Error),
}

/// One attempt.
pub(in crate::commit) struct Attempt<'a> {
    commit: &'a FileStoreCommit,
    request: &'a Request<'a>,
    latest: Option<Snapshot>,
}

/// Metadata files of an attempt.
struct Written {
    base: NamedSize,
    delta: DeltaLists,
    index: Option<String>,
}

impl<'a> Attempt<'a> {
    pub(in crate::commit) fn new(
        commit: &'a FileStoreCommit,
        request: &'a Request<'a>,
        latest: Option<Snapshot>,
    ) -> Self {
        Self {
            commit,
            request,
            latest,
        }
    }

    /// Files that later attempts can use as well go to `shared`.
    pub(in crate::commit) async fn run(&self, shared: &mut Shared<'_>) -> Outcome {
        let table = &self.commit.table;
        let schema_id = match table.schemas().latest_of_same().await {
            Ok((_, false)) => return Outcome::Failed(place::no_longer_there(table)),
            Ok((Some(schema), true)) if schema.has_replaced(table.schema()) => {
                return Outcome::Failed(place::no_longer_there(table));
            }
            Ok((schema, true)) => schema.map_or(table.schema().id, |s| s.id),
            Err(error) => return Outcome::Failed(error),
        };
        let mut files = shared.files.of_attempt(self.commit.context.ids.uuid());
        let (snapshot, statistics) = match self.prepare(schema_id, &mut files, shared).await {
            Ok(prepared) => prepared,
            Err(error) => {
                files.discard().await;
                return self.settle(error).await;
            }
        };
        let outcome = match &table.environment().versions {
            Some(versions) => {
                self.publish_through(versions.as_ref(), &snapshot, &statistics)
                    .await
            }
            None => self.publish(&snapshot).await,
        };
        if matches!(outcome, Outcome::Lost | Outcome::Failed(_)) {
            files.discard().await;
        }
        outcome
    }

    /// An attempt that could not be prepared: lost when its snapshot is no longer the newest, so that expiry may have
    /// removed what it read.
    async fn settle(&self, error: Error) -> Outcome {
        let seen = self.latest.as_ref().map(|s| s.id);
        match self
            .commit
            .table
            .snapshots()
            .is_outdated(seen, &error)
            .await
        {
            true => Outcome::Lost,
            false => Outcome::Failed(error),
        }
    }

    /// Checks the changes and writes everything but the snapshot file. With the snapshot come the statistics of what it
    /// changes, for catalogs that publish it themselves.
    async fn prepare<'b>(
        &self,
        schema_id: i64,
        files: &mut ManifestFiles<'b>,
        shared: &mut Shared<'b>,
    ) -> Result<(Snapshot, Vec<PartitionStatistics>)> {
        let id = self
            .latest
            .as_ref()
            .map_or(Some(1), |s| s.id.checked_add(1));
        let id =
            id.ok_or_else(|| Error::damaged("there is no snapshot id after the newest one"))?;
        if let Some(read) = self.request.read {
            let snapshots = self.commit.table.snapshots();
            read.check(snapshots, self.latest.as_ref()).await?;
        }
        let mut changes = self.changes().await?;
        let layout = self.check(&changes).await?;
        let next_row_id = self.assign(&mut changes, id);
        let written = self.write(&changes, layout, files, shared).await?;
        let delta_rows = changed_rows(&changes.entries);
        let (delta_list, delta_size) = written.delta.delta;
        let (changelog_list, changelog_size) = split(written.delta.changelog);
        let table = &self.commit.table;
        let statistics = match table.environment().versions {
            Some(_) => added_to_partitions(table, &changes.entries)?,
            None => Vec::new(),
        };
        let mut snapshot = Snapshot {
            version: Some(SNAPSHOT_VERSION),
            uuid: Some(self.commit.context.ids.uuid().to_string()),
            id,
            schema_id,
            base_manifest_list: written.base.0,
            base_manifest_list_size: Some(written.base.1),
            delta_manifest_list: delta_list,
            delta_manifest_list_size: Some(delta_size),
            changelog_manifest_list: changelog_list,
            changelog_manifest_list_size: changelog_size,
            index_manifest: written.index,
            commit_user: self.commit.user.clone(),
            writer_version: None,
            commit_identifier: self.request.identifier,
            commit_kind: self.request.kind,
            time_millis: self.commit.context.clock.epoch_ms(),
            total_record_count: Some(self.previous_rows().await?.saturating_add(delta_rows)),
            delta_record_count: Some(delta_rows),
            changelog_record_count: (!changes.changelog.is_empty())
                .then(|| changed_rows(&changes.changelog)),
            watermark: self.watermark(),
            statistics: self.statistics(schema_id).await?,
            properties: (!self.request.properties.is_empty())
                .then(|| self.request.properties.clone()),
            next_row_id: Some(next_row_id),
            operation: self.request.operation.map(str::to_string),
        };
        if let Plan::Restore(target) = &self.request.plan {
            restore::take_over(&mut snapshot, target);
        }
        Ok((snapshot, statistics))
    }

    async fn changes(&self) -> Result<Changes> {
        match &self.request.plan {
            Plan::Fixed(changes) => Ok((*changes).clone()),
            Plan::Remaining => Ok(Changes::default()),
            Plan::Restore(target) => {
                let scan = self.scan(Predicate::AlwaysTrue);
                let (wanted, _) = scan.live_files(target).await?;
                Ok(restore::changes(&self.live_files().await?, &wanted))
            }
            Plan::Overwrite(target, new, replaced) => {
                let table = &self.commit.table;
                let fields = table.schema().partition_fields();
                let live = self.live_files().await?;
                let live_index = self.index_entries().await?;
                let postpone = table.options().bucket == -2;
                let changes = overwrite::changes(target, &fields, live, live_index, new, postpone)?;
                if let Some(replaced) = replaced {
                    replaced.check(&changes)?;
                }
                Ok(changes)
            }
        }
    }

    /// The files of the newest snapshot.
    async fn live_files(&self) -> Result<Vec<ManifestEntry>> {
        match &self.latest {
            Some(snapshot) => {
                let scan = self.scan(Predicate::AlwaysTrue);
                Ok(scan.live_files(snapshot).await?.0)
            }
            None => Ok(Vec::new()),
        }
    }

    /// Whether the changes fit what is live.
    async fn check(&self, changes: &Changes) -> Result<Layout> {
        let schema = self.commit.table.schema();
        if self.request.kind == CommitKind::Compact {
            conflict::check_schemas(&changes.entries, schema.id)?;
        }
        let Some(snapshot) = &self.latest else {
            conflict::check(&[], &changes.entries, CommitKind::Append, &[])?;
            return Ok(Layout::Kept);
        };
        let layout = self.layout(changes, snapshot).await?;
        if !self.request.check && layout != Layout::CheckNumbers {
            return Ok(layout);
        }
        let touched = changes
            .entries
            .iter()
            .map(|e| &e.partition)
            .chain(changes.index.iter().map(|e| &e.partition));
        let mut touched: Vec<&Bytes> = touched.collect();
        touched.sort_unstable();
        touched.dedup();
        let filter = partitions_filter(&touched, &schema.partition_fields())?;
        let (mut base, _) = self.scan(filter).live_files(snapshot).await?;
        base.retain(|e| touched.binary_search(&&e.partition).is_ok());
        let live = conflict::check(
            &base,
            &changes.entries,
            self.request.kind,
            &schema.key_fields(),
        )?;
        let options = self.commit.table.options();
        if options.data_evolution {
            conflict::check_row_ranges(&live, &changes.entries)?;
            if self.request.kind != CommitKind::Compact {
                let next = snapshot.next_row_id.unwrap_or(0);
                conflict::check_rows_exist(&base, &changes.entries, next)?;
            }
        }
        if options.deletion_vectors || changes.index.iter().any(index::is_vectors) {
            let before = self.index_entries().await?;
            vectors::check(&before, &live, changes, self.is_bucketed())?;
        }
        Ok(layout)
    }

    /// Whether rows that were put into buckets by an older snapshot may stay there.
    async fn layout(&self, changes: &Changes, latest: &Snapshot) -> Result<Layout> {
        let Some(base) = self.request.base else {
            return Ok(Layout::Kept);
        };
        let (table, past) = (&self.commit.table, &self.commit.past);
        layout::check(table, past, (base, latest), &changes.entries).await
    }

    fn scan(&self, partition_filter: Predicate) -> ManifestScan {
        let table = &self.commit.table;
        ManifestScan {
            partition_filter,
            ..table.manifest_scan()
        }
    }

    /// Sequence numbers and row ids that depend on the snapshot; returns the next free row id.
    fn assign(&self, changes: &mut Changes, snapshot_id: i64) -> i64 {
        let options = self.commit.table.options();
        let next = self
            .latest
            .as_ref()
            .and_then(|s| s.next_row_id)
            .unwrap_or(0);
        if matches!(self.request.plan, Plan::Restore(_)) {
            // files come back as they were
            return next;
        }
        if options.snapshot_ordering && self.request.kind != CommitKind::Compact {
            row_tracking::stamp_sequences(&mut changes.entries, snapshot_id);
        }
        if options.row_tracking {
            if self.commit.options.groups_row_ids {
                row_tracking::group_by_partition(&mut changes.entries);
            }
            return row_tracking::assign_row_ids(&mut changes.entries, snapshot_id, next);
        }
        next
    }

    /// The manifests of the newest snapshot that are there.
    async fn remaining(&self) -> Result<Vec<ManifestFileMeta>> {
        match &self.latest {
            Some(snapshot) => missing::existing(&self.commit.table, snapshot).await,
            None => Ok(Vec::new()),
        }
    }

    /// Rows before this commit; snapshots of very old releases do not record them.
    async fn previous_rows(&self) -> Result<i64> {
        if matches!(self.request.plan, Plan::Remaining) {
            let scan = self.scan(Predicate::AlwaysTrue);
            let entries = scan.entries(&self.remaining().await?).await?;
            return Ok(changed_rows(&live_entries(entries)));
        }
        match self.latest.as_ref().map(|s| s.total_record_count) {
            None => Ok(0),
            Some(Some(rows)) => Ok(rows),
            Some(None) => Ok(changed_rows(&self.live_files().await?)),
        }
    }

    async fn write<'b>(
        &self,
        changes: &Changes,
        layout: Layout,
        files: &mut ManifestFiles<'b>,
        shared: &mut Shared<'b>,
    ) -> Result<Written> {
        let delta = match self.changes_are_fixed() {
            true => shared.delta_lists(changes).await?,
            false => DeltaLists::write(changes, files).await?,
        };
        let base = match self.request.plan {
            Plan::Restore(_) => files.entries(&self.live_files().await?).await?,
            Plan::Remaining => self.remaining().await?,
            _ => self.base_manifests(shared).await?,
        };
        let base = files.list(&base).await?;
        let index = self.index_manifest(changes, layout, files).await?;
        Ok(Written { base, delta, index })
    }

    /// Whether every attempt writes the same entries.
    fn changes_are_fixed(&self) -> bool {
        let options = self.commit.table.options();
        let stamped = options.snapshot_ordering || options.row_tracking;
        matches!(self.request.plan, Plan::Fixed(_)) && !stamped
    }

    /// The manifests of the newest snapshot, merged where that pays.
    async fn base_manifests(&self, shared: &mut Shared<'_>) -> Result<Vec<ManifestFileMeta>> {
        let Some(snapshot) = &self.latest else {
            return Ok(Vec::new());
        };
        let table = &self.commit.table;
        let (mut metas, delta) = futures::future::try_join(
            read_manifest_list(table.io(), table.location(), &snapshot.base_manifest_list),
            read_manifest_list(table.io(), table.location(), &snapshot.delta_manifest_list),
        )
        .await?;
        metas.extend(delta);
        shared
            .merge(
                metas,
                &self.scan(Predicate::AlwaysTrue),
                &self.commit.options,
            )
            .await
    }

    async fn index_entries(&self) -> Result<Vec<IndexManifestEntry>> {
        let table = &self.commit.table;
        let name = self
            .latest
            .as_ref()
            .and_then(|s| s.index_manifest.as_deref());
        read_index_manifest(table.io(), table.location(), name).await
    }

    async fn index_manifest(
        &self,
        changes: &Changes,
        layout: Layout,
        files: &mut ManifestFiles<'_>,
    ) -> Result<Option<String>> {
        let previous = self.latest.as_ref().and_then(|s| s.index_manifest.clone());
        if changes.index.is_empty() {
            return Ok(previous);
        }
        let before = self.index_entries().await?;
        let table = &self.commit.table;
        let all = layout == Layout::CheckKeys;
        let joined = hashes::join(table, &before, &changes.index, all, files).await?;
        let after = index::combine(before.clone(), &joined, self.is_bucketed())?;
        if after == before && previous.is_some() {
            return Ok(previous);
        }
        files.index(&after).await.map(Some)
    }

    /// Whether rows go to real buckets, each of which has one file of deletion vectors.
    fn is_bucketed(&self) -> bool {
        let table = &self.commit.table;
        table.schema().has_primary_key() || table.options().bucket != -1
    }

    fn watermark(&self) -> Option<i64> {
        let before = self.latest.as_ref().and_then(|s| s.watermark);
        before.into_iter().chain(self.request.watermark).max()
    }

    /// Statistics given now, or those of the newest snapshot while they are of the newest schema.
    async fn statistics(&self, schema_id: i64) -> Result<Option<String>> {
        if self.request.statistics.is_some() {
            return Ok(self.request.statistics.clone());
        }
        let Some(name) = self.latest.as_ref().and_then(|s| s.statistics.clone()) else {
            return Ok(None);
        };
        let table = &self.commit.table;
        let path = format!(
            "{}/statistics/{}",
            table.location(),
            crate::io::checked_name(&name)?
        );
        let bytes = table.io().read_optional(&path, STATISTICS_SIZE_MAX).await?;
        let known = bytes.and_then(|b| parse_json::<Statistics>(&b, "statistics").ok());
        Ok(known
            .is_some_and(|s| s.schema_id == schema_id)
            .then_some(name))
    }

    /// Lets the catalog publish the snapshot.
    async fn publish_through(
        &self,
        versions: &dyn VersionManagement,
        snapshot: &Snapshot,
        statistics: &[PartitionStatistics],
    ) -> Outcome {
        let publication = SnapshotPublication {
            branch: self.commit.table.branch_name(),
            base: self.latest.as_ref(),
            snapshot,
            statistics,
        };
        match versions.commit(publication).await {
            CommitAnswer::Committed => Outcome::Committed(snapshot.id),
            CommitAnswer::Lost => self.lost(snapshot).await,
            CommitAnswer::Refused(error) => Outcome::Failed(error),
            CommitAnswer::Unknown(error) => Outcome::Unknown(error),
        }
    }

    /// A catalog refused a snapshot as too late. Whoever carried the request may have repeated it, so that the snapshot
    /// it is too late for may be itself.
    async fn lost(&self, snapshot: &Snapshot) -> Outcome {
        let table = &self.commit.table;
        let path = table.snapshots().location(snapshot.id);
        let there = match table.io().read_optional(&path, SNAPSHOT_SIZE_MAX).await {
            Ok(Some(bytes)) => parse_json::<Snapshot>(&bytes, "snapshot"),
            Ok(None) => return Outcome::Lost,
            Err(error) => return Outcome::Unknown(error),
        };
        match there {
            Ok(there) if there.uuid.is_some() && there.uuid == snapshot.uuid => {
                Outcome::Committed(snapshot.id)
            }
            Ok(_) => Outcome::Lost,
            Err(error) => Outcome::Unknown(error.with_default("path", path)),
        }
    }

    /// Creates the snapshot file, under the catalog's lock if there is one, and settles the outcome.
    async fn publish(&self, snapshot: &Snapshot) -> Outcome {
        let Some(lock) = &self.commit.table.environment().lock else {
            return self.publish_now(snapshot, None).await;
        };
        let held = match lock.acquire().await {
            Ok(held) => held,
            Err(error) => return Outcome::Failed(error),
        };
        let outcome = self.publish_now(snapshot, Some(held.as_ref())).await;
        held.release().await;
        outcome
    }

    async fn publish_now(&self, snapshot: &Snapshot, lock: Option<&dyn HeldLock>) -> Outcome {
        let table = &self.commit.table;
        let bytes = match serde_json::to_vec_pretty(snapshot) {
            Ok(bytes) => Bytes::from(bytes),
            Err(e) => {
                return Outcome::Failed(Error::internal("a snapshot is no JSON").with_source(e));
            }
        };
        let path = table.snapshots().location(snapshot.id);
        if let Some(base) = &self.latest
            && let Some(outcome) = place::outrun(table, base).await
        {
            return outcome;
        }
        if let Some(lock) = lock
            && let Err(error) = lock.check().await
        {
            return Outcome::Failed(error);
        }
        let answer = match table.io().publish(&path, bytes.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unsupported && lock.is_some() => {
                publish_alone(table.io(), &path, bytes.clone()).await
            }
            answer => answer,
        };
        if matches!(answer, Ok(Publication::Created)) && !table.io().published_may_be_replaced() {
            return published(table, snapshot, self.latest.as_ref()).await;
        }
        let there = match table.io().read_optional(&path, SNAPSHOT_SIZE_MAX).await {
            Ok(there) => there,
            Err(error) => return Outcome::Unknown(error),
        };
        match (answer, there) {
            (_, Some(found)) if found == bytes => published(table, snapshot, self.latest.as_ref()).await,
            (Ok(Publication::Created), _) => Outcome::Replaced(
                // others may have built on it: this is not the kind of an error after which files may go
                Error::new(
                    ErrorKind::Io,
                    "the snapshot was replaced right after it was published: another program commits without \
                     regard to existing files",
                )
                .with("path", path),
            ),
            (_, Some(_)) | (Ok(Publication::Exists), None) => Outcome::Lost,
            (Err(error), None) => Outcome::Unknown(error),
        }
    }
}

/// Creates a file unless it is there, on a store that cannot do so in one step: for holders of a lock.
async fn publish_alone(io: &FileIo, path: &str, bytes: Bytes) -> Result<Publication> {
    if io.exists(path).await? {
        return Ok(Publication::Exists);
    }
    io.overwrite(path, bytes).await?;
    Ok(Publication::Created)
}

/// Largest snapshot file that is read back, bytes.
const SNAPSHOT_SIZE_MAX: u64 = 16 << 20;

/// Largest statistics file, bytes.
const STATISTICS_SIZE_MAX: u64 = 64 << 20;

fn split(list: Option<NamedSize>) -> (Option<String>, Option<i64>) {
    match list {
        Some((name, size)) => (Some(name), Some(size)),
        None => (None, None),
    }
}

/// Rows added minus rows removed.
fn changed_rows(entries: &[ManifestEntry]) -> i64 {
    entries
        .iter()
        .map(|e| match e.kind {
            FileKind::Add => e.file.row_count,
            FileKind::Delete => e.file.row_count.saturating_neg(),
        })
        .fold(0, i64::saturating_add)
}

/// A filter that keeps these partitions, and possibly others.
fn partitions_filter(partitions: &[&Bytes], fields: &[DataField]) -> Result<Predicate> {
    if fields.is_empty() || partitions.len() > PARTITIONS_NAMED_MAX {
        return Ok(Predicate::AlwaysTrue);
    }
    let mut any = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let values = partition_values(partition, fields)?;
        let mut all = Vec::with_capacity(fields.len());
        for (field, value) in fields.iter().zip(values) {
            all.push(match value {
                Some(value) => Predicate::leaf(field, PredicateOp::Eq, vec![Some(value)])?,
                None => Predicate::leaf(field, PredicateOp::IsNull, vec![])?,
            });
        }
        any.push(Predicate::and(all));
    }
    Ok(Predicate::or(any))
}
