//! Committing what was written.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::Table;
pub use crate::commit::BATCH_COMMIT_IDENTIFIER;
use crate::commit::{CommitContext, FileStoreCommit, Overwrite, PastMoves, RowChange};
use crate::error::Result;
use crate::maintenance::{AutoCompact, after_commit};
use crate::manifest::ManifestScan;
use crate::predicate::Predicate;
use crate::spec::{CommitMessage, Datum, ManifestCommittable, Snapshot};
use crate::write::{WriteMetrics, discard_files};

/// Publishes messages of writes as snapshots. Then, unless the table is `write-only`, it compacts the buckets written to
/// as far as that is due (a snapshot of its own) and expires snapshots, tags, partitions and consumers by the table's
/// options.
///
/// Without [`Self::with_user`] the user is random: every commit is new. With a user of its own a commit of one
/// identifier takes effect once, however often it is repeated.
#[derive(Debug, Clone)]
pub struct TableCommit {
    table: Table,
    user: Option<String>,
    context: CommitContext,
    watermark: Option<i64>,
    properties: BTreeMap<String, String>,
    operation: Option<&'static str>,
    metrics: Arc<WriteMetrics>,
    past: PastMoves,
}

impl TableCommit {
    /// Commits as this user.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_string());
        self
    }

    /// Clock and names; the default is the system's.
    #[must_use]
    pub fn with_context(mut self, context: CommitContext) -> Self {
        self.context = context;
        self
    }

    /// Where compactions after the commit are counted.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<WriteMetrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Event-time watermark, epoch milliseconds.
    #[must_use]
    pub fn with_watermark(mut self, watermark: i64) -> Self {
        self.watermark = Some(watermark);
        self
    }

    /// Adds a free property to the snapshot.
    #[must_use]
    pub fn with_property(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_string(), value.to_string());
        self
    }

    /// Says in the snapshot what statement it comes from, where the commit itself does not. Java: `Snapshot.Operation`.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Adds and removes the files of messages. Returns the ids of the snapshots made (or made earlier by this user and
    /// identifier), none when nothing changed.
    ///
    /// # Errors
    /// `CommitConflict` when the changes do not fit what others committed, or every race was lost; `Unsupported` naming
    /// the option when the table cannot be committed to.
    ///
    /// # Cancel safety
    /// A cancelled commit may have taken effect: repeat it with the same user and identifier.
    pub async fn commit(&self, identifier: i64, messages: Vec<CommitMessage>) -> Result<Vec<i64>> {
        let commit = self.file_store_commit()?;
        let committable = self.committable(identifier, messages);
        if let Some(done) = self.done_before(&commit, identifier).await? {
            commit.register_again(&committable).await;
            return Ok(done);
        }
        let made = commit.commit(&committable).await?;
        Box::pin(self.maintain(&committable, &made, false)).await;
        Ok(made)
    }

    /// As [`Self::commit`], for changes that were computed from rows of the table: of several that read the same
    /// snapshot one wins, the others read again.
    ///
    /// # Errors
    /// `CommitConflict` when another commit changed rows since, else as [`Self::commit`].
    ///
    /// # Cancel safety
    /// As [`Self::commit`].
    pub async fn commit_change(
        &self,
        change: &RowChange,
        identifier: i64,
        messages: Vec<CommitMessage>,
    ) -> Result<Vec<i64>> {
        let commit = self.file_store_commit()?;
        let committable = self.committable(identifier, messages);
        if let Some(done) = self.done_before(&commit, identifier).await? {
            commit.register_again(&committable).await;
            return Ok(done);
        }
        let made = commit.commit_change(&committable, change).await?;
        Box::pin(self.maintain(&committable, &made, false)).await;
        Ok(made)
    }

    /// Replaces the files of partitions with those of messages. Returns the ids of the snapshots made.
    ///
    /// # Errors
    /// `InvalidInput` when a message is outside what is overwritten, else as [`Self::commit`].
    ///
    /// # Cancel safety
    /// As [`Self::commit`].
    pub async fn overwrite(
        &self,
        target: Overwrite,
        identifier: i64,
        messages: Vec<CommitMessage>,
    ) -> Result<Vec<i64>> {
        let commit = self.file_store_commit()?;
        let committable = self.committable(identifier, messages);
        if let Some(done) = self.done_before(&commit, identifier).await? {
            commit.register_again(&committable).await;
            return Ok(done);
        }
        let made = commit.overwrite(&target, &committable).await?;
        Box::pin(self.maintain(&committable, &made, true)).await;
        Ok(made)
    }

    /// Removes all rows. Returns the snapshot.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn truncate(&self, identifier: i64) -> Result<i64> {
        self.drop_partitions(Vec::new(), identifier).await
    }

    /// Removes the rows of the partitions with the given values of some or all partition columns; of the whole table
    /// without any. Returns the snapshot.
    ///
    /// # Errors
    /// `InvalidInput` for a column that is no partition column, else as [`Self::commit`].
    pub async fn drop_partitions(
        &self,
        partitions: Vec<Vec<(String, Option<Datum>)>>,
        identifier: i64,
    ) -> Result<i64> {
        let commit = self.file_store_commit()?;
        if let Some(done) = self.done_before(&commit, identifier).await?
            && let Some(id) = done.last()
        {
            return Ok(*id);
        }
        let made = commit.drop_partitions(partitions, identifier).await?;
        self.maintain(&self.committable(identifier, Vec::new()), &[made], true)
            .await;
        Ok(made)
    }

    /// Removes all rows of the partitions that a filter over the partition columns keeps, as they were read for the
    /// change. Returns the snapshot; `None` when there was nothing to remove.
    ///
    /// # Errors
    /// `CommitConflict` when another commit changed rows since, else as [`Self::commit`].
    ///
    /// # Cancel safety
    /// As [`Self::commit`].
    pub async fn drop_read_partitions(
        &self,
        filter: &Predicate,
        change: &RowChange,
        identifier: i64,
    ) -> Result<Option<i64>> {
        let commit = self.file_store_commit()?;
        if let Some(done) = self.done_before(&commit, identifier).await? {
            return Ok(done.last().copied());
        }
        let partitions = match &change.base {
            Some(base) => {
                let scan = ManifestScan {
                    partition_filter: filter.clone(),
                    ..self.table.manifest_scan()
                };
                let (files, _) = scan.live_files(base).await?;
                files.into_iter().map(|file| file.partition).collect()
            }
            None => HashSet::new(),
        };
        if partitions.is_empty() && !change.even_if_empty {
            return Ok(None);
        }
        let made = commit
            .drop_read_partitions(partitions, change, identifier)
            .await?;
        self.maintain(&self.committable(identifier, Vec::new()), &[made], true)
            .await;
        Ok(Some(made))
    }

    /// Compacts what was written and expires what the table's options let go. The commit stands, so a failure is no error
    /// of the caller's.
    async fn maintain(&self, committed: &ManifestCommittable, made: &[i64], overwrite: bool) {
        let context = &self.context;
        let messages = &committed.messages;
        let due = AutoCompact::after(&self.table, committed.identifier, messages, overwrite);
        let compacted = match due {
            Ok(Some(compact)) => {
                let work = compact.run(&self.table, context);
                self.metrics.compactions.measure(work).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = compacted {
            tracing::warn!(table = self.table.name(), %error, "compaction after a commit failed");
        }
        if let Err(error) = after_commit(&self.table, context, committed.identifier, made).await {
            tracing::warn!(table = self.table.name(), %error, "expiry after a commit failed");
        }
    }

    /// Removes the files of messages that no snapshot names: those of a commit that did not take effect.
    ///
    /// What cannot be removed is logged and left to orphan cleaning.
    pub async fn abort(&self, messages: &[CommitMessage]) {
        for message in messages {
            if let Err(error) = discard_files(&self.table, self.context.ids.as_ref(), message).await
            {
                tracing::warn!(table = self.table.name(), %error, "could not remove uncommitted files");
            }
        }
    }

    /// Whether this user committed the identifier already; never without a user of its own.
    ///
    /// # Errors
    /// `Damaged` for a broken snapshot.
    pub async fn is_done(&self, identifier: i64) -> Result<bool> {
        let commit = self.file_store_commit()?;
        Ok(self.done_before(&commit, identifier).await?.is_some())
    }

    /// The newest snapshot of this user that holds a property; `None` without a user of its own.
    ///
    /// # Errors
    /// `Damaged` for a broken snapshot.
    pub async fn last_with_property(&self, key: &str) -> Result<Option<Snapshot>> {
        let Some(user) = &self.user else {
            return Ok(None);
        };
        let snapshots = self.table.snapshots();
        for id in snapshots.ids().await?.into_iter().rev() {
            let found = snapshots.try_get(id).await?.filter(|s| {
                let has = |p: &BTreeMap<String, String>| p.contains_key(key);
                s.commit_user == *user && s.properties.as_ref().is_some_and(has)
            });
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn file_store_commit(&self) -> Result<FileStoreCommit> {
        let user = match &self.user {
            Some(user) => user.clone(),
            None => {
                let own = self.context.ids.uuid().to_string();
                match self.table.options().get("commit.user-prefix") {
                    Some(prefix) => format!("{prefix}_{own}"),
                    None => own,
                }
            }
        };
        let commit = FileStoreCommit::new(&self.table, &user, self.context.clone())?;
        let commit = commit.with_past(&self.past);
        Ok(match self.operation {
            Some(operation) => commit.with_operation(operation),
            None => commit,
        })
    }

    async fn done_before(
        &self,
        commit: &FileStoreCommit,
        identifier: i64,
    ) -> Result<Option<Vec<i64>>> {
        if self.user.is_none() {
            return Ok(None);
        }
        let done = commit.committed(identifier).await?;
        Ok((!done.is_empty()).then_some(done))
    }

    fn committable(&self, identifier: i64, messages: Vec<CommitMessage>) -> ManifestCommittable {
        ManifestCommittable {
            identifier,
            watermark: self.watermark,
            properties: self.properties.clone(),
            messages,
        }
    }
}

impl Table {
    /// Commits to this table and branch, as a random user.
    pub fn new_commit(&self) -> TableCommit {
        TableCommit {
            table: self.clone(),
            user: None,
            context: CommitContext::default(),
            watermark: None,
            properties: BTreeMap::new(),
            operation: None,
            metrics: Arc::default(),
            past: PastMoves::default(),
        }
    }
}
