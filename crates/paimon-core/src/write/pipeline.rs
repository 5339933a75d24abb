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
use crate::arrow_bridge::{arrow_schema, arrow_type, cast_array};
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
            .map(default_of)
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

fn default_of(field: &DataField) -> Result<Option<ArrayRef>> {
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
            other => Err(Error::invalid(format!(
                "row kind must be +I, -U, +U or -D, found {other:?}"
            ))
            .with("option", "rowkind.field")),
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
    use arrow_array::{
        DictionaryArray, Int32Array, Int64Array, ListArray, StringArray, StructArray,
        TimestampMillisecondArray, types::Int32Type,
    };
    use arrow_buffer::OffsetBuffer;
    use arrow_schema::{Field, Schema};

    use super::*;
    use crate::write::testing::schema;

    fn pipeline(schema: &TableSchema) -> Result<RowPipeline> {
        let core = CoreOptions::new(schema)?;
        let options = WriteOptions::new(schema, &core)?;
        RowPipeline::new(schema, &core, &options)
    }

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let fields: Vec<Field> = columns
            .iter()
            .map(|c| Field::new("x", c.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    #[test]
    fn other_layouts_of_the_same_values_are_taken() {
        let schema = schema(&["STRING", "STRING", "TIMESTAMP(6)"], &[], &[], &[]);
        let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None].into_iter().collect();
        let rows = batch(vec![
            Arc::new(StringArray::from(vec![Some("a"), None])),
            Arc::new(dictionary),
            Arc::new(TimestampMillisecondArray::from(vec![Some(7), None])),
        ]);
        let prepared = pipeline(&schema).unwrap().prepare(&rows, None).unwrap();
        assert_eq!(prepared.values.schema(), arrow_schema(&schema.fields));
        assert_eq!(prepared.values.column(1).as_string_view().value(0), "x");
        let wrong = batch(vec![
            Arc::new(Int32Array::from(vec![1, 2])),
            rows.column(1).clone(),
            rows.column(2).clone(),
        ]);
        let error = pipeline(&schema)
            .unwrap()
            .prepare(&wrong, None)
            .unwrap_err();
        assert!(error.to_string().contains("c0"), "{error}");
        let few = rows.project(&[0]).unwrap();
        assert!(pipeline(&schema).unwrap().prepare(&few, None).is_err());
    }

    /// Query engines name the parts of nested types as they like: position decides, unless names say otherwise.
    #[test]
    fn nested_columns_are_taken_by_position() {
        let schema = schema(
            &[
                "ROW<a INT, b STRING>",
                "MAP<STRING, INT>",
                "ARRAY<ROW<x INT, y INT>>",
            ],
            &[],
            &[],
            &[],
        );
        let ints = |values: Vec<i32>| -> ArrayRef { Arc::new(Int32Array::from(values)) };
        let field = |name: &str, data_type: ArrowType| Arc::new(Field::new(name, data_type, true));
        let row = StructArray::from(vec![
            (field("b", ArrowType::Int32), ints(vec![1, 2])),
            (
                field("c1", ArrowType::Utf8),
                Arc::new(StringArray::from(vec!["p", "q"])) as ArrayRef,
            ),
        ]);
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        for key in ["k", "l"] {
            map.keys().append_value(key);
            map.values().append_value(7);
            map.append(true).unwrap();
        }
        let list = |names: [&str; 2]| -> ArrayRef {
            let items = StructArray::from(vec![
                (field(names[0], ArrowType::Int32), ints(vec![3, 4, 5])),
                (field(names[1], ArrowType::Int32), ints(vec![30, 40, 50])),
            ]);
            Arc::new(ListArray::new(
                field("item", items.data_type().clone()),
                OffsetBuffer::new(vec![0, 2, 3].into()),
                Arc::new(items),
                None,
            ))
        };
        let map = Arc::new(map.finish());
        let rows = batch(vec![Arc::new(row), map, list(["y", "z"])]);
        let columns = rows.columns();
        let swapped = batch(vec![
            columns[0].clone(),
            columns[1].clone(),
            list(["y", "x"]),
        ]);
        let error = pipeline(&schema)
            .unwrap()
            .prepare(&swapped, None)
            .unwrap_err();
        assert!(error.to_string().contains("c2"), "{error}");
        let values = pipeline(&schema)
            .unwrap()
            .prepare(&rows, None)
            .unwrap()
            .values;
        let row = values.column(0).as_struct();
        assert_eq!(row.column(0).as_primitive::<Int32Type>().values(), &[1, 2]);
        assert_eq!(row.column(1).as_string_view().value(1), "q");
        let map = values.column(1).as_map();
        assert_eq!(map.keys().as_string_view().value(1), "l");
        let items = values.column(2).as_list::<i32>().values().as_struct();
        assert_eq!(
            items.column(0).as_primitive::<Int32Type>().values(),
            &[3, 4, 5]
        );
        assert_eq!(
            items.column(1).as_primitive::<Int32Type>().values(),
            &[30, 40, 50]
        );
    }

    #[test]
    fn nulls_become_defaults_or_are_refused() {
        let mut schema = schema(&["INT NOT NULL", "BIGINT", "ARRAY<INT>"], &[], &[], &[]);
        schema.fields[1].default_value = Some("42".into());
        schema.fields[2].default_value = Some("[1, 2]".into());
        let nulls = arrow_array::new_null_array(&arrow_type(&schema.fields[2].data_type), 2);
        let rows = batch(vec![
            Arc::new(Int32Array::from(vec![1, 2])),
            Arc::new(Int64Array::from(vec![Some(5), None])),
            nulls.clone(),
        ]);
        let prepared = pipeline(&schema).unwrap().prepare(&rows, None).unwrap();
        let longs = prepared
            .values
            .column(1)
            .as_primitive::<arrow_array::types::Int64Type>();
        assert_eq!(longs.values(), &[5, 42]);
        assert_eq!(prepared.values.column(2).as_list::<i32>().value(1).len(), 2);
        let missing = batch(vec![
            Arc::new(Int32Array::from(vec![Some(1), None])),
            rows.column(1).clone(),
            nulls,
        ]);
        let error = pipeline(&schema)
            .unwrap()
            .prepare(&missing, None)
            .unwrap_err();
        assert!(
            error
                .message()
                .contains("Cannot write null to non-null column(c0)")
        );
        schema.fields[1].default_value = Some("many".into());
        assert!(pipeline(&schema).unwrap_err().to_string().contains("c1"));
    }

    fn ints(n: i32) -> RecordBatch {
        batch(vec![Arc::new(Int32Array::from_iter_values(0..n))])
    }

    #[test]
    fn retracts_are_filtered_or_refused() {
        let kinds = Int8Array::from(vec![0, 1, 2, 3]);
        let kept = |keys: &[&str], options: &[(&str, &str)]| {
            let schema = schema(&["INT NOT NULL"], &[], keys, options);
            let rows = pipeline(&schema).unwrap().prepare(&ints(4), Some(&kinds))?;
            Ok::<_, Error>(rows.kinds.map(|k| k.values().to_vec()))
        };
        assert_eq!(kept(&["c0"], &[]).unwrap(), Some(vec![0, 1, 2, 3]));
        assert_eq!(
            kept(&["c0"], &[("ignore-delete", "true")]).unwrap(),
            Some(vec![0, 2])
        );
        let updates = [("ignore-update-before", "true")];
        assert_eq!(kept(&["c0"], &updates).unwrap(), Some(vec![0, 2, 3]));
        assert!(kept(&[], &[]).is_err());
        assert_eq!(kept(&[], &[("ignore-delete", "true")]).unwrap(), None);
    }

    #[test]
    fn a_column_may_hold_the_row_kind() {
        let schema = schema(
            &["INT NOT NULL", "STRING"],
            &[],
            &["c0"],
            &[("rowkind.field", "c1")],
        );
        let rows = |kinds: Vec<Option<&str>>| {
            let count = i32::try_from(kinds.len()).unwrap();
            batch(vec![
                Arc::new(Int32Array::from_iter_values(0..count)),
                Arc::new(StringArray::from(kinds)),
            ])
        };
        let all = rows(vec![Some("+I"), Some("-U"), Some("+U"), Some("-D")]);
        let prepared = pipeline(&schema).unwrap().prepare(&all, None).unwrap();
        assert_eq!(prepared.kinds.unwrap().values(), &[0, 1, 2, 3]);
        for wrong in [Some("insert"), None] {
            assert!(
                pipeline(&schema)
                    .unwrap()
                    .prepare(&rows(vec![wrong]), None)
                    .is_err()
            );
        }
    }
}
