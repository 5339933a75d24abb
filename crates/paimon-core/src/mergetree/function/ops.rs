//! What each record does to a column, and picking rows.

use std::borrow::Cow;
use std::ops::Range;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_select::take::take;

use crate::spec::DataField;
use crate::spec::is_retract;
use crate::spec::row_kind::DELETE;
use crate::{Error, Result};

/// Effect of one record on the accumulator of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// None.
    Skip,
    /// acc = agg(acc, in).
    Agg,
    /// acc = agg(in, acc): the record is older than the accumulated state of its sequence group.
    AggReversed,
    /// acc = retract(acc, in).
    Retract,
    /// As `Retract`, of a record that is older than the state of its sequence group.
    RetractOld,
    /// acc = in, null or not.
    Set,
    /// acc = in, then retract(acc, in): a retract as first record of the key.
    SetRetract,
}

impl Op {
    fn retracts(self) -> bool {
        matches!(self, Op::Retract | Op::RetractOld | Op::SetRetract)
    }
}

/// Groups and effects for the fold of one column.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoldPlan<'a> {
    /// Group bounds, see [`super::MergeInput::offsets`].
    pub offsets: &'a [usize],
    /// Effect of every row; `None`: all [`Op::Agg`].
    pub ops: Option<&'a [Op]>,
}

impl<'a> FoldPlan<'a> {
    pub(super) fn num_groups(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        self.offsets.windows(2).map(|w| w[0]..w[1])
    }

    /// The effect of a row.
    #[inline]
    pub(super) fn op(&self, row: usize) -> Op {
        self.ops.map_or(Op::Agg, |ops| ops[row])
    }

    /// Whether any row of a group retracts.
    pub(super) fn has_retract(&self) -> bool {
        let (Some(ops), Some(first), Some(last)) =
            (self.ops, self.offsets.first(), self.offsets.last())
        else {
            return false;
        };
        ops[*first..*last].iter().any(|op| op.retracts())
    }
}

/// The effects with retracts turned into nothing (option `ignore-retract`).
pub(super) fn without_retracts(ops: &[Op]) -> Cow<'_, [Op]> {
    if !ops.iter().any(|op| op.retracts()) {
        return Cow::Borrowed(ops);
    }
    let kept = |op: &Op| match op {
        Op::Retract | Op::RetractOld => Op::Skip,
        Op::SetRetract => Op::Set,
        other => *other,
    };
    Cow::Owned(ops.iter().map(kept).collect())
}

/// Marks "no row" in a list of winning rows.
pub(super) const NO_ROW: u32 = u32::MAX;

/// Row position as stored in winner lists; [`super::MergeInput`] was checked to fit.
#[inline]
pub(super) fn row_id(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(NO_ROW)
}

/// Row position of a winner.
#[inline]
pub(super) fn row_of(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

/// Winner lists as indices for `take`; [`NO_ROW`] becomes null.
pub(super) fn indices(winners: Vec<u32>) -> UInt32Array {
    let nulls = winners.contains(&NO_ROW).then(|| {
        NullBuffer::new(BooleanBuffer::collect_bool(winners.len(), |i| {
            winners[i] != NO_ROW
        }))
    });
    if nulls.is_none() {
        return UInt32Array::new(ScalarBuffer::from(winners), None);
    }
    let safe: Vec<u32> = winners
        .into_iter()
        .map(|w| if w == NO_ROW { 0 } else { w })
        .collect();
    UInt32Array::new(ScalarBuffer::from(safe), nulls)
}

/// One value per group, of the winning rows.
pub(super) fn take_rows(column: &ArrayRef, indices: &UInt32Array) -> Result<ArrayRef> {
    Ok(take(column.as_ref(), indices, None)?)
}

/// Last row of every group.
pub(super) fn last_rows(offsets: &[usize]) -> Vec<u32> {
    offsets.iter().skip(1).map(|end| row_id(end - 1)).collect()
}

/// Whether any row within the groups is -U or -D.
pub(super) fn any_retract(kinds: &[i8], offsets: &[usize]) -> bool {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => kinds[*first..*last].iter().any(|k| is_retract(*k)),
        _ => false,
    }
}

/// The output batch, with NOT NULL respected.
///
/// A null for a NOT NULL column is an error, except in rows nobody keeps as a value (deleted ones): these take the
/// value of their last record.
pub(super) fn finish(
    rows: &RecordBatch,
    fields: &[DataField],
    columns: Vec<ArrayRef>,
    offsets: &[usize],
    kinds: &[i8],
) -> Result<RecordBatch> {
    let mut done = Vec::with_capacity(columns.len());
    for ((column, field), source) in columns.into_iter().zip(fields).zip(rows.columns()) {
        let not_null = !field.data_type.nullable;
        let nulls = column.nulls().filter(|n| not_null && n.null_count() > 0);
        done.push(match nulls {
            Some(nulls) => fill_deleted(&column, nulls, field, source, offsets, kinds)?,
            None => column,
        });
    }
    if done.is_empty() {
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(kinds.len()));
        return Ok(RecordBatch::try_new_with_options(
            rows.schema(),
            done,
            &options,
        )?);
    }
    Ok(RecordBatch::try_new(rows.schema(), done)?)
}

fn fill_deleted(
    column: &ArrayRef,
    nulls: &NullBuffer,
    field: &DataField,
    source: &ArrayRef,
    offsets: &[usize],
    kinds: &[i8],
) -> Result<ArrayRef> {
    for group in (0..nulls.len()).filter(|g| nulls.is_null(*g)) {
        if kinds[group] != DELETE || source.is_null(offsets[group + 1] - 1) {
            return Err(not_null_error(field));
        }
    }
    let last = take_rows(source, &indices(last_rows(offsets)))?;
    let valid = arrow_array::BooleanArray::new(nulls.inner().clone(), None);
    Ok(arrow_select::zip::zip(&valid, column, &last)?)
}

/// Null in a NOT NULL column.
pub(super) fn not_null_error(field: &DataField) -> Error {
    Error::invalid(format!(
        "field '{}' can not be null: it is {} and the merge of a key gives null",
        field.name, field.data_type
    ))
    .with("column", &field.name)
}
