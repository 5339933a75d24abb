//! `bool_and` and `bool_or` (`FieldBoolAndAgg`, `FieldBoolOrAgg`).

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};

use super::super::ops::{FoldPlan, Op};
use super::super::rows::Column;
use super::{FieldAggregator, unexpected_type};
use crate::Result;

/// Logical fold of non-null values.
#[derive(Debug, Clone, Copy)]
pub(super) enum BoolFold {
    And,
    Or,
}

impl FieldAggregator for BoolFold {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let Some(value) = column.booleans() else {
            return Err(unexpected_type(column.data_type()));
        };
        let combine = |acc: Option<bool>, value: bool| match (self, acc) {
            (_, None) => value,
            (BoolFold::And, Some(acc)) => acc && value,
            (BoolFold::Or, Some(acc)) => acc || value,
        };
        let fold = |acc: Option<bool>, row: usize| match (plan.op(row), value(row)) {
            (Op::Set, value) => value,
            (Op::Agg | Op::AggReversed, Some(value)) => Some(combine(acc, value)),
            _ => acc,
        };
        let folded: BooleanArray = plan.groups().map(|rows| rows.fold(None, fold)).collect();
        Ok(Arc::new(folded))
    }
}
