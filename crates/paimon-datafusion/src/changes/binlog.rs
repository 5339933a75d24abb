//! Rows of a binlog: every column an array, of an update with the old value and the new one.
//!
//! Source: `BinlogTable`, `PackChangelogReader`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result;
use futures::StreamExt;
use futures::future::ready;
use futures::stream::BoxStream;
use paimon_core::spec::row_kind::{UPDATE_AFTER, UPDATE_BEFORE};

use super::shape::{batch_of, split_kinds};

/// The column of a binlog for a column of the table.
pub(super) fn array_field(column: &Field) -> Field {
    let element = Field::new("element", column.data_type().clone(), true);
    Field::new(column.name(), DataType::List(Arc::new(element)), true)
}

/// Packs the rows of a split. With `pairs` a -U and the +U after it, in the next batch perhaps, make one row of kind +U;
/// every other row stands alone.
pub(super) fn packed(
    rows: BoxStream<'static, Result<RecordBatch>>,
    schema: SchemaRef,
    pairs: bool,
) -> BoxStream<'static, Result<RecordBatch>> {
    let mut packing = Packing::new(schema, pairs);
    rows.map(Some)
        .chain(futures::stream::once(ready(None)))
        .map(move |batch| match batch {
            Some(batch) => packing.add(batch?),
            None => packing.end(),
        })
        .filter_map(|packed| ready(packed.transpose()))
        .boxed()
}

/// Rows of a split, packed as they come.
pub(super) struct Packing {
    schema: SchemaRef,
    pairs: bool,
    /// A -U at the end of the last batch.
    held: Option<RecordBatch>,
}

impl Packing {
    /// For rows under a projected schema; `pairs`: a -U followed by a +U is one update.
    pub(super) fn new(schema: SchemaRef, pairs: bool) -> Self {
        Self {
            schema,
            pairs,
            held: None,
        }
    }

    /// Some rows of the split.
    pub(super) fn add(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let mut batch = match self.held.take() {
            Some(held) => concat_batches(&batch.schema(), [&held, &batch])?,
            None => batch,
        };
        let (_, kinds) = split_kinds(&batch)?;
        let rows = batch.num_rows();
        if self.pairs && kinds.values().last() == Some(&UPDATE_BEFORE) {
            self.held = Some(batch.slice(rows - 1, 1));
            batch = batch.slice(0, rows - 1);
        }
        match batch.num_rows() {
            0 => Ok(None),
            _ => self.pack(&batch).map(Some),
        }
    }

    /// What was held back at the end of the split.
    pub(super) fn end(&mut self) -> Result<Option<RecordBatch>> {
        let held = self.held.take();
        held.map(|held| self.pack(&held)).transpose()
    }

    fn pack(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let (columns, kinds) = split_kinds(batch)?;
        let kinds = kinds.values();
        let (mut lengths, mut packed_kinds) = (Vec::new(), Vec::new());
        let mut row = 0;
        while let Some(kind) = kinds.get(row) {
            let pair =
                self.pairs && *kind == UPDATE_BEFORE && kinds.get(row + 1) == Some(&UPDATE_AFTER);
            let (length, kind) = if pair { (2, UPDATE_AFTER) } else { (1, *kind) };
            lengths.push(length);
            packed_kinds.push(kind);
            row += length;
        }
        // rows keep their order, so the values of a column are the arrays' elements as they lie
        let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
        let columns = columns.iter().map(|column| {
            let element = Field::new("element", column.data_type().clone(), true);
            let list = ListArray::try_new(Arc::new(element), offsets.clone(), column.clone(), None);
            Ok(Arc::new(list?) as ArrayRef)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        batch_of(&self.schema, columns, packed_kinds.into_iter())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use arrow::array::{Int8Array, Int32Array};
    use arrow::datatypes::Schema;
    use arrow::util::pretty::pretty_format_batches;
    use futures::TryStreamExt;

    use super::*;
    use crate::changes::Shape;

    async fn binlog(batches: &[(&[i32], &[i8])], pairs: bool) -> Vec<String> {
        let batch = |(values, kinds): &(&[i32], &[i8])| {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int32Array::from(values.to_vec())),
                Arc::new(Int8Array::from(kinds.to_vec())),
            ];
            let fields = vec![
                Field::new("v", DataType::Int32, false),
                Field::new("_VALUE_KIND", DataType::Int8, true),
            ];
            Ok(RecordBatch::try_new(
                Arc::new(Schema::new(fields)),
                columns,
            )?)
        };
        let batches: Vec<_> = batches.iter().map(batch).collect();
        let table = Arc::new(Schema::new(vec![Field::new("v", DataType::Int32, false)]));
        let schema = Shape::Binlog.schema(&table);
        let rows = futures::stream::iter(batches).boxed();
        let packed: Vec<RecordBatch> = packed(rows, schema, pairs).try_collect().await.unwrap();
        let text = pretty_format_batches(&packed).unwrap().to_string();
        let lines = text
            .lines()
            .filter(|l| l.starts_with("| ") && !l.contains("rowkind"));
        lines.map(|l| l.replace([' ', '|'], "")).collect()
    }

    #[tokio::test]
    async fn an_update_is_one_row_even_across_batches() {
        let batches: &[(&[i32], &[i8])] = &[
            (&[1, 2, 3, 4], &[0, 1, 2, 1]),
            (&[], &[]),
            (&[5, 6, 7], &[2, 3, 1]),
        ];
        let rows = binlog(batches, true).await;
        assert_eq!(rows, ["+I[1]", "+U[2,3]", "+U[4,5]", "-D[6]", "-U[7]"]);
    }

    #[tokio::test]
    async fn an_old_value_without_a_new_one_stands_alone() {
        let rows = binlog(&[(&[1, 2, 3], &[1, 0, 2])], true).await;
        assert_eq!(rows, ["-U[1]", "+I[2]", "+U[3]"]);
    }

    #[tokio::test]
    async fn rows_of_a_state_are_not_paired() {
        let rows = binlog(&[(&[1, 2], &[1, 2])], false).await;
        assert_eq!(rows, ["-U[1]", "+U[2]"]);
    }
}
