//! `max` and `min` (`FieldMaxAgg`, `FieldMinAgg`), in Java's order: NaN above all, -0.0 below 0.0, bytes unsigned.

use std::cmp::Ordering;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::super::ops::{FoldPlan, NO_ROW, Op, row_id, row_of};
use super::super::rows::Column;
use super::numeric::{NativeFold, Step, fold_primitive};
use super::{FieldAggregator, unexpected_type};
use crate::Result;

/// Which end of the order wins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extreme {
    Max,
    Min,
}

impl Extreme {
    #[inline]
    fn prefers(self, order: Ordering) -> bool {
        match self {
            Extreme::Max => order == Ordering::Greater,
            Extreme::Min => order == Ordering::Less,
        }
    }
}

/// Java's `compare` of a native type.
trait JavaOrd: Copy {
    fn java_cmp(self, other: Self) -> Ordering;
}

macro_rules! integers {
    ($($native:ty),*) => {$(
        impl JavaOrd for $native {
            #[inline]
            fn java_cmp(self, other: Self) -> Ordering {
                self.cmp(&other)
            }
        }
    )*};
}

macro_rules! floats {
    ($($native:ty),*) => {$(
        impl JavaOrd for $native {
            #[inline]
            fn java_cmp(self, other: Self) -> Ordering {
                match (self.is_nan(), other.is_nan()) {
                    (false, false) => self.total_cmp(&other),
                    (a, b) => a.cmp(&b),
                }
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, i128);
floats!(f32, f64);

impl<N: JavaOrd> NativeFold<N> for Extreme {
    #[inline]
    fn agg(&self, acc: N, input: N) -> Step<N> {
        let better = self.prefers(input.java_cmp(acc));
        Ok(Some(if better { input } else { acc }))
    }

    fn retract(&self, acc: Option<N>, _input: N) -> Step<N> {
        // refused before the fold starts
        Ok(acc)
    }
}

impl FieldAggregator for Extreme {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        macro_rules! fold {
            ($primitive:ty) => {
                fold_primitive::<$primitive>(column, plan, self)
            };
        }
        match column.data_type() {
            ArrowType::Int8 => fold!(Int8Type),
            ArrowType::Int16 => fold!(Int16Type),
            ArrowType::Int32 => fold!(Int32Type),
            ArrowType::Int64 => fold!(Int64Type),
            ArrowType::Float32 => fold!(Float32Type),
            ArrowType::Float64 => fold!(Float64Type),
            ArrowType::Decimal128(..) => fold!(Decimal128Type),
            ArrowType::Date32 => fold!(Date32Type),
            ArrowType::Time32(TimeUnit::Millisecond) => fold!(Time32MillisecondType),
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => fold!(TimestampMillisecondType),
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => fold!(TimestampMicrosecondType),
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => fold!(TimestampNanosecondType),
            ArrowType::Boolean => {
                let values = column.gathered()?;
                let values = values.as_boolean();
                self.rows(column, plan, |a, b| values.value(a).cmp(&values.value(b)))
            }
            ArrowType::Utf8View => {
                let values = column.gathered()?;
                let values = values.as_string_view();
                self.rows(column, plan, |a, b| values.value(a).cmp(values.value(b)))
            }
            ArrowType::BinaryView => {
                let values = column.gathered()?;
                let values = values.as_binary_view();
                self.rows(column, plan, |a, b| values.value(a).cmp(values.value(b)))
            }
            _ => Err(unexpected_type(column.data_type())),
        }
    }
}

impl Extreme {
    /// The winning rows, for values that are not copied while comparing.
    fn rows(
        &self,
        column: &Column,
        plan: &FoldPlan,
        compare: impl Fn(usize, usize) -> Ordering,
    ) -> Result<ArrayRef> {
        let valid = column.validity();
        let mut winners = vec![NO_ROW; plan.num_groups()];
        for (g, rows) in plan.groups_by_size() {
            let mut acc = NO_ROW;
            for row in rows {
                let valid = valid.is_valid(row);
                acc = match plan.op(row) {
                    Op::Set if !valid => NO_ROW,
                    Op::Set => row_id(row),
                    Op::Agg | Op::AggReversed if valid => {
                        if acc == NO_ROW || self.prefers(compare(row, row_of(acc))) {
                            row_id(row)
                        } else {
                            acc
                        }
                    }
                    _ => acc,
                };
            }
            winners[g] = acc;
        }
        column.take(&winners)
    }
}
