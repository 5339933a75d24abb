//! Where streams start, what they skip, where they end.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use paimon_core::ErrorKind;
use paimon_core::commit::Overwrite;
use paimon_core::maintenance::{ExpireSnapshots, RollbackTarget, rollback_to};
use paimon_core::table::{StreamPlan, StreamProgress, StreamRead, Table};
use rstest::rstest;

use super::{Told, options, records, stream};
use crate::compact::trees::{Record, batch, compact, schema, write};
use crate::expiry::{At, at};
use crate::write::publish::{create, open};

/// (next snapshot, whether a state, sorted rows) of every plan until nothing is left.
async fn plans(read: &StreamRead) -> Vec<(i64, bool, Vec<Record>)> {
    let (mut scan, reader) = (read.scan().unwrap(), read.reader().unwrap());
    let mut out = Vec::new();
    while let StreamPlan::Step(step) = scan.plan().await.unwrap() {
        let mut rows = Vec::new();
        for split in &step.splits {
            let batches: Vec<_> = read
                .rows(&reader, split)
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            rows.extend(batches.iter().flat_map(records));
        }
        rows.sort_unstable();
        out.push((step.progress.next_snapshot, step.full, rows));
    }
    out
}

fn row(key: i32, value: i64) -> Record {
    (key, Some(key), Some(value), 0)
}

fn deleted(key: i32, value: i64) -> Record {
    (key, Some(key), Some(value), 3)
}

async fn committed_at(table: &Table, rows: &[Record], ms: i64) {
    let mut write = table.new_write().unwrap();
    let (rows, kinds) = batch(rows, None);
    write.write_with_kinds(&rows, &kinds).await.unwrap();
    let messages = write.prepare_commit().await.unwrap();
    let commit = table.new_commit().with_context(at(ms)).with_watermark(ms);
    commit.commit(1, messages).await.unwrap();
}

/// Snapshots 1 to 4 at 1000, 2000, 3000 (a compaction) and 4000 ms.
async fn history(temp: &tempfile::TempDir) -> Table {
    let options = [("bucket", "1"), ("write-only", "true")];
    let table = create(temp.path(), &schema(true, false, &options)).await;
    committed_at(&table, &[row(1, 10)], 1000).await;
    committed_at(&table, &[row(2, 20)], 2000).await;
    let messages = table.new_compact().full(true).run().await.unwrap();
    let commit = table.new_commit().with_context(at(3000));
    commit.commit(2, messages).await.unwrap();
    committed_at(&table, &[row(1, 11), deleted(2, 20)], 4000).await;
    table
}

#[rstest]
#[case::newest_state(&[], &[5], true)]
#[case::latest_full(&[("scan.mode", "latest-full")], &[5], true)]
#[case::full(&[("scan.mode", "full")], &[5], true)]
#[case::latest(&[("scan.mode", "latest")], &[], false)]
#[case::compacted(&[("scan.mode", "compacted-full")], &[4, 5], true)]
#[case::by_interval(&[("scan.mode", "compacted-full"), ("full-compaction.delta-commits", "2")], &[4, 5], true)]
#[case::by_missed_interval(&[("scan.mode", "compacted-full"), ("full-compaction.delta-commits", "7")], &[5], true)]
#[case::snapshot(&[("scan.snapshot-id", "2")], &[3, 5], false)]
#[case::version(&[("scan.version", "2")], &[3, 5], false)]
#[case::snapshot_full(&[("scan.mode", "from-snapshot-full"), ("scan.snapshot-id", "2")], &[3, 5], true)]
#[case::before_all(&[("scan.timestamp-millis", "5")], &[2, 3, 5], false)]
#[case::time(&[("scan.timestamp-millis", "2000")], &[3, 5], false)]
#[case::after_time(&[("scan.timestamp-millis", "2001")], &[5], false)]
#[case::text(&[("scan.timestamp", "1970-01-01 00:00:02")], &[3, 5], false)]
#[case::after_all(&[("scan.timestamp-millis", "9000")], &[], false)]
#[case::creation(&[("scan.creation-time-millis", "2000")], &[3, 5], false)]
#[case::file_creation(&[("scan.file-creation-time-millis", "0")], &[5], true)]
#[tokio::test]
async fn streams_start_where_their_options_say(
    #[case] pairs: &[(&str, &str)],
    #[case] checkpoints: &[i64],
    #[case] state_first: bool,
) {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    let found = plans(&stream(&table, pairs).await).await;
    let ids: Vec<i64> = found.iter().map(|p| p.0).collect();
    assert_eq!(ids, checkpoints);
    let states: Vec<bool> = found.iter().map(|p| p.1).collect();
    let mut expected = vec![false; checkpoints.len()];
    if let Some(first) = expected.first_mut() {
        *first = state_first;
    }
    assert_eq!(states, expected);
    if ids == [3, 5] && !state_first {
        assert_eq!(found[0].2, [row(2, 20)]);
        assert_eq!(found[1].2, [row(1, 11), deleted(2, 20)]);
    }
}

#[tokio::test]
async fn a_checkpoint_goes_on_where_it_was_made() {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    let read = stream(&table, &[("scan.snapshot-id", "1")]).await;
    let mut scan = read.scan().unwrap();
    assert_eq!(scan.next_snapshot(), None);
    assert!(matches!(scan.plan().await.unwrap(), StreamPlan::Step(s) if s.snapshot_id == 1));
    assert_eq!(
        (scan.next_snapshot(), scan.watermark()),
        (Some(2), Some(1000))
    );
    let mut other = read.scan().unwrap();
    other.restore(scan.progress());
    assert!(matches!(other.plan().await.unwrap(), StreamPlan::Step(s) if s.snapshot_id == 2));
    assert!(matches!(other.plan().await.unwrap(), StreamPlan::Step(s) if s.snapshot_id == 4));
    assert!(matches!(other.plan().await.unwrap(), StreamPlan::Nothing));
}

#[tokio::test]
async fn a_stream_goes_on_from_the_progress_of_another() {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    let read = stream(&table, &[("scan.snapshot-id", "1")]).await;
    let mut changes = read.changes().await.unwrap();
    let first = changes.next().await.unwrap().unwrap();
    assert_eq!(records(&first.rows), [row(1, 10)]);
    let mut rest = read.changes_after(&first.completes.unwrap()).await.unwrap();
    let second = rest.next().await.unwrap().unwrap();
    assert_eq!(records(&second.rows), [row(2, 20)]);
    let gone = second.completes.unwrap();
    let expire = ExpireSnapshots {
        retain_max: Some(1),
        retain_min: Some(1),
        ..ExpireSnapshots::default()
    };
    expire.run(&table, 9000).await.unwrap();
    let error = read.changes_after(&gone).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SnapshotExpired);
}

#[rstest]
#[case(&[("scan.mode", "incremental")], "scan.mode")]
#[case(&[("incremental-between", "1,2")], "incremental-between")]
#[case(&[("scan.mode", "latest-delta")], "latest-delta")]
#[case(&[("scan.mode", "soon")], "soon")]
#[case(&[("scan.mode", "from-snapshot")], "from-snapshot")]
#[case(&[("scan.mode", "latest"), ("scan.snapshot-id", "1")], "scan.snapshot-id")]
#[case(&[("scan.timestamp-millis", "1"), ("scan.snapshot-id", "1")], "scan.timestamp-millis")]
#[case(&[("scan.watermark", "1")], "watermark")]
#[case(&[("scan.version", "watermark-1")], "watermark")]
#[case(&[("scan.version", "x")], "version")]
#[case(&[("scan.snapshot-id", "x")], "scan.snapshot-id")]
#[case(&[("scan.dedicated-split-generation", "true")], "scan.dedicated-split-generation")]
#[case(&[("streaming-read-backwards", "true")], "streaming-read-backwards")]
#[case(&[("log.system", "kafka")], "log.system")]
#[case(&[("consumer-id", "a/b")], "a/b")]
#[case(&[("consumer.mode", "often")], "consumer.mode")]
#[case(&[("merge-engine", "first-row")], "merge-engine")]
#[tokio::test]
async fn options_that_cannot_be_honoured_are_refused_by_name(
    #[case] pairs: &[(&str, &str)],
    #[case] named: &str,
) {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    let error = table.new_stream_read(&options(pairs)).await.unwrap_err();
    assert!(error.to_string().contains(named), "{error}");
}

#[rstest]
#[case("partial-update")]
#[case("first-row")]
#[case("aggregation")]
#[tokio::test]
async fn written_rows_are_no_changes_where_a_merge_engine_folds_them(#[case] engine: &str) {
    let temp = tempfile::tempdir().unwrap();
    let own = [("bucket", "1"), ("merge-engine", engine)];
    let table = create(temp.path(), &schema(true, false, &own)).await;
    let read = stream(&table, &[]).await;
    let error = read.scan().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("changelog-producer"), "{error}");
    assert!(read.clone().with_written_rows().scan().is_ok());
    let told = stream(&table, &[("changelog-producer", "lookup")]).await;
    assert!(told.scan().is_ok());
}

#[tokio::test]
async fn a_table_that_was_empty_is_told_from_its_first_snapshot() {
    let temp = tempfile::tempdir().unwrap();
    let table = create(temp.path(), &schema(false, false, &[])).await;
    for mode in ["latest", "latest-full"] {
        let read = stream(&table, &[("scan.mode", mode)]).await;
        let mut scan = read.scan().unwrap();
        assert!(matches!(scan.plan().await.unwrap(), StreamPlan::Nothing));
        write(&table, &[row(1, 1)], None).await;
        write(&table, &[row(2, 2)], None).await;
        let newest = table.snapshots().latest_id().await.unwrap().unwrap();
        let StreamPlan::Step(step) = scan.plan().await.unwrap() else {
            panic!("{mode}")
        };
        let first = if mode == "latest" { 1 } else { newest };
        assert_eq!((step.snapshot_id, step.full), (first, mode != "latest"));
        if mode == "latest" {
            rollback(&table, temp.path()).await;
        }
    }
}

/// Makes a table empty again, as one that was created anew.
async fn rollback(table: &Table, folder: &std::path::Path) {
    let ids = table.snapshots().ids().await.unwrap();
    std::fs::remove_dir_all(folder.join("snapshot")).unwrap();
    assert_eq!(ids, [1, 2]);
}

#[tokio::test]
async fn a_stream_ends_with_its_watermark() {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    for (start, bound, checkpoints) in [
        ("1", "999", &[][..]),
        ("1", "1000", &[2]),
        ("1", "2500", &[2, 3]),
    ] {
        let pairs = [
            ("scan.snapshot-id", start),
            ("scan.bounded.watermark", bound),
        ];
        let stream = stream(&table, &pairs).await.changes().await.unwrap();
        let batches: Vec<_> = stream.try_collect().await.unwrap();
        let of_rows = batches.iter().filter(|b| b.rows.num_rows() > 0);
        let ids: Vec<i64> = of_rows
            .filter_map(|b| Some(b.completes.as_ref()?.next_snapshot))
            .collect();
        assert_eq!(ids, checkpoints, "{bound}");
    }
    // a state beyond the bound is read, then nothing
    let pairs = [("scan.bounded.watermark", "1")];
    let stream = stream(&table, &pairs).await.changes().await.unwrap();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(batches.len(), 1);
    assert_eq!(records(&batches[0].rows), [row(1, 11)]);
}

#[tokio::test]
async fn young_snapshots_wait_for_their_delay() {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    let pairs = [
        ("scan.snapshot-id", "1"),
        ("streaming.read.snapshot.delay", "1 s"),
    ];
    let read = stream(&table, &pairs).await;
    for (now, count) in [(1999, 0), (2000, 1), (3000, 2), (4999, 2), (5000, 3)] {
        let read = read.clone().with_clock(Arc::new(At(now)));
        assert_eq!(plans(&read).await.len(), count, "{now}");
    }
}

#[tokio::test]
async fn what_expired_or_was_rolled_back_is_an_error_of_its_own() {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    let read = stream(&table, &[("scan.snapshot-id", "1")]).await;
    let mut behind = read.scan().unwrap();
    behind.plan().await.unwrap();
    let mut ahead = read.scan().unwrap();
    let from = |next_snapshot| StreamProgress {
        next_snapshot,
        watermark: None,
        last_snapshot: None,
    };
    ahead.restore(Some(from(5)));
    assert!(matches!(ahead.plan().await.unwrap(), StreamPlan::Nothing));
    let expire = ExpireSnapshots {
        retain_max: Some(1),
        retain_min: Some(1),
        ..ExpireSnapshots::default()
    };
    expire.run(&table, 9000).await.unwrap();
    let error = behind.plan().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SnapshotExpired);
    assert!(error.to_string().contains("consumer-id"), "{error}");
    // the error changes nothing
    assert_eq!(behind.next_snapshot(), Some(2));
    committed_at(&table, &[row(7, 7)], 6000).await;
    assert!(matches!(ahead.plan().await.unwrap(), StreamPlan::Step(_)));
    rollback_to(&table, &RollbackTarget::Snapshot(4))
        .await
        .unwrap();
    let error = ahead.plan().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("rolled back"), "{error}");
    // others took the numbers: a running stream and one that goes on from what was kept know their own
    for row_of in [row(8, 8), row(9, 9)] {
        committed_at(&table, &[row_of], 7000).await;
    }
    let mut restarted = read.scan().unwrap();
    restarted.restore(ahead.progress());
    let mut unaware = read.scan().unwrap();
    unaware.restore(Some(from(6)));
    assert!(matches!(unaware.plan().await.unwrap(), StreamPlan::Step(_)));
    for scan in [&mut ahead, &mut restarted] {
        let error = scan.plan().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("is not the one"), "{error}");
        assert_eq!(scan.next_snapshot(), Some(6));
    }
}

#[tokio::test]
async fn a_stream_wakes_up_for_new_snapshots_and_can_be_dropped() {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    let pause = Told::default();
    let read = stream(&table, &[("scan.mode", "latest")]).await;
    let read = read.with_pause(Arc::new(pause.clone()));
    let mut changes = read.changes().await.unwrap();
    let start = changes.next().await.unwrap().unwrap();
    assert_eq!(start.rows.num_rows(), 0);
    assert_eq!(start.completes.unwrap().next_snapshot, 5);
    let follower = tokio::spawn(async move { (changes.next().await, changes) });
    pause.waits.notified().await;
    compact(&table, true).await;
    committed_at(&table, &[row(8, 8)], 9000).await;
    pause.go_on.notify_one();
    let (batch, mut changes) = follower.await.unwrap();
    let batch = batch.unwrap().unwrap();
    assert_eq!(records(&batch.rows), [row(8, 8)]);
    assert_eq!(
        (batch.snapshot_id, batch.completes.unwrap().next_snapshot),
        (6, 7)
    );
    // waiting for ever, given up
    let waiting = tokio::time::timeout(Duration::from_millis(20), changes.next()).await;
    assert!(waiting.is_err());
    drop(changes);
}

#[tokio::test]
async fn snapshots_without_rows_make_progress() {
    let temp = tempfile::tempdir().unwrap();
    let table = history(&temp).await;
    let read = stream(
        &table,
        &[
            ("scan.snapshot-id", "3"),
            ("scan.bounded.watermark", "3000"),
        ],
    );
    let stream = read.await.changes().await.unwrap();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].rows.num_rows(), 0);
    assert_eq!(batches[0].completes.as_ref().unwrap().next_snapshot, 4);
}

#[tokio::test]
async fn an_overwrite_takes_away_only_what_was_there() {
    let temp = tempfile::tempdir().unwrap();
    let own = [
        ("bucket", "1"),
        ("deletion-vectors.enabled", "true"),
        ("changelog-producer", "lookup"),
        ("write-only", "true"),
    ];
    let table = create(temp.path(), &schema(true, false, &own)).await;
    write(&table, &[row(1, 1), row(2, 2), row(3, 3)], None).await;
    compact(&table, true).await;
    write(&table, &[row(2, 22), deleted(3, 3)], None).await;
    compact(&table, false).await;
    let mut write = table
        .write_builder()
        .with_ignore_previous_files(true)
        .build()
        .unwrap();
    let (rows, kinds) = batch(&[row(9, 9)], None);
    write.write_with_kinds(&rows, &kinds).await.unwrap();
    let messages = write.prepare_commit().await.unwrap();
    let commit = table.new_commit();
    let made = commit.overwrite(Overwrite::Dynamic, 7, messages);
    let overwrite = *made.await.unwrap().first().unwrap();
    let start = overwrite.to_string();
    let pairs = [("scan.snapshot-id", start.as_str())];
    assert!(plans(&stream(&table, &pairs).await).await.is_empty());
    let pairs = [pairs[0], ("streaming-read-overwrite", "true")];
    let found = plans(&stream(&table, &pairs).await).await;
    let expected = vec![deleted(1, 1), deleted(2, 22), row(9, 9)];
    assert_eq!(found, [(overwrite + 1, false, expected)]);
}

#[tokio::test]
async fn columns_stay_those_of_the_start_while_the_table_changes() {
    let temp = tempfile::tempdir().unwrap();
    let own = [("write-only", "true")];
    let table = create(temp.path(), &schema(false, false, &own)).await;
    write(&table, &[row(1, 1)], None).await;
    let read = stream(&table, &[]).await;
    let mut scan = read.scan().unwrap();
    scan.plan().await.unwrap();
    let mut wider = schema(false, true, &own);
    wider.id = 1;
    wider.partition_keys.clear();
    wider.fields[2].name = "value".to_string();
    let path = temp.path().join("schema/schema-1");
    std::fs::write(path, serde_json::to_vec(&wider).unwrap()).unwrap();
    let newer = open(temp.path()).await;
    write(&newer, &[row(2, 2)], Some(5)).await;
    let StreamPlan::Step(step) = scan.plan().await.unwrap() else {
        panic!("nothing came")
    };
    let rows = read.rows(&read.reader().unwrap(), &step.splits[0]).unwrap();
    let batches: Vec<_> = rows.try_collect().await.unwrap();
    assert_eq!(batches[0].schema().field(2).name(), "v");
    assert_eq!(records(&batches[0]), [row(2, 2)]);
}
