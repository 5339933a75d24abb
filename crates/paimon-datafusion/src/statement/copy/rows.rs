//! Records of files as rows of a table: values are assigned as INSERT assigns texts and numbers, those that cannot be make
//! their row a bad one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringViewArray, new_null_array};
use arrow::compute::{concat, filter_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::{DataField, TypeKind};
use paimon_core::{Error, Result};
use serde_json::Value;

use super::format::TextFormat;
use super::json::{self, Record};
use crate::format_table::json_column;
use crate::store::StoreAssignment;

/// Significant digits that a number of JSON keeps for sure.
const EXACT_DIGITS: usize = 15;

/// Rows of a part of a file.
#[derive(Debug)]
pub(super) struct Rows {
    batch: RecordBatch,
    /// What is wrong with rows, by position.
    pub(super) errors: BTreeMap<usize, String>,
}

impl Rows {
    /// Their number, bad ones among them.
    pub(super) fn count(&self) -> usize {
        self.batch.num_rows()
    }

    /// The good ones.
    pub(super) fn good(self) -> Result<RecordBatch> {
        if self.errors.is_empty() {
            return Ok(self.batch);
        }
        let rows = 0..self.batch.num_rows();
        let kept: BooleanArray = rows
            .map(|at| Some(!self.errors.contains_key(&at)))
            .collect();
        filter_record_batch(&self.batch, &kept)
            .map_err(|e| Error::internal("rows could not be left out").with_source(e))
    }
}

/// The columns that files fill.
#[derive(Debug)]
pub(super) struct Columns {
    store: StoreAssignment,
    /// As [`Rows`] have them: all may be null.
    pub(super) schema: SchemaRef,
}

impl Columns {
    pub(super) fn new(fields: Vec<DataField>, zone: &str) -> Self {
        let relaxed = |f: &DataField| Field::new(&f.name, arrow_type(&f.data_type), true);
        Self {
            schema: Arc::new(Schema::new(fields.iter().map(relaxed).collect::<Vec<_>>())),
            store: StoreAssignment::new(fields, zone),
        }
    }

    pub(super) fn fields(&self) -> &[DataField] {
        self.store.fields()
    }

    /// Rows of records that are fields in the order of the columns.
    pub(super) fn of_fields(
        &self,
        records: &[std::result::Result<Vec<Option<String>>, String>],
        format: &TextFormat,
    ) -> Result<Rows> {
        let wanted = self.fields().len();
        let mut errors = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            match record {
                Err(error) => drop(errors.insert(at, error.clone())),
                Ok(fields) if fields.len() != wanted => {
                    let error = format!("{} fields, {wanted} are expected", fields.len());
                    errors.insert(at, error);
                }
                Ok(_) => {}
            }
        }
        let columns = (0..wanted).map(|column| {
            let texts = records.iter().enumerate().map(|(at, record)| {
                let fields = record.as_ref().ok().filter(|_| !errors.contains_key(&at))?;
                fields.get(column)?.as_deref()
            });
            texts_of(texts.map(|t| t.filter(|t| !is_null(t, format))))
        });
        let columns: Vec<ArrayRef> = columns.collect();
        self.assigned(&columns, records.len(), errors)
    }

    /// Rows of records whose fields are found by name.
    pub(super) fn of_records(&self, records: &[Record], format: &TextFormat) -> Result<Rows> {
        let mut errors = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            if let Err(error) = record {
                errors.insert(at, error.clone());
            }
        }
        let mut columns = Vec::with_capacity(self.fields().len());
        for field in self.fields() {
            let values: Vec<Option<&Value>> = records
                .iter()
                .map(|record| record.as_ref().ok()?.get(&field.name))
                .collect();
            columns.push(match is_nested(field) {
                true => nested(&values, field, &mut errors)?,
                false => single(&values, field, format, &mut errors),
            });
        }
        self.assigned(&columns, records.len(), errors)
    }

    /// Rows of columns of values; `None` for one that the file does not have.
    pub(super) fn of_columns(&self, columns: &[Option<ArrayRef>], count: usize) -> Result<Rows> {
        let columns = columns.iter().zip(self.fields()).map(|(array, field)| {
            let missing = || new_null_array(&arrow_type(&field.data_type), count);
            array.clone().unwrap_or_else(missing)
        });
        let columns: Vec<ArrayRef> = columns.collect();
        self.assigned(&columns, count, BTreeMap::new())
    }

    /// Checks types that files have.
    ///
    /// # Errors
    /// `InvalidInput` naming the column whose values cannot be assigned.
    pub(super) fn check(&self, given: &SchemaRef) -> Result<()> {
        self.store.check(given)
    }

    fn assigned(
        &self,
        columns: &[ArrayRef],
        count: usize,
        mut errors: BTreeMap<usize, String>,
    ) -> Result<Rows> {
        let mut assigned = Vec::with_capacity(columns.len());
        for (index, (array, field)) in columns.iter().zip(self.fields()).enumerate() {
            let array = match self.store.column(index, array) {
                Ok(array) => array,
                Err(_) => self.one_by_one(index, array, &mut errors)?,
            };
            if !field.data_type.nullable && field.default_value.is_none() {
                for at in (0..count).filter(|at| array.is_null(*at)) {
                    let error = || format!("column {} is NOT NULL and has no value", field.name);
                    errors.entry(at).or_insert_with(error);
                }
            }
            assigned.push(array);
        }
        let batch = RecordBatch::try_new(self.schema.clone(), assigned)
            .map_err(|e| Error::internal("assigned columns disagree").with_source(e))?;
        Ok(Rows { batch, errors })
    }

    /// The column with null where values cannot be assigned: halves are tried again until the values are alone.
    fn one_by_one(
        &self,
        index: usize,
        array: &ArrayRef,
        errors: &mut BTreeMap<usize, String>,
    ) -> Result<ArrayRef> {
        let Some(field) = self.fields().get(index) else {
            return Err(Error::internal(format!("no column {index}")));
        };
        let mut parts = Vec::new();
        let mut waiting = vec![(0, array.len())];
        while let Some((start, length)) = waiting.pop() {
            match self.store.column(index, &array.slice(start, length)) {
                Ok(part) => parts.push(part),
                Err(error) if length <= 1 => {
                    let text = format!("column {}: {}", field.name, error.message());
                    errors.entry(start).or_insert(text);
                    parts.push(new_null_array(&arrow_type(&field.data_type), length));
                }
                Err(_) => {
                    let half = length / 2;
                    waiting.push((start + half, length - half));
                    waiting.push((start, half));
                }
            }
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        concat(&parts).map_err(|e| Error::internal("parts of a column disagree").with_source(e))
    }
}

fn texts_of<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(texts.collect::<StringViewArray>())
}

fn is_null(text: &str, format: &TextFormat) -> bool {
    (format.empty_is_null && text.is_empty()) || format.nulls.iter().any(|null| null == text)
}

fn is_nested(field: &DataField) -> bool {
    matches!(
        field.data_type.kind,
        TypeKind::Array(_)
            | TypeKind::Map(..)
            | TypeKind::Row(_)
            | TypeKind::Multiset(_)
            | TypeKind::Vector(..)
    )
}

/// A column of single values, as texts.
fn single(
    values: &[Option<&Value>],
    field: &DataField,
    format: &TextFormat,
    errors: &mut BTreeMap<usize, String>,
) -> ArrayRef {
    let is_decimal = matches!(field.data_type.kind, TypeKind::Decimal { .. });
    let mut texts = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let text = value.and_then(json::text).filter(|t| !is_null(t, format));
        if is_decimal && value.is_some_and(is_inexact) {
            errors.entry(at).or_insert_with(|| {
                format!(
                    "column {}: a number of more than {EXACT_DIGITS} digits is not kept exactly, write it as a text",
                    field.name
                )
            });
        }
        texts.push(text);
    }
    texts_of(texts.iter().map(Option::as_deref))
}

/// Whether a number was rounded when it was read, as far as can be told.
fn is_inexact(value: &Value) -> bool {
    let Value::Number(number) = value else {
        return false;
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
    number.is_f64() && digits(&number.to_string()) > EXACT_DIGITS
}

/// A column of arrays, maps or rows.
fn nested(
    values: &[Option<&Value>],
    field: &DataField,
    errors: &mut BTreeMap<usize, String>,
) -> Result<ArrayRef> {
    if let Ok(array) = json_column(values, &field.data_type, false) {
        return Ok(array);
    }
    let mut parts = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        match json_column(&[*value], &field.data_type, false) {
            Ok(part) => parts.push(part),
            Err(error) => {
                let text = format!("column {}: {}", field.name, error.message());
                errors.entry(at).or_insert(text);
                parts.push(new_null_array(&arrow_type(&field.data_type), 1));
            }
        }
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    concat(&parts).map_err(|e| Error::internal("parts of a column disagree").with_source(e))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int32Type;
    use paimon_core::spec::parse_data_type;

    use super::*;

    fn columns(types: &[&str]) -> Columns {
        let fields = types.iter().enumerate().map(|(at, text)| {
            let id = i32::try_from(at).unwrap();
            DataField::new(id, format!("c{at}"), parse_data_type(text).unwrap())
        });
        Columns::new(fields.collect(), "UTC")
    }

    fn text() -> TextFormat {
        TextFormat {
            nulls: vec!["NULL".to_string()],
            empty_is_null: false,
            compression: None,
        }
    }

    #[test]
    fn rows_with_bad_fields_are_named_and_the_others_kept() {
        let columns = columns(&["INT NOT NULL", "VARCHAR(2)"]);
        let record = |texts: &[&str]| Ok(texts.iter().map(|t| Some((*t).to_string())).collect());
        let records = [
            record(&["1", "a"]),
            record(&["x", "b"]),
            record(&["3"]),
            Err("broken".to_string()),
            record(&["5", "long"]),
            record(&["NULL", "c"]),
            record(&["7", "NULL"]),
        ];
        let rows = columns.of_fields(&records, &text()).unwrap();
        assert_eq!(rows.count(), 7);
        let named: Vec<(usize, &str)> = rows
            .errors
            .iter()
            .map(|(at, e)| (*at, e.as_str()))
            .collect();
        let expected = ["c0", "1 fields, 2", "broken", "c1", "NOT NULL"];
        assert_eq!(
            named.iter().map(|n| n.0).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5]
        );
        for ((_, error), expected) in named.iter().zip(expected) {
            assert!(error.contains(expected), "{error}");
        }
        let good = rows.good().unwrap();
        let ids = good.column(0).as_primitive::<Int32Type>();
        assert_eq!(ids.values(), &[1, 7]);
        assert!(good.column(1).is_null(1));
    }

    #[test]
    fn records_are_read_by_name_and_numbers_that_were_rounded_refused() {
        let columns = columns(&["DECIMAL(30, 10)", "ARRAY<INT>", "STRING"]);
        let records = [
            json::record(r#"{"c0": 1.25, "c1": [1, 2], "c2": {"a": 1}, "other": 5}"#),
            json::record(r#"{"c0": 12345678901.1234567891}"#),
            json::record(r#"{"c0": "12345678901.1234567891"}"#),
            json::record(r#"{"c1": 7}"#),
            json::record("{"),
        ];
        let rows = columns.of_records(&records, &text()).unwrap();
        assert_eq!(rows.errors.keys().copied().collect::<Vec<_>>(), [1, 3, 4]);
        let good = rows.good().unwrap();
        assert_eq!(good.num_rows(), 2);
        assert_eq!(good.column(2).as_string_view().value(0), r#"{"a":1}"#);
    }

    #[test]
    fn columns_that_a_file_lacks_are_null() {
        let columns = columns(&["INT", "STRING"]);
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![1, i64::MAX, 3]));
        let rows = columns.of_columns(&[Some(wide), None], 3).unwrap();
        assert_eq!(rows.errors.keys().copied().collect::<Vec<_>>(), [1]);
        let good = rows.good().unwrap();
        assert_eq!((good.num_rows(), good.column(1).null_count()), (2, 2));
    }
}
