//! Rows that were put into buckets before another writer committed.

use paimon_core::ErrorKind;
use paimon_core::commit::{CommitContext, Overwrite};
use paimon_core::maintenance::{RescaleBuckets, RollbackTarget, rollback_to};
use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::{CommitMessage, Datum};
use paimon_core::table::Table;

use crate::commit::{add, assert_sound, ids, in_memory, once, partitioned, rows, written};
use crate::file_indexes::altered;

/// Keys of a partition go to the first bucket with room.
fn keyed(options: &str) -> String {
    partitioned()
        .replace(r#""primaryKeys": []"#, r#""primaryKeys": ["id", "p"]"#)
        .replace(r#""type": "INT"}]"#, r#""type": "INT NOT NULL"}]"#)
        .replace(r#""options": {"#, &format!(r#""options": {{{options}, "#))
}

fn dynamic() -> String {
    keyed(r#""bucket": "-1", "dynamic-bucket.target-row-num": "3""#)
}

async fn commit(table: &Table, messages: Vec<CommitMessage>) -> Result<(), ErrorKind> {
    let done = table.new_commit().commit(1, messages).await;
    done.map(drop).map_err(|e| e.kind())
}

#[tokio::test]
async fn writers_at_a_time_keep_each_others_keys_in_the_index() {
    let table = in_memory(&dynamic()).await;
    add(&table, &[50], 1).await;
    let first = written(&table, &[1, 2], 1).await;
    let second = written(&table, &[101, 102, 103], 1).await;
    let elsewhere = written(&table, &[7], 2).await;
    for messages in [second, elsewhere, first] {
        commit(&table, messages).await.unwrap();
    }
    let all = [1, 2, 7, 50, 101, 102, 103];
    assert_eq!(ids(&table).await, once(all));
    // every key is known by its bucket
    add(&table, &[101, 102, 103, 1, 2, 50], 1).await;
    assert_eq!(ids(&table).await, once(all));
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_key_that_got_another_bucket_meanwhile_is_refused() {
    let table = in_memory(&dynamic()).await;
    let first = written(&table, &[1, 2, 3, 4], 1).await;
    let second = written(&table, &[4], 1).await;
    commit(&table, first).await.unwrap();
    assert_eq!(commit(&table, second).await, Err(ErrorKind::CommitConflict));
    assert_eq!(ids(&table).await, once(1..=4));
    add(&table, &[4], 1).await;
    assert_eq!(ids(&table).await, once(1..=4));
    assert_sound(&table).await;
}

#[tokio::test]
async fn one_writer_of_many_commits_and_others_between_them() {
    let table = in_memory(&dynamic()).await;
    let mut write = table.new_write().unwrap();
    let own = table.new_commit().with_user("stream");
    for i in 0..6 {
        write
            .write(&rows(&table, &[i * 10, i * 10 + 1, 5], 1))
            .await
            .unwrap();
        let messages = write.prepare_commit().await.unwrap();
        match own.commit(i64::from(i), messages).await {
            Ok(_) => {}
            Err(error) => {
                // the others filled the bucket that this writer took for its keys
                assert_eq!(error.kind(), ErrorKind::CommitConflict, "{error}");
                assert!(i > 0);
                break;
            }
        }
        add(&table, &[1000 + i], 1).await;
    }
    assert!(ids(&table).await.values().all(|count| *count == 1));
    assert_sound(&table).await;
}

#[tokio::test]
async fn rows_of_partitions_that_were_overwritten_have_other_buckets() {
    let table = in_memory(&dynamic()).await;
    add(&table, &[1, 2, 3, 4, 5, 6], 1).await;
    let update = written(&table, &[6], 1).await;
    let elsewhere = written(&table, &[8], 2).await;
    let fresh = table.write_builder().with_ignore_previous_files(true);
    let mut write = fresh.build().unwrap();
    write
        .write(&rows(&table, &[6, 5, 4, 3, 2, 1], 1))
        .await
        .unwrap();
    let target = Overwrite::Static(vec![("p".to_string(), Some(Datum::Int(1)))]);
    let messages = write.prepare_commit().await.unwrap();
    table
        .new_commit()
        .overwrite(target, 1, messages)
        .await
        .unwrap();
    assert_eq!(commit(&table, update).await, Err(ErrorKind::CommitConflict));
    commit(&table, elsewhere).await.unwrap();
    assert_eq!(ids(&table).await, once([1, 2, 3, 4, 5, 6, 8]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn rows_of_partitions_that_were_rescaled_are_refused() {
    for keys in [true, false] {
        let schema = match keys {
            true => keyed(r#""bucket": "2""#),
            false => partitioned().replace(
                r#""options": {"#,
                r#""options": {"bucket": "2", "bucket-key": "id", "#,
            ),
        };
        let table = in_memory(&schema).await;
        add(&table, &[1, 2, 3, 4, 5], 1).await;
        add(&table, &[1, 2], 2).await;
        let late = written(&table, &[1, 2, 3], 1).await;
        let untouched = written(&table, &[9], 2).await;
        let rescale = RescaleBuckets {
            bucket_num: Some(5),
            partitions: vec![vec![("p".to_string(), Some(Datum::Int(1)))]],
        };
        rescale
            .run(&table, &CommitContext::default())
            .await
            .unwrap();
        assert_eq!(commit(&table, late).await, Err(ErrorKind::CommitConflict));
        commit(&table, untouched).await.unwrap();
        let mut expected = once([3, 4, 5, 9]);
        expected.extend([(1, 2), (2, 2)]);
        assert_eq!(ids(&table).await, expected);
        assert_sound(&table).await;
    }
}

#[tokio::test]
async fn keys_that_may_be_in_other_partitions_by_now_are_refused() {
    let schema = partitioned()
        .replace(r#""primaryKeys": []"#, r#""primaryKeys": ["id"]"#)
        .replace(r#""options": {"#, r#""options": {"bucket": "-1", "#);
    let table = in_memory(&schema).await;
    add(&table, &[1], 1).await;
    let first = written(&table, &[5], 1).await;
    let second = written(&table, &[5], 2).await;
    commit(&table, first).await.unwrap();
    assert_eq!(commit(&table, second).await, Err(ErrorKind::CommitConflict));
    // of one user, but by two writers
    let first = written(&table, &[9], 1).await;
    let second = written(&table, &[9], 2).await;
    let same = table.new_commit().with_user("etl");
    same.commit(2, first).await.unwrap();
    let error = same.commit(1, second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitConflict);
    // commits of one writer follow each other
    let mut write = table.new_write().unwrap();
    for i in 1..4 {
        let own = table.new_commit().with_user("stream");
        let batch = rows(&table, &[5, 6], i);
        write.write(&batch).await.unwrap();
        let messages = write.prepare_commit().await.unwrap();
        own.commit(i64::from(i), messages).await.unwrap();
    }
    assert_eq!(ids(&table).await, once([1, 5, 6, 9]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn a_key_that_two_others_put_into_two_buckets_is_refused() {
    let table = in_memory(&dynamic()).await;
    add(&table, &[50], 1).await;
    let first = written(&table, &[7], 1).await;
    add(&table, &[1, 2, 3], 1).await;
    // the bucket that the first one found room in is full by now
    let second = written(&table, &[7], 1).await;
    commit(&table, first).await.unwrap();
    assert_eq!(commit(&table, second).await, Err(ErrorKind::CommitConflict));
    assert_eq!(ids(&table).await, once([1, 2, 3, 7, 50]));
    assert_sound(&table).await;
}

#[tokio::test]
async fn snapshots_of_another_history_are_no_base() {
    let hashed = r#""bucket": "-1", "dynamic-bucket.target-row-num": "3""#;
    for options in [hashed, r#""bucket": "2""#] {
        let table = in_memory(&keyed(options)).await;
        add(&table, &[1], 1).await;
        add(&table, &[2, 3, 4, 5, 6], 1).await;
        add(&table, &[7], 1).await;
        let late = written(&table, &[7], 1).await;
        let target = RollbackTarget::Snapshot(1);
        rollback_to(&table, &target).await.unwrap();
        add(&table, &[7], 1).await;
        add(&table, &[8], 1).await;
        let done = commit(&table, late).await;
        match options == hashed {
            true => assert_eq!(done, Err(ErrorKind::CommitConflict)),
            false => done.unwrap(),
        }
        assert_eq!(ids(&table).await, once([1, 7, 8]));
        assert_sound(&table).await;
    }
}

#[tokio::test]
async fn new_partitions_get_one_number_of_buckets() {
    let table = in_memory(&keyed(r#""bucket": "2""#)).await;
    add(&table, &[1], 1).await;
    let late = written(&table, &[1, 2, 3], 9).await;
    let more = SchemaChange::SetOption {
        key: "bucket".into(),
        value: "5".into(),
    };
    let other = altered(&table, vec![more]).await;
    add(&other, &[1, 2, 3], 9).await;
    assert_eq!(commit(&table, late).await, Err(ErrorKind::CommitConflict));
    assert_eq!(ids(&table).await, [(1, 2), (2, 1), (3, 1)].into());
    assert_sound(&table).await;
}

#[tokio::test]
async fn rows_of_a_table_that_was_replaced_meanwhile_are_refused() {
    for keys in ["id, p", "p, id", ""] {
        let table = in_memory(&keyed(r#""bucket": "2""#)).await;
        add(&table, &[1], 1).await;
        let late = written(&table, &[7], 1).await;
        let split = keys.split(", ").filter(|key| !key.is_empty());
        let new = NewTable {
            primary_keys: split.map(str::to_string).collect(),
            options: Default::default(),
            ..NewTable::like(table.schema())
        };
        let schema = new.into_schema(7).unwrap();
        let schema = table.schema().replaced_by(schema).unwrap();
        let publish = async { table.schemas().append(&schema).await };
        table.replace(&schema, publish).await.unwrap();
        assert_eq!(commit(&table, late).await, Err(ErrorKind::CommitConflict));
        let table = altered(&table, Vec::new()).await;
        assert_eq!(ids(&table).await, once([]));
        add(&table, &[7], 1).await;
        assert_eq!(ids(&table).await, once([7]));
        assert_sound(&table).await;
    }
}
