//! A running INSERT from a stream: steps are written as they come and committed together now and then.
//!
//! Exactly once: a commit holds, as properties of its snapshot, which snapshots of the source it covers. A statement that
//! is started again under the same name (of its consumer, or of the session's commit user) goes on after the newest of
//! these, also when it was killed between its commit and the consumer's progress. Source: Flink's `FlinkSink`,
//! `CommitterOperator`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int8Type, Schema};
use datafusion::common::Result;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use paimon_core::schema::SchemaMerging;
use paimon_core::table::{
    BATCH_COMMIT_IDENTIFIER, Pause, StreamPlan, StreamProgress, StreamScan, SystemPause, Table,
    TableCommit,
};
use paimon_core::write::{IdSource, RandomIds};
use paimon_core::{Error, ErrorKind};

use super::insert::StreamQuery;
use crate::error::{paimon_error, to_datafusion};
use crate::session::{PaimonSession, SessionSettings};
use crate::sink::{WriteGuard, write_context};
use crate::statement::effect_rows;
use crate::store::StoreAssignment;

/// Properties of a snapshot that was written from a stream: the first snapshot of the source that it covers, and the
/// first that it does not.
const FROM: &str = "stream.source-from";
const NEXT: &str = "stream.source-next";

/// Property of such a snapshot: what tells the last snapshot of the source that it covers from others of its number.
const LAST: &str = "stream.source-last";

/// Property of such a snapshot: the table that the rows come from.
const SOURCE: &str = "stream.source";

/// An INSERT from a stream.
pub(super) struct StreamInsert {
    table: Table,
    query: StreamQuery,
    settings: Arc<SessionSettings>,
    state: SessionState,
    interval: Duration,
}

impl StreamInsert {
    /// The statement: runs when executed, ends with the stream and gives the number of rows written.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option when the table cannot be written to.
    pub(super) fn frame(
        session: &PaimonSession,
        table: &Table,
        query: StreamQuery,
    ) -> Result<DataFrame> {
        table.write_builder().build().map_err(to_datafusion)?;
        let what = format!(
            "stream {} into {}",
            query.source.table().name(),
            table.name()
        );
        let insert = Arc::new(Self {
            interval: session.settings().checkpoint_interval(),
            table: table.clone(),
            query,
            settings: session.settings().clone(),
            state: session.context().state(),
        });
        let schema = Arc::new(Schema::new(vec![Field::new(
            "count",
            DataType::Int64,
            false,
        )]));
        let shown = schema.clone();
        effect_rows(session, what, schema, move || {
            let (insert, schema) = (insert.clone(), shown.clone());
            async move {
                let rows = Job::start(&insert).await?.run().await?;
                let rows = i64::try_from(rows).unwrap_or(i64::MAX);
                let count = Arc::new(Int64Array::from(vec![rows]));
                Ok(RecordBatch::try_new(schema, vec![count])?)
            }
        })
    }

    /// The commit user that goes with the consumer or the session's own; `None` when nothing names this statement.
    fn user(&self) -> Option<String> {
        let read = &self.query.source.read;
        if let Some(consumer) = read.consumer() {
            return Some(format!("stream-{}-{}", read.table().name(), consumer.id()));
        }
        let identity = self.settings.next_commit_identity()?;
        let (name, user, number) = (read.table().name(), identity.user, identity.identifier);
        Some(format!("stream-{name}-{user}-{number}"))
    }
}

/// What was read and not yet committed.
struct Open {
    write: WriteGuard,
    from: i64,
    progress: StreamProgress,
}

/// Whether the snapshots hold what this run wrote: another run of the same statement may have taken the number for other
/// rows of the source.
///
/// # Errors
/// `CommitConflict` if so.
async fn check_own(
    table: &Table,
    ids: &[i64],
    from: i64,
    progress: &StreamProgress,
) -> paimon_core::Result<()> {
    let Some(id) = ids.first() else {
        return Ok(());
    };
    let snapshot = table.snapshots().try_get(*id).await?;
    let Some(properties) = snapshot.and_then(|s| s.properties) else {
        return Ok(());
    };
    let holds = |key: &str, own: i64| {
        let found = properties.get(key);
        found.is_none_or(|found| *found == own.to_string())
    };
    match holds(FROM, from) && holds(NEXT, progress.next_snapshot) {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::CommitConflict,
            "another run of this statement is under way: it committed other rows of the stream under the same number",
        )
        .with("snapshot", id)),
    }
}

/// What tells a table from others of its name: its branch and when it was made. Not where it lies, which has many spellings.
async fn source_of(table: &Table) -> paimon_core::Result<String> {
    let schemas = table.schemas();
    let made = match schemas.ids().await?.first() {
        Some(first) => schemas.schema(*first).await?.time_millis.to_string(),
        None => String::new(),
    };
    Ok(format!("{}#{made}", table.branch_name()))
}

struct Job<'a> {
    insert: &'a StreamInsert,
    scan: StreamScan,
    store: StoreAssignment,
    commit: TableCommit,
    user: String,
    identifier: i64,
    open: Option<Open>,
    /// Progress that the consumer has.
    acknowledged: Option<i64>,
    committed_at: Instant,
    rows: u64,
}

impl<'a> Job<'a> {
    /// Finds out how far the last run came.
    async fn start(insert: &'a StreamInsert) -> Result<Self> {
        let read = &insert.query.source.read;
        let named = insert.user();
        let is_named = named.is_some();
        let user = named.unwrap_or_else(|| RandomIds.uuid().to_string());
        let commit = insert.table.new_commit().with_user(&user);
        let mut scan = read.scan().map_err(to_datafusion)?;
        let last = match is_named {
            true => commit.last_with_property(NEXT).await,
            false => Ok(None),
        };
        let last = last.map_err(to_datafusion)?;
        let kept = match read.consumer().filter(|_| !read.options().ignore_progress) {
            Some(consumer) => consumer.progress().await.map_err(to_datafusion)?,
            None => None,
        };
        let own_source = source_of(read.table()).await.map_err(to_datafusion)?;
        let property = |key: &str| last.as_ref()?.properties.as_ref()?.get(key);
        // progress in another table of the same name is none in this one
        let same = property(SOURCE).is_none_or(|source| *source == own_source);
        let number = |key: &str| property(key).filter(|_| same)?.parse::<i64>().ok();
        let committed = match (number(FROM), number(NEXT), &kept) {
            // killed between the commit and the consumer's progress, which nobody set since
            (Some(from), Some(next), Some(kept))
                if from == kept.next_snapshot && kept.last_snapshot.is_some() =>
            {
                Some(next)
            }
            // killed before a consumer that starts with a state had any
            (_, Some(next), None) if !read.options().ignore_progress => Some(next),
            _ => None,
        };
        scan.restore(committed.map(|next_snapshot| StreamProgress {
            next_snapshot,
            watermark: None,
            last_snapshot: property(LAST).map(|last| last.as_str().into()),
        }));
        let before = last.map_or(0, |s| s.commit_identifier);
        let merges = SchemaMerging::of(insert.table.options()).map_err(to_datafusion)?;
        Ok(Self {
            insert,
            scan,
            store: StoreAssignment::new(
                insert.table.schema().fields.clone(),
                &insert.settings.time_zone(),
            )
            .filling(merges.is_some()),
            commit: commit.with_property(SOURCE, &own_source),
            user,
            identifier: before.saturating_add(1).min(BATCH_COMMIT_IDENTIFIER - 1),
            open: None,
            acknowledged: kept.map(|kept| kept.next_snapshot),
            committed_at: Instant::now(),
            rows: 0,
        })
    }

    async fn run(mut self) -> Result<u64> {
        loop {
            let from = self.scan.next_snapshot();
            let plan = self.scan.plan().await.map_err(to_datafusion)?;
            match plan {
                StreamPlan::Step(step) => {
                    self.begin(from.unwrap_or(step.snapshot_id), step.progress)
                        .await?;
                    let id = step.snapshot_id;
                    if let Err(error) = self.write(step.splits).await {
                        return Err(self.blame(error, id).await);
                    }
                    if self.is_due() {
                        self.checkpoint().await?;
                    }
                }
                StreamPlan::Nothing => {
                    if self.is_due() {
                        self.checkpoint().await?;
                    }
                    self.wait().await;
                }
                StreamPlan::End => {
                    self.checkpoint().await?;
                    return Ok(self.rows);
                }
            }
        }
    }

    fn is_due(&self) -> bool {
        self.committed_at.elapsed() >= self.insert.interval
    }

    async fn wait(&mut self) {
        let options = self.insert.query.source.read.options();
        let mut time = options.discovery_interval;
        if self.open.is_some() {
            let left = self
                .insert
                .interval
                .saturating_sub(self.committed_at.elapsed());
            time = time.min(left);
        }
        SystemPause.pause(time.max(Duration::from_millis(1))).await;
    }

    async fn begin(&mut self, from: i64, progress: StreamProgress) -> Result<()> {
        if let Some(open) = &mut self.open {
            open.progress = progress;
            return Ok(());
        }
        // what a run that is started again will find there
        let kept = match self.insert.query.source.read.consumer() {
            Some(consumer) => consumer.next_snapshot().await.map_err(to_datafusion)?,
            None => None,
        };
        let from = kept.unwrap_or(from);
        let context = self.insert.state.task_ctx();
        let context = write_context(&self.insert.table, &context).map_err(to_datafusion)?;
        let write = self.insert.table.write_builder().with_context(context);
        let write = write.with_commit_user(self.user.as_str()).build();
        self.open = Some(Open {
            write: WriteGuard::new(write.map_err(to_datafusion)?),
            from,
            progress,
        });
        Ok(())
    }

    /// Writes the rows of some splits.
    async fn write(&mut self, splits: Vec<paimon_core::read::StreamSplit>) -> Result<()> {
        let query = &self.insert.query;
        let mut state = self.insert.state.clone();
        if query.has_kinds() {
            // one partition: rows of one key keep their order
            state.config_mut().options_mut().execution.target_partitions = 1;
        }
        let plan = state.create_physical_plan(&query.over(splits)?).await?;
        let mut rows = execute_stream(plan, state.task_ctx())?;
        while let Some(batch) = rows.next().await {
            self.take(&batch?).await?;
        }
        Ok(())
    }

    async fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let lost = || DataFusionError::Internal("the write of a stream has ended".into());
        let write = self.open.as_mut().ok_or_else(lost)?.write.get()?;
        let named = |e: Error| to_datafusion(e.with_default("table", self.insert.table.name()));
        let done = match self.insert.query.has_kinds() {
            false => {
                let rows = self.store.batch(batch).map_err(named)?;
                write.write(&rows).await
            }
            true => {
                let last = batch.num_columns() - 1;
                let kinds = batch.column(last).as_primitive::<Int8Type>().clone();
                let columns: Vec<usize> = (0..last).collect();
                let rows = self.store.batch(&batch.project(&columns)?).map_err(named)?;
                write.write_with_kinds(&rows, &kinds).await
            }
        };
        done.map_err(named)?;
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Commits what was written, then keeps the progress of the source.
    async fn checkpoint(&mut self) -> Result<()> {
        self.committed_at = Instant::now();
        if let Some(mut open) = self.open.take() {
            let messages = open.write.get()?.prepare_commit().await;
            let messages = messages.map_err(to_datafusion)?;
            open.write.finish();
            let last = open.progress.last_snapshot.as_deref();
            let mut commit = self
                .commit
                .clone()
                .with_property(FROM, &open.from.to_string())
                .with_property(LAST, last.unwrap_or_default())
                .with_property(NEXT, &open.progress.next_snapshot.to_string());
            if let Some(watermark) = open.progress.watermark {
                commit = commit.with_watermark(watermark);
            }
            let committed = commit.commit(self.identifier, messages.clone()).await;
            let committed = match committed {
                Ok(ids) => check_own(&self.insert.table, &ids, open.from, &open.progress).await,
                Err(error) => Err(error),
            };
            if let Err(error) = committed {
                let never_published = matches!(
                    error.kind(),
                    ErrorKind::CommitConflict | ErrorKind::InvalidInput | ErrorKind::Unsupported
                );
                if never_published {
                    commit.abort(&messages).await;
                }
                return Err(to_datafusion(error));
            }
            self.identifier += 1;
        }
        self.acknowledge().await
    }

    /// Tells the consumer how far everything is committed.
    async fn acknowledge(&mut self) -> Result<()> {
        let source = &self.insert.query.source.read;
        if let (Some(progress), Some(consumer)) = (self.scan.progress(), source.consumer())
            && self.acknowledged != Some(progress.next_snapshot)
        {
            consumer
                .acknowledge(&progress)
                .await
                .map_err(to_datafusion)?;
            self.acknowledged = Some(progress.next_snapshot);
        } else if let Some(consumer) = source.consumer()
            && source
                .table()
                .options()
                .get("consumer.expiration-time")
                .is_some()
        {
            consumer.touch().await.map_err(to_datafusion)?;
        }
        Ok(())
    }

    /// Files that are missing because their snapshot expired meanwhile are no damage.
    async fn blame(&mut self, error: DataFusionError, snapshot_id: i64) -> DataFusionError {
        let expired = match paimon_error(&error) {
            Some(own) => self.scan.expired_meanwhile(own, snapshot_id).await,
            None => None,
        };
        expired.map_or(error, to_datafusion)
    }
}
