//! Decodes the keys of one run.

use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::mpsc;

use super::block::Block;
use super::decoder::{BlockDecoder, Stretch};
use super::rules::MergeRules;
use crate::error::{Error, Result};
use crate::predicate::Predicate;
use crate::read::file::scan::{FileScan, live_rows};
use crate::read::split::{Partition, SortedRun, SplitFile};
use crate::spec::{sequence_number_field, value_kind_field};
use crate::table::Table;

/// Rows per block of decoded keys.
const KEY_BATCH_SIZE: usize = 32 * 1024;

/// Compressed bytes of keys held of each run at a time, at most: many runs are read at once.
pub(super) const KEY_STEP_BYTES: u64 = 2 << 20;

/// Decodes one run, file after file, in a task of its own.
pub(super) struct RunSource {
    pub(super) table: Table,
    pub(super) partition: Arc<Partition>,
    pub(super) run: SortedRun,
    pub(super) rules: MergeRules,
    pub(super) ordered: bool,
    /// Compressed bytes of keys held at a time.
    pub(super) step_bytes: u64,
}

impl RunSource {
    pub(super) async fn send_all(self, sender: mpsc::Sender<Result<Block>>) {
        for (i, file) in self.run.files.iter().enumerate() {
            if let Err(error) = self.send_file(i, file, &sender).await {
                // nobody listens any more when this fails
                let _ = sender.send(Err(error)).await;
                return;
            }
        }
    }

    async fn send_file(
        &self,
        index: usize,
        file: &SplitFile,
        sender: &mpsc::Sender<Result<Block>>,
    ) -> Result<()> {
        let rows_total = usize::try_from(file.meta.row_count)
            .map_err(|_| Error::damaged("row count in the manifest is negative"))?;
        let live = live_rows(&self.table, file).await?;
        let decoder = BlockDecoder::new(&self.rules, self.ordered, file)?;
        let filtered = self.rules.key_filter != Predicate::AlwaysTrue;
        let mut stream = self.scan(file, decoder.reads_kind()).open().await?;
        let mut first = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let stretch = if filtered {
                Stretch::filtered(first, &batch, &self.rules.key_filter, live.as_ref())?
            } else {
                Stretch::whole(first, &batch, live.as_ref())
            };
            first += stretch.rows;
            let block = decoder
                .decode(index, &batch, stretch)
                .map_err(|e| e.with_default("path", &file.path))?;
            if sender.send(Ok(block)).await.is_err() {
                return Ok(());
            }
        }
        if filtered && first < rows_total {
            let rest = decoder.skipped(index, rows_total - first)?;
            first = rows_total;
            if sender.send(Ok(rest)).await.is_err() {
                return Ok(());
            }
        }
        if first != rows_total {
            return Err(Error::damaged(format!(
                "data file has {first} rows, its manifest entry says {rows_total}"
            ))
            .with("path", &file.path));
        }
        Ok(())
    }

    /// The columns that the merge looks at: keys, then what orders rows, then the row kind; with a key filter the
    /// position at the end.
    fn scan(&self, file: &SplitFile, reads_kind: bool) -> FileScan {
        let mut fields = self.rules.key_fields.clone();
        if self.ordered {
            fields.extend(self.rules.sequence_fields.iter().cloned());
            fields.push(sequence_number_field());
        }
        if reads_kind {
            fields.push(value_kind_field());
        }
        let mut bare = file.clone();
        bare.deletion = None;
        let mut scan = FileScan::new(&self.table, &self.partition, &bare, &fields);
        scan.batch_size = KEY_BATCH_SIZE;
        scan.step_bytes = self.step_bytes;
        scan.filter = self.rules.key_filter.clone();
        scan.with_position = scan.filter != Predicate::AlwaysTrue;
        scan
    }
}
