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
    for (wrong, found) in [(Some("insert"), "found 'insert'"), (None, "found null")] {
        let prepared = pipeline(&schema).unwrap().prepare(&rows(vec![wrong]), None);
        let error = prepared.err().unwrap().to_string();
        assert!(error.contains(found), "{error}");
    }
}

#[test]
fn decimals_with_more_digits_than_their_type_are_refused() {
    let schema = schema(&["DECIMAL(5, 2)", "ARRAY<DECIMAL(5, 2)>"], &[], &[], &[]);
    let prepare = |first: i128, nested: i128| {
        let decimals = |values: Vec<i128>| {
            let array = arrow_array::Decimal128Array::from(values);
            array.with_data_type(ArrowType::Decimal128(5, 2))
        };
        let item = Arc::new(Field::new("item", ArrowType::Decimal128(5, 2), true));
        let lists = ListArray::new(
            item,
            OffsetBuffer::from_lengths([2]),
            Arc::new(decimals(vec![1, nested])),
            None,
        );
        let rows = batch(vec![Arc::new(decimals(vec![first])), Arc::new(lists)]);
        pipeline(&schema).unwrap().prepare(&rows, None)
    };
    assert!(prepare(-99_999, 99_999).is_ok());
    let error = prepare(100_000, 0).unwrap_err().to_string();
    assert!(
        error.contains("c0") && error.contains("100000e-2"),
        "{error}"
    );
    let error = prepare(0, -100_000).unwrap_err().to_string();
    assert!(error.contains("c1"), "{error}");
}
