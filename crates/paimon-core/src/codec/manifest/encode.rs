//! Records to Avro files, with exactly the schema that Java 2.0.0 writes.

use super::layout;
use crate::codec::avro::{Codec, ContainerWriter, put_bytes, put_long};
use crate::error::Result;
use crate::spec::{
    DataFileMeta, DeletionVectorMeta, FileKind, FileSource, GlobalIndexMeta, IndexManifestEntry,
    ManifestEntry, ManifestFileMeta, SimpleStats,
};

/// Encodes a manifest list.
///
/// # Errors
/// `Internal` when the compressor fails.
pub fn encode_manifest_list(metas: &[ManifestFileMeta], codec: Codec) -> Result<Vec<u8>> {
    let schema = layout::avro_schema(&layout::MANIFEST_FILE, false);
    let mut writer = ContainerWriter::new(schema, codec);
    for meta in metas {
        writer.append(|out| manifest_file(out, meta))?;
    }
    writer.finish()
}

/// Encodes a manifest.
///
/// `_WRITE_COLS_SEQUENCES`, which only releases after 2.0 know, is part of the schema only when an entry has it.
///
/// # Errors
/// `Internal` when the compressor fails.
pub fn encode_manifest(entries: &[ManifestEntry], codec: Codec) -> Result<Vec<u8>> {
    let sequences = entries
        .iter()
        .any(|e| e.file.write_cols_sequences.is_some());
    let schema = layout::avro_schema(&layout::ENTRY, sequences);
    let mut writer = ContainerWriter::new(schema, codec);
    for entry in entries {
        writer.append(|out| {
            put_long(out, 2);
            put_long(out, kind_code(entry.kind));
            put_bytes(out, &entry.partition);
            put_long(out, entry.bucket.into());
            put_long(out, entry.total_buckets.into());
            data_file(out, &entry.file);
            if sequences {
                put_optional(
                    out,
                    entry.file.write_cols_sequences.as_ref(),
                    |out, list| {
                        put_array(out, list, |out, n| put_long(out, *n));
                    },
                );
            }
        })?;
    }
    writer.finish()
}

/// Encodes an index manifest.
///
/// # Errors
/// `Internal` when the compressor fails.
pub fn encode_index_manifest(entries: &[IndexManifestEntry], codec: Codec) -> Result<Vec<u8>> {
    let schema = layout::avro_schema(&layout::INDEX_ENTRY, false);
    let mut writer = ContainerWriter::new(schema, codec);
    for entry in entries {
        writer.append(|out| index_entry(out, entry))?;
    }
    writer.finish()
}

fn manifest_file(out: &mut Vec<u8>, meta: &ManifestFileMeta) {
    put_long(out, 2);
    put_bytes(out, meta.file_name.as_bytes());
    put_long(out, meta.file_size);
    put_long(out, meta.num_added_files);
    put_long(out, meta.num_deleted_files);
    stats(out, &meta.partition_stats);
    put_long(out, meta.schema_id);
    for n in [
        meta.min_bucket,
        meta.max_bucket,
        meta.min_level,
        meta.max_level,
    ] {
        put_optional_long(out, n.map(i64::from));
    }
    put_optional_long(out, meta.min_row_id);
    put_optional_long(out, meta.max_row_id);
}

/// All fields but the last, `_WRITE_COLS_SEQUENCES`.
fn data_file(out: &mut Vec<u8>, file: &DataFileMeta) {
    put_bytes(out, file.file_name.as_bytes());
    put_long(out, file.file_size);
    put_long(out, file.row_count);
    put_bytes(out, &file.min_key);
    put_bytes(out, &file.max_key);
    stats(out, &file.key_stats);
    stats(out, &file.value_stats);
    put_long(out, file.min_sequence_number);
    put_long(out, file.max_sequence_number);
    put_long(out, file.schema_id);
    put_long(out, file.level.into());
    put_strings(out, &file.extra_files);
    put_optional_long(out, file.creation_time);
    put_optional_long(out, file.delete_row_count);
    put_optional(out, file.embedded_index.as_ref(), |out, index| {
        put_bytes(out, index);
    });
    put_optional_long(out, file.file_source.map(source_code));
    put_optional(out, file.value_stats_cols.as_ref(), |out, names| {
        put_strings(out, names);
    });
    put_optional(out, file.external_path.as_ref(), |out, path| {
        put_bytes(out, path.as_bytes());
    });
    put_optional_long(out, file.first_row_id);
    put_optional(out, file.write_cols.as_ref(), |out, names| {
        put_strings(out, names);
    });
}

fn index_entry(out: &mut Vec<u8>, entry: &IndexManifestEntry) {
    put_long(out, 1);
    put_long(out, kind_code(entry.kind));
    put_bytes(out, &entry.partition);
    put_long(out, entry.bucket.into());
    put_bytes(out, entry.index_type.as_bytes());
    put_bytes(out, entry.file_name.as_bytes());
    put_long(out, entry.file_size);
    put_long(out, entry.row_count);
    put_optional(out, entry.dv_ranges.as_ref(), |out, ranges| {
        put_array(out, ranges, |out, range| {
            put_optional(out, Some(range), dv_range);
        });
    });
    put_optional(out, entry.external_path.as_ref(), |out, path| {
        put_bytes(out, path.as_bytes());
    });
    put_optional(out, entry.global_index.as_ref(), global_index);
}

fn dv_range(out: &mut Vec<u8>, range: &DeletionVectorMeta) {
    put_bytes(out, range.data_file_name.as_bytes());
    put_long(out, range.offset.into());
    put_long(out, range.length.into());
    put_optional_long(out, range.cardinality);
}

fn global_index(out: &mut Vec<u8>, index: &GlobalIndexMeta) {
    put_long(out, index.row_range_start);
    put_long(out, index.row_range_end);
    put_long(out, index.index_field_id.into());
    put_optional(out, index.extra_field_ids.as_ref(), |out, ids| {
        put_array(out, ids, |out, id| put_long(out, (*id).into()));
    });
    for meta in [&index.index_meta, &index.source_meta] {
        put_optional(out, meta.as_ref(), |out, bytes| put_bytes(out, bytes));
    }
}

fn stats(out: &mut Vec<u8>, stats: &SimpleStats) {
    put_bytes(out, &stats.min_values);
    put_bytes(out, &stats.max_values);
    put_optional(out, stats.null_counts.as_ref(), |out, counts| {
        put_array(out, counts, |out, count| put_optional_long(out, *count));
    });
}

fn kind_code(kind: FileKind) -> i64 {
    match kind {
        FileKind::Add => 0,
        FileKind::Delete => 1,
    }
}

fn source_code(source: FileSource) -> i64 {
    match source {
        FileSource::Append => 0,
        FileSource::Compact => 1,
    }
}

fn put_optional<T>(out: &mut Vec<u8>, value: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    put_long(out, i64::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn put_optional_long(out: &mut Vec<u8>, value: Option<i64>) {
    put_optional(out, value.as_ref(), |out, n| put_long(out, *n));
}

/// One block of items and the end, as Java writes it.
fn put_array<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    if !items.is_empty() {
        put_long(out, i64::try_from(items.len()).unwrap_or(i64::MAX));
        for item in items {
            put(out, item);
        }
    }
    put_long(out, 0);
}

fn put_strings(out: &mut Vec<u8>, items: &[String]) {
    put_array(out, items, |out, item| put_bytes(out, item.as_bytes()));
}
