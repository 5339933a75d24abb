//! `_ROW_ID` and `_SEQUENCE_NUMBER` of tables with row tracking.
//!
//! A stored null row id is the file's first row id plus the position; a stored null sequence is the file's largest.
//! Source: `DataFileRecordReader`, page "row tracking".

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use futures::StreamExt;

use super::scan::FileScan;
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::spec::{ROW_ID, SEQUENCE_NUMBER};

/// Opens a scan; system columns among its fields are filled in.
pub(crate) async fn with_row_ids(mut scan: FileScan) -> Result<BatchStream> {
    let at = |name: &str| scan.fields.iter().position(|f| f.name == name);
    let (row_id, sequence) = (at(ROW_ID), at(SEQUENCE_NUMBER));
    if row_id.is_none() && sequence.is_none() {
        return scan.open().await;
    }
    let first_row_id = scan.file.meta.first_row_id;
    let max_sequence = scan.file.meta.max_sequence_number;
    scan.with_position = row_id.is_some();
    let stream = scan.open().await?;
    Ok(stream
        .map(move |batch| {
            let batch = batch?;
            let mut columns = batch.columns().to_vec();
            let positions = if row_id.is_some() {
                columns.pop()
            } else {
                None
            };
            if let (Some(i), Some(positions)) = (row_id, positions) {
                columns[i] = row_ids(&columns[i], &positions, first_row_id)?;
            }
            if let Some(i) = sequence {
                columns[i] = or_else(&columns[i], |_| Some(max_sequence))?;
            }
            let schema = batch.schema();
            let fields: Vec<_> = schema
                .fields()
                .iter()
                .take(columns.len())
                .cloned()
                .collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(
                Arc::new(arrow_schema::Schema::new(fields)),
                columns,
                &options,
            )?)
        })
        .boxed())
}

/// Row ids as stored; where none is, the file's first one plus the position, null when there is no such number.
///
/// # Errors
/// `Internal` unless both columns are 64-bit integers.
pub fn row_ids(stored: &ArrayRef, positions: &ArrayRef, first: Option<i64>) -> Result<ArrayRef> {
    let positions = integers(positions)?;
    or_else(stored, |i| {
        first.and_then(|first| first.checked_add(positions.value(i)))
    })
}

/// Stored values, nulls replaced.
fn or_else(stored: &ArrayRef, fill: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
    let stored = integers(stored)?;
    let filled: Int64Array = (0..stored.len())
        .map(|i| {
            if stored.is_null(i) {
                fill(i)
            } else {
                Some(stored.value(i))
            }
        })
        .collect();
    Ok(Arc::new(filled))
}

fn integers(column: &ArrayRef) -> Result<&Int64Array> {
    column
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| Error::internal("system columns are 64-bit integers"))
}
