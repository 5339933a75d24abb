//! Index files with deletion vectors: reading those of some data files, writing new ones.
//!
//! Source: `DeletionVectorsIndexFile`.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use crate::deletionvectors::{
    DeletionVector, DeletionVectorVersion, decode_deletion_vector, encode_deletion_vectors,
    read_range_of,
};
use crate::error::Result;
use crate::manifest::index_file_path;
use crate::spec::{FileKind, IndexManifestEntry};
use crate::table::Table;
use crate::write::context::WriteContext;

/// The vectors in some index files by data file, without those of files that are `gone`.
///
/// # Errors
/// `Damaged` naming the index file, `Io` when the store fails.
pub(crate) async fn read_vectors(
    table: &Table,
    entries: &[IndexManifestEntry],
    gone: &HashSet<&str>,
) -> Result<BTreeMap<String, DeletionVector>> {
    let mut vectors = BTreeMap::new();
    for entry in entries {
        let path = index_file_path(table.location(), entry)?;
        let size = u64::try_from(entry.file_size).unwrap_or(0);
        let input = table.io().input(&path, size)?;
        for range in entry.dv_ranges.iter().flatten() {
            if gone.contains(range.data_file_name.as_str()) {
                continue;
            }
            let bytes = input.read_range(read_range_of(range, size)?).await?;
            let vector = decode_deletion_vector(&bytes, range, &path)?;
            vectors.insert(range.data_file_name.clone(), vector);
        }
    }
    Ok(vectors)
}

/// Writes one index file for a bucket; `None` without vectors.
///
/// # Errors
/// `Io` when the store fails, `InvalidInput` when a position does not fit the layout.
pub(crate) async fn write_vectors(
    table: &Table,
    context: &WriteContext,
    (partition, bucket): (&Bytes, i32),
    vectors: BTreeMap<String, DeletionVector>,
    version: DeletionVectorVersion,
) -> Result<Option<IndexManifestEntry>> {
    if vectors.is_empty() {
        return Ok(None);
    }
    let vectors: Vec<_> = vectors.into_iter().collect();
    let count = i64::try_from(vectors.len()).unwrap_or(i64::MAX);
    let (bytes, ranges) = encode_deletion_vectors(vectors, version)?;
    let name = format!("index-{}-0", context.ids.uuid());
    let location = format!("{}/index/{name}", table.location());
    let mut file = table.io().create(&location).await?;
    file.write(bytes.into()).await?;
    let file_size = file.close().await?;
    Ok(Some(IndexManifestEntry {
        kind: FileKind::Add,
        partition: partition.clone(),
        bucket,
        index_type: "DELETION_VECTORS".to_string(),
        file_name: name,
        file_size: i64::try_from(file_size).unwrap_or(i64::MAX),
        row_count: count,
        dv_ranges: Some(ranges),
        external_path: None,
        global_index: None,
    }))
}
