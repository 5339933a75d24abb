//! Changed columns of rows with data evolution: one new file per row-id range.

use std::collections::VecDeque;

use arrow::array::{Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use paimon_core::spec::CommitMessage;
use paimon_core::table::Table;
use paimon_core::write::{ColumnFiles, RowRange, WriteContext};
use paimon_core::{Error, Result};

/// Takes changed rows by ascending id. Those of one range wait in memory.
pub(super) struct ColumnChanges {
    /// At the snapshot that was read.
    table: Table,
    assigned: Vec<usize>,
    files: ColumnFiles,
    /// The ranges from that of the waiting rows on; read when the first row comes.
    ranges: Option<VecDeque<RowRange>>,
    ids: Vec<i64>,
    values: Vec<RecordBatch>,
}

impl ColumnChanges {
    /// # Errors
    /// As [`ColumnFiles::new`].
    pub(super) fn new(table: &Table, assigned: &[usize], context: &WriteContext) -> Result<Self> {
        Ok(Self {
            table: table.clone(),
            assigned: assigned.to_vec(),
            files: ColumnFiles::new(table, assigned, context)?,
            ranges: None,
            ids: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Takes rows of the table's columns. Messages of files that became complete go to `out`.
    ///
    /// # Errors
    /// `InvalidInput` when a row is changed twice, and as [`ColumnFiles::write`].
    pub(super) async fn apply(
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
            let own = rest.get(..count).unwrap_or_default();
            let before = self.ids.last().copied();
            let twice = own.windows(2).any(|pair| pair[0] == pair[1]);
            if count == 0 || twice || before == own.first().copied() {
                return Err(Error::invalid(
                    "a row of the table matches several rows of the source that would change it: make the source unique",
                ));
            }
            self.ids.extend_from_slice(own);
            self.values.push(values.slice(from, count));
            from += count;
        }
        Ok(())
    }

    /// Goes on to the range of a row; its end.
    async fn reach(&mut self, id: i64, out: &mut Vec<CommitMessage>) -> Result<i64> {
        if self.ranges.is_none() {
            let plan = self.table.read_builder().plan().await?;
            self.ranges = Some(RowRange::of_splits(plan.splits)?.into());
        }
        loop {
            let range = self.ranges.as_ref().and_then(VecDeque::front);
            match range {
                Some(range) if range.holds(id) => return Ok(range.end()),
                Some(_) => {
                    self.flush(out).await?;
                    if let Some(ranges) = &mut self.ranges {
                        ranges.pop_front();
                    }
                }
                None => return Err(Error::internal("a changed row is in no file")),
            }
        }
    }

    /// Writes the file of the waiting rows.
    ///
    /// # Errors
    /// As [`ColumnFiles::write`].
    pub(super) async fn flush(&mut self, out: &mut Vec<CommitMessage>) -> Result<()> {
        let ids = std::mem::take(&mut self.ids);
        let values = std::mem::take(&mut self.values);
        let range = self.ranges.as_ref().and_then(VecDeque::front);
        if let (Some(range), Some(first)) = (range, values.first()) {
            let values = concat_batches(&first.schema(), &values)?;
            out.push(self.files.write(range, &ids, &values).await?);
        }
        Ok(())
    }
}
