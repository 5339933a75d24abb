//! `sum` and `product` (`FieldSumAgg`, `FieldProductAgg`).
//!
//! Integers are exact: overflow is an error. Decimals follow [`super::decimal`].

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, ScalarBuffer};
use arrow_schema::DataType as ArrowType;

use super::super::ops::{FoldPlan, Op};
use super::super::rows::{Column, RowFold};
use super::decimal::Decimals;
use super::{FieldAggregator, unexpected_type};
use crate::{Error, Result};

/// Why arithmetic failed, with the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Overflow,
    DivisionByZero,
    NonTerminating,
}

impl From<Arithmetic> for Error {
    fn from(reason: Arithmetic) -> Self {
        Error::invalid(match reason {
            Arithmetic::Overflow => "arithmetic overflow in an aggregate function",
            Arithmetic::DivisionByZero => "division by zero in the retraction of a product",
            Arithmetic::NonTerminating => {
                "the retraction of a decimal product has no exact decimal result"
            }
        })
    }
}

/// Result of one step; `None` is null (a decimal that does not fit).
pub(super) type Step<N> = std::result::Result<Option<N>, Arithmetic>;

/// A fold over values of one native type. All functions here are commutative, so late records need no care.
pub(super) trait NativeFold<N> {
    /// agg of two non-null values.
    fn agg(&self, acc: N, input: N) -> Step<N>;
    /// retract of a non-null value.
    fn retract(&self, acc: Option<N>, input: N) -> Step<N>;
}

/// Folds a primitive column.
pub(super) fn fold_primitive<T: ArrowPrimitiveType>(
    column: &Column,
    plan: &FoldPlan,
    function: &impl NativeFold<T::Native>,
) -> Result<ArrayRef> {
    let (values, nulls) = column.primitives::<T, _>(PrimitiveFold { plan, function })?;
    let folded = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
    Ok(Arc::new(folded.with_data_type(column.data_type().clone())))
}

struct PrimitiveFold<'a, F> {
    plan: &'a FoldPlan<'a>,
    function: &'a F,
}

impl<N: Copy + Default, F: NativeFold<N>> RowFold<N> for PrimitiveFold<'_, F> {
    type Output = (Vec<N>, Option<NullBuffer>);

    fn run(self, value: impl Fn(usize) -> Option<N>) -> Result<Self::Output> {
        let mut out = vec![N::default(); self.plan.num_groups()];
        let mut missing: Vec<usize> = Vec::new();
        for (g, rows) in self.plan.groups_by_size() {
            let mut acc: Option<N> = None;
            match self.plan.ops {
                None => {
                    for value in rows.filter_map(&value) {
                        acc = add(self.function, acc, value)?;
                    }
                }
                Some(ops) => {
                    for row in rows {
                        acc = step(self.function, ops[row], acc, value(row))?;
                    }
                }
            }
            match acc {
                Some(acc) => out[g] = acc,
                None => missing.push(g),
            }
        }
        let nulls = (!missing.is_empty()).then(|| all_but(out.len(), &missing));
        Ok((out, nulls))
    }
}

fn all_but(len: usize, missing: &[usize]) -> NullBuffer {
    let mut valid = BooleanBufferBuilder::new(len);
    valid.append_n(len, true);
    for i in missing {
        valid.set_bit(*i, false);
    }
    NullBuffer::new(valid.finish())
}

#[inline]
fn add<N>(function: &impl NativeFold<N>, acc: Option<N>, value: N) -> Step<N> {
    match acc {
        Some(acc) => function.agg(acc, value),
        None => Ok(Some(value)),
    }
}

fn step<N: Copy>(
    function: &impl NativeFold<N>,
    op: Op,
    acc: Option<N>,
    value: Option<N>,
) -> Step<N> {
    match (op, value) {
        (Op::Skip, _) => Ok(acc),
        (Op::Set, value) => Ok(value),
        (Op::SetRetract, Some(value)) => function.retract(Some(value), value),
        (Op::SetRetract, None) => Ok(None),
        (_, None) => Ok(acc),
        (Op::Agg | Op::AggReversed, Some(value)) => add(function, acc, value),
        (Op::Retract | Op::RetractOld, Some(value)) => function.retract(acc, value),
    }
}

macro_rules! fold_numeric {
    ($function:expr, $column:expr, $plan:expr) => {
        match $column.data_type() {
            ArrowType::Int8 => fold_primitive::<Int8Type>($column, $plan, $function),
            ArrowType::Int16 => fold_primitive::<Int16Type>($column, $plan, $function),
            ArrowType::Int32 => fold_primitive::<Int32Type>($column, $plan, $function),
            ArrowType::Int64 => fold_primitive::<Int64Type>($column, $plan, $function),
            ArrowType::Float32 => fold_primitive::<Float32Type>($column, $plan, $function),
            ArrowType::Float64 => fold_primitive::<Float64Type>($column, $plan, $function),
            _ => Err(unexpected_type($column.data_type())),
        }
    };
}

/// `sum`; a retract before any value gives the negated value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum;

/// `product`; a retract divides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product;

impl FieldAggregator for Sum {
    fn retracts(&self) -> bool {
        true
    }

    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        if let ArrowType::Decimal128(precision, scale) = column.data_type() {
            let function = super::decimal::DecimalSum(Decimals::new(*precision, *scale)?);
            return fold_primitive::<Decimal128Type>(column, plan, &function);
        }
        fold_numeric!(self, column, plan)
    }
}

impl FieldAggregator for Product {
    fn retracts(&self) -> bool {
        true
    }

    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        if let ArrowType::Decimal128(precision, scale) = column.data_type() {
            let function = super::decimal::DecimalProduct(Decimals::new(*precision, *scale)?);
            return fold_primitive::<Decimal128Type>(column, plan, &function);
        }
        fold_numeric!(self, column, plan)
    }
}

macro_rules! integers {
    ($($native:ty),*) => {$(
        impl NativeFold<$native> for Sum {
            #[inline]
            fn agg(&self, acc: $native, input: $native) -> Step<$native> {
                acc.checked_add(input).map(Some).ok_or(Arithmetic::Overflow)
            }

            fn retract(&self, acc: Option<$native>, input: $native) -> Step<$native> {
                let result = match acc {
                    Some(acc) => acc.checked_sub(input),
                    None => input.checked_neg(),
                };
                result.map(Some).ok_or(Arithmetic::Overflow)
            }
        }

        impl NativeFold<$native> for Product {
            #[inline]
            fn agg(&self, acc: $native, input: $native) -> Step<$native> {
                acc.checked_mul(input).map(Some).ok_or(Arithmetic::Overflow)
            }

            fn retract(&self, acc: Option<$native>, input: $native) -> Step<$native> {
                let Some(acc) = acc else { return Ok(None) };
                if input == 0 {
                    return Err(Arithmetic::DivisionByZero);
                }
                acc.checked_div(input).map(Some).ok_or(Arithmetic::Overflow)
            }
        }
    )*};
}

macro_rules! floats {
    ($($native:ty),*) => {$(
        impl NativeFold<$native> for Sum {
            #[inline]
            fn agg(&self, acc: $native, input: $native) -> Step<$native> {
                Ok(Some(acc + input))
            }

            fn retract(&self, acc: Option<$native>, input: $native) -> Step<$native> {
                Ok(Some(acc.map_or(-input, |acc| acc - input)))
            }
        }

        impl NativeFold<$native> for Product {
            #[inline]
            fn agg(&self, acc: $native, input: $native) -> Step<$native> {
                Ok(Some(acc * input))
            }

            fn retract(&self, acc: Option<$native>, input: $native) -> Step<$native> {
                Ok(acc.map(|acc| acc / input))
            }
        }
    )*};
}

integers!(i8, i16, i32, i64);
floats!(f32, f64);
