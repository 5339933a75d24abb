//! Rows of the smallest and the largest value of an array.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, PrimitiveArray};
use arrow_schema::{DataType as ArrowType, TimeUnit};

/// What an array says about its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extremes {
    /// Rows of the minimum and the maximum.
    Rows(usize, usize),
    /// No value that is not null.
    Empty,
    /// No bounds: NaN is among the values, or the type has no order.
    Unknown,
}

/// Minimum and maximum of an array; floats order as `Double.compare`, text and bytes as unsigned bytes.
pub(super) fn extremes(array: &dyn Array) -> Extremes {
    use ArrowType::*;
    if array.null_count() == array.len() {
        return Extremes::Empty;
    }
    match array.data_type() {
        Int8 => ordered(array.as_primitive::<Int8Type>()),
        Int16 => ordered(array.as_primitive::<Int16Type>()),
        Int32 => ordered(array.as_primitive::<Int32Type>()),
        Int64 => ordered(array.as_primitive::<Int64Type>()),
        Date32 => ordered(array.as_primitive::<Date32Type>()),
        Time32(TimeUnit::Millisecond) => ordered(array.as_primitive::<Time32MillisecondType>()),
        Decimal128(..) => ordered(array.as_primitive::<Decimal128Type>()),
        Timestamp(TimeUnit::Millisecond, _) => {
            ordered(array.as_primitive::<TimestampMillisecondType>())
        }
        Timestamp(TimeUnit::Microsecond, _) => {
            ordered(array.as_primitive::<TimestampMicrosecondType>())
        }
        Timestamp(TimeUnit::Nanosecond, _) => {
            ordered(array.as_primitive::<TimestampNanosecondType>())
        }
        Float32 => {
            let values = array.as_primitive::<Float32Type>();
            if values.iter().flatten().any(f32::is_nan) {
                return Extremes::Unknown;
            }
            search(array, |i| TotalF32(values.value(i)))
        }
        Float64 => {
            let values = array.as_primitive::<Float64Type>();
            if values.iter().flatten().any(f64::is_nan) {
                return Extremes::Unknown;
            }
            search(array, |i| TotalF64(values.value(i)))
        }
        Boolean => {
            let values = array.as_boolean();
            search(array, |i| values.value(i))
        }
        Utf8View => {
            let values = array.as_string_view();
            search(array, |i| values.value(i))
        }
        BinaryView => {
            let values = array.as_binary_view();
            search(array, |i| values.value(i))
        }
        _ => Extremes::Unknown,
    }
}

fn ordered<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> Extremes
where
    T::Native: Ord,
{
    let values = array.values();
    search(array, |i| values[i])
}

fn search<K: Ord>(array: &dyn Array, key: impl Fn(usize) -> K) -> Extremes {
    let nulls = array.nulls().filter(|n| n.null_count() > 0);
    let mut found: Option<(usize, usize)> = None;
    let mut best: Option<(K, K)> = None;
    for i in 0..array.len() {
        if nulls.is_some_and(|n| n.is_null(i)) {
            continue;
        }
        let value = key(i);
        match (&mut best, &mut found) {
            (Some((min, max)), Some((min_row, max_row))) => {
                if value < *min {
                    *min = value;
                    *min_row = i;
                } else if value > *max {
                    *max = value;
                    *max_row = i;
                }
            }
            _ => {
                best = Some((value, key(i)));
                found = Some((i, i));
            }
        }
    }
    match found {
        Some((min, max)) => Extremes::Rows(min, max),
        None => Extremes::Empty,
    }
}

/// Floats in the order of `f32::total_cmp`.
struct TotalF32(f32);
/// Floats in the order of `f64::total_cmp`.
struct TotalF64(f64);

macro_rules! total_order {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0.total_cmp(&other.0)
            }
        }
    };
}
total_order!(TotalF32);
total_order!(TotalF64);
