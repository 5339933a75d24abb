//! Rows of every type for the tests of writers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryViewArray, FixedSizeListArray, Int32Array, RecordBatch, StringViewArray,
    StructArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType as ArrowType;

use crate::arrow_bridge::{arrow_schema, arrow_type, cast_array, datums_to_array};
use crate::spec::{DataField, DataType, Datum, TableSchema, TypeKind, parse_data_type};

/// Types by their text, without those that a format cannot hold.
pub const TYPES: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL(5, 2)",
    "DECIMAL(18, 3)",
    "DECIMAL(38, 10)",
    "CHAR(5)",
    "VARCHAR(20)",
    "STRING",
    "BINARY(4)",
    "BYTES",
    "DATE",
    "TIME(3)",
    "TIMESTAMP(3)",
    "TIMESTAMP(6)",
    "TIMESTAMP(9)",
    "TIMESTAMP(3) WITH LOCAL TIME ZONE",
    "TIMESTAMP(6) WITH LOCAL TIME ZONE",
    "TIMESTAMP(9) WITH LOCAL TIME ZONE",
    "ARRAY<INT>",
    "ARRAY<ARRAY<STRING>>",
    "ARRAY<TIMESTAMP(9)>",
    "MAP<STRING, INT>",
    "MAP<INT, ARRAY<INT>>",
    "ROW<a INT, b STRING, c TIMESTAMP(9)>",
    "MULTISET<STRING>",
    "VARIANT",
];

/// Whether Avro files have a place for a type.
pub fn fits_avro(text: &str) -> bool {
    !text.contains("(9)") && text != "VARIANT"
}

/// Nullable columns `c0`, `c1`, .. of these types with ids from `first_id`.
pub fn fields(types: &[&str], first_id: i32) -> Vec<DataField> {
    let mut id = first_id;
    let mut fields = Vec::new();
    for (i, text) in types.iter().enumerate() {
        let mut data_type = parse_data_type(text).unwrap();
        let own = id;
        id += 1;
        number(&mut data_type, &mut id);
        fields.push(DataField::new(own, format!("c{i}"), data_type));
    }
    fields
}

fn number(data_type: &mut DataType, id: &mut i32) {
    match &mut data_type.kind {
        TypeKind::Array(e) | TypeKind::Multiset(e) | TypeKind::Vector(e, _) => number(e, id),
        TypeKind::Map(k, v) => {
            number(k, id);
            number(v, id);
        }
        TypeKind::Row(fields) => {
            for field in fields {
                field.id = *id;
                *id += 1;
                number(&mut field.data_type, id);
            }
        }
        _ => {}
    }
}

/// `rows` rows; about every fifth value is null, the others cycle through the edges of their types.
pub fn batch(fields: &[DataField], rows: usize) -> RecordBatch {
    let columns = fields
        .iter()
        .enumerate()
        .map(|(c, f)| column(&f.data_type, rows, c))
        .collect();
    RecordBatch::try_new(arrow_schema(fields), columns).unwrap()
}

fn column(data_type: &DataType, rows: usize, shift: usize) -> ArrayRef {
    let null = |i: usize| data_type.nullable && (i + shift) % 5 == 4;
    match &data_type.kind {
        TypeKind::Variant => return variants(rows, &null),
        TypeKind::Vector(..) => return vectors(data_type, rows, &null),
        TypeKind::Multiset(element) => {
            let count = DataType::not_null(TypeKind::Int);
            let map = DataType::nullable(TypeKind::Map(element.clone(), Box::new(count)));
            return texts(&map, rows, &null);
        }
        TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Row(_) => {
            return texts(data_type, rows, &null);
        }
        _ => {}
    }
    let values: Vec<Option<Datum>> = (0..rows)
        .map(|i| (!null(i)).then(|| datum(&data_type.kind, i)))
        .collect();
    datums_to_array(&values, data_type).unwrap()
}

fn datum(kind: &TypeKind, i: usize) -> Datum {
    let n = i64::try_from(i).unwrap();
    let small = i8::try_from(n % 100).unwrap();
    let sign = if i.is_multiple_of(2) { 1 } else { -1 };
    match kind {
        TypeKind::Boolean => Datum::Boolean(i.is_multiple_of(3)),
        TypeKind::TinyInt => Datum::TinyInt(if i == 0 { i8::MIN } else { small }),
        TypeKind::SmallInt => Datum::SmallInt(if i == 0 { i16::MAX } else { i16::from(small) }),
        TypeKind::Int => Datum::Int(if i == 0 {
            i32::MIN
        } else {
            i32::try_from(n).unwrap()
        }),
        TypeKind::BigInt => Datum::BigInt(if i == 0 {
            i64::MAX
        } else {
            n * sign * 1_000_000_007
        }),
        TypeKind::Float => Datum::Float([1.5, -0.0, 3.25e10, f32::MIN_POSITIVE][i % 4]),
        TypeKind::Double => Datum::Double([1.5, -0.0, 3.25e100, f64::MIN_POSITIVE][i % 4]),
        TypeKind::Decimal { precision, scale } => {
            let most = 10i128.pow(u32::from(*precision)) - 1;
            let unscaled = if i == 0 {
                most
            } else {
                i128::from(n % 1000 * sign * 37)
            };
            Datum::Decimal {
                unscaled,
                scale: *scale,
            }
        }
        TypeKind::Char(_) => Datum::String(["ab", "äöü", "12345"][i % 3].into()),
        TypeKind::VarChar(20) => Datum::String(format!("v{n}")),
        TypeKind::VarChar(_) => {
            Datum::String(["", "日本語 and then some more text", "x", "tail"][i % 4].into())
        }
        TypeKind::Binary(_) => Datum::Bytes(vec![0, 255, small.cast_unsigned(), 7]),
        TypeKind::VarBinary(_) => Datum::Bytes(vec![small.cast_unsigned(); i % 20]),
        TypeKind::Date => Datum::Date(i32::try_from(n).unwrap() * 1000 - 5000),
        TypeKind::Time(_) => Datum::Time(i32::try_from(n).unwrap() * 61_001 % 86_400_000),
        TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => {
            let nanos = match p {
                0..=3 => 0,
                4..=6 => 456_000,
                _ => 456_789,
            };
            Datum::Timestamp {
                millis: n * sign * 86_399_123 - 1,
                nanos,
            }
        }
        other => panic!("{other} is no single value"),
    }
}

fn texts(data_type: &DataType, rows: usize, null: &dyn Fn(usize) -> bool) -> ArrayRef {
    let text = data_type.kind.to_string();
    let choices: &[&str] = match text.as_str() {
        "ARRAY<INT>" => &["[1, 2, 3]", "[]", "[null, -7]"],
        "ARRAY<ARRAY<STRING>>" => &["[[a, b], []]", "[]", "[[longer than twelve bytes], null]"],
        "ARRAY<TIMESTAMP(9)>" => &[
            "[1969-12-31 23:59:59.999123456, null]",
            "[]",
            "[2024-02-29 01:02:03.000000001]",
        ],
        "MAP<STRING, INT>" => &["{a -> 1, b -> 2}", "{}", "{long key of the map -> null}"],
        "MAP<INT, ARRAY<INT>>" => &["{1 -> [1, 2]}", "{}", "{2 -> [], 3 -> null}"],
        "MAP<STRING, INT NOT NULL>" => &["{a -> 1, b -> 2}", "{}", "{c -> 5}"],
        row if row.starts_with("ROW") => &[
            "{1, x, 2024-02-29 01:02:03.000000001}",
            "{null, null, null}",
            "{3, some longer text, 1900-01-01 00:00:00.5}",
        ],
        other => panic!("no texts for {other}"),
    };
    let values: Vec<Option<&str>> = (0..rows)
        .map(|i| (!null(i)).then(|| choices[i % choices.len()]))
        .collect();
    let strings: ArrayRef = Arc::new(StringViewArray::from(values));
    cast_array(&strings, &DataType::string(), data_type).unwrap()
}

/// Small integers in the open Variant encoding.
fn variants(rows: usize, null: &dyn Fn(usize) -> bool) -> ArrayRef {
    let values: Vec<Vec<u8>> = (0..rows)
        .map(|i| vec![0x0c, u8::try_from(i % 100).unwrap()])
        .collect();
    let values = BinaryViewArray::from_iter_values(values);
    let metadata = BinaryViewArray::from_iter_values(vec![vec![1u8, 0, 0]; rows]);
    let ArrowType::Struct(fields) = arrow_type(&DataType::nullable(TypeKind::Variant)) else {
        panic!("a variant is a struct");
    };
    let nulls: NullBuffer = (0..rows).map(|i| !null(i)).collect::<Vec<_>>().into();
    let columns: Vec<ArrayRef> = vec![Arc::new(values), Arc::new(metadata)];
    Arc::new(StructArray::try_new(fields, columns, Some(nulls)).unwrap())
}

fn vectors(data_type: &DataType, rows: usize, null: &dyn Fn(usize) -> bool) -> ArrayRef {
    let ArrowType::FixedSizeList(field, n) = arrow_type(data_type) else {
        panic!("a vector is a fixed-size list");
    };
    let count = rows * usize::try_from(n).unwrap();
    let values = Int32Array::from_iter_values(0..i32::try_from(count).unwrap());
    let values = arrow_cast::cast(&values, field.data_type()).unwrap();
    let nulls: NullBuffer = (0..rows).map(|i| !null(i)).collect::<Vec<_>>().into();
    Arc::new(FixedSizeListArray::try_new(field, n, values, Some(nulls)).unwrap())
}

/// Whether two batches hold the same values, whatever hides behind nulls and views.
pub fn assert_same(found: &RecordBatch, expected: &RecordBatch) {
    assert_eq!(found.num_rows(), expected.num_rows());
    for (i, (a, b)) in found.columns().iter().zip(expected.columns()).enumerate() {
        let name = expected.schema().field(i).name().clone();
        assert_eq!(a.to_data(), b.to_data(), "column {name}");
    }
}

/// A schema of columns `c0`, `c1`, .. with these types.
pub fn schema(
    types: &[&str],
    partition_keys: &[&str],
    primary_keys: &[&str],
    options: &[(&str, &str)],
) -> TableSchema {
    let fields = fields(types, 0);
    let names = |keys: &[&str]| keys.iter().map(|k| (*k).to_string()).collect();
    TableSchema {
        version: 3,
        id: 0,
        highest_field_id: i32::try_from(fields.len()).unwrap() + 100,
        fields,
        partition_keys: names(partition_keys),
        primary_keys: names(primary_keys),
        options: options
            .iter()
            .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
            .collect(),
        comment: None,
        time_millis: 0,
    }
}
