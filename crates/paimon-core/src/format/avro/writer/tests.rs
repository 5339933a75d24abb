//! What is written is read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use indexmap::IndexMap;

use super::*;
use crate::codec::avro::Header;
use crate::format::create_encoder;
use crate::format::testing::{options, round_trip};
use crate::spec::{DataType, TypeKind};
use crate::write::testing::{TYPES, assert_same, batch, fields, fits_avro};

#[tokio::test]
async fn every_type_comes_back() {
    let types: Vec<&str> = TYPES.iter().copied().filter(|t| fits_avro(t)).collect();
    let fields = fields(&types, 0);
    for compression in ["zstd", "snappy", "deflate", "null"] {
        let expected = batch(&fields, 3_000);
        let found = round_trip(&fields, &options("avro", compression), &expected).await;
        assert_same(&found, &expected);
    }
}

#[tokio::test]
async fn a_file_without_rows_is_complete() {
    let fields = fields(&["INT"], 0);
    let encoder = create_encoder(&fields, &options("avro", "zstd")).unwrap();
    let bytes = Bytes::from(encoder.finish().unwrap().concat());
    assert_eq!(Header::parse(&bytes).unwrap().length, bytes.len());
    let found = round_trip(&fields, &options("avro", "zstd"), &batch(&fields, 0)).await;
    assert_eq!(found.num_rows(), 0);
}

#[test]
fn the_schema_is_javas() {
    let fields = fields(
        &[
            "INT NOT NULL",
            "MAP<INT, DECIMAL(10, 2)>",
            "ROW<a INT, b ARRAY<ROW<c STRING>>>",
        ],
        0,
    );
    let expected: serde_json::Value = serde_json::from_str(
        r#"{"type":"record","name":"record","namespace":"org.apache.paimon.avro.generated","fields":[
        {"name":"c0","type":"int"},
        {"name":"c1","type":["null",{"type":"array","items":{"type":"record","name":"record_c1","fields":[
            {"name":"key","type":["null","int"]},
            {"name":"value","type":["null",{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}],"default":null}
        ]},"logicalType":"map"}],"default":null},
        {"name":"c2","type":["null",{"type":"record","name":"record_c2","fields":[
            {"name":"a","type":["null","int"],"default":null},
            {"name":"b","type":["null",{"type":"array","items":["null",{"type":"record","name":"record_c2_b","fields":[
                {"name":"c","type":["null","string"],"default":null}]}]}],"default":null}]}],"default":null}]}"#,
    )
    .unwrap();
    let found: serde_json::Value = serde_json::from_str(&schema::record(&fields).unwrap()).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn what_avro_cannot_hold_is_refused_by_name() {
    let refused = |fields: &[DataField], options: &EncoderOptions| {
        create_encoder(fields, options).err().unwrap().to_string()
    };
    let plain = options("avro", "zstd");
    let stamp = refused(&fields(&["TIMESTAMP(9)"], 0), &plain);
    assert!(
        stamp.contains("TIMESTAMP(9)") && stamp.contains("column = c0"),
        "{stamp}"
    );
    let named = DataField::new(0, "a-b", DataType::nullable(TypeKind::Int));
    assert!(refused(&[named], &plain).contains("a-b"));
    let codec = refused(&fields(&["INT"], 0), &options("avro", "lz4"));
    assert!(codec.contains("file.compression"), "{codec}");
    let mut other = plain;
    other.table = IndexMap::from([("avro.fancy".to_string(), "1".to_string())]);
    assert!(refused(&fields(&["INT"], 0), &other).contains("avro.fancy"));
    let lance = refused(&fields(&["INT"], 0), &options("lance", "zstd"));
    assert!(lance.contains("file.format"), "{lance}");
}

#[test]
fn memory_is_bounded_by_a_block() {
    let fields = fields(&["BIGINT", "STRING"], 0);
    let rows = batch(&fields, 10_000);
    let mut encoder = AvroEncoder::new(&fields, &options("avro", "null")).unwrap();
    let mut size = 0;
    for _ in 0..10 {
        encoder.write(&rows).unwrap();
        let estimate = encoder.estimated_size();
        size += encoder.take_output().concat().len();
        assert!(encoder.memory_size() < 1 << 20);
        assert!(estimate >= u64::try_from(size).unwrap());
    }
    let rest = Box::new(encoder).finish().unwrap();
    assert!(
        rest.len() < 200_000 && size > 500_000,
        "{} {size}",
        rest.len()
    );
}

#[tokio::test]
async fn vectors_come_back_from_the_middle_of_an_array() {
    use arrow_array::types::Float32Type;
    use arrow_array::{FixedSizeListArray, RecordBatch};

    let fields = fields(&["VECTOR<FLOAT, 2>"], 0);
    let vector = |a, b| Some(vec![Some(a), Some(b)]);
    let values = [
        vector(9., 9.),
        vector(1.5, -0.0),
        None,
        vector(2., f32::MAX),
    ];
    let array = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(values, 2);
    let schema = crate::arrow_bridge::arrow_schema(&fields);
    let array = arrow_cast::cast(&array, schema.field(0).data_type()).unwrap();
    let rows = RecordBatch::try_new(schema, vec![array])
        .unwrap()
        .slice(1, 3);
    let found = round_trip(&fields, &options("avro", "zstd"), &rows).await;
    assert_same(&found, &rows);
}
