#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::ErrorKind;
use crate::codec::avro::{Codec, ContainerWriter, put_bytes, put_long};
use crate::spec::*;

/// The schema of manifests that Java 2.0.0 writes.
const ENTRY_SCHEMA: &str = r#"{"type":"record","name":"record","namespace":"org.apache.paimon.avro.generated","fields":[{"name":"_VERSION","type":"int"},{"name":"_KIND","type":"int"},{"name":"_PARTITION","type":"bytes"},{"name":"_BUCKET","type":"int"},{"name":"_TOTAL_BUCKETS","type":"int"},{"name":"_FILE","type":{"type":"record","name":"record__FILE","fields":[{"name":"_FILE_NAME","type":"string"},{"name":"_FILE_SIZE","type":"long"},{"name":"_ROW_COUNT","type":"long"},{"name":"_MIN_KEY","type":"bytes"},{"name":"_MAX_KEY","type":"bytes"},{"name":"_KEY_STATS","type":{"type":"record","name":"record__FILE__KEY_STATS","fields":[{"name":"_MIN_VALUES","type":"bytes"},{"name":"_MAX_VALUES","type":"bytes"},{"name":"_NULL_COUNTS","type":["null",{"type":"array","items":["null","long"]}],"default":null}]}},{"name":"_VALUE_STATS","type":{"type":"record","name":"record__FILE__VALUE_STATS","fields":[{"name":"_MIN_VALUES","type":"bytes"},{"name":"_MAX_VALUES","type":"bytes"},{"name":"_NULL_COUNTS","type":["null",{"type":"array","items":["null","long"]}],"default":null}]}},{"name":"_MIN_SEQUENCE_NUMBER","type":"long"},{"name":"_MAX_SEQUENCE_NUMBER","type":"long"},{"name":"_SCHEMA_ID","type":"long"},{"name":"_LEVEL","type":"int"},{"name":"_EXTRA_FILES","type":{"type":"array","items":"string"}},{"name":"_CREATION_TIME","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},{"name":"_DELETE_ROW_COUNT","type":["null","long"],"default":null},{"name":"_EMBEDDED_FILE_INDEX","type":["null","bytes"],"default":null},{"name":"_FILE_SOURCE","type":["null","int"],"default":null},{"name":"_VALUE_STATS_COLS","type":["null",{"type":"array","items":"string"}],"default":null},{"name":"_EXTERNAL_PATH","type":["null","string"],"default":null},{"name":"_FIRST_ROW_ID","type":["null","long"],"default":null},{"name":"_WRITE_COLS","type":["null",{"type":"array","items":"string"}],"default":null}]}}]}"#;
/// The schema of manifest lists that Java 2.0.0 writes.
const LIST_SCHEMA: &str = r#"{"type":"record","name":"record","namespace":"org.apache.paimon.avro.generated","fields":[{"name":"_VERSION","type":"int"},{"name":"_FILE_NAME","type":"string"},{"name":"_FILE_SIZE","type":"long"},{"name":"_NUM_ADDED_FILES","type":"long"},{"name":"_NUM_DELETED_FILES","type":"long"},{"name":"_PARTITION_STATS","type":{"type":"record","name":"record__PARTITION_STATS","fields":[{"name":"_MIN_VALUES","type":"bytes"},{"name":"_MAX_VALUES","type":"bytes"},{"name":"_NULL_COUNTS","type":["null",{"type":"array","items":["null","long"]}],"default":null}]}},{"name":"_SCHEMA_ID","type":"long"},{"name":"_MIN_BUCKET","type":["null","int"],"default":null},{"name":"_MAX_BUCKET","type":["null","int"],"default":null},{"name":"_MIN_LEVEL","type":["null","int"],"default":null},{"name":"_MAX_LEVEL","type":["null","int"],"default":null},{"name":"_MIN_ROW_ID","type":["null","long"],"default":null},{"name":"_MAX_ROW_ID","type":["null","long"],"default":null}]}"#;
/// The schema of index manifests that Java 2.0.0 writes.
const INDEX_SCHEMA: &str = r#"{"type":"record","name":"record","namespace":"org.apache.paimon.avro.generated","fields":[{"name":"_VERSION","type":"int"},{"name":"_KIND","type":"int"},{"name":"_PARTITION","type":"bytes"},{"name":"_BUCKET","type":"int"},{"name":"_INDEX_TYPE","type":"string"},{"name":"_FILE_NAME","type":"string"},{"name":"_FILE_SIZE","type":"long"},{"name":"_ROW_COUNT","type":"long"},{"name":"_DELETIONS_VECTORS_RANGES","type":["null",{"type":"array","items":["null",{"type":"record","name":"record__DELETIONS_VECTORS_RANGES","fields":[{"name":"f0","type":"string"},{"name":"f1","type":"int"},{"name":"f2","type":"int"},{"name":"_CARDINALITY","type":["null","long"],"default":null}]}]}],"default":null},{"name":"_EXTERNAL_PATH","type":["null","string"],"default":null},{"name":"_GLOBAL_INDEX","type":["null",{"type":"record","name":"record__GLOBAL_INDEX","fields":[{"name":"_ROW_RANGE_START","type":"long"},{"name":"_ROW_RANGE_END","type":"long"},{"name":"_INDEX_FIELD_ID","type":"int"},{"name":"_EXTRA_FIELD_IDS","type":["null",{"type":"array","items":"int"}],"default":null},{"name":"_INDEX_META","type":["null","bytes"],"default":null},{"name":"_SOURCE_META","type":["null","bytes"],"default":null}]}],"default":null}]}"#;

fn empty_row() -> Bytes {
    BinaryRow::empty().to_serialized()
}

fn stats() -> SimpleStats {
    SimpleStats {
        min_values: empty_row(),
        max_values: empty_row(),
        null_counts: Some(vec![Some(3), None]),
    }
}

fn entry(bucket: i32) -> ManifestEntry {
    let full = bucket % 2 == 0;
    ManifestEntry {
        kind: if full {
            FileKind::Add
        } else {
            FileKind::Delete
        },
        partition: empty_row(),
        bucket,
        total_buckets: 8,
        file: Arc::new(DataFileMeta {
            file_name: format!("data-{bucket}.parquet"),
            file_size: 1 << 40,
            row_count: 7,
            min_key: empty_row(),
            max_key: empty_row(),
            key_stats: stats(),
            value_stats: stats(),
            min_sequence_number: -1,
            max_sequence_number: i64::MAX,
            schema_id: 3,
            level: 5,
            extra_files: vec!["a.index".into()],
            creation_time: full.then_some(1_700_000_000_123),
            delete_row_count: full.then_some(1),
            embedded_index: full.then(|| Bytes::from_static(b"index")),
            file_source: full.then_some(FileSource::Compact),
            value_stats_cols: full.then(|| vec!["é".into()]),
            external_path: full.then(|| "s3://b/x".into()),
            first_row_id: full.then_some(0),
            write_cols: full.then(Vec::new),
            write_cols_sequences: None,
        }),
    }
}

fn index_entry() -> IndexManifestEntry {
    IndexManifestEntry {
        kind: FileKind::Add,
        partition: empty_row(),
        bucket: -2,
        index_type: "DELETION_VECTORS".into(),
        file_name: "index-0".into(),
        file_size: 20,
        row_count: 1,
        dv_ranges: Some(vec![DeletionVectorMeta {
            data_file_name: "data-0.parquet".into(),
            offset: 1,
            length: 22,
            cardinality: Some(2),
        }]),
        external_path: None,
        global_index: Some(GlobalIndexMeta {
            row_range_start: 0,
            row_range_end: 9,
            index_field_id: 4,
            extra_field_ids: Some(vec![5, 6]),
            index_meta: None,
            source_meta: Some(Bytes::from_static(b"s")),
        }),
    }
}

fn manifest_file() -> ManifestFileMeta {
    ManifestFileMeta {
        file_name: "manifest-0".into(),
        file_size: 100,
        num_added_files: 2,
        num_deleted_files: 1,
        partition_stats: stats(),
        schema_id: 1,
        min_bucket: Some(-2),
        max_bucket: Some(4),
        min_level: None,
        max_level: None,
        min_row_id: Some(5),
        max_row_id: Some(6),
    }
}

fn encoded(entries: &[ManifestEntry]) -> Bytes {
    encode_manifest(entries, Codec::default()).unwrap().into()
}

#[test]
fn schemas_are_those_of_java() {
    assert_eq!(layout::avro_schema(&layout::ENTRY, false), ENTRY_SCHEMA);
    assert_eq!(
        layout::avro_schema(&layout::MANIFEST_FILE, false),
        LIST_SCHEMA
    );
    assert_eq!(
        layout::avro_schema(&layout::INDEX_ENTRY, false),
        INDEX_SCHEMA
    );
}

#[test]
fn records_read_back_equal() {
    let entries: Vec<_> = (-2..2000).map(entry).collect();
    assert_eq!(decode_manifest(&encoded(&entries), None).unwrap(), entries);
    let list = vec![manifest_file(); 3];
    let bytes = encode_manifest_list(&list, Codec::Null).unwrap().into();
    assert_eq!(decode_manifest_list(&bytes).unwrap(), list);
    let index = vec![index_entry()];
    let bytes = encode_index_manifest(&index, Codec::Deflate)
        .unwrap()
        .into();
    assert_eq!(decode_index_manifest(&bytes).unwrap(), index);
}

#[test]
fn empty_files_hold_no_records() {
    assert_eq!(decode_manifest(&encoded(&[]), None).unwrap(), []);
    let bytes = encode_manifest_list(&[], Codec::default()).unwrap().into();
    assert_eq!(decode_manifest_list(&bytes).unwrap(), []);
}

#[test]
fn sequences_of_written_columns_extend_the_schema_only_when_used() {
    let mut with = entry(0);
    Arc::make_mut(&mut with.file).write_cols_sequences = Some(vec![4, 5]);
    let entries = vec![with, entry(1)];
    let bytes = encoded(&entries);
    assert!(String::from_utf8_lossy(&bytes).contains("_WRITE_COLS_SEQUENCES"));
    assert_eq!(decode_manifest(&bytes, None).unwrap(), entries);
    assert!(!String::from_utf8_lossy(&encoded(&[entry(1)])).contains("_WRITE_COLS_SEQUENCES"));
}

struct OnlyBucket(i32);

impl EntryFilter for OnlyBucket {
    fn keep(&self, _: FileKind, partition: &Bytes, bucket: i32, total_buckets: i32) -> bool {
        assert_eq!((partition, total_buckets), (&empty_row(), 8));
        bucket == self.0
    }
}

#[test]
fn filter_drops_entries() {
    let entries: Vec<_> = (0..10).map(entry).collect();
    let kept = decode_manifest(&encoded(&entries), Some(&OnlyBucket(4))).unwrap();
    assert_eq!(kept, [entry(4)]);
}

/// An entry as release 0.4 writes it: records and nested records optional, few fields; `_FILE` stored first or last.
fn old_manifest(file_first: bool) -> Bytes {
    let stats = |name: &str| {
        format!(
            r#"["null",{{"type":"record","name":"{name}","fields":[{{"name":"_MIN_VALUES","type":"bytes"}},{{"name":"_MAX_VALUES","type":"bytes"}},{{"name":"_NULL_COUNTS","type":["null",{{"type":"array","items":["null","long"]}}]}}]}}]"#
        )
    };
    let file = format!(
        r#"{{"name":"_FILE","type":["null",{{"type":"record","name":"f","fields":[{{"name":"_FILE_NAME","type":"string"}},{{"name":"_FILE_SIZE","type":"long"}},{{"name":"_ROW_COUNT","type":"long"}},{{"name":"_MIN_KEY","type":"bytes"}},{{"name":"_MAX_KEY","type":"bytes"}},{{"name":"_KEY_STATS","type":{}}},{{"name":"_VALUE_STATS","type":{}}},{{"name":"_MIN_SEQUENCE_NUMBER","type":"long"}},{{"name":"_MAX_SEQUENCE_NUMBER","type":"long"}},{{"name":"_UNKNOWN","type":{{"type":"map","values":"double"}}}},{{"name":"_SCHEMA_ID","type":"long"}},{{"name":"_LEVEL","type":"int"}},{{"name":"_EXTRA_FILES","type":{{"type":"array","items":"string"}}}}]}}]}}"#,
        stats("k"),
        stats("v")
    );
    let head = r#"{"name":"_VERSION","type":"int"},{"name":"_KIND","type":"int"},{"name":"_PARTITION","type":"bytes"},{"name":"_BUCKET","type":"int"},{"name":"_TOTAL_BUCKETS","type":"int"}"#;
    let fields = if file_first {
        format!("{file},{head}")
    } else {
        format!("{head},{file}")
    };
    let schema = format!(r#"["null",{{"type":"record","name":"r","fields":[{fields}]}}]"#);
    let mut writer = ContainerWriter::new(schema, Codec::Snappy);
    for bucket in 0..3 {
        writer
            .append(|out| {
                put_long(out, 1);
                if file_first {
                    old_file(out);
                }
                put_long(out, 2);
                put_long(out, 0);
                put_bytes(out, &empty_row());
                put_long(out, bucket);
                put_long(out, 8);
                if !file_first {
                    old_file(out);
                }
            })
            .unwrap();
    }
    writer.finish().unwrap().into()
}

fn old_file(out: &mut Vec<u8>) {
    put_long(out, 1);
    put_bytes(out, b"old");
    put_long(out, 1);
    put_long(out, 1);
    put_bytes(out, &empty_row());
    put_bytes(out, &empty_row());
    for _ in 0..2 {
        put_long(out, 1);
        put_bytes(out, &empty_row());
        put_bytes(out, &empty_row());
        put_long(out, 0);
    }
    put_long(out, 0);
    put_long(out, 0);
    put_long(out, 1);
    put_bytes(out, b"key");
    out.extend_from_slice(&1.5f64.to_le_bytes());
    put_long(out, 0);
    put_long(out, 0);
    put_long(out, 0);
    put_long(out, 0);
}

#[test]
fn manifest_of_an_old_release_reads_with_nulls() {
    for file_first in [false, true] {
        let bytes = old_manifest(file_first);
        let entries = decode_manifest(&bytes, None).unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[2].file.file_name, "old");
        assert_eq!(entries[2].file.creation_time, None);
        assert_eq!(entries[2].file.value_stats.null_counts, None);
        let kept = decode_manifest(&bytes, Some(&OnlyBucket(1))).unwrap();
        assert_eq!(kept, entries[1..2]);
    }
}

#[test]
fn values_out_of_range_are_damaged() {
    type Change = fn(&mut ManifestEntry);
    let changes: [Change; 5] = [
        |e| e.bucket = -3,
        |e| Arc::make_mut(&mut e.file).file_size = -1,
        |e| Arc::make_mut(&mut e.file).row_count = -1,
        |e| Arc::make_mut(&mut e.file).level = -1,
        |e| Arc::make_mut(&mut e.file).delete_row_count = Some(-1),
    ];
    for change in changes {
        let mut broken = entry(0);
        change(&mut broken);
        let error = decode_manifest(&encoded(&[broken]), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }
}

#[test]
fn other_versions_and_kinds_are_damaged() {
    for (version, kind, message) in [
        (99, 0, "record has `_VERSION` 99, expected 2"),
        (2, 7, "entry has kind 7, expected 0 (ADD) or 1 (DELETE)"),
    ] {
        let mut writer = ContainerWriter::new(ENTRY_SCHEMA, Codec::Null);
        writer
            .append(|out| {
                put_long(out, version);
                put_long(out, kind);
            })
            .unwrap();
        let error = decode_manifest(&writer.finish().unwrap().into(), None).unwrap_err();
        assert_eq!(error.message(), message);
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }
}

#[test]
fn missing_required_field_is_damaged() {
    let schema = LIST_SCHEMA.replace("_SCHEMA_ID", "_OTHER");
    let bytes = ContainerWriter::new(schema, Codec::Null)
        .finish()
        .unwrap()
        .into();
    let error = decode_manifest_list(&bytes).unwrap_err();
    assert!(error.message().contains("`_SCHEMA_ID`"), "{error}");
}

#[test]
fn bytes_share_the_block() {
    let mut entries = vec![entry(0)];
    Arc::make_mut(&mut entries[0].file).embedded_index = Some(vec![7; 500].into());
    let bytes: Bytes = encode_manifest(&entries, Codec::Null).unwrap().into();
    let decoded = decode_manifest(&bytes, None).unwrap();
    let index = decoded[0].file.embedded_index.as_ref().unwrap();
    let file = bytes.as_ptr_range();
    assert!(file.contains(&index.as_ptr()));
}

#[test]
fn mutated_manifests_never_panic() {
    let entries: Vec<_> = (0..4).map(entry).collect();
    let lists = vec![manifest_file(); 2];
    let index = vec![index_entry()];
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..2000 {
        let codec = [Codec::Null, Codec::default(), Codec::Snappy, Codec::Deflate][round % 4];
        let file = match round % 3 {
            0 => encode_manifest(&entries, codec).unwrap(),
            1 => encode_manifest_list(&lists, codec).unwrap(),
            _ => encode_index_manifest(&index, codec).unwrap(),
        };
        let bytes = mutate(file, &mut random);
        let _ = decode_manifest(&bytes, None);
        let _ = decode_manifest(&bytes, Some(&KeepNone));
        let _ = decode_manifest_list(&bytes);
        let _ = decode_index_manifest(&bytes);
    }
}

fn mutate(mut file: Vec<u8>, random: &mut StdRng) -> Bytes {
    match random.random_range(0..4) {
        0 => file.truncate(random.random_range(0..file.len())),
        1 => {
            let at = random.random_range(0..file.len());
            file[at] = random.random();
        }
        2 => {
            // Past the header, where counts and lengths are.
            let at = file.len() - random.random_range(1..file.len().min(200));
            file[at] ^= 1 << random.random_range(0..8);
        }
        _ => {
            let at = random.random_range(0..file.len());
            let junk: [u8; 9] = random.random();
            file.splice(at..at, junk);
        }
    }
    file.into()
}

/// Files of an even row count, whatever the entry.
struct EvenFiles;

impl EntryFilter for EvenFiles {
    fn keep(&self, _: FileKind, _: &Bytes, bucket: i32, _: i32) -> bool {
        bucket != 2
    }

    fn keep_file(&self, _: FileKind, file: &DataFileMeta) -> bool {
        file.row_count % 2 == 0
    }
}

#[test]
fn files_are_filtered_once_they_are_known() {
    let of = |(bucket, rows)| {
        let mut entry = entry(bucket);
        Arc::make_mut(&mut entry.file).row_count = rows;
        entry
    };
    let entries: Vec<_> = [(1, 1), (1, 2), (2, 4), (3, 6)].map(of).into();
    let kept = decode_manifest(&encoded(&entries), Some(&EvenFiles)).unwrap();
    assert_eq!(kept, [of((1, 2)), of((3, 6))]);
}

struct KeepNone;

impl EntryFilter for KeepNone {
    fn keep(&self, _: FileKind, _: &Bytes, _: i32, _: i32) -> bool {
        false
    }
}
