//! Deletion vectors: one index file per bucket.

use std::fs;

use paimon_core::spec::{BinaryRow, DeletionVectorMeta, FileKind, IndexManifestEntry};
use roaring::RoaringBitmap;

use super::TableFolder;
use super::hash::uuid_like;
use crate::Result;

const VERSION: u8 = 1;
const MAGIC: u32 = 1_581_511_376;

/// Writes the vectors of a bucket's files and returns the entry of the index manifest.
///
/// # Errors
/// When the disk refuses.
pub fn write_vectors(
    table: &TableFolder,
    bucket: i32,
    vectors: &[(String, RoaringBitmap)],
) -> Result<IndexManifestEntry> {
    let mut bytes = vec![VERSION];
    let mut ranges = Vec::with_capacity(vectors.len());
    for (data_file_name, deleted) in vectors {
        let mut data = MAGIC.to_be_bytes().to_vec();
        deleted.serialize_into(&mut data)?;
        ranges.push(DeletionVectorMeta {
            data_file_name: data_file_name.clone(),
            offset: i32::try_from(bytes.len())?,
            length: i32::try_from(data.len())?,
            cardinality: Some(i64::try_from(deleted.len())?),
        });
        bytes.extend_from_slice(&u32::try_from(data.len())?.to_be_bytes());
        bytes.extend_from_slice(&data);
        bytes.extend_from_slice(&crc32fast::hash(&data).to_be_bytes());
    }
    let folder = table.root().join("index");
    fs::create_dir_all(&folder)?;
    let file_name = format!("index-{}-0", uuid_like(&format!("dv {bucket}")));
    fs::write(folder.join(&file_name), &bytes)?;
    Ok(IndexManifestEntry {
        kind: FileKind::Add,
        partition: BinaryRow::empty().to_serialized(),
        bucket,
        index_type: "DELETION_VECTORS".to_string(),
        file_name,
        file_size: i64::try_from(bytes.len())?,
        row_count: i64::try_from(ranges.len())?,
        dv_ranges: Some(ranges),
        external_path: None,
        global_index: None,
    })
}
