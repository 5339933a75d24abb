//! Indexes that are written for files which are there: what they say, and what becomes of the files.

use std::collections::HashMap;

use paimon_core::ErrorKind;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::{ExpireSnapshots, RewriteFileIndexes, RewrittenIndexes};
use paimon_core::predicate::{Predicate, PredicateOp};
use paimon_core::schema::{ColumnPosition, SchemaChange};
use paimon_core::spec::{CommitKind, Datum, ManifestEntry};
use paimon_core::table::Table;

use crate::commit::{PLAIN, add, assert_sound, ids, in_memory, once, partitioned};

const ALL: RewriteFileIndexes = RewriteFileIndexes {
    partitions: None,
    parallelism: 2,
};

/// The table after a change of its options.
async fn with(table: &Table, options: &[(&str, Option<&str>)]) -> Table {
    let change = |(key, value): &(&str, Option<&str>)| match value {
        Some(value) => SchemaChange::SetOption {
            key: key.to_string(),
            value: value.to_string(),
        },
        None => SchemaChange::RemoveOption {
            key: key.to_string(),
        },
    };
    altered(table, options.iter().map(change).collect()).await
}

pub(crate) async fn altered(table: &Table, changes: Vec<SchemaChange>) -> Table {
    table.schemas().alter(&changes, true, 0).await.unwrap();
    let (io, location) = (table.io().clone(), table.location().to_string());
    Table::open(io, &location, "t").await.unwrap()
}

async fn run(table: &Table) -> RewrittenIndexes {
    let done = ALL.run(table, &CommitContext::default()).await.unwrap();
    assert_sound(table).await;
    done
}

async fn live(table: &Table) -> Vec<ManifestEntry> {
    let snapshot = table.snapshots().latest().await.unwrap().unwrap();
    let (files, _) = table.manifest_scan().live_files(&snapshot).await.unwrap();
    files
}

/// Ids of the rows that a filter `id = value` leaves to read: whole files, unless an index knows better.
async fn read(table: &Table, column: &str, value: i32) -> Vec<i32> {
    let field = table.schema().field(column).unwrap();
    let filter = Predicate::leaf(field, PredicateOp::Eq, vec![Some(Datum::Int(value))]);
    let builder = table.read_builder().with_filter(filter.unwrap());
    let mut found = Vec::new();
    for batch in builder.collect().await.unwrap() {
        use arrow_array::cast::AsArray;
        let column = batch.column_by_name(column).unwrap();
        let values = column.as_primitive::<arrow_array::types::Int32Type>();
        found.extend(values.values().iter().copied());
    }
    found.sort_unstable();
    found
}

#[tokio::test]
async fn indexes_come_change_and_go_with_the_options() {
    let table = in_memory(PLAIN).await;
    add(&table, &[1, 5, 9], 0).await;
    add(&table, &[2, 5, 8], 0).await;
    assert_eq!(run(&table).await, RewrittenIndexes::default());
    assert_eq!(table.snapshots().latest_id().await.unwrap(), Some(2));

    let table = with(&table, &[("file-index.bitmap.columns", Some("id"))]).await;
    let both = RewrittenIndexes {
        partitions: 1,
        files: 2,
    };
    assert_eq!(run(&table).await, both);
    let snapshot = table.snapshots().latest().await.unwrap().unwrap();
    assert_eq!(
        (snapshot.id, snapshot.commit_kind),
        (3, CommitKind::Compact)
    );
    assert_eq!(snapshot.total_record_count, Some(6));
    let files = live(&table).await;
    assert!(files.iter().all(|f| f.file.embedded_index.is_some()));
    assert_eq!(read(&table, "id", 9).await, [9]);
    assert_eq!(read(&table, "id", 7).await, [0; 0]);
    // what is there already is left alone
    assert_eq!(run(&table).await, RewrittenIndexes::default());
    add(&table, &[3], 0).await;
    assert_eq!(run(&table).await, RewrittenIndexes::default());
    assert_eq!(table.snapshots().latest_id().await.unwrap(), Some(4));

    let beside = ("file-index.in-manifest-threshold", Some("1 b"));
    let table = with(&table, &[beside]).await;
    assert_eq!(run(&table).await.files, 3);
    for file in live(&table).await {
        assert_eq!(file.file.embedded_index, None);
        let [name] = file.file.extra_files.as_slice() else {
            panic!("{:?}", file.file.extra_files);
        };
        assert!(name.starts_with(&file.file.file_name) && name.ends_with(".index"));
    }
    assert_eq!(read(&table, "id", 5).await, [5, 5]);
    assert_eq!(run(&table).await, RewrittenIndexes::default());

    let other = ("file-index.bitmap.columns", None);
    let table = with(&table, &[other, ("file-index.bsi.columns", Some("id"))]).await;
    let before = live(&table).await;
    assert_eq!(run(&table).await.files, 3);
    let after = live(&table).await;
    assert!(after.iter().all(|f| f.file.extra_files.len() == 1));
    assert!(before.iter().all(|old| !after.contains(old)));
    assert_eq!(read(&table, "id", 5).await, [5, 5]);

    let none = ("file-index.bsi.columns", None);
    let table = with(&table, &[none]).await;
    assert_eq!(run(&table).await.files, 3);
    assert_eq!(ids(&table).await.into_values().sum::<usize>(), 7);
    assert_eq!(run(&table).await, RewrittenIndexes::default());
}

/// Readers, Java's too, leave out an entry that is removed anywhere in the manifests.
#[tokio::test]
async fn an_entry_that_a_file_had_before_never_comes_back() {
    let table = in_memory(PLAIN).await;
    add(&table, &[1, 2], 0).await;
    let wanted = ["id", "p", "id,p"];
    let mut seen = Vec::new();
    for round in 0..3 {
        let columns = wanted[round % wanted.len()];
        let key = "file-index.bitmap.columns";
        for value in [Some(columns), None] {
            let table = with(&table, &[(key, value)]).await;
            assert_eq!(run(&table).await.files, 1);
            let files = live(&table).await;
            let [file] = files.as_slice() else {
                panic!("{files:?}");
            };
            let entry = (
                file.file.extra_files.clone(),
                file.file.embedded_index.clone(),
            );
            assert!(!seen.contains(&entry), "{entry:?}");
            assert_ne!(entry, (Vec::new(), None));
            seen.push(entry);
            assert_eq!(ids(&table).await, once([1, 2]));
            assert!(read(&table, "id", 1).await.contains(&1));
        }
    }
}

#[tokio::test]
async fn files_outlive_the_snapshots_that_had_them_without_an_index() {
    let table = in_memory(PLAIN).await;
    add(&table, &[1, 2], 0).await;
    let options = [
        ("file-index.bitmap.columns", Some("id")),
        ("file-index.in-manifest-threshold", Some("1 b")),
    ];
    let table = with(&table, &options).await;
    assert_eq!(run(&table).await.files, 1);
    let first = live(&table).await;
    let table = with(&table, &[("file-index.bitmap.columns", Some("id,p"))]).await;
    assert_eq!(run(&table).await.files, 1);
    add(&table, &[3], 0).await;
    let expire = ExpireSnapshots {
        retain_min: Some(1),
        retain_max: Some(1),
        older_than_ms: Some(i64::MAX),
        ..ExpireSnapshots::default()
    };
    expire.run(&table, 4_000_000_000_000).await.unwrap();
    assert_eq!(table.snapshots().ids().await.unwrap(), [4]);
    assert_sound(&table).await;
    assert_eq!(ids(&table).await, once([1, 2, 3]));
    let listed = table.io().list_files("memory:/t/bucket-0").await.unwrap();
    let names: Vec<&str> = listed.iter().map(|f| f.name.as_str()).collect();
    assert!(names.contains(&first[0].file.file_name.as_str()));
    assert!(!names.contains(&first[0].file.extra_files[0].as_str()));
    assert_eq!(
        names.len(),
        4,
        "two data files with an index each: {names:?}"
    );
}

#[tokio::test]
async fn files_of_older_schemas_are_indexed_by_the_columns_that_they_have() {
    let table = in_memory(PLAIN).await;
    add(&table, &[1, 5], 7).await;
    let changes = vec![
        SchemaChange::RenameColumn {
            path: vec!["id".into()],
            to: "number".into(),
        },
        SchemaChange::UpdateColumnPosition {
            column: "p".into(),
            position: ColumnPosition::First,
        },
        SchemaChange::AddColumn {
            path: vec!["id".into()],
            data_type: paimon_core::spec::parse_data_type("INT").unwrap(),
            comment: None,
            position: None,
        },
    ];
    let table = altered(&table, changes).await;
    let wanted = [("file-index.bitmap.columns", Some("number,id"))];
    let table = with(&table, &wanted).await;
    assert_eq!(run(&table).await.files, 1);
    assert_eq!(read(&table, "number", 5).await, [5]);
    assert_eq!(read(&table, "number", 7).await, [0; 0]);
}

#[tokio::test]
async fn only_the_chosen_partitions_are_rewritten() {
    let table = in_memory(&partitioned()).await;
    add(&table, &[1], 0).await;
    add(&table, &[2], 1).await;
    let table = with(&table, &[("file-index.bloom-filter.columns", Some("id"))]).await;
    let some = RewriteFileIndexes {
        partitions: Some(vec![vec![("p".into(), Some(Datum::Int(1)))]]),
        ..ALL
    };
    let done = some.run(&table, &CommitContext::default()).await.unwrap();
    assert_eq!((done.partitions, done.files), (1, 1));
    // blooms are large
    let indexed: Vec<bool> = (live(&table).await.iter())
        .map(|f| !f.file.extra_files.is_empty())
        .collect();
    assert_eq!(indexed.iter().filter(|i| **i).count(), 1);
    assert_eq!(run(&table).await.files, 1);
}

#[tokio::test]
async fn what_cannot_be_indexed_is_refused_by_name() {
    let table = in_memory(PLAIN).await;
    add(&table, &[1], 0).await;
    for (key, value) in [
        ("file-index.bitmap.columns", "gone"),
        ("file-index.trie.columns", "id"),
    ] {
        let options = HashMap::from([(key.to_string(), value.to_string())]);
        let error = match table.with_options(&options).await {
            Ok(table) => ALL
                .run(&table, &CommitContext::default())
                .await
                .unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(key), "{error}");
    }
    let evolving = PLAIN.replace(
        r#""options": {"#,
        r#""options": {"row-tracking.enabled": "true", "data-evolution.enabled": "true", "#,
    );
    let table = in_memory(&evolving).await;
    let error = ALL.run(&table, &CommitContext::default()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("data-evolution"), "{error}");
}
