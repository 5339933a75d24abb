//! From a snapshot to its live files: manifest lists, manifests, index manifests.
//!
//! Source: `AbstractFileStoreScan`, `ManifestsReader`, `FileEntry.mergeEntries`, `IndexFileHandler`.

mod columnar;
mod index_manifest;
mod merge;
mod scan;

pub use index_manifest::{DeletionFile, DeletionFiles, index_file_path, read_index_manifest};
pub use merge::{FileIdentifier, live_entries, merge_entries};
pub use scan::{BucketFilter, FileFilter, ManifestScan, ScanCounts, partition_values};

use bytes::Bytes;

use crate::codec::{ManifestRecords, decode_index_manifest, decode_manifest_list};
use crate::error::Result;
use crate::io::{FileIo, checked_name};
use crate::spec::{IndexManifestEntry, ManifestFileMeta};

/// Largest manifest or manifest list file that is accepted, bytes.
pub(crate) const MANIFEST_SIZE_MAX: u64 = 1 << 30;

/// Location of a file in the `manifest` folder.
///
/// # Errors
/// `Damaged` when the name is not one plain path component.
pub fn manifest_path(table: &str, name: &str) -> Result<String> {
    Ok(format!("{table}/manifest/{}", checked_name(name)?))
}

/// Records of a manifest list.
pub async fn read_manifest_list(
    io: &FileIo,
    table: &str,
    name: &str,
) -> Result<Vec<ManifestFileMeta>> {
    let path = manifest_path(table, name)?;
    let bytes = read_in_avro(io, &path, ManifestRecords::Lists).await?;
    decode_manifest_list(&bytes).map_err(|e| e.with_default("path", path))
}

async fn read_index_entries(
    io: &FileIo,
    table: &str,
    name: &str,
) -> Result<Vec<IndexManifestEntry>> {
    let path = manifest_path(table, name)?;
    let bytes = read_in_avro(io, &path, ManifestRecords::IndexEntries).await?;
    decode_index_manifest(&bytes).map_err(|e| e.with_default("path", path))
}

/// The bytes of a file of the `manifest` folder, in Avro whatever it is stored as.
///
/// # Errors
/// `Damaged` when it is missing, or is ORC or Parquet and breaks the format; `ResourceExhausted` past the limits.
pub async fn read_in_avro(io: &FileIo, path: &str, records: ManifestRecords) -> Result<Bytes> {
    let bytes = io.read_unchanging(path, MANIFEST_SIZE_MAX).await?;
    columnar::in_avro(io, path, records, bytes).await
}
