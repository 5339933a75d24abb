//! A sort of more rows than fit into memory.
//!
//! ```text
//! rows --sort--> run 1 --+
//! rows --sort--> run 2 --+--merge--> sorted rows
//! rows --sort--> run 3 --+
//! ```
//!
//! Rows wait in memory until they are too many, then they go to local disk as a sorted run. Many runs are merged in
//! several passes. Source: `BinaryExternalSortBuffer`.

mod arranged;
mod merge;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field};

use self::arranged::Arranged;
use self::merge::Merge;
use crate::error::{Error, ErrorKind, Result};
use crate::write::{RunWriter, SpillBlock, SpillSpace, SpilledRun, batch_memory};

type Run = SpilledRun<KeyedRows>;

/// Rows given at a time, at most.
const ROWS_PER_BATCH: usize = 8192;

/// Bytes of a block of a run, at least and at most: a merge holds two of each run.
const BLOCK_BYTES: (usize, usize) = (16 << 10, 1 << 20);

/// Blocks that fit into memory, about, where their size allows it.
const BLOCKS_IN_MEMORY: usize = 64;

/// Rows and the bytes they are sorted by.
#[derive(Debug, Clone)]
pub(super) struct KeyedRows {
    pub keys: BinaryArray,
    pub rows: RecordBatch,
}

impl KeyedRows {
    /// Bytes of memory they take, with what sorting adds.
    fn memory(&self) -> usize {
        let keys = self.keys.get_buffer_memory_size();
        batch_memory(&self.rows) + keys + self.rows.num_rows() * arranged::BYTES_PER_ROW
    }

    fn slice(&self, from: usize, rows: usize) -> Self {
        Self {
            keys: self.keys.slice(from, rows),
            rows: self.rows.slice(from, rows),
        }
    }
}

impl SpillBlock for KeyedRows {
    fn extra_fields() -> Vec<Field> {
        vec![Field::new("key", DataType::Binary, false)]
    }

    fn columns(&self) -> (&RecordBatch, Vec<ArrayRef>) {
        (&self.rows, vec![Arc::new(self.keys.clone())])
    }

    fn of(rows: RecordBatch, extra: Vec<ArrayRef>) -> Result<Self> {
        let keys = extra.first().and_then(|k| k.as_binary_opt::<i32>());
        let keys = keys.ok_or_else(|| Error::internal("a sorted run lacks its keys"))?;
        Ok(Self {
            keys: keys.clone(),
            rows,
        })
    }
}

/// How much memory and disk a sort may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct SortLimits {
    /// Bytes of rows in memory.
    pub memory: usize,
    /// Runs merged at a time, at least two.
    pub runs_max: usize,
    /// Whether rows may go to disk.
    pub spillable: bool,
}

/// Takes rows in any order.
pub(super) struct ExternalSort {
    space: Arc<SpillSpace>,
    limits: SortLimits,
    pending: Vec<KeyedRows>,
    pending_bytes: usize,
    runs: VecDeque<Run>,
}

/// Gives them back in the order of their keys; equal keys in any order.
pub(super) enum SortedRows {
    Memory(Arranged),
    Runs(Merge),
}

impl ExternalSort {
    /// A sort without rows.
    pub fn new(space: &Arc<SpillSpace>, limits: SortLimits) -> Self {
        Self {
            space: Arc::clone(space),
            limits,
            pending: Vec::new(),
            pending_bytes: 0,
            runs: VecDeque::new(),
        }
    }

    /// Adds rows. Blocks on the disk when memory is short.
    ///
    /// # Errors
    /// `ResourceExhausted` when memory is short and rows must not go to disk or it is full, `Io` when it fails.
    pub fn push(&mut self, rows: KeyedRows) -> Result<()> {
        let bytes = rows.memory();
        let full = self.pending_bytes.saturating_add(bytes) > self.limits.memory;
        if full && !self.pending.is_empty() {
            self.spill()?;
        }
        self.pending_bytes += bytes;
        self.pending.push(rows);
        Ok(())
    }

    /// Ends the input. Blocks on the disk.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self) -> Result<SortedRows> {
        if self.runs.is_empty() {
            return Ok(SortedRows::Memory(Arranged::new(self.pending)?));
        }
        if !self.pending.is_empty() {
            self.spill()?;
        }
        while self.runs.len() > self.fan_in() {
            let merged = self.runs.drain(..self.fan_in()).collect();
            let longer = self.merged(merged)?;
            self.runs.push_back(longer);
        }
        Ok(SortedRows::Runs(Merge::new(self.runs.into())?))
    }

    fn block_bytes(&self) -> usize {
        (self.limits.memory / BLOCKS_IN_MEMORY).clamp(BLOCK_BYTES.0, BLOCK_BYTES.1)
    }

    /// Runs whose merge fits into memory.
    fn fan_in(&self) -> usize {
        let fitting = self.limits.memory / (2 * self.block_bytes());
        fitting.min(self.limits.runs_max).max(2)
    }

    /// Makes a run of the rows in memory.
    fn spill(&mut self) -> Result<()> {
        if !self.limits.spillable {
            return Err(Error::new(
                ErrorKind::ResourceExhausted,
                format!(
                    "the rows to sort take more than {} bytes, and spilling them is switched off",
                    self.limits.memory
                ),
            )
            .with("option", "write-buffer-spillable"));
        }
        let pending = std::mem::take(&mut self.pending);
        let bytes = std::mem::take(&mut self.pending_bytes);
        let rows: usize = pending.iter().map(|p| p.rows.num_rows()).sum();
        let rows_per_block = rows.saturating_mul(self.block_bytes()) / bytes.max(1);
        let rows_per_block = rows_per_block.clamp(1, ROWS_PER_BATCH);
        let mut sorted = Arranged::new(pending)?;
        let mut run: Option<RunWriter<KeyedRows>> = None;
        while let Some(block) = sorted.next_keyed(rows_per_block)? {
            self.append(&mut run, &block)?;
        }
        self.runs
            .extend(run.map(|run| self.finished(run)).transpose()?);
        Ok(())
    }

    /// Makes one run of several.
    fn merged(&self, runs: Vec<Run>) -> Result<Run> {
        let rows_per_block = runs.iter().map(Run::block_rows).min().unwrap_or(1);
        let mut merge = Merge::new(runs)?;
        let mut longer: Option<RunWriter<KeyedRows>> = None;
        while let Some(block) = merge.next_keyed(rows_per_block)? {
            self.append(&mut longer, &block)?;
        }
        let longer = longer.map(|run| self.finished(run)).transpose()?;
        longer.ok_or_else(|| Error::internal("a merge of runs gave no rows"))
    }

    fn finished(&self, run: RunWriter<KeyedRows>) -> Result<Run> {
        let run = run.finish()?;
        self.space.check()?;
        Ok(run)
    }

    fn append(&self, run: &mut Option<RunWriter<KeyedRows>>, block: &KeyedRows) -> Result<()> {
        let mut writer = match run.take() {
            Some(writer) => writer,
            None => RunWriter::create(&self.space, &block.rows.schema())?,
        };
        writer.write(block)?;
        self.space.check()?;
        *run = Some(writer);
        Ok(())
    }
}

impl SortedRows {
    /// The next rows, never none; `None` at the end. Blocks on the disk.
    ///
    /// # Errors
    /// `Io` when the disk fails.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        let next = match self {
            Self::Memory(rows) => rows.next_keyed(ROWS_PER_BATCH)?,
            Self::Runs(merge) => merge.next_keyed(ROWS_PER_BATCH)?,
        };
        Ok(next.map(|n| n.rows))
    }
}
