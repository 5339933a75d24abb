//! Merge engine `deduplicate` (`DeduplicateMergeFunction`): the last record wins, whatever its kind.

use arrow_buffer::BooleanBuffer;

use super::ops::{any_retract, finish, last_rows, row_id};
use super::{MergeFunction, MergeInput, MergeOutput, OptionLookup, options};
use crate::Result;
use crate::spec::DataField;
use crate::spec::is_retract;

/// Keeps the last record of each key; with `ignore-delete` the last one that is not a retract.
#[derive(Debug)]
pub(super) struct Deduplicate {
    fields: Vec<DataField>,
    ignore_delete: bool,
}

impl Deduplicate {
    pub(super) fn new(fields: &[DataField], options: &dyn OptionLookup) -> Result<Self> {
        Ok(Self {
            fields: fields.to_vec(),
            ignore_delete: options::ignore_delete(options)?,
        })
    }
}

impl MergeFunction for Deduplicate {
    fn merge(&self, input: &MergeInput) -> Result<MergeOutput> {
        input.check(self.fields.len())?;
        let mut keep = None;
        let winners = if self.ignore_delete && any_retract(input.kinds, input.offsets) {
            let last_add = |w: &[usize]| (w[0]..w[1]).rev().find(|r| !is_retract(input.kinds[*r]));
            let found: Vec<Option<usize>> = input.offsets.windows(2).map(last_add).collect();
            keep = missing(&found);
            let or_last = found.iter().zip(input.offsets.iter().skip(1));
            or_last
                .map(|(row, end)| row_id(row.unwrap_or(end - 1)))
                .collect()
        } else {
            last_rows(input.offsets)
        };
        pick(input, &self.fields, winners, keep)
    }
}

/// The mask of groups with a row, `None` when all have one.
pub(super) fn missing(found: &[Option<usize>]) -> Option<BooleanBuffer> {
    found
        .iter()
        .any(Option::is_none)
        .then(|| found.iter().map(Option::is_some).collect())
}

/// Output made of one whole input row per group.
pub(super) fn pick(
    input: &MergeInput,
    fields: &[DataField],
    winners: Vec<u32>,
    keep: Option<BooleanBuffer>,
) -> Result<MergeOutput> {
    let last_row: Vec<usize> = winners.iter().map(|w| super::ops::row_of(*w)).collect();
    let kinds: Vec<i8> = last_row.iter().map(|r| input.kinds[*r]).collect();
    let columns = input
        .rows
        .columns()
        .iter()
        .map(|c| c.take(&winners))
        .collect::<Result<Vec<_>>>()?;
    Ok(MergeOutput {
        rows: finish(input.rows, fields, columns, input.offsets, &kinds)?,
        kinds,
        keep,
        last_row,
    })
}
