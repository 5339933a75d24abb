#![allow(clippy::unwrap_used, clippy::panic)]
use arrow::array::*;
use arrow::datatypes::*;
use paimon_core::spec::parse_data_type;

use super::*;

const BERLIN: &str = "Europe/Berlin";

fn to(array: impl Array + 'static, data_type: &str) -> Result<ArrayRef> {
    let array: ArrayRef = Arc::new(array);
    let target = parse_data_type(data_type).unwrap();
    let assigned = assign(&array, &target, BERLIN)?;
    assert_eq!(*assigned.data_type(), arrow_type(&target), "{data_type}");
    assert_eq!(assigned.len(), array.len());
    Ok(assigned)
}

fn texts(array: ArrayRef) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let formatter = arrow::util::display::ArrayFormatter::try_new(array.as_ref(), &options);
    let formatter = formatter.unwrap();
    (0..array.len())
        .map(|i| formatter.value(i).to_string())
        .collect()
}

fn decimals(values: &[i128], precision: u8, scale: i8) -> Decimal128Array {
    Decimal128Array::from(values.to_vec())
        .with_precision_and_scale(precision, scale)
        .unwrap()
}

#[test]
fn numbers_that_fit_are_assigned() {
    let longs = Int64Array::from(vec![Some(127), None, Some(-128)]);
    for target in ["TINYINT", "SMALLINT", "INT", "BIGINT"] {
        let found = texts(to(longs.clone(), target).unwrap());
        assert_eq!(found, ["127", "NULL", "-128"], "{target}");
    }
    assert_eq!(
        texts(to(longs, "DECIMAL(5, 2)").unwrap()),
        ["127.00", "NULL", "-128.00"]
    );
    assert_eq!(
        texts(to(decimals(&[1250, -1255], 6, 3), "DECIMAL(4, 2)").unwrap()),
        ["1.25", "-1.26"]
    );
    assert_eq!(texts(to(decimals(&[199], 3, 2), "INT").unwrap()), ["1"]);
    assert_eq!(
        texts(to(Float64Array::from(vec![1.9]), "BIGINT").unwrap()),
        ["1"]
    );
    assert_eq!(
        texts(to(Float64Array::from(vec![1.125]), "DECIMAL(4, 2)").unwrap()),
        ["1.13"]
    );
    assert_eq!(
        texts(to(UInt64Array::from(vec![u64::MAX]), "DECIMAL(20, 0)").unwrap()),
        ["18446744073709551615"]
    );
    assert_eq!(
        texts(to(NullArray::new(2), "INT").unwrap()),
        ["NULL", "NULL"]
    );
}

#[test]
fn numbers_that_do_not_fit_are_errors() {
    let cases: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(Int64Array::from(vec![128])), "TINYINT"),
        (Arc::new(Int64Array::from(vec![-32_769])), "SMALLINT"),
        (Arc::new(Int64Array::from(vec![3_000_000_000])), "INT"),
        (Arc::new(UInt64Array::from(vec![u64::MAX])), "BIGINT"),
        (Arc::new(Float64Array::from(vec![3e9])), "INT"),
        (Arc::new(Float64Array::from(vec![f64::NAN])), "INT"),
        (
            Arc::new(Float64Array::from(vec![f64::INFINITY])),
            "DECIMAL(10, 2)",
        ),
        (Arc::new(Int64Array::from(vec![1000])), "DECIMAL(5, 2)"),
        (Arc::new(decimals(&[99_995], 5, 2)), "DECIMAL(3, 1)"),
        (
            Arc::new(decimals(&[i128::from(i64::MAX) + 1], 20, 0)),
            "BIGINT",
        ),
        (Arc::new(StringArray::from(vec!["many"])), "INT"),
        (Arc::new(StringArray::from(vec!["1.5"])), "INT"),
        (Arc::new(StringArray::from(vec![""])), "INT"),
        (Arc::new(StringArray::from(vec!["300"])), "TINYINT"),
        (Arc::new(StringArray::from(vec!["1000"])), "DECIMAL(5, 2)"),
        (Arc::new(StringArray::from(vec!["maybe"])), "BOOLEAN"),
        (Arc::new(StringArray::from(vec!["2024-02-30"])), "DATE"),
        (Arc::new(StringArray::from(vec!["noon"])), "TIMESTAMP(3)"),
        (
            Arc::new(StringArray::from(vec!["noon"])),
            "TIMESTAMP(3) WITH LOCAL TIME ZONE",
        ),
        (Arc::new(StringArray::from(vec!["25:00:00"])), "TIME"),
        (Arc::new(BooleanArray::from(vec![true])), "INT"),
        (Arc::new(Int32Array::from(vec![1])), "BOOLEAN"),
        (Arc::new(Date32Array::from(vec![1])), "INT"),
        (Arc::new(Int32Array::from(vec![1])), "DATE"),
        (Arc::new(Int64Array::from(vec![1])), "TIMESTAMP(3)"),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX])),
            "TIMESTAMP(9)",
        ),
        (Arc::new(StringArray::from(vec!["äöüß"])), "VARCHAR(3)"),
        (Arc::new(StringArray::from(vec!["abcd"])), "CHAR(3)"),
        (Arc::new(Int64Array::from(vec![1234])), "VARCHAR(3)"),
        (
            Arc::new(BinaryArray::from(vec![&b"abc"[..]])),
            "VARBINARY(2)",
        ),
        (Arc::new(Int32Array::from(vec![1])), "BYTES"),
        (Arc::new(StringArray::from(vec!["[1]"])), "ARRAY<INT>"),
    ];
    for (array, target) in cases {
        let target = parse_data_type(target).unwrap();
        let error = assign(&array, &target, BERLIN).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{array:?} {target}");
    }
}

#[test]
fn texts_are_read_and_cut_only_at_blanks() {
    let read = |text: &str, target: &str| {
        texts(to(StringArray::from(vec![text]), target).unwrap())[0].clone()
    };
    assert_eq!(read("12", "INT"), "12");
    assert_eq!(read("1.255", "DECIMAL(4, 2)"), "1.26");
    assert_eq!(read("TRUE", "BOOLEAN"), "true");
    assert_eq!(read("2024-01-31", "DATE"), "2024-01-31");
    assert_eq!(read("10:20:30.5", "TIME(3)"), "10:20:30.500");
    assert_eq!(
        read("2024-01-31 10:20:30.123456", "TIMESTAMP(6)"),
        "2024-01-31T10:20:30.123456"
    );
    // one hour ahead of UTC in winter
    assert_eq!(
        read("2024-01-31 10:20:30", "TIMESTAMP_LTZ(3)"),
        "2024-01-31T09:20:30Z"
    );
    assert_eq!(
        read("2024-07-01T10:20:30Z", "TIMESTAMP_LTZ(3)"),
        "2024-07-01T10:20:30Z"
    );
    assert_eq!(read("äöü  ", "VARCHAR(3)"), "äöü");
    assert_eq!(read("ab", "CHAR(3)"), "ab");
    assert_eq!(read("x", "BYTES"), "78");
}

#[test]
fn everything_simple_has_a_text() {
    let text = |array: ArrayRef| {
        let target = paimon_core::spec::DataType::string();
        texts(assign(&array, &target, BERLIN).unwrap())[0].clone()
    };
    assert_eq!(text(Arc::new(Int64Array::from(vec![5]))), "5");
    assert_eq!(text(Arc::new(BooleanArray::from(vec![true]))), "true");
    assert_eq!(text(Arc::new(decimals(&[150], 5, 2))), "1.50");
    assert_eq!(text(Arc::new(Date32Array::from(vec![0]))), "1970-01-01");
    let stamp = TimestampMillisecondArray::from(vec![1_500]);
    assert_eq!(text(Arc::new(stamp.clone())), "1970-01-01 00:00:01.500");
    assert_eq!(
        text(Arc::new(stamp.with_timezone("UTC"))),
        "1970-01-01 01:00:01.500"
    );
}

#[test]
fn zones_are_the_sessions() {
    let wall = TimestampMicrosecondArray::from(vec![1_706_700_030_123_456]);
    let instant = wall.clone().with_timezone("UTC");
    let ltz = "TIMESTAMP(3) WITH LOCAL TIME ZONE";
    assert_eq!(
        texts(to(wall.clone(), ltz).unwrap()),
        ["2024-01-31T10:20:30.123Z"]
    );
    assert_eq!(
        texts(to(instant.clone(), ltz).unwrap()),
        ["2024-01-31T11:20:30.123Z"]
    );
    assert_eq!(
        texts(to(instant.clone(), "TIMESTAMP(6)").unwrap()),
        ["2024-01-31T12:20:30.123456"]
    );
    assert_eq!(texts(to(instant, "DATE").unwrap()), ["2024-01-31"]);
    let date = Date32Array::from(vec![19_753]);
    assert_eq!(
        texts(to(date.clone(), "TIMESTAMP(3)").unwrap()),
        ["2024-01-31T00:00:00"]
    );
    assert_eq!(texts(to(date, ltz).unwrap()), ["2024-01-30T23:00:00Z"]);
    // digits beyond the precision are cut, also before 1970
    let early = TimestampMillisecondArray::from(vec![-1, 1_999]);
    assert_eq!(
        texts(to(early, "TIMESTAMP(0)").unwrap()),
        ["1969-12-31T23:59:59", "1970-01-01T00:00:01"]
    );
}

#[test]
fn lists_and_maps_are_assigned_by_element() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1_000_000_000_000)]),
        Some(vec![Some(1), None]),
        None,
    ]);
    // the first list is outside of the slice and must not be looked at
    let slice = list.slice(1, 2);
    assert_eq!(
        texts(to(slice.clone(), "ARRAY<INT>").unwrap()),
        ["[1, NULL]", "NULL"]
    );
    assert!(to(list, "ARRAY<INT>").is_err());
    assert!(to(slice.clone(), "ARRAY<INT NOT NULL>").is_err());
    assert!(to(slice, "VECTOR<FLOAT, 3>").is_err());
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    builder.keys().append_value("a");
    builder.values().append_value(5);
    builder.append(true).unwrap();
    let map = builder.finish();
    assert_eq!(
        texts(to(map.clone(), "MAP<STRING, INT>").unwrap()),
        ["{a: 5}"]
    );
    assert_eq!(
        texts(to(map.clone(), "MULTISET<STRING>").unwrap()),
        ["{a: 5}"]
    );
    assert!(to(map, "MAP<INT, INT>").is_err());
    let vectors = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![
        None,
        Some(vec![Some(1.0), Some(2.0)]),
    ]);
    assert_eq!(
        texts(to(vectors, "VECTOR<FLOAT, 2>").unwrap()),
        ["NULL", "[1.0, 2.0]"]
    );
}

#[test]
fn rows_are_assigned_by_name_else_by_position() {
    let given = |names: [&str; 2]| {
        let x: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let y: ArrayRef = Arc::new(StringArray::from(vec!["2", "3"]));
        let field =
            |name: &str, a: &ArrayRef| Arc::new(Field::new(name, a.data_type().clone(), true));
        StructArray::from(vec![
            (field(names[0], &x), x.clone()),
            (field(names[1], &y), y.clone()),
        ])
    };
    let found = texts(to(given(["b", "a"]), "ROW<a INT, b BIGINT>").unwrap());
    assert_eq!(found, ["{a: 2, b: 1}", "{a: 3, b: NULL}"]);
    let found = texts(to(given(["c0", "c1"]), "ROW<a INT, b BIGINT>").unwrap());
    assert_eq!(found, ["{a: 1, b: 2}", "{a: NULL, b: 3}"]);
    assert!(to(given(["a", "b"]), "ROW<a INT>").is_err());
    assert!(to(given(["a", "b"]), "ROW<a INT NOT NULL, b INT>").is_err());
    // null rows may hold nulls in NOT NULL fields, and values that do not fit
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MAX)]));
    let rows = StructArray::try_new(
        Fields::from(vec![Field::new(
            "a",
            arrow::datatypes::DataType::Int64,
            true,
        )]),
        vec![inner],
        Some(vec![true, false, false].into()),
    );
    let found = texts(to(rows.unwrap(), "ROW<a INT NOT NULL>").unwrap());
    assert_eq!(found, ["{a: 1}", "NULL", "NULL"]);
}

#[test]
fn dictionaries_are_unpacked() {
    let words: DictionaryArray<Int32Type> = vec!["5", "6", "5"].into_iter().collect();
    assert_eq!(texts(to(words.clone(), "INT").unwrap()), ["5", "6", "5"]);
    assert_eq!(texts(to(words, "STRING").unwrap()), ["5", "6", "5"]);
}

#[test]
fn columns_are_named_in_errors_and_nulls_left_to_the_writer() {
    let fields = vec![
        DataField::new(0, "id", parse_data_type("INT NOT NULL").unwrap()),
        DataField::new(1, "v", parse_data_type("VARCHAR(2)").unwrap()),
    ];
    let store = StoreAssignment::new(fields, "UTC");
    let batch = |v: &str| {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![None]));
        let v: ArrayRef = Arc::new(StringArray::from(vec![v]));
        RecordBatch::try_from_iter([("a", id), ("b", v)]).unwrap()
    };
    assert_eq!(store.batch(&batch("ab")).unwrap().column(0).null_count(), 1);
    let error = store.batch(&batch("abc")).unwrap_err().to_string();
    assert!(
        error.contains("column = v") && error.contains("too long"),
        "{error}"
    );
    let narrow = batch("a").project(&[0]).unwrap();
    assert!(store.batch(&narrow).is_err());
    assert!(store.check(&batch("abc").schema()).is_ok());
    let item = Field::new("item", arrow::datatypes::DataType::Int32, true);
    let list = ListArray::new_null(Arc::new(item), 0);
    let wrong = Schema::new(vec![
        Field::new("a", list.data_type().clone(), true),
        Field::new("b", arrow::datatypes::DataType::Utf8, true),
    ]);
    let error = store.check(&Arc::new(wrong)).unwrap_err().to_string();
    assert!(error.contains("column = id"), "{error}");
}

#[test]
fn fields_that_rows_lack_are_null_where_that_is_asked_for() {
    let target = "ROW<a INT, s ROW<x INT, y STRING>, l ARRAY<ROW<b INT, c INT>>>";
    let fields = vec![DataField::new(0, "r", parse_data_type(target).unwrap())];
    let entry = |name: &str, array: ArrayRef| {
        let field = Field::new(name, array.data_type().clone(), true);
        (Arc::new(field), array)
    };
    let longs = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let element = StructArray::from(vec![entry("C", longs(vec![7, 8, 9]))]);
    let item = Field::new("item", element.data_type().clone(), true);
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([2, 1]);
    let list = ListArray::new(Arc::new(item), offsets, Arc::new(element), None);
    let inner = StructArray::from(vec![entry(
        "y",
        Arc::new(StringArray::from(vec!["p", "q"])),
    )]);
    let rows = StructArray::from(vec![
        entry("l", Arc::new(list)),
        entry("s", Arc::new(inner)),
    ]);
    let batch = RecordBatch::try_from_iter([("r", Arc::new(rows) as ArrayRef)]).unwrap();
    let store = StoreAssignment::new(fields, "UTC");
    let error = store.batch(&batch).unwrap_err().to_string();
    assert!(error.contains("a row of 2 fields"), "{error}");
    let filled = store.clone().filling(true).batch(&batch).unwrap();
    assert_eq!(
        texts(filled.column(0).clone()),
        [
            "{a: NULL, s: {x: NULL, y: p}, l: [{b: NULL, c: 7}, {b: NULL, c: 8}]}",
            "{a: NULL, s: {x: NULL, y: q}, l: [{b: NULL, c: 9}]}",
        ]
    );
    // a field that the column lacks is none that may be left out
    let other = StructArray::from(vec![entry("z", longs(vec![1, 2]))]);
    let other = RecordBatch::try_from_iter([("r", Arc::new(other) as ArrayRef)]).unwrap();
    assert!(store.filling(true).batch(&other).is_err());
}
