//! Data files: what a reader accepts is written again in the same format and read again.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use futures::StreamExt;
use indexmap::IndexMap;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use paimon_core::Result;
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::codec::parse_json;
use paimon_core::format::{
    DEFAULT_STEP_BYTES, EncoderOptions, FileReadRequest, create_encoder, read_file,
};
use paimon_core::io::FileIo;
use paimon_core::predicate::{Predicate, PredicateOp};
use paimon_core::spec::{DataField, DataType, Datum, TableSchema, TypeKind};

use super::{accepted, block_on};

/// Rows read of one file: an input of some bytes may stand for billions of nulls.
const ROWS_MAX: usize = 4096;

/// Columns of the files, by format.
pub(super) fn columns(format: &str) -> Vec<DataField> {
    let schema: &[u8] = match format {
        "avro" => {
            include_bytes!("../../../../testdata/golden/types-avro/table/schema/schema-0")
        }
        "blob" => return vec![DataField::new(0, "b", DataType::nullable(TypeKind::Blob))],
        _ => include_bytes!("../../../../testdata/golden/types-parquet/table/schema/schema-0"),
    };
    let schema = accepted(parse_json::<TableSchema>(schema, "schema"));
    schema.map(|s| s.fields).unwrap_or_default()
}

/// The first rows of a file; all of them when there are less than [`ROWS_MAX`].
async fn read(format: &str, bytes: Bytes, hinted: bool) -> Result<Vec<RecordBatch>> {
    let fields = columns(format);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let size = u64::try_from(bytes.len()).unwrap_or(0);
    let name = format!("data-0.{format}");
    let put = store.put(&name.as_str().into(), bytes.into()).await;
    assert!(put.is_ok(), "a store in memory takes files");
    let predicate = match hinted {
        true => Some(Predicate::leaf(
            &fields[0],
            PredicateOp::Gt,
            vec![Some(Datum::Int(2))],
        )?),
        false => None,
    };
    let request = FileReadRequest {
        file: FileIo::with_store(store, "memory://").input(&format!("memory:/{name}"), size)?,
        fields,
        selection: None,
        row_range: None,
        predicate,
        batch_size: 1024,
        step_bytes: DEFAULT_STEP_BYTES,
        with_position: hinted,
    };
    let mut batches = Vec::new();
    let mut rows = 0;
    let mut stream = read_file(request).await?;
    while rows < ROWS_MAX
        && let Some(batch) = stream.next().await
    {
        let batch = batch?;
        rows += batch.num_rows();
        batches.push(batch);
    }
    Ok(batches)
}

/// The rows of a file in one batch; `None` when it is refused.
pub(super) fn rows(format: &str, bytes: Bytes) -> Option<RecordBatch> {
    let batches = accepted(block_on(read(format, bytes, false)))?;
    concat_batches(&arrow_schema(&columns(format)), &batches).ok()
}

/// A file of these rows.
pub(super) fn file(format: &str, compression: &str, rows: &RecordBatch) -> Option<Bytes> {
    let options = EncoderOptions {
        format: format.into(),
        compression: compression.into(),
        zstd_level: 1,
        block_size: None,
        table: IndexMap::new(),
    };
    let mut encoder = accepted(create_encoder(&columns(format), &options))?;
    accepted(encoder.write(rows))?;
    let mut bytes = encoder.take_output().concat();
    bytes.extend(accepted(encoder.finish())?.concat());
    Some(bytes.into())
}

fn survives(format: &str, data: &[u8]) {
    let Some(first) = rows(format, Bytes::copy_from_slice(data)) else {
        return;
    };
    if first.num_rows() >= ROWS_MAX {
        return;
    }
    let Some(bytes) = file(format, "none", &first) else {
        return;
    };
    let again = rows(format, bytes);
    assert!(
        again.is_some(),
        "what was encoded cannot be decoded: {first:?}"
    );
    for (i, field) in columns(format).iter().enumerate() {
        let again = again.as_ref().map(|batch| batch.column(i));
        assert_eq!(
            again,
            Some(first.column(i)),
            "column {} of type {}",
            field.name,
            field.data_type
        );
    }
}

/// An Avro data file.
pub fn avro_file(data: &[u8]) {
    survives("avro", data);
}

/// An ORC data file.
pub fn orc_file(data: &[u8]) {
    survives("orc", data);
}

/// A Parquet data file, read whole and with a predicate.
pub fn parquet_file(data: &[u8]) {
    survives("parquet", data);
    accepted(block_on(read(
        "parquet",
        Bytes::copy_from_slice(data),
        true,
    )));
}

/// A blob file.
pub fn blob_file(data: &[u8]) {
    rows("blob", Bytes::copy_from_slice(data));
}
