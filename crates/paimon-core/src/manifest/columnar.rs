//! Manifests in ORC or Parquet, which releases up to 1.4 write with `manifest.format=orc` or `parquet`.

use bytes::Bytes;
use futures::TryStreamExt;

use crate::codec::ManifestRecords;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BatchStream, DEFAULT_STEP_BYTES, FileReadRequest, orc, parquet};
use crate::io::FileIo;

/// Memory that the columns of one file may take.
const BATCHES_BYTES_MAX: usize = 256 << 20;

/// Records read at a time.
const BATCH_ROWS: usize = 1024;

/// The file at `path`, whose content is `bytes`, in Avro.
///
/// # Errors
/// `Damaged` when it is ORC or Parquet and breaks the format, `ResourceExhausted` past the limits.
pub(super) async fn in_avro(
    io: &FileIo,
    path: &str,
    records: ManifestRecords,
    bytes: Bytes,
) -> Result<Bytes> {
    let is_orc = bytes.starts_with(b"ORC");
    if !is_orc && !bytes.starts_with(b"PAR1") {
        return Ok(bytes);
    }
    let request = FileReadRequest {
        file: io.input(path, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?,
        fields: records.columns(),
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: BATCH_ROWS,
        step_bytes: DEFAULT_STEP_BYTES,
        with_position: false,
    };
    let batches = match is_orc {
        true => orc::read_orc(request).await?,
        false => parquet::read_parquet(request).await?,
    };
    bounded(batches, records).await
}

async fn bounded(mut batches: BatchStream, records: ManifestRecords) -> Result<Bytes> {
    let mut kept = Vec::new();
    let mut size = 0usize;
    while let Some(batch) = batches.try_next().await? {
        size = size.saturating_add(batch.get_array_memory_size());
        if size > BATCHES_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::ResourceExhausted,
                format!("records of one file need more than {BATCHES_BYTES_MAX} bytes of memory"),
            ));
        }
        kept.push(batch);
    }
    records.to_avro(&kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::manifest::{manifest_path, read_index_manifest, read_manifest_list};
    use crate::spec::BinaryRow;

    fn in_memory() -> FileIo {
        let store = Arc::new(object_store::memory::InMemory::new());
        FileIo::with_store(store, "memory://")
    }

    #[tokio::test]
    async fn manifest_in_parquet_is_read() {
        let row = BinaryRow::empty().to_serialized();
        let columns: [(&str, ArrayRef); 8] = [
            ("_VERSION", Arc::new(Int32Array::from(vec![1]))),
            ("_KIND", Arc::new(Int32Array::from(vec![0]))),
            ("_PARTITION", Arc::new(BinaryArray::from(vec![&row[..]]))),
            ("_BUCKET", Arc::new(Int32Array::from(vec![3]))),
            ("_INDEX_TYPE", Arc::new(StringArray::from(vec!["HASH"]))),
            ("_FILE_NAME", Arc::new(StringArray::from(vec!["index-1"]))),
            ("_FILE_SIZE", Arc::new(Int64Array::from(vec![8]))),
            ("_ROW_COUNT", Arc::new(Int64Array::from(vec![2]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut file = Vec::new();
        let mut writer =
            ::parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let io = in_memory();
        let path = manifest_path("memory:/t", "m").unwrap();
        io.overwrite(&path, file.into()).await.unwrap();
        let entries = read_index_manifest(&io, "memory:/t", Some("m"))
            .await
            .unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].bucket, entries[0].row_count), (3, 2));
        assert_eq!(entries[0].file_name, "index-1");
        assert_eq!(entries[0].dv_ranges, None);
    }

    #[tokio::test]
    async fn broken_orc_is_damaged() {
        // a block of the footer that says more bytes than there are
        let postscript = [
            &[0x08, 4, 0x10, 1, 0x18, 0x80, 0x80, 0x10][..],
            &[0x82, 0xf4, 0x03, 3, b'O', b'R', b'C'],
        ]
        .concat();
        let mut file = b"ORC".to_vec();
        file.extend_from_slice(&[0xfe, 0xff, 0xff, 0]);
        file.extend_from_slice(&postscript);
        file.push(u8::try_from(postscript.len()).unwrap());
        let io = in_memory();
        let path = manifest_path("memory:/t", "m").unwrap();
        io.overwrite(&path, file.into()).await.unwrap();
        let error = read_manifest_list(&io, "memory:/t", "m").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }
}
