//! Rows of the postpone bucket into the buckets they belong to. Source: `PostponeBucketCompactSplitSource`,
//! `PostponeUtils`, `RewritePostponeBucketCommittableOperator`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use futures::StreamExt;

use super::state::BucketState;
use crate::error::{Error, Result};
use crate::options::{CoreOptions, parse_bytes, parse_i64};
use crate::read::{FileScan, written_order};
use crate::spec::{CommitMessage, CompactIncrement, DataFileMeta, DataIncrement, value_kind_field};
use crate::table::Table;
use crate::write::{FixedBudget, TableWriter, WriteContext, WriteOptions, WriteSettings};

/// Writes the postponed rows of a partition to level 0 of its buckets; `total` is their number where there are some.
/// On failure the files written are removed.
///
/// # Errors
/// `InvalidInput` for a malformed option, `Damaged` naming a file, `Io` when the store fails.
pub(super) async fn distribute(
    table: &Table,
    context: &WriteContext,
    postponed: BucketState,
    total: Option<i32>,
) -> Result<Vec<CommitMessage>> {
    let options = WriteOptions::new(table.schema(), table.options())?;
    let total = match total {
        Some(total) => total,
        None => bucket_number(table.options(), &postponed)?,
    };
    let settings = WriteSettings {
        context: Some(WriteContext {
            memory: Arc::new(FixedBudget::new(options.buffer_size)),
            ..context.clone()
        }),
        postponed_into: Some(total),
        keep_nulls: true,
        ..WriteSettings::default()
    };
    let mut writer = TableWriter::new(table, settings)?;
    match rewrite(table, &mut writer, &postponed).await {
        Ok(written) => Ok(as_compaction(postponed, written)),
        Err(error) => {
            writer.abort().await;
            Err(error)
        }
    }
}

/// Number of buckets of a partition that has none yet.
fn bucket_number(options: &CoreOptions, postponed: &BucketState) -> Result<i32> {
    const NUMBER: &str = "postpone.default-bucket-num";
    const ROWS: &str = "postpone.target-row-num-per-bucket";
    const BYTES: &str = "postpone.target-size-per-bucket";
    let positive = |key: &'static str, value: Result<i64>| {
        let value = value.map_err(|e| e.with("option", key))?;
        let value = u64::try_from(value).ok().filter(|n| *n > 0);
        value.ok_or_else(|| Error::invalid("expected a positive number").with("option", key))
    };
    let number = |key| {
        options
            .get(key)
            .map(|v| positive(key, parse_i64(v)))
            .transpose()
    };
    let sum = |value: fn(&DataFileMeta) -> i64| -> u64 {
        let values = postponed.files.iter().map(|f| value(&f.meta));
        values.map(|n| u64::try_from(n).unwrap_or(0)).sum()
    };
    let wanted = if let Some(number) = number(NUMBER)? {
        number
    } else if let Some(rows) = number(ROWS)? {
        sum(|f| f.row_count).div_ceil(rows)
    } else {
        let bytes = options.get(BYTES).map(parse_bytes).transpose();
        let bytes = bytes
            .map_err(|e| e.with("option", BYTES))?
            .unwrap_or(1 << 30);
        sum(|f| f.file_size).div_ceil(bytes.max(1))
    };
    Ok(i32::try_from(wanted.max(1)).unwrap_or(i32::MAX))
}

async fn rewrite(
    table: &Table,
    writer: &mut TableWriter,
    postponed: &BucketState,
) -> Result<Vec<CommitMessage>> {
    let mut fields = table.schema().fields.clone();
    let columns: Vec<usize> = (0..fields.len()).collect();
    fields.push(value_kind_field());
    let mut files: Vec<_> = postponed.files.iter().collect();
    files.sort_by_key(|f| written_order(&f.meta));
    for file in files {
        let scan = FileScan::new(table, &postponed.partition, file, &fields);
        let mut batches = scan.open().await?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let kinds = batch.column(columns.len()).as_primitive::<Int8Type>();
            writer
                .write(&batch.project(&columns)?, Some(kinds))
                .await
                .map_err(|e| e.with_default("path", &file.path))?;
        }
    }
    writer.prepare_commit().await
}

/// New files and the end of the old ones, as changes of a compaction.
fn as_compaction(postponed: BucketState, written: Vec<CommitMessage>) -> Vec<CommitMessage> {
    let before = postponed.files.iter().map(|f| DataFileMeta::clone(&f.meta));
    let removed = CommitMessage {
        partition: postponed.partition.bytes.clone(),
        bucket: postponed.bucket,
        total_buckets: postponed.total_buckets,
        base: None,
        data: DataIncrement::default(),
        compact: CompactIncrement {
            compact_before: before.collect(),
            ..CompactIncrement::default()
        },
    };
    let moved = written.into_iter().map(|message| CommitMessage {
        compact: CompactIncrement {
            compact_after: message.data.new_files,
            changelog_files: message.data.changelog_files,
            ..CompactIncrement::default()
        },
        data: DataIncrement::default(),
        ..message
    });
    std::iter::once(removed).chain(moved).collect()
}
