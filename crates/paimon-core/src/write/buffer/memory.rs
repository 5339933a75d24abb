//! How much memory rows take, and keeping it that way.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch, UInt32Array};
use arrow_schema::DataType as ArrowType;
use arrow_select::take::take_record_batch;

use crate::error::Result;

/// Longest value that a view holds itself.
const INLINE: usize = 12;
/// Bytes that views may keep alive for nothing before they are copied.
const SLACK: usize = 64 << 10;

/// Bytes that the rows of a batch take, without what shared buffers hold beside them.
pub(crate) fn batch_memory(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_memory).sum()
}

fn array_memory(array: &ArrayRef) -> usize {
    match array.data_type() {
        ArrowType::Utf8View => view_memory(array.as_string_view()),
        ArrowType::BinaryView => view_memory(array.as_binary_view()),
        _ => array
            .to_data()
            .get_slice_memory_size()
            .unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

fn view_memory<T: ByteViewType + ?Sized>(array: &GenericByteViewArray<T>) -> usize {
    let long: usize = array
        .lengths()
        .map(|len| usize::try_from(len).unwrap_or(usize::MAX))
        .filter(|len| *len > INLINE)
        .sum();
    array.len() * 16 + long
}

/// Rows at these positions, in memory of their own.
///
/// # Errors
/// `Internal` for a position outside of the batch.
pub(in crate::write) fn take_rows(batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch> {
    let taken = take_record_batch(batch, &UInt32Array::from(rows.to_vec()))?;
    compact(&taken)
}

/// The same rows; text and bytes are copied where they keep much larger buffers alive.
///
/// # Errors
/// `Internal` when Arrow refuses its own columns.
pub(crate) fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|array| match array.data_type() {
            ArrowType::Utf8View => compact_views(array, array.as_string_view()),
            ArrowType::BinaryView => compact_views(array, array.as_binary_view()),
            _ => Arc::clone(array),
        })
        .collect();
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// The same rows; the text and bytes of each column lie in one buffer.
///
/// # Errors
/// As [`compact`].
pub(in crate::write) fn gather_views(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|array| -> ArrayRef {
            match array.data_type() {
                ArrowType::Utf8View => Arc::new(array.as_string_view().gc()),
                ArrowType::BinaryView => Arc::new(array.as_binary_view().gc()),
                _ => Arc::clone(array),
            }
        })
        .collect();
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

fn compact_views<T: ByteViewType + ?Sized>(
    array: &ArrayRef,
    views: &GenericByteViewArray<T>,
) -> ArrayRef {
    let held: usize = views.data_buffers().iter().map(|b| b.len()).sum();
    if held <= 2 * view_memory(views) + SLACK {
        return Arc::clone(array);
    }
    Arc::new(views.gc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow_array::{Int64Array, StringViewArray};
    use arrow_schema::{Field, Schema};

    use super::*;

    #[test]
    fn slices_count_their_own_rows_and_let_go_of_the_rest() {
        let text: Vec<String> = (0..10_000)
            .map(|i| format!("a text of some length {i}"))
            .collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter_values(text)),
            Arc::new(Int64Array::from_iter_values(0..10_000)),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|c| Field::new("x", c.data_type().clone(), true))
            .collect();
        let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let few = all.slice(100, 10);
        assert!(batch_memory(&all) > 10_000 * 40 && batch_memory(&few) < 1_000);
        let taken = take_rows(&all, &[1, 5, 9_999]).unwrap();
        let held = |b: &RecordBatch| -> usize {
            let buffers = b.column(0).as_string_view().data_buffers().iter();
            buffers.map(|b| b.len()).sum()
        };
        assert!(held(&taken) < 200 && held(&few) > 100_000);
        assert_eq!(
            taken.column(0).as_string_view().value(2),
            "a text of some length 9999"
        );
        assert!(held(&compact(&all).unwrap()) > 100_000);
    }
}
