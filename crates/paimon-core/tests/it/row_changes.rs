//! Changes of rows that were read: they are committed on what was read or not at all.

use paimon_core::ErrorKind;
use paimon_core::commit::RowChange;
use paimon_core::deletionvectors::DeletionVector;
use paimon_core::maintenance::{RemoveMissingFiles, mark_partitions_done};
use paimon_core::manifest::read_index_manifest;
use paimon_core::predicate::{Predicate, PredicateOp};
use paimon_core::read::SplitKind;
use paimon_core::spec::{CommitKind, CommitMessage, Datum, Snapshot};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};
use paimon_core::write::{Removal, RemovedRows, WriteContext, remove_rows, rewrite_without};

use crate::commit::{PLAIN, add, assert_sound, ids, in_memory, once, partitioned, written};

async fn newest(table: &Table) -> Option<Snapshot> {
    table.snapshots().latest().await.unwrap()
}

async fn change(
    table: &Table,
    base: Option<Snapshot>,
    messages: Vec<CommitMessage>,
) -> paimon_core::Result<Vec<i64>> {
    let change = RowChange {
        base,
        operation: "UPDATE",
        even_if_empty: false,
    };
    let commit = table.new_commit();
    commit
        .commit_change(&change, BATCH_COMMIT_IDENTIFIER, messages)
        .await
}

/// Rows with these positions of every file.
async fn picked(table: &Table, positions: &[u64]) -> Vec<RemovedRows> {
    let plan = table.read_builder().plan().await.unwrap();
    let mut picked = Vec::new();
    for split in plan.splits {
        let SplitKind::Raw(files) = &split.kind else {
            panic!("{split:?}");
        };
        picked.extend(files.iter().map(|file| RemovedRows {
            partition: split.partition.clone(),
            bucket: split.bucket,
            total_buckets: split.total_buckets,
            file: file.clone(),
            positions: positions.iter().copied().collect::<DeletionVector>(),
        }));
    }
    picked
}

#[tokio::test]
async fn a_change_wins_only_on_the_rows_that_it_read() {
    let table = in_memory(PLAIN).await;
    let empty = change(&table, None, written(&table, &[1], 0).await).await;
    assert_eq!(empty.unwrap(), [1]);
    let late = change(&table, None, written(&table, &[2], 0).await).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::CommitConflict);
    let base = newest(&table).await;
    assert_eq!(base.as_ref().unwrap().operation.as_deref(), Some("UPDATE"));
    let same = change(&table, base.clone(), written(&table, &[3], 0).await).await;
    assert_eq!(same.unwrap(), [2]);
    let late = change(&table, base, written(&table, &[4], 0).await).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::CommitConflict);
    assert_eq!(ids(&table).await, once([1, 3]));
}

#[tokio::test]
async fn a_compaction_in_between_changes_no_row() {
    let table = in_memory(PLAIN).await;
    for id in 0..6 {
        add(&table, &[id], 0).await;
    }
    let base = newest(&table).await;
    let mine = written(&table, &[10], 0).await;
    table.new_compact().commit().await.unwrap();
    let kind = newest(&table).await.unwrap().commit_kind;
    assert_eq!(kind, CommitKind::Compact);
    change(&table, base.clone(), mine).await.unwrap();
    // what was before is unknown once it is gone, and a compaction after a change helps nobody
    table.new_compact().commit().await.unwrap();
    let late = change(&table, base, written(&table, &[11], 0).await).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::CommitConflict);
    assert_eq!(ids(&table).await, once([0, 1, 2, 3, 4, 5, 10]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_rolled_back_base_conflicts() {
    let table = in_memory(PLAIN).await;
    add(&table, &[1], 0).await;
    let first = newest(&table).await;
    add(&table, &[2], 0).await;
    let second = newest(&table).await;
    let io = table.io();
    io.discard(&table.snapshots().location(2)).await.unwrap();
    table.snapshots().hint_latest(1).await;
    let gone = change(&table, second.clone(), written(&table, &[3], 0).await).await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::CommitConflict);
    change(&table, first, written(&table, &[4], 0).await)
        .await
        .unwrap();
    let other = change(&table, second, written(&table, &[5], 0).await).await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::CommitConflict);
    assert_eq!(ids(&table).await, once([1, 4]));
}

#[tokio::test]
async fn rows_are_removed_by_vectors_and_files_without_rows_go() {
    let switch = r#""options": {"deletion-vectors.enabled": "true","#;
    let table = in_memory(&partitioned().replace(r#""options": {"#, switch)).await;
    add(&table, &[0, 1, 2], 0).await;
    add(&table, &[10, 11], 0).await;
    add(&table, &[20, 21, 22, 23], 1).await;
    let context = WriteContext::with_memory(0);
    for (positions, left) in [
        (vec![1], vec![0, 2, 10, 20, 22, 23]),
        (vec![0], vec![2, 22, 23]),
        (vec![2], vec![23]),
    ] {
        let base = newest(&table).await.unwrap();
        let mut rows = picked(&table, &positions).await;
        // a vector deletes rows that are there
        rows.retain(|r| {
            positions
                .iter()
                .all(|p| *p < u64::try_from(r.file.meta.row_count).unwrap())
        });
        let messages = remove_rows(&table, &context, &base, rows, Removal::Vectors);
        change(&table, Some(base.clone()), messages.await.unwrap())
            .await
            .unwrap();
        assert_eq!(ids(&table).await, once(left));
        assert_eq!(
            newest(&table).await.unwrap().commit_kind,
            CommitKind::Overwrite
        );
        assert_sound(&table).await;
    }
    let plan = table.read_builder().plan().await.unwrap();
    assert_eq!(plan.counts.files, 1);
}

#[tokio::test]
async fn what_is_left_of_rewritten_files_is_read_without_the_removed_rows() {
    let table = in_memory(PLAIN).await;
    add(&table, &[0, 1, 2, 3], 0).await;
    let base = newest(&table).await.unwrap();
    let rows = picked(&table, &[0, 2]).await;
    let mut write = table.new_write().unwrap();
    for file in &rows {
        let mut rest = file.rest(&table).await.unwrap();
        while let Some(batch) = futures::TryStreamExt::try_next(&mut rest).await.unwrap() {
            write.write(&batch).await.unwrap();
        }
    }
    let context = WriteContext::with_memory(0);
    let removed = remove_rows(&table, &context, &base, rows, Removal::Rewrite);
    let mut messages = removed.await.unwrap();
    messages.extend(write.prepare_commit().await.unwrap());
    change(&table, Some(base), messages).await.unwrap();
    assert_eq!(ids(&table).await, once([1, 3]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn partitions_go_only_as_they_were_read() {
    let table = in_memory(&partitioned()).await;
    add(&table, &[0, 1], 0).await;
    add(&table, &[2], 1).await;
    let field = table.schema().partition_fields().remove(0);
    let second = Predicate::leaf(&field, PredicateOp::Eq, vec![Some(Datum::Int(1))]).unwrap();
    let read = |base| RowChange {
        base,
        operation: "DELETE",
        even_if_empty: false,
    };
    let change = read(newest(&table).await);
    add(&table, &[3], 1).await;
    let commit = table.new_commit();
    let late = commit
        .drop_read_partitions(&second, &change, BATCH_COMMIT_IDENTIFIER)
        .await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::CommitConflict);
    let change = read(newest(&table).await);
    for (filter, snapshot) in [(Predicate::AlwaysFalse, None), (second, Some(4))] {
        let dropped = commit
            .drop_read_partitions(&filter, &change, BATCH_COMMIT_IDENTIFIER)
            .await;
        assert_eq!(dropped.unwrap(), snapshot);
    }
    assert_eq!(ids(&table).await, once([0, 1]));
    let snapshot = newest(&table).await.unwrap();
    assert_eq!(snapshot.commit_kind, CommitKind::Overwrite);
    assert_eq!(snapshot.operation.as_deref(), Some("DELETE"));
    assert_sound(&table).await;
}

#[tokio::test]
async fn lost_files_are_taken_out_with_their_vectors() {
    let switch = r#""options": {"deletion-vectors.enabled": "true","#;
    let table = in_memory(&partitioned().replace(r#""options": {"#, switch)).await;
    add(&table, &[0, 1], 0).await;
    add(&table, &[2, 3], 1).await;
    let context = WriteContext::with_memory(0);
    let base = newest(&table).await.unwrap();
    let rows = picked(&table, &[1]).await;
    let lost = rows.last().unwrap().file.clone();
    let messages = remove_rows(&table, &context, &base, rows, Removal::Vectors).await;
    change(&table, Some(base), messages.unwrap()).await.unwrap();
    table.io().discard(&lost.path).await.unwrap();
    let mut request = RemoveMissingFiles {
        dry_run: true,
        parallelism: 2,
    };
    let name = lost.meta.file_name.clone();
    for (dry_run, found) in [
        (true, vec![name.clone()]),
        (false, vec![name]),
        (false, vec![]),
    ] {
        request.dry_run = dry_run;
        assert_eq!(request.run(&table, &context).await.unwrap(), found);
    }
    assert_eq!(ids(&table).await.len(), 1);
    // earlier snapshots name the file still
    let index = newest(&table).await.unwrap().index_manifest;
    let index = read_index_manifest(table.io(), table.location(), index.as_deref());
    let index = index.await.unwrap();
    let ranges = index
        .iter()
        .flat_map(|entry| entry.dv_ranges.iter().flatten());
    let names: Vec<&String> = ranges.map(|range| &range.data_file_name).collect();
    assert_eq!(names.len(), 1);
    assert_ne!(*names[0], lost.meta.file_name);
}

#[tokio::test]
async fn a_partition_that_is_done_keeps_the_time_of_its_first_mark() {
    let table = in_memory(&partitioned()).await;
    let partition = vec![vec![("p".to_string(), Some(Datum::Int(7)))]];
    for now_ms in [5, 9] {
        mark_partitions_done(&table, &partition, now_ms)
            .await
            .unwrap();
    }
    let location = format!("{}/p=7/_SUCCESS", table.location());
    let mark = table.io().read(&location, 1000).await.unwrap();
    let mark: serde_json::Value = serde_json::from_slice(&mark).unwrap();
    let expected = serde_json::json!({"creationTime": 5, "modificationTime": 9});
    assert_eq!(mark, expected);
}

fn first_row() -> String {
    PLAIN
        .replace(r#""primaryKeys": []"#, r#""primaryKeys": ["id"]"#)
        .replace(
            r#""options": {"#,
            r#""options": {"bucket": "1", "merge-engine": "first-row", "#,
        )
}

#[tokio::test]
async fn files_without_some_rows_take_the_places_of_those_with_them() {
    let table = in_memory(&first_row()).await;
    add(&table, &[1, 2, 3], 0).await;
    let old = picked(&table, &[0, 2]).await;
    let context = WriteContext::with_memory(0);
    let messages = rewrite_without(&table, &context, &old).await.unwrap();
    let [message] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    let [new] = message.data.new_files.as_slice() else {
        panic!("{message:?}");
    };
    let before = &old[0].file.meta;
    assert!(before.level > 0);
    assert_eq!((new.level, new.row_count), (before.level, 1));
    assert_eq!(new.min_sequence_number, before.min_sequence_number + 1);
    assert_eq!(new.max_sequence_number, new.min_sequence_number);
    assert_eq!(message.data.deleted_files[0].file_name, before.file_name);
    let base = newest(&table).await;
    change(&table, base, messages).await.unwrap();
    assert_eq!(
        newest(&table).await.unwrap().commit_kind,
        CommitKind::Overwrite
    );
    assert_eq!(ids(&table).await, once([2]));
    assert_sound(&table).await;

    // a file of which no row is left goes
    let all = picked(&table, &[0]).await;
    let messages = rewrite_without(&table, &context, &all).await.unwrap();
    assert_eq!(messages[0].data.new_files, []);
    let base = newest(&table).await;
    change(&table, base, messages).await.unwrap();
    assert_eq!(ids(&table).await, once([]));
    add(&table, &[1, 3], 0).await;
    assert_eq!(ids(&table).await, once([1, 3]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_rewrite_that_fails_leaves_no_file() {
    let table = in_memory(
        &first_row()
            .replace(r#""partitionKeys": []"#, r#""partitionKeys": ["p"]"#)
            .replace(r#""primaryKeys": ["id"]"#, r#""primaryKeys": ["id", "p"]"#),
    )
    .await;
    add(&table, &[1, 2], 0).await;
    add(&table, &[1, 2], 1).await;
    let mut files = picked(&table, &[0]).await;
    files.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    let lost = files[1].file.path.to_string();
    table.io().discard(&lost).await.unwrap();
    let before = table.io().list_recursive("memory:/t").await.unwrap();
    let error = rewrite_without(&table, &WriteContext::with_memory(0), &files).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Damaged);
    let after = table.io().list_recursive("memory:/t").await.unwrap();
    assert_eq!(before.len(), after.len());
}
