//! Which columns are better off without a dictionary.
//!
//! The encoder builds a dictionary until its page is full and falls back to plain values then. For columns of unique
//! values all of that work is for nothing, and so is the space; a few thousand rows tell them apart.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType as ArrowType;

/// Rows of a sample, at least: fewer tell little, and their file is small anyway.
const ROWS_MIN: usize = 4096;

/// Whether the dictionary of a column would outgrow `page_bytes` bytes by far, as its first rows look.
///
/// Of `n` random picks out of `d` values about `n² / 2d` repeat an earlier one.
pub(super) fn is_useless(sample: &ArrayRef, page_bytes: usize) -> bool {
    if sample.len() < ROWS_MIN {
        return false;
    }
    let Some(sample) = Sample::of(sample) else {
        return false;
    };
    // values that fit the page
    let fitting = page_bytes.saturating_mul(sample.count) / sample.bytes.max(1);
    let repeated = sample.count - sample.distinct;
    let square = sample.count.saturating_mul(sample.count);
    repeated.saturating_mul(2).saturating_mul(fitting) < square
}

/// Values that are not null.
struct Sample {
    count: usize,
    distinct: usize,
    bytes: usize,
}

impl Sample {
    /// `None` for types whose columns keep their dictionary.
    fn of(array: &ArrayRef) -> Option<Self> {
        let rows = (0..array.len()).filter(|row| array.is_valid(*row));
        match array.data_type() {
            ArrowType::Utf8View => {
                let texts = array.as_string_view();
                Some(Self::count(rows.map(|row| texts.value(row).as_bytes())))
            }
            ArrowType::BinaryView => {
                let bytes = array.as_binary_view();
                Some(Self::count(rows.map(|row| bytes.value(row))))
            }
            ArrowType::Int32
            | ArrowType::Int64
            | ArrowType::Float32
            | ArrowType::Float64
            | ArrowType::Date32
            | ArrowType::Timestamp(..)
            | ArrowType::Decimal128(..) => {
                let width = array.data_type().primitive_width()?;
                let data = array.to_data();
                let bytes = data.buffers().first()?.as_slice();
                let at = |row: usize| {
                    let start = (data.offset() + row) * width;
                    bytes.get(start..start + width).unwrap_or_default()
                };
                Some(Self::count(rows.map(at)))
            }
            _ => None,
        }
    }

    fn count<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut count, mut bytes) = (0, 0);
        let mut distinct = HashSet::new();
        for value in values {
            count += 1;
            bytes += value.len();
            distinct.insert(value);
        }
        Self {
            count,
            distinct: distinct.len(),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Decimal128Array, Int64Array, StringViewArray};

    use super::*;

    const PAGE: usize = 1 << 20;

    fn numbers(rows: i64, distinct: i64) -> ArrayRef {
        // a step that is prime to the number of values visits all of them
        Arc::new(Int64Array::from_iter_values(
            (0..rows).map(|i| i * 7919 % distinct),
        ))
    }

    #[test]
    fn unique_values_need_no_dictionary() {
        assert!(is_useless(&numbers(4096, 1 << 40), PAGE));
        let texts = (0..4096).map(|i| format!("a note about {i}"));
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        assert!(is_useless(&texts, PAGE));
        let decimals: ArrayRef = Arc::new(Decimal128Array::from_iter_values(0..5000));
        assert!(is_useless(&decimals.slice(10, 4500), PAGE));
    }

    #[test]
    fn values_that_repeat_keep_theirs() {
        assert!(!is_useless(&numbers(4096, 3000), PAGE));
        assert!(!is_useless(&numbers(4096, 4000), PAGE));
        let none: ArrayRef = Arc::new(Int64Array::from(vec![None; 5000]));
        assert!(!is_useless(&none, PAGE));
    }

    #[test]
    fn short_samples_and_other_types_decide_nothing() {
        assert!(!is_useless(&numbers(4095, 1 << 40), PAGE));
        let flags: ArrayRef = Arc::new(arrow_array::BooleanArray::from(vec![true; 5000]));
        assert!(!is_useless(&flags, PAGE));
    }
}
