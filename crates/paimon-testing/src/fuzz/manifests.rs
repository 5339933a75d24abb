//! Manifest lists, manifests, index manifests, in every format, with the binary rows in them.

use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;
use paimon_core::Result;
use paimon_core::codec::avro::Codec;
use paimon_core::codec::{
    decode_index_manifest, decode_manifest, decode_manifest_list, encode_index_manifest,
    encode_manifest, encode_manifest_list,
};
use paimon_core::deletionvectors::read_range_of;
use paimon_core::io::FileIo;
use paimon_core::manifest::{
    DeletionFiles, ManifestScan, live_entries, manifest_path, merge_entries, read_index_manifest,
    read_manifest_list,
};
use paimon_core::predicate::Predicate;
use paimon_core::spec::{IndexManifestEntry, ManifestEntry, ManifestFileMeta, SimpleStats};

use super::rows::read_row;
use super::{accepted, assert_survives, block_on};

const TABLE: &str = "memory:/t";
const NAME: &str = "file-0";

/// A store with one file in the `manifest` folder.
async fn with_file(data: &[u8]) -> Result<FileIo> {
    let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
    let path = manifest_path(TABLE, NAME)?;
    io.overwrite(&path, Bytes::copy_from_slice(data)).await?;
    Ok(io)
}

/// A manifest list.
pub fn manifest_list(data: &[u8]) {
    if let Some(metas) = accepted(lists_of(data)) {
        for meta in &metas {
            stats(&meta.partition_stats);
        }
        let encode = |metas: &Vec<_>| encode_manifest_list(metas, Codec::Null);
        assert_survives(&metas, encode, |bytes| decode_manifest_list(&bytes.into()));
    }
}

pub(super) fn lists_of(data: &[u8]) -> Result<Vec<ManifestFileMeta>> {
    block_on(async { read_manifest_list(&with_file(data).await?, TABLE, NAME).await })
}

/// A manifest.
pub fn manifest(data: &[u8]) {
    let Some(entries) = accepted(entries_of(data)) else {
        return;
    };
    entries.iter().for_each(rows_of);
    let encode = |entries: &Vec<_>| encode_manifest(entries, Codec::Null);
    assert_survives(&entries, encode, |bytes| {
        decode_manifest(&bytes.into(), None)
    });
    assert!(merge_entries(entries.clone()).len() <= entries.len());
    let _ = live_entries(entries);
}

pub(super) fn entries_of(data: &[u8]) -> Result<Vec<ManifestEntry>> {
    block_on(async {
        let scan = ManifestScan {
            io: with_file(data).await?,
            table: TABLE.into(),
            partition_fields: Arc::default(),
            partition_filter: Predicate::AlwaysTrue,
            without_partitions: Arc::default(),
            bucket_filter: None,
            file_filter: None,
            parallelism: 1,
        };
        let meta = ManifestFileMeta {
            file_name: NAME.into(),
            file_size: 0,
            num_added_files: 0,
            num_deleted_files: 0,
            partition_stats: SimpleStats::default(),
            schema_id: 0,
            min_bucket: None,
            max_bucket: None,
            min_level: None,
            max_level: None,
            min_row_id: None,
            max_row_id: None,
        };
        scan.entries(&[meta]).await
    })
}

fn rows_of(entry: &ManifestEntry) {
    read_row(&entry.partition);
    read_row(&entry.file.min_key);
    read_row(&entry.file.max_key);
    stats(&entry.file.key_stats);
    stats(&entry.file.value_stats);
}

fn stats(stats: &SimpleStats) {
    read_row(&stats.min_values);
    read_row(&stats.max_values);
}

/// An index manifest.
pub fn index_manifest(data: &[u8]) {
    let Some(entries) = accepted(index_entries_of(data)) else {
        return;
    };
    for entry in &entries {
        read_row(&entry.partition);
        let size = u64::try_from(entry.file_size).unwrap_or(0);
        for meta in entry.dv_ranges.iter().flatten() {
            if let Some(range) = accepted(read_range_of(meta, size)) {
                assert!(range.end <= size, "{range:?} of {size} bytes");
            }
        }
    }
    accepted(DeletionFiles::from_entries(TABLE, &entries));
    let encode = |entries: &Vec<_>| encode_index_manifest(entries, Codec::Null);
    assert_survives(&entries, encode, |bytes| {
        decode_index_manifest(&bytes.into())
    });
}

pub(super) fn index_entries_of(data: &[u8]) -> Result<Vec<IndexManifestEntry>> {
    block_on(async { read_index_manifest(&with_file(data).await?, TABLE, Some(NAME)).await })
}
