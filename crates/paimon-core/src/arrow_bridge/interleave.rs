//! Rows of several batches in a given order.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{
    Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, downcast_primitive, new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;

use crate::error::{Error, Result};

/// The rows at `indices`, each a batch and a row in it, of batches with the same columns.
///
/// # Errors
/// `Internal` when there is no batch, or an index is out of bounds.
pub(crate) fn interleave_batches(
    batches: &[&RecordBatch],
    indices: &[(usize, usize)],
) -> Result<RecordBatch> {
    let Some(first) = batches.first() else {
        return Err(Error::internal("no batches to take rows from"));
    };
    let columns = (0..first.num_columns()).map(|c| {
        let arrays: Vec<&dyn Array> = batches.iter().map(|b| b.column(c).as_ref()).collect();
        interleave_arrays(&arrays, indices)
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    Ok(RecordBatch::try_new(first.schema(), columns)?)
}

/// The values at `indices`, each an array and a row in it, of arrays of one type.
///
/// # Errors
/// `Internal` when an index is out of bounds or types differ.
pub(crate) fn interleave_arrays(
    arrays: &[&dyn Array],
    indices: &[(usize, usize)],
) -> Result<ArrayRef> {
    interleave_by(arrays, indices.len(), |i| Some(indices[i]))
}

/// As many values of arrays of one type as `len` says, each from an array and a row in it; null where there is none.
///
/// Arrow appends nulls bit by bit and copies booleans one call at a time: numbers and booleans are taken here.
///
/// # Errors
/// `Internal` when there is no array, a place is out of bounds or types differ.
pub(crate) fn interleave_by(
    arrays: &[&dyn Array],
    len: usize,
    place: impl Fn(usize) -> Option<(usize, usize)>,
) -> Result<ArrayRef> {
    let Some(first) = arrays.first() else {
        return Err(Error::internal("no arrays to take values from"));
    };
    macro_rules! numbers {
        ($t:ty) => {
            interleave_numbers::<$t>(&typed(arrays, |a| a.as_primitive_opt())?, len, place)
        };
    }
    downcast_primitive! {
        first.data_type() => (numbers),
        DataType::Boolean => {
            interleave_booleans(&typed(arrays, |a| a.as_boolean_opt())?, len, place)
        }
        _ => interleave_others(arrays, len, place),
    }
}

/// Arrays as what they are.
fn typed<'a, A>(
    arrays: &[&'a dyn Array],
    of: impl Fn(&'a dyn Array) -> Option<&'a A>,
) -> Result<Vec<&'a A>> {
    let typed = arrays.iter().map(|a| of(*a)).collect::<Option<Vec<_>>>();
    typed.ok_or_else(|| Error::internal("arrays to take values from differ in their types"))
}

fn outside() -> Error {
    Error::internal("a row to take is outside its batch")
}

fn interleave_numbers<T: ArrowPrimitiveType>(
    arrays: &[&PrimitiveArray<T>],
    len: usize,
    place: impl Fn(usize) -> Option<(usize, usize)>,
) -> Result<ArrayRef> {
    let slices: Vec<&[T::Native]> = arrays.iter().map(|a| a.values().as_ref()).collect();
    let (mut inside, mut missing) = (true, false);
    let value = |i| match place(i) {
        Some((array, row)) => {
            let value = slices.get(array).and_then(|values| values.get(row));
            inside &= value.is_some();
            value.copied().unwrap_or_default()
        }
        None => {
            missing = true;
            T::Native::default()
        }
    };
    let values: Vec<T::Native> = (0..len).map(value).collect();
    if !inside {
        return Err(outside());
    }
    let nulls = valid_places(arrays, len, missing, &place);
    let numbers = PrimitiveArray::<T>::try_new(values.into(), nulls)?;
    Ok(match arrays.first() {
        Some(first) => Arc::new(numbers.with_data_type(first.data_type().clone())),
        None => Arc::new(numbers),
    })
}

fn interleave_booleans(
    arrays: &[&BooleanArray],
    len: usize,
    place: impl Fn(usize) -> Option<(usize, usize)>,
) -> Result<ArrayRef> {
    let (mut inside, mut missing) = (true, false);
    let values = BooleanBuffer::collect_bool(len, |i| match place(i) {
        Some((array, row)) => match arrays.get(array).filter(|a| row < a.len()) {
            Some(array) => array.values().value(row),
            None => {
                inside = false;
                false
            }
        },
        None => {
            missing = true;
            false
        }
    });
    if !inside {
        return Err(outside());
    }
    let nulls = valid_places(arrays, len, missing, &place);
    Ok(Arc::new(BooleanArray::new(values, nulls)))
}

/// Which places have a value that is not null; `None` where all do. They are inside of their arrays.
fn valid_places<A: Array>(
    arrays: &[&A],
    len: usize,
    missing: bool,
    place: &impl Fn(usize) -> Option<(usize, usize)>,
) -> Option<NullBuffer> {
    let nulls: Vec<Option<&NullBuffer>> = arrays.iter().map(|a| a.nulls()).collect();
    let bits = match nulls.iter().any(Option::is_some) {
        true => BooleanBuffer::collect_bool(len, |i| {
            place(i).is_some_and(|(array, row)| nulls[array].is_none_or(|n| n.is_valid(row)))
        }),
        false if missing => BooleanBuffer::collect_bool(len, |i| place(i).is_some()),
        false => return None,
    };
    Some(NullBuffer::new(bits)).filter(|n| n.null_count() > 0)
}

fn interleave_others(
    arrays: &[&dyn Array],
    len: usize,
    place: impl Fn(usize) -> Option<(usize, usize)>,
) -> Result<ArrayRef> {
    let null = (arrays.len(), 0);
    let (mut inside, mut missing) = (true, false);
    let place = |i| match place(i) {
        Some((array, row)) => {
            inside &= arrays.get(array).is_some_and(|a| row < a.len());
            (array, row)
        }
        None => {
            missing = true;
            null
        }
    };
    let indices: Vec<(usize, usize)> = (0..len).map(place).collect();
    if !inside {
        return Err(outside());
    }
    let mut arrays = arrays.to_vec();
    let nothing = arrays.first().filter(|_| missing);
    let nothing = nothing.map(|first| new_null_array(first.data_type(), 1));
    if let Some(nothing) = &nothing {
        arrays.push(nothing);
    }
    Ok(arrow_select::interleave::interleave(&arrays, &indices)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use arrow_array::types::Decimal128Type;
    use arrow_array::{Decimal128Array, Int64Array, StringViewArray, TimestampMicrosecondArray};
    use arrow_select::interleave::interleave;

    use super::*;

    /// Values of an array: with nulls, without, and a part of the first.
    fn sources(some: ArrayRef, all: ArrayRef) -> Vec<ArrayRef> {
        let sliced = some.slice(1, 3);
        vec![some, all, sliced]
    }

    fn check(sources: &[ArrayRef]) {
        let places = [
            (0, 4),
            (1, 0),
            (1, 2),
            (0, 1),
            (2, 1),
            (2, 0),
            (0, 0),
            (2, 2),
        ];
        let arrays: Vec<&dyn Array> = sources.iter().map(AsRef::as_ref).collect();
        let expected = interleave(&arrays, &places).unwrap();
        let found = interleave_arrays(&arrays, &places).unwrap();
        assert_eq!(&found, &expected);
        assert_eq!(found.data_type(), arrays[0].data_type());

        // every third value is missing
        let null = new_null_array(arrays[0].data_type(), 1);
        let with_null = [arrays.clone(), vec![&null]].concat();
        let place = |i: usize| (i % 3 != 1).then(|| places[i]);
        let plain: Vec<_> = (0..8).map(|i| place(i).unwrap_or((3, 0))).collect();
        let expected = interleave(&with_null, &plain).unwrap();
        assert_eq!(&interleave_by(&arrays, 8, place).unwrap(), &expected);
        let found = interleave_by(&arrays[1..2], 2, |i| (i == 1).then_some((0, 2))).unwrap();
        assert!(found.is_null(0) && found.is_valid(1));

        let found = interleave_arrays(&arrays[1..2], &[(0, 2), (0, 1)]).unwrap();
        assert_eq!(found.null_count(), 0);
        assert!(interleave_arrays(&arrays[1..2], &[(0, 3)]).is_err());
        assert!(interleave_arrays(&arrays[1..2], &[(1, 0)]).is_err());
    }

    #[test]
    fn values_are_taken_as_arrow_does() {
        let booleans = BooleanArray::from(vec![Some(true), None, Some(false), None, Some(true)]);
        let all = BooleanArray::from(vec![false, true, true]);
        check(&sources(Arc::new(booleans), Arc::new(all)));
        let numbers = Int64Array::from(vec![Some(1), None, Some(-3), None, Some(5)]);
        let all = Int64Array::from(vec![7, 8, 9]);
        check(&sources(Arc::new(numbers.clone()), Arc::new(all.clone())));
        let zoned = |n: &Int64Array| -> ArrayRef {
            let times = n.reinterpret_cast::<arrow_array::types::TimestampMicrosecondType>();
            Arc::new(TimestampMicrosecondArray::with_timezone(times, "UTC"))
        };
        check(&sources(zoned(&numbers), zoned(&all)));
        let decimal = |n: &Int64Array| -> ArrayRef {
            let wide: Decimal128Array = n.unary::<_, Decimal128Type>(i128::from);
            Arc::new(wide.with_precision_and_scale(20, 3).unwrap())
        };
        check(&sources(decimal(&numbers), decimal(&all)));
        let texts = StringViewArray::from(vec![
            Some("a"),
            None,
            Some("a text that is too long for a view"),
            None,
            Some("c"),
        ]);
        let all = StringViewArray::from(vec!["x", "y", "another text of more than a few bytes"]);
        check(&sources(Arc::new(texts), Arc::new(all)));
    }

    #[test]
    fn arrays_of_one_type_are_needed() {
        let numbers = Int64Array::from(vec![1]);
        let truths = BooleanArray::from(vec![true]);
        assert!(interleave_arrays(&[&numbers, &truths], &[(0, 0)]).is_err());
        assert!(interleave_arrays(&[&truths, &numbers], &[(0, 0)]).is_err());
        assert!(interleave_arrays(&[], &[]).is_err());
        assert!(interleave_batches(&[], &[]).is_err());
    }
}
