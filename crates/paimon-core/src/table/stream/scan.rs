//! Planning a stream: a first state perhaps, then one snapshot after the other.
//!
//! Source: `DataTableStreamScan`.

use std::sync::Arc;

use super::StreamRead;
use super::history::History;
use super::start::{Start, StreamStart, find};
use crate::error::{Error, ErrorKind, Result};
use crate::io::is_not_found;
use crate::options::ChangelogProducer;
use crate::read::{
    ChangeSplit, DataSplit, FollowUp, PlanLevels, PlanRequest, StreamSplit, plan, plan_follow_up,
};
use crate::spec::{CommitKind, POSTPONE_BUCKET, Snapshot};
use crate::table::ScanTarget;
use crate::write::Clock;

/// How far a stream was read: what a checkpoint has to keep.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamProgress {
    /// The first snapshot that was not read.
    pub next_snapshot: i64,
    /// Watermark of the last snapshot read, epoch milliseconds.
    pub watermark: Option<i64>,
    /// What tells the last snapshot read from others of its number (its `deltaManifestList`). With it a table that was rolled
    /// back since is an error, also when others have committed as many snapshots again; without it nobody can tell.
    pub last_snapshot: Option<Arc<str>>,
}

/// What the next look at the table gave.
#[derive(Debug, Clone)]
pub enum StreamPlan {
    /// Something to read.
    Step(Box<StreamStep>),
    /// Nothing yet.
    Nothing,
    /// `scan.bounded.watermark` is passed: nothing will come any more.
    End,
}

/// What one snapshot tells.
#[derive(Debug, Clone)]
pub struct StreamStep {
    /// The snapshot.
    pub snapshot_id: i64,
    /// Whether this is the whole state at the snapshot, not what it changed.
    pub full: bool,
    /// Units of work; rows of one bucket are in one of them or in their order.
    pub splits: Vec<StreamSplit>,
    /// Progress once all of it was dealt with.
    pub progress: StreamProgress,
}

/// Plans a stream, snapshot by snapshot.
#[derive(Debug)]
pub struct StreamScan {
    read: StreamRead,
    history: Option<History>,
    next: Option<i64>,
    watermark: Option<i64>,
    ended: bool,
    /// Names the last snapshot planned.
    last: Option<Arc<str>>,
    /// Goes on from a checkpoint that was not looked at yet.
    restored: bool,
    /// The table had no snapshots when it was looked at first.
    was_empty: Option<bool>,
}

impl StreamScan {
    pub(super) fn new(read: &StreamRead) -> Self {
        Self {
            read: read.clone(),
            history: None,
            next: None,
            watermark: None,
            ended: false,
            last: None,
            restored: false,
            was_empty: None,
        }
    }

    /// The first snapshot that was not planned; `None` before the start was found.
    pub fn next_snapshot(&self) -> Option<i64> {
        self.next
    }

    /// Watermark of the last snapshot planned, epoch milliseconds.
    pub fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Goes on from a checkpoint: what [`Self::progress`] was then.
    pub fn restore(&mut self, progress: Option<StreamProgress>) {
        self.restored = progress.is_some();
        self.ended = false;
        self.next = progress.as_ref().map(|p| p.next_snapshot);
        self.watermark = progress.as_ref().and_then(|p| p.watermark);
        self.last = progress.and_then(|p| p.last_snapshot);
    }

    /// What was planned so far; `None` before the start was found.
    pub fn progress(&self) -> Option<StreamProgress> {
        Some(StreamProgress {
            next_snapshot: self.next?,
            watermark: self.watermark,
            last_snapshot: self.last.clone(),
        })
    }

    /// Looks for the next thing to read. A failed look changes nothing.
    ///
    /// # Errors
    /// `SnapshotExpired` when the next snapshot or its files expired before they were read, `InvalidInput` when the
    /// table was rolled back to before it or created anew, `Damaged` for broken metadata.
    pub async fn plan(&mut self) -> Result<StreamPlan> {
        let history = match &self.history {
            Some(history) => history.clone(),
            None => {
                let history = History::new(&self.read.table)?;
                self.history = Some(history.clone());
                history
            }
        };
        match self.next {
            None => self.first(&history).await,
            Some(_) => self.follow(&history).await,
        }
    }

    async fn first(&mut self, history: &History) -> Result<StreamPlan> {
        let kept = self.kept().await?;
        let start = kept.as_ref().map_or_else(
            || self.read.start.clone(),
            |kept| StreamStart::FromSnapshot(kept.next_snapshot),
        );
        let was_empty = match self.was_empty {
            Some(empty) => empty,
            None => {
                let empty = history.snapshots().latest_id().await?.is_none();
                if empty && start == StreamStart::Latest {
                    // whatever comes comes after the start, also for the next reader of this name
                    self.register(1).await?;
                }
                self.was_empty = Some(empty);
                empty
            }
        };
        let (table, options) = (&self.read.table, &self.read.options);
        match find(&start, history, table.options(), options, was_empty).await? {
            Start::Nothing => Ok(StreamPlan::Nothing),
            Start::State(snapshot, since) => {
                let step = self.state(&snapshot, since).await?;
                self.ended = self.is_beyond_end(&snapshot);
                self.pass(&snapshot);
                Ok(StreamPlan::Step(Box::new(step)))
            }
            Start::Next(next) => {
                let before = history.snapshots().try_get(next - 1).await?;
                self.ended = before.is_some_and(|s| self.is_beyond_end(&s));
                self.next = Some(next);
                self.last = kept
                    .filter(|kept| kept.next_snapshot == next)
                    .and_then(|kept| kept.last_snapshot);
                self.register(next).await?;
                self.follow(history).await
            }
        }
    }

    /// The consumer's progress, which comes before what the options say.
    async fn kept(&self) -> Result<Option<StreamProgress>> {
        match &self.read.consumer {
            Some(consumer) if !self.read.options.ignore_progress => consumer.progress().await,
            _ => Ok(None),
        }
    }

    /// A consumer that starts with changes keeps them from the beginning. One that starts with a state must have read it
    /// before it may start elsewhere.
    async fn register(&self, next: i64) -> Result<()> {
        match &self.read.consumer {
            Some(consumer) => consumer.keep(next, self.last.clone()).await,
            None => Ok(()),
        }
    }

    async fn state(&self, snapshot: &Snapshot, since: Option<i64>) -> Result<StreamStep> {
        let table = &self.read.table;
        let target = ScanTarget::Pinned {
            snapshot: Box::new(snapshot.clone()),
            created_since_ms: since,
            delta_only: false,
        };
        let pinned = table.copy(target, None);
        let request = PlanRequest {
            filter: self.read.filter.clone(),
            levels: match table.options().changelog_producer {
                // what waits for compaction will be told by it
                ChangelogProducer::Lookup => PlanLevels::Compacted,
                ChangelogProducer::FullCompaction => PlanLevels::Only(self.read.options.level_max),
                ChangelogProducer::Input => PlanLevels::Placed,
                ChangelogProducer::None => PlanLevels::All,
            },
            ..PlanRequest::default()
        };
        let planned = plan(&pinned, &request).await;
        let splits = match planned {
            Ok(plan) => plan.splits,
            Err(error) => return Err(self.blame(error, snapshot.id).await),
        };
        Ok(StreamStep {
            snapshot_id: snapshot.id,
            full: true,
            splits: splits.into_iter().map(as_stream_split).collect(),
            progress: progress_after(snapshot),
        })
    }

    async fn follow(&mut self, history: &History) -> Result<StreamPlan> {
        while let Some(next) = self.next {
            if self.restored {
                let before = self.before(history, next).await?;
                self.ended = before.is_some_and(|s| self.is_beyond_end(&s));
                self.restored = false;
            }
            if self.ended {
                return Ok(StreamPlan::End);
            }
            let looks = futures::future::join(history.next(next), self.before(history, next));
            let (found, before) = looks.await;
            let Some(snapshot) = found? else {
                return Ok(StreamPlan::Nothing);
            };
            before?;
            if self.is_beyond_end(&snapshot) {
                self.ended = true;
                return Ok(StreamPlan::End);
            }
            if self.waits(&snapshot) {
                return Ok(StreamPlan::Nothing);
            }
            let splits = match self.follow_up(&snapshot) {
                None => Vec::new(),
                Some(how) => {
                    let read = &self.read;
                    let planned = plan_follow_up(&read.table, &snapshot, how, &read.filter).await;
                    match planned {
                        Ok(splits) => splits,
                        Err(error) => return Err(self.blame(error, next).await),
                    }
                }
            };
            let progress = self.pass(&snapshot);
            if !splits.is_empty() {
                return Ok(StreamPlan::Step(Box::new(StreamStep {
                    snapshot_id: next,
                    full: false,
                    splits,
                    progress,
                })));
            }
        }
        Ok(StreamPlan::Nothing)
    }

    /// The snapshot before the next one, unless it expired.
    ///
    /// # Errors
    /// `InvalidInput` when it is not the one that was read.
    async fn before(&self, history: &History, next: i64) -> Result<Option<Snapshot>> {
        let found = history.try_get(next.saturating_sub(1)).await?;
        match (&found, &self.last) {
            (Some(found), Some(last))
                if !last.is_empty() && *found.delta_manifest_list != **last =>
            {
                Err(history.other(found.id))
            }
            _ => Ok(found),
        }
    }

    fn pass(&mut self, snapshot: &Snapshot) -> StreamProgress {
        let progress = progress_after(snapshot);
        self.next = Some(progress.next_snapshot);
        self.watermark = progress.watermark;
        self.last = progress.last_snapshot.clone();
        progress
    }

    /// How a snapshot tells its changes; `None` when it tells none.
    fn follow_up(&self, snapshot: &Snapshot) -> Option<FollowUp> {
        let table = &self.read.table;
        let keyed = table.schema().has_primary_key();
        let overwrites = self.read.options.tells_overwrites(keyed);
        if snapshot.commit_kind == CommitKind::Overwrite && overwrites {
            return Some(match keyed {
                true => FollowUp::Replaced,
                false => FollowUp::Added,
            });
        }
        match table.options().changelog_producer {
            ChangelogProducer::None => {
                (snapshot.commit_kind == CommitKind::Append).then_some(FollowUp::Added)
            }
            _ => snapshot
                .changelog_manifest_list
                .is_some()
                .then_some(FollowUp::Changelog),
        }
    }

    fn is_beyond_end(&self, snapshot: &Snapshot) -> bool {
        match (self.read.options.bounded_watermark, snapshot.watermark) {
            (Some(bound), Some(watermark)) => watermark > bound,
            _ => false,
        }
    }

    fn waits(&self, snapshot: &Snapshot) -> bool {
        let clock: &Arc<dyn Clock> = &self.read.clock;
        self.read.options.delay.is_some_and(|delay| {
            let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
            snapshot.time_millis > clock.epoch_ms().saturating_sub(delay)
        })
    }

    /// The error to tell when reading a planned snapshot failed: a file that is missing because the snapshot expired
    /// meanwhile is no damage. `None` when the error stands as it is.
    pub async fn expired_meanwhile(&self, error: &Error, snapshot_id: i64) -> Option<Error> {
        let missing = is_not_found(error) || error.kind() == ErrorKind::Damaged;
        let history = self.history.as_ref().filter(|_| missing)?;
        match history.try_get(snapshot_id).await {
            Ok(None) => Some(
                Error::new(
                    ErrorKind::SnapshotExpired,
                    format!(
                        "snapshot {snapshot_id} expired while it was read: {}; a `consumer-id` keeps what was not read",
                        error.message()
                    ),
                )
                .with("table", self.read.table.name())
                .with("snapshot_id", snapshot_id),
            ),
            _ => None,
        }
    }

    pub(super) async fn blame(&self, error: Error, snapshot_id: i64) -> Error {
        match self.expired_meanwhile(&error, snapshot_id).await {
            Some(expired) => expired.with_source(error),
            None => error,
        }
    }
}

fn progress_after(snapshot: &Snapshot) -> StreamProgress {
    StreamProgress {
        next_snapshot: snapshot.id + 1,
        watermark: snapshot.watermark.filter(|w| *w != i64::MIN),
        last_snapshot: Some(snapshot.delta_manifest_list.as_str().into()),
    }
}

/// Postponed rows come as they were written, with their kinds: nothing merged them yet.
fn as_stream_split(split: DataSplit) -> StreamSplit {
    if split.bucket != POSTPONE_BUCKET {
        return StreamSplit::Rows(split);
    }
    StreamSplit::Changes(ChangeSplit {
        snapshot_id: split.snapshot_id,
        files: split.files().into_iter().cloned().collect(),
        partition: split.partition,
        bucket: split.bucket,
        before: None,
    })
}
