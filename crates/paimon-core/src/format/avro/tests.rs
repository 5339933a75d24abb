#![allow(clippy::unwrap_used, clippy::panic)]
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::*;
use crate::ErrorKind;
use crate::codec::avro::{Codec, ContainerWriter, put_bytes, put_long};
use crate::io::FileIo;
use crate::spec::{DataType, TypeKind};

async fn request(file: Vec<u8>, fields: Vec<DataField>) -> FileReadRequest {
    let store = Arc::new(InMemory::new());
    store
        .put(&Path::from("data.avro"), file.into())
        .await
        .unwrap();
    let store: Arc<dyn ObjectStore> = store;
    let io = FileIo::with_store(store, "memory://");
    FileReadRequest {
        file: io.open("memory:/data.avro").await.unwrap(),
        fields,
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: 1000,
        step_bytes: crate::format::DEFAULT_STEP_BYTES,
        with_position: false,
    }
}

async fn read(request: FileReadRequest) -> Result<Vec<RecordBatch>> {
    read_avro(request).await?.try_collect().await
}

fn field(name: &str, kind: TypeKind) -> DataField {
    DataField::new(0, name, DataType::nullable(kind))
}

/// Rows `id` 0.. and `name`, in blocks of a few thousand rows.
fn numbered(rows: i64, codec: Codec) -> Vec<u8> {
    let schema = r#"{"type":"record","name":"r","fields":[
        {"name":"name","type":["null","string"]},{"name":"id","type":"long"}]}"#;
    let mut writer = ContainerWriter::new(schema, codec);
    for id in 0..rows {
        writer
            .append(|out| {
                put_long(out, 1);
                put_bytes(out, format!("name of row {id}").as_bytes());
                put_long(out, id);
            })
            .unwrap();
    }
    writer.finish().unwrap()
}

fn longs(batches: &[RecordBatch], column: usize) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|b| {
            b.column(column)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect()
}

#[tokio::test]
async fn columns_come_in_the_order_asked_for_and_missing_ones_are_null() {
    let fields = vec![
        field("id", TypeKind::BigInt),
        DataField::new(1, "gone", DataType::not_null(TypeKind::Int)),
        DataField::new(2, "name", DataType::string()),
    ];
    let request = request(numbered(2500, Codec::default()), fields).await;
    let batches = read(request).await.unwrap();
    assert_eq!(
        batches
            .iter()
            .map(RecordBatch::num_rows)
            .collect::<Vec<_>>(),
        [1000, 1000, 500]
    );
    assert_eq!(longs(&batches, 0), (0..2500).collect::<Vec<_>>());
    let last = batches.last().unwrap();
    assert_eq!(last.column(1).null_count(), 500);
    assert_eq!(
        last.column(2).as_string_view().value(499),
        "name of row 2499"
    );
}

#[tokio::test]
async fn selection_and_range_return_the_rows_of_both_with_positions() {
    let keep = FileSelection::only(20_000, [3, 5, 9_000, 9_001, 19_999].into_iter());
    let mut request = request(
        numbered(20_000, Codec::Snappy),
        vec![field("id", TypeKind::BigInt)],
    )
    .await;
    request.selection = Some(Arc::new(keep));
    request.with_position = true;
    let batches = read(request.clone()).await.unwrap();
    assert_eq!(longs(&batches, 0), [3, 5, 9_000, 9_001, 19_999]);
    assert_eq!(longs(&batches, 1), longs(&batches, 0));
    assert_eq!(batches[0].schema().field(1).name(), POSITION_COLUMN);
    request.row_range = Some(5..9_001);
    assert_eq!(longs(&read(request).await.unwrap(), 0), [5, 9_000]);
}

#[tokio::test]
async fn selection_of_another_length_is_damaged() {
    for rows in [99, 101] {
        let mut request = request(numbered(100, Codec::Null), vec![]).await;
        request.selection = Some(Arc::new(FileSelection::all(rows)));
        let error = read(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains("memory://"), "{error}");
    }
}

#[tokio::test]
async fn no_columns_give_row_counts() {
    let batches = read(request(numbered(1500, Codec::Null), vec![]).await)
        .await
        .unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        1500
    );
}

#[tokio::test]
async fn cut_file_is_an_error() {
    let file = numbered(5000, Codec::default());
    for end in [0, 3, 100, file.len() / 2, file.len() - 1] {
        let request = request(file[..end].to_vec(), vec![field("id", TypeKind::BigInt)]).await;
        let error = read(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{end}");
    }
}

/// One file of one record, whose fields are given as (name, Avro type, bytes).
fn one_row(fields: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let list: Vec<String> = fields
        .iter()
        .map(|(name, avro, _)| format!(r#"{{"name":"{name}","type":{avro}}}"#))
        .collect();
    let schema = format!(
        r#"["null",{{"type":"record","name":"r","fields":[{}]}}]"#,
        list.join(",")
    );
    let mut writer = ContainerWriter::new(schema, Codec::Null);
    writer
        .append(|out| {
            put_long(out, 1);
            for (_, _, bytes) in fields {
                out.extend_from_slice(bytes);
            }
        })
        .unwrap();
    writer.finish().unwrap()
}

#[tokio::test]
async fn logical_types_follow_the_type_of_the_column() {
    let file = one_row(&[
        (
            "millis",
            r#"{"type":"long","logicalType":"local-timestamp-millis"}"#,
            &[0x03],
        ),
        (
            "micros",
            r#"{"type":"long","logicalType":"timestamp-micros"}"#,
            &[0x04],
        ),
        (
            "widened",
            r#"{"type":"long","logicalType":"timestamp-millis"}"#,
            &[0x04],
        ),
        (
            "time",
            r#"{"type":"int","logicalType":"time-millis"}"#,
            &[0x08],
        ),
        (
            "fixed",
            r#"{"type":"fixed","name":"d","size":17,"logicalType":"decimal","precision":38,"scale":2}"#,
            &[0xff; 17],
        ),
        (
            "wide",
            r#"["null",{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}]"#,
            &[2, 4, 0x04, 0xd2],
        ),
    ]);
    let decimal = TypeKind::Decimal {
        precision: 20,
        scale: 2,
    };
    let fields = vec![
        field("millis", TypeKind::LocalZonedTimestamp(3)),
        field("micros", TypeKind::Timestamp(6)),
        field("widened", TypeKind::Timestamp(4)),
        field("time", TypeKind::Time(3)),
        field("fixed", decimal.clone()),
        field("wide", decimal),
    ];
    let batch = read(request(file, fields).await).await.unwrap().remove(0);
    assert_eq!(
        batch
            .column(0)
            .as_primitive::<TimestampMillisecondType>()
            .value(0),
        -2
    );
    assert_eq!(
        batch
            .column(1)
            .as_primitive::<TimestampMicrosecondType>()
            .value(0),
        2
    );
    assert_eq!(
        batch
            .column(2)
            .as_primitive::<TimestampMicrosecondType>()
            .value(0),
        2000
    );
    assert_eq!(
        batch
            .column(3)
            .as_primitive::<Time32MillisecondType>()
            .value(0),
        4
    );
    assert_eq!(
        batch.column(4).as_primitive::<Decimal128Type>().value(0),
        -1
    );
    assert_eq!(
        batch.column(5).as_primitive::<Decimal128Type>().value(0),
        1234
    );
}

#[tokio::test]
async fn nested_values_read_by_name() {
    let row = TypeKind::Row(vec![
        field("b", TypeKind::Int),
        field("new", TypeKind::Int),
        field("a", TypeKind::VarChar(5)),
    ]);
    let map = TypeKind::Map(
        Box::new(DataType::nullable(TypeKind::Int)),
        Box::new(DataType::nullable(TypeKind::Int)),
    );
    let multiset = TypeKind::Multiset(Box::new(DataType::string()));
    let file = one_row(&[
        (
            "row",
            r#"["null",{"type":"record","name":"x","fields":[{"name":"a","type":"string"},{"name":"b","type":["null","int"]}]}]"#,
            &[2, 2, b'z', 2, 10],
        ),
        (
            "map",
            r#"{"type":"array","logicalType":"map","items":{"type":"record","name":"y","fields":[{"name":"key","type":["null","int"]},{"name":"value","type":["null","int"]}]}}"#,
            &[4, 2, 2, 0, 2, 4, 2, 6, 0],
        ),
        (
            "multiset",
            r#"{"type":"map","values":["null","int"]}"#,
            &[2, 2, b'k', 2, 6, 0],
        ),
    ]);
    let fields = vec![
        field("map", map),
        field("row", row),
        field("multiset", multiset),
    ];
    let batch = read(request(file, fields).await).await.unwrap().remove(0);
    let map = batch.column(0).as_map();
    assert_eq!(map.keys().as_primitive::<Int32Type>().values(), &[1, 2]);
    assert!(map.values().is_null(0));
    let row = batch.column(1).as_struct();
    assert_eq!(row.column(0).as_primitive::<Int32Type>().value(0), 5);
    assert!(row.column(1).is_null(0));
    assert_eq!(row.column(2).as_string_view().value(0), "z");
    let multiset = batch.column(2).as_map();
    assert_eq!(multiset.values().as_primitive::<Int32Type>().value(0), 3);
}

#[tokio::test]
async fn values_that_do_not_fit_are_damaged() {
    let decimal = TypeKind::Decimal {
        precision: 2,
        scale: 0,
    };
    for (avro, bytes, kind) in [
        (r#""int""#, &[0x80, 0x02][..], TypeKind::TinyInt),
        (r#""bytes""#, &[2, 100], decimal.clone()),
        (r#""bytes""#, &[0], decimal),
        (r#""string""#, &[2, 0xff], TypeKind::VarChar(9)),
        (r#""double""#, &[0; 8], TypeKind::Int),
        (r#"["int","null"]"#, &[0, 2], TypeKind::Int),
    ] {
        let file = one_row(&[("c", avro, bytes)]);
        let result = read(request(file, vec![field("c", kind.clone())]).await).await;
        let error = result.unwrap_err();
        assert!(error.to_string().contains("column = c"), "{error}");
    }
}

#[tokio::test]
async fn null_in_a_not_null_column_is_damaged() {
    let file = one_row(&[("c", r#"["null","int"]"#, &[0])]);
    let fields = vec![DataField::new(0, "c", DataType::not_null(TypeKind::Int))];
    let error = read(request(file, fields).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
}
