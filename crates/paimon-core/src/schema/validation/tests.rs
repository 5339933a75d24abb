#![allow(clippy::unwrap_used)]
use rstest::rstest;

use super::*;
use crate::write::testing::schema;

const PK: &[&str] = &["c0"];

fn check(
    types: &[&str],
    partition: &[&str],
    keys: &[&str],
    options: &[(&str, &str)],
) -> Result<()> {
    validate_schema(&schema(types, partition, keys, options))
}

#[rstest]
#[case::reserved_bucket(PK, &[("bucket", "0")], "bucket")]
#[case::small_bucket(PK, &[("bucket", "-3")], "bucket")]
#[case::postpone_append(&[], &[("bucket", "-2")], "bucket")]
#[case::bucket_key_of_dynamic(PK, &[("bucket", "-1"), ("bucket-key", "c0")], "bucket")]
#[case::append_without_bucket_key(&[], &[("bucket", "4")], "bucket-key")]
#[case::unknown_bucket_key(&[], &[("bucket", "4"), ("bucket-key", "x")], "bucket-key")]
#[case::bucket_key_outside_of_the_key(PK, &[("bucket", "4"), ("bucket-key", "c1")], "bucket-key")]
#[case::nested_bucket_key(&[], &[("bucket", "4"), ("bucket-key", "c2")], "bucket-key")]
#[case::retained(PK, &[("snapshot.num-retained.max", "3")], "snapshot.num-retained.max")]
#[case::retained_min(PK, &[("changelog.num-retained.min", "0")], "changelog.num-retained.min")]
#[case::rows(PK, &[("target-file-row-num", "0")], "target-file-row-num")]
#[case::expire(PK, &[("record-level.expire-time", "1 d")], "record-level.time-field")]
#[case::expire_type(PK, &[("record-level.expire-time", "1 d"), ("record-level.time-field", "c1")], "record-level.time-field")]
#[case::tracked_keys(PK, &[("row-tracking.enabled", "true")], "row-tracking.enabled")]
#[case::tracked_buckets(&[], &[("row-tracking.enabled", "true"), ("bucket", "2"), ("bucket-key", "c0")], "row-tracking.enabled")]
#[case::nullable(&[], &[("primary-key.nullable", "true")], "primary-key.nullable")]
#[case::rowkind(PK, &[("rowkind.field", "c3")], "rowkind.field")]
#[case::avro(PK, &[("file.format", "avro")], "file.format")]
#[case::avro_level(PK, &[("file.format.per.level", "0:avro")], "file.format.per.level")]
#[case::producer_without_key(&[], &[("changelog-producer", "input")], "changelog-producer")]
#[case::first_row_producer(PK, &[("merge-engine", "first-row"), ("changelog-producer", "input")], "changelog-producer")]
#[case::first_row_vectors(PK, &[("merge-engine", "first-row"), ("deletion-vectors.enabled", "true")], "deletion-vectors.enabled")]
#[case::first_row_sequence(PK, &[("merge-engine", "first-row"), ("sequence.field", "c3")], "sequence.field")]
#[case::snapshot_order(PK, &[("sequence.snapshot-ordering", "true")], "write-only")]
#[case::snapshot_order_append(&[], &[("sequence.snapshot-ordering", "true"), ("write-only", "true")], "primary key")]
#[case::vectors_full(PK, &[("deletion-vectors.enabled", "true"), ("changelog-producer", "full-compaction")], "deletion-vectors.enabled")]
#[case::lookup_delta(PK, &[("changelog-producer", "lookup"), ("full-compaction.delta-commits", "3")], "full-compaction.delta-commits")]
#[case::overwrite(PK, &[("changelog-producer", "lookup"), ("streaming-read-overwrite", "true")], "streaming-read-overwrite")]
#[case::sequence_twice(PK, &[("sequence.field", "c3,c3")], "sequence.field")]
#[case::sequence_unknown(PK, &[("sequence.field", "x")], "sequence.field")]
#[case::sequence_unknown_append(&[], &[("sequence.field", "x")], "sequence.field")]
#[case::sequence_twice_append(&[], &[("sequence.field", "c3,c3")], "sequence.field")]
#[case::sequence_aggregated(PK, &[("merge-engine", "aggregation"), ("sequence.field", "c3"), ("fields.c3.aggregate-function", "sum")], "sequence.field")]
#[case::unknown_aggregate(PK, &[("merge-engine", "aggregation"), ("fields.c3.aggregate-function", "median")], "fields.c3.aggregate-function")]
#[case::remove_and_ignore(PK, &[("merge-engine", "partial-update"), ("ignore-delete", "true"), ("partial-update.remove-record-on-delete", "true")], "ignore-delete")]
#[case::remove_and_groups(PK, &[("merge-engine", "partial-update"), ("fields.c3.sequence-group", "c1"), ("partial-update.remove-record-on-delete", "true")], "partial-update.remove-record-on-delete")]
#[case::aggregation_ignores(PK, &[("merge-engine", "aggregation"), ("aggregation.remove-record-on-delete", "true"), ("fields.c3.ignore-retract", "true")], "aggregation.remove-record-on-delete")]
#[case::field_option(PK, &[("fields.gone.aggregate-function", "sum")], "fields.gone.aggregate-function")]
#[case::index(PK, &[("file-index.bitmap.columns", "gone")], "file-index.bitmap.columns")]
fn wrong_combinations_are_refused_by_name(
    #[case] keys: &[&str],
    #[case] options: &[(&str, &str)],
    #[case] named: &str,
) {
    let types = [
        "INT NOT NULL",
        "STRING",
        "ARRAY<INT>",
        "BIGINT",
        "TIMESTAMP(9)",
    ];
    let error = check(&types, &[], keys, options).unwrap_err();
    assert!(error.to_string().contains(named), "{error}");
}

#[test]
fn names_keys_and_types_are_checked() {
    assert!(check(&["INT NOT NULL", "STRING"], &[], PK, &[("bucket", "1")]).is_ok());
    assert!(check(&["INT NOT NULL", "STRING"], &["c0"], PK, &[]).is_err());
    assert!(check(&["ARRAY<INT> NOT NULL", "STRING"], &[], PK, &[]).is_err());
    assert!(check(&["MAP<INT, INT>", "STRING"], &["c0"], &[], &[]).is_err());
    assert!(check(&["INT"], &["c0", "c0"], &[], &[]).is_err());
    let mut reserved = schema(&["INT"], &[], &[], &[]);
    for name in ["_KEY_x", "_SEQUENCE_NUMBER", "rowkind", "_ROW_ID"] {
        reserved.fields[0].name = name.into();
        assert!(
            validate_schema(&reserved)
                .unwrap_err()
                .to_string()
                .contains(name)
        );
    }
    let cross = [("sequence.field", "c1")];
    assert!(check(&["INT NOT NULL", "INT", "INT"], &["c2"], PK, &cross).is_err());
}

#[test]
fn stored_golden_schemas_pass() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read(path.join("table/schema/schema-0")) else {
            continue;
        };
        let Ok(schema) = serde_json::from_slice::<TableSchema>(&text) else {
            continue;
        };
        if name.starts_with("bad-") {
            continue;
        }
        match validate_schema(&schema.with_legacy_defaults()) {
            Ok(()) => checked += 1,
            Err(e) => assert!(e.kind() == crate::ErrorKind::Unsupported, "{name}: {e}"),
        }
    }
    assert!(checked > 150, "{checked}");
}
