//! Tags that commits make by themselves.

use paimon_core::maintenance::{create_due_tags, trigger_tags};
use paimon_core::snapshot::list_tags;
use paimon_core::table::Table;

use crate::commit::{PLAIN, assert_sound, in_memory, written};
use crate::expiry::{FEBRUARY, at};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

async fn tagging(options: &str) -> Table {
    let options = format!(r#""options": {{"sink.process-time-zone": "+00:00", {options}, "#);
    in_memory(&PLAIN.replace(r#""options": {"#, &options)).await
}

async fn append(table: &Table, now_ms: i64, watermark: Option<i64>) {
    let messages = written(table, &[1], 0).await;
    let mut commit = table.new_commit().with_context(at(now_ms));
    if let Some(watermark) = watermark {
        commit = commit.with_watermark(watermark);
    }
    commit.commit(1, messages).await.unwrap();
}

async fn tags(table: &Table) -> Vec<(String, i64)> {
    let root = table.metadata_root().unwrap();
    let tags = list_tags(table.io(), &root).await.unwrap();
    tags.into_iter()
        .map(|t| (t.name, t.tag.snapshot.id))
        .collect()
}

fn named(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected
        .iter()
        .map(|(n, i)| ((*n).to_string(), *i))
        .collect()
}

#[tokio::test]
async fn every_hour_has_the_first_snapshot_after_it() {
    let table = tagging(
        r#""tag.automatic-creation": "process-time", "tag.creation-period": "hourly",
        "tag.creation-delay": "5 min", "tag.num-retained-max": "3""#,
    )
    .await;
    append(&table, FEBRUARY + MINUTE, None).await;
    assert_eq!(tags(&table).await, named(&[("2024-01-31 23", 1)]));
    append(&table, FEBRUARY + HOUR + 4 * MINUTE, None).await;
    assert_eq!(tags(&table).await.len(), 1, "the delay is not over");
    append(&table, FEBRUARY + HOUR + 5 * MINUTE, None).await;
    append(&table, FEBRUARY + HOUR + 6 * MINUTE, None).await;
    let two = [("2024-01-31 23", 1), ("2024-02-01 00", 3)];
    assert_eq!(tags(&table).await, named(&two));
    // hours without snapshots have no tag
    append(&table, FEBRUARY + 5 * HOUR + 6 * MINUTE, None).await;
    append(&table, FEBRUARY + 6 * HOUR + 6 * MINUTE, None).await;
    let three = [
        ("2024-02-01 00", 3),
        ("2024-02-01 04", 5),
        ("2024-02-01 05", 6),
    ];
    assert_eq!(tags(&table).await, named(&three), "at most three");
    assert_sound(&table).await;
}

#[tokio::test]
async fn missing_periods_are_filled_up_one_per_snapshot() {
    let table = tagging(
        r#""tag.automatic-creation": "process-time", "tag.automatic-completion": "true",
        "tag.period-formatter": "without_dashes""#,
    )
    .await;
    append(&table, FEBRUARY, None).await;
    for _ in 0..3 {
        append(&table, FEBRUARY + 50 * HOUR, None).await;
    }
    let all = [("20240131", 1), ("20240201", 2), ("20240202", 3)];
    assert_eq!(tags(&table).await, named(&all));
}

#[tokio::test]
async fn watermarks_make_tags_in_their_own_zone() {
    let table = tagging(
        r#""tag.automatic-creation": "watermark", "tag.creation-period": "two-hours",
        "sink.watermark-time-zone": "+01:00", "tag.period-formatter": "without_dashes_and_spaces""#,
    )
    .await;
    append(&table, FEBRUARY, None).await;
    assert_eq!(tags(&table).await, []);
    append(&table, FEBRUARY, Some(FEBRUARY)).await;
    append(&table, FEBRUARY, Some(FEBRUARY + HOUR - 1)).await;
    append(&table, FEBRUARY, Some(FEBRUARY + HOUR)).await;
    assert_eq!(
        tags(&table).await,
        named(&[("2024013122", 2), ("2024020100", 4)])
    );
}

#[tokio::test]
async fn batch_commits_have_one_tag() {
    let table =
        tagging(r#""tag.automatic-creation": "batch", "tag.batch.customized-name": "newest""#)
            .await;
    append(&table, FEBRUARY, None).await;
    append(&table, FEBRUARY + HOUR, None).await;
    assert_eq!(tags(&table).await, named(&[("newest", 2)]));
    let table = tagging(r#""tag.automatic-creation": "batch", "tag.num-retained-max": "2""#).await;
    for day in 0..4 {
        append(&table, FEBRUARY + day * 24 * HOUR, None).await;
    }
    let found = tags(&table).await;
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .all(|(name, _)| name.starts_with("batch-write-2024-02-0")),
        "{found:?}"
    );
    assert_eq!(found[1].1, 4);
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_trigger_commits_when_there_is_no_snapshot_for_a_period() {
    let table = tagging(r#""tag.automatic-creation": "process-time", "write-only": "true""#).await;
    append(&table, FEBRUARY, None).await;
    assert_eq!(tags(&table).await, [], "writers alone make none");
    let none: Vec<String> = Vec::new();
    let context = at(FEBRUARY + 25 * HOUR);
    let made = trigger_tags(&table, &context).await.unwrap();
    assert_eq!(made, ["2024-01-31", "2024-02-01"]);
    assert_eq!(
        tags(&table).await,
        named(&[("2024-01-31", 1), ("2024-02-01", 2)])
    );
    assert_eq!(trigger_tags(&table, &context).await.unwrap(), none);
    assert_eq!(table.snapshots().latest_id().await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_delay_is_shorter_than_the_period() {
    let table = tagging(
        r#""tag.automatic-creation": "process-time", "tag.creation-delay": "1 d", "write-only": "true""#,
    )
    .await;
    append(&table, FEBRUARY, None).await;
    let error = create_due_tags(&table, &at(FEBRUARY)).await.unwrap_err();
    assert!(error.to_string().contains("tag.creation-delay"), "{error}");
}
