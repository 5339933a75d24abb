//! Reads of generated files against plain answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod damage;
mod selections;
mod types;

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::read_parquet;
use crate::error::Result;
use crate::format::FileReadRequest;
use crate::io::{FileIo, InputFile};
use crate::spec::{DataField, DataType, TypeKind};

/// Bytes of a file with these rows.
pub(super) fn file_bytes(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// A file in a memory store of its own.
pub(super) async fn stored(bytes: Vec<u8>) -> InputFile {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let size = bytes.len() as u64;
    store
        .put(&"data-0.parquet".into(), Bytes::from(bytes).into())
        .await
        .unwrap();
    FileIo::with_store(store, "memory://")
        .input("memory:/data-0.parquet", size)
        .unwrap()
}

/// A request for all rows.
pub(super) fn request(file: &InputFile, fields: Vec<DataField>) -> FileReadRequest {
    FileReadRequest {
        file: file.clone(),
        fields,
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: 1_000,
        step_bytes: 256 << 10,
        with_position: false,
    }
}

/// A nullable field; ids do not matter to the reader.
pub(super) fn field(name: &str, kind: TypeKind) -> DataField {
    DataField::new(0, name, DataType::nullable(kind))
}

/// All batches of a request.
pub(super) async fn read(request: FileReadRequest) -> Result<Vec<RecordBatch>> {
    read_parquet(request).await?.try_collect().await
}
