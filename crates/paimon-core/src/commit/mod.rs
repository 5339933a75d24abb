//! Publishing changes as snapshots: one loop that reads the newest snapshot, checks that the changes fit it, writes
//! manifests and creates the next snapshot file, until it wins.
//!
//! A snapshot is published by creating its file if absent ([`crate::io::FileIo::publish`]), so of several writers
//! exactly one gets each id. An answer that leaves the outcome open is settled by reading the file back; nothing that a
//! doubtful attempt wrote is ever removed. Source: `FileStoreCommitImpl`.

mod attempt;
mod changes;
mod checks;
mod environment;
mod manifests;
mod options;
mod overwrite;
mod register;
mod row_tracking;
#[cfg(test)]
pub(crate) mod testing;
mod turns;
mod versions;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

pub use attempt::retry::Retries;
pub use checks::base::RowChange;
pub use checks::conflict::overlapping_files;
pub use checks::layout::OVERTAKEN;
pub(crate) use checks::layout::PastMoves;
pub use environment::{
    CatalogEnvironment, CatalogLock, HeldLock, PartitionModification, PartitionSpec,
    PartitionStatistics,
};
pub use overwrite::{Overwrite, Replaced};
pub use register::live_partitions;
pub use turns::CommitTurns;
pub use versions::{CommitAnswer, SnapshotPublication, VersionManagement};

use self::attempt::shared::Shared;
use self::attempt::{Attempt, Outcome};
use self::changes::Changes;
use self::manifests::files::ManifestFiles;
use self::options::CommitOptions;
use self::overwrite::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{CommitKind, FileKind, ManifestCommittable, Snapshot, WriteBase};
use crate::table::Table;
use crate::write::{Clock, IdSource, RandomIds, SystemClock};

/// Identifier of batch commits, whose user commits once.
pub const BATCH_COMMIT_IDENTIFIER: i64 = i64::MAX;

/// Time, unique names and order of commits.
#[derive(Debug, Clone)]
pub struct CommitContext {
    /// Commit times.
    pub clock: Arc<dyn Clock>,
    /// Names of manifests and snapshots.
    pub ids: Arc<dyn IdSource>,
    /// Which commits wait for each other.
    pub turns: CommitTurns,
}

impl Default for CommitContext {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            turns: CommitTurns::of_process(),
        }
    }
}

/// Commits to one branch of a table, on behalf of one user.
#[derive(Debug, Clone)]
pub struct FileStoreCommit {
    table: Table,
    user: String,
    options: CommitOptions,
    context: CommitContext,
    operation: Option<&'static str>,
    past: PastMoves,
}

/// What to publish, and how it is checked.
#[derive(Debug, Clone)]
struct Request<'a> {
    kind: CommitKind,
    identifier: i64,
    watermark: Option<i64>,
    properties: &'a BTreeMap<String, String>,
    operation: Option<&'static str>,
    statistics: Option<String>,
    check: bool,
    /// What was read for the changes.
    read: Option<&'a RowChange>,
    /// The oldest state by which rows were put into buckets.
    base: Option<&'a WriteBase>,
    plan: Plan<'a>,
}

/// Where the changes of an attempt come from.
#[derive(Debug, Clone)]
enum Plan<'a> {
    /// The same on every attempt.
    Fixed(&'a Changes),
    /// What is live in the target, removed, and these files added: derived anew on every attempt. Where files are named
    /// it fails unless these are what is removed.
    Overwrite(&'a Target, &'a Changes, Option<&'a Replaced>),
    /// The files of an earlier snapshot in place of those that are live.
    Restore(&'a Snapshot),
    /// What the manifests that are there name, and no other change.
    Remaining,
}

/// Checks that commits to a table are possible, before anything is written for one.
///
/// # Errors
/// `Unsupported` or `InvalidInput` naming the option.
pub(crate) fn check_committable(table: &Table) -> Result<()> {
    let options = CommitOptions::new(table.options());
    options.map(drop).map_err(|e| e.with("table", table.name()))
}

impl FileStoreCommit {
    /// Commits to `table` as `user`. Commits of one user and identifier take effect at most once.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option when the table cannot be committed to.
    pub fn new(table: &Table, user: &str, context: CommitContext) -> Result<Self> {
        let options =
            CommitOptions::new(table.options()).map_err(|e| e.with("table", table.name()))?;
        Ok(Self {
            table: table.clone(),
            user: user.to_string(),
            options,
            context,
            operation: None,
            past: PastMoves::default(),
        })
    }

    /// What commits before this one know of snapshots that overwrote rows.
    #[must_use]
    pub(crate) fn with_past(mut self, past: &PastMoves) -> Self {
        self.past = past.clone();
        self
    }

    /// What snapshots of rows say that they come from, where a commit does not say so itself.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Adds the files of a committable: what was written as an APPEND snapshot (OVERWRITE when files are removed), then
    /// what was compacted as a COMPACT snapshot. Returns the ids of the snapshots, none when nothing changed.
    ///
    /// Once the rows are committed a compaction that cannot be committed is given up with a warning: it changes no row,
    /// and an error would invite the caller to write the rows again.
    ///
    /// # Errors
    /// `CommitConflict` when the changes do not fit what others committed meanwhile, or every race was lost: nothing was
    /// published. `Io` when the store fails: the commit may have taken effect, files of the committable must stay.
    ///
    /// # Cancel safety
    /// A cancelled commit may have taken effect; committing the same user and identifier again settles it.
    pub async fn commit(&self, committable: &ManifestCommittable) -> Result<Vec<i64>> {
        self.commit_files(committable, None).await
    }

    /// As [`Self::commit`], for changes that were computed from rows of the table.
    ///
    /// # Errors
    /// `CommitConflict` when another commit changed rows since, else as [`Self::commit`].
    ///
    /// # Cancel safety
    /// As [`Self::commit`].
    pub async fn commit_change(
        &self,
        committable: &ManifestCommittable,
        change: &RowChange,
    ) -> Result<Vec<i64>> {
        self.commit_files(committable, Some(change)).await
    }

    async fn commit_files(
        &self,
        committable: &ManifestCommittable,
        change: Option<&RowChange>,
    ) -> Result<Vec<i64>> {
        let writes = Changes::of_writes(&committable.messages);
        let compactions = Changes::of_compactions(&committable.messages);
        let mut ids = Vec::new();
        let empty = writes.is_empty() && compactions.is_empty();
        let even_if_empty =
            !self.options.ignore_empty || change.is_some_and(|change| change.even_if_empty);
        if !writes.is_empty() || (empty && even_if_empty) {
            let removes = writes.removes_rows();
            let kind = if removes {
                CommitKind::Overwrite
            } else {
                CommitKind::Append
            };
            let check = removes || writes.adds_columns();
            let mut request = self.request(kind, committable, check, Plan::Fixed(&writes));
            request.operation = change.map_or(self.operation, |change| Some(change.operation));
            request.read = change;
            request.base = committable
                .messages
                .iter()
                .filter_map(|m| m.base.as_ref())
                .min_by_key(|base| base.id());
            let id = self.publish(&request).await?;
            for base in committable.messages.iter().filter_map(|m| m.base.as_ref()) {
                base.note_commit(id);
            }
            ids.push(id);
        }
        self.compact(committable, &compactions, &mut ids).await?;
        Ok(ids)
    }

    /// Publishes the compactions of a committable, after the snapshots `ids` of its rows.
    async fn compact(
        &self,
        committable: &ManifestCommittable,
        changes: &Changes,
        ids: &mut Vec<i64>,
    ) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let plan = Plan::Fixed(changes);
        let request = self.request(CommitKind::Compact, committable, true, plan);
        match self.publish(&request).await {
            Ok(id) => ids.push(id),
            Err(error) if ids.is_empty() => return Err(error),
            Err(error) => {
                tracing::warn!(
                    table = self.table.name(), %error,
                    "the rows are committed, their compaction is given up"
                );
            }
        }
        Ok(())
    }

    /// Replaces the files of a target with those of a committable as one OVERWRITE snapshot; compactions follow as a
    /// COMPACT snapshot. Changelog files are left out. Returns the ids of the snapshots.
    ///
    /// # Errors
    /// `InvalidInput` when new files are outside the target, else as [`Self::commit`].
    ///
    /// # Cancel safety
    /// As [`Self::commit`].
    pub async fn overwrite(
        &self,
        overwrite: &Overwrite,
        committable: &ManifestCommittable,
    ) -> Result<Vec<i64>> {
        self.overwrite_files(overwrite, committable, None).await
    }

    /// As [`Self::overwrite`], for rows that were read from the target: nothing that others wrote is lost.
    ///
    /// # Errors
    /// `CommitConflict` when the files of the target are others than `replaced`, else as [`Self::overwrite`].
    ///
    /// # Cancel safety
    /// As [`Self::commit`].
    pub async fn replace(
        &self,
        overwrite: &Overwrite,
        committable: &ManifestCommittable,
        replaced: &Replaced,
    ) -> Result<Vec<i64>> {
        self.overwrite_files(overwrite, committable, Some(replaced))
            .await
    }

    async fn overwrite_files(
        &self,
        overwrite: &Overwrite,
        committable: &ManifestCommittable,
        replaced: Option<&Replaced>,
    ) -> Result<Vec<i64>> {
        let fields = self.table.schema().partition_fields();
        let mut writes = Changes::of_writes(&committable.messages);
        let compactions = Changes::of_compactions(&committable.messages);
        if !writes.changelog.is_empty() {
            tracing::warn!("changelog files of an overwrite are left out");
            writes.changelog.clear();
        }
        let new_files: Vec<_> = writes
            .entries
            .iter()
            .filter(|e| e.kind == FileKind::Add)
            .cloned()
            .collect();
        let overwrite = match overwrite {
            Overwrite::Dynamic if !self.options.dynamic_overwrite => &Overwrite::Static(Vec::new()),
            other => other,
        };
        let target = Target::new(overwrite, &fields, &new_files)?;
        target.check(&new_files, &fields)?;
        let schema = self.table.schema();
        if schema.has_primary_key() && self.options.overwrite_upgrade {
            overwrite::upgrade(
                &mut writes.entries,
                &schema.key_fields(),
                self.options.level_max,
            )?;
        }
        let nothing = matches!(&target, Target::Partitions(p) if p.is_empty());
        let mut ids = Vec::new();
        if !nothing {
            let plan = Plan::Overwrite(&target, &writes, replaced);
            let mut request = self.request(CommitKind::Overwrite, committable, true, plan);
            request.operation = self.operation;
            ids.push(self.publish(&request).await?);
        }
        self.compact(committable, &compactions, &mut ids).await?;
        Ok(ids)
    }

    /// Removes all rows of the partitions with the given values; of the whole table without any. Returns the snapshot.
    ///
    /// # Errors
    /// As [`Self::overwrite`].
    pub async fn drop_partitions(
        &self,
        partitions: Vec<Vec<(String, Option<crate::spec::Datum>)>>,
        identifier: i64,
    ) -> Result<i64> {
        let target = self.dropped(partitions)?;
        self.publish_drop(&target, identifier).await
    }

    /// As [`Self::drop_partitions`], but partitions with a file that was written at `before_local_ms` (local wall clock,
    /// milliseconds read as UTC) or later stay, also when it comes while this commits.
    ///
    /// # Errors
    /// As [`Self::overwrite`].
    pub async fn drop_idle_partitions(
        &self,
        partitions: Vec<Vec<(String, Option<crate::spec::Datum>)>>,
        before_local_ms: i64,
        identifier: i64,
    ) -> Result<i64> {
        let target = Target::Idle(Box::new(self.dropped(partitions)?), before_local_ms);
        self.publish_drop(&target, identifier).await
    }

    fn dropped(
        &self,
        partitions: Vec<Vec<(String, Option<crate::spec::Datum>)>>,
    ) -> Result<Target> {
        let fields = self.table.schema().partition_fields();
        let overwrite = if partitions.is_empty() {
            Overwrite::Static(Vec::new())
        } else {
            Overwrite::AnyOf(partitions)
        };
        Target::new(&overwrite, &fields, &[])
    }

    /// Removes all rows of partitions, given by their serialised rows, that were found in the snapshot read. Returns the
    /// snapshot.
    ///
    /// # Errors
    /// `CommitConflict` when another commit changed rows since, else as [`Self::overwrite`].
    pub async fn drop_read_partitions(
        &self,
        partitions: HashSet<Bytes>,
        change: &RowChange,
        identifier: i64,
    ) -> Result<i64> {
        let target = Target::Partitions(partitions);
        let id = self
            .publish_truncation(&target, identifier, Some(change))
            .await?;
        self.unregister_dropped(id).await;
        Ok(id)
    }

    async fn publish_drop(&self, target: &Target, identifier: i64) -> Result<i64> {
        let id = self.publish_truncation(target, identifier, None).await?;
        if !matches!(target, Target::All) {
            self.unregister_dropped(id).await;
        }
        Ok(id)
    }

    async fn publish_truncation(
        &self,
        target: &Target,
        identifier: i64,
        change: Option<&RowChange>,
    ) -> Result<i64> {
        let none = Changes::default();
        let committable = ManifestCommittable {
            identifier,
            ..ManifestCommittable::default()
        };
        let plan = Plan::Overwrite(target, &none, None);
        let mut request = self.request(CommitKind::Overwrite, &committable, true, plan);
        request.operation = Some(change.map_or("TRUNCATE", |change| change.operation));
        request.read = change;
        self.publish(&request).await
    }

    /// Adds files that another commit may have added already. Returns the snapshot.
    ///
    /// # Errors
    /// `CommitConflict` when one of the files is there, else as [`Self::commit`].
    ///
    /// # Cancel safety
    /// As [`Self::commit`].
    pub async fn add_files(&self, committable: &ManifestCommittable) -> Result<i64> {
        let writes = Changes::of_writes(&committable.messages);
        let plan = Plan::Fixed(&writes);
        let request = self.request(CommitKind::Append, committable, true, plan);
        self.publish(&request).await
    }

    /// Makes the state of an earlier snapshot the newest one, as an OVERWRITE snapshot. Returns that snapshot.
    ///
    /// # Errors
    /// As [`Self::commit`].
    ///
    /// # Cancel safety
    /// As [`Self::commit`].
    pub async fn restore(&self, snapshot: &Snapshot, identifier: i64) -> Result<i64> {
        let committable = ManifestCommittable {
            identifier,
            ..ManifestCommittable::default()
        };
        let plan = Plan::Restore(snapshot);
        let request = self.request(CommitKind::Overwrite, &committable, false, plan);
        let id = self.publish(&request).await?;
        self.unregister_dropped(id).await;
        self.register_added(id).await;
        Ok(id)
    }

    /// Publishes statistics: the name of a file in `statistics/`. Returns the snapshot.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn commit_statistics(&self, file_name: &str, identifier: i64) -> Result<i64> {
        let none = Changes::default();
        let committable = ManifestCommittable {
            identifier,
            ..ManifestCommittable::default()
        };
        let plan = Plan::Fixed(&none);
        let mut request = self.request(CommitKind::Analyze, &committable, false, plan);
        request.statistics = Some(file_name.to_string());
        self.publish(&request).await
    }

    /// Snapshots that this user committed with an identifier, ascending; empty when it was never committed.
    ///
    /// # Errors
    /// `Damaged` for a broken snapshot.
    pub async fn committed(&self, identifier: i64) -> Result<Vec<i64>> {
        let mut ids = self.table.snapshots().ids().await?;
        ids.reverse();
        let mut found = Vec::new();
        for id in ids {
            let Some(snapshot) = self.table.snapshots().try_get(id).await? else {
                break;
            };
            if snapshot.commit_user != self.user {
                continue;
            }
            if snapshot.commit_identifier < identifier {
                break;
            }
            if snapshot.commit_identifier == identifier {
                found.push(id);
            }
        }
        found.reverse();
        Ok(found)
    }

    fn request<'a>(
        &self,
        kind: CommitKind,
        committable: &'a ManifestCommittable,
        check: bool,
        plan: Plan<'a>,
    ) -> Request<'a> {
        Request {
            kind,
            identifier: committable.identifier,
            watermark: committable.watermark,
            properties: &committable.properties,
            operation: None,
            statistics: None,
            check,
            read: None,
            base: None,
            plan,
        }
    }

    async fn publish(&self, request: &Request<'_>) -> Result<i64> {
        let fields = self.table.schema().partition_fields();
        let mut shared = Shared::new(ManifestFiles::new(
            self.table.io(),
            self.table.location(),
            &fields,
            &self.options,
            self.table.schema().id,
            self.context.ids.uuid(),
        ));
        let mut doubtful_since = None;
        let result = self
            .attempts(request, &mut shared, &mut doubtful_since)
            .await;
        if result.is_ok() {
            self.register_filled(&request.plan).await;
        }
        result.map_err(|error| {
            let error = match doubtful_since {
                // no kind that tells the caller that nothing happened
                Some(_) => Error::new(
                    ErrorKind::Io,
                    "whether the commit took effect is unknown: repeat it with the same user and identifier",
                )
                .with("outcome", "unknown")
                .with_source(error),
                None => error,
            };
            error.with_default("table", self.table.name())
        })
    }

    /// The loop: attempts until one wins. `doubtful_since` is the newest snapshot before the first attempt whose outcome
    /// is open. Before each other attempt the request may have taken effect: by an attempt of which nobody knew, or by
    /// another process that runs the same task.
    async fn attempts<'a>(
        &'a self,
        request: &Request<'_>,
        shared: &mut Shared<'a>,
        doubtful_since: &mut Option<i64>,
    ) -> Result<i64> {
        let mut retries = Retries::new(&self.options, &self.context);
        let mut begun_at = None;
        loop {
            let turn = self.context.turns.take(&self.table).await;
            let latest = self.table.snapshots().latest_to_build_on().await?;
            let latest_id = latest.as_ref().map_or(0, |s| s.id);
            let since = *begun_at.get_or_insert(latest_id);
            if latest_id > since
                && let Some(id) = self.find_own(request, since + 1, latest_id).await?
            {
                return Ok(id);
            }
            // boxed: a commit is awaited deep inside of others' futures
            let attempt = Attempt::new(self, request, latest);
            let error = match Box::pin(attempt.run(shared)).await {
                Outcome::Committed(id) => return Ok(id),
                Outcome::Failed(error) => {
                    shared.discard().await;
                    return Err(error);
                }
                Outcome::Replaced(error) => {
                    doubtful_since.get_or_insert(latest_id);
                    return Err(error);
                }
                Outcome::Lost => Error::new(
                    ErrorKind::CommitConflict,
                    "another commit took the snapshot id",
                ),
                Outcome::Unknown(error) => {
                    doubtful_since.get_or_insert(latest_id);
                    shared.keep_all();
                    error
                }
            };
            drop(turn);
            if !retries.wait().await {
                shared.discard().await;
                let message = format!("giving up the commit after {} attempts", retries.attempts());
                return Err(Error::new(error.kind(), message).with_source(error));
            }
        }
    }

    /// The snapshot among `first..=last` that this request published, here or in another process.
    async fn find_own(&self, request: &Request<'_>, first: i64, last: i64) -> Result<Option<i64>> {
        for id in first..=last {
            if let Some(snapshot) = self.table.snapshots().try_get(id).await?
                && self.is_own(&snapshot, request)
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn is_own(&self, snapshot: &Snapshot, request: &Request<'_>) -> bool {
        snapshot.commit_user == self.user
            && snapshot.commit_identifier == request.identifier
            && snapshot.commit_kind == request.kind
    }
}
