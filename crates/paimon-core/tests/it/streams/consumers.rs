//! Consumers keep the progress of streams and the snapshots that they have not read.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use paimon_core::maintenance::{ExpireSnapshots, expire_consumers};
use paimon_core::snapshot::list_consumers;
use paimon_core::table::{ChangeStream, StreamRead, Table};

use super::{Told, records, stream};
use crate::compact::trees::{Record, schema, write};
use crate::write::publish::create;

fn row(key: i32) -> Record {
    (key, Some(key), Some(0), 0)
}

async fn appended(temp: &tempfile::TempDir, count: i32) -> Table {
    let table = create(
        temp.path(),
        &schema(false, false, &[("write-only", "true")]),
    )
    .await;
    for key in 1..=count {
        write(&table, &[row(key)], None).await;
    }
    table
}

async fn follow(table: &Table, pairs: &[(&str, &str)]) -> (StreamRead, ChangeStream) {
    let pairs = [&[("consumer-id", "c")], pairs].concat();
    let read = stream(table, &pairs)
        .await
        .with_pause(Arc::new(Told::default()));
    let changes = read.changes().await.unwrap();
    (read, changes)
}

/// Keys of the next batch with rows, its progress acknowledged when `done`.
async fn next(read: &StreamRead, changes: &mut ChangeStream, done: bool) -> Vec<i32> {
    loop {
        let batch = changes.next().await.unwrap().unwrap();
        if done && let Some(progress) = batch.completes {
            read.consumer()
                .unwrap()
                .acknowledge(&progress)
                .await
                .unwrap();
        }
        if batch.rows.num_rows() > 0 {
            return records(&batch.rows).iter().map(|r| r.0).collect();
        }
    }
}

async fn progress(table: &Table) -> Vec<(String, i64)> {
    let root = table.metadata_root().unwrap();
    let all = list_consumers(table.io(), &root).await.unwrap();
    all.into_iter()
        .map(|(id, c)| (id, c.next_snapshot))
        .collect()
}

fn consumer(next: i64) -> Vec<(String, i64)> {
    vec![("c".to_string(), next)]
}

#[tokio::test]
async fn progress_is_what_was_acknowledged() {
    let temp = tempfile::tempdir().unwrap();
    let table = appended(&temp, 3).await;
    let (read, mut changes) = follow(&table, &[]).await;
    // a state that is not read yet is no progress
    assert_eq!(progress(&table).await, []);
    let mut all = next(&read, &mut changes, true).await;
    while all.len() < 3 {
        all.extend(next(&read, &mut changes, true).await);
    }
    assert_eq!(progress(&table).await, consumer(4));
    write(&table, &[row(4)], None).await;
    write(&table, &[row(5)], None).await;
    assert_eq!(next(&read, &mut changes, true).await, [4]);
    assert_eq!(next(&read, &mut changes, false).await, [5]);
    drop(changes);
    assert_eq!(progress(&table).await, consumer(5));
    // what was not acknowledged comes again
    let (read, mut changes) = follow(&table, &[]).await;
    assert_eq!(next(&read, &mut changes, true).await, [5]);
    let pairs = [
        ("consumer.ignore-progress", "true"),
        ("scan.snapshot-id", "2"),
    ];
    let (read, mut changes) = follow(&table, &pairs).await;
    assert_eq!(next(&read, &mut changes, false).await, [2]);
}

#[tokio::test]
async fn a_consumer_that_starts_with_changes_keeps_them_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let table = appended(&temp, 2).await;
    let (_, changes) = follow(&table, &[("scan.mode", "latest")]).await;
    drop(changes);
    assert_eq!(progress(&table).await, consumer(3));
    write(&table, &[row(3)], None).await;
    // not the newest: it began before
    let (read, mut changes) = follow(&table, &[("scan.mode", "latest")]).await;
    assert_eq!(next(&read, &mut changes, false).await, [3]);
}

#[tokio::test]
async fn a_consumer_of_an_empty_table_gets_its_first_rows() {
    let temp = tempfile::tempdir().unwrap();
    let table = appended(&temp, 0).await;
    let (_, changes) = follow(&table, &[("scan.mode", "latest")]).await;
    drop(changes);
    write(&table, &[row(1)], None).await;
    let (read, mut changes) = follow(&table, &[("scan.mode", "latest")]).await;
    assert_eq!(next(&read, &mut changes, false).await, [1]);
}

#[tokio::test]
async fn asking_for_more_is_enough_for_at_least_once() {
    let temp = tempfile::tempdir().unwrap();
    let table = appended(&temp, 3).await;
    let pairs = [
        ("consumer.mode", "at-least-once"),
        ("scan.snapshot-id", "1"),
    ];
    let (read, mut changes) = follow(&table, &pairs).await;
    assert_eq!(next(&read, &mut changes, false).await, [1]);
    assert_eq!(progress(&table).await, consumer(1));
    assert_eq!(next(&read, &mut changes, false).await, [2]);
    assert_eq!(progress(&table).await, consumer(2));
}

#[tokio::test]
async fn what_a_consumer_has_not_read_does_not_expire() {
    let temp = tempfile::tempdir().unwrap();
    let table = appended(&temp, 6).await;
    let expire = ExpireSnapshots {
        retain_max: Some(1),
        retain_min: Some(1),
        ..ExpireSnapshots::default()
    };
    let (read, mut changes) = follow(&table, &[("scan.snapshot-id", "3")]).await;
    let gone = expire.run(&table, i64::MAX).await.unwrap();
    assert_eq!(gone.snapshots, [1, 2]);
    assert_eq!(next(&read, &mut changes, true).await, [3]);
    assert_eq!(next(&read, &mut changes, true).await, [4]);
    let gone = expire.run(&table, i64::MAX).await.unwrap();
    assert_eq!(gone.snapshots, [3, 4]);
    assert_eq!(next(&read, &mut changes, true).await, [5]);
}

#[tokio::test]
async fn an_idle_consumer_is_not_forgotten() {
    let temp = tempfile::tempdir().unwrap();
    let table = appended(&temp, 1).await;
    let pause = Told::default();
    let pairs = [
        ("consumer-id", "c"),
        ("scan.mode", "latest"),
        ("consumer.expiration-time", "30 ms"),
    ];
    let read = stream(&table, &pairs)
        .await
        .with_pause(Arc::new(pause.clone()));
    let mut changes = read.changes().await.unwrap();
    changes.next().await.unwrap().unwrap();
    let follower = tokio::spawn(async move { changes.next().await.is_some() });
    pause.waits.notified().await;
    let path = temp.path().join("consumer/consumer-c");
    let written = || std::fs::metadata(&path).unwrap().modified().unwrap();
    let before = written();
    tokio::time::sleep(Duration::from_millis(40)).await;
    pause.go_on.notify_one();
    pause.waits.notified().await;
    assert!(written() > before);
    let since = before.duration_since(std::time::UNIX_EPOCH).unwrap();
    let limit = i64::try_from(since.as_millis()).unwrap() + 1;
    assert!(expire_consumers(&table, limit).await.unwrap().is_empty());
    follower.abort();
}
