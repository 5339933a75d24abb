//! Rows of several batches in a given order.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
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
    match arrays.first().map(|a| a.data_type()) {
        // Arrow copies booleans one call at a time
        Some(DataType::Boolean) => {
            let arrays: Vec<&BooleanArray> = arrays.iter().map(|a| a.as_boolean()).collect();
            interleave_booleans(&arrays, indices)
        }
        _ => Ok(arrow_select::interleave::interleave(arrays, indices)?),
    }
}

fn interleave_booleans(arrays: &[&BooleanArray], indices: &[(usize, usize)]) -> Result<ArrayRef> {
    let inside = |&(a, row): &(usize, usize)| arrays.get(a).is_some_and(|a| row < a.len());
    if !indices.iter().all(inside) {
        return Err(Error::internal("a row to take is outside its batch"));
    }
    let bit = |of: fn(&BooleanArray, usize) -> bool| {
        BooleanBuffer::collect_bool(indices.len(), |i| {
            let (a, row) = indices[i];
            of(arrays[a], row)
        })
    };
    let nulls = arrays.iter().any(|a| a.null_count() > 0);
    let valid = nulls.then(|| NullBuffer::new(bit(|a, row| a.is_valid(row))));
    let values = bit(|a, row| a.values().value(row));
    Ok(Arc::new(BooleanArray::new(values, valid)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn booleans_are_taken_as_arrow_does() {
        let some = BooleanArray::from(vec![Some(true), None, Some(false), None, Some(true)]);
        let all = BooleanArray::from(vec![false, true, true]);
        let sliced = some.slice(1, 3);
        let indices = [
            (0, 4),
            (1, 0),
            (1, 2),
            (0, 1),
            (2, 1),
            (2, 0),
            (0, 0),
            (2, 2),
        ];
        for arrays in [vec![&some, &all, &sliced], vec![&some, &some, &sliced]] {
            let plain: Vec<&dyn Array> = arrays.iter().map(|a| *a as &dyn Array).collect();
            let expected = arrow_select::interleave::interleave(&plain, &indices).unwrap();
            let found = interleave_arrays(&plain, &indices).unwrap();
            assert_eq!(&found, &expected);
        }
        assert!(interleave_arrays(&[&all], &[(0, 3)]).is_err());
        assert!(interleave_batches(&[], &[]).is_err());
    }
}
