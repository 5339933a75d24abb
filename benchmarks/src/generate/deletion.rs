//! Deletion vectors: one index file per bucket.

use std::fs;

use paimon_core::deletionvectors::{
    DeletionVector, DeletionVectorVersion, encode_deletion_vectors,
};
use paimon_core::spec::{BinaryRow, FileKind, IndexManifestEntry};

use super::TableFolder;
use super::hash::uuid_like;
use crate::Result;

/// Writes the vectors of a bucket's files and returns the entry of the index manifest.
///
/// # Errors
/// When the disk refuses.
pub fn write_vectors(
    table: &TableFolder,
    bucket: i32,
    vectors: Vec<(String, DeletionVector)>,
) -> Result<IndexManifestEntry> {
    let (bytes, ranges) = encode_deletion_vectors(vectors, DeletionVectorVersion::V1)?;
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
