//! The writer of a bucket whose rows stay in the order they come: tables without primary key, postponed rows.
//!
//! Source: `AppendOnlyWriter`, `PostponeBucketWriter`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_select::concat::{concat, concat_batches};
use tokio::task::JoinHandle;

use super::file::rolling::RollingFileWriter;
use super::file::rows::{FileRows, KeyValueBatch};
use crate::error::{Error, Result};
use crate::spec::DataFileMeta;

/// Rows gathered before they are encoded.
const PENDING_ROWS: usize = 16 << 10;
/// The same in bytes.
const PENDING_BYTES: usize = 8 << 20;

/// Parts with so many rows on average are encoded as they are; shorter ones are put together before.
const ROWS_WORTH_A_CALL: usize = 4 << 10;

/// Bytes of rows per lane before the next one is opened, so that small writes make one file.
pub(super) const LANE_BYTES: usize = 64 << 20;

type Encoding = JoinHandle<(Box<RollingFileWriter>, Result<()>)>;

/// Makes the writer of a lane.
type MakeWriter = Box<dyn Fn() -> RollingFileWriter + Send>;

/// Encodes in the background while the caller brings the next rows.
///
/// Each lane writes files of its own on a task of its own. One lane keeps the order of the rows.
pub(super) struct AppendWriter {
    lanes: Vec<Lane>,
    lanes_max: usize,
    lane_bytes: usize,
    make: MakeWriter,
    pending: Vec<FileRows>,
    pending_rows: usize,
    pending_bytes: usize,
    /// Bytes of all rows so far.
    total_bytes: usize,
}

struct Lane {
    state: State,
    /// Bytes of memory the writer held when it was last seen, and of the rows it encodes.
    memory: usize,
}

enum State {
    Idle(Box<RollingFileWriter>),
    Busy(Encoding),
    Failed,
}

impl AppendWriter {
    /// A writer with up to `lanes_max` lanes, one more for every `lane_bytes` of rows; `make` makes the writer of each.
    pub fn new(lanes_max: usize, lane_bytes: usize, make: MakeWriter) -> Self {
        Self {
            lanes: Vec::new(),
            lanes_max: lanes_max.max(1),
            lane_bytes: lane_bytes.max(1),
            make,
            pending: Vec::new(),
            pending_rows: 0,
            pending_bytes: 0,
            total_bytes: 0,
        }
    }

    /// Takes rows of `bytes` bytes; returns whether they are enough to be encoded.
    pub fn push(&mut self, rows: FileRows, bytes: usize) -> bool {
        self.pending_rows += rows.len();
        self.pending_bytes += bytes;
        self.total_bytes = self.total_bytes.saturating_add(bytes);
        self.pending.push(rows);
        self.pending_rows >= PENDING_ROWS || self.pending_bytes >= PENDING_BYTES
    }

    /// Bytes of memory held, as far as it is known while rows are being encoded.
    pub fn memory_size(&self) -> usize {
        let lanes: usize = self.lanes.iter().map(|lane| lane.memory).sum();
        lanes + self.pending_bytes
    }

    /// Starts encoding what is pending; waits when all lanes are busy.
    ///
    /// # Errors
    /// Those of earlier rows.
    pub async fn encode(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let at = self.free_lane().await?;
        let Some(lane) = self.lanes.get_mut(at) else {
            return Err(Error::internal("a writer has no lane"));
        };
        let mut writer = lane.settle().await?;
        let pending = std::mem::take(&mut self.pending);
        lane.memory = writer.memory_size() + self.pending_bytes;
        self.pending_rows = 0;
        self.pending_bytes = 0;
        lane.state = State::Busy(tokio::spawn(async move {
            let result = write_all(&mut writer, pending).await;
            (writer, result)
        }));
        Ok(())
    }

    /// Position of a lane to give rows to: one without work, a new one, or the one that works longest.
    async fn free_lane(&mut self) -> Result<usize> {
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if lane.is_free() {
                lane.wait().await?;
                return Ok(at);
            }
        }
        let wanted = self.total_bytes / self.lane_bytes + 1;
        if self.lanes.len() < wanted.min(self.lanes_max) {
            self.lanes.push(Lane {
                state: State::Idle(Box::new((self.make)())),
                memory: 0,
            });
            return Ok(self.lanes.len() - 1);
        }
        // lanes were given rows in turn, so the first is the one that works longest
        self.lanes.rotate_left(1);
        let last = self.lanes.len().saturating_sub(1);
        match self.lanes.get_mut(last) {
            Some(lane) => lane.wait().await.map(|()| last),
            None => Err(Error::internal("a writer has no lane")),
        }
    }

    /// Encodes everything and ends the row groups of the open files.
    ///
    /// # Errors
    /// `Io` when the store fails, or those of earlier rows.
    pub async fn flush_memory(&mut self) -> Result<()> {
        self.encode().await?;
        for lane in &mut self.lanes {
            let mut writer = lane.settle().await?;
            let result = writer.flush_memory().await;
            lane.memory = writer.memory_size();
            lane.state = State::Idle(writer);
            result?;
        }
        Ok(())
    }

    /// Encodes everything and ends the open files; the files since the last call, in order within a lane.
    ///
    /// # Errors
    /// `Io` when the store fails, or those of earlier rows.
    pub async fn close(&mut self) -> Result<Vec<DataFileMeta>> {
        self.encode().await?;
        let ending = self.lanes.iter_mut().map(Lane::end_file);
        let ended = futures::future::join_all(ending).await;
        // no lane gives its files away before all have ended theirs: abort removes what is left
        ended.into_iter().collect::<Result<()>>()?;
        let mut files = Vec::new();
        for lane in &mut self.lanes {
            if let State::Idle(writer) = &mut lane.state {
                files.extend(writer.take_files());
            }
        }
        Ok(files)
    }

    /// Removes the files that [`Self::close`] has not returned.
    pub async fn abort(&mut self) {
        self.pending.clear();
        for lane in &mut self.lanes {
            let writer = match std::mem::replace(&mut lane.state, State::Failed) {
                State::Idle(writer) => Some(writer),
                State::Busy(task) => task.await.ok().map(|(writer, _)| writer),
                State::Failed => None,
            };
            if let Some(mut writer) = writer {
                writer.abort().await;
            }
        }
    }
}

impl Lane {
    fn is_free(&self) -> bool {
        match &self.state {
            State::Idle(_) | State::Failed => true,
            State::Busy(task) => task.is_finished(),
        }
    }

    /// Ends the open file.
    async fn end_file(&mut self) -> Result<()> {
        let mut writer = self.settle().await?;
        let result = writer.end_file().await;
        self.memory = writer.memory_size();
        self.state = State::Idle(writer);
        result
    }

    /// Waits until nothing is being encoded.
    async fn wait(&mut self) -> Result<()> {
        let writer = self.settle().await?;
        self.memory = writer.memory_size();
        self.state = State::Idle(writer);
        Ok(())
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

async fn write_all(writer: &mut RollingFileWriter, parts: Vec<FileRows>) -> Result<()> {
    let rows: usize = parts.iter().map(FileRows::len).sum();
    if rows / parts.len().max(1) >= ROWS_WORTH_A_CALL {
        for part in parts {
            writer.write(part).await?;
        }
        return Ok(());
    }
    let joined = join(&parts)?;
    drop(parts);
    writer.write(joined).await
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::write::file::rolling::tests::{memory, rows, sibling, writer};

    #[tokio::test(flavor = "multi_thread")]
    async fn lanes_share_the_rows() {
        for (lanes, expected) in [(1, 1), (3, 3)] {
            let io = memory();
            let first = writer(&io, &[], &[]);
            let make = move || sibling(&first);
            let mut append = AppendWriter::new(lanes, 1_000, Box::new(make));
            for _ in 0..12 {
                assert!(append.push(FileRows::Plain(rows(PENDING_ROWS)), 400_000));
                append.encode().await.unwrap();
                assert!(append.memory_size() >= 400_000);
            }
            assert!(!append.push(FileRows::Plain(rows(7)), 100));
            let files = append.close().await.unwrap();
            let counted: i64 = files.iter().map(|f| f.row_count).sum();
            assert_eq!(counted, i64::try_from(12 * PENDING_ROWS + 7).unwrap());
            assert!(files.len() <= expected && (lanes == 1 || files.len() > 1));
            assert!(append.memory_size() < 1_000);
            append.push(FileRows::Plain(rows(9)), 100);
            append.encode().await.unwrap();
            let before = io.list_files("memory:/t/bucket-0").await.unwrap().len();
            append.abort().await;
            assert!(append.encode().await.is_ok() && append.close().await.is_err());
            let after = io.list_files("memory:/t/bucket-0").await.unwrap().len();
            assert!(after <= before && after == files.len());
        }
    }

    #[tokio::test]
    async fn a_failure_comes_with_the_next_call() {
        let io = memory();
        let make = move || writer(&io, &[], &[]);
        let mut append = AppendWriter::new(1, LANE_BYTES, Box::new(make));
        let wrong = rows(5).project(&[1, 0]).unwrap();
        append.push(FileRows::Plain(wrong), 100);
        append.encode().await.unwrap();
        append.push(FileRows::Plain(rows(5)), 100);
        assert!(append.close().await.is_err());
        append.abort().await;
    }
}
