//! Reading what changed between two snapshots.

use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt};

use super::Table;
use super::read_builder::{ReadBuilder, TableRead};
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::predicate::Predicate;
use crate::read::{ChangeScan, ChangeSplit, plan_changes, plan_difference};
use crate::snapshot::SnapshotManager;
use crate::spec::Snapshot;

/// What to read of a table's changes.
#[derive(Clone, Debug)]
pub struct ChangesBuilder {
    table: Table,
    read: ReadBuilder,
    filter: Predicate,
    scan: ChangeScan,
    range: Range,
}

#[derive(Clone, Debug)]
enum Range {
    /// What came after one snapshot up to another.
    Snapshots(i64, i64),
    /// What one state has other than an earlier one.
    States(Option<Box<Snapshot>>, Box<Snapshot>),
}

impl ChangesBuilder {
    /// Columns to return, in this order, before the row kind; all of them when not called.
    #[must_use]
    pub fn with_projection(mut self, columns: &[&str]) -> Self {
        self.read = self.read.with_projection(columns);
        self
    }

    /// Only rows that match; exact.
    #[must_use]
    pub fn with_filter(mut self, filter: Predicate) -> Self {
        self.filter = filter.clone();
        self.read = self.read.with_filter(filter);
        self
    }

    /// Gives rows that are gone between two states, as rows of kind -D.
    #[must_use]
    pub fn with_deletes(mut self) -> Self {
        self.read = self.read.with_deletes();
        self
    }

    /// Which files tell the changes; the default follows the table's `changelog-producer`. No matter between two states.
    #[must_use]
    pub fn with_scan(mut self, scan: ChangeScan) -> Self {
        self.scan = scan;
        self
    }

    /// The table whose changes these are.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The reader of planned changes.
    ///
    /// # Errors
    /// `NotFound` for an unknown column.
    pub fn reader(&self) -> Result<TableRead> {
        self.read.reader()
    }

    /// Plans the read: the changes of each snapshot, oldest first.
    ///
    /// # Errors
    /// `InvalidInput` when a snapshot of the range does not exist yet or no more, or when two states differ in their number
    /// of buckets, `Unsupported` for differences of tables with data evolution, `Damaged` for broken metadata.
    pub async fn plan(&self) -> Result<Vec<ChangeSplit>> {
        let (start, end) = match &self.range {
            Range::Snapshots(start, end) => (*start, *end),
            Range::States(before, after) => {
                let before = before.as_deref();
                return plan_difference(&self.table, before, after, &self.filter).await;
            }
        };
        let mut splits = Vec::new();
        for snapshot in self.snapshots(start, end).await? {
            splits.extend(plan_changes(&self.table, &snapshot, self.scan, &self.filter).await?);
        }
        Ok(splits)
    }

    /// Plans and reads everything: the columns, then `_VALUE_KIND` (0 +I, 1 -U, 2 +U, 3 -D). Snapshots come one after the
    /// other; the rows of a bucket keep their order.
    ///
    /// # Errors
    /// As [`Self::plan`], `NotFound` for an unknown column.
    pub async fn stream(&self) -> Result<BatchStream> {
        let splits = self.plan().await?;
        let reader = self.reader()?;
        Ok(futures::stream::iter(splits)
            .map(move |split| reader.read_changes(&split))
            .try_flatten()
            .boxed())
    }

    /// Reads everything into memory.
    ///
    /// # Errors
    /// As [`Self::stream`].
    pub async fn collect(&self) -> Result<Vec<RecordBatch>> {
        self.stream().await?.try_collect().await
    }

    /// The snapshots of the range; those that only live on as changelogs among them.
    async fn snapshots(&self, start: i64, end: i64) -> Result<Vec<Snapshot>> {
        let snapshots = self.table.snapshots();
        let outside = |message: String| Error::invalid(message).with("table", self.table.name());
        let latest = snapshots.latest_id().await?.unwrap_or(0);
        if start > end || end > latest {
            return Err(outside(format!(
                "changes from snapshot {start} to {end} were asked for; the newest snapshot is {latest}"
            )));
        }
        let root = self.table.metadata_root()?;
        let changelogs = SnapshotManager::changelogs(self.table.io().clone(), &root);
        let mut found = Vec::new();
        for id in start + 1..=end {
            let snapshot = match snapshots.try_get(id).await? {
                Some(snapshot) => Some(snapshot),
                None => changelogs.try_get(id).await?,
            };
            found.push(snapshot.ok_or_else(|| {
                outside(format!(
                    "snapshot {id} of the range {start} to {end} has expired"
                ))
            })?);
        }
        Ok(found)
    }
}

impl Table {
    /// What changed after snapshot `start` up to and with snapshot `end` (0 is the empty table).
    pub fn changes_between(&self, start: i64, end: i64) -> ChangesBuilder {
        ChangesBuilder {
            table: self.clone(),
            read: self.read_builder().with_row_kind(),
            filter: Predicate::AlwaysTrue,
            scan: ChangeScan::of(self),
            range: Range::Snapshots(start, end),
        }
    }

    /// What the state of a snapshot has other than an earlier one (`None` is the empty table): rows of new and changed
    /// keys, [`with_deletes`](ChangesBuilder::with_deletes) those of lost keys too; of an append table the rows of files
    /// that the earlier state did not have.
    pub fn difference_between(&self, before: Option<Snapshot>, after: Snapshot) -> ChangesBuilder {
        ChangesBuilder {
            range: Range::States(before.map(Box::new), Box::new(after)),
            ..self.changes_between(0, 0)
        }
    }
}
