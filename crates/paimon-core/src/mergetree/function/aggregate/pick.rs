//! Functions that pick the value of one record: first and last values, primary key.

use arrow_array::ArrayRef;

use super::super::ops::{FoldPlan, NO_ROW, Op, last_rows, row_id};
use super::super::rows::Column;
use super::FieldAggregator;
use crate::Result;

/// Which record's value a group takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pick {
    /// Always the newest, retracts too (`FieldPrimaryKeyAgg`).
    PrimaryKey,
    /// `FieldLastValueAgg`.
    Last,
    /// `FieldLastNonNullValueAgg`.
    LastNonNull,
    /// `FieldFirstValueAgg`.
    First,
    /// `FieldFirstNonNullValueAgg`.
    FirstNonNull,
}

impl FieldAggregator for Pick {
    fn retracts(&self) -> bool {
        !matches!(self, Pick::First | Pick::FirstNonNull)
    }

    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let winners = match plan.ops {
            None => self.adds(column, plan),
            Some(_) => self.folded(column, plan),
        };
        column.take(&winners)
    }
}

impl Pick {
    fn adds(self, column: &Column, plan: &FoldPlan) -> Vec<u32> {
        let or_none = |row: Option<usize>| row.map_or(NO_ROW, row_id);
        let nulls = match self {
            Pick::LastNonNull | Pick::FirstNonNull => column.valid_bits(plan.end()),
            _ => None,
        };
        match (self, nulls) {
            (Pick::LastNonNull, Some(valid)) => plan
                .groups()
                .map(|rows| or_none(valid.last_in(rows)))
                .collect(),
            (Pick::FirstNonNull, Some(valid)) => plan
                .groups()
                .map(|rows| or_none(valid.first_in(rows)))
                .collect(),
            (Pick::First | Pick::FirstNonNull, _) => {
                plan.groups().map(|rows| row_id(rows.start)).collect()
            }
            (Pick::PrimaryKey | Pick::Last | Pick::LastNonNull, _) => last_rows(plan.offsets),
        }
    }

    fn folded(self, column: &Column, plan: &FoldPlan) -> Vec<u32> {
        let valid = column.validity();
        let or_null = |row: usize| {
            if valid.is_valid(row) {
                row_id(row)
            } else {
                NO_ROW
            }
        };
        let mut winners = Vec::with_capacity(plan.num_groups());
        for rows in plan.groups() {
            let mut acc = NO_ROW;
            let mut initialized = false;
            for row in rows {
                acc = match self {
                    Pick::PrimaryKey => primary_key(plan.op(row), acc, row),
                    Pick::Last => last(plan.op(row), acc, row),
                    Pick::LastNonNull => last_non_null(plan.op(row), acc, or_null(row)),
                    Pick::First => first(plan.op(row), acc, row, &mut initialized),
                    Pick::FirstNonNull => {
                        first_non_null(plan.op(row), acc, or_null(row), &mut initialized)
                    }
                };
            }
            winners.push(acc);
        }
        winners
    }
}

fn primary_key(op: Op, acc: u32, row: usize) -> u32 {
    match op {
        Op::Skip | Op::AggReversed => acc,
        _ => row_id(row),
    }
}

fn last(op: Op, acc: u32, row: usize) -> u32 {
    match op {
        Op::Skip | Op::AggReversed => acc,
        Op::Agg | Op::Set => row_id(row),
        Op::Retract | Op::RetractOld | Op::SetRetract => NO_ROW,
    }
}

/// `value` is the row, or no row when its value is null.
fn last_non_null(op: Op, acc: u32, value: u32) -> u32 {
    match op {
        Op::Skip => acc,
        Op::Agg if value == NO_ROW => acc,
        Op::AggReversed if acc != NO_ROW => acc,
        Op::Agg | Op::AggReversed | Op::Set => value,
        Op::Retract | Op::RetractOld if value == NO_ROW => acc,
        Op::Retract | Op::RetractOld | Op::SetRetract => NO_ROW,
    }
}

/// An older record, met late, is the new first one.
fn first(op: Op, acc: u32, row: usize, initialized: &mut bool) -> u32 {
    match op {
        Op::Agg if !*initialized => {
            *initialized = true;
            row_id(row)
        }
        Op::AggReversed if !*initialized => {
            *initialized = true;
            acc
        }
        Op::AggReversed | Op::Set => row_id(row),
        _ => acc,
    }
}

fn first_non_null(op: Op, acc: u32, value: u32, initialized: &mut bool) -> u32 {
    match op {
        Op::Agg if !*initialized && value != NO_ROW => {
            *initialized = true;
            value
        }
        Op::AggReversed if !*initialized && acc != NO_ROW => {
            *initialized = true;
            acc
        }
        Op::AggReversed | Op::Set => value,
        _ => acc,
    }
}
