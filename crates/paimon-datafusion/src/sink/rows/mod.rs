//! UPDATE, DELETE and MERGE: changed rows into a table write, then one commit.
//!
//! A statement holds for the snapshot that it read. When another one was committed meanwhile it is planned and run again on
//! the newest, as often as the table's commit options allow, so that no update is lost.

mod changes;
mod columns;
mod target;
mod writes;

use std::fmt;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, SchemaRef};
use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::datasource::sink::DataSink;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::LexRequirement;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, execute_stream};
use futures::StreamExt;
use paimon_core::commit::{CommitContext, Retries, RowChange};
use paimon_core::predicate::Predicate;
use paimon_core::spec::CommitMessage;
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table, TableCommit};
use paimon_core::write::WriteContext;
use paimon_core::{Error, ErrorKind};

pub(crate) use target::{ACTION_COLUMN, Statement, change_keys};
pub use target::{Operation, RowsParts, RowsTarget};

use self::changes::RowChanges;
use self::writes::Writes;
use super::gave_up;
use super::memory::write_context;
use super::metrics;
use crate::error::{paimon_error, to_datafusion};
use crate::scan::TargetProvider;
use crate::session::CommitIdentity;

/// Applies changed rows to a table and commits them.
#[derive(Debug)]
pub struct RowsSink {
    statement: Arc<Statement>,
    schema: SchemaRef,
    metrics: ExecutionPlanMetricsSet,
}

impl RowsSink {
    fn new(statement: Arc<Statement>, schema: SchemaRef) -> Self {
        Self {
            statement,
            schema,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// What the sink is made of. From now on it commits once, however often it is run.
    pub fn parts(&self) -> RowsParts {
        self.statement.parts()
    }

    /// Order that its input must have.
    ///
    /// # Errors
    /// When the input lacks a key column.
    pub fn order(&self, rows: &SchemaRef) -> Result<Option<LexRequirement>> {
        self.statement.order(rows)
    }

    fn table(&self) -> &Table {
        &self.statement.table
    }

    fn named(&self, error: Error) -> datafusion::error::DataFusionError {
        to_datafusion(error.with_default("table", self.table().name()))
    }

    /// The rows of the statement over the newest snapshot.
    async fn again(
        &self,
        context: &Arc<TaskContext>,
    ) -> Result<(Arc<TargetProvider>, SendableRecordBatchStream)> {
        let pinned = TargetProvider::pin_settled(self.table()).await;
        let target = Arc::new(pinned.map_err(|e| self.named(e))?);
        if self.statement.dropped.is_none() {
            let readable = target.refuse_waiting_rows().await;
            readable.map_err(|e| self.named(e))?;
        }
        let plan = self.statement.plan_over(&target)?;
        let plan = self.statement.state.create_physical_plan(&plan).await?;
        let rows = execute_stream(plan, context.clone())?;
        Ok((target, rows))
    }

    async fn is_newest(&self, target: &TargetProvider) -> Result<bool> {
        let newest = self.table().snapshots().latest_id().await;
        let newest = newest.map_err(|e| self.named(e))?;
        Ok(newest == target.base().map(|s| s.id))
    }

    /// Runs the statement once. Returns the number of changed rows.
    async fn attempt(
        &self,
        target: &TargetProvider,
        rows: SendableRecordBatchStream,
        identity: Option<&CommitIdentity>,
        context: &TaskContext,
    ) -> Result<u64> {
        let commit = self.commit(identity);
        if let Some(dropped) = &self.statement.dropped {
            return self.drop_partitions(target, rows, identity, dropped).await;
        }
        let own = write_context(self.table(), context).map_err(|e| self.named(e))?;
        let commit = commit.with_metrics(Arc::clone(&own.metrics));
        let mut builder = self
            .table()
            .write_builder()
            .with_context(own.clone())
            .with_nulls_kept(true);
        if let Some(identity) = identity {
            builder = builder.with_commit_user(identity.user.as_str());
        }
        let writes = Writes::start(self.table(), &builder);
        let mut writes = writes.map_err(|e| self.named(e))?;
        let done = self.apply(target, rows, &mut writes, &commit, &own).await;
        let (count, messages) = match done {
            Ok(done) => done,
            Err(error) => {
                writes.abort().await;
                return Err(error);
            }
        };
        writes.finish();
        if count > 0 || identity.is_some() {
            let published = self.publish(&commit, target, identity, messages).await;
            metrics::report(&self.metrics, &own.metrics);
            published.map_err(|e| self.named(e))?;
        }
        Ok(count)
    }

    /// Removes whole partitions; `rows` say how many rows are in them.
    async fn drop_partitions(
        &self,
        target: &TargetProvider,
        mut rows: SendableRecordBatchStream,
        identity: Option<&CommitIdentity>,
        dropped: &Predicate,
    ) -> Result<u64> {
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let counts = batch.column(0).as_primitive::<Int64Type>();
            count += counts.values().iter().sum::<i64>();
        }
        let change = self.change(target, identity);
        let identifier = identity.map_or(BATCH_COMMIT_IDENTIFIER, |own| own.identifier);
        let commit = self.commit(identity);
        let done = commit.drop_read_partitions(dropped, &change, identifier);
        done.await.map_err(|e| self.named(e))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn change(&self, target: &TargetProvider, identity: Option<&CommitIdentity>) -> RowChange {
        RowChange {
            base: target.base().cloned(),
            operation: self.statement.operation.name(),
            even_if_empty: identity.is_some(),
        }
    }

    fn commit(&self, identity: Option<&CommitIdentity>) -> TableCommit {
        let commit = self.table().new_commit();
        match identity {
            Some(own) => commit.with_user(&own.user),
            None => commit,
        }
    }

    async fn apply(
        &self,
        target: &TargetProvider,
        mut rows: SendableRecordBatchStream,
        writes: &mut Writes,
        commit: &TableCommit,
        own: &WriteContext,
    ) -> Result<(u64, Vec<CommitMessage>)> {
        let mut changes = RowChanges::new(&self.statement, target, own)?;
        let changed = async {
            while let Some(batch) = rows.next().await {
                changes.apply(&batch?, writes).await?;
            }
            changes.finish(writes, own).await
        };
        let changed = changed.await;
        let (count, mut messages) = changes.into_messages();
        if let Err(error) = changed {
            commit.abort(&messages).await;
            return Err(error);
        }
        match writes.prepare_commit(&mut messages).await {
            Ok(()) => Ok((count, messages)),
            Err(error) => {
                commit.abort(&messages).await;
                Err(error)
            }
        }
    }

    async fn publish(
        &self,
        commit: &TableCommit,
        target: &TargetProvider,
        identity: Option<&CommitIdentity>,
        messages: Vec<CommitMessage>,
    ) -> paimon_core::Result<()> {
        metrics::count_files(&self.metrics, &messages);
        let change = self.change(target, identity);
        let identifier = identity.map_or(BATCH_COMMIT_IDENTIFIER, |own| own.identifier);
        let done = commit
            .commit_change(&change, identifier, messages.clone())
            .await;
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

/// Whether a statement that failed may succeed on the newest snapshot.
fn came_too_late(error: &datafusion::error::DataFusionError) -> bool {
    let kind = paimon_error(error).map(Error::kind);
    matches!(
        kind,
        Some(ErrorKind::CommitConflict | ErrorKind::SnapshotExpired)
    )
}

impl DisplayAs for RowsSink {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, operation) = (self.table().name(), self.statement.operation);
        write!(f, "PaimonRowsSink: table={table}, {}", operation.name())
    }
}

#[async_trait]
impl DataSink for RowsSink {
    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let fixed = self.statement.identity.get().cloned();
        let identity = fixed.or_else(|| self.statement.settings.next_commit_identity());
        if let Some(own) = &identity
            && let done = self.commit(identity.as_ref()).is_done(own.identifier)
            && done.await.map_err(|e| self.named(e))?
        {
            return Ok(0);
        }
        let attempts = MetricBuilder::new(&self.metrics).global_counter("attempts");
        let mut retries =
            Retries::of(self.table(), &CommitContext::default()).map_err(|e| self.named(e))?;
        let planned = &self.statement.target;
        let mut input = match self.is_newest(planned).await? {
            true => Some((planned.clone(), data)),
            false => None,
        };
        loop {
            let (target, rows) = match input.take() {
                Some(planned) => planned,
                None => self.again(context).await?,
            };
            attempts.add(1);
            let run = self.attempt(&target, rows, identity.as_ref(), context);
            let error = match run.await {
                Ok(count) => return Ok(count),
                Err(error) if came_too_late(&error) => error,
                Err(error) => return Err(error),
            };
            if !retries.wait().await {
                return Err(error.context(gave_up(&retries)));
            }
        }
    }
}
