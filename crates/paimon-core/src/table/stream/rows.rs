//! The rows of what a streaming read plans. Source: `IncrementalChangelogReadProvider`, `ReverseReader`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{Int8Array, RecordBatch, RecordBatchOptions};
use futures::{StreamExt, TryStreamExt};

use super::super::read_builder::TableRead;
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::read::StreamSplit;
use crate::spec::is_retract;
use crate::spec::row_kind::DELETE;

/// Rows of a split, each with its kind at the end.
pub(super) fn rows_of(reader: &TableRead, split: &StreamSplit) -> Result<BatchStream> {
    match split {
        StreamSplit::Rows(split) => reader.read(split),
        StreamSplit::Changes(split) => reader.read_changes(split),
        StreamSplit::Replaced { before, after } => {
            let (before_reader, after_reader) = (reader.clone(), reader.clone());
            let before = futures::stream::iter(before.clone())
                .map(move |split| before_reader.read(&split))
                .try_flatten()
                .map(|batch| taken_away(batch?));
            let after = futures::stream::iter(after.clone())
                .map(move |split| after_reader.read(&split))
                .try_flatten();
            Ok(before.chain(after).boxed())
        }
    }
}

/// The same rows, of kind -D.
fn taken_away(batch: RecordBatch) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    let kinds = columns
        .pop()
        .ok_or_else(|| Error::internal("a batch lacks its row kinds"))?;
    let kinds = kinds.as_primitive::<Int8Type>();
    if kinds.values().iter().any(|k| is_retract(*k)) {
        return Err(Error::internal("a merged row has a kind of removed rows"));
    }
    columns.push(Arc::new(Int8Array::from(vec![DELETE; batch.num_rows()])));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        batch.schema(),
        columns,
        &options,
    )?)
}
