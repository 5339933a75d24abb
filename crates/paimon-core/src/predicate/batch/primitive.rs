//! Comparisons of booleans, numbers, dates and times.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, BooleanArray, Datum as ArrowDatum, PrimitiveArray, Scalar,
};
use arrow_buffer::BooleanBuffer;
use arrow_ord::cmp;
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::literal::{Place, Test, decimal_place, place, test};
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::predicate::compare::{canonical_f32, canonical_f64};
use crate::predicate::{Leaf, PredicateOp};
use crate::spec::Datum;

/// Compares a column with the literals of a leaf; null where the column is null.
pub(super) fn compare(column: &ArrayRef, leaf: &Leaf) -> Result<BooleanArray> {
    match column.data_type() {
        ArrowType::Boolean => compare_booleans(column.as_boolean(), leaf),
        ArrowType::Int8 => integers::<Int8Type>(column, leaf),
        ArrowType::Int16 => integers::<Int16Type>(column, leaf),
        ArrowType::Int32 => integers::<Int32Type>(column, leaf),
        ArrowType::Int64 => integers::<Int64Type>(column, leaf),
        ArrowType::Date32 => integers::<Date32Type>(column, leaf),
        ArrowType::Time32(TimeUnit::Millisecond) => integers::<Time32MillisecondType>(column, leaf),
        ArrowType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => timestamps::<TimestampSecondType>(column, leaf, 1_000_000_000),
            TimeUnit::Millisecond => {
                timestamps::<TimestampMillisecondType>(column, leaf, 1_000_000)
            }
            TimeUnit::Microsecond => timestamps::<TimestampMicrosecondType>(column, leaf, 1000),
            TimeUnit::Nanosecond => timestamps::<TimestampNanosecondType>(column, leaf, 1),
        },
        ArrowType::Decimal128(_, scale) => {
            let places = places(leaf, |datum| match datum {
                Datum::Decimal { unscaled, scale: s } => {
                    Some(decimal_place(*unscaled, i16::from(*s), i16::from(*scale)))
                }
                _ => None,
            })?;
            evaluate(column.as_primitive::<Decimal128Type>(), leaf.op, places)
        }
        ArrowType::Float32 => {
            let places = places(leaf, |datum| match datum {
                Datum::Float(v) => Some(Place::At(canonical_f32(*v))),
                _ => None,
            })?;
            let column: PrimitiveArray<Float32Type> =
                column.as_primitive::<Float32Type>().unary(canonical_f32);
            evaluate(&column, leaf.op, places)
        }
        ArrowType::Float64 => {
            let places = places(leaf, |datum| match datum {
                Datum::Double(v) => Some(Place::At(canonical_f64(*v))),
                _ => None,
            })?;
            let column: PrimitiveArray<Float64Type> =
                column.as_primitive::<Float64Type>().unary(canonical_f64);
            evaluate(&column, leaf.op, places)
        }
        other => Err(Error::invalid(format!(
            "columns of type {other} cannot be compared"
        ))),
    }
}

fn integers<T>(column: &ArrayRef, leaf: &Leaf) -> Result<BooleanArray>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128> + Ord,
{
    let places = places(leaf, |datum| integer(datum).map(|v| place(v, 1)))?;
    evaluate(column.as_primitive::<T>(), leaf.op, places)
}

/// The number behind an integer, date or time.
pub(super) fn integer(datum: &Datum) -> Option<i128> {
    Some(match datum {
        Datum::TinyInt(v) => i128::from(*v),
        Datum::SmallInt(v) => i128::from(*v),
        Datum::Int(v) | Datum::Date(v) | Datum::Time(v) => i128::from(*v),
        Datum::BigInt(v) => i128::from(*v),
        _ => return None,
    })
}

fn timestamps<T>(column: &ArrayRef, leaf: &Leaf, unit_nanos: i128) -> Result<BooleanArray>
where
    T: ArrowPrimitiveType<Native = i64>,
{
    let places = places(leaf, |datum| match datum {
        Datum::Timestamp { millis, nanos } => {
            let nanos = i128::from(*millis) * 1_000_000 + i128::from(*nanos);
            Some(place(nanos, unit_nanos))
        }
        _ => None,
    })?;
    evaluate(column.as_primitive::<T>(), leaf.op, places)
}

fn places<T>(leaf: &Leaf, place: impl Fn(&Datum) -> Option<Place<T>>) -> Result<Vec<Place<T>>> {
    leaf.literals
        .iter()
        .map(|datum| place(datum).ok_or_else(|| wrong_literal(leaf, datum)))
        .collect()
}

/// Error for a literal that does not suit its column.
pub(super) fn wrong_literal(leaf: &Leaf, datum: &Datum) -> Error {
    Error::invalid(format!(
        "literal {datum:?} cannot be compared with a column of type {} ({})",
        leaf.data_type,
        arrow_type(&leaf.data_type)
    ))
}

fn evaluate<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    op: PredicateOp,
    places: Vec<Place<T::Native>>,
) -> Result<BooleanArray> {
    match op {
        PredicateOp::In => Ok(contained(column, places, false)),
        PredicateOp::NotIn => Ok(contained(column, places, true)),
        op => match places.into_iter().next().map(|place| test(op, place)) {
            Some(Test::Compare(op, value)) => {
                let scalar = PrimitiveArray::<T>::new(vec![value].into(), None)
                    .with_data_type(column.data_type().clone());
                kernel(column, op, &Scalar::new(scalar))
            }
            Some(Test::All) => Ok(constant(column, true)),
            Some(Test::None) | None => Ok(constant(column, false)),
        },
    }
}

fn constant(column: &dyn Array, value: bool) -> BooleanArray {
    let values = if value {
        BooleanBuffer::new_set(column.len())
    } else {
        BooleanBuffer::new_unset(column.len())
    };
    BooleanArray::new(values, column.logical_nulls())
}

fn contained<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    places: Vec<Place<T::Native>>,
    negate: bool,
) -> BooleanArray {
    let mut values: Vec<T::Native> = places
        .into_iter()
        .filter_map(|place| match place {
            Place::At(value) => Some(value),
            _ => None,
        })
        .collect();
    values.sort_unstable_by(|a, b| a.compare(*b));
    BooleanArray::from_unary(column, |value| {
        values.binary_search_by(|v| v.compare(value)).is_ok() != negate
    })
}

/// The kernel of a comparison.
pub(super) fn kernel(
    column: &dyn ArrowDatum,
    op: PredicateOp,
    literal: &dyn ArrowDatum,
) -> Result<BooleanArray> {
    Ok(match op {
        PredicateOp::Eq => cmp::eq(column, literal)?,
        PredicateOp::NotEq => cmp::neq(column, literal)?,
        PredicateOp::Lt => cmp::lt(column, literal)?,
        PredicateOp::LtEq => cmp::lt_eq(column, literal)?,
        PredicateOp::Gt => cmp::gt(column, literal)?,
        PredicateOp::GtEq => cmp::gt_eq(column, literal)?,
        other => {
            return Err(Error::invalid(format!(
                "{other:?} does not apply to columns of this type"
            )));
        }
    })
}

fn compare_booleans(column: &BooleanArray, leaf: &Leaf) -> Result<BooleanArray> {
    let literals: Vec<bool> = leaf
        .literals
        .iter()
        .map(|datum| match datum {
            Datum::Boolean(v) => Ok(*v),
            other => Err(wrong_literal(leaf, other)),
        })
        .collect::<Result<_>>()?;
    match leaf.op {
        PredicateOp::In | PredicateOp::NotIn => {
            let negate = leaf.op == PredicateOp::NotIn;
            Ok(BooleanArray::from_unary(column, |v| {
                literals.contains(&v) != negate
            }))
        }
        op => kernel(
            column,
            op,
            &BooleanArray::new_scalar(literals.first().copied().unwrap_or(false)),
        ),
    }
}
