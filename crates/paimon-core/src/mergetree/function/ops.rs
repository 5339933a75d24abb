//! What each record does to a column, and picking rows.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};

use super::rows::{Column, MergeRows};
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

/// Groups and effects for the fold of columns.
#[derive(Debug)]
pub(super) struct FoldPlan<'a> {
    /// Group bounds, see [`super::MergeInput::offsets`].
    pub offsets: &'a [usize],
    /// Effect of every row; `None`: all [`Op::Agg`].
    pub ops: Option<&'a [Op]>,
    by_size: OnceCell<Vec<usize>>,
}

impl<'a> FoldPlan<'a> {
    pub(super) fn new(offsets: &'a [usize], ops: Option<&'a [Op]>) -> Self {
        Self {
            offsets,
            ops,
            by_size: OnceCell::new(),
        }
    }

    /// Every group and its rows, groups of equal size one after the other: a loop over the rows of a group then ends
    /// where the processor expects it.
    pub(super) fn groups_by_size(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let order = self.by_size.get_or_init(|| by_size(self.offsets));
        order
            .iter()
            .map(|g| (*g, self.offsets[*g]..self.offsets[*g + 1]))
    }

    pub(super) fn num_groups(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        self.offsets.windows(2).map(|w| w[0]..w[1])
    }

    /// Behind the last row of a group.
    pub(super) fn end(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
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

/// Group numbers, those of small groups first; groups above [`LARGE_GROUP`] count as one size.
fn by_size(offsets: &[usize]) -> Vec<usize> {
    let class = |w: &[usize]| (w[1] - w[0]).min(LARGE_GROUP);
    let mut starts = [0; LARGE_GROUP + 2];
    for group in offsets.windows(2) {
        starts[class(group) + 1] += 1;
    }
    for size in 1..starts.len() {
        starts[size] += starts[size - 1];
    }
    let mut order = vec![0; offsets.len().saturating_sub(1)];
    for (g, group) in offsets.windows(2).enumerate() {
        let at = &mut starts[class(group)];
        order[*at] = g;
        *at += 1;
    }
    order
}

const LARGE_GROUP: usize = 16;

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
    rows: &MergeRows,
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
            rows.schema().clone(),
            done,
            &options,
        )?);
    }
    Ok(RecordBatch::try_new(rows.schema().clone(), done)?)
}

fn fill_deleted(
    column: &ArrayRef,
    nulls: &NullBuffer,
    field: &DataField,
    source: &Column,
    offsets: &[usize],
    kinds: &[i8],
) -> Result<ArrayRef> {
    let valid = source.validity();
    for group in (0..nulls.len()).filter(|g| nulls.is_null(*g)) {
        if kinds[group] != DELETE || !valid.is_valid(offsets[group + 1] - 1) {
            return Err(not_null_error(field));
        }
    }
    let last = source.take(&last_rows(offsets))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_by_size_and_in_order_among_equals() {
        let offsets = [0, 1, 21, 24, 41, 43, 44];
        let plan = FoldPlan::new(&offsets, None);
        let groups: Vec<(usize, Range<usize>)> = plan.groups_by_size().collect();
        let expected = [
            (0, 0..1),
            (5, 43..44),
            (4, 41..43),
            (2, 21..24),
            (1, 1..21),
            (3, 24..41),
        ];
        assert_eq!(groups, expected);
        for none in [&[][..], &[0]] {
            assert_eq!(FoldPlan::new(none, None).groups_by_size().count(), 0);
        }
    }
}
