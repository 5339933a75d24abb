//! Commits under concurrency, failures and conflicts: what is acknowledged is there exactly once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use paimon_core::ErrorKind;
use paimon_core::commit::{CommitContext, CommitTurns, Overwrite};
use paimon_core::io::FileIo;
use paimon_core::manifest::read_manifest_list;
use paimon_core::spec::{CommitKind, CommitMessage, CompactIncrement, DataIncrement, Datum};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};
use paimon_testing::fault_store::{FaultStore, Script};
use tokio::task::JoinSet;

pub(crate) const PLAIN: &str = r#"{"version": 3, "id": 0, "highestFieldId": 1, "partitionKeys": [], "primaryKeys": [],
    "fields": [{"id": 0, "name": "id", "type": "INT NOT NULL"}, {"id": 1, "name": "p", "type": "INT"}],
    "options": {"commit.max-retries": "100", "commit.min-retry-wait": "1 ms", "commit.max-retry-wait": "20 ms"}}"#;

pub(crate) async fn create(io: FileIo, location: &str, schema: &str) -> Table {
    let path = format!("{location}/schema/schema-0");
    io.publish(&path, schema.to_string().into()).await.unwrap();
    Table::open(io, location, "t").await.unwrap()
}

pub(crate) async fn in_memory(schema: &str) -> Table {
    let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
    create(io, "memory:/t", schema).await
}

async fn on_disk(folder: &Path, schema: &str) -> Table {
    let location = folder.to_str().unwrap();
    let io = FileIo::for_location(location).unwrap();
    create(io, location, schema).await
}

pub(crate) fn partitioned() -> String {
    PLAIN.replace(r#""partitionKeys": []"#, r#""partitionKeys": ["p"]"#)
}

pub(crate) fn rows(table: &Table, ids: &[i32], partition: i32) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int32Array::from(ids.to_vec()));
    let p: ArrayRef = Arc::new(Int32Array::from(vec![partition; ids.len()]));
    RecordBatch::try_new(table.arrow_schema(), vec![id, p]).unwrap()
}

/// Messages of one write.
pub(crate) async fn written(table: &Table, ids: &[i32], partition: i32) -> Vec<CommitMessage> {
    let mut write = table.new_write().unwrap();
    write.write(&rows(table, ids, partition)).await.unwrap();
    write.prepare_commit().await.unwrap()
}

/// Writes and commits rows.
pub(crate) async fn add(table: &Table, ids: &[i32], partition: i32) {
    let messages = written(table, ids, partition).await;
    let commit = table.new_commit();
    commit
        .commit(BATCH_COMMIT_IDENTIFIER, messages)
        .await
        .unwrap();
}

/// How often each id is in the table.
pub(crate) async fn ids(table: &Table) -> BTreeMap<i32, usize> {
    let builder = table.read_builder().with_projection(&["id"]);
    let plan = builder.plan().await.unwrap();
    let reader = builder.reader().unwrap();
    let mut found = BTreeMap::new();
    for split in &plan.splits {
        let batches: Vec<RecordBatch> = reader.read(split).unwrap().try_collect().await.unwrap();
        for batch in batches {
            for id in batch.column(0).as_primitive::<Int32Type>().values() {
                *found.entry(*id).or_default() += 1;
            }
        }
    }
    found
}

pub(crate) fn once(ids: impl IntoIterator<Item = i32>) -> BTreeMap<i32, usize> {
    ids.into_iter().map(|id| (id, 1)).collect()
}

async fn assert_gapless(table: &Table, count: usize) {
    let ids = table.snapshots().ids().await.unwrap();
    let expected: Vec<i64> = (1..=i64::try_from(count).unwrap()).collect();
    assert_eq!(ids, expected);
}

pub(crate) async fn assert_sound(table: &Table) {
    let report = paimon_core::maintenance::fsck::fsck(table).await.unwrap();
    assert_eq!(report.findings, []);
}

/// Commits that wait for no others, as those of another process.
pub(crate) fn like_another_process() -> CommitContext {
    CommitContext {
        turns: CommitTurns::default(),
        ..CommitContext::default()
    }
}

async fn race(table: Table, writers: i32, commits: i32, context: fn() -> CommitContext) {
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let table = table.clone();
        tasks.spawn(async move {
            let commit = table.new_commit().with_user(&format!("writer-{writer}"));
            let commit = commit.with_context(context());
            for n in 0..commits {
                let messages = written(&table, &[writer * commits + n], 0).await;
                let made = commit.commit(n.into(), messages).await.unwrap();
                assert_eq!(made.len(), 1);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let total = writers * commits;
    assert_gapless(&table, usize::try_from(total).unwrap()).await;
    assert_eq!(ids(&table).await, once(0..total));
    assert_sound(&table).await;
    let mut seen = std::collections::HashSet::new();
    for snapshot in table.snapshots().all().await.unwrap() {
        let rows = snapshot.total_record_count.unwrap();
        assert_eq!(rows, snapshot.id, "each commit adds one row");
        assert!(seen.insert((snapshot.commit_user, snapshot.commit_identifier)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_on_a_conditional_put_store_lose_nothing() {
    race(in_memory(PLAIN).await, 4, 25, like_another_process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_on_disk_lose_nothing_and_leave_no_stages() {
    let folder = tempfile::tempdir().unwrap();
    let table = on_disk(folder.path(), PLAIN).await;
    race(table, 4, 10, like_another_process).await;
    for entry in std::fs::read_dir(folder.path().join("snapshot")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "LATEST" || name.starts_with("snapshot-"),
            "{name} was left behind"
        );
    }
}

#[tokio::test]
async fn lost_requests_and_lost_answers_never_lose_or_double_rows() {
    for seed in 0..20u64 {
        let inner = Arc::new(InMemory::new());
        let clean = FileIo::with_store(inner.clone(), "memory://");
        let healthy = create(clean, "memory:/t", PLAIN).await;
        let faulty = FileIo::with_store(Arc::new(FaultStore::new(inner, 4, seed)), "memory://");
        let table = Table::open(faulty, "memory:/t", "t").await.unwrap();
        let (mut acknowledged, mut open) = (Vec::new(), Vec::new());
        for id in 0..30 {
            // data files come through the healthy store: this is about commits
            let messages = written(&healthy, &[id], 0).await;
            match table
                .new_commit()
                .commit(BATCH_COMMIT_IDENTIFIER, messages)
                .await
            {
                Ok(_) => acknowledged.push(id),
                Err(_) => open.push(id),
            }
        }
        assert_sound(&healthy).await;
        let found = ids(&healthy).await;
        for id in &acknowledged {
            assert_eq!(
                found.get(id),
                Some(&1),
                "seed {seed}: acknowledged row {id}"
            );
        }
        for (id, count) in &found {
            assert_eq!(*count, 1, "seed {seed}: row {id} is there {count} times");
        }
        assert!(
            acknowledged.len() > 5 && !open.is_empty(),
            "seed {seed}: {} acknowledged, {} failed",
            acknowledged.len(),
            open.len()
        );
    }
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_no_conflict() {
    let inner = Arc::new(InMemory::new());
    let io = FileIo::with_store(inner.clone(), "memory://");
    let schema = PLAIN.replace(
        r#""commit.max-retries": "100""#,
        r#""commit.max-retries": "0""#,
    );
    let healthy = create(io, "memory:/t", &schema).await;
    let messages = written(&healthy, &[1], 0).await;
    let (mut before, mut doubted) = (0, 0);
    for at in 0..30 {
        let inner = Arc::new(inner.fork());
        let script = Script {
            at,
            takes_effect: true,
            fatal: true,
        };
        let store = Arc::new(FaultStore::with_script(inner.clone(), script));
        let io = FileIo::with_store(store, "memory://");
        let Ok(table) = Table::open(io, "memory:/t", "t").await else {
            continue;
        };
        let commit = table.new_commit().with_user("u");
        let Err(error) = commit.commit(1, messages.clone()).await else {
            continue;
        };
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let unknown = error.to_string().contains("outcome = unknown");
        let healthy = FileIo::with_store(inner, "memory://");
        let there = healthy.exists("memory:/t/snapshot/snapshot-1");
        assert_eq!(unknown, there.await.unwrap(), "request {at}: {error}");
        match unknown {
            true => doubted += 1,
            false => before += 1,
        }
    }
    assert!(
        before > 0 && doubted > 0,
        "{before} before, {doubted} since"
    );
}

#[tokio::test]
async fn a_repeated_commit_takes_effect_once() {
    let table = in_memory(PLAIN).await;
    let messages = written(&table, &[1], 0).await;
    let commit = table.new_commit().with_user("u");
    assert_eq!(commit.commit(7, messages.clone()).await.unwrap(), [1]);
    assert_eq!(commit.commit(7, messages).await.unwrap(), [1]);
    assert_gapless(&table, 1).await;
    assert_eq!(ids(&table).await, once([1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_task_that_runs_twice_at_once_takes_effect_once() {
    const ROUNDS: i32 = 40;
    let folder = tempfile::tempdir().unwrap();
    let table = on_disk(folder.path(), PLAIN).await;
    for round in 1..=ROUNDS {
        let together = Arc::new(tokio::sync::Barrier::new(2));
        let mut runs = JoinSet::new();
        for _ in 0..2 {
            let (table, together) = (table.clone(), Arc::clone(&together));
            runs.spawn(async move {
                let messages = written(&table, &[round], 0).await;
                let commit = table.new_commit().with_user("task");
                let commit = commit.with_context(like_another_process());
                together.wait().await;
                commit.commit(i64::from(round), messages).await.unwrap()
            });
        }
        let made = runs.join_all().await;
        assert_eq!(made, [[i64::from(round)], [i64::from(round)]]);
    }
    assert_gapless(&table, ROUNDS.try_into().unwrap()).await;
    assert_eq!(ids(&table).await, once(1..=ROUNDS));
    assert_sound(&table).await;
}

#[tokio::test]
async fn options_that_a_commit_cannot_honour_are_named() {
    for (key, value) in [("manifest.format", "orc"), ("commit.callbacks", "x")] {
        let schema = PLAIN.replace(
            "\"options\": {",
            &format!("\"options\": {{\"{key}\": \"{value}\", "),
        );
        let table = in_memory(&schema).await;
        let empty = table.new_commit().commit(1, Vec::new()).await;
        let refused = [table.new_write().map(drop), empty.map(drop)];
        for error in refused.map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(key), "{error}");
        }
        assert_gapless(&table, 0).await;
    }
}

#[tokio::test]
async fn an_empty_commit_makes_no_snapshot() {
    let table = in_memory(PLAIN).await;
    assert!(
        table
            .new_commit()
            .commit(1, Vec::new())
            .await
            .unwrap()
            .is_empty()
    );
    assert_gapless(&table, 0).await;
}

#[tokio::test]
async fn two_compactions_of_one_file_conflict() {
    let table = in_memory(PLAIN).await;
    let messages = written(&table, &[1, 2], 0).await;
    table
        .new_commit()
        .commit(1, messages.clone())
        .await
        .unwrap();
    let compaction = async |ids: &[i32]| {
        let new = written(&table, ids, 0).await;
        vec![CommitMessage {
            data: DataIncrement::default(),
            compact: CompactIncrement {
                compact_before: messages[0].data.new_files.clone(),
                compact_after: new[0].data.new_files.clone(),
                ..CompactIncrement::default()
            },
            ..messages[0].clone()
        }]
    };
    let (first, second) = (compaction(&[1, 2]).await, compaction(&[1, 2]).await);
    assert_eq!(table.new_commit().commit(2, first).await.unwrap(), [2]);
    let error = table.new_commit().commit(3, second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitConflict, "{error}");
    assert_eq!(ids(&table).await, once([1, 2]));
    let kinds: Vec<CommitKind> = table
        .snapshots()
        .all()
        .await
        .unwrap()
        .iter()
        .map(|s| s.commit_kind)
        .collect();
    assert_eq!(kinds, [CommitKind::Append, CommitKind::Compact]);
}

#[tokio::test]
async fn a_compaction_that_lost_its_files_does_not_fail_the_rows_beside_it() {
    let table = in_memory(PLAIN).await;
    let old = written(&table, &[1], 0).await;
    table.new_commit().commit(1, old.clone()).await.unwrap();
    let mut messages = written(&table, &[2], 0).await;
    let rewritten = written(&table, &[1], 0).await;
    messages[0].compact = CompactIncrement {
        compact_before: old[0].data.new_files.clone(),
        compact_after: rewritten[0].data.new_files.clone(),
        ..CompactIncrement::default()
    };
    table.new_commit().truncate(1).await.unwrap();
    let made = table.new_commit().commit(1, messages).await.unwrap();
    assert_eq!(made, [3]);
    assert_eq!(ids(&table).await, once([2]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_failed_commit_leaves_no_manifests() {
    let table = in_memory(PLAIN).await;
    let messages = written(&table, &[1], 0).await;
    table
        .new_commit()
        .commit(1, messages.clone())
        .await
        .unwrap();
    let manifests = async || {
        let files = table.io().list_files("memory:/t/manifest").await.unwrap();
        files.len()
    };
    let before = manifests().await;
    let again = CommitMessage {
        compact: CompactIncrement {
            compact_before: messages[0].data.new_files.clone(),
            compact_after: messages[0].data.new_files.clone(),
            ..CompactIncrement::default()
        },
        data: DataIncrement::default(),
        ..messages[0].clone()
    };
    table.new_commit().truncate(1).await.unwrap();
    let after = manifests().await;
    assert!(after > before);
    let error = table.new_commit().commit(1, vec![again]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitConflict);
    assert_eq!(manifests().await, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_one_process_need_hardly_any_retries() {
    let folder = tempfile::tempdir().unwrap();
    let schema = PLAIN.replace(
        r#""commit.max-retries": "100""#,
        r#""commit.max-retries": "2""#,
    );
    let table = on_disk(folder.path(), &schema).await;
    race(table, 8, 25, CommitContext::default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_leave_only_the_manifests_of_snapshots() {
    let table = in_memory(PLAIN).await;
    race(table.clone(), 4, 10, like_another_process).await;
    let orphans = paimon_core::maintenance::RemoveOrphanFiles {
        older_than_ms: Some(i64::MAX / 2),
        dry_run: true,
    };
    let orphans = orphans.run(&table, i64::MAX / 2).await.unwrap();
    assert_eq!(orphans.files, Vec::<String>::new());
}

#[tokio::test]
async fn overwrites_replace_what_they_name() {
    let table = in_memory(&partitioned()).await;
    for (id, partition) in [(1, 1), (2, 2), (3, 3)] {
        let messages = written(&table, &[id], partition).await;
        table.new_commit().commit(1, messages).await.unwrap();
    }
    let commit = || table.new_commit();
    let messages = written(&table, &[20], 2).await;
    commit()
        .overwrite(Overwrite::Dynamic, 1, messages)
        .await
        .unwrap();
    assert_eq!(ids(&table).await, once([1, 3, 20]));

    let spec = Overwrite::Static(vec![("p".into(), Some(Datum::Int(3)))]);
    let stray = written(&table, &[9], 1).await;
    let error = commit()
        .overwrite(spec.clone(), 1, stray)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("p=1"), "{error}");
    commit().overwrite(spec, 1, Vec::new()).await.unwrap();
    assert_eq!(ids(&table).await, once([1, 20]));

    let messages = written(&table, &[30], 3).await;
    commit()
        .overwrite(Overwrite::Static(Vec::new()), 1, messages)
        .await
        .unwrap();
    assert_eq!(ids(&table).await, once([30]));
    commit().truncate(1).await.unwrap();
    assert_eq!(ids(&table).await, once([]));
    let last = table.snapshots().latest().await.unwrap().unwrap();
    assert_eq!(last.total_record_count, Some(0));
    assert_eq!(last.operation.as_deref(), Some("TRUNCATE"));
    assert_sound(&table).await;
}

#[tokio::test]
async fn the_number_of_manifests_does_not_grow_with_the_number_of_commits() {
    let table = in_memory(PLAIN).await;
    for id in 0..130 {
        let messages = written(&table, &[id], 0).await;
        table.new_commit().commit(1, messages).await.unwrap();
        let latest = table.snapshots().latest().await.unwrap().unwrap();
        let base = read_manifest_list(table.io(), table.location(), &latest.base_manifest_list);
        let count = base.await.unwrap().len();
        assert!(count <= 30, "{count} manifests after {id} commits");
    }
    assert_eq!(ids(&table).await, once(0..130));
    assert_sound(&table).await;
}

#[tokio::test]
async fn manifests_are_compacted_once_and_no_row_changes() {
    let table = in_memory(PLAIN).await;
    let compact = async || {
        let context = paimon_core::commit::CommitContext::default();
        paimon_core::maintenance::compact_manifests(&table, context).await
    };
    assert_eq!(compact().await.unwrap(), None, "no snapshot yet");
    for id in 0..3 {
        let messages = written(&table, &[id], 0).await;
        table.new_commit().commit(1, messages).await.unwrap();
    }
    assert_eq!(compact().await.unwrap(), Some(4));
    assert_eq!(compact().await.unwrap(), None, "nothing to gain any more");
    table.new_commit().truncate(1).await.unwrap();
    let messages = written(&table, &[7], 0).await;
    table.new_commit().commit(1, messages).await.unwrap();
    assert_eq!(
        compact().await.unwrap(),
        Some(7),
        "entries of removed files"
    );
    let newest = table.snapshots().latest().await.unwrap().unwrap();
    assert_eq!(newest.commit_kind, paimon_core::spec::CommitKind::Compact);
    assert_eq!(newest.delta_record_count, Some(0));
    assert_eq!(newest.total_record_count, Some(1));
    let manifests = table.system_table("manifests").await.unwrap();
    let count: usize = manifests.batches.iter().map(|b| b.num_rows()).sum();
    assert_eq!(count, 1);
    assert_eq!(ids(&table).await, once([7]));
    assert_sound(&table).await;
}
