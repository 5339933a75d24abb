//! `bool_and` and `bool_or` (`FieldBoolAndAgg`, `FieldBoolOrAgg`).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};

use super::super::ops::{FoldPlan, Op};
use super::{FieldAggregator, unexpected_type};
use crate::Result;

/// Logical fold of non-null values.
#[derive(Debug, Clone, Copy)]
pub(super) enum BoolFold {
    And,
    Or,
}

impl FieldAggregator for BoolFold {
    fn fold(&self, column: &ArrayRef, plan: &FoldPlan) -> Result<ArrayRef> {
        let Some(values) = column.as_boolean_opt() else {
            return Err(unexpected_type(column));
        };
        let combine = |acc: Option<bool>, value: bool| match (self, acc) {
            (_, None) => value,
            (BoolFold::And, Some(acc)) => acc && value,
            (BoolFold::Or, Some(acc)) => acc || value,
        };
        let fold = |acc: Option<bool>, row: usize| {
            let value = values.is_valid(row).then(|| values.value(row));
            match (plan.op(row), value) {
                (Op::Set, value) => value,
                (Op::Agg | Op::AggReversed, Some(value)) => Some(combine(acc, value)),
                _ => acc,
            }
        };
        let folded: BooleanArray = plan.groups().map(|rows| rows.fold(None, fold)).collect();
        Ok(Arc::new(folded))
    }
}
