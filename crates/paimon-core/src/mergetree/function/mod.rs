//! Merge functions: many records of one key become one (`org.apache.paimon.mergetree.compact.MergeFunction`).
//!
//! Java folds record after record. Here a merge function gets the records of many keys and works column
//! by column: a pass over the kinds (and the ordering columns of sequence groups) decides what each record does
//! (`ops::Op`), then every column is folded in one typed loop, or its winning rows are taken.
//!
//! ```text
//! rows   a b c | d d | e e e      offsets = [0, 3, 5, 8]
//!           |      |       |
//! out       0      1       2      one row per group
//! ```
//!
//! Invariant: a merge function never looks across a group, so its result does not depend on how keys are cut into batches.

mod aggregate;
mod aggregation;
mod deduplicate;
mod first_row;
mod groups;
mod ops;
mod options;
mod partial_update;
mod rows;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;

pub use crate::options::MergeEngine;
pub use groups::required_columns;
pub use options::OptionLookup;
pub(crate) use options::aggregates_unordered;
pub use rows::{MergeRows, Place};

use crate::spec::DataField;
use crate::spec::row_kind::{DELETE, INSERT};
use crate::{Error, Result};

/// Records of some keys, grouped by key and in merge order.
#[derive(Debug, Clone, Copy)]
pub struct MergeInput<'a> {
    /// The records, wherever they lie.
    pub rows: &'a MergeRows<'a>,
    /// Row kind of every row of `rows`: 0 +I, 1 -U, 2 +U, 3 -D.
    pub kinds: &'a [i8],
    /// n + 1 ascending row positions: group g is rows `offsets[g]..offsets[g + 1]`, oldest first, never empty.
    pub offsets: &'a [usize],
}

impl MergeInput<'_> {
    /// Number of keys.
    pub fn num_groups(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Checks the shape once, so that the loops below may index.
    fn check(&self, columns: usize) -> Result<()> {
        let rows = self.rows.num_rows();
        if self.rows.columns().len() != columns {
            return Err(Error::internal(format!(
                "merge input has {} columns, expected {columns}",
                self.rows.columns().len()
            )));
        }
        if self.kinds.len() != rows || u32::try_from(rows).is_err() {
            return Err(Error::internal(format!(
                "merge input has {rows} rows and {} row kinds",
                self.kinds.len()
            )));
        }
        if self.offsets.windows(2).any(|w| w[0] >= w[1])
            || self.offsets.last().is_none_or(|last| *last > rows)
        {
            return Err(Error::internal(format!(
                "merge groups must be non-empty, ascending and within {rows} rows"
            )));
        }
        if let Some(kind) = self.kinds.iter().find(|k| !(INSERT..=DELETE).contains(*k)) {
            return Err(Error::damaged(format!(
                "row kind is {kind}, expected 0 to 3"
            )));
        }
        Ok(())
    }
}

/// One merged record per group.
#[derive(Debug, Clone)]
pub struct MergeOutput {
    /// One row per group, same schema as the input.
    pub rows: RecordBatch,
    /// Row kind of each result row.
    pub kinds: Vec<i8>,
    /// Groups that have a result; `None`: all. The row of a group without result is arbitrary.
    pub keep: Option<BooleanBuffer>,
    /// Per group the input row whose sequence number the result takes.
    pub last_row: Vec<usize>,
}

/// Merges the records of each key into one.
///
/// Groups of one record are merged like any other. Java passes a lone record through untouched
/// (`ReducerMergeFunctionWrapper`): a caller that wants this must not hand such groups in.
pub trait MergeFunction: Send + Sync + Debug {
    /// Merges every group of `input`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where a record is not allowed (retract without a rule for it, null in a NOT NULL column, arithmetic
    /// overflow), `Damaged` for sketches and bitmaps that do not decode.
    fn merge(&self, input: &MergeInput) -> Result<MergeOutput>;
}

/// Builds the merge function of a table for the columns that are read.
///
/// `fields` are the columns of the batches, in order: any subset of the table's that contains [`required_columns`].
/// Options about columns that are not read are ignored.
///
/// # Errors
///
/// `InvalidInput` naming the option: unknown aggregate function, function on a wrong type, conflicting options.
pub fn create_merge_function(
    engine: MergeEngine,
    fields: &[DataField],
    primary_keys: &[String],
    options: &dyn OptionLookup,
) -> Result<Box<dyn MergeFunction>> {
    Ok(match engine {
        MergeEngine::Deduplicate => Box::new(deduplicate::Deduplicate::new(fields, options)?),
        MergeEngine::FirstRow => Box::new(first_row::FirstRow::new(fields, options)?),
        MergeEngine::Aggregation => Box::new(aggregation::Aggregation::new(
            fields,
            primary_keys,
            options,
        )?),
        MergeEngine::PartialUpdate => Box::new(partial_update::PartialUpdate::new(
            fields,
            primary_keys,
            options,
        )?),
    })
}
