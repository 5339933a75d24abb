//! Statistics that ANALYZE makes.

use paimon_core::ErrorKind;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::{AnalyzeTable, AnalyzedColumns};
use paimon_core::spec::{ColStats, CommitKind, Statistics};
use paimon_core::table::Table;

use crate::commit::{PLAIN, assert_sound, in_memory, written};

async fn analyze(table: &Table, columns: AnalyzedColumns) -> Option<i64> {
    let analyze = AnalyzeTable { columns };
    analyze.run(table, &CommitContext::default()).await.unwrap()
}

async fn statistics(table: &Table) -> Statistics {
    let newest = table.snapshots().latest().await.unwrap().unwrap();
    let path = format!(
        "{}/statistics/{}",
        table.location(),
        newest.statistics.unwrap()
    );
    let bytes = table.io().read(&path, 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

async fn append(table: &Table, ids: &[i32], p: i32) {
    let messages = written(table, ids, p).await;
    table.new_commit().commit(1, messages).await.unwrap();
}

#[tokio::test]
async fn rows_nulls_bounds_and_distinct_values_are_counted() {
    let table = in_memory(PLAIN).await;
    assert_eq!(analyze(&table, AnalyzedColumns::All).await, None);
    append(&table, &[3, -5, 3], 7).await;
    append(&table, &[40, 3], 7).await;
    assert_eq!(analyze(&table, AnalyzedColumns::All).await, Some(3));
    let newest = table.snapshots().latest().await.unwrap().unwrap();
    assert_eq!(newest.commit_kind, CommitKind::Analyze);
    assert_eq!(newest.total_record_count, Some(5));
    let found = statistics(&table).await;
    assert_eq!((found.snapshot_id, found.schema_id), (2, 0));
    assert_eq!(found.merged_record_count, Some(5));
    assert!(found.merged_record_size > Some(0));
    let id = ColStats {
        col_id: 0,
        distinct_count: Some(3),
        min: Some("-5".into()),
        max: Some("40".into()),
        null_count: Some(0),
        avg_len: Some(4),
        max_len: Some(4),
    };
    assert_eq!(found.col_stats["id"], id);
    assert_eq!(found.col_stats["p"].distinct_count, Some(1));
    // later commits keep them
    append(&table, &[1], 1).await;
    assert_eq!(statistics(&table).await, found);
    assert_sound(&table).await;
}

#[tokio::test]
async fn many_distinct_values_are_estimated_closely() {
    let table = in_memory(PLAIN).await;
    let ids: Vec<i32> = (0..50_000).map(|i| i / 2).collect();
    append(&table, &ids, 1).await;
    analyze(&table, AnalyzedColumns::Named(vec!["id".into()])).await;
    let found = statistics(&table).await;
    assert_eq!(found.col_stats.len(), 1);
    let distinct = found.col_stats["id"].distinct_count.unwrap();
    assert!((24_000..26_000).contains(&distinct), "{distinct}");
}

#[tokio::test]
async fn columns_are_chosen_by_name() {
    let table = in_memory(PLAIN).await;
    append(&table, &[1, 2], 1).await;
    analyze(&table, AnalyzedColumns::None).await;
    let found = statistics(&table).await;
    assert_eq!(found.merged_record_count, Some(2));
    assert!(found.col_stats.is_empty());
    let unknown = AnalyzeTable {
        columns: AnalyzedColumns::Named(vec!["nosuch".into()]),
    };
    let error = unknown
        .run(&table, &CommitContext::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
