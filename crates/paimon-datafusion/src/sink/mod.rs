//! INSERT: rows into a table write, then one commit.
//!
//! Nothing happens before the plan is executed. A statement that fails or is dropped half-way takes its files back.

mod again;
mod cleanup;
mod memory;
mod metrics;
mod new_table;
pub(crate) mod rows;
mod target;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::datasource::sink::DataSink;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType};
use futures::StreamExt;
use paimon_core::commit::{CommitContext, Overwrite, Retries};
use paimon_core::schema::SchemaMerging;
use paimon_core::spec::CommitMessage;
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, ScanTarget, Table, TableCommit};
use paimon_core::write::WriteContext;
use paimon_core::{Error, ErrorKind};

pub use cleanup::finish_cleanups;
pub use new_table::{Creation, NewTableParts, NewTableTarget};
pub use target::SinkTarget;

pub(crate) use self::again::Query;
use self::again::was_overtaken;
pub(crate) use self::cleanup::WriteGuard;
pub(crate) use self::memory::write_context;
pub(crate) use self::new_table::Step;
use crate::error::to_datafusion;
use crate::session::{CommitIdentity, FixedIdentity, SessionSettings, USER_PREFIX};
use crate::store::StoreAssignment;

/// What becomes of the rows that are there.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkMode {
    /// They stay.
    Append,
    /// These go.
    Overwrite(Overwrite),
}

impl SinkMode {
    /// Overwrites what the rows' partitions hold, or all of a table without partitions.
    pub(crate) fn overwrite_dynamic() -> Self {
        Self::Overwrite(Overwrite::Dynamic)
    }

    fn overwrites(&self) -> bool {
        matches!(self, Self::Overwrite(_))
    }
}

/// Writes its input to a table and commits it.
pub struct PaimonSink {
    table: Table,
    settings: Arc<SessionSettings>,
    mode: SinkMode,
    store: StoreAssignment,
    identity: FixedIdentity,
    /// Whether nothing that is there now will be there at the commit.
    emptied: bool,
    operation: Option<&'static str>,
    /// Where the rows come from, if they can be had once more.
    query: Option<Arc<Query>>,
    metrics: ExecutionPlanMetricsSet,
}

/// What a write to a table is made of.
#[derive(Debug, Clone)]
pub struct SinkParts {
    /// The table.
    pub table: Table,
    /// Time zone of the session.
    pub time_zone: String,
    /// What becomes of the rows that are there.
    pub mode: SinkMode,
    /// Who commits: however often the write is run, it takes effect once.
    pub identity: CommitIdentity,
}

impl PaimonSink {
    /// A sink of parts.
    ///
    /// # Errors
    /// As for one that a session plans: naming the option when the table cannot be written to.
    pub fn of_parts(parts: SinkParts) -> Result<Self> {
        let settings = Arc::new(SessionSettings::of_zone(&parts.time_zone)?);
        let made = Self::new(parts.table, settings, parts.mode).map_err(to_datafusion)?;
        Ok(made.identified(FixedIdentity::of(parts.identity)))
    }

    /// What the sink is made of. From now on it commits once, however often it is run.
    pub fn parts(&self) -> SinkParts {
        SinkParts {
            table: self.table.clone(),
            time_zone: self.store.zone().to_string(),
            mode: self.mode.clone(),
            identity: self
                .identity
                .choose(&self.settings, self.table.options().get(USER_PREFIX)),
        }
    }

    pub(crate) fn identified(self, identity: FixedIdentity) -> Self {
        Self { identity, ..self }
    }

    pub(crate) fn of_query(self, query: Option<Arc<Query>>) -> Self {
        Self { query, ..self }
    }

    /// What snapshots say that they come from.
    pub(crate) fn of_operation(self, operation: &'static str) -> Self {
        Self {
            operation: Some(operation),
            ..self
        }
    }

    /// A sink whose table loses what it holds before the commit.
    pub(crate) fn into_emptied(self, operation: &'static str) -> Self {
        Self {
            emptied: true,
            ..self.of_operation(operation)
        }
    }

    /// A sink for a table.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option when the table cannot be written to.
    pub(crate) fn new(
        table: Table,
        settings: Arc<SessionSettings>,
        mode: SinkMode,
    ) -> paimon_core::Result<Self> {
        if !matches!(table.target(), ScanTarget::Latest) {
            return Err(Error::invalid(
                "only the newest state of a table can be written to: take the time travel away",
            )
            .with("table", table.name()));
        }
        // settings are checked before the query runs
        table
            .write_builder()
            .with_ignore_previous_files(mode.overwrites())
            .build()?;
        let fields = table.schema().fields.clone();
        let merges = SchemaMerging::of(table.options())?.is_some();
        Ok(Self {
            store: StoreAssignment::new(fields, &settings.time_zone()).filling(merges),
            table,
            settings,
            mode,
            identity: FixedIdentity::default(),
            emptied: false,
            operation: None,
            query: None,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// Checks the types of the rows to come, by position.
    ///
    /// # Errors
    /// `InvalidInput` naming the column.
    pub(crate) fn check(&self, rows: &SchemaRef) -> paimon_core::Result<()> {
        let checked = self.store.check(rows);
        checked.map_err(|e| e.with_default("table", self.table.name()))
    }

    /// Who commits: the identity of the plan, else the session's, else a random one.
    fn commit(&self) -> Committer {
        let commit = self.table.new_commit();
        let commit = match self.operation {
            Some(operation) => commit.with_operation(operation),
            None => commit,
        };
        let fixed = self.identity.get().cloned();
        match fixed.or_else(|| self.settings.next_commit_identity()) {
            Some(own) => Committer {
                commit: commit.with_user(&own.user),
                user: Some(own.user),
                identifier: own.identifier,
            },
            None => Committer {
                commit,
                user: None,
                identifier: BATCH_COMMIT_IDENTIFIER,
            },
        }
    }

    fn start(
        &self,
        user: Option<String>,
        context: WriteContext,
    ) -> paimon_core::Result<WriteGuard> {
        let mut builder = self
            .table
            .write_builder()
            .with_ignore_previous_files(self.emptied || self.mode.overwrites())
            .with_context(context);
        if let Some(user) = user {
            builder = builder.with_commit_user(user);
        }
        builder.build().map(WriteGuard::new)
    }

    async fn write(
        &self,
        write: &mut WriteGuard,
        mut data: SendableRecordBatchStream,
    ) -> Result<(u64, Vec<CommitMessage>)> {
        let counter = MetricBuilder::new(&self.metrics).global_counter("rows_written");
        let mut rows = 0u64;
        while let Some(batch) = data.next().await {
            let batch = self.store.batch(&batch?).map_err(|e| self.named(e))?;
            write
                .get()?
                .write(&batch)
                .await
                .map_err(|e| self.named(e))?;
            counter.add(batch.num_rows());
            rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        }
        let messages = write.get()?.prepare_commit().await;
        Ok((rows, messages.map_err(|e| self.named(e))?))
    }

    /// Writes all rows, does something, and commits them. When that fails the files are taken back.
    pub(crate) async fn write_then(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
        then: impl Future<Output = paimon_core::Result<()>>,
    ) -> Result<u64> {
        self.attempt(&self.commit(), data, context, then).await
    }

    async fn attempt(
        &self,
        committer: &Committer,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
        then: impl Future<Output = paimon_core::Result<()>>,
    ) -> Result<u64> {
        let (commit, identifier) = (committer.commit.clone(), committer.identifier);
        if commit.is_done(identifier).await.map_err(to_datafusion)? {
            return count(data).await;
        }
        let own = write_context(&self.table, context).map_err(to_datafusion)?;
        let spent = Arc::clone(&own.metrics);
        let commit = commit.with_metrics(Arc::clone(&spent));
        let user = committer.user.clone();
        let mut write = self.start(user, own).map_err(to_datafusion)?;
        let (rows, messages) = match self.write(&mut write, data).await {
            Ok(done) => done,
            Err(error) => {
                write.abort().await;
                return Err(error);
            }
        };
        write.finish();
        if let Err(error) = then.await {
            commit.abort(&messages).await;
            return Err(self.named(error));
        }
        let published = self.publish(&commit, identifier, messages).await;
        metrics::report(&self.metrics, &spent);
        published.map_err(|e| self.named(e))?;
        Ok(rows)
    }

    fn named(&self, error: Error) -> datafusion::error::DataFusionError {
        to_datafusion(error.with_default("table", self.table.name()))
    }

    async fn publish(
        &self,
        commit: &TableCommit,
        identifier: i64,
        messages: Vec<CommitMessage>,
    ) -> paimon_core::Result<()> {
        metrics::count_files(&self.metrics, &messages);
        let done = match &self.mode {
            SinkMode::Append => commit.commit(identifier, messages.clone()).await,
            SinkMode::Overwrite(target) => {
                let target = target.clone();
                commit.overwrite(target, identifier, messages.clone()).await
            }
        };
        let Err(error) = done else { return Ok(()) };
        // after any other error a snapshot may be there that names the files
        let never_published = matches!(
            error.kind(),
            ErrorKind::CommitConflict | ErrorKind::InvalidInput | ErrorKind::Unsupported
        );
        if never_published {
            commit.abort(&messages).await;
        }
        Err(error)
    }
}

/// Who commits.
struct Committer {
    commit: TableCommit,
    user: Option<String>,
    identifier: i64,
}

/// What a statement says that others overtook too often.
fn gave_up(retries: &Retries) -> String {
    format!(
        "giving up the statement after {} attempts: others changed the table each time",
        retries.attempts()
    )
}

impl fmt::Debug for PaimonSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaimonSink")
            .field("table", &self.table.name())
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for PaimonSink {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaimonSink: table={}, ", self.table.name())?;
        match &self.mode {
            SinkMode::Append => f.write_str("append"),
            SinkMode::Overwrite(Overwrite::Dynamic) => {
                f.write_str("overwrite=partitions of the rows")
            }
            SinkMode::Overwrite(Overwrite::Static(pairs)) if pairs.is_empty() => {
                f.write_str("overwrite=all")
            }
            SinkMode::Overwrite(Overwrite::Static(pairs)) => {
                let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
                write!(f, "overwrite=partition by {}", names.join(", "))
            }
            SinkMode::Overwrite(_) => f.write_str("overwrite"),
        }
    }
}

#[async_trait]
impl DataSink for PaimonSink {
    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn schema(&self) -> &SchemaRef {
        // with that of the table DataFusion would refuse nulls of NOT NULL columns before they are named
        self.store.relaxed_schema()
    }

    async fn write_all(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let committer = self.commit();
        let retries = Retries::of(&self.table, &CommitContext::default());
        let mut retries = retries.map_err(|e| self.named(e))?;
        let mut rows = data;
        loop {
            let attempt = self.attempt(&committer, rows, context, async { Ok(()) });
            let error = match attempt.await {
                Ok(count) => return Ok(count),
                Err(error) => error,
            };
            let Some(query) = self.query.as_ref().filter(|_| was_overtaken(&error)) else {
                return Err(error);
            };
            if !retries.wait().await {
                return Err(error.context(gave_up(&retries)));
            }
            rows = query.rows(context).await?;
        }
    }
}

/// Rows of an input that was written earlier.
async fn count(mut data: SendableRecordBatchStream) -> Result<u64> {
    let mut rows = 0;
    while let Some(batch) = data.next().await {
        rows += u64::try_from(batch?.num_rows()).unwrap_or(u64::MAX);
    }
    Ok(rows)
}
