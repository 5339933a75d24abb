//! The rows that procedures give.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// A result column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    Boolean(&'static str),
    Long(&'static str),
    Text(&'static str),
}

/// One BOOLEAN column, `result`: what most procedures give.
pub(super) const RESULT: &[Column] = &[Column::Boolean("result")];

/// The schema of result columns.
pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| match column {
        Column::Boolean(name) => Field::new(*name, DataType::Boolean, true),
        Column::Long(name) => Field::new(*name, DataType::Int64, true),
        Column::Text(name) => Field::new(*name, DataType::Utf8, true),
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// The row of [`RESULT`].
pub(super) fn done() -> Vec<ArrayRef> {
    vec![Arc::new(BooleanArray::from(vec![true]))]
}

/// One BIGINT of one row.
pub(super) fn long(value: Option<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

/// How many there are, as BIGINT of one row.
pub(super) fn count(items: usize) -> ArrayRef {
    long(Some(i64::try_from(items).unwrap_or(i64::MAX)))
}

/// One column of texts.
pub(super) fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = Option<S>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}
