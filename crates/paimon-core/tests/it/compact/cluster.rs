//! Sorting compactions: the same rows, in files that filters tell apart.

use std::collections::BTreeSet;
use std::path::Path;

use paimon_core::ErrorKind;
use paimon_core::compact::OrderStrategy;
use paimon_core::predicate::{Predicate, PredicateOp};
use paimon_core::read::{PlanRequest, plan};
use paimon_core::spec::{CommitKind, Datum};
use paimon_core::table::Table;
use paimon_core::write::WriteContext;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;
use tokio::task::JoinSet;

use super::trees::{Record, read, schema, write};
use crate::commit::assert_sound;
use crate::write::publish::{create, publish};

const SMALL: &[(&str, &str)] = &[("target-file-size", "4 kb"), ("write-buffer-size", "64 kb")];

fn random_rows(random: &mut StdRng, count: usize) -> Vec<Record> {
    let row = |random: &mut StdRng| {
        let number = random.random_range(-1000..1000);
        let order = random.random_bool(0.95).then_some(number);
        let value = random
            .random_bool(0.95)
            .then(|| random.random_range(-1000..1000));
        (random.random_range(-1000..1000), order, value, 0)
    };
    (0..count).map(|_| row(random)).collect()
}

async fn sorted_rows(table: &Table) -> Vec<(i32, (Option<i32>, Option<i64>))> {
    let mut rows = read(table).await;
    rows.sort_unstable();
    rows
}

async fn files_read(table: &Table, filter: Predicate) -> usize {
    let request = PlanRequest {
        filter,
        ..PlanRequest::default()
    };
    let plan = plan(table, &request).await.unwrap();
    plan.splits.iter().map(|s| s.files().len()).sum()
}

/// Files that a search for one value of a column reads, on average of some values, in percent of all files.
async fn share_read(table: &Table, column: usize) -> usize {
    let all = files_read(table, Predicate::AlwaysTrue).await;
    let mut read = 0;
    let values = [-900, -333, 5, 410, 888];
    for value in values {
        let value = match column {
            2 => Datum::BigInt(value),
            _ => Datum::Int(value.try_into().unwrap()),
        };
        let field = &table.schema().fields[column];
        let leaf = Predicate::leaf(field, PredicateOp::Eq, vec![Some(value)]).unwrap();
        read += files_read(table, leaf).await;
    }
    read * 100 / (all * values.len())
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|c| (*c).to_string()).collect()
}

/// Names of the files below a folder.
fn listing(folder: &Path) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(listing(&path));
        } else {
            out.insert(path.to_str().unwrap().to_string());
        }
    }
    out
}

#[rstest]
#[case::order(OrderStrategy::Order, &["k"], &[0])]
#[case::order_by_two(OrderStrategy::Order, &["v", "k"], &[2])]
#[case::z_order(OrderStrategy::ZOrder, &["k", "v"], &[0, 2])]
#[case::hilbert(OrderStrategy::Hilbert, &["k", "v"], &[0, 2])]
#[case::hilbert_of_three(OrderStrategy::Hilbert, &["k", "s", "v"], &[0, 1, 2])]
#[tokio::test(flavor = "multi_thread")]
async fn sorted_tables_have_the_same_rows_and_filters_read_few_files(
    #[case] strategy: OrderStrategy,
    #[case] columns: &[&str],
    #[case] narrow: &[usize],
    #[values("parquet", "avro", "orc")] format: &str,
) {
    let seed = 4711;
    let mut random = StdRng::seed_from_u64(seed);
    let temp = tempfile::tempdir().unwrap();
    let options = [SMALL, &[("file.format", format)]].concat();
    let table = create(temp.path(), &schema(false, false, &options)).await;
    for _ in 0..12 {
        write(&table, &random_rows(&mut random, 2000), None).await;
    }
    let before = sorted_rows(&table).await;
    for column in narrow {
        let share = share_read(&table, *column).await;
        assert!(share > 95, "{share} % of column {column} before");
    }
    let spilled = tempfile::tempdir().unwrap();
    let context = WriteContext {
        spill_folder: spilled.path().to_path_buf(),
        ..WriteContext::with_memory(0)
    };
    let compact = table.new_compact().order(strategy, names(columns));
    let made = compact.with_context(context).commit().await.unwrap();
    assert_eq!(made.len(), 1);
    let snapshot = table.snapshots().latest().await.unwrap().unwrap();
    assert_eq!(snapshot.commit_kind, CommitKind::Overwrite);
    assert_eq!(snapshot.total_record_count, Some(24_000));
    assert!(sorted_rows(&table).await == before, "seed {seed}");
    for column in narrow {
        let share = share_read(&table, *column).await;
        assert!(
            share < 60,
            "seed {seed}: {share} % of column {column} after"
        );
    }
    assert!(listing(spilled.path()).is_empty());
    assert_sound(&table).await;
}

#[tokio::test]
async fn rows_of_one_column_come_back_in_its_order() {
    let mut random = StdRng::seed_from_u64(3);
    let temp = tempfile::tempdir().unwrap();
    let table = create(temp.path(), &schema(false, false, &[])).await;
    for _ in 0..3 {
        write(&table, &random_rows(&mut random, 300), None).await;
    }
    let compact = table
        .new_compact()
        .order(OrderStrategy::Order, names(&["s", "k"]));
    compact.commit().await.unwrap();
    let rows = read(&table).await;
    let keys: Vec<_> = rows.iter().map(|(k, (s, _))| (*s, *k)).collect();
    assert!(keys.len() == 900 && keys.is_sorted());
}

#[tokio::test]
async fn only_the_partitions_asked_for_are_rewritten() {
    let mut random = StdRng::seed_from_u64(4);
    let temp = tempfile::tempdir().unwrap();
    let table = create(temp.path(), &schema(false, true, &[])).await;
    for partition in [1, 2, 1, 2] {
        write(&table, &random_rows(&mut random, 100), Some(partition)).await;
    }
    let before = sorted_rows(&table).await;
    let compact = table
        .new_compact()
        .order(OrderStrategy::ZOrder, names(&["k", "v"]));
    let chosen = vec![vec![("p".to_string(), Some(Datum::Int(2)))]];
    compact.clone().partitions(chosen).commit().await.unwrap();
    assert_eq!(files_read(&table, Predicate::AlwaysTrue).await, 3);
    compact.commit().await.unwrap();
    assert_eq!(files_read(&table, Predicate::AlwaysTrue).await, 2);
    assert!(sorted_rows(&table).await == before);
    let none = vec![vec![("p".to_string(), Some(Datum::Int(3)))]];
    let compact = table
        .new_compact()
        .order(OrderStrategy::Order, names(&["k"]));
    assert!(compact.partitions(none).commit().await.unwrap().is_empty());
    assert_sound(&table).await;
}

#[tokio::test]
async fn rows_added_meanwhile_stay_and_files_replaced_meanwhile_conflict() {
    let temp = tempfile::tempdir().unwrap();
    let table = create(temp.path(), &schema(false, false, &[])).await;
    for n in 0..3 {
        write(&table, &[(n, None, None, 0)], None).await;
    }
    let compact = table
        .new_compact()
        .order(OrderStrategy::Order, names(&["k"]));
    let first = compact.run().await.unwrap();
    let second = compact.run().await.unwrap();
    write(&table, &[(-7, None, None, 0)], None).await;
    publish(&table, first).await;
    let keys: Vec<i32> = sorted_rows(&table).await.iter().map(|r| r.0).collect();
    assert_eq!(keys, [-7, 0, 1, 2]);
    let commit = table.new_commit();
    let error = commit.commit(i64::MAX, second.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitConflict);
    commit.abort(&second).await;
    compact.commit().await.unwrap();
    let keys: Vec<i32> = read(&table).await.iter().map(|r| r.0).collect();
    assert_eq!(keys, [-7, 0, 1, 2]);
    assert_sound(&table).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_when_sorting_races_with_writers_and_compactions() {
    let temp = tempfile::tempdir().unwrap();
    let options = [
        ("snapshot.num-retained.max", "1000"),
        ("commit.max-retries", "100"),
    ];
    let table = create(temp.path(), &schema(false, false, &options)).await;
    let (writers, commits) = (3, 15);
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let table = table.clone();
        tasks.spawn(async move {
            for n in 0..commits {
                write(&table, &[(writer * commits + n, None, None, 0)], None).await;
            }
        });
    }
    for strategy in [
        Some(OrderStrategy::Order),
        Some(OrderStrategy::Hilbert),
        None,
    ] {
        let table = table.clone();
        tasks.spawn(async move {
            for _ in 0..6 {
                let compact = table.new_compact();
                let compact = match strategy {
                    Some(strategy) => compact.order(strategy, names(&["k"])),
                    None => compact,
                };
                if let Err(e) = compact.commit().await {
                    assert_eq!(e.kind(), ErrorKind::CommitConflict, "{e}");
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let keys: Vec<i32> = sorted_rows(&table).await.iter().map(|r| r.0).collect();
    assert_eq!(keys, (0..writers * commits).collect::<Vec<_>>());
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_failure_removes_what_was_written() {
    let temp = tempfile::tempdir().unwrap();
    let table = create(temp.path(), &schema(false, true, &[])).await;
    let mut random = StdRng::seed_from_u64(6);
    for partition in 0..4 {
        write(&table, &random_rows(&mut random, 50), Some(partition)).await;
    }
    let plan = plan(&table, &PlanRequest::default()).await.unwrap();
    let last = plan.splits.iter().flat_map(|s| s.files()).last().unwrap();
    std::fs::remove_file(&*last.path).unwrap();
    let before = listing(temp.path());
    let compact = table
        .new_compact()
        .order(OrderStrategy::Order, names(&["k"]));
    compact.commit().await.unwrap_err();
    assert_eq!(listing(temp.path()), before);
}

#[rstest]
#[case::primary_key(true, "1", &["v"], "primary key")]
#[case::buckets(false, "2", &["v"], "bucket")]
#[case::no_column(false, "-1", &[], "found none")]
#[case::unknown_column(false, "-1", &["x"], "[k, s, v, p]")]
#[case::partition_column(false, "-1", &["v", "p"], "partition column")]
#[tokio::test]
async fn what_cannot_be_sorted_is_refused_before_anything_is_written(
    #[case] primary: bool,
    #[case] bucket: &str,
    #[case] columns: &[&str],
    #[case] text: &str,
) {
    let temp = tempfile::tempdir().unwrap();
    let mut options = vec![("bucket", bucket)];
    if bucket == "2" {
        options.push(("bucket-key", "k"));
    }
    let table = create(temp.path(), &schema(primary, true, &options)).await;
    write(&table, &[(1, None, None, 0)], Some(1)).await;
    let before = listing(temp.path());
    let compact = table
        .new_compact()
        .order(OrderStrategy::ZOrder, names(columns));
    let error = compact.commit().await.unwrap_err().to_string();
    assert!(error.contains(text), "{error}");
    assert_eq!(listing(temp.path()), before);
}
