//! `sum` and `product` (`FieldSumAgg`, `FieldProductAgg`).
//!
//! Integers are exact: overflow is an error. Decimals follow [`super::decimal`].

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::DataType as ArrowType;

use super::super::ops::{FoldPlan, Op};
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
    array: &PrimitiveArray<T>,
    plan: &FoldPlan,
    function: &impl NativeFold<T::Native>,
) -> Result<ArrayRef> {
    let values: &[T::Native] = array.values();
    let mut out: Vec<T::Native> = Vec::with_capacity(plan.num_groups());
    let mut valid: Vec<bool> = Vec::with_capacity(plan.num_groups());
    let mut push = |acc: Option<T::Native>| {
        out.push(acc.unwrap_or_default());
        valid.push(acc.is_some());
    };
    let nulls = array.nulls().filter(|n| n.null_count() > 0);
    for rows in plan.groups() {
        let mut acc: Option<T::Native> = None;
        match (plan.ops, nulls) {
            (None, None) => {
                for value in &values[rows] {
                    acc = add(function, acc, *value)?;
                }
            }
            (None, Some(nulls)) => {
                for row in rows {
                    if nulls.is_valid(row) {
                        acc = add(function, acc, values[row])?;
                    }
                }
            }
            (Some(ops), _) => {
                for row in rows {
                    let value = nulls.is_none_or(|n| n.is_valid(row)).then(|| values[row]);
                    acc = step(function, ops[row], acc, value)?;
                }
            }
        }
        push(acc);
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let folded = PrimitiveArray::<T>::new(ScalarBuffer::from(out), nulls);
    Ok(Arc::new(folded.with_data_type(array.data_type().clone())))
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
            ArrowType::Int8 => fold_primitive($column.as_primitive::<Int8Type>(), $plan, $function),
            ArrowType::Int16 => {
                fold_primitive($column.as_primitive::<Int16Type>(), $plan, $function)
            }
            ArrowType::Int32 => {
                fold_primitive($column.as_primitive::<Int32Type>(), $plan, $function)
            }
            ArrowType::Int64 => {
                fold_primitive($column.as_primitive::<Int64Type>(), $plan, $function)
            }
            ArrowType::Float32 => {
                fold_primitive($column.as_primitive::<Float32Type>(), $plan, $function)
            }
            ArrowType::Float64 => {
                fold_primitive($column.as_primitive::<Float64Type>(), $plan, $function)
            }
            _ => Err(unexpected_type($column)),
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

    fn fold(&self, column: &ArrayRef, plan: &FoldPlan) -> Result<ArrayRef> {
        if let ArrowType::Decimal128(precision, scale) = column.data_type() {
            let function = super::decimal::DecimalSum(Decimals::new(*precision, *scale)?);
            return fold_primitive(column.as_primitive::<Decimal128Type>(), plan, &function);
        }
        fold_numeric!(self, column, plan)
    }
}

impl FieldAggregator for Product {
    fn retracts(&self) -> bool {
        true
    }

    fn fold(&self, column: &ArrayRef, plan: &FoldPlan) -> Result<ArrayRef> {
        if let ArrowType::Decimal128(precision, scale) = column.data_type() {
            let function = super::decimal::DecimalProduct(Decimals::new(*precision, *scale)?);
            return fold_primitive(column.as_primitive::<Decimal128Type>(), plan, &function);
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
