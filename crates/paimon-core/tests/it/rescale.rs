//! Rescaled partitions have the rows they had, in other buckets.

use std::collections::BTreeSet;

use paimon_core::ErrorKind;
use paimon_core::commit::{CommitContext, FileStoreCommit, Overwrite, Replaced};
use paimon_core::maintenance::RescaleBuckets;
use paimon_core::spec::{CommitKind, Datum, ManifestCommittable};
use paimon_core::table::Table;

use crate::commit::{assert_sound, ids, in_memory, once, partitioned, written};

fn bucketed(primary_key: bool) -> String {
    let schema = partitioned();
    let schema = match primary_key {
        true => schema
            .replace(r#""primaryKeys": []"#, r#""primaryKeys": ["id", "p"]"#)
            .replace(r#""type": "INT"}]"#, r#""type": "INT NOT NULL"}]"#),
        false => schema.replace(r#""options": {"#, r#""options": {"bucket-key": "id", "#),
    };
    schema.replace(r#""options": {"#, r#""options": {"bucket": "2", "#)
}

async fn append(table: &Table, rows: &[i32], p: i32) {
    let messages = written(table, rows, p).await;
    table.new_commit().commit(1, messages).await.unwrap();
}

async fn reopened(table: &Table) -> Table {
    table.branch("main").await.unwrap()
}

/// Buckets of a partition that have rows, and how many there are in all.
async fn buckets(table: &Table) -> BTreeSet<(i32, i32)> {
    let plan = table.read_builder().plan().await.unwrap();
    plan.splits
        .iter()
        .map(|s| (s.bucket, s.total_buckets))
        .collect()
}

#[tokio::test]
async fn partitions_move_to_other_buckets_with_all_their_rows() {
    for primary_key in [false, true] {
        let table = in_memory(&bucketed(primary_key)).await;
        let rows: Vec<i32> = (0..100).collect();
        append(&table, &rows, 1).await;
        append(&table, &[1000, 1001], 2).await;
        let before = ids(&table).await;
        let first = RescaleBuckets {
            bucket_num: Some(5),
            partitions: vec![vec![("p".to_string(), Some(Datum::Int(1)))]],
        };
        let made = first.run(&table, &CommitContext::default()).await.unwrap();
        assert_eq!(made.len(), 1);
        let table = reopened(&table).await;
        assert_eq!((table.schema().id, table.options().bucket), (1, 5));
        let newest = table.snapshots().latest().await.unwrap().unwrap();
        assert_eq!(
            (newest.commit_kind, newest.schema_id),
            (CommitKind::Overwrite, 1)
        );
        assert_eq!(ids(&table).await, before);
        // the other partition waits
        let mut write = table.new_write().unwrap();
        let refused = match write.write(&crate::commit::rows(&table, &[7], 2)).await {
            Ok(()) => write.prepare_commit().await.map(drop),
            other => other,
        };
        assert!(refused.is_err());
        let rest = RescaleBuckets::default();
        let made = rest.run(&table, &CommitContext::default()).await.unwrap();
        assert_eq!(made.len(), 1);
        assert_eq!(ids(&table).await, before);
        let none = rest.run(&table, &CommitContext::default()).await.unwrap();
        assert_eq!(none, Vec::<i64>::new(), "nothing is left to do");
        let found = buckets(&table).await;
        assert!(
            found.iter().all(|(b, total)| *total == 5 && b < total),
            "{found:?}"
        );
        assert!(found.len() == 5, "{found:?}");
        append(&table, &[2000], 2).await;
        assert_eq!(ids(&table).await.len(), 103);
        assert_sound(&table).await;
    }
}

#[tokio::test]
async fn rows_in_level_0_that_reads_leave_out_are_merged_before_they_move() {
    for (option, value) in [
        ("deletion-vectors.enabled", "true"),
        ("merge-engine", "first-row"),
    ] {
        for write_only in ["true", "false"] {
            let options =
                format!(r#""options": {{"{option}": "{value}", "write-only": "{write_only}", "#);
            let table = in_memory(&bucketed(true).replace(r#""options": {"#, &options)).await;
            for (rows, p) in [(0..60, 1), (30..100, 1), (0..10, 2), (0..100, 1)] {
                append(&table, &rows.collect::<Vec<i32>>(), p).await;
            }
            let rescale = RescaleBuckets {
                bucket_num: Some(3),
                partitions: Vec::new(),
            };
            let made = rescale
                .run(&table, &CommitContext::default())
                .await
                .unwrap();
            assert_eq!(made.len(), 2, "{option}, write-only {write_only}: {made:?}");
            let table = reopened(&table).await;
            let mut expected = once(0..100);
            (0..10).for_each(|id| *expected.entry(id).or_default() += 1);
            assert_eq!(ids(&table).await, expected, "{option}");
            let found = buckets(&table).await;
            assert!(found.iter().all(|(_, total)| *total == 3), "{found:?}");
            // the new files can be written to and compacted as any others
            append(&table, &[5, 500], 1).await;
            table.new_compact().commit().await.unwrap();
            expected.insert(500, 1);
            assert_eq!(ids(&reopened(&table).await).await, expected, "{option}");
            assert_sound(&table).await;
        }
    }
}

#[tokio::test]
async fn rows_of_others_are_not_replaced() {
    let table = in_memory(&bucketed(false)).await;
    append(&table, &[1], 1).await;
    let commit = FileStoreCommit::new(&table, "u", CommitContext::default()).unwrap();
    let messages = written(&table, &[2], 1).await;
    let committable = ManifestCommittable {
        identifier: 1,
        messages,
        ..ManifestCommittable::default()
    };
    let target = Overwrite::Static(vec![("p".to_string(), Some(Datum::Int(1)))]);
    let stale = Replaced::default();
    let error = commit
        .replace(&target, &committable, &stale)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitConflict);
    assert_eq!(ids(&table).await, once([1]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn tables_without_fixed_buckets_are_refused() {
    let table = in_memory(&partitioned()).await;
    append(&table, &[1], 1).await;
    let rescale = RescaleBuckets {
        bucket_num: Some(3),
        partitions: Vec::new(),
    };
    let error = rescale
        .run(&table, &CommitContext::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let table = in_memory(&bucketed(true)).await;
    let none = RescaleBuckets {
        bucket_num: Some(0),
        partitions: Vec::new(),
    };
    let error = none
        .run(&table, &CommitContext::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(reopened(&table).await.schema().id, 0);
}
