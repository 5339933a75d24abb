//! Manifest lists, manifests, index manifests, with the binary rows in them.

use bytes::Bytes;
use paimon_core::Result;
use paimon_core::codec::avro::Codec;
use paimon_core::codec::{
    decode_index_manifest, decode_manifest, decode_manifest_list, encode_index_manifest,
    encode_manifest, encode_manifest_list,
};
use paimon_core::deletionvectors::read_range_of;
use paimon_core::manifest::{DeletionFiles, live_entries, merge_entries};
use paimon_core::spec::{ManifestEntry, SimpleStats};

use super::rows::read_row;
use super::{accepted, assert_survives};

/// A manifest list.
pub fn manifest_list(data: &[u8]) {
    let decode = |bytes: &Bytes| decode_manifest_list(bytes);
    let Some(metas) = accepted(decode(&Bytes::copy_from_slice(data))) else {
        return;
    };
    for meta in &metas {
        stats(&meta.partition_stats);
    }
    let encode = |metas: &Vec<_>| encode_manifest_list(metas, Codec::Null);
    assert_survives(&metas, encode, |bytes| decode(&bytes.into()));
}

/// A manifest.
pub fn manifest(data: &[u8]) {
    let decode = |bytes: &Bytes| decode_manifest(bytes, None);
    let Some(entries) = accepted(decode(&Bytes::copy_from_slice(data))) else {
        return;
    };
    entries.iter().for_each(rows_of);
    let encode = |entries: &Vec<_>| encode_manifest(entries, Codec::Null);
    assert_survives(&entries, encode, |bytes| decode(&bytes.into()));
    assert!(merge_entries(entries.clone()).len() <= entries.len());
    let _ = live_entries(entries);
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
    let decode = |bytes: &Bytes| -> Result<Vec<_>> { decode_index_manifest(bytes) };
    let Some(entries) = accepted(decode(&Bytes::copy_from_slice(data))) else {
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
    accepted(DeletionFiles::from_entries("memory:/t", &entries));
    let encode = |entries: &Vec<_>| encode_index_manifest(entries, Codec::Null);
    assert_survives(&entries, encode, |bytes| decode(&bytes.into()));
}
