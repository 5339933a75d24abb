//! Compaction after commits of tables that are not `write-only`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use paimon_core::ErrorKind;
use paimon_core::commit::Overwrite;
use paimon_core::spec::{CommitKind, CommitMessage, DataField, DataType, Snapshot, TypeKind};
use paimon_core::table::Table;
use rstest::rstest;
use tokio::task::JoinSet;

use super::trees::{Record, batch, files, read, schema, write};
use crate::commit::assert_sound;
use crate::write::publish::{create, open};

fn rows(keys: impl IntoIterator<Item = i32>, value: i64) -> Vec<Record> {
    keys.into_iter()
        .map(|k| (k, Some(k), Some(value), 0))
        .collect()
}

async fn snapshots(table: &Table) -> Vec<Snapshot> {
    table.snapshots().all().await.unwrap()
}

pub(super) async fn written(table: &Table, records: &[Record]) -> Vec<CommitMessage> {
    let mut write = table.new_write().unwrap();
    let (batch, kinds) = batch(records, None);
    write.write_with_kinds(&batch, &kinds).await.unwrap();
    write.prepare_commit().await.unwrap()
}

#[tokio::test]
async fn small_commits_leave_few_sorted_runs() {
    let temp = tempfile::tempdir().unwrap();
    let table = create(temp.path(), &schema(true, false, &[("bucket", "1")])).await;
    for n in 0..60 {
        write(&table, &rows([n % 7, 100 + n], n.into()), None).await;
        let runs = files(&table).await.len();
        assert!(runs <= 5, "{runs} runs after {n} commits");
    }
    assert_eq!(read(&table).await.len(), 67);
    let kinds: BTreeSet<_> = (snapshots(&table).await.iter())
        .map(|s| format!("{:?}", s.commit_kind))
        .collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert_sound(&table).await;
}

#[rstest]
#[case::vectors(&[("deletion-vectors.enabled", "true")])]
#[case::first_row(&[("merge-engine", "first-row")])]
#[case::lookup(&[("changelog-producer", "lookup"), ("deletion-vectors.enabled", "true")])]
#[tokio::test]
async fn rows_show_as_soon_as_their_commit_returns(#[case] more: &[(&str, &str)]) {
    let temp = tempfile::tempdir().unwrap();
    let options = [&[("bucket", "2")], more].concat();
    let table = create(temp.path(), &schema(true, false, &options)).await;
    let first_row = more[0].1 == "first-row";
    for n in 0..12 {
        write(&table, &rows([1, 2, 10 + n], n.into()), None).await;
        let mut seen = read(&table).await;
        seen.sort_unstable();
        let expected = if first_row { 0 } else { n.into() };
        assert_eq!(seen[0].1.1, Some(expected), "{more:?}");
        assert_eq!(seen.len(), usize::try_from(3 + n).unwrap(), "{more:?}");
    }
    let told = snapshots(&table)
        .await
        .iter()
        .filter(|s| s.changelog_manifest_list.is_some())
        .count();
    assert_eq!(told, if more[0].1 == "lookup" { 12 } else { 0 });
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_full_compaction_follows_the_commits_that_ask_for_it() {
    let temp = tempfile::tempdir().unwrap();
    let options = [
        ("bucket", "1"),
        ("changelog-producer", "full-compaction"),
        ("full-compaction.delta-commits", "3"),
    ];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    for n in 1..=6_i32 {
        let messages = written(&table, &rows([1, n], n.into())).await;
        let commit = table.new_commit().with_user("streaming");
        commit.commit(n.into(), messages).await.unwrap();
        let compacted = files(&table).await.iter().all(|f| f.0 == 5);
        assert_eq!(compacted, n % 3 == 0, "commit {n}");
    }
    let told: Vec<_> = (snapshots(&table).await.iter())
        .filter_map(|s| s.changelog_record_count)
        .filter(|n| *n > 0)
        .collect();
    // 1, 2, 3 are new; then 1 is updated and 4, 5, 6 are new
    assert_eq!(told, [3, 5]);
}

#[tokio::test]
async fn an_overwrite_tells_no_changes() {
    let temp = tempfile::tempdir().unwrap();
    let options = [("bucket", "1"), ("changelog-producer", "lookup")];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    write(&table, &rows(0..5, 1), None).await;
    let messages = written(&table, &rows(3..9, 2)).await;
    let target = Overwrite::Static(Vec::new());
    table
        .new_commit()
        .overwrite(target, i64::MAX, messages)
        .await
        .unwrap();
    let told: Vec<bool> = (snapshots(&table).await.iter())
        .map(|s| s.changelog_manifest_list.is_some())
        .collect();
    assert_eq!(told, [false, true, false]);
    assert_eq!(read(&table).await.len(), 6);
}

#[tokio::test]
async fn write_only_tables_are_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let options = [("bucket", "1"), ("write-only", "true")];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    for n in 0..9 {
        write(&table, &rows([n], 0), None).await;
    }
    assert_eq!(files(&table).await.len(), 9);
    let append = |s: &Snapshot| s.commit_kind == CommitKind::Append;
    assert!(snapshots(&table).await.iter().all(append));
}

async fn race(folder: &Path, options: &[(&str, &str)], writers: i32, commits: i32) {
    let table = create(folder, &schema(true, false, options)).await;
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let folder = folder.to_path_buf();
        tasks.spawn(async move {
            for n in 0..commits {
                let table = open(&folder).await;
                // one key of its own, one that all fight for
                write(
                    &table,
                    &rows([1000 + writer * commits + n, 7], n.into()),
                    None,
                )
                .await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let batches = table.read_builder().collect().await.unwrap();
    let keys: Vec<i32> = batches
        .iter()
        .flat_map(|b| b.column(0).as_primitive::<Int32Type>().values().to_vec())
        .collect();
    let unique: BTreeSet<i32> = keys.iter().copied().collect();
    assert_eq!(unique.len(), keys.len(), "a key twice");
    assert_eq!(keys.len(), usize::try_from(writers * commits + 1).unwrap());
    let found = snapshots(&table).await;
    let ids: Vec<i64> = found.iter().map(|s| s.id).collect();
    assert!(ids.windows(2).all(|w| w[0] + 1 == w[1]), "{ids:?}");
    let appended = found.iter().filter(|s| s.commit_kind == CommitKind::Append);
    assert_eq!(
        appended.count(),
        usize::try_from(writers * commits).unwrap()
    );
    assert_sound(&table).await;
}

#[rstest]
#[case::plain(&[])]
#[case::vectors(&[("deletion-vectors.enabled", "true")])]
#[case::lookup(&[("changelog-producer", "lookup")])]
#[tokio::test(flavor = "multi_thread")]
async fn racing_writers_that_compact_lose_nothing(#[case] more: &[(&str, &str)]) {
    let temp = tempfile::tempdir().unwrap();
    let keep = [
        ("bucket", "1"),
        ("snapshot.num-retained.min", "1000"),
        ("snapshot.num-retained.max", "1000"),
        ("commit.max-retries", "100"),
    ];
    race(temp.path(), &[&keep, more].concat(), 4, 12).await;
}

#[rstest]
#[tokio::test]
async fn files_with_columns_that_a_table_does_not_know_keep_them(
    #[values(true, false)] primary: bool,
) {
    let temp = tempfile::tempdir().unwrap();
    let options = [
        ("bucket", if primary { "1" } else { "-1" }),
        ("num-sorted-run.compaction-trigger", "2"),
        ("compaction.min.file-num", "2"),
    ];
    let mut schema = schema(primary, false, &options);
    let old = create(temp.path(), &schema).await;
    write(&old, &[(1, None, Some(5), 0)], None).await;
    schema.id = 1;
    let column = DataField::new(3, "p", DataType::nullable(TypeKind::Int));
    schema.fields.push(column);
    let new = create(temp.path(), &schema).await;
    let alone = new
        .with_options(&HashMap::from([("write-only".into(), "true".into())]))
        .await
        .unwrap();
    write(&alone, &[(2, None, Some(6), 0)], Some(7)).await;

    let error = old.new_compact().full(true).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("open it again"), "{error}");
    // commits compact what is due, but not this
    for key in 3..6 {
        write(&old, &[(key, None, None, 0)], None).await;
    }
    new.new_compact().full(true).commit().await.unwrap();
    let batches = new.read_builder().with_projection(&["k", "p"]);
    let mut values = BTreeMap::new();
    for batch in batches.collect().await.unwrap() {
        let keys = batch.column(0).as_primitive::<Int32Type>();
        let column = batch.column(1).as_primitive::<Int32Type>();
        values.extend(keys.iter().flatten().zip(column.iter()));
    }
    let expected = [(1, None), (2, Some(7)), (3, None), (4, None), (5, None)];
    assert_eq!(values, BTreeMap::from(expected));
}
