//! The rows of a stream, with the progress that they make.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};

use super::super::read_builder::TableRead;
use super::rows::rows_of;
use super::scan::{StreamPlan, StreamProgress, StreamScan, StreamStep};
use super::{StreamConsumer, StreamRead};
use crate::error::{Error, Result};
use crate::options::{ConsumerMode, RetentionOptions};

/// Some of the rows that one snapshot changed.
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    /// The snapshot: the state at it comes whole at the start of some streams, what it changed later on.
    pub snapshot_id: i64,
    /// Whether the rows are of the state at the snapshot, not of what it changed.
    pub full: bool,
    /// Number of the unit of work among those of the snapshot. Rows of one bucket follow each other within one.
    pub split: usize,
    /// Rows, none where snapshots changed none: the columns, then `_VALUE_KIND` (0 +I, 1 -U, 2 +U, 3 -D).
    pub rows: RecordBatch,
    /// With the last rows of a snapshot: the progress to keep once they and all before them were dealt with.
    pub completes: Option<StreamProgress>,
}

/// What changes in a table: ends when dropped or with `scan.bounded.watermark`.
///
/// It looks for snapshots and reads files when it is polled, one snapshot at a time. Between two snapshots it waits for
/// `continuous.discovery-interval`. After an error it ends.
///
/// # Cancel safety
/// May be dropped at any time. Another stream goes on from the progress that was kept.
pub struct ChangeStream {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<ChangeBatch>>,
}

impl std::fmt::Debug for ChangeStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeStream")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl ChangeStream {
    pub(super) async fn start(
        read: &StreamRead,
        checkpoint: Option<StreamProgress>,
    ) -> Result<Self> {
        let mut scan = read.scan()?;
        scan.restore(checkpoint);
        let reader = read.reader()?;
        let schema = reader.schema().clone();
        // now, so that nothing committed after this call is missed
        let first = scan.plan().await?;
        let expiration = RetentionOptions::new(read.table.options())?.consumer_expiration;
        let run = Run {
            reported: None,
            first: Some(first),
            step: None,
            handed_out: None,
            ended: false,
            idle: Duration::ZERO,
            keep_alive: expiration.map(|e| e / 3),
            scan,
            reader,
            read: read.clone(),
        };
        Ok(Self {
            schema,
            batches: futures::stream::try_unfold(run, Run::advance).boxed(),
        })
    }

    /// Schema of the batches' rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Stream for ChangeStream {
    type Item = Result<ChangeBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_next_unpin(cx)
    }
}

struct Run {
    read: StreamRead,
    scan: StreamScan,
    reader: TableRead,
    first: Option<StreamPlan>,
    step: Option<Open>,
    /// Progress that was told.
    reported: Option<i64>,
    /// Progress of the batch that was handed out last.
    handed_out: Option<StreamProgress>,
    ended: bool,
    /// Time waited since the consumer was written.
    idle: Duration,
    keep_alive: Option<Duration>,
}

/// A step being read; its last batch is held back until it is known to be the last.
struct Open {
    snapshot_id: i64,
    full: bool,
    progress: StreamProgress,
    rows: BoxStream<'static, Result<(usize, RecordBatch)>>,
    held: Option<(usize, RecordBatch)>,
}

impl Open {
    fn batch(&self, (split, rows): (usize, RecordBatch)) -> ChangeBatch {
        ChangeBatch {
            snapshot_id: self.snapshot_id,
            full: self.full,
            split,
            rows,
            completes: None,
        }
    }
}

impl Run {
    async fn advance(mut self) -> Result<Option<(ChangeBatch, Self)>> {
        self.keep_what_was_taken().await?;
        loop {
            if let Some(step) = self.step.take() {
                if let Some(batch) = self.read_on(step).await? {
                    return Ok(Some((batch, self)));
                }
                continue;
            }
            if self.ended {
                return Ok(None);
            }
            let plan = match self.first.take() {
                Some(plan) => plan,
                None => self.scan.plan().await?,
            };
            match plan {
                StreamPlan::Step(step) => {
                    self.step = Some(self.open(*step));
                    continue;
                }
                StreamPlan::End => self.ended = true,
                StreamPlan::Nothing => {}
            }
            if let Some(batch) = self.silent() {
                return Ok(Some((batch, self)));
            }
            if !self.ended {
                self.wait().await?;
            }
        }
    }

    /// Reads some rows of a step, which is put back until it is read to its end. `None` when there is nothing to hand
    /// out yet.
    async fn read_on(&mut self, mut step: Open) -> Result<Option<ChangeBatch>> {
        let next = match step.rows.try_next().await {
            Ok(next) => next,
            Err(error) => return Err(self.scan.blame(error, step.snapshot_id).await),
        };
        match next {
            Some((_, rows)) if rows.num_rows() == 0 => {
                self.step = Some(step);
                Ok(None)
            }
            Some(rows) => {
                let held = step.held.replace(rows).map(|held| step.batch(held));
                self.step = Some(step);
                Ok(held)
            }
            None => {
                let none = || (0, self.no_rows());
                let last = step.held.take().unwrap_or_else(none);
                let batch = step.batch(last);
                Ok(Some(self.completing(batch, step.progress)))
            }
        }
    }

    /// Snapshots that changed no rows are read all the same: their progress, if it was not told yet.
    fn silent(&mut self) -> Option<ChangeBatch> {
        let progress = self.scan.progress()?;
        if self.reported == Some(progress.next_snapshot) {
            return None;
        }
        let batch = ChangeBatch {
            snapshot_id: progress.next_snapshot - 1,
            full: false,
            split: 0,
            rows: self.no_rows(),
            completes: None,
        };
        Some(self.completing(batch, progress))
    }

    fn open(&self, step: StreamStep) -> Open {
        let reader = self.reader.clone();
        let rows = futures::stream::iter(step.splits.into_iter().enumerate())
            .map(move |(number, split)| {
                let rows = rows_of(&reader, &split)?;
                Ok::<_, Error>(rows.map_ok(move |rows| (number, rows)))
            })
            .try_flatten()
            .boxed();
        Open {
            snapshot_id: step.snapshot_id,
            full: step.full,
            progress: step.progress,
            rows,
            held: None,
        }
    }

    fn no_rows(&self) -> RecordBatch {
        RecordBatch::new_empty(self.reader.schema().clone())
    }

    fn completing(&mut self, batch: ChangeBatch, progress: StreamProgress) -> ChangeBatch {
        self.reported = Some(progress.next_snapshot);
        self.handed_out = Some(progress.clone());
        ChangeBatch {
            completes: Some(progress),
            ..batch
        }
    }

    fn consumer(&self) -> Option<&StreamConsumer> {
        self.read.consumer()
    }

    /// Who asks for more has dealt with what came before: enough for `consumer.mode` = at-least-once.
    async fn keep_what_was_taken(&mut self) -> Result<()> {
        let taken = self.handed_out.take();
        if self.read.options.consumer_mode == ConsumerMode::AtLeastOnce
            && let (Some(progress), Some(consumer)) = (taken, self.consumer())
        {
            consumer.acknowledge(&progress).await?;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<()> {
        let mut time = self.read.options.discovery_interval;
        if let Some(keep_alive) = self.keep_alive {
            time = time.min(keep_alive);
        }
        // never without a break
        time = time.max(Duration::from_millis(1));
        self.read.pause.pause(time).await;
        self.idle += time;
        if let (Some(keep_alive), Some(consumer)) = (self.keep_alive, self.read.consumer())
            && self.idle >= keep_alive
        {
            consumer.touch().await?;
            self.idle = Duration::ZERO;
        }
        Ok(())
    }
}
