//! What happens to rows before they reach a bucket: types, NOT NULL, defaults, row kinds, filters.
//!
//! Source: `TableWriteImpl`, `DefaultValueRow`, `RowKindGenerator`, `RowKindFilter`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int8Array, RecordBatch, Scalar, StringViewArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType as ArrowType, Fields, SchemaRef};
use arrow_select::filter::filter_record_batch;
use std::sync::Arc;

use super::options::WriteOptions;
use crate::arrow_bridge::{arrow_schema, arrow_type, cast_array, check_decimals, declared_max};
use crate::error::{Error, Result};
use crate::options::CoreOptions;
use crate::spec::row_kind::UPDATE_BEFORE;
use crate::spec::{
    DataField, DataType, TableSchema, is_retract, row_id_field, sequence_number_field,
};

/// Rows ready to be routed.
#[derive(Debug, Clone)]
pub struct PreparedRows {
    /// The table's columns, typed as [`arrow_type`].
    pub values: RecordBatch,
    /// Row kinds; `None` is +I everywhere.
    pub kinds: Option<Int8Array>,
}

/// Turns what a caller writes into rows of the table.
#[derive(Debug)]
pub struct RowPipeline {
    fields: Vec<DataField>,
    schema: SchemaRef,
    /// One row per column with a default.
    defaults: Vec<Option<ArrayRef>>,
    rowkind: Option<usize>,
    ignore_delete: bool,
    ignore_update_before: bool,
    has_key: bool,
}

impl RowPipeline {
    /// The pipeline of a table.
    ///
    /// # Errors
    /// `InvalidInput` for a default that is no value of its column or an unknown `rowkind.field`.
    pub fn new(schema: &TableSchema, core: &CoreOptions, options: &WriteOptions) -> Result<Self> {
        let defaults = schema
            .fields
            .iter()
            .map(default_value_of)
            .collect::<Result<_>>()?;
        let rowkind = options.rowkind_field.as_ref().map(|name| {
            let found = schema
                .fields
                .iter()
                .position(|f| f.name == *name && f.data_type.kind.is_string());
            found.ok_or_else(|| {
                Error::invalid(format!("{name:?} is no column of characters"))
                    .with("option", "rowkind.field")
            })
        });
        Ok(Self {
            schema: arrow_schema(&schema.fields),
            fields: schema.fields.clone(),
            defaults,
            rowkind: rowkind.transpose()?,
            ignore_delete: core.ignore_delete,
            ignore_update_before: options.ignore_update_before,
            has_key: schema.has_primary_key(),
        })
    }

    /// Nulls stay nulls where a column has a default.
    #[must_use]
    pub fn keeping_nulls(mut self) -> Self {
        self.defaults.fill(None);
        self
    }

    /// Rows have `_ROW_ID` and `_SEQUENCE_NUMBER` behind the table's columns.
    #[must_use]
    pub fn with_row_ids(mut self) -> Self {
        let system = [row_id_field(), sequence_number_field()];
        self.defaults.extend(system.iter().map(|_| None));
        self.fields.extend(system);
        self.schema = arrow_schema(&self.fields);
        self
    }

    /// Prepares a batch whose columns are the table's, by position. `kinds` holds a row kind per row.
    ///
    /// Columns may be of other Arrow types that hold the same values (`Utf8`, dictionaries, finer units of time).
    ///
    /// # Errors
    /// `InvalidInput` naming the column: wrong type, null in a NOT NULL column, unknown row kind, -U or -D in a table
    /// without primary key.
    pub fn prepare(&self, batch: &RecordBatch, kinds: Option<&Int8Array>) -> Result<PreparedRows> {
        let values = self.conform(batch)?;
        let kinds = self.kinds(&values, kinds)?;
        self.filter(PreparedRows { values, kinds })
    }

    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.fields.len() {
            return Err(Error::invalid(format!(
                "the table has {} columns, the rows to write have {}",
                self.fields.len(),
                batch.num_columns()
            )));
        }
        let mut columns = Vec::with_capacity(self.fields.len());
        for ((array, field), default) in
            batch.columns().iter().zip(&self.fields).zip(&self.defaults)
        {
            let column =
                conform(array, &field.data_type).map_err(|e| e.with("column", &field.name))?;
            check_decimals(&column, declared_max).map_err(|e| e.with("column", &field.name))?;
            if !field.data_type.nullable && column.null_count() > 0 {
                return Err(Error::invalid(format!(
                    "Cannot write null to non-null column({})",
                    field.name
                ))
                .with("column", &field.name));
            }
            columns.push(match default {
                Some(default) if column.null_count() > 0 => with_default(&column, default)?,
                _ => column,
            });
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|e| Error::invalid("rows do not fit the table's columns").with_source(e))
    }

    fn kinds(&self, values: &RecordBatch, given: Option<&Int8Array>) -> Result<Option<Int8Array>> {
        if let Some(column) = self.rowkind {
            return kinds_of_texts(values.column(column).as_string_view()).map(Some);
        }
        let Some(kinds) = given else { return Ok(None) };
        if kinds.len() != values.num_rows() || kinds.null_count() > 0 {
            return Err(Error::invalid(format!(
                "{} rows need as many row kinds without nulls, found {}",
                values.num_rows(),
                kinds.len()
            )));
        }
        if let Some(kind) = kinds.values().iter().find(|k| !(0..=3).contains(*k)) {
            return Err(Error::invalid(format!(
                "row kind is {kind}, expected 0 to 3"
            )));
        }
        Ok(kinds
            .values()
            .iter()
            .any(|k| *k != 0)
            .then(|| kinds.clone()))
    }

    fn filter(&self, rows: PreparedRows) -> Result<PreparedRows> {
        let Some(kinds) = &rows.kinds else {
            return Ok(rows);
        };
        let dropped = |kind: i8| {
            (self.ignore_delete && is_retract(kind))
                || (self.ignore_update_before && kind == UPDATE_BEFORE)
        };
        let rows = if kinds.values().iter().any(|k| dropped(*k)) {
            let keep: BooleanArray = kinds.values().iter().map(|k| Some(!dropped(*k))).collect();
            let kept = arrow_select::filter::filter(kinds, &keep)?;
            PreparedRows {
                values: filter_record_batch(&rows.values, &keep)?,
                kinds: Some(kept.as_primitive().clone()),
            }
        } else {
            rows
        };
        if !self.has_key {
            if let Some(kind) = rows
                .kinds
                .iter()
                .flat_map(|k| k.values())
                .find(|k| is_retract(**k))
            {
                return Err(Error::invalid(format!(
                    "a table without primary key takes inserts only, found row kind {kind}"
                )));
            }
            return Ok(PreparedRows {
                kinds: None,
                ..rows
            });
        }
        Ok(rows)
    }
}

/// The value, in an array of one row, that null becomes in a column; `None` without a default.
///
/// # Errors
/// `InvalidInput` for a default that is no value of its column.
pub fn default_value_of(field: &DataField) -> Result<Option<ArrayRef>> {
    let Some(text) = &field.default_value else {
        return Ok(None);
    };
    let text: ArrayRef = Arc::new(StringViewArray::from(vec![text.as_str()]));
    let value = cast_array(&text, &DataType::string(), &field.data_type).map_err(|e| {
        Error::invalid(format!(
            "default of column `{}` is no {}",
            field.name, field.data_type
        ))
        .with("column", &field.name)
        .with_source(e)
    })?;
    // a default that casts to null changes nothing
    Ok((value.null_count() == 0).then_some(value))
}

fn with_default(column: &ArrayRef, default: &ArrayRef) -> Result<ArrayRef> {
    let Some(nulls) = column.logical_nulls() else {
        return Ok(Arc::clone(column));
    };
    let valid = BooleanArray::new(nulls.inner().clone(), None);
    let default = Scalar::new(Arc::clone(default));
    Ok(arrow_select::zip::zip(&valid, column, &default)?)
}

fn kinds_of_texts(texts: &StringViewArray) -> Result<Int8Array> {
    texts
        .iter()
        .map(|text| match text.map(str::to_ascii_uppercase).as_deref() {
            Some("+I") => Ok(Some(0)),
            Some("-U") => Ok(Some(1)),
            Some("+U") => Ok(Some(2)),
            Some("-D") => Ok(Some(3)),
            _ => {
                let found = text.map_or_else(|| "null".to_string(), |text| format!("'{text}'"));
                let wrong = format!("row kind must be +I, -U, +U or -D, found {found}");
                Err(Error::invalid(wrong).with("option", "rowkind.field"))
            }
        })
        .collect()
}

/// The array as the Arrow type of a Paimon type.
fn conform(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let target = arrow_type(data_type);
    if *array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    if !holds_same_values(array.data_type(), &target) {
        return Err(Error::invalid(format!(
            "column is {data_type}, which is {target} in Arrow; the rows to write have {}",
            array.data_type()
        )));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, &target, &options)
        .map_err(|e| Error::invalid(format!("value does not fit {data_type}")).with_source(e))
}

/// Whether the fields of two structs have the same names in another order: by name and by position would differ.
fn is_reordered(a: &Fields, b: &Fields) -> bool {
    let same_order = a.iter().zip(b).all(|(a, b)| a.name() == b.name());
    let same_names = a.iter().all(|f| b.iter().any(|o| o.name() == f.name()));
    same_names && !same_order
}

/// Whether every value of one type is a value of the other, so that only the layout changes.
fn holds_same_values(from: &ArrowType, to: &ArrowType) -> bool {
    use ArrowType::*;
    match (from, to) {
        (Null, _) => true,
        (Dictionary(_, values), _) => holds_same_values(values, to),
        (Utf8 | LargeUtf8 | Utf8View, Utf8View) => true,
        (Binary | LargeBinary | FixedSizeBinary(_) | BinaryView, BinaryView) => true,
        (Timestamp(a, zone_a), Timestamp(b, zone_b)) => {
            a <= b && zone_a.is_some() == zone_b.is_some()
        }
        (List(a) | LargeList(a), List(b)) => holds_same_values(a.data_type(), b.data_type()),
        (FixedSizeList(a, n), FixedSizeList(b, m)) => {
            n == m && holds_same_values(a.data_type(), b.data_type())
        }
        (Map(a, _), Map(b, _)) => holds_same_values(a.data_type(), b.data_type()),
        (Struct(a), Struct(b)) => {
            a.len() == b.len()
                && !is_reordered(a, b)
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| holds_same_values(a.data_type(), b.data_type()))
        }
        (from, to) => from == to,
    }
}

#[cfg(test)]
mod tests;
