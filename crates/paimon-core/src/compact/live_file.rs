//! The rows of a data file that are still there.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::read::{FileScan, Partition, SplitFile, live_rows, with_row_ids};
use crate::spec::DataField;
use crate::table::Table;

/// A read of a data file, deleted rows left out, that counts what it finds.
pub(super) struct LiveFile {
    rows: BatchStream,
    path: Arc<str>,
    expected: usize,
    found: usize,
}

impl LiveFile {
    /// Opens a file for columns of the table's schema; `_ROW_ID` and `_SEQUENCE_NUMBER` among them are filled in.
    ///
    /// # Errors
    /// `Damaged` naming the file, `Io` when the store fails.
    pub async fn open(
        table: &Table,
        partition: &Arc<Partition>,
        file: &SplitFile,
        fields: &[DataField],
    ) -> Result<Self> {
        let live = live_rows(table, file).await?.map(Arc::new);
        let expected = match &live {
            Some(live) => live.selected(),
            None => usize::try_from(file.meta.row_count)
                .map_err(|_| Error::damaged("row count in the manifest is negative"))?,
        };
        let mut bare = file.clone();
        bare.deletion = None;
        let mut scan = FileScan::new(table, partition, &bare, fields);
        scan.selection = live;
        Ok(Self {
            rows: with_row_ids(scan).await?,
            path: file.path.clone(),
            expected,
            found: 0,
        })
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// As [`Self::open`]; `Damaged` at the end when rows are missing or too many.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.rows.next().await {
            let batch = batch?;
            self.found += batch.num_rows();
            return Ok(Some(batch));
        }
        if self.found == self.expected {
            return Ok(None);
        }
        Err(Error::damaged(format!(
            "data file has {} rows, its manifest entry says {}",
            self.found, self.expected
        ))
        .with("path", &self.path))
    }
}
