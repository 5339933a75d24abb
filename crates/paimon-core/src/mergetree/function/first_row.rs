//! Merge engine `first-row` (`FirstRowMergeFunction`): the first record wins, retracts are not accepted.

use super::deduplicate::{missing, pick};
use super::ops::{any_retract, row_id};
use super::{MergeFunction, MergeInput, MergeOutput, OptionLookup, options};
use crate::spec::DataField;
use crate::spec::is_retract;
use crate::{Error, Result};

/// Keeps the first record of each key.
#[derive(Debug)]
pub(super) struct FirstRow {
    fields: Vec<DataField>,
    ignore_delete: bool,
}

impl FirstRow {
    pub(super) fn new(fields: &[DataField], options: &dyn OptionLookup) -> Result<Self> {
        Ok(Self {
            fields: fields.to_vec(),
            ignore_delete: options::ignore_delete(options)?,
        })
    }
}

impl MergeFunction for FirstRow {
    fn merge(&self, input: &MergeInput) -> Result<MergeOutput> {
        input.check(self.fields.len())?;
        if !any_retract(input.kinds, input.offsets) {
            let starts = input.offsets.windows(2).map(|w| row_id(w[0])).collect();
            return pick(input, &self.fields, starts, None);
        }
        if !self.ignore_delete {
            return Err(Error::invalid(
                "merge engine first-row can not accept DELETE and UPDATE_BEFORE records; set 'ignore-delete' to skip them",
            )
            .with("option", "ignore-delete"));
        }
        let first_add = |w: &[usize]| (w[0]..w[1]).find(|r| !is_retract(input.kinds[*r]));
        let found: Vec<Option<usize>> = input.offsets.windows(2).map(first_add).collect();
        let keep = missing(&found);
        let rows = found.iter().zip(input.offsets);
        let winners = rows
            .map(|(row, start)| row_id(row.unwrap_or(*start)))
            .collect();
        pick(input, &self.fields, winners, keep)
    }
}
