//! Random histories of writes and compactions against a map, and the shape of the trees they leave.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int8Array, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{Field, Schema};
use paimon_core::ErrorKind;
use paimon_core::spec::{
    CommitMessage, DataField, DataType, Datum, FileSource, TableSchema, TypeKind,
};
use paimon_core::table::Table;
use paimon_core::write::{Clock, SystemClock};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::commit::assert_sound;
use crate::write::publish::{create, open, publish};

/// Key, sequence field, value, kind.
pub(crate) type Record = (i32, Option<i32>, Option<i64>, i8);
/// Key to sequence field and value.
pub(crate) type Model = BTreeMap<i32, (Option<i32>, Option<i64>)>;

pub(crate) fn schema(primary: bool, partitioned: bool, options: &[(&str, &str)]) -> TableSchema {
    let mut fields = vec![
        DataField::new(0, "k", DataType::not_null(TypeKind::Int)),
        DataField::new(1, "s", DataType::nullable(TypeKind::Int)),
        DataField::new(2, "v", DataType::nullable(TypeKind::BigInt)),
    ];
    if partitioned {
        fields.push(DataField::new(3, "p", DataType::not_null(TypeKind::Int)));
    }
    let keys: &[&str] = match (primary, partitioned) {
        (false, _) => &[],
        (true, false) => &["k"],
        (true, true) => &["k", "p"],
    };
    TableSchema {
        version: 3,
        id: 0,
        fields,
        highest_field_id: 3,
        partition_keys: partitioned.then(|| "p".to_string()).into_iter().collect(),
        primary_keys: keys.iter().map(|k| (*k).to_string()).collect(),
        options: options
            .iter()
            .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
            .collect(),
        comment: None,
        time_millis: 0,
    }
}

pub(crate) fn batch(records: &[Record], partition: Option<i32>) -> (RecordBatch, Int8Array) {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(records.iter().map(|r| Some(r.0)).collect::<Int32Array>()),
        Arc::new(records.iter().map(|r| r.1).collect::<Int32Array>()),
        Arc::new(records.iter().map(|r| r.2).collect::<Int64Array>()),
    ];
    if let Some(partition) = partition {
        columns.push(Arc::new(Int32Array::from(vec![partition; records.len()])));
    }
    let fields = ["k", "s", "v", "p"].iter().zip(&columns);
    let fields: Vec<Field> = fields
        .map(|(name, c)| Field::new(*name, c.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    (batch, records.iter().map(|r| Some(r.3)).collect())
}

pub(crate) async fn write(table: &Table, records: &[Record], partition: Option<i32>) {
    let mut write = table.new_write().unwrap();
    let (batch, kinds) = batch(records, partition);
    write.write_with_kinds(&batch, &kinds).await.unwrap();
    publish(table, write.prepare_commit().await.unwrap()).await;
}

pub(crate) async fn compact(table: &Table, full: bool) -> Vec<CommitMessage> {
    let messages = table.new_compact().full(full).run().await.unwrap();
    if !messages.is_empty() {
        publish(table, messages.clone()).await;
    }
    messages
}

pub(crate) async fn read(table: &Table) -> Vec<(i32, (Option<i32>, Option<i64>))> {
    let batches = table.read_builder().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        let keys = batch.column(0).as_primitive::<Int32Type>();
        let orders = batch.column(1).as_primitive::<Int32Type>();
        let values = batch.column(2).as_primitive::<Int64Type>();
        for i in 0..batch.num_rows() {
            let order = orders.is_valid(i).then(|| orders.value(i));
            let value = values.is_valid(i).then(|| values.value(i));
            rows.push((keys.value(i), (order, value)));
        }
    }
    rows
}

/// (level, size, deletes, whether a compaction wrote it) of the live files.
pub(super) async fn files(table: &Table) -> Vec<(i32, i64, i64, bool)> {
    use paimon_core::read::{PlanRequest, plan};
    let plan = plan(table, &PlanRequest::default()).await.unwrap();
    let metas = plan.splits.iter().flat_map(|s| s.files());
    let mut files: Vec<_> = metas
        .map(|f| {
            let compacted = f.meta.file_source == Some(FileSource::Compact);
            let deletes = f.meta.delete_row_count.unwrap();
            (f.meta.level, f.meta.file_size, deletes, compacted)
        })
        .collect();
    files.sort_unstable();
    files
}

pub(super) fn model(engine: &str, by_sequence: bool, records: &[Record]) -> Model {
    let mut per_key: BTreeMap<i32, Vec<&Record>> = BTreeMap::new();
    for record in records {
        per_key.entry(record.0).or_default().push(record);
    }
    let mut out = Model::new();
    for (key, mut list) in per_key {
        if by_sequence {
            list.sort_by_key(|r| r.1);
        }
        let last = list[list.len() - 1];
        let newest_order = list.iter().rev().find_map(|r| r.1);
        let row = match engine {
            "partial-update" => Some((newest_order, list.iter().rev().find_map(|r| r.2))),
            "aggregation" => {
                let sum = list.iter().filter_map(|r| r.2).reduce(|a, b| a + b);
                Some((if by_sequence { last.1 } else { newest_order }, sum))
            }
            "first-row" => Some((list[0].1, list[0].2)),
            _ => (last.3 != 3).then_some((last.1, last.2)),
        };
        out.extend(row.map(|row| (key, row)));
    }
    out
}

pub(super) fn random_records(random: &mut StdRng, deletes: bool, nulls: bool) -> Vec<Record> {
    let count = [1, 20, 400, 3000][random.random_range(0..4)];
    let start = random.random_range(0..4000);
    let width = [10, 500, 5000][random.random_range(0..3)];
    (0..count)
        .map(|_| {
            (
                start + random.random_range(0..width),
                random.random_bool(0.8).then(|| random.random_range(0..50)),
                (!nulls || random.random_bool(0.8)).then(|| random.random_range(-99..99)),
                if deletes && random.random_bool(0.3) {
                    3
                } else {
                    0
                },
            )
        })
        .collect()
}

async fn history(folder: &Path, seed: u64, engine: &str, by_sequence: bool, format: &str) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut options = vec![
        ("bucket", "1"),
        ("write-only", "true"),
        ("merge-engine", engine),
        ("file.format", format),
        ("num-sorted-run.compaction-trigger", "3"),
        ("target-file-size", "8 kb"),
        ("fields.v.aggregate-function", "sum"),
    ];
    if engine != "aggregation" {
        options.pop();
    }
    if by_sequence {
        options.push(("sequence.field", "s"));
    }
    let table = create(folder, &schema(true, false, &options)).await;
    let context = format!("seed {seed} {engine} {by_sequence} {format}");
    let mut records = Vec::new();
    for _ in 0..random.random_range(6..14) {
        // a delete that is merged away no longer outranks records of a smaller sequence field that come later
        let deletes = engine == "deduplicate" && !by_sequence;
        // neither does a null that a merge filled from an older record
        let nulls = engine != "partial-update" || !by_sequence;
        let new = random_records(&mut random, deletes, nulls);
        write(&table, &new, None).await;
        records.extend(new);
        if random.random_bool(0.7) {
            let full = random.random_bool(0.15);
            compact(&table, full).await;
            let files = files(&table).await;
            let mut levels: Vec<i32> = files.iter().map(|f| f.0).filter(|l| *l > 0).collect();
            levels.dedup();
            let level0 = files.iter().filter(|f| f.0 == 0).count();
            assert!(levels.len() + level0 <= 3, "{context}: {files:?}");
            assert!(!full || level0 == 0, "{context}: {files:?}");
        }
        let rows = read(&table).await;
        let found: Model = rows.iter().copied().collect();
        assert_eq!(found.len(), rows.len(), "{context}: a key twice");
        let expected = model(engine, by_sequence, &records);
        if found != expected {
            let wrong = expected.iter().find(|(k, v)| found.get(k) != Some(v));
            panic!("{context}: {wrong:?} of {} rows", expected.len());
        }
    }
    compact(&table, true).await;
    let files = files(&table).await;
    assert!(
        files.iter().all(|f| f.0 == 3 && f.2 == 0),
        "{context}: {files:?}"
    );
    let found: Model = read(&table).await.into_iter().collect();
    assert!(found == model(engine, by_sequence, &records), "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_with_compactions_read_like_a_map() {
    let mut seed = 0;
    for engine in ["deduplicate", "partial-update", "aggregation"] {
        for by_sequence in [false, true] {
            for format in ["parquet", "avro", "orc"] {
                seed += 1;
                let temp = tempfile::tempdir().unwrap();
                history(temp.path(), seed, engine, by_sequence, format).await;
            }
        }
    }
}

fn numbers(range: std::ops::Range<i32>, kind: i8) -> Vec<Record> {
    range.map(|k| (k, Some(k), Some(1), kind)).collect()
}

#[tokio::test]
async fn a_large_file_alone_in_its_range_only_changes_its_level() {
    let temp = tempfile::tempdir().unwrap();
    let options = [
        ("bucket", "1"),
        ("write-only", "true"),
        ("target-file-size", "1 b"),
    ];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    write(&table, &numbers(0..10, 0), None).await;
    write(&table, &numbers(20..30, 0), None).await;
    write(&table, &numbers(25..35, 0), None).await;
    let messages = compact(&table, true).await;
    let compact = &messages[0].compact;
    let names = |files: &[paimon_core::spec::DataFileMeta]| -> Vec<String> {
        files.iter().map(|f| f.file_name.clone()).collect()
    };
    let (before, after) = (
        names(&compact.compact_before),
        names(&compact.compact_after),
    );
    assert_eq!(before.len(), 3);
    let kept: Vec<_> = after.iter().filter(|name| before.contains(name)).collect();
    assert_eq!(kept.len(), 1, "{before:?} {after:?}");
    let found = files(&table).await;
    assert!(found.iter().all(|f| f.0 == 5), "{found:?}");
    assert_eq!(found.iter().filter(|f| !f.3).count(), 1, "{found:?}");
    assert_eq!(read(&table).await.len(), 25);
}

#[tokio::test]
async fn deletes_are_kept_as_long_as_something_older_lies_below() {
    let temp = tempfile::tempdir().unwrap();
    let options = [
        ("bucket", "1"),
        ("write-only", "true"),
        ("num-sorted-run.compaction-trigger", "3"),
    ];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    write(&table, &numbers(0..50_000, 0), None).await;
    compact(&table, true).await;
    write(&table, &numbers(0..10, 3), None).await;
    write(&table, &numbers(5..15, 3), None).await;
    compact(&table, false).await;
    let found = files(&table).await;
    let deletes: Vec<_> = found.iter().map(|f| (f.0, f.2)).collect();
    assert_eq!(deletes, [(2, 15), (3, 0)]);
    assert_eq!(read(&table).await.len(), 50_000 - 15);
    compact(&table, true).await;
    assert!(files(&table).await.iter().all(|f| f.0 == 3 && f.2 == 0));
    assert_eq!(read(&table).await.len(), 50_000 - 15);
}

#[tokio::test]
async fn a_table_of_deletes_alone_becomes_empty() {
    let temp = tempfile::tempdir().unwrap();
    let options = [("bucket", "1"), ("write-only", "true")];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    write(&table, &numbers(0..10, 0), None).await;
    write(&table, &numbers(0..10, 3), None).await;
    let messages = compact(&table, true).await;
    assert!(messages[0].compact.compact_after.is_empty());
    assert!(read(&table).await.is_empty() && files(&table).await.is_empty());
}

#[tokio::test]
async fn expired_rows_are_left_out() {
    let temp = tempfile::tempdir().unwrap();
    let options = [
        ("bucket", "1"),
        ("write-only", "true"),
        ("record-level.expire-time", "1 h"),
        ("record-level.time-field", "v"),
    ];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    let now = SystemClock.epoch_ms();
    let times = [
        Some(now / 1000),
        Some(now),
        None,
        Some(now / 1000 - 4000),
        Some(now - 4_000_000),
    ];
    let records: Vec<Record> = (0..).zip(times).map(|(k, t)| (k, None, t, 0)).collect();
    write(&table, &records, None).await;
    assert_eq!(read(&table).await.len(), 5);
    compact(&table, true).await;
    let mut keys: Vec<i32> = read(&table).await.iter().map(|r| r.0).collect();
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2]);
}

#[tokio::test]
async fn only_the_partitions_asked_for_are_compacted() {
    let temp = tempfile::tempdir().unwrap();
    let options = [("bucket", "2"), ("write-only", "true")];
    let table = create(temp.path(), &schema(true, true, &options)).await;
    for _ in 0..2 {
        write(&table, &numbers(0..40, 0), Some(1)).await;
        write(&table, &numbers(0..40, 0), Some(2)).await;
    }
    let spec = vec![("p".to_string(), Some(Datum::Int(2)))];
    let messages = table.new_compact().partitions(vec![spec]).run().await;
    let messages = messages.unwrap();
    let partitions: std::collections::HashSet<_> =
        messages.iter().map(|m| m.partition.clone()).collect();
    assert_eq!((messages.len(), partitions.len()), (2, 1));
    publish(&table, messages).await;
    let mut levels: HashMap<i32, usize> = HashMap::new();
    for file in files(&table).await {
        *levels.entry(file.0).or_default() += 1;
    }
    assert_eq!(levels, HashMap::from([(0, 4), (5, 2)]));
    assert_eq!(read(&table).await.len(), 80);
    let wrong = vec![("v".to_string(), None)];
    let error = table.new_compact().partitions(vec![wrong]).run().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn postponed_rows_go_to_their_buckets() {
    for (number, buckets) in [(None, 1), (Some("3"), 3)] {
        let temp = tempfile::tempdir().unwrap();
        let mut options = vec![
            ("bucket", "-2"),
            ("postpone.batch-write-fixed-bucket", "false"),
        ];
        options.extend(number.map(|n| ("postpone.default-bucket-num", n)));
        let table = create(temp.path(), &schema(true, true, &options)).await;
        let mut records = Vec::new();
        for round in 0..3 {
            for n in 0..4 {
                let mut new = numbers(round * 10..round * 10 + 30, 0);
                new.push((round * 10 + n, None, Some(7), 3));
                write(&table, &new, Some(1)).await;
                records.extend(new);
            }
            let before = model("deduplicate", false, &records);
            let messages = table.new_compact().run().await.unwrap();
            publish(&table, messages.clone()).await;
            let written = messages.iter().filter(|m| m.bucket >= 0);
            assert!(written.clone().all(|m| m.total_buckets == buckets));
            assert!(written.count() <= usize::try_from(buckets).unwrap());
            let found: Model = read(&table).await.into_iter().collect();
            assert!(found == before, "{number:?}, round {round}");
        }
        write(&table, &numbers(0..5, 3), Some(1)).await;
        assert_eq!(table.new_compact().commit().await.unwrap().len(), 2);
        assert!(files(&table).await.iter().all(|f| f.0 == 5));
        assert!(table.new_compact().commit().await.unwrap().is_empty());
        assert_sound(&table).await;
    }
}

#[tokio::test]
async fn small_append_files_are_joined() {
    for (options, ordered) in [
        (vec![("bucket", "-1")], false),
        (
            vec![("bucket", "1"), ("bucket-key", "k"), ("write-only", "true")],
            true,
        ),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let table = create(temp.path(), &schema(false, false, &options)).await;
        for n in 0..4 {
            write(&table, &numbers(n * 10..n * 10 + 10, 0), None).await;
        }
        assert!(compact(&table, false).await.is_empty(), "{options:?}");
        write(&table, &numbers(40..50, 0), None).await;
        let messages = compact(&table, false).await;
        assert_eq!(messages[0].compact.compact_before.len(), 5);
        assert_eq!(messages[0].compact.compact_after.len(), 1);
        let file = &messages[0].compact.compact_after[0];
        let range = (file.min_sequence_number, file.max_sequence_number);
        assert_eq!((file.row_count, file.level), (50, 0));
        if ordered {
            assert_eq!(range, (0, 49));
        }
        write(&table, &numbers(50..60, 0), None).await;
        let keys: Vec<i32> = read(&table).await.iter().map(|r| r.0).collect();
        assert_eq!(keys, (0..60).collect::<Vec<_>>(), "{options:?}");
        assert!(compact(&table, false).await.is_empty());
        assert_eq!(files(&open(temp.path()).await).await.len(), 2);
    }
}

#[tokio::test]
async fn an_expired_row_does_not_bring_back_the_one_before_it() {
    for producer in ["none", "full-compaction", "lookup"] {
        let temp = tempfile::tempdir().unwrap();
        let options = [
            ("bucket", "1"),
            ("write-only", "true"),
            ("record-level.expire-time", "1 h"),
            ("record-level.time-field", "v"),
            ("changelog-producer", producer),
        ];
        let table = create(temp.path(), &schema(true, false, &options)).await;
        let now = SystemClock.epoch_ms();
        let (young, old) = (Some(now), Some(now - 4_000_000));
        write(&table, &[(1, None, young, 0), (2, None, young, 0)], None).await;
        compact(&table, true).await;
        write(&table, &[(1, None, old, 0), (3, None, old, 0)], None).await;
        compact(&table, true).await;
        let mut keys: Vec<i32> = read(&table).await.iter().map(|r| r.0).collect();
        keys.sort_unstable();
        assert_eq!(keys, [2], "{producer}");
    }
}
