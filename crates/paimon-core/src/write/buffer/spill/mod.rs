//! Sorted runs of buffered rows on local disk: where rows wait when memory is short.
//!
//! ```text
//! buffered rows --sort--> run 1 --+
//! buffered rows --sort--> run 2 --+--merge--> level-0 files of one flush
//! buffered rows ------------------+
//! ```
//!
//! A run is an Arrow IPC stream of blocks; all rows of a key lie in one block. Runs lie in a folder that is made with
//! the first of them and goes with the write that owns it. The folder and its runs serve other sorts too. Source: `BinaryExternalSortBuffer`,
//! `IOManagerImpl`.

mod merge;
mod owner;
mod run;
mod space;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};

pub(super) use self::merge::{Blocks, Merged, RunMerge};
pub(crate) use self::run::{RunReader, RunWriter, SpillBlock, SpilledRun};
pub(crate) use self::space::SpillSpace;
use crate::error::{Error, Result};
use crate::write::file::rows::KeyValueBatch;

/// Rows per block of a run, at least and at most.
const ROWS_PER_BLOCK: (usize, usize) = (64, 8192);

/// Bytes of a block, at least and at most: a merge holds two of each run.
const BYTES_PER_BLOCK: (usize, usize) = (16 << 10, 512 << 10);

/// Blocks of a run, about, where their size allows it: a small budget makes small runs, whose merge must fit it too.
const BLOCKS_PER_RUN: usize = 16;

/// Bytes of a block of rows that take `bytes` bytes together, about.
fn bytes_per_block(bytes: usize) -> usize {
    let (least, most) = BYTES_PER_BLOCK;
    (bytes / BLOCKS_PER_RUN).clamp(least, most)
}

/// Rows of a block when `rows` rows take `bytes` bytes.
fn rows_per_block(rows: usize, bytes: usize) -> usize {
    let (least, most) = ROWS_PER_BLOCK;
    (rows.saturating_mul(bytes_per_block(bytes)) / bytes.max(1)).clamp(least, most)
}

impl SpillBlock for KeyValueBatch {
    fn extra_fields() -> Vec<Field> {
        vec![
            Field::new("sequence", DataType::Int64, false),
            Field::new("kind", DataType::Int8, false),
        ]
    }

    fn columns(&self) -> (&RecordBatch, Vec<ArrayRef>) {
        let extra: [ArrayRef; 2] = [
            Arc::new(self.sequence.clone()),
            Arc::new(self.kinds.clone()),
        ];
        (&self.values, extra.to_vec())
    }

    fn of(values: RecordBatch, extra: Vec<ArrayRef>) -> Result<Self> {
        let lacking = || Error::internal("a spilled block lacks its system columns");
        let [sequence, kinds] = extra.as_slice() else {
            return Err(lacking());
        };
        let sequence = sequence.as_primitive_opt::<Int64Type>();
        let kinds = kinds.as_primitive_opt::<Int8Type>();
        Ok(Self {
            values,
            sequence: sequence.ok_or_else(lacking)?.clone(),
            kinds: kinds.ok_or_else(lacking)?.clone(),
        })
    }
}
