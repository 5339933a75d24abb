//! Incremental clustering, and compactions of rows that keep their ids.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use paimon_core::ErrorKind;
use paimon_core::read::{PlanRequest, plan};
use paimon_core::spec::{CommitKind, DataFileMeta, Datum};
use paimon_core::table::Table;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::trees::{Record, compact, read, schema, write};
use crate::commit::assert_sound;
use crate::write::publish::{create, open};

const CLUSTERED: &[(&str, &str)] = &[
    ("clustering.incremental", "true"),
    ("clustering.columns", "k"),
    ("target-file-size", "4 kb"),
];

async fn files(table: &Table) -> Vec<DataFileMeta> {
    let plan = plan(table, &PlanRequest::default()).await.unwrap();
    let files = plan.splits.iter().flat_map(|s| s.files());
    files.map(|f| DataFileMeta::clone(&f.meta)).collect()
}

/// `k`, `_ROW_ID` and `_SEQUENCE_NUMBER` of every row, sorted.
async fn tracked(table: &Table) -> Vec<(i32, i64, i64)> {
    let builder = table.read_builder();
    let builder = builder.with_projection(&["k", "_ROW_ID", "_SEQUENCE_NUMBER"]);
    let mut rows = Vec::new();
    for batch in builder.collect().await.unwrap() {
        let keys = batch.column(0).as_primitive::<Int32Type>();
        let ids = batch.column(1).as_primitive::<Int64Type>();
        let sequences = batch.column(2).as_primitive::<Int64Type>();
        assert_eq!(ids.values().len(), batch.num_rows());
        for i in 0..batch.num_rows() {
            rows.push((keys.value(i), ids.value(i), sequences.value(i)));
        }
    }
    rows.sort_unstable();
    rows
}

fn random_rows(random: &mut StdRng, count: usize) -> Vec<Record> {
    let row = |random: &mut StdRng| {
        let value = random.random_bool(0.9).then(|| random.random_range(0..100));
        (random.random_range(0..10_000), None, value, 0)
    };
    (0..count).map(|_| row(random)).collect()
}

async fn sorted(table: &Table) -> Vec<(i32, (Option<i32>, Option<i64>))> {
    let mut rows = read(table).await;
    rows.sort_unstable();
    rows
}

/// Smallest and largest `k` of a file.
fn bounds(table: &Table, file: &DataFileMeta) -> (i32, i32) {
    let at = table.schema().fields.iter().position(|f| f.name == "k");
    let names = file.value_stats_cols.as_ref();
    let at = names.map_or(at, |names| names.iter().position(|n| n == "k"));
    let field = &table.schema().fields[0];
    let bound = |bytes| {
        let row = paimon_core::spec::BinaryRow::from_serialized(bytes, "bound").unwrap();
        match row.get(at.unwrap(), &field.data_type).unwrap() {
            Some(Datum::Int(v)) => v,
            other => panic!("{other:?}"),
        }
    };
    let stats = &file.value_stats;
    (bound(&stats.min_values), bound(&stats.max_values))
}

#[rstest]
#[case::unaware(&[])]
#[case::tracked(&[("row-tracking.enabled", "true")])]
#[case::buckets(&[("bucket", "2"), ("bucket-key", "k"), ("bucket-append-ordered", "false"), ("write-only", "true")])]
#[tokio::test(flavor = "multi_thread")]
async fn due_runs_are_sorted_and_the_rest_stays(#[case] more: &[(&str, &str)]) {
    let temp = tempfile::tempdir().unwrap();
    let options = [CLUSTERED, more].concat();
    let table = create(&temp.path().join("t"), &schema(false, false, &options)).await;
    let has_ids = table.options().row_tracking;
    let mut random = StdRng::seed_from_u64(11);
    let mut ids = Vec::new();
    let (mut rewritten, mut stayed) = (0, 0);
    for round in 0..30 {
        let count = if round == 0 { 5_000 } else { 150 };
        write(&table, &random_rows(&mut random, count), None).await;
        let before = sorted(&table).await;
        let old = files(&table).await;
        if has_ids {
            ids = tracked(&table).await;
            assert_eq!(ids.len(), before.len());
        }
        let messages = compact(&table, false).await;
        assert_eq!(sorted(&table).await, before, "round {round}");
        if has_ids {
            assert_eq!(tracked(&table).await, ids, "round {round}");
        }
        let new = files(&table).await;
        if messages.is_empty() {
            assert_eq!(new.len(), old.len());
            continue;
        }
        let snapshot = table.snapshots().latest().await.unwrap().unwrap();
        assert_eq!(snapshot.commit_kind, CommitKind::Compact);
        rewritten += messages
            .iter()
            .map(|m| m.compact.compact_before.len())
            .sum::<usize>();
        stayed += new
            .iter()
            .filter(|f| f.level > 0 && old.iter().any(|o| o.file_name == f.file_name))
            .count();
        for message in &messages {
            let after = &message.compact.compact_after;
            assert!(after.iter().all(|f| f.level > 0));
            // the files of a run come in order and do not overlap
            let ends: Vec<(i32, i32)> = after.iter().map(|f| bounds(&table, f)).collect();
            assert!(ends.windows(2).all(|w| w[0].1 <= w[1].0), "{ends:?}");
        }
    }
    assert!(rewritten > 0 && stayed > 0, "{rewritten} {stayed}");
    assert_sound(&table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_clustering_sorts_all_once_and_again_for_other_columns() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("t");
    let table = create(&root, &schema(false, false, CLUSTERED)).await;
    let mut random = StdRng::seed_from_u64(5);
    for _ in 0..3 {
        write(&table, &random_rows(&mut random, 800), None).await;
    }
    let rows = sorted(&table).await;
    assert!(
        compact(&table, false).await.is_empty(),
        "three runs are not due"
    );
    assert!(!compact(&table, true).await.is_empty());
    assert!(files(&table).await.iter().all(|f| f.level == 5));
    assert!(compact(&table, true).await.is_empty(), "all is sorted");
    // the level of a row says nothing about which columns it is sorted by
    let other = HashMap::from([("clustering.columns".to_string(), "v,k".to_string())]);
    let other = open(&root).await.with_options(&other).await.unwrap();
    assert!(!compact(&other, true).await.is_empty());
    assert_eq!(sorted(&table).await, rows);
    assert_sound(&table).await;
}

#[tokio::test]
async fn clustering_that_cannot_be_done_is_refused_by_option() {
    let temp = tempfile::tempdir().unwrap();
    for (i, (options, kind, named)) in [
        (
            vec![("clustering.incremental", "true")],
            ErrorKind::InvalidInput,
            "clustering.columns",
        ),
        (
            [CLUSTERED, &[("clustering.strategy", "best")]].concat(),
            ErrorKind::InvalidInput,
            "clustering.strategy",
        ),
        (
            [CLUSTERED, &[("clustering.incremental.mode", "no-sort")]].concat(),
            ErrorKind::InvalidInput,
            "clustering.incremental.mode",
        ),
        (
            [
                CLUSTERED,
                &[("clustering.history-partition.idle-to-full-sort", "1 d")],
            ]
            .concat(),
            ErrorKind::Unsupported,
            "clustering.history-partition.idle-to-full-sort",
        ),
        (
            [CLUSTERED, &[("bucket", "2"), ("bucket-key", "k")]].concat(),
            ErrorKind::InvalidInput,
            "bucket-append-ordered",
        ),
        (
            [CLUSTERED, &[("clustering.columns", "nothing")]].concat(),
            ErrorKind::InvalidInput,
            "nothing",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let root = temp.path().join(i.to_string());
        let table = create(&root, &schema(false, false, &options)).await;
        let error = table.new_compact().run().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_keep_their_ids_when_files_are_joined() {
    let temp = tempfile::tempdir().unwrap();
    let options = [
        ("row-tracking.enabled", "true"),
        ("compaction.min.file-num", "2"),
    ];
    let table = create(&temp.path().join("t"), &schema(false, true, &options)).await;
    for round in 0..6 {
        let rows: Vec<Record> = (0..20).map(|k| (round * 20 + k, None, None, 0)).collect();
        write(&table, &rows, Some(round % 2)).await;
        // compacted rows are compacted again, together with new ones
        if round % 3 == 2 {
            let before = tracked(&table).await;
            let messages = compact(&table, true).await;
            for file in messages.iter().flat_map(|m| &m.compact.compact_after) {
                let columns = file.write_cols.as_ref().unwrap();
                assert_eq!(columns[4..], ["_ROW_ID", "_SEQUENCE_NUMBER"]);
                assert_eq!(file.first_row_id, None);
                assert!(file.min_sequence_number > 0);
            }
            assert_eq!(tracked(&table).await, before);
        }
    }
    let ids: Vec<i64> = {
        let mut ids: Vec<i64> = tracked(&table).await.iter().map(|r| r.1).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids, (0..120).collect::<Vec<i64>>());
    assert_sound(&table).await;
    let sorting = table.new_compact();
    let sorting = sorting.order(paimon_core::compact::OrderStrategy::Order, vec!["k".into()]);
    let error = sorting.run().await.unwrap_err();
    assert!(
        error.to_string().contains("row-tracking.enabled"),
        "{error}"
    );
}
