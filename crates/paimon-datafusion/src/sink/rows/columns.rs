//! Changed rows with data evolution: one new file of the changed columns per row-id range, and deletion vectors.

use arrow::array::{Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use paimon_core::deletionvectors::DeletionVector;
use paimon_core::spec::CommitMessage;
use paimon_core::table::Table;
use paimon_core::write::{ColumnFiles, RemovedRows, RowRange, WriteContext};
use paimon_core::{Error, Result};

/// Takes changed rows. Those that are updated come by ascending id; those of one range wait in memory. Of deleted rows the
/// ids are kept.
pub(super) struct ColumnChanges {
    /// At the snapshot that was read.
    table: Table,
    assigned: Vec<usize>,
    /// `None` when no column is assigned.
    files: Option<ColumnFiles>,
    /// All ranges, and the one of the waiting rows; read when the first row comes.
    ranges: Option<(Vec<RowRange>, usize)>,
    ids: Vec<i64>,
    values: Vec<RecordBatch>,
    removed: DeletionVector,
    last: Option<i64>,
}

impl ColumnChanges {
    /// # Errors
    /// As [`ColumnFiles::new`].
    pub(super) fn new(table: &Table, assigned: &[usize], context: &WriteContext) -> Result<Self> {
        let files = match assigned.is_empty() {
            true => None,
            false => Some(ColumnFiles::new(table, assigned, context)?),
        };
        Ok(Self {
            table: table.clone(),
            assigned: assigned.to_vec(),
            files,
            ranges: None,
            ids: Vec::new(),
            values: Vec::new(),
            removed: DeletionVector::new(),
            last: None,
        })
    }

    /// Whether two changes of one row follow each other, in the order in which changed rows come.
    pub(super) fn find_twice(&mut self, ids: &Int64Array) -> bool {
        let before = self.last;
        self.last = ids.values().last().copied().or(before);
        let follows = ids.values().windows(2).any(|pair| pair[0] == pair[1]);
        follows || before.is_some_and(|last| ids.values().first() == Some(&last))
    }

    /// Takes the ids of rows that go.
    ///
    /// # Errors
    /// `Damaged` when an id is negative.
    pub(super) fn remove(&mut self, ids: &Int64Array) -> Result<()> {
        for id in ids.values() {
            let position = u64::try_from(*id);
            let position = position.map_err(|_| Error::damaged("a row id is negative"))?;
            self.removed.delete(position);
        }
        Ok(())
    }

    /// Takes rows of the table's columns. Messages of files that became complete go to `out`.
    ///
    /// # Errors
    /// As [`ColumnFiles::write`].
    pub(super) async fn update(
        &mut self,
        ids: &Int64Array,
        rows: &RecordBatch,
        out: &mut Vec<CommitMessage>,
    ) -> Result<()> {
        let values = rows.project(&self.assigned)?;
        let ids = ids.values();
        let mut from = 0;
        while let Some(id) = ids.get(from) {
            let end = self.reach(*id, out).await?;
            let rest = ids.get(from..).unwrap_or_default();
            let count = rest.partition_point(|id| *id < end);
            if count == 0 {
                return Err(Error::internal("changed rows come out of order"));
            }
            self.ids
                .extend_from_slice(rest.get(..count).unwrap_or_default());
            self.values.push(values.slice(from, count));
            from += count;
        }
        Ok(())
    }

    async fn all_ranges(&self) -> Result<Vec<RowRange>> {
        let plan = self.table.read_builder().plan().await?;
        RowRange::of_splits(plan.splits)
    }

    /// Goes on to the range of a row; its end.
    async fn reach(&mut self, id: i64, out: &mut Vec<CommitMessage>) -> Result<i64> {
        if self.ranges.is_none() {
            self.ranges = Some((self.all_ranges().await?, 0));
        }
        loop {
            match self.range() {
                Some(range) if range.holds(id) => return Ok(range.end()),
                Some(_) => {
                    self.flush(out).await?;
                    if let Some((_, at)) = &mut self.ranges {
                        *at += 1;
                    }
                }
                None => return Err(Error::internal("a changed row is in no file")),
            }
        }
    }

    fn range(&self) -> Option<&RowRange> {
        let (ranges, at) = self.ranges.as_ref()?;
        ranges.get(*at)
    }

    /// Writes the file of the waiting rows.
    async fn flush(&mut self, out: &mut Vec<CommitMessage>) -> Result<()> {
        let ids = std::mem::take(&mut self.ids);
        let values = std::mem::take(&mut self.values);
        if let (Some(files), Some(range), Some(first)) = (&self.files, self.range(), values.first())
        {
            let values = concat_batches(&first.schema(), &values)?;
            out.push(files.write(range, &ids, &values).await?);
        }
        Ok(())
    }

    /// Ends the changes: the last file, and the rows that go.
    ///
    /// # Errors
    /// As [`ColumnFiles::write`].
    pub(super) async fn finish(
        &mut self,
        out: &mut Vec<CommitMessage>,
    ) -> Result<Vec<RemovedRows>> {
        self.flush(out).await?;
        if self.removed.is_empty() {
            return Ok(Vec::new());
        }
        let ranges = match self.ranges.take() {
            Some((ranges, _)) => ranges,
            None => self.all_ranges().await?,
        };
        RowRange::removed_rows(&ranges, &self.removed)
    }
}
