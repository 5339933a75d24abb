//! Files of a primary-key table written anew without some of their rows.
//!
//! Source: `DeleteFromPaimonTableCommand.performNonPrimaryKeyDelete`. There the rows that stay are written as new ones and
//! compacted; here a file takes the place of each, on the level that it has, so that no row is out of sight in between.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use futures::StreamExt;

use super::context::WriteContext;
use super::discard::discard_files;
use super::file::data_file::{FileRole, FileSettings};
use super::file::paths::DataFilePaths;
use super::file::rolling::RollingFileWriter;
use super::file::rows::{FileRows, KeyValueBatch};
use super::options::WriteOptions;
use super::removed_rows::RemovedRows;
use crate::error::{Error, Result};
use crate::read::FileScan;
use crate::selection::FileSelection;
use crate::spec::{
    CommitMessage, DataFileMeta, DataIncrement, sequence_number_field, value_kind_field,
};
use crate::table::Table;

/// Encoded rows that an open file holds before they are given to the store, bytes.
const OPEN_BYTES: usize = 32 << 20;

/// Writes files in place of those that lose rows, on the same levels. Returns one message per file.
///
/// # Errors
/// `Damaged` naming a file, `Io` when the store fails. Files written are removed then.
///
/// # Cancel safety
/// A cancelled call leaves files behind that no snapshot names.
pub async fn rewrite_without(
    table: &Table,
    context: &WriteContext,
    removed: &[RemovedRows],
) -> Result<Vec<CommitMessage>> {
    let mut messages = Vec::with_capacity(removed.len());
    for rows in removed {
        match rewritten(table, context, rows).await {
            Ok(new_files) => messages.push(CommitMessage {
                partition: rows.partition.bytes.clone(),
                bucket: rows.bucket,
                total_buckets: rows.total_buckets,
                base: None,
                data: DataIncrement {
                    deleted_files: vec![DataFileMeta::clone(&rows.file.meta)],
                    new_files,
                    ..DataIncrement::default()
                },
                compact: Default::default(),
            }),
            Err(error) => {
                for message in &messages {
                    let discarded = discard_files(table, context.ids.as_ref(), message).await;
                    if let Err(error) = discarded {
                        tracing::warn!(%error, "files of a statement that failed were left behind");
                    }
                }
                return Err(error);
            }
        }
    }
    Ok(messages)
}

async fn rewritten(
    table: &Table,
    context: &WriteContext,
    removed: &RemovedRows,
) -> Result<Vec<DataFileMeta>> {
    let write = WriteOptions::new(table.schema(), table.options())?;
    let level = removed.file.meta.level;
    let role = FileRole::Compacted { level };
    let settings = FileSettings::of(table.schema(), table.options(), &write, role)?;
    let (partition, bucket) = (&removed.partition, removed.bucket);
    let paths = DataFilePaths::of_bucket(table, &write, partition, bucket, context.ids.uuid())?;
    let mut writer =
        RollingFileWriter::new(Arc::new(settings), Arc::new(paths), context.clone(), 0);
    let copied = match copy(table, removed, &mut writer).await {
        Ok(()) => writer.close().await,
        Err(error) => Err(error),
    };
    if copied.is_err() {
        writer.abort().await;
    }
    copied
}

/// Copies the rows that stay.
async fn copy(table: &Table, removed: &RemovedRows, writer: &mut RollingFileWriter) -> Result<()> {
    let file = &removed.file;
    let rows = usize::try_from(file.meta.row_count)
        .map_err(|_| Error::damaged("row count in the manifest is negative"))?;
    let stay = FileSelection::all_but(rows, removed.positions.iter());
    let expected = stay.selected();
    if expected == 0 {
        return Ok(());
    }
    let mut fields = table.schema().fields.clone();
    fields.extend([sequence_number_field(), value_kind_field()]);
    let mut scan = FileScan::new(table, &removed.partition, file, &fields);
    scan.selection = Some(Arc::new(stay));
    let mut batches = scan.open().await?;
    let mut found = 0;
    while let Some(batch) = batches.next().await {
        let batch = key_values(&batch?)?;
        found += batch.values.num_rows();
        writer.write(FileRows::Keyed(batch)).await?;
        if writer.memory_size() >= OPEN_BYTES {
            writer.flush_memory().await?;
        }
    }
    match found == expected {
        true => Ok(()),
        false => Err(Error::damaged(format!(
            "{found} rows of a data file were read, {expected} were expected by its manifest entry"
        ))
        .with("path", &file.path)),
    }
}

/// The columns of the table, then the number and the kind of each row.
fn key_values(batch: &RecordBatch) -> Result<KeyValueBatch> {
    let own = batch.num_columns().saturating_sub(2);
    let columns: Vec<usize> = (0..own).collect();
    let (sequence, kinds) = match &batch.columns()[own..] {
        [sequence, kinds] => (
            sequence.as_primitive_opt::<Int64Type>(),
            kinds.as_primitive_opt::<Int8Type>(),
        ),
        _ => (None, None),
    };
    match (sequence, kinds) {
        (Some(sequence), Some(kinds)) if sequence.null_count() == 0 && kinds.null_count() == 0 => {
            Ok(KeyValueBatch {
                values: batch.project(&columns)?,
                sequence: sequence.clone(),
                kinds: kinds.clone(),
            })
        }
        _ => Err(Error::damaged(
            "rows of a primary-key table lack their number or kind",
        )),
    }
}
