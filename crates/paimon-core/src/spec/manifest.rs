//! Records of manifest lists, manifests and index manifests.
//!
//! Source: `ManifestFileMeta`, `ManifestEntry`, `DataFileMeta`, `IndexManifestEntry`, `DeletionVectorMeta`,
//! `GlobalIndexMeta`. Field by field in the order of the files.

use std::sync::Arc;

use bytes::Bytes;

use super::SimpleStats;

/// One record of a manifest list: a manifest and what it covers.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestFileMeta {
    /// Name in `manifest/`.
    pub file_name: String,
    /// Bytes.
    pub file_size: i64,
    /// Number of ADD entries.
    pub num_added_files: i64,
    /// Number of DELETE entries.
    pub num_deleted_files: i64,
    /// Statistics over the partition rows of all entries.
    pub partition_stats: SimpleStats,
    /// Largest schema id of the entries.
    pub schema_id: i64,
    /// Smallest bucket; `None` is unknown.
    pub min_bucket: Option<i32>,
    /// Largest bucket.
    pub max_bucket: Option<i32>,
    /// Smallest level.
    pub min_level: Option<i32>,
    /// Largest level.
    pub max_level: Option<i32>,
    /// Smallest row id, only when every entry has one.
    pub min_row_id: Option<i64>,
    /// Largest row id.
    pub max_row_id: Option<i64>,
}

/// Whether an entry adds or removes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// 0
    Add,
    /// 1
    Delete,
}

/// One record of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestEntry {
    /// ADD or DELETE.
    pub kind: FileKind,
    /// Serialised partition row (arity, then row).
    pub partition: Bytes,
    /// Bucket; -2 is the postpone bucket.
    pub bucket: i32,
    /// Bucket count of the partition when written; <= 0 when not fixed.
    pub total_buckets: i32,
    /// The file.
    pub file: Arc<DataFileMeta>,
}

/// What wrote a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileSource {
    /// 0: a write
    Append,
    /// 1: a compaction
    Compact,
}

/// A data file and everything known about it without opening it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFileMeta {
    /// Base name.
    pub file_name: String,
    /// Bytes.
    pub file_size: i64,
    /// Physical rows, deletes included.
    pub row_count: i64,
    /// Serialised trimmed primary key of the first row; arity 0 in append tables.
    pub min_key: Bytes,
    /// Serialised trimmed primary key of the last row (an upper bound in files of old releases).
    pub max_key: Bytes,
    /// Statistics of the key columns.
    pub key_stats: SimpleStats,
    /// Statistics of the value columns, see `value_stats_cols`.
    pub value_stats: SimpleStats,
    /// Smallest sequence number.
    pub min_sequence_number: i64,
    /// Largest sequence number.
    pub max_sequence_number: i64,
    /// Schema the columns of the file follow.
    pub schema_id: i64,
    /// LSM level.
    pub level: i32,
    /// Side files (indexes), base names.
    pub extra_files: Vec<String>,
    /// Creation time, milliseconds of the writer's local wall clock.
    pub creation_time: Option<i64>,
    /// Rows of kind -U or -D; `None` is unknown.
    pub delete_row_count: Option<i64>,
    /// File index container.
    pub embedded_index: Option<Bytes>,
    /// Write or compaction; `None` is unknown.
    pub file_source: Option<FileSource>,
    /// Columns that `value_stats` covers, in order; `None` is all value columns.
    pub value_stats_cols: Option<Vec<String>>,
    /// Full path when the file is not in the bucket folder.
    pub external_path: Option<String>,
    /// Row id of the first row (row tracking).
    pub first_row_id: Option<i64>,
    /// Columns present in the file (data evolution); `None` is all.
    pub write_cols: Option<Vec<String>>,
    /// Largest sequence per written column after a data-evolution compaction (2.1).
    pub write_cols_sequences: Option<Vec<i64>>,
}

/// Range of one deletion vector inside its index file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionVectorMeta {
    /// Base name of the data file it belongs to.
    pub data_file_name: String,
    /// Offset of the size field.
    pub offset: i32,
    /// Length as stored (with or without the framing, by version).
    pub length: i32,
    /// Deleted rows; `None` is unknown.
    pub cardinality: Option<i64>,
}

/// Global index part of an index manifest entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalIndexMeta {
    /// First row id covered.
    pub row_range_start: i64,
    /// Last row id covered.
    pub row_range_end: i64,
    /// Indexed field.
    pub index_field_id: i32,
    /// Further fields.
    pub extra_field_ids: Option<Vec<i32>>,
    /// Opaque.
    pub index_meta: Option<Bytes>,
    /// Opaque.
    pub source_meta: Option<Bytes>,
}

/// One record of an index manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexManifestEntry {
    /// Always ADD in a stored file.
    pub kind: FileKind,
    /// Serialised partition row.
    pub partition: Bytes,
    /// Bucket.
    pub bucket: i32,
    /// `HASH`, `DELETION_VECTORS` or a global index type.
    pub index_type: String,
    /// Base name.
    pub file_name: String,
    /// Bytes.
    pub file_size: i64,
    /// Hashes or vectors in the file.
    pub row_count: i64,
    /// Ranges of deletion vectors, in file order.
    pub dv_ranges: Option<Vec<DeletionVectorMeta>>,
    /// Full path when the file is not in the index folder.
    pub external_path: Option<String>,
    /// Global index description.
    pub global_index: Option<GlobalIndexMeta>,
}
