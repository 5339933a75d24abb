//! Partitions whose time is over go, and no others.

use std::collections::HashMap;
use std::sync::Arc;

use paimon_core::ErrorKind;
use paimon_core::commit::{CommitContext, FileStoreCommit};
use paimon_core::maintenance::{ExpirePartitions, ExpiredPartition};
use paimon_core::spec::{CommitKind, Datum};
use paimon_core::table::Table;
use paimon_core::write::Clock;

use crate::commit::{assert_sound, ids, in_memory, once, partitioned, rows, written};

const DAY_MS: i64 = 86_400_000;

/// 2024-02-01 00:00:00, in UTC and on the wall.
pub(crate) const FEBRUARY: i64 = 1_706_745_600_000;

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct At(pub(crate) i64);

impl Clock for At {
    fn local_ms(&self) -> i64 {
        self.0
    }

    fn epoch_ms(&self) -> i64 {
        self.0
    }
}

pub(crate) fn at(ms: i64) -> CommitContext {
    CommitContext {
        clock: Arc::new(At(ms)),
        ..CommitContext::default()
    }
}

/// Partitions are days as `yyyyMMdd`, which last a week.
fn by_values(more: &str) -> String {
    let options = format!(
        r#""options": {{"partition.expiration-time": "7 d", "partition.timestamp-formatter": "yyyyMMdd", {more}"#
    );
    partitioned().replace(r#""options": {"#, &options)
}

async fn append(table: &Table, id: i32, partition: i32, now_ms: i64) -> Vec<i64> {
    let messages = written(table, &[id], partition).await;
    let commit = table.new_commit().with_context(at(now_ms));
    commit.commit(1, messages).await.unwrap()
}

fn names(expired: &[ExpiredPartition]) -> Vec<&str> {
    expired.iter().map(|p| p.name.as_str()).collect()
}

#[tokio::test]
async fn days_that_are_over_go_in_the_order_of_their_values() {
    let table = in_memory(&by_values(r#""write-only": "true","#)).await;
    for (id, day) in [
        (1, 20240120),
        (2, 20240125),
        (3, 20231231),
        (4, 20240126),
        (5, 7),
    ] {
        append(&table, id, day, FEBRUARY).await;
    }
    let look = ExpirePartitions { dry_run: true };
    let seen = look.run(&table, &at(FEBRUARY)).await.unwrap();
    // the 25th is a week before February
    assert_eq!(names(&seen), ["p=20231231", "p=20240120"]);
    assert_eq!(
        seen[0].values,
        [("p".to_string(), Some(Datum::Int(20231231)))]
    );
    assert_eq!(ids(&table).await, once(1..6));
    let gone = ExpirePartitions::default()
        .run(&table, &at(FEBRUARY))
        .await
        .unwrap();
    assert_eq!(gone, seen);
    assert_eq!(ids(&table).await, once([2, 4, 5]));
    let newest = table.snapshots().latest().await.unwrap().unwrap();
    assert_eq!((newest.id, newest.commit_kind), (6, CommitKind::Overwrite));
    let again = ExpirePartitions::default()
        .run(&table, &at(FEBRUARY + 1))
        .await
        .unwrap();
    assert_eq!(names(&again), ["p=20240125"]);
    assert_sound(&table).await;
}

#[tokio::test]
async fn limits_and_batches() {
    let more = r#""write-only": "true", "partition.expiration-max-num": "3",
        "partition.expiration-batch-size": "2","#;
    let table = in_memory(&by_values(more)).await;
    for day in 1..=4 {
        append(&table, day, 20_200_100 + day, FEBRUARY).await;
    }
    let gone = ExpirePartitions::default()
        .run(&table, &at(FEBRUARY))
        .await
        .unwrap();
    assert_eq!(gone.len(), 3);
    assert_eq!(ids(&table).await, once([4]));
    // two of them, then one
    let newest = table.snapshots().latest().await.unwrap().unwrap();
    assert_eq!(newest.id, 6);
    assert_sound(&table).await;
}

#[tokio::test]
async fn commits_look_for_expired_partitions_once_in_an_interval() {
    let table = in_memory(&by_values("")).await;
    let old = 20_200_101;
    append(&table, 1, old, FEBRUARY).await;
    assert_eq!(ids(&table).await, once([]), "the first commit looks");
    append(&table, 2, old, FEBRUARY + 3_599_999).await;
    assert_eq!(ids(&table).await, once([2]), "the hour is not over");
    append(&table, 3, old, FEBRUARY + 3_600_000).await;
    assert_eq!(ids(&table).await, once([]), "another hour");
    let always = HashMap::from([(
        "partition.expiration-check-interval".to_string(),
        "0 s".to_string(),
    )]);
    let eager = table.with_options(&always).await.unwrap();
    append(&eager, 4, old, FEBRUARY + 3_600_001).await;
    append(&eager, 5, 20_240_201, FEBRUARY + 3_600_002).await;
    assert_eq!(ids(&table).await, once([5]));
    let only = HashMap::from([("write-only".to_string(), "true".to_string())]);
    let only = eager.with_options(&only).await.unwrap();
    append(&only, 6, old, FEBRUARY + 4 * DAY_MS).await;
    assert_eq!(ids(&table).await, once([5, 6]));
}

#[tokio::test]
async fn partitions_expire_by_the_time_of_their_last_file() {
    let schema =
        by_values(r#""partition.expiration-strategy": "update-time", "write-only": "true","#);
    let table = in_memory(&schema).await;
    append(&table, 1, 1, FEBRUARY).await;
    append(&table, 2, 2, FEBRUARY).await;
    let snapshot = table.snapshots().latest().await.unwrap().unwrap();
    // files record the time of the system
    let written = snapshot
        .time_millis
        .max(paimon_core::write::SystemClock.local_ms());
    let expire = ExpirePartitions::default();
    let none = expire.run(&table, &at(written - DAY_MS)).await.unwrap();
    assert_eq!(names(&none), Vec::<&str>::new());
    let all = expire.run(&table, &at(written + 8 * DAY_MS)).await.unwrap();
    assert_eq!(names(&all), ["p=1", "p=2"]);
    assert_eq!(ids(&table).await, once([]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_partition_written_to_meanwhile_is_not_idle() {
    let table = in_memory(&by_values(r#""write-only": "true","#)).await;
    let before = paimon_core::write::SystemClock.local_ms();
    append(&table, 1, 1, FEBRUARY).await;
    append(&table, 2, 2, FEBRUARY).await;
    let commit = FileStoreCommit::new(&table, "u", CommitContext::default()).unwrap();
    let both = |p: i32| vec![("p".to_string(), Some(Datum::Int(p)))];
    // chosen as idle, but there are files of a later time by now
    commit
        .drop_idle_partitions(vec![both(1)], before, 1)
        .await
        .unwrap();
    assert_eq!(ids(&table).await, once([1, 2]));
    commit
        .drop_idle_partitions(vec![both(1)], i64::MAX, 2)
        .await
        .unwrap();
    assert_eq!(ids(&table).await, once([2]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn tables_that_cannot_expire_partitions_say_so() {
    let expire = ExpirePartitions::default();
    for schema in [partitioned(), by_values("").replace(r#"["p"]"#, "[]")] {
        let table = in_memory(&schema).await;
        append(&table, 1, 20_200_101, FEBRUARY).await;
        let error = expire.run(&table, &at(FEBRUARY)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(ids(&table).await, once([1]));
    }
    let table = in_memory(&by_values(r#""write-only": "true","#)).await;
    append(&table, 1, 1, FEBRUARY).await;
    let strict = HashMap::from([(
        "partition.timestamp-format.strict".to_string(),
        "true".to_string(),
    )]);
    let strict = table.with_options(&strict).await.unwrap();
    let error = expire.run(&strict, &at(FEBRUARY)).await.unwrap_err();
    assert!(error.to_string().contains("no time"), "{error}");
}

#[tokio::test]
async fn rows_go_only_to_partitions_whose_values_are_times_where_that_is_asked() {
    const STRICT: &str = r#""partition.timestamp-format.strict": "true","#;
    let table = in_memory(&by_values(STRICT)).await;
    append(&table, 1, 20_240_131, FEBRUARY).await;
    for partition in [-100, 20_241_301, 7] {
        let mut write = table.new_write().unwrap();
        let error = write
            .write(&rows(&table, &[2], partition))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains("partition.timestamp-format.strict"), "{text}");
    }
    // without a format nothing is asked of the values
    let free = by_values(STRICT).replace("partition.timestamp-formatter", "unknown");
    let table = in_memory(&free).await;
    append(&table, 1, -100, FEBRUARY).await;
    assert_eq!(ids(&table).await, once([1]));
}
