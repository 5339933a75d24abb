//! Batches put together from others.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_select::concat::concat_batches;
use arrow_select::interleave::interleave;

use super::super::memory::gather_views;
use crate::error::{Error, Result};

/// Small batches are joined until they have this many rows.
pub(super) const ROWS_PER_BATCH: usize = 32 << 10;

/// Rows at these places: batch, and row in it.
pub(super) fn gather<'a>(
    batches: impl Iterator<Item = &'a RecordBatch>,
    places: &[(usize, usize)],
) -> Result<RecordBatch> {
    let batches: Vec<&RecordBatch> = batches.collect();
    let first = batches
        .first()
        .ok_or_else(|| Error::internal("no rows to gather"))?;
    let columns = (0..first.num_columns())
        .map(|c| {
            let arrays: Vec<&dyn Array> = batches.iter().map(|b| b.column(c).as_ref()).collect();
            interleave(&arrays, places)
        })
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    Ok(RecordBatch::try_new(first.schema(), columns)?)
}

/// The same rows in batches that are not small, but for the last.
pub(super) fn join_small(batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let mut out: Vec<RecordBatch> = Vec::new();
    let mut open: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    for batch in batches.into_iter().filter(|b| b.num_rows() > 0) {
        rows += batch.num_rows();
        open.push(batch);
        if rows >= ROWS_PER_BATCH {
            out.push(join(std::mem::take(&mut open))?);
            rows = 0;
        }
    }
    if !open.is_empty() {
        out.push(join(open)?);
    }
    Ok(out)
}

/// The same rows in one batch.
pub(super) fn join(mut batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    match batches.as_slice() {
        [_] => Ok(batches.swap_remove(0)),
        [first, ..] => gather_views(&concat_batches(&first.schema(), &batches)?),
        [] => Err(Error::internal("no batches to join")),
    }
}
