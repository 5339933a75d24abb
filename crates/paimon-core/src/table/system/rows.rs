//! Building the rows of a system table.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::Field;
use chrono::DateTime;

use super::SystemTable;
use crate::arrow_bridge::zone::{process_zone, wall_clock};
use crate::arrow_bridge::{arrow_schema, datums_to_array};
use crate::error::Result;
use crate::spec::{DataField, DataType, Datum, DeletionVectorMeta, TypeKind, parse_data_type};

/// One cell.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Value(Option<Datum>),
    Texts(Option<Vec<String>>),
    /// Where deletion vectors lie in an index file.
    Ranges(Option<Vec<DeletionVectorMeta>>),
}

/// Columns and rows.
pub(super) struct Rows {
    fields: Vec<DataField>,
    columns: Vec<Vec<Cell>>,
}

impl Rows {
    /// Columns as (name, type text).
    pub(super) fn new(columns: &[(&str, &str)]) -> Result<Self> {
        let fields = (0..)
            .zip(columns)
            .map(|(id, (name, text))| Ok(DataField::new(id, *name, parse_data_type(text)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            columns: fields.iter().map(|_| Vec::new()).collect(),
            fields,
        })
    }

    /// Appends a row with one cell per column.
    pub(super) fn push(&mut self, cells: Vec<Cell>) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
    }

    pub(super) fn finish(self) -> Result<SystemTable> {
        let schema = arrow_schema(&self.fields);
        let arrays = self
            .fields
            .iter()
            .zip(self.columns)
            .map(|(field, cells)| array(field, cells))
            .collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(schema.clone(), arrays)?;
        Ok(SystemTable {
            schema,
            batches: vec![batch],
        })
    }
}

fn array(field: &DataField, cells: Vec<Cell>) -> Result<ArrayRef> {
    if let TypeKind::Array(element) = &field.data_type.kind {
        return match &element.kind {
            TypeKind::Row(fields) => ranges(element, fields, cells),
            _ => Ok(texts(cells)),
        };
    }
    let values: Vec<Option<Datum>> = cells
        .into_iter()
        .map(|cell| match cell {
            Cell::Value(value) => value,
            Cell::Texts(_) | Cell::Ranges(_) => None,
        })
        .collect();
    datums_to_array(&values, &field.data_type)
}

fn texts(cells: Vec<Cell>) -> ArrayRef {
    let element = Arc::new(Field::new(
        "element",
        arrow_schema::DataType::Utf8View,
        true,
    ));
    let mut builder = ListBuilder::new(StringViewBuilder::new()).with_field(element);
    for cell in cells {
        match cell {
            Cell::Texts(Some(texts)) => {
                for text in texts {
                    builder.values().append_value(text);
                }
                builder.append(true);
            }
            _ => builder.append(false),
        }
    }
    Arc::new(builder.finish())
}

/// Lists of rows (file name, offset, length, number of deleted rows).
fn ranges(element: &DataType, fields: &[DataField], cells: Vec<Cell>) -> Result<ArrayRef> {
    let mut columns: [Vec<Option<Datum>>; 4] = Default::default();
    let (mut lengths, mut valid) = (Vec::new(), Vec::new());
    for cell in cells {
        let metas = match cell {
            Cell::Ranges(metas) => metas,
            Cell::Value(_) | Cell::Texts(_) => None,
        };
        valid.push(metas.is_some());
        let metas = metas.unwrap_or_default();
        lengths.push(metas.len());
        for meta in metas {
            let values = [
                Some(Datum::String(meta.data_file_name)),
                Some(Datum::Int(meta.offset)),
                Some(Datum::Int(meta.length)),
                meta.cardinality.map(Datum::BigInt),
            ];
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
    }
    let arrays = columns.iter().zip(fields);
    let arrays = arrays
        .map(|(values, field)| datums_to_array(values, &field.data_type))
        .collect::<Result<Vec<_>>>()?;
    let structs = StructArray::try_new(arrow_schema(fields).fields().clone(), arrays, None)?;
    let field = Field::new("element", structs.data_type().clone(), element.nullable);
    Ok(Arc::new(ListArray::try_new(
        Arc::new(field),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(structs),
        Some(NullBuffer::from(valid)),
    )?))
}

pub(super) fn text(value: impl Into<String>) -> Cell {
    Cell::Value(Some(Datum::String(value.into())))
}

pub(super) fn opt_text(value: Option<impl Into<String>>) -> Cell {
    Cell::Value(value.map(|v| Datum::String(v.into())))
}

pub(super) fn long(value: i64) -> Cell {
    Cell::Value(Some(Datum::BigInt(value)))
}

pub(super) fn opt_long(value: Option<i64>) -> Cell {
    Cell::Value(value.map(Datum::BigInt))
}

pub(super) fn int(value: i32) -> Cell {
    Cell::Value(Some(Datum::Int(value)))
}

pub(super) fn opt_int(value: Option<i32>) -> Cell {
    Cell::Value(value.map(Datum::Int))
}

pub(super) fn boolean(value: bool) -> Cell {
    Cell::Value(Some(Datum::Boolean(value)))
}

/// Epoch milliseconds as TIMESTAMP(3) in the zone of the process, as Java shows them.
pub(super) fn instant(epoch_ms: Option<i64>) -> Cell {
    let shown = |ms| wall_clock(DateTime::from_timestamp_millis(ms)?, &process_zone().ok()?);
    time(epoch_ms.and_then(|ms| Some(shown(ms)?.and_utc().timestamp_millis())))
}

/// A wall clock, milliseconds read as UTC, as TIMESTAMP(3).
pub(super) fn time(millis: Option<i64>) -> Cell {
    Cell::Value(millis.map(|millis| Datum::Timestamp { millis, nanos: 0 }))
}
