//! Records of manifests as JSON, with the names of the files' own fields. Bytes are hex.

use std::fmt::Write as _;

use bytes::Bytes;
use paimon_core::spec::{
    DataFileMeta, FileKind, FileSource, IndexManifestEntry, ManifestEntry, ManifestFileMeta,
    SimpleStats,
};
use serde_json::{Value, json};

fn hex(bytes: &Bytes) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}

fn stats(stats: &SimpleStats) -> Value {
    json!({
        "_MIN_VALUES": hex(&stats.min_values),
        "_MAX_VALUES": hex(&stats.max_values),
        "_NULL_COUNTS": stats.null_counts,
    })
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Add => "ADD",
        FileKind::Delete => "DELETE",
    }
}

/// A record of a manifest list.
pub(super) fn manifest_file(file: &ManifestFileMeta) -> Value {
    json!({
        "_FILE_NAME": file.file_name,
        "_FILE_SIZE": file.file_size,
        "_NUM_ADDED_FILES": file.num_added_files,
        "_NUM_DELETED_FILES": file.num_deleted_files,
        "_PARTITION_STATS": stats(&file.partition_stats),
        "_SCHEMA_ID": file.schema_id,
        "_MIN_BUCKET": file.min_bucket,
        "_MAX_BUCKET": file.max_bucket,
        "_MIN_LEVEL": file.min_level,
        "_MAX_LEVEL": file.max_level,
        "_MIN_ROW_ID": file.min_row_id,
        "_MAX_ROW_ID": file.max_row_id,
    })
}

/// A record of a manifest.
pub(super) fn entry(entry: &ManifestEntry) -> Value {
    json!({
        "_KIND": kind(entry.kind),
        "_PARTITION": hex(&entry.partition),
        "_BUCKET": entry.bucket,
        "_TOTAL_BUCKETS": entry.total_buckets,
        "_FILE": data_file(&entry.file),
    })
}

fn data_file(file: &DataFileMeta) -> Value {
    json!({
        "_FILE_NAME": file.file_name,
        "_FILE_SIZE": file.file_size,
        "_ROW_COUNT": file.row_count,
        "_MIN_KEY": hex(&file.min_key),
        "_MAX_KEY": hex(&file.max_key),
        "_KEY_STATS": stats(&file.key_stats),
        "_VALUE_STATS": stats(&file.value_stats),
        "_MIN_SEQUENCE_NUMBER": file.min_sequence_number,
        "_MAX_SEQUENCE_NUMBER": file.max_sequence_number,
        "_SCHEMA_ID": file.schema_id,
        "_LEVEL": file.level,
        "_EXTRA_FILES": file.extra_files,
        "_CREATION_TIME": file.creation_time,
        "_DELETE_ROW_COUNT": file.delete_row_count,
        "_EMBEDDED_FILE_INDEX": file.embedded_index.as_ref().map(hex),
        "_FILE_SOURCE": file.file_source.map(|s| match s {
            FileSource::Append => "APPEND",
            FileSource::Compact => "COMPACT",
        }),
        "_VALUE_STATS_COLS": file.value_stats_cols,
        "_EXTERNAL_PATH": file.external_path,
        "_FIRST_ROW_ID": file.first_row_id,
        "_WRITE_COLS": file.write_cols,
    })
}

/// A record of an index manifest.
pub(super) fn index_entry(entry: &IndexManifestEntry) -> Value {
    let ranges: Option<Vec<Value>> = entry.dv_ranges.as_ref().map(|ranges| {
        ranges
            .iter()
            .map(|r| {
                json!({
                    "f0": r.data_file_name,
                    "f1": r.offset,
                    "f2": r.length,
                    "_CARDINALITY": r.cardinality,
                })
            })
            .collect()
    });
    let global = entry.global_index.as_ref().map(|g| {
        json!({
            "_ROW_RANGE_START": g.row_range_start,
            "_ROW_RANGE_END": g.row_range_end,
            "_INDEX_FIELD_ID": g.index_field_id,
            "_EXTRA_FIELD_IDS": g.extra_field_ids,
            "_INDEX_META": g.index_meta.as_ref().map(hex),
        })
    });
    json!({
        "_KIND": kind(entry.kind),
        "_PARTITION": hex(&entry.partition),
        "_BUCKET": entry.bucket,
        "_INDEX_TYPE": entry.index_type,
        "_FILE_NAME": entry.file_name,
        "_FILE_SIZE": entry.file_size,
        "_ROW_COUNT": entry.row_count,
        "_DELETIONS_VECTORS_RANGES": ranges,
        "_EXTERNAL_PATH": entry.external_path,
        "_GLOBAL_INDEX": global,
    })
}
