#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{DataType as ArrowType, Field, Schema, TimeUnit};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use orc_rust::ArrowWriterBuilder;
use orc_rust::compression::CompressionType;
use orc_rust::proto::column_encoding::Kind as Encoding;
use orc_rust::proto::stream::Kind as StreamKind;
use orc_rust::proto::r#type::Kind;
use orc_rust::proto::{
    ColumnEncoding, Footer, PostScript, Stream, StripeFooter, StripeInformation, Type,
};
use prost::Message;
use rstest::rstest;

use super::read_orc;
use crate::arrow_bridge::arrow_schema;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{FileReadRequest, POSITION_COLUMN};
use crate::io::FileIo;
use crate::selection::FileSelection;
use crate::spec::{DataField, DataType, MAX_LENGTH, TypeKind};

/// 250 rows in stripes of 100: `id` 0..250, `s`, `t` in milliseconds.
fn sample(compression: Option<CompressionType>) -> Bytes {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", ArrowType::Int64, true),
        Field::new("s", ArrowType::Utf8, true),
        Field::new("t", ArrowType::Timestamp(TimeUnit::Nanosecond, None), true),
    ]));
    let mut out = Vec::new();
    let mut builder = ArrowWriterBuilder::new(&mut out, schema.clone()).with_batch_size(100);
    if let Some(compression) = compression {
        builder = builder.with_compression(compression);
    }
    let mut writer = builder.try_build().unwrap();
    for start in [0, 100, 200] {
        let ids = start..(start + 100).min(250);
        let text = |i: i64| (i % 7 != 0).then(|| format!("value {i} of the sample"));
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![
                Arc::new(Int64Array::from_iter_values(ids.clone())),
                Arc::new(StringArray::from_iter(ids.clone().map(text))),
                Arc::new(TimestampNanosecondArray::from_iter_values(
                    ids.map(|i| i * 1_000_000),
                )),
            ],
        );
        writer.write(&batch.unwrap()).unwrap();
        writer.flush_stripe().unwrap();
    }
    writer.close().unwrap();
    out.into()
}

fn field(name: &str, kind: TypeKind) -> DataField {
    DataField::new(0, name, DataType::nullable(kind))
}

fn sample_fields() -> Vec<DataField> {
    vec![
        field("t", TypeKind::Timestamp(3)),
        field("S", TypeKind::VarChar(MAX_LENGTH)),
        field("s", TypeKind::VarChar(MAX_LENGTH)),
        field("id", TypeKind::BigInt),
    ]
}

async fn request(bytes: Bytes, fields: Vec<DataField>) -> FileReadRequest {
    let store = Arc::new(InMemory::new());
    let size = bytes.len() as u64;
    store.put(&Path::from("f.orc"), bytes.into()).await.unwrap();
    let io = FileIo::with_store(store, "memory://");
    FileReadRequest {
        file: io.input("memory:///f.orc", size).unwrap(),
        fields,
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: 64,
        with_position: false,
    }
}

async fn read(request: FileReadRequest) -> Result<Vec<RecordBatch>> {
    read_orc(request).await?.try_collect().await
}

async fn read_error(bytes: Bytes, fields: Vec<DataField>) -> Error {
    read(request(bytes, fields).await)
        .await
        .expect_err("the file is broken")
}

fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|b| b["id"].as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

#[rstest]
#[case::none(None)]
#[case::zlib(Some(CompressionType::Zlib))]
#[case::snappy(Some(CompressionType::Snappy))]
#[case::lz4(Some(CompressionType::Lz4))]
#[case::zstd(Some(CompressionType::Zstd))]
#[tokio::test]
async fn columns_are_found_by_name_and_missing_ones_read_null(
    #[case] compression: Option<CompressionType>,
) {
    let request = request(sample(compression), sample_fields()).await;
    let batches = read(request).await.unwrap();
    assert_eq!(ids(&batches), (0..250).collect::<Vec<_>>());
    assert!(batches.iter().all(|b| b.num_rows() <= 64));
    assert_eq!(batches[0].schema(), arrow_schema(&sample_fields()));
    assert_eq!(batches[0]["S"].null_count(), 64);
    assert!(batches[0]["s"].is_null(0));
    assert_eq!(
        batches[0]["s"].as_string_view().value(1),
        "value 1 of the sample"
    );
    let millis = batches[1]["t"].as_primitive::<TimestampMillisecondType>();
    assert_eq!(millis.value(0), 64);
}

#[tokio::test]
async fn selection_and_row_range_leave_the_wanted_rows_with_their_positions() {
    let mut q = request(sample(None), sample_fields()).await;
    q.selection = Some(Arc::new(FileSelection::only(
        250,
        [3, 7, 99, 210].into_iter(),
    )));
    q.row_range = Some(4..240);
    q.with_position = true;
    let batches = read(q).await.unwrap();
    assert_eq!(ids(&batches), [7, 99, 210]);
    let positions: Vec<i64> = batches
        .iter()
        .flat_map(|b| {
            b[POSITION_COLUMN]
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    assert_eq!(positions, [7, 99, 210]);
}

#[tokio::test]
async fn no_columns_still_count_rows() {
    let mut q = request(sample(None), Vec::new()).await;
    q.row_range = Some(50..130);
    let rows: usize = read(q)
        .await
        .unwrap()
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(rows, 80);
}

#[tokio::test]
async fn selection_of_another_length_is_damage() {
    let mut q = request(sample(None), sample_fields()).await;
    q.selection = Some(Arc::new(FileSelection::all(249)));
    assert_eq!(read(q).await.unwrap_err().kind(), ErrorKind::Damaged);
}

#[tokio::test]
async fn column_of_another_type_is_named() {
    let error = read_error(sample(None), vec![field("s", TypeKind::Int)]).await;
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("column = s"), "{error}");
    assert!(error.to_string().contains("f.orc"), "{error}");
}

/// A file without compression: one stripe of `rows` rows.
fn file(types: Vec<Type>, streams: &[(u32, StreamKind, &[u8])], rows: u64) -> Bytes {
    let mut out: Vec<u8> = streams.iter().flat_map(|s| s.2.to_vec()).collect();
    let data_length = out.len() as u64;
    let stripe = StripeFooter {
        streams: streams
            .iter()
            .map(|(column, kind, bytes)| Stream {
                kind: Some(i32::from(*kind)),
                column: Some(*column),
                length: Some(bytes.len() as u64),
            })
            .collect(),
        columns: types
            .iter()
            .map(|_| ColumnEncoding {
                kind: Some(i32::from(Encoding::DirectV2)),
                ..ColumnEncoding::default()
            })
            .collect(),
        ..StripeFooter::default()
    };
    stripe.encode(&mut out).unwrap();
    let footer_length = out.len() as u64 - data_length;
    let footer = Footer {
        stripes: vec![StripeInformation {
            offset: Some(0),
            data_length: Some(data_length),
            footer_length: Some(footer_length),
            number_of_rows: Some(rows),
            ..StripeInformation::default()
        }],
        types,
        number_of_rows: Some(rows),
        ..Footer::default()
    }
    .encode_to_vec();
    let postscript = PostScript {
        footer_length: Some(footer.len() as u64),
        magic: Some("ORC".into()),
        ..PostScript::default()
    }
    .encode_to_vec();
    out.extend(footer);
    out.extend(&postscript);
    out.push(u8::try_from(postscript.len()).unwrap());
    out.into()
}

fn node(kind: Kind, subtypes: &[u32], names: &[&str]) -> Type {
    Type {
        kind: Some(i32::from(kind)),
        subtypes: subtypes.to_vec(),
        field_names: names.iter().map(|n| (*n).to_string()).collect(),
        ..Type::default()
    }
}

/// `a ARRAY<ROW<x INT, y INT>>`: two rows, `[{1, 2}, {3, 4}]` and `[]`; `lengths` is the stream of list lengths.
fn nested(lengths: &[u8]) -> Bytes {
    let types = vec![
        node(Kind::Struct, &[1], &["a"]),
        node(Kind::List, &[2], &[]),
        node(Kind::Struct, &[3, 4], &["x", "y"]),
        node(Kind::Int, &[], &[]),
        node(Kind::Int, &[], &[]),
    ];
    let streams: [(u32, StreamKind, &[u8]); 3] = [
        (1, StreamKind::Length, lengths),
        // direct runs of two signed integers of 8 bits: 1, 3 and 2, 4
        (3, StreamKind::Data, &[0x4e, 0x01, 0x02, 0x06]),
        (4, StreamKind::Data, &[0x4e, 0x01, 0x04, 0x08]),
    ];
    file(types, &streams, 2)
}

fn nested_fields(names: &[&str]) -> Vec<DataField> {
    let fields = names.iter().map(|n| field(n, TypeKind::Int)).collect();
    let row = DataType::nullable(TypeKind::Row(fields));
    vec![field("a", TypeKind::Array(Box::new(row)))]
}

#[tokio::test]
async fn nested_fields_are_found_by_name() {
    // a direct run of two: 2, 0
    let bytes = nested(&[0x4e, 0x01, 0x02, 0x00]);
    let fields = nested_fields(&["y", "z", "x"]);
    let batches = read(request(bytes, fields.clone()).await).await.unwrap();
    assert_eq!(batches[0].schema(), arrow_schema(&fields));
    let list = batches[0]["a"].as_list::<i32>();
    assert_eq!(list.value_length(0), 2);
    assert_eq!(list.value_length(1), 0);
    let row = list.values().as_struct();
    let column = |i: usize| row.column(i).as_primitive::<Int32Type>().clone();
    assert_eq!(column(0), Int32Array::from(vec![2, 4]));
    assert_eq!(column(1), Int32Array::from(vec![None, None]));
    assert_eq!(column(2), Int32Array::from(vec![1, 3]));
}

#[tokio::test]
async fn rows_without_a_wanted_nested_field_keep_their_count() {
    let bytes = nested(&[0x4e, 0x01, 0x02, 0x00]);
    let batches = read(request(bytes, nested_fields(&["z"])).await)
        .await
        .unwrap();
    let list = batches[0]["a"].as_list::<i32>();
    assert_eq!(list.value_length(0), 2);
    assert_eq!(list.values().as_struct().column(0).null_count(), 2);
}

#[tokio::test]
async fn absurd_list_lengths_are_refused_before_allocation() {
    // a short repeat run of eight bytes, twice 2^40
    let bytes = nested(&[0x38, 0, 0, 1, 0, 0, 0, 0, 0]);
    let error = read_error(bytes, nested_fields(&["x"])).await;
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("elements"), "{error}");
}

#[tokio::test]
async fn empty_file_is_damage() {
    let error = read_error(Bytes::new(), sample_fields()).await;
    assert_eq!(error.kind(), ErrorKind::Damaged);
}

#[tokio::test]
async fn type_that_contains_itself_is_refused() {
    let types = vec![
        node(Kind::Struct, &[1], &["a"]),
        node(Kind::List, &[1], &[]),
    ];
    let error = read_error(file(types, &[], 0), nested_fields(&["x"])).await;
    assert_eq!(error.kind(), ErrorKind::Damaged);
}

#[rstest]
#[case::none(None)]
#[case::snappy(Some(CompressionType::Snappy))]
#[case::zstd(Some(CompressionType::Zstd))]
#[tokio::test]
async fn mutated_files_read_or_fail_with_a_typed_error(
    #[case] compression: Option<CompressionType>,
) {
    use rand::{Rng, SeedableRng};
    let bytes = sample(compression);
    for seed in 0..350u64 {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut broken = bytes.to_vec();
        match seed % 4 {
            0 => broken.truncate(random.random_range(0..bytes.len())),
            1 => broken[random.random_range(0..bytes.len())] ^= 1 << random.random_range(0..8),
            2 => broken[random.random_range(0..bytes.len())] = random.random(),
            _ => {
                let tail = bytes.len().saturating_sub(400);
                broken[random.random_range(tail..bytes.len())] = random.random();
            }
        }
        if let Err(error) = read(request(broken.into(), sample_fields()).await).await {
            assert!(
                matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported),
                "seed {seed}: {error:?}"
            );
            assert!(error.to_string().contains("f.orc"), "seed {seed}: {error}");
        }
    }
}
