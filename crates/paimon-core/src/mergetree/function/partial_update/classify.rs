//! What each record does to each sequence group.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType as ArrowType, SortOptions, TimeUnit};

use super::super::MergeInput;
use super::super::ops::{NO_ROW, Op, row_id, row_of};
use super::super::rows::MergeRows;
use super::{ReadGroup, RetractRules};
use crate::spec::is_retract;
use crate::spec::row_kind::{DELETE, INSERT};
use crate::{Error, Result};

/// The verdict over a batch.
#[derive(Debug)]
pub(super) struct Classes {
    /// Effects on columns outside groups; `None`: all records are adds.
    pub base: Option<Vec<Op>>,
    /// Per group.
    pub groups: Vec<GroupClass>,
    /// Result kinds.
    pub kinds: Vec<i8>,
    /// Per key the last record that was not ignored.
    pub last_row: Vec<usize>,
}

/// The verdict of one sequence group: winning rows where adds alone decide, else effects.
#[derive(Debug)]
pub(super) struct GroupClass {
    pub winners: Option<Vec<u32>>,
    pub ops: Option<Vec<Op>>,
}

/// Comparable ordering columns of a group.
#[derive(Debug)]
pub(super) struct GroupState {
    keys: Keys,
    /// Rows with any non-null ordering column; `None`: all rows.
    present: Option<BooleanBuffer>,
}

#[derive(Debug)]
enum Keys {
    Int(ScalarBuffer<i32>),
    Long(ScalarBuffer<i64>),
    Rows(Rows),
}

impl GroupState {
    pub(super) fn new(rows: &MergeRows, ordering: &[usize]) -> Result<Self> {
        let gathered = ordering.iter().map(|c| rows.columns()[*c].gathered());
        let columns = gathered.collect::<Result<Vec<ArrayRef>>>()?;
        Ok(Self {
            keys: keys(&columns)?,
            present: present(&columns),
        })
    }

    fn is_present(&self, row: usize) -> bool {
        self.present.as_ref().is_none_or(|p| p.value(row))
    }

    /// Order of two rows that are present.
    fn compare(&self, a: usize, b: usize) -> Ordering {
        match &self.keys {
            Keys::Int(values) => values[a].cmp(&values[b]),
            Keys::Long(values) => values[a].cmp(&values[b]),
            Keys::Rows(rows) => rows.row(a).cmp(&rows.row(b)),
        }
    }

    /// Whether a present row is at or after the state of the group; ties win, and nothing is before a null state.
    fn wins(&self, row: usize, state: u32) -> bool {
        state == NO_ROW || self.compare(row, row_of(state)) != Ordering::Less
    }

    /// State after all columns were set from a row.
    fn state_of(&self, row: usize) -> u32 {
        if self.is_present(row) {
            row_id(row)
        } else {
            NO_ROW
        }
    }

    /// The verdict over a batch of adds.
    pub(super) fn classify_adds(&self, input: &MergeInput, with_ops: bool) -> GroupClass {
        match &self.keys {
            Keys::Int(v) => self.adds(input, with_ops, |a, b| v[a] >= v[b]),
            Keys::Long(v) => self.adds(input, with_ops, |a, b| v[a] >= v[b]),
            Keys::Rows(v) => self.adds(input, with_ops, |a, b| v.row(a) >= v.row(b)),
        }
    }

    fn adds(
        &self,
        input: &MergeInput,
        with_ops: bool,
        at_least: impl Fn(usize, usize) -> bool,
    ) -> GroupClass {
        let mut ops = with_ops.then(|| vec![Op::Skip; input.kinds.len()]);
        let mut winners = Vec::with_capacity(input.num_groups());
        for bounds in input.offsets.windows(2) {
            let mut state = NO_ROW;
            for row in bounds[0]..bounds[1] {
                if !self.is_present(row) {
                    continue;
                }
                let wins = state == NO_ROW || at_least(row, row_of(state));
                if wins {
                    state = row_id(row);
                }
                if let Some(ops) = &mut ops {
                    ops[row] = if wins { Op::Agg } else { Op::AggReversed };
                }
            }
            winners.push(state);
        }
        GroupClass {
            winners: Some(winners),
            ops,
        }
    }
}

/// Ascending, nulls smallest.
fn keys(columns: &[ArrayRef]) -> Result<Keys> {
    if let [column] = columns {
        let long = match column.data_type() {
            ArrowType::Int32 => {
                return Ok(Keys::Int(
                    column.as_primitive::<Int32Type>().values().clone(),
                ));
            }
            ArrowType::Date32 => {
                return Ok(Keys::Int(
                    column.as_primitive::<Date32Type>().values().clone(),
                ));
            }
            ArrowType::Int64 => Some(column.as_primitive::<Int64Type>().values()),
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                Some(column.as_primitive::<TimestampMillisecondType>().values())
            }
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                Some(column.as_primitive::<TimestampMicrosecondType>().values())
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                Some(column.as_primitive::<TimestampNanosecondType>().values())
            }
            _ => None,
        };
        if let Some(values) = long {
            return Ok(Keys::Long(values.clone()));
        }
    }
    let ascending = SortOptions::new(false, true);
    let fields = columns
        .iter()
        .map(|c| SortField::new_with_options(c.data_type().clone(), ascending))
        .collect();
    Ok(Keys::Rows(
        RowConverter::new(fields)?.convert_columns(columns)?,
    ))
}

fn present(columns: &[ArrayRef]) -> Option<BooleanBuffer> {
    let valid: Vec<&NullBuffer> = columns.iter().filter_map(|c| c.nulls()).collect();
    if valid.len() < columns.len() || valid.iter().any(|n| n.null_count() == 0) {
        return None;
    }
    valid
        .into_iter()
        .map(|n| n.inner().clone())
        .reduce(|a, b| &a | &b)
}

/// The verdict over a batch with retracts.
pub(super) fn with_retracts(
    input: &MergeInput,
    groups: &[ReadGroup],
    states: &[GroupState],
    rules: RetractRules,
) -> Result<Classes> {
    let rows = input.kinds.len();
    let mut pass = Pass {
        kinds: input.kinds,
        groups,
        states,
        rules,
        base: vec![Op::Skip; rows],
        ops: vec![vec![Op::Skip; rows]; states.len()],
        at: vec![NO_ROW; states.len()],
    };
    let mut kinds = Vec::with_capacity(input.num_groups());
    let mut last_row = Vec::with_capacity(input.num_groups());
    for bounds in input.offsets.windows(2) {
        let (kind, last) = pass.key(bounds[0]..bounds[1])?;
        kinds.push(kind);
        last_row.push(last);
    }
    Ok(Classes {
        base: Some(pass.base),
        groups: pass
            .ops
            .into_iter()
            .map(|ops| GroupClass {
                winners: None,
                ops: Some(ops),
            })
            .collect(),
        kinds,
        last_row,
    })
}

/// Row by row over one batch; a delete may reset all groups at once, so they advance together.
struct Pass<'a> {
    kinds: &'a [i8],
    groups: &'a [ReadGroup],
    states: &'a [GroupState],
    rules: RetractRules,
    base: Vec<Op>,
    ops: Vec<Vec<Op>>,
    /// Per group the row whose ordering columns it stands at.
    at: Vec<u32>,
}

impl Pass<'_> {
    /// Result kind and last row that was not ignored.
    fn key(&mut self, rows: std::ops::Range<usize>) -> Result<(i8, usize)> {
        self.at.fill(NO_ROW);
        let mut last = rows.end - 1;
        let mut seen = false;
        let (mut filled, mut added, mut deleted) = (false, false, false);
        for row in rows {
            if !is_retract(self.kinds[row]) {
                self.add(row);
                (filled, added, deleted) = (true, true, false);
                (last, seen) = (row, true);
                continue;
            }
            let first = !filled;
            filled = true;
            if self.rules.ignore {
                deleted = false;
                if first {
                    self.set(row);
                }
                continue;
            }
            (last, seen) = (row, true);
            deleted = self.retract(row, first)?;
        }
        // all records ignored: Java leaves sequence number 0, there is no row for that
        debug_assert!(seen || self.rules.ignore);
        let kind = if deleted || !added { DELETE } else { INSERT };
        Ok((kind, last))
    }

    fn add(&mut self, row: usize) {
        self.base[row] = Op::Agg;
        for (group, state) in self.states.iter().enumerate() {
            if !state.is_present(row) {
                continue;
            }
            self.ops[group][row] = if state.wins(row, self.at[group]) {
                self.at[group] = row_id(row);
                Op::Agg
            } else {
                Op::AggReversed
            };
        }
    }

    /// Returns whether the record removed the row.
    fn retract(&mut self, row: usize, first: bool) -> Result<bool> {
        let delete = self.kinds[row] == DELETE;
        if first {
            self.set(row);
        }
        if self.rules.groups {
            if delete && self.removes(row) {
                self.set(row);
                return Ok(true);
            }
            self.retract_groups(row, first);
            return Ok(false);
        }
        if !self.rules.remove_on_delete {
            return Err(not_accepted());
        }
        if delete {
            self.set(row);
        }
        Ok(delete)
    }

    /// The whole row becomes this record.
    fn set(&mut self, row: usize) {
        self.base[row] = Op::Set;
        for (group, state) in self.states.iter().enumerate() {
            self.ops[group][row] = Op::Set;
            self.at[group] = state.state_of(row);
        }
    }

    fn removes(&self, row: usize) -> bool {
        let verdicts = self.groups.iter().zip(self.states).zip(&self.at);
        verdicts
            .filter(|((group, state), _)| group.removes && state.is_present(row))
            .any(|((_, state), at)| state.wins(row, *at))
    }

    fn retract_groups(&mut self, row: usize, first: bool) {
        for (group, state) in self.states.iter().enumerate() {
            if !state.is_present(row) {
                continue;
            }
            self.ops[group][row] = if first {
                Op::SetRetract
            } else if state.wins(row, self.at[group]) {
                self.at[group] = row_id(row);
                Op::Retract
            } else {
                Op::RetractOld
            };
        }
    }
}

fn not_accepted() -> Error {
    Error::invalid(
        "merge engine partial-update can not accept DELETE and UPDATE_BEFORE records: set 'ignore-delete' to skip them, \
         'partial-update.remove-record-on-delete' to remove the row, or sequence groups to retract their columns \
         (with 'partial-update.remove-record-on-sequence-group' to remove the row)",
    )
    .with("option", "ignore-delete")
}
