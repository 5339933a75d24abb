//! Random histories of primary-key tables against a map, through several commits and flushes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use futures::TryStreamExt;
use paimon_core::format::{FileReadRequest, read_file};
use paimon_core::spec::{
    CommitMessage, DataField, DataFileMeta, DataType, TableSchema, TypeKind, is_retract,
    sequence_number_field, value_kind_field,
};
use paimon_core::table::Table;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::publish::{create, open, publish};

/// One input record: key, partition, sequence field, value, kind.
#[derive(Debug, Clone)]
pub(super) struct Record {
    key: i32,
    part: &'static str,
    order: Option<i32>,
    value: Option<i64>,
    kind: i8,
}

pub(super) fn schema(options: &[(&str, &str)]) -> TableSchema {
    let field = |id, name: &str, data_type| DataField::new(id, name, data_type);
    TableSchema {
        version: 3,
        id: 0,
        fields: vec![
            field(0, "k", DataType::not_null(TypeKind::Int)),
            field(1, "p", DataType::string().with_nullable(false)),
            field(2, "s", DataType::nullable(TypeKind::Int)),
            field(3, "v", DataType::nullable(TypeKind::BigInt)),
        ],
        highest_field_id: 3,
        partition_keys: vec!["p".into()],
        primary_keys: vec!["k".into(), "p".into()],
        options: options
            .iter()
            .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
            .collect(),
        comment: None,
        time_millis: 0,
    }
}

pub(super) fn batch(records: &[Record]) -> (RecordBatch, Int8Array) {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(records.iter().map(|r| Some(r.key)).collect::<Int32Array>()),
        Arc::new(
            records
                .iter()
                .map(|r| Some(r.part))
                .collect::<StringArray>(),
        ),
        Arc::new(records.iter().map(|r| r.order).collect::<Int32Array>()),
        Arc::new(records.iter().map(|r| r.value).collect::<Int64Array>()),
    ];
    let fields = ["k", "p", "s", "v"].iter().zip(&columns);
    let fields: Vec<Field> = fields
        .map(|(name, c)| Field::new(*name, c.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    (batch, records.iter().map(|r| Some(r.kind)).collect())
}

pub(super) fn random_records(
    random: &mut StdRng,
    count: usize,
    keys: i32,
    deletes: bool,
) -> Vec<Record> {
    (0..count)
        .map(|_| Record {
            key: random.random_range(0..keys),
            part: ["a", "b b", "c/d"][random.random_range(0..3)],
            order: random.random_bool(0.8).then(|| random.random_range(0..50)),
            value: random
                .random_bool(0.8)
                .then(|| random.random_range(-99..99)),
            kind: if deletes && random.random_bool(0.15) {
                3
            } else {
                0
            },
        })
        .collect()
}

/// What a table must hold after these records: (key, partition) to (order, value).
pub(super) type Model = BTreeMap<(i32, String), (Option<i32>, Option<i64>)>;

pub(super) fn model(engine: &str, by_order: Option<bool>, records: &[Record]) -> Model {
    let mut per_key: BTreeMap<(i32, String), Vec<&Record>> = BTreeMap::new();
    for record in records {
        let key = (record.key, record.part.to_string());
        per_key.entry(key).or_default().push(record);
    }
    let mut out = Model::new();
    for (key, mut list) in per_key {
        if let Some(descending) = by_order {
            list.sort_by_key(|r| match r.order {
                None => (0, 0),
                Some(o) if descending => (1, -o),
                Some(o) => (1, o),
            });
        }
        let last = list[list.len() - 1];
        let row = match engine {
            "partial-update" => Some((
                list.iter().rev().find_map(|r| r.order),
                list.iter().rev().find_map(|r| r.value),
            )),
            "aggregation" => Some((
                list.iter().rev().find_map(|r| r.order),
                list.iter().filter_map(|r| r.value).reduce(|a, b| a + b),
            )),
            _ => (!is_retract(last.kind)).then_some((last.order, last.value)),
        };
        if let Some(row) = row {
            out.insert(key, row);
        }
    }
    out
}

pub(super) async fn read(table: &Table) -> Model {
    let mut out = Model::new();
    for batch in table.read_builder().collect().await.unwrap() {
        let texts = batch.column(1).as_string_view();
        for i in 0..batch.num_rows() {
            let ints = |c: usize| {
                let column = batch.column(c).as_primitive::<Int32Type>();
                column.is_valid(i).then(|| column.value(i))
            };
            let longs = batch.column(3).as_primitive::<Int64Type>();
            let value = longs.is_valid(i).then(|| longs.value(i));
            let key = (ints(0).unwrap(), texts.value(i).to_string());
            assert!(out.insert(key, (ints(2), value)).is_none(), "a key twice");
        }
    }
    out
}

/// Keys, sequence numbers and kinds of a data file, in order.
pub(super) async fn file_rows(
    table: &Table,
    folder: &str,
    meta: &DataFileMeta,
) -> Vec<(i32, i64, i8)> {
    let location = format!("{folder}/{}", meta.file_name);
    let request = FileReadRequest {
        file: table.io().open(&location).await.unwrap(),
        fields: vec![
            table.schema().fields[0].clone(),
            sequence_number_field(),
            value_kind_field(),
        ],
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: 1000,
        step_bytes: paimon_core::format::DEFAULT_STEP_BYTES,
        with_position: false,
    };
    assert_eq!(request.file.size(), u64::try_from(meta.file_size).unwrap());
    let batches: Vec<RecordBatch> = read_file(request)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let mut rows = Vec::new();
    for batch in batches {
        let keys = batch.column(0).as_primitive::<Int32Type>();
        let sequences = batch.column(1).as_primitive::<Int64Type>();
        let kinds = batch.column(2).as_primitive::<Int8Type>();
        for i in 0..batch.num_rows() {
            rows.push((keys.value(i), sequences.value(i), kinds.value(i)));
        }
    }
    rows
}

pub(super) fn bucket_folder(root: &Path, message: &CommitMessage) -> String {
    let text = String::from_utf8_lossy(&message.partition).into_owned();
    let part = ["a", "b b", "c/d"]
        .into_iter()
        .find(|p| text.contains(p))
        .unwrap();
    let part = part.replace('/', "%2F");
    format!(
        "{}/p={part}/bucket-{}",
        root.to_str().unwrap(),
        message.bucket
    )
}

/// Checks that metadata says what the files hold; returns rows of all files.
async fn check_files(
    table: &Table,
    root: &Path,
    messages: &[CommitMessage],
    next: &mut HashMap<(Vec<u8>, i32), i64>,
) -> (usize, usize) {
    let (mut data, mut changelog) = (0, 0);
    for message in messages {
        let folder = bucket_folder(root, message);
        let bucket = (message.partition.to_vec(), message.bucket);
        let start = next.get(&bucket).copied().unwrap_or(0);
        let mut end = start;
        let files = message.data.new_files.iter().map(|f| (f, true));
        let files = files.chain(message.data.changelog_files.iter().map(|f| (f, false)));
        for (meta, merged) in files {
            let rows = file_rows(table, &folder, meta).await;
            assert_eq!(meta.row_count, i64::try_from(rows.len()).unwrap());
            let order: Vec<i32> = rows.iter().map(|r| r.0).collect();
            if merged {
                assert!(order.is_sorted_by(|a, b| a < b), "keys ascend once each");
                data += rows.len();
            } else {
                assert!(order.is_sorted());
                changelog += rows.len();
            }
            let deletes = rows.iter().filter(|r| is_retract(r.2)).count();
            assert_eq!(meta.delete_row_count, i64::try_from(deletes).ok());
            assert_eq!(
                Some(meta.min_sequence_number),
                rows.iter().map(|r| r.1).min()
            );
            assert_eq!(
                Some(meta.max_sequence_number),
                rows.iter().map(|r| r.1).max()
            );
            assert!(
                meta.min_sequence_number >= start,
                "sequence numbers are new"
            );
            if merged {
                end = end.max(meta.max_sequence_number + 1);
            }
            let int = DataType::not_null(TypeKind::Int);
            for (bytes, row) in [(&meta.min_key, rows.first()), (&meta.max_key, rows.last())] {
                let key = paimon_core::spec::BinaryRow::from_serialized(bytes, "key").unwrap();
                let expected = paimon_core::spec::Datum::Int(row.unwrap().0);
                assert_eq!(key.get(0, &int).unwrap(), Some(expected));
            }
            assert_eq!((meta.level, meta.schema_id), (0, 0));
        }
        next.insert(bucket, end);
    }
    (data, changelog)
}

fn folder(temp: &Path, name: &str) -> PathBuf {
    std::env::var_os("PAIMON_WRITE_DIR")
        .map_or_else(|| temp.join(name), |d| PathBuf::from(d).join(name))
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn commits_and_flushes_read_as_the_map_says(
    #[values("deduplicate", "partial-update", "aggregation")] engine: &str,
    #[values("2", "-1", "-2")] bucket: &str,
    #[values(None, Some(false), Some(true))] by_order: Option<bool>,
    #[values("parquet", "avro", "orc")] format: &str,
    #[values("spill", "spill-2", "flush", "all")] memory: &str,
) {
    let seed = 4242;
    let mut random = StdRng::seed_from_u64(seed);
    let mut options = vec![
        ("merge-engine", engine),
        ("bucket", bucket),
        ("file.format", format),
        (
            "write-buffer-size",
            if memory == "all" { "64 mb" } else { "16 kb" },
        ),
        (
            "write-buffer-spillable",
            if memory == "flush" { "false" } else { "true" },
        ),
        (
            "local-sort.max-num-file-handles",
            if memory == "spill-2" { "2" } else { "128" },
        ),
        ("dynamic-bucket.target-row-num", "45"),
        ("postpone.default-bucket-num", "3"),
        (
            "changelog-producer",
            if engine == "deduplicate" {
                "input"
            } else {
                "none"
            },
        ),
        ("target-file-size", "3 kb"),
    ];
    if engine == "aggregation" {
        options.push(("fields.v.aggregate-function", "sum"));
    }
    if let Some(descending) = by_order {
        options.push(("sequence.field", "s"));
        let order = if descending {
            "descending"
        } else {
            "ascending"
        };
        options.push(("sequence.field.sort-order", order));
    }
    let temp = tempfile::tempdir().unwrap();
    let order = by_order.map_or("none", |d| if d { "desc" } else { "asc" });
    let name = format!("{engine}{bucket}-{order}-{format}-{memory}");
    let root = folder(temp.path(), &name);
    create(&root, &schema(&options)).await;
    let mut all = Vec::new();
    let mut next = HashMap::new();
    for commit in 0..3 {
        let table = open(&root).await;
        let mut write = table.new_write().unwrap();
        let mut records = random_records(&mut random, 450, 140, engine == "deduplicate");
        if engine == "partial-update" && by_order.is_some() {
            // with nulls the outcome depends on which records meet in one flush, in Java too
            for (i, record) in records.iter_mut().enumerate() {
                record.order = record.order.or(Some(7));
                record.value = record.value.or(i64::try_from(i).ok());
            }
        }
        for part in records.chunks(130) {
            let (batch, kinds) = batch(part);
            write.write_with_kinds(&batch, &kinds).await.unwrap();
        }
        let messages = write.prepare_commit().await.unwrap();
        assert!(write.prepare_commit().await.unwrap().is_empty());
        let (data, changelog) = check_files(&table, &root, &messages, &mut next).await;
        let keys: HashSet<_> = records.iter().map(|r| (r.key, r.part)).collect();
        let flushed_once = memory == "spill" || memory == "all";
        if flushed_once {
            assert_eq!(data, keys.len(), "a key in two files of a commit");
        } else {
            let least = keys.len() + usize::from(memory == "flush");
            assert!((least..=records.len()).contains(&data));
        }
        if engine == "deduplicate" {
            assert_eq!(changelog, records.len());
        }
        all.extend(records);
        publish(&table, messages.clone()).await;
        let found = read(&open(&root).await).await;
        assert_eq!(
            found,
            model(engine, by_order, &all),
            "seed {seed}, commit {commit}"
        );
    }
    let buckets: Vec<i32> = next.keys().map(|k| k.1).collect();
    let most = buckets.iter().max().copied().unwrap();
    assert!(
        if bucket == "2" { most == 1 } else { most >= 2 },
        "{buckets:?}"
    );
    let rows: Vec<String> = read(&open(&root).await)
        .await
        .into_iter()
        .map(|((k, p), (s, v))| serde_json::json!(["+I", k, p, s, v]).to_string())
        .collect();
    std::fs::write(root.with_extension("rows"), rows.join("\n")).unwrap();
}

#[tokio::test]
async fn a_changed_bucket_number_is_refused_where_files_are() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("t");
    let table = create(&root, &schema(&[("bucket", "2")])).await;
    let record = |part| Record {
        key: 1,
        part,
        order: None,
        value: None,
        kind: 0,
    };
    let mut write = table.new_write().unwrap();
    write.write(&batch(&[record("a")]).0).await.unwrap();
    publish(&table, write.prepare_commit().await.unwrap()).await;
    let table = create(&root, &schema(&[("bucket", "3")])).await;
    let mut write = table.new_write().unwrap();
    write.write(&batch(&[record("b b")]).0).await.unwrap();
    let error = write.write(&batch(&[record("a")]).0).await.unwrap_err();
    assert!(
        error
            .message()
            .contains("new bucket num 3, but the previous bucket num is 2"),
        "{error}"
    );
    let error = write.prepare_commit().await.unwrap_err();
    assert!(
        error.to_string().contains("failed or was aborted"),
        "{error}"
    );
    write.abort().await;
    assert!(!root.join("p=b b/bucket-0").exists() || is_empty(&root.join("p=b b")));
    let overwrite = table.write_builder().with_ignore_previous_files(true);
    let mut write = overwrite.build().unwrap();
    write.write(&batch(&[record("a")]).0).await.unwrap();
    let messages = write.prepare_commit().await.unwrap();
    assert_eq!(messages[0].total_buckets, 3);
    assert_eq!(messages[0].data.new_files[0].min_sequence_number, 0);
}

pub(super) fn is_empty(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return true;
    };
    entries
        .map(|e| e.unwrap().path())
        .all(|p| p.is_dir() && is_empty(&p))
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_write_leaves_no_file(#[values("deduplicate", "append")] kind: &str) {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("t");
    let mut schema = schema(&[
        ("bucket", "-1"),
        ("write-buffer-size", "16 kb"),
        ("write-buffer-spillable", "false"),
        ("target-file-size", "1 kb"),
        ("dynamic-bucket.target-row-num", "70"),
    ]);
    if kind == "append" {
        schema.primary_keys.clear();
    }
    let table = create(&root, &schema).await;
    let mut write = table.new_write().unwrap();
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..40 {
        let records = random_records(&mut random, 1_000, 500, false);
        write.write(&batch(&records).0).await.unwrap();
    }
    write.abort().await;
    for part in ["p=a", "p=b b", "p=c%2Fd"] {
        assert!(root.join(part).exists(), "something was written to {part}");
        assert!(is_empty(&root.join(part)));
    }
}

#[tokio::test]
async fn tables_that_cannot_be_written_are_refused_before_anything_is() {
    let temp = tempfile::tempdir().unwrap();
    for (i, (options, named)) in [
        (vec![("bucket", "2"), ("file.format", "csv")], "file.format"),
        (
            vec![("bucket", "2"), ("file.compression", "lzo")],
            "file.compression",
        ),
        (vec![("bucket", "0")], "bucket"),
        (
            vec![
                ("bucket", "2"),
                ("changelog-producer", "input"),
                ("changelog-file.format", "csv"),
            ],
            "file.format",
        ),
        (
            vec![
                ("bucket", "2"),
                ("merge-engine", "aggregation"),
                ("fields.v.aggregate-function", "median"),
            ],
            "fields.v.aggregate-function",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let root = temp.path().join(i.to_string());
        let table = create(&root, &schema(&options)).await;
        let error = table.new_write().err().unwrap().to_string();
        assert!(error.contains(named), "{error}");
        assert!(!root.join("p=a").exists());
    }
}

#[rstest]
#[tokio::test]
async fn postponed_rows_lie_in_the_order_they_came(
    #[values("parquet", "avro", "orc")] format: &str,
) {
    let temp = tempfile::tempdir().unwrap();
    let root = folder(temp.path(), &format!("postponed-{format}"));
    let options = [
        ("bucket", "-2"),
        ("postpone.batch-write-fixed-bucket", "false"),
        ("postpone.default-bucket-num", "2"),
        ("file.format", format),
        ("merge-engine", "aggregation"),
        ("fields.v.aggregate-function", "sum"),
    ];
    let table = create(&root, &schema(&options)).await;
    let mut write = table
        .write_builder()
        .with_commit_user("me")
        .build()
        .unwrap();
    let mut random = StdRng::seed_from_u64(8);
    let mut all = Vec::new();
    for _ in 0..5 {
        let records = random_records(&mut random, 100, 20, false);
        let (batch, kinds) = batch(&records);
        write.write_with_kinds(&batch, &kinds).await.unwrap();
        all.extend(records);
    }
    let retract = Record {
        key: 1,
        part: "a",
        order: None,
        value: Some(1),
        kind: 3,
    };
    let first_row = [
        ("bucket", "-2"),
        ("postpone.batch-write-fixed-bucket", "false"),
        ("merge-engine", "first-row"),
    ];
    let other = create(&temp.path().join("other"), &schema(&first_row)).await;
    let (rows, kinds) = batch(std::slice::from_ref(&retract));
    let refused = other
        .new_write()
        .unwrap()
        .write_with_kinds(&rows, &kinds)
        .await;
    assert!(
        refused.is_err(),
        "retracts are tried before they are postponed"
    );
    let messages = write.prepare_commit().await.unwrap();
    assert_eq!(messages.len(), 3);
    for message in &messages {
        assert_eq!((message.bucket, message.total_buckets), (-2, -2));
        let file = &message.data.new_files[0];
        assert!(file.file_name.starts_with("data--u-me-s-") && file.file_name.ends_with(".avro"));
        assert_eq!(file.value_stats_cols, Some(vec![]));
        let folder = bucket_folder(&root, message).replace("bucket--2", "bucket-postpone");
        let rows = file_rows(&table, &folder, file).await;
        let text = String::from_utf8_lossy(&message.partition).into_owned();
        let of_part = all.iter().filter(|r| text.contains(r.part));
        assert_eq!(
            rows.iter().map(|r| r.0).collect::<Vec<_>>(),
            of_part.map(|r| r.key).collect::<Vec<_>>()
        );
        assert!(rows.iter().map(|r| r.1).is_sorted_by(|a, b| a < b));
    }
    publish(&table, messages).await;
    assert!(read(&open(&root).await).await.is_empty());
    let rows: Vec<String> = model("aggregation", None, &all)
        .into_iter()
        .map(|((k, p), (s, v))| serde_json::json!(["+I", k, p, s, v]).to_string())
        .collect();
    std::fs::write(root.with_extension("rows"), rows.join("\n")).unwrap();
}

#[test]
fn writes_can_move_between_threads() {
    fn is_send<T: Send>(
        _: impl FnOnce(&'static mut paimon_core::table::TableWrite, &'static RecordBatch) -> T,
    ) {
    }
    is_send(|write, batch| write.write(batch));
    is_send(|write, _| write.prepare_commit());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn keys_move_between_partitions(
    #[values(
        "deduplicate",
        "partial-update",
        "first-row",
        "vectors",
        "vectors-partial"
    )]
    kind: &str,
    #[values("16 kb", "64 mb")] memory: &str,
) {
    let (engine, vectors) = match kind {
        "vectors" => ("deduplicate", true),
        "vectors-partial" => ("partial-update", true),
        engine => (engine, false),
    };
    let seed = 99;
    let mut random = StdRng::seed_from_u64(seed);
    let temp = tempfile::tempdir().unwrap();
    let root = folder(
        temp.path(),
        &format!("moving-{kind}-{}", memory.replace(' ', "")),
    );
    // their new rows are hidden until a compaction, but their keys count
    let hidden = vectors || engine == "first-row";
    let mut schema = schema(&[
        ("bucket", "-1"),
        ("merge-engine", engine),
        ("write-buffer-size", memory),
        ("dynamic-bucket.target-row-num", "60"),
        ("deletion-vectors.enabled", &vectors.to_string()),
        ("write-only", &hidden.to_string()),
    ]);
    schema.primary_keys = vec!["k".into()];
    create(&root, &schema).await;
    // key to partition and row
    let mut expected: BTreeMap<i32, Record> = BTreeMap::new();
    for commit in 0..3 {
        let table = open(&root).await;
        let mut write = table.new_write().unwrap();
        let records = random_records(&mut random, 400, 250, engine == "deduplicate");
        for part in records.chunks(90) {
            let (batch, kinds) = batch(part);
            write.write_with_kinds(&batch, &kinds).await.unwrap();
        }
        for record in records {
            let known = expected.remove(&record.key);
            if engine == "deduplicate" {
                if !is_retract(record.kind) {
                    expected.insert(record.key, record);
                }
                continue;
            }
            let old = known.unwrap_or_else(|| record.clone());
            let merged = match engine {
                "first-row" => old,
                _ => Record {
                    part: old.part,
                    order: record.order.or(old.order),
                    value: record.value.or(old.value),
                    ..record
                },
            };
            expected.insert(merged.key, merged);
        }
        let messages = write.prepare_commit().await.unwrap();
        assert!(messages.iter().all(|m| m.total_buckets == -1));
        publish(&table, messages.clone()).await;
        if hidden {
            if commit == 1 {
                continue;
            }
            compact_all(&open(&root).await).await;
        }
        let model: Model = expected
            .values()
            .map(|r| ((r.key, r.part.to_string()), (r.order, r.value)))
            .collect();
        assert_eq!(
            read(&open(&root).await).await,
            model,
            "seed {seed}, commit {commit}"
        );
        if commit == 2 {
            assert!(messages.iter().any(|m| m.bucket == 1));
        }
    }
    let rows: Vec<String> = expected
        .values()
        .map(|r| serde_json::json!(["+I", r.key, r.part, r.order, r.value]).to_string())
        .collect();
    std::fs::write(root.with_extension("rows"), rows.join("\n")).unwrap();
}

/// Merges everything, though the table is only written.
async fn compact_all(table: &Table) {
    let options = HashMap::from([("write-only".to_string(), "false".to_string())]);
    let table = table.with_options(&options).await.unwrap();
    let made = table.new_compact().full(true).commit().await.unwrap();
    assert!(!made.is_empty());
}

/// Remembers the most that was ever taken.
#[derive(Debug)]
struct Watched {
    limit: usize,
    state: std::sync::Mutex<(usize, usize)>,
}

impl paimon_core::write::MemoryBudget for Watched {
    fn try_grow(&self, bytes: usize) -> bool {
        let fits = self.state.lock().unwrap().0 + bytes <= self.limit;
        if fits {
            self.grow(bytes);
        }
        fits
    }

    fn grow(&self, bytes: usize) {
        let mut state = self.state.lock().unwrap();
        state.0 += bytes;
        state.1 = state.1.max(state.0);
    }

    fn shrink(&self, bytes: usize) {
        self.state.lock().unwrap().0 -= bytes;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_within_the_budget_and_is_given_back(
    #[values("append", "key")] kind: &str,
    #[values("1", "4", "-1")] bucket: &str,
) {
    let limit = 2 << 20;
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("t");
    let mut schema = schema(&[("bucket", bucket)]);
    if kind == "append" {
        schema.primary_keys.clear();
        if bucket != "-1" {
            schema.options.insert("bucket-key".into(), "k".into());
        }
    }
    let table = create(&root, &schema).await;
    let budget = Arc::new(Watched {
        limit,
        state: std::sync::Mutex::default(),
    });
    let mut context = paimon_core::write::WriteContext::with_memory(0);
    context.memory = budget.clone();
    let mut write = table.write_builder().with_context(context).build().unwrap();
    let mut random = StdRng::seed_from_u64(3);
    let mut total = 0;
    for _ in 0..25 {
        let records = random_records(&mut random, 8_000, 1_000_000, false);
        write.write(&batch(&records).0).await.unwrap();
        total += records.len();
    }
    let messages = write.prepare_commit().await.unwrap();
    let rows: i64 = messages
        .iter()
        .flat_map(|m| &m.data.new_files)
        .map(|f| f.row_count)
        .sum();
    assert!(
        rows > 170_000 && rows <= i64::try_from(total).unwrap(),
        "{rows}"
    );
    let (used, most) = *budget.state.lock().unwrap();
    assert!(most < limit + limit / 2, "{most} bytes at most");
    assert_eq!(used, 0, "all is given back when the files are complete");
    drop(write);
}

#[tokio::test]
async fn a_table_at_a_snapshot_takes_no_rows() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("t");
    let table = create(&root, &schema(&[("bucket", "1")])).await;
    let mut write = table.new_write().unwrap();
    let record = Record {
        key: 1,
        part: "a",
        order: None,
        value: None,
        kind: 0,
    };
    write.write(&batch(&[record]).0).await.unwrap();
    publish(&table, write.prepare_commit().await.unwrap()).await;
    let pinned = HashMap::from([("scan.snapshot-id".to_string(), "1".to_string())]);
    let pinned = open(&root).await.with_options(&pinned).await.unwrap();
    assert!(
        pinned
            .new_write()
            .err()
            .unwrap()
            .to_string()
            .contains("time travel")
    );
}

#[tokio::test]
async fn a_bucket_first_written_late_goes_on_after_the_rows_of_others() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("t");
    let table = create(&root, &schema(&[("bucket", "1")])).await;
    let record = |part, value| Record {
        key: 1,
        part,
        order: None,
        value: Some(value),
        kind: 0,
    };
    let mut early = table.new_write().unwrap();
    early.write(&batch(&[record("a", 1)]).0).await.unwrap();
    for value in [2, 3] {
        let mut other = open(&root).await.new_write().unwrap();
        other
            .write(&batch(&[record("b b", value)]).0)
            .await
            .unwrap();
        publish(&table, other.prepare_commit().await.unwrap()).await;
    }
    early.write(&batch(&[record("b b", 4)]).0).await.unwrap();
    publish(&table, early.prepare_commit().await.unwrap()).await;
    let rows = read(&open(&root).await).await;
    assert_eq!(rows[&(1, "b b".to_string())].1, Some(4));
    assert_eq!(rows[&(1, "a".to_string())].1, Some(1));
}
