//! Rows of the smallest and the largest value of an array.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ByteViewType, Date32Type, Decimal128Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, GenericByteViewArray, PrimitiveArray};
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
            floats(
                values,
                |v| v.is_nan(),
                |v| order_of_bits(v.to_bits().into(), 32),
            )
        }
        Float64 => {
            let values = array.as_primitive::<Float64Type>();
            floats(values, |v| v.is_nan(), |v| order_of_bits(v.to_bits(), 64))
        }
        Boolean => {
            let values = array.as_boolean();
            search(array, |i| values.value(i))
        }
        Utf8View => views(array.as_string_view()),
        BinaryView => views(array.as_binary_view()),
        _ => Extremes::Unknown,
    }
}

fn ordered<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> Extremes
where
    T::Native: Ord,
{
    by_key(array, |v| v)
}

fn floats<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    is_nan: impl Fn(T::Native) -> bool,
    key: impl Fn(T::Native) -> i64,
) -> Extremes {
    let values = array.values();
    let nan = valid_ranges(array).any(|range| values[range].iter().any(|v| is_nan(*v)));
    match nan {
        true => Extremes::Unknown,
        false => by_key(array, key),
    }
}

/// The bits of a float that is no NaN as a number of the same order.
fn order_of_bits(bits: u64, width: u32) -> i64 {
    let bits = (bits << (64 - width)).cast_signed();
    // the order of negative numbers is the reverse of that of their bits
    bits ^ ((bits >> 63) & i64::MAX)
}

/// Extremes of fixed-width values, range by range so that the inner loop has no branch.
fn by_key<T: ArrowPrimitiveType, K: Ord + Copy>(
    array: &PrimitiveArray<T>,
    key: impl Fn(T::Native) -> K,
) -> Extremes {
    let values = array.values();
    let mut best: Option<(K, K)> = None;
    for range in valid_ranges(array) {
        let mut keys = values[range].iter().map(|v| key(*v));
        let Some(first) = keys.next() else { continue };
        let (min, max) = best.unwrap_or((first, first));
        let start = (min.min(first), max.max(first));
        best = Some(keys.fold(start, |(min, max), k| (min.min(k), max.max(k))));
    }
    let Some((min, max)) = best else {
        return Extremes::Empty;
    };
    let row_of = |wanted: K| {
        valid_ranges(array)
            .flatten()
            .find(|i| key(values[*i]) == wanted)
    };
    match (row_of(min), row_of(max)) {
        (Some(min), Some(max)) => Extremes::Rows(min, max),
        _ => Extremes::Empty,
    }
}

/// Extremes of texts or bytes. The first four bytes, which lie in the view, tell for most values that they are none.
fn views<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Extremes {
    let head = |i: usize| {
        u32::try_from((array.views()[i] >> 32) & 0xffff_ffff)
            .unwrap_or(0)
            .swap_bytes()
    };
    let bytes = |i: usize| -> &[u8] { array.value(i).as_ref() };
    let mut rows = valid_ranges(array).flatten();
    let Some(first) = rows.next() else {
        return Extremes::Empty;
    };
    let (mut min, mut max) = ((head(first), first), (head(first), first));
    for i in rows {
        let head = head(i);
        if head <= min.0 && bytes(i) < bytes(min.1) {
            min = (head, i);
        } else if head >= max.0 && bytes(i) > bytes(max.1) {
            max = (head, i);
        }
    }
    Extremes::Rows(min.1, max.1)
}

fn search<K: Ord>(array: &dyn Array, key: impl Fn(usize) -> K) -> Extremes {
    let rows = || valid_ranges(array).flatten();
    match (
        rows().min_by_key(|i| key(*i)),
        rows().max_by_key(|i| key(*i)),
    ) {
        (Some(min), Some(max)) => Extremes::Rows(min, max),
        _ => Extremes::Empty,
    }
}

/// Ranges of rows that are not null.
fn valid_ranges(array: &dyn Array) -> impl Iterator<Item = Range<usize>> {
    let nulls = array.nulls().filter(|n| n.null_count() > 0);
    let whole = nulls.is_none().then_some(0..array.len());
    let parts = nulls.into_iter().flat_map(|n| n.valid_slices());
    whole
        .into_iter()
        .chain(parts.map(|(start, end)| start..end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::cmp::Ordering;
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, BinaryViewArray, BooleanArray, Float32Array, Float64Array, Int32Array,
        StringViewArray,
    };
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Compares with a plain search; values of equal rank are equal.
    fn check(array: &ArrayRef, seed: u64, compare: &dyn Fn(usize, usize) -> Ordering) {
        let rows: Vec<usize> = (0..array.len()).filter(|i| array.is_valid(*i)).collect();
        let found = extremes(array.as_ref());
        let Some(first) = rows.first() else {
            assert_eq!(found, Extremes::Empty, "seed {seed}");
            return;
        };
        let Extremes::Rows(min, max) = found else {
            panic!("seed {seed}: {found:?}");
        };
        let pick = |wanted| {
            let better = |a, b| if compare(b, a) == wanted { b } else { a };
            rows.iter().copied().fold(*first, better)
        };
        for (row, wanted) in [(min, Ordering::Less), (max, Ordering::Greater)] {
            assert!(array.is_valid(row), "seed {seed}");
            assert_eq!(
                compare(row, pick(wanted)),
                Ordering::Equal,
                "seed {seed} {:?}",
                array.data_type()
            );
        }
    }

    #[test]
    fn extremes_are_those_of_a_plain_search() {
        for seed in 0..400 {
            let mut rng = StdRng::seed_from_u64(seed);
            let n = rng.random_range(0..40);
            let share = [0.0, 0.3, 1.0][rng.random_range(0..3)];
            let from = rng.random_range(0..n / 2 + 1);
            let mut gap = || rng.random_bool(share);
            let gaps: Vec<bool> = (0..n).map(|_| gap()).collect();
            let column = |array: ArrayRef| array.slice(from, n - from);
            let some = |i: usize| (!gaps[i]).then_some(i);

            let numbers: Vec<i32> = (0..n).map(|_| rng.random_range(-9..9)).collect();
            let array = column(Arc::new(Int32Array::from_iter(
                (0..n).map(|i| some(i).map(|i| numbers[i])),
            )));
            check(&array, seed, &|a, b| {
                numbers[a + from].cmp(&numbers[b + from])
            });

            let pool = [
                -0.0,
                0.0,
                1.5,
                -1.5,
                f64::INFINITY,
                f64::NEG_INFINITY,
                1e-300,
                -1e-300,
            ];
            let floats: Vec<f64> = (0..n)
                .map(|_| pool[rng.random_range(0..pool.len())])
                .collect();
            let array = column(Arc::new(Float64Array::from_iter(
                (0..n).map(|i| some(i).map(|i| floats[i])),
            )));
            check(&array, seed, &|a, b| {
                floats[a + from].total_cmp(&floats[b + from])
            });
            let narrow: Vec<f32> = (0..n)
                .map(|_| [-0.0f32, 0.0, -7.25, 3.5][rng.random_range(0..4)])
                .collect();
            let array = column(Arc::new(Float32Array::from_iter(
                (0..n).map(|i| some(i).map(|i| narrow[i])),
            )));
            check(&array, seed, &|a, b| {
                narrow[a + from].total_cmp(&narrow[b + from])
            });

            let stems = [
                "",
                "a",
                "a\0",
                "abc",
                "abcd",
                "abcde",
                "abcd\0",
                "ab\u{ff}",
                "zzzz and much longer",
                "abcd and much longer",
            ];
            let texts: Vec<String> = (0..n)
                .map(|_| {
                    format!(
                        "{}{}",
                        stems[rng.random_range(0..stems.len())],
                        ["", "x", "\u{1F600}"][rng.random_range(0..3)]
                    )
                })
                .collect();
            let text = |i: usize| some(i).map(|i| texts[i].as_str());
            let array = column(Arc::new(StringViewArray::from_iter((0..n).map(text))));
            check(&array, seed, &|a, b| {
                texts[a + from].as_bytes().cmp(texts[b + from].as_bytes())
            });
            let array = column(Arc::new(BinaryViewArray::from_iter(
                (0..n).map(|i| text(i).map(str::as_bytes)),
            )));
            check(&array, seed, &|a, b| {
                texts[a + from].as_bytes().cmp(texts[b + from].as_bytes())
            });

            let flags: Vec<bool> = (0..n).map(|_| rng.random()).collect();
            let array = column(Arc::new(BooleanArray::from_iter(
                (0..n).map(|i| some(i).map(|i| flags[i])),
            )));
            check(&array, seed, &|a, b| flags[a + from].cmp(&flags[b + from]));
        }
    }

    #[test]
    fn nan_hides_the_bounds_unless_it_is_no_value() {
        let with = Float32Array::from(vec![1.0, f32::NAN]);
        assert_eq!(extremes(&with), Extremes::Unknown);
        let hidden = Float64Array::new(vec![f64::NAN, 2.0].into(), Some(vec![false, true].into()));
        assert_eq!(extremes(&hidden), Extremes::Rows(1, 1));
    }
}
