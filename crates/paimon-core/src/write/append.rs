//! The writer of a bucket whose rows stay in the order they come: tables without primary key, postponed rows.
//!
//! Source: `AppendOnlyWriter`, `PostponeBucketWriter`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_select::concat::{concat, concat_batches};
use tokio::task::JoinHandle;

use super::rolling::RollingFileWriter;
use super::rows::{FileRows, KeyValueBatch};
use crate::error::{Error, Result};
use crate::spec::DataFileMeta;

/// Rows gathered before they are encoded.
const PENDING_ROWS: usize = 16 << 10;
/// The same in bytes.
const PENDING_BYTES: usize = 8 << 20;

type Encoding = JoinHandle<(Box<RollingFileWriter>, Result<()>)>;

/// Encodes in the background while the caller brings the next rows.
pub(super) struct AppendWriter {
    state: State,
    pending: Vec<FileRows>,
    pending_rows: usize,
    pending_bytes: usize,
}

enum State {
    Idle(Box<RollingFileWriter>),
    Busy(Encoding),
    Failed,
}

impl AppendWriter {
    pub fn new(writer: RollingFileWriter) -> Self {
        Self {
            state: State::Idle(Box::new(writer)),
            pending: Vec::new(),
            pending_rows: 0,
            pending_bytes: 0,
        }
    }

    /// Takes rows of `bytes` bytes; returns whether they are enough to be encoded.
    pub fn push(&mut self, rows: FileRows, bytes: usize) -> bool {
        self.pending_rows += rows.len();
        self.pending_bytes += bytes;
        self.pending.push(rows);
        self.pending_rows >= PENDING_ROWS || self.pending_bytes >= PENDING_BYTES
    }

    /// Bytes of memory held, once nothing is being encoded.
    pub fn memory_size(&self) -> usize {
        let open = match &self.state {
            State::Idle(writer) => writer.memory_size(),
            State::Busy(_) | State::Failed => 0,
        };
        open + self.pending_bytes
    }

    /// Starts encoding what is pending, after what is being encoded.
    ///
    /// # Errors
    /// Those of earlier rows.
    pub async fn encode(&mut self) -> Result<()> {
        let mut writer = self.settle().await?;
        if self.pending.is_empty() {
            self.state = State::Idle(writer);
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.pending_rows = 0;
        self.pending_bytes = 0;
        self.state = State::Busy(tokio::spawn(async move {
            let result = match join(&pending) {
                Ok(rows) => {
                    drop(pending);
                    writer.write(rows).await
                }
                Err(e) => Err(e),
            };
            (writer, result)
        }));
        Ok(())
    }

    /// Waits until nothing is being encoded.
    ///
    /// # Errors
    /// Those of earlier rows.
    pub async fn wait(&mut self) -> Result<()> {
        self.state = State::Idle(self.settle().await?);
        Ok(())
    }

    /// Encodes everything and ends the row group of the open file.
    ///
    /// # Errors
    /// `Io` when the store fails, or those of earlier rows.
    pub async fn flush_memory(&mut self) -> Result<()> {
        self.encode().await?;
        let mut writer = self.settle().await?;
        let result = writer.flush_memory().await;
        self.state = State::Idle(writer);
        result
    }

    /// Encodes everything and ends the open file; the files since the last call.
    ///
    /// # Errors
    /// `Io` when the store fails, or those of earlier rows.
    pub async fn close(&mut self) -> Result<Vec<DataFileMeta>> {
        self.encode().await?;
        let mut writer = self.settle().await?;
        let result = writer.close().await;
        self.state = State::Idle(writer);
        result
    }

    /// Removes the files that [`Self::close`] has not returned.
    pub async fn abort(&mut self) {
        self.pending.clear();
        let writer = match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(writer) => Some(writer),
            State::Busy(task) => task.await.ok().map(|(writer, _)| writer),
            State::Failed => None,
        };
        if let Some(mut writer) = writer {
            writer.abort().await;
        }
    }

    /// The writer, taken out of its state.
    async fn settle(&mut self) -> Result<Box<RollingFileWriter>> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(writer) => Ok(writer),
            State::Busy(task) => {
                let (writer, result) = task
                    .await
                    .map_err(|e| Error::internal("a writing task stopped").with_source(e))?;
                if let Err(error) = result {
                    // keeps the writer, so that abort can remove its files
                    self.state = State::Idle(writer);
                    return Err(error);
                }
                Ok(writer)
            }
            State::Failed => Err(Error::internal("a writer is used after it failed")),
        }
    }
}

fn join(parts: &[FileRows]) -> Result<FileRows> {
    if let [one] = parts {
        return Ok(one.clone());
    }
    let batches: Vec<&RecordBatch> = parts.iter().map(FileRows::values).collect();
    let Some(first) = batches.first() else {
        return Err(Error::internal("no rows to write"));
    };
    let values = concat_batches(&first.schema(), batches.iter().copied())?;
    let keyed: Vec<&KeyValueBatch> = parts
        .iter()
        .filter_map(|part| match part {
            FileRows::Keyed(rows) => Some(rows),
            FileRows::Plain(_) => None,
        })
        .collect();
    if keyed.is_empty() {
        return Ok(FileRows::Plain(values));
    }
    let all = |array: fn(&KeyValueBatch) -> &dyn Array| {
        let arrays: Vec<&dyn Array> = keyed.iter().map(|rows| array(rows)).collect();
        concat(&arrays)
    };
    Ok(FileRows::Keyed(KeyValueBatch {
        values,
        sequence: all(|rows| &rows.sequence)?.as_primitive().clone(),
        kinds: all(|rows| &rows.kinds)?.as_primitive().clone(),
    }))
}
