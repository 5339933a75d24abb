//! Writing a file and reading it back, for the tests of the encoders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use futures::TryStreamExt;
use indexmap::IndexMap;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{EncoderOptions, FileReadRequest, create_encoder, read_file};
use crate::arrow_bridge::arrow_schema;
use crate::io::FileIo;
use crate::spec::DataField;

pub fn options(format: &str, compression: &str) -> EncoderOptions {
    EncoderOptions {
        format: format.into(),
        compression: compression.into(),
        zstd_level: 1,
        block_size: None,
        table: IndexMap::new(),
    }
}

/// Bytes of a file with these rows, written in pieces of different sizes.
pub fn encode(fields: &[DataField], options: &EncoderOptions, rows: &RecordBatch) -> Vec<u8> {
    let mut encoder = create_encoder(fields, options).unwrap();
    let mut bytes = Vec::new();
    let (mut start, mut step) = (0, 1);
    while start < rows.num_rows() {
        let len = step.min(rows.num_rows() - start);
        encoder.write(&rows.slice(start, len)).unwrap();
        bytes.extend(encoder.take_output().concat());
        start += len;
        step = step * 3 + 1;
    }
    bytes.extend(encoder.finish().unwrap().concat());
    bytes
}

/// The rows of a file in one batch.
pub async fn decode(fields: &[DataField], format: &str, bytes: Vec<u8>) -> RecordBatch {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let size = u64::try_from(bytes.len()).unwrap();
    let name = format!("data-0.{format}");
    store
        .put(&name.as_str().into(), Bytes::from(bytes).into())
        .await
        .unwrap();
    let request = FileReadRequest {
        file: FileIo::with_store(store, "memory://")
            .input(&format!("memory:/{name}"), size)
            .unwrap(),
        fields: fields.to_vec(),
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: 777,
        step_bytes: super::DEFAULT_STEP_BYTES,
        with_position: false,
    };
    let batches: Vec<RecordBatch> = read_file(request)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    concat_batches(&arrow_schema(fields), &batches).unwrap()
}

pub async fn round_trip(
    fields: &[DataField],
    options: &EncoderOptions,
    rows: &RecordBatch,
) -> RecordBatch {
    decode(fields, &options.format, encode(fields, options, rows)).await
}
