//! Entries for tests of the pure modules.

use std::sync::Arc;

use bytes::Bytes;

use crate::spec::{
    BinaryRow, DataField, DataFileMeta, DataType, Datum, DeletionVectorMeta, FileKind, FileSource,
    IndexManifestEntry, ManifestEntry, SimpleStats, TypeKind, binary_row,
};

fn int() -> DataType {
    DataType {
        kind: TypeKind::Int,
        nullable: false,
    }
}

/// One INT key column.
pub(crate) fn key_fields() -> Vec<DataField> {
    let text = r#"[{"id": 0, "name": "k", "type": "INT NOT NULL"}]"#;
    serde_json::from_str(text).unwrap_or_default()
}

/// The serialised row of one INT.
pub(crate) fn key(value: i32) -> Bytes {
    binary_row(&[(Some(Datum::Int(value)), int())]).to_serialized()
}

pub(crate) fn file(name: &str, rows: i64) -> DataFileMeta {
    let empty = BinaryRow::empty().to_serialized();
    DataFileMeta {
        file_name: name.into(),
        file_size: 1,
        row_count: rows,
        min_key: empty.clone(),
        max_key: empty,
        key_stats: SimpleStats::default(),
        value_stats: SimpleStats::default(),
        min_sequence_number: 0,
        max_sequence_number: 0,
        schema_id: 0,
        level: 0,
        extra_files: Vec::new(),
        creation_time: None,
        delete_row_count: Some(0),
        embedded_index: None,
        file_source: Some(FileSource::Append),
        value_stats_cols: None,
        external_path: None,
        first_row_id: None,
        write_cols: None,
        write_cols_sequences: None,
    }
}

/// An entry of bucket 0 of the table's one partition.
pub(crate) fn entry(kind: FileKind, file: DataFileMeta) -> ManifestEntry {
    ManifestEntry {
        kind,
        partition: BinaryRow::empty().to_serialized(),
        bucket: 0,
        total_buckets: 1,
        file: file.into(),
    }
}

pub(crate) fn add(name: &str) -> ManifestEntry {
    entry(FileKind::Add, file(name, 10))
}

pub(crate) fn delete(name: &str) -> ManifestEntry {
    entry(FileKind::Delete, file(name, 10))
}

/// A file of one level with a key range.
pub(crate) fn leveled(name: &str, level: i32, keys: (i32, i32)) -> ManifestEntry {
    let mut entry = add(name);
    Arc::make_mut(&mut entry.file).level = level;
    Arc::make_mut(&mut entry.file).min_key = key(keys.0);
    Arc::make_mut(&mut entry.file).max_key = key(keys.1);
    entry
}

/// An index file with the vectors of these data files.
pub(crate) fn vectors(kind: FileKind, name: &str, owners: &[&str]) -> IndexManifestEntry {
    let range = |owner: &&str| DeletionVectorMeta {
        data_file_name: owner.to_string(),
        offset: 1,
        length: 10,
        cardinality: Some(1),
    };
    IndexManifestEntry {
        kind,
        partition: BinaryRow::empty().to_serialized(),
        bucket: 0,
        index_type: super::manifests::index::DELETION_VECTORS.into(),
        file_name: name.into(),
        file_size: 1,
        row_count: 1,
        dv_ranges: Some(owners.iter().map(range).collect()),
        external_path: None,
        global_index: None,
    }
}
