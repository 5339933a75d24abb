//! What is written is read back; the footer is Java's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow_array::Int64Array;
use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;

use super::*;
use crate::format::create_encoder;
use crate::format::testing::{encode, options, round_trip};
use crate::write::testing::{TYPES, assert_same, batch, fields};

fn with(key: &str, value: &str) -> EncoderOptions {
    let mut options = options("parquet", "zstd");
    options.table.insert(key.into(), value.into());
    options
}

fn reader(bytes: Vec<u8>) -> SerializedFileReader<Bytes> {
    SerializedFileReader::new(Bytes::from(bytes)).unwrap()
}

#[tokio::test]
async fn every_type_comes_back() {
    let mut types = TYPES.to_vec();
    types.push("VECTOR<FLOAT, 3>");
    let fields = fields(&types, 0);
    let expected = batch(&fields, 3_000);
    for compression in ["zstd", "snappy", "gzip", "lz4", "none"] {
        let found = round_trip(&fields, &options("parquet", compression), &expected).await;
        assert_same(&found, &expected);
    }
    let small = with("parquet.block.size", "64 kb");
    let bytes = encode(&fields, &small, &expected);
    assert!(reader(bytes).num_row_groups() > 1);
    assert_same(&round_trip(&fields, &small, &expected).await, &expected);
    let plain = with("parquet.enable.dictionary", "false");
    assert_same(&round_trip(&fields, &plain, &expected).await, &expected);
    let second = with("parquet.writer.version", "v2");
    assert_same(&round_trip(&fields, &second, &expected).await, &expected);
}

#[tokio::test]
async fn slices_of_nested_columns_come_back() {
    let fields = fields(
        &[
            "ARRAY<TIMESTAMP(9)>",
            "ROW<a INT, b STRING, c TIMESTAMP(9)>",
        ],
        0,
    );
    let expected = batch(&fields, 50).slice(7, 31);
    let found = round_trip(&fields, &options("parquet", "zstd"), &expected).await;
    assert_same(&found, &expected);
}

#[test]
fn the_schema_is_javas() {
    let mut columns = fields(
        &[
            "ARRAY<MAP<INT, ARRAY<INT>>>",
            "DECIMAL(9, 2)",
            "DECIMAL(18, 0)",
            "DECIMAL(20, 3)",
            "TIMESTAMP(9)",
            "TIMESTAMP(6) WITH LOCAL TIME ZONE",
            "TIME(0)",
            "TINYINT NOT NULL",
        ],
        22,
    );
    columns.push(DataField::new(
        1_073_741_823 + 5,
        "_KEY_k",
        columns[7].data_type.clone(),
    ));
    let layout = schema::message(&columns, schema::Int96::Physical).unwrap();
    let mut text = Vec::new();
    parquet::schema::printer::print_schema(&mut text, &layout);
    let text = String::from_utf8(text).unwrap();
    for part in [
        "message paimon_schema {",
        "OPTIONAL group c0 [22] (LIST) {",
        "REPEATED group list {",
        "OPTIONAL group element [536893440] (MAP) {",
        "REPEATED group key_value (MAP_KEY_VALUE) {",
        "REQUIRED INT32 key [536848381];",
        "OPTIONAL group value [536893441] (LIST) {",
        "OPTIONAL INT32 element [536893442];",
        "OPTIONAL INT32 c1 [23] (DECIMAL(9,2));",
        "OPTIONAL INT64 c2 [24] (DECIMAL(18,0));",
        "OPTIONAL FIXED_LEN_BYTE_ARRAY (9) c3 [25] (DECIMAL(20,3));",
        "OPTIONAL INT96 c4 [26];",
        "OPTIONAL INT64 c5 [27] (TIMESTAMP(MICROS,true));",
        "OPTIONAL INT32 c6 [28] (TIME(MILLIS,true));",
        "REQUIRED INT32 c7 [29] (INTEGER(8,true));",
        "REQUIRED INT32 _KEY_k [1073741828] (INTEGER(8,true));",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn bounds_in_the_footer_are_exact_and_int96_has_none() {
    let fields = fields(&["STRING", "TIMESTAMP(9)"], 0);
    let rows = batch(&fields, 100);
    let file = reader(encode(&fields, &options("parquet", "zstd"), &rows));
    let group = file.metadata().row_group(0);
    let Some(Statistics::ByteArray(text)) = group.column(0).statistics() else {
        panic!("strings have bounds");
    };
    assert_eq!(
        text.max_opt().unwrap().data(),
        "日本語 and then some more text".as_bytes()
    );
    assert!(text.max_is_exact() && text.min_is_exact());
    assert!(group.column(1).statistics().is_none());
    assert_eq!(group.column(1).column_type(), PhysicalType::INT96);
    assert!(
        file.metadata()
            .file_metadata()
            .key_value_metadata()
            .is_none()
    );
}

#[test]
fn options_that_cannot_be_honoured_are_refused_by_name() {
    let columns = fields(&["INT"], 0);
    let refused =
        |options: &EncoderOptions| create_encoder(&columns, options).err().unwrap().to_string();
    assert!(refused(&with("parquet.fancy", "1")).contains("parquet.fancy"));
    assert!(refused(&with("parquet.page.size", "many")).contains("parquet.page.size"));
    assert!(refused(&options("parquet", "lzo")).contains("file.compression"));
    let level = refused(&with("parquet.compression.codec.zstd.level", "99"));
    assert!(
        level.contains("parquet.compression.codec.zstd.level"),
        "{level}"
    );
    let blob = create_encoder(&fields(&["BLOB"], 0), &options("parquet", "zstd"));
    assert!(blob.err().unwrap().to_string().contains("BLOB"));
}

#[test]
fn a_flush_lets_go_of_memory() {
    let fields = fields(&["BIGINT NOT NULL"], 0);
    let values = Int64Array::from_iter_values((0..100_000).map(|i| i * 7_919));
    let rows = RecordBatch::try_new(
        crate::arrow_bridge::arrow_schema(&fields),
        vec![Arc::new(values)],
    )
    .unwrap();
    let mut encoder = ParquetEncoder::new(&fields, &options("parquet", "none")).unwrap();
    encoder.write(&rows).unwrap();
    assert!(encoder.memory_size() > 500_000 && encoder.take_output().concat().len() < 100);
    let estimate = encoder.estimated_size();
    encoder.flush().unwrap();
    let written = encoder.take_output().concat().len();
    assert!(written > 500_000, "{written}");
    assert!(encoder.memory_size() < 10_000);
    let exact = encoder.estimated_size();
    assert!(estimate.abs_diff(exact) < exact / 5, "{estimate} {exact}");
}
