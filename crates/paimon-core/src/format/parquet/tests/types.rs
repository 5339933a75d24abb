use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType as ParquetType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type as PInt32, Int64Type as PInt64, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rstest::rstest;

use super::{field, read, request, stored};
use crate::arrow_bridge::arrow_schema;
use crate::error::{ErrorKind, Result};
use crate::io::InputFile;
use crate::spec::{DataField, DataType, MAX_LENGTH, TypeKind};

/// Values, definition and repetition levels of one leaf.
enum Leaf {
    I32(Vec<i32>, Vec<i16>, Vec<i16>),
    I64(Vec<i64>, Vec<i16>, Vec<i16>),
    I96(Vec<(i64, i32)>),
    Bytes(Vec<&'static [u8]>, Vec<i16>, Vec<i16>),
    Fixed(Vec<&'static [u8]>),
}

/// A file with one row group, leaf by leaf, as only the low-level writer can make it.
fn low_level(message: &str, leaves: Vec<Leaf>, arrow_schema: bool) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut bytes = Vec::new();
    let pair = parquet::file::metadata::KeyValue::new("ARROW:schema".into(), "x".to_string());
    let properties = WriterProperties::builder()
        .set_key_value_metadata(arrow_schema.then(|| vec![pair]))
        .build();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for leaf in leaves {
        fn put<T: ParquetType>(
            column: &mut parquet::file::writer::SerializedColumnWriter<'_>,
            values: &[T::T],
            def: &[i16],
            rep: &[i16],
        ) {
            let levels = |l: &[i16]| (!l.is_empty()).then(|| l.to_vec());
            column
                .typed::<T>()
                .write_batch(values, levels(def).as_deref(), levels(rep).as_deref())
                .unwrap();
        }
        let mut column = group.next_column().unwrap().unwrap();
        match leaf {
            Leaf::I32(v, d, r) => put::<PInt32>(&mut column, &v, &d, &r),
            Leaf::I64(v, d, r) => put::<PInt64>(&mut column, &v, &d, &r),
            Leaf::Bytes(v, d, r) => {
                let v: Vec<_> = v.into_iter().map(ByteArray::from).collect();
                put::<ByteArrayType>(&mut column, &v, &d, &r);
            }
            Leaf::Fixed(v) => {
                let v: Vec<_> = v
                    .into_iter()
                    .map(|b| FixedLenByteArray::from(b.to_vec()))
                    .collect();
                put::<FixedLenByteArrayType>(&mut column, &v, &[], &[]);
            }
            Leaf::I96(v) => {
                let v: Vec<_> = v
                    .into_iter()
                    .map(|(nanos, day)| {
                        let n = nanos.to_le_bytes();
                        let word =
                            |i: usize| u32::from_le_bytes([n[i], n[i + 1], n[i + 2], n[i + 3]]);
                        let mut int = Int96::new();
                        int.set_data(word(0), word(4), day.cast_unsigned());
                        int
                    })
                    .collect();
                put::<Int96Type>(&mut column, &v, &[], &[]);
            }
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

async fn one(file: &InputFile, fields: Vec<DataField>) -> Result<RecordBatch> {
    let schema = arrow_schema(&fields);
    let mut batches = read(request(file, fields)).await?;
    assert_eq!(batches.len(), 1);
    let batch = batches.remove(0);
    for (got, wanted) in batch.schema().fields().iter().zip(schema.fields()) {
        assert_eq!(got.data_type(), wanted.data_type());
    }
    Ok(batch)
}

fn string() -> TypeKind {
    TypeKind::VarChar(MAX_LENGTH)
}

#[tokio::test]
async fn int96_reads_as_nanoseconds_and_refuses_what_they_cannot_hold() {
    let message = "message paimon_schema { required int96 t; required int96 far; }";
    let good = vec![
        (0, 2_440_588),
        (-876_544, 2_440_588),
        (86_399_999_999_999, 2_440_587),
    ];
    let far = vec![(0, 1_721_426), (0, 2_440_588), (0, 2_440_588)];
    let file = stored(low_level(
        message,
        vec![Leaf::I96(good), Leaf::I96(far)],
        false,
    ))
    .await;
    let batch = one(&file, vec![field("t", TypeKind::Timestamp(9))])
        .await
        .unwrap();
    let values = batch["t"].as_primitive::<arrow_array::types::TimestampNanosecondType>();
    assert_eq!(values.values().to_vec(), [0, -876_544, -1]);
    let batch = one(&file, vec![field("far", TypeKind::LocalZonedTimestamp(6))])
        .await
        .unwrap();
    let values = batch["far"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(values.value(0), -62_135_596_800_000_000);
    let error = one(&file, vec![field("far", TypeKind::Timestamp(7))])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("column = far"), "{error}");
}

#[tokio::test]
async fn physical_types_widen_without_loss_or_fail_by_name() {
    let message = "message paimon_schema {
        required int32 i; required int32 u (INTEGER(8,false)); required int64 l; required binary b;
        required binary d (DECIMAL(20,2)); required int32 t; required int64 m (TIMESTAMP_MILLIS);
        required fixed_len_byte_array(2) f; required binary j (JSON); }";
    let leaves = || {
        vec![
            Leaf::I32(vec![-5, 127], vec![], vec![]),
            Leaf::I32(vec![255, 0], vec![], vec![]),
            Leaf::I64(vec![1, 2], vec![], vec![]),
            Leaf::Bytes(vec![b"x", b"\xff"], vec![], vec![]),
            Leaf::Bytes(vec![b"\xff", b"\x01\x00"], vec![], vec![]),
            Leaf::I32(vec![1, 86_399_999], vec![], vec![]),
            Leaf::I64(vec![-1, 1], vec![], vec![]),
            Leaf::Fixed(vec![b"ab", b"cd"]),
            Leaf::Bytes(vec![b"{}", b"[1]"], vec![], vec![]),
        ]
    };
    let file = stored(low_level(message, leaves(), false)).await;
    let batch = one(
        &file,
        vec![
            field("i", TypeKind::BigInt),
            field("u", TypeKind::SmallInt),
            field(
                "d",
                TypeKind::Decimal {
                    precision: 20,
                    scale: 2,
                },
            ),
            field("t", TypeKind::Time(3)),
            field("m", TypeKind::Timestamp(6)),
            field("f", TypeKind::Binary(2)),
            field("j", string()),
            field("b", TypeKind::Blob),
        ],
    )
    .await
    .unwrap();
    assert_eq!(
        batch["i"].as_primitive::<Int64Type>().values().to_vec(),
        [-5, 127]
    );
    assert_eq!(
        batch["d"]
            .as_primitive::<Decimal128Type>()
            .values()
            .to_vec(),
        [-1, 256]
    );
    assert_eq!(
        batch["m"]
            .as_primitive::<TimestampMicrosecondType>()
            .values()
            .to_vec(),
        [-1_000, 1_000]
    );
    assert_eq!(batch["f"].as_binary_view().value(1), b"cd");
    assert_eq!(batch["j"].as_string_view().value(1), "[1]");
    assert!(
        one(&file, vec![field("i", TypeKind::TinyInt)])
            .await
            .is_ok()
    );
    for (name, kind) in [
        ("u", TypeKind::TinyInt),
        ("l", TypeKind::Int),
        ("b", string()),
        ("b", TypeKind::Int),
        (
            "i",
            TypeKind::Array(Box::new(DataType::nullable(TypeKind::Int))),
        ),
        (
            "d",
            TypeKind::Decimal {
                precision: 20,
                scale: 1,
            },
        ),
    ] {
        let error = one(&file, vec![field(name, kind)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(
            error.to_string().contains(&format!("column = {name}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn rows_are_matched_by_name_at_every_depth() {
    let message =
        "message paimon_schema { optional group r { optional int32 gone; optional int32 a;
        optional group n { optional int32 deep; } } required int32 k; }";
    let leaves = vec![
        Leaf::I32(vec![1, 2], vec![2, 2, 0], vec![]),
        Leaf::I32(vec![10], vec![2, 1, 0], vec![]),
        Leaf::I32(vec![7], vec![3, 1, 0], vec![]),
        Leaf::I32(vec![0, 1, 2], vec![], vec![]),
    ];
    let file = stored(low_level(message, leaves, false)).await;
    let row = TypeKind::Row(vec![
        field("n", TypeKind::Row(vec![field("new", string())])),
        field("A", TypeKind::Int),
        field("a", TypeKind::Int),
    ]);
    let batch = one(&file, vec![field("r", row), field("K", TypeKind::Int)])
        .await
        .unwrap();
    assert_eq!(batch["K"].null_count(), 3);
    let r = batch["r"].as_struct();
    assert_eq!(
        r.nulls().unwrap().iter().collect::<Vec<_>>(),
        [true, true, false]
    );
    assert_eq!(r.column(1).null_count(), 3);
    let a = r.column(2).as_primitive::<Int32Type>();
    assert_eq!(a.iter().collect::<Vec<_>>(), [Some(10), None, None]);
    // `n` has no wanted field: its own nulls are kept
    assert!(r.column(0).is_valid(0) && r.column(0).is_null(1));
    let none = TypeKind::Row(vec![field("absent", TypeKind::Int)]);
    let batch = one(&file, vec![field("r", none)]).await.unwrap();
    assert_eq!(batch["r"].null_count(), 1);
}

#[rstest]
#[case::three_levels(
    "optional group l (LIST) { repeated group list { optional int32 element; } }",
    3
)]
#[case::two_levels("optional group l (LIST) { repeated int32 array; }", 2)]
#[case::bag(
    "optional group l (LIST) { repeated group bag { optional int32 array_element; } }",
    3
)]
#[tokio::test]
async fn lists_of_every_layout_read(#[case] list: &str, #[case] full: i16) {
    let message = format!("message paimon_schema {{ {list} }}");
    // [1, 2], null, [], [3]
    let leaf = Leaf::I32(
        vec![1, 2, 3],
        vec![full, full, 0, 1, full],
        vec![0, 1, 0, 0, 0],
    );
    let file = stored(low_level(&message, vec![leaf], false)).await;
    let int = Box::new(DataType::nullable(TypeKind::Int));
    let batch = one(&file, vec![field("l", TypeKind::Array(int.clone()))])
        .await
        .unwrap();
    let lists = batch["l"].as_list::<i32>();
    let values: Vec<Option<Vec<i32>>> = lists
        .iter()
        .map(|l| l.map(|l| l.as_primitive::<Int32Type>().values().to_vec()))
        .collect();
    assert_eq!(
        values,
        [Some(vec![1, 2]), None, Some(vec![]), Some(vec![3])]
    );
    let vector = field("l", TypeKind::Vector(int, 2));
    assert_eq!(
        one(&file, vec![vector]).await.unwrap_err().kind(),
        ErrorKind::Damaged
    );
}

#[tokio::test]
async fn vectors_read_as_fixed_size_lists() {
    let message =
        "message m { optional group v (LIST) { repeated group list { required int32 element; } } }";
    let leaf = Leaf::I32(vec![1, 2, 3, 4], vec![2, 2, 0, 2, 2], vec![0, 1, 0, 0, 1]);
    let file = stored(low_level(message, vec![leaf], false)).await;
    let kind = TypeKind::Vector(Box::new(DataType::not_null(TypeKind::Int)), 2);
    let batch = one(&file, vec![field("v", kind)]).await.unwrap();
    let vectors = batch["v"].as_fixed_size_list();
    assert!(vectors.is_null(1));
    assert_eq!(
        vectors
            .value(2)
            .as_primitive::<Int32Type>()
            .values()
            .to_vec(),
        [3, 4]
    );
}

#[tokio::test]
async fn shared_shredding_maps_are_refused_by_name() {
    let message = "message m { optional group tags { optional binary k (UTF8); } }";
    let leaves = || vec![Leaf::Bytes(vec![b"x"], vec![2], vec![])];
    let map = || {
        let key = DataType::not_null(string());
        vec![field(
            "tags",
            TypeKind::Map(Box::new(key), Box::new(DataType::string())),
        )]
    };
    let file = stored(low_level(message, leaves(), true)).await;
    let error = one(&file, map()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.message().contains("fields.tags.map.storage-layout"),
        "{error}"
    );
    let file = stored(low_level(message, leaves(), false)).await;
    assert_eq!(
        one(&file, map()).await.unwrap_err().kind(),
        ErrorKind::Damaged
    );
}

#[tokio::test]
async fn nulls_in_a_not_null_column_are_damage_and_missing_columns_are_null() {
    let message = "message m { optional int32 a; }";
    let file = stored(low_level(
        message,
        vec![Leaf::I32(vec![1], vec![1, 0], vec![])],
        false,
    ))
    .await;
    let wanted = |name: &str| vec![DataField::new(0, name, DataType::not_null(TypeKind::Int))];
    assert_eq!(
        one(&file, wanted("a")).await.unwrap_err().kind(),
        ErrorKind::Damaged
    );
    let batch = one(&file, wanted("b")).await.unwrap();
    assert_eq!(batch["b"].null_count(), 2);
}

#[tokio::test]
async fn variants_read_whole_and_shredded() {
    // metadata: version 1, no names; int8 34 = 0c 22; shredded: 5 as typed_value, 34 as value
    let plain =
        "message m { optional group v { required binary value; required binary metadata; } }";
    let meta: &[u8] = &[1, 0, 0];
    let leaves = vec![
        Leaf::Bytes(vec![&[0x0c, 34]], vec![1, 0], vec![]),
        Leaf::Bytes(vec![meta], vec![1, 0], vec![]),
    ];
    let file = stored(low_level(plain, leaves, false)).await;
    let batch = one(&file, vec![field("v", TypeKind::Variant)])
        .await
        .unwrap();
    let v = batch["v"].as_struct();
    assert!(v.is_null(1));
    assert_eq!(v.column(0).as_binary_view().value(0), [0x0c, 34]);

    let shredded = "message m { optional group v {
        required binary metadata; optional binary value; optional int64 typed_value; } }";
    let leaves = vec![
        Leaf::Bytes(vec![meta, meta], vec![1, 1, 0], vec![]),
        Leaf::Bytes(vec![&[0x0c, 34]], vec![1, 2, 0], vec![]),
        Leaf::I64(vec![5], vec![2, 1, 0], vec![]),
    ];
    let file = stored(low_level(shredded, leaves, false)).await;
    let batch = one(&file, vec![field("v", TypeKind::Variant)])
        .await
        .unwrap();
    let v = batch["v"].as_struct();
    assert_eq!(
        v.nulls().unwrap().iter().collect::<Vec<_>>(),
        [true, true, false]
    );
    let values = v.column_by_name("value").unwrap().as_binary_view();
    assert_eq!(values.value(0), [0x18, 5, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(values.value(1), [0x0c, 34]);
}
