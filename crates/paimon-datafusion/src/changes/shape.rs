//! How rows that end with their kind are shown.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int8Array, RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::cast::as_int8_array;
use datafusion::error::Result;
use futures::future::ready;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use paimon_core::spec::is_retract;

use super::binlog;
use crate::error::to_datafusion;

/// First column of an audit log and a binlog.
pub(super) const ROW_KIND: &str = "rowkind";

/// Last column of rows that carry their kind from a stream to a sink: 0 +I, 1 -U, 2 +U, 3 -D.
pub(crate) const KIND_COLUMN: &str = "__paimon_kind";

const KINDS: [&str; 4] = ["+I", "-U", "+U", "-D"];

/// What is shown of rows and their kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The rows that are: those of kind -U and -D are left out.
    Rows,
    /// Every row after its kind (`t$audit_log`).
    Audit,
    /// Every row after its kind, columns as arrays: of an update the old and the new value (`t$binlog`).
    Binlog,
    /// Every row before its kind, as a number.
    Kinds,
}

impl Shape {
    /// The shape that a system table shows changes in, `None` for tables that do not.
    pub(crate) fn of_system(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Rows),
            Some("audit_log") => Some(Self::Audit),
            Some("binlog") => Some(Self::Binlog),
            Some(_) => None,
        }
    }

    /// Some of its columns by name, from those of the table.
    ///
    /// # Errors
    /// `NotFound` for an unknown one.
    pub fn columns(self, table: &SchemaRef, names: &[String]) -> paimon_core::Result<SchemaRef> {
        let all = self.schema(table);
        let find = |name: &String| {
            let found = all.field_with_name(name).ok();
            found.cloned().ok_or_else(|| {
                paimon_core::Error::new(paimon_core::ErrorKind::NotFound, "no such column")
                    .with("column", name)
            })
        };
        let fields = names
            .iter()
            .map(find)
            .collect::<paimon_core::Result<Vec<_>>>()?;
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Columns, from those of the table.
    pub(crate) fn schema(self, table: &SchemaRef) -> SchemaRef {
        let kind = Arc::new(Field::new(ROW_KIND, DataType::Utf8View, true));
        let columns = table.fields().iter();
        Arc::new(Schema::new(match self {
            Self::Rows => return table.clone(),
            Self::Audit => std::iter::once(kind)
                .chain(columns.cloned())
                .collect::<Vec<_>>(),
            Self::Binlog => std::iter::once(kind)
                .chain(columns.map(|f| Arc::new(binlog::array_field(f))))
                .collect(),
            Self::Kinds => {
                let kind = Arc::new(Field::new(KIND_COLUMN, DataType::Int8, true));
                columns.cloned().chain([kind]).collect()
            }
        }))
    }

    /// Whether a column is not one of the table's.
    pub(crate) fn adds(self, column: &str) -> bool {
        match self {
            Self::Rows => false,
            Self::Audit | Self::Binlog => column == ROW_KIND,
            Self::Kinds => column == KIND_COLUMN,
        }
    }

    /// Shows the rows of a split under a projected schema; `pairs`: a -U followed by a +U is one update.
    pub(crate) fn apply(
        self,
        rows: BoxStream<'static, Result<RecordBatch>>,
        schema: SchemaRef,
        pairs: bool,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        match self {
            Self::Binlog => binlog::packed(rows, schema, pairs),
            _ => rows
                .and_then(move |batch| ready(self.shown(&batch, &schema)))
                .boxed(),
        }
    }

    /// Shows some rows; those of a binlog are not packed.
    pub(super) fn shown(self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        match self {
            Self::Rows => without_retracts(batch, schema),
            Self::Audit | Self::Binlog => with_kind(batch, schema),
            Self::Kinds => with_kind_number(batch, schema),
        }
    }
}

/// Columns and row kinds of a batch that ends with its kinds.
pub(super) fn split_kinds(batch: &RecordBatch) -> Result<(&[ArrayRef], &Int8Array)> {
    let (columns, kinds) = batch
        .columns()
        .split_at(batch.num_columns().saturating_sub(1));
    let kinds = kinds.first().map(|kinds| as_int8_array(kinds));
    let missing = || to_datafusion(paimon_core::Error::internal("a batch lacks its row kinds"));
    Ok((columns, kinds.ok_or_else(missing)??))
}

/// A batch of columns, the texts of its kinds among them where the schema has them.
pub(super) fn batch_of(
    schema: &SchemaRef,
    mut columns: Vec<ArrayRef>,
    kinds: impl ExactSizeIterator<Item = i8>,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(kinds.len()));
    if let Ok(at) = schema.index_of(ROW_KIND)
        && columns.len() < schema.fields().len()
    {
        let text = |kind| usize::try_from(kind).ok().and_then(|k| KINDS.get(k));
        let texts: StringViewArray = kinds.map(|kind| text(kind).copied()).collect();
        columns.insert(at, Arc::new(texts));
    }
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}

fn with_kind(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let (columns, kinds) = split_kinds(batch)?;
    batch_of(schema, columns.to_vec(), kinds.values().iter().copied())
}

fn with_kind_number(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    if schema.index_of(KIND_COLUMN).is_err() {
        columns.pop();
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}

fn without_retracts(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let (columns, kinds) = split_kinds(batch)?;
    let stays = kinds.values().iter().map(|k| Some(!is_retract(*k)));
    let stays: BooleanArray = stays.collect();
    let all = batch_of(schema, columns.to_vec(), kinds.values().iter().copied())?;
    match stays.true_count() == stays.len() {
        true => Ok(all),
        false => Ok(filter_record_batch(&all, &stays)?),
    }
}
