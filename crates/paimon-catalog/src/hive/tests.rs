#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::time::Duration;

use paimon_core::maintenance::{NewTag, create_tag, delete_tag};
use paimon_core::spec::{DataField, Datum, parse_data_type};

use super::client::HivePartition;
use super::testing::{MemoryMetastore, catalog, local};
use super::*;
use crate::conformance::{self, count, declared, insert, plain};
use crate::format_table::FileFormat;

fn id(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_string();
    (folder, path)
}

async fn stored(store: &MemoryMetastore, name: &str) -> HiveTable {
    let key = ("default".to_string(), name.to_string());
    store.state.lock().await.tables[&key].clone()
}

fn set(key: &str, value: &str) -> SchemaChange {
    SchemaChange::SetOption {
        key: key.into(),
        value: value.into(),
    }
}

fn refusal() -> Error {
    Error::invalid("the metastore does not allow it")
}

fn lost() -> Error {
    Error::new(ErrorKind::Io, "no answer").with("outcome", "unknown")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_catalog_does() {
    let (_folder, warehouse) = folder();
    for options in [
        &[][..],
        &[("lock.enabled", "true")],
        &[("location-in-properties", "true")],
    ] {
        let (catalog, store) = catalog(&warehouse, options).await;
        conformance::suite(&catalog, "mem").await;
        assert!(store.state.lock().await.locks.is_empty());
    }
}

#[tokio::test]
async fn changes_reach_the_metastore_and_leave_what_others_stored() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    let new = declared(
        &[("a", "INT"), ("b", "STRING")],
        &[("x.y", "1"), ("x.z", "2")],
    );
    catalog.create_table(&id("t"), new, false).await.unwrap();
    {
        let mut state = store.state.lock().await;
        let table = state.tables.values_mut().next().unwrap();
        table.parameters.insert("spark.own".into(), "kept".into());
        table.parameters.insert("comment".into(), "by hand".into());
        table.owner = Some("somebody".into());
    }
    let changes = [
        set("x.y", "3"),
        SchemaChange::RemoveOption { key: "x.z".into() },
        SchemaChange::DropColumn {
            path: vec!["b".into()],
        },
    ];
    catalog.alter_table(&id("t"), &changes).await.unwrap();
    let table = stored(&store, "t").await;
    let parameter = |key: &str| table.parameters.get(key).map(String::as_str);
    assert_eq!(parameter("x.y"), Some("3"));
    assert_eq!(parameter("x.z"), None);
    assert_eq!(parameter("spark.own"), Some("kept"));
    assert_eq!(parameter("comment"), Some("by hand"));
    assert_eq!(table.owner.as_deref(), Some("somebody"));
    assert_eq!(table.storage.columns.len(), 1);
    let comment = [SchemaChange::UpdateComment(None)];
    catalog.alter_table(&id("t"), &comment).await.unwrap();
    catalog
        .alter_table(&id("t"), &[SchemaChange::UpdateComment(Some("new".into()))])
        .await
        .unwrap();
    catalog.alter_table(&id("t"), &comment).await.unwrap();
    assert!(!stored(&store, "t").await.parameters.contains_key("comment"));
}

#[tokio::test]
async fn a_table_that_the_metastore_does_not_let_be_replaced_keeps_its_rows() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    catalog
        .create_table(&id("t"), plain(), false)
        .await
        .unwrap();
    let table = catalog.get_table(&id("t")).await.unwrap();
    conformance::insert(&table, &[(1, "x"), (2, "y")]).await;
    let new = conformance::declared(&[("k", "BIGINT")], &[("x.b", "2")]);
    let schema = catalog.schema_of_replacement(&id("t"), new).await.unwrap();
    store
        .state
        .lock()
        .await
        .failures
        .insert("alter_table", refusal());
    let error = catalog.replace_table(&id("t"), &schema).await.unwrap_err();
    assert!(error.to_string().contains("does not allow"), "{error}");
    let table = catalog.get_table(&id("t")).await.unwrap();
    assert_eq!(table.schema().id, 0);
    assert_eq!(conformance::count(&table).await, 2);
    catalog.replace_table(&id("t"), &schema).await.unwrap();
    let table = catalog.get_table(&id("t")).await.unwrap();
    assert_eq!(
        (table.schema().id, conformance::count(&table).await),
        (1, 0)
    );
}

#[tokio::test]
async fn a_refused_change_is_taken_back_and_a_doubtful_one_stays() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    catalog
        .create_table(&id("t"), plain(), false)
        .await
        .unwrap();
    let fail = |error: Error| async {
        store
            .state
            .lock()
            .await
            .failures
            .insert("alter_table", error);
    };
    fail(refusal()).await;
    let error = catalog
        .alter_table(&id("t"), &[set("x", "1")])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not allow"), "{error}");
    let table = catalog.get_table(&id("t")).await.unwrap();
    assert_eq!((table.schema().id, table.options().get("x")), (0, None));
    fail(lost()).await;
    let error = catalog
        .alter_table(&id("t"), &[set("x", "2")])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("schema_id = 1"), "{error}");
    let table = catalog.get_table(&id("t")).await.unwrap();
    assert_eq!(table.options().get("x"), Some("2"));
    // the same again brings the metastore up to date
    catalog
        .alter_table(&id("t"), &[set("x", "2")])
        .await
        .unwrap();
    assert_eq!(stored(&store, "t").await.parameters["x"], "2");
}

#[tokio::test]
async fn a_refused_creation_leaves_no_files_and_a_lost_answer_is_settled() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    let t = id("t");
    store
        .state
        .lock()
        .await
        .failures
        .insert("create_table", refusal());
    assert!(catalog.create_table(&t, plain(), false).await.is_err());
    assert!(!std::path::Path::new(&warehouse).join("t").exists());
    store
        .state
        .lock()
        .await
        .lost_answers
        .insert("create_table", lost());
    assert!(catalog.create_table(&t, plain(), false).await.unwrap());
    assert_eq!(count(&catalog.get_table(&t).await.unwrap()).await, 0);
}

#[tokio::test]
async fn dropping_leaves_the_files_of_external_tables_only() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    let files = |name: &str| std::path::Path::new(&warehouse).join(name).exists();
    let outside = format!("{warehouse}/outside");
    for (name, key, value) in [
        ("managed", "x", "y"),
        ("asked", "external", "true"),
        ("placed", "path", outside.as_str()),
        ("translated", "x", "y"),
    ] {
        let new = declared(&[("a", "INT")], &[(key, value)]);
        catalog.create_table(&id(name), new, false).await.unwrap();
    }
    assert_eq!(stored(&store, "placed").await.parameters["path"], outside);
    {
        // as a stock Hive 4 stores managed tables
        let mut state = store.state.lock().await;
        let key = ("default".to_string(), "translated".to_string());
        let table = state.tables.get_mut(&key).unwrap();
        table.table_type = "EXTERNAL_TABLE".into();
        for key in ["EXTERNAL", "external.table.purge", "TRANSLATED_TO_EXTERNAL"] {
            table.parameters.insert(key.into(), "TRUE".into());
        }
    }
    for name in ["managed", "asked", "placed", "translated"] {
        catalog.drop_table(&id(name), false).await.unwrap();
    }
    let left = ["managed", "asked", "outside", "translated"].map(files);
    assert_eq!(left, [false, true, true, false]);
    let (catalog, store) = super::testing::catalog(&warehouse, &[("table.type", "external")]).await;
    catalog
        .create_table(&id("e"), plain(), false)
        .await
        .unwrap();
    assert_eq!(stored(&store, "e").await.table_type, "EXTERNAL_TABLE");
}

#[tokio::test]
async fn other_objects_of_the_metastore_are_told_apart() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    catalog
        .create_table(&id("p"), plain(), false)
        .await
        .unwrap();
    let mut format = stored(&store, "p").await;
    let parquet = "org.apache.hadoop.hive.ql.io.parquet";
    format.storage.input_format = Some(format!("{parquet}.MapredParquetInputFormat"));
    format.storage.output_format = Some(format!("{parquet}.MapredParquetOutputFormat"));
    format.storage.serde.library = Some(format!("{parquet}.serde.ParquetHiveSerDe"));
    let mut view = HiveTable {
        table_type: "VIRTUAL_VIEW".into(),
        ..HiveTable::default()
    };
    let mut other = HiveTable::default();
    for (name, table) in [("f", &mut format), ("v", &mut view), ("o", &mut other)] {
        table.name = name.into();
        table.database = "default".into();
        store.create_table(table).await.unwrap();
    }
    assert_eq!(catalog.list_tables("default").await.unwrap(), ["f", "p"]);
    let error = catalog.get_table(&id("f")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("parquet"), "{error}");
    for name in ["v", "o"] {
        let error = catalog.get_table(&id(name)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            catalog
                .create_table(&id(name), plain(), true)
                .await
                .is_err()
        );
    }
    for name in ["v", "o"] {
        assert!(catalog.drop_table(&id(name), true).await.is_err());
    }
    let options = catalog.options.clone();
    let mut settings = (*catalog.settings).clone();
    settings.format_tables = false;
    let without = HiveCatalog::with_client("h", options, settings, store, local());
    assert_eq!(without.list_tables("default").await.unwrap(), ["p"]);
}

async fn partitions(store: &MemoryMetastore) -> Vec<(Vec<String>, HivePartition)> {
    let state = store.state.lock().await;
    let own = state.partitions.iter();
    own.map(|((_, values), p)| (values.clone(), p.clone()))
        .collect()
}

#[tokio::test]
async fn partitions_follow_commits_and_drops() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    let options = [
        ("partition", "b"),
        ("metastore.partitioned-table", "true"),
        ("partition.idle-time-to-report-statistic", "1 h"),
    ];
    let new = declared(&[("a", "INT"), ("b", "STRING")], &options);
    catalog.create_table(&id("t"), new, false).await.unwrap();
    let table = catalog.get_table(&id("t")).await.unwrap();
    insert(&table, &[(1, "x"), (2, "x"), (3, "y z=")]).await;
    insert(&table, &[(4, "x")]).await;
    let found = partitions(&store).await;
    let values: Vec<&str> = found.iter().map(|(v, _)| v[0].as_str()).collect();
    assert_eq!(values, ["x", "y z="]);
    let location = found[1].1.storage.location.clone().unwrap();
    assert!(location.ends_with("/t/b=y z%3D"), "{location}");
    let of = &found[0].1.parameters;
    assert_eq!(
        (of["numRows"].as_str(), of["numFiles"].as_str()),
        ("3", "2")
    );
    assert!(of["totalSize"].parse::<u64>().unwrap() > 100);
    let spec = vec![("b".to_string(), Some(Datum::String("x".into())))];
    let commit = table.new_commit();
    commit.drop_partitions(vec![spec], 2).await.unwrap();
    let found = partitions(&store).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, ["y z="]);
    // a commit stands when the metastore fails
    let error = Error::new(ErrorKind::Io, "down");
    store
        .state
        .lock()
        .await
        .failures
        .insert("add_partitions", error);
    insert(&table, &[(5, "later")]).await;
    assert_eq!(partitions(&store).await.len(), 1);
    catalog.repair(Some("default"), Some("t")).await.unwrap();
    assert_eq!(partitions(&store).await.len(), 2);
}

#[tokio::test]
async fn tags_are_partitions_where_that_is_asked_for() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    let options = [("metastore.tag-to-partition", "tag")];
    let new = declared(&[("a", "INT"), ("b", "STRING")], &options);
    catalog.create_table(&id("t"), new, false).await.unwrap();
    let table = catalog.get_table(&id("t")).await.unwrap();
    insert(&table, &[(1, "x")]).await;
    for name in ["one", "two"] {
        let tag = NewTag {
            name: name.into(),
            ..NewTag::default()
        };
        create_tag(&table, &tag, 0).await.unwrap();
    }
    delete_tag(&table, "one").await.unwrap();
    let found = partitions(&store).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, ["two"]);
    let preview = set("metastore.tag-to-partition.preview", "watermark");
    let error = catalog.alter_table(&id("t"), &[preview]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_table_takes_its_lock_once() {
    let (_folder, warehouse) = folder();
    let options = [
        ("lock.enabled", "true"),
        ("lock-acquire-timeout", "300 ms"),
        ("lock-check-max-sleep", "20 ms"),
    ];
    let (catalog, store) = catalog(&warehouse, &options).await;
    let given = || async { store.state.lock().await.locks_given };
    catalog
        .create_table(&id("t"), plain(), false)
        .await
        .unwrap();
    assert_eq!(given().await, 1);
    let table = catalog.get_table(&id("t")).await.unwrap();
    insert(&table, &[(1, "x")]).await;
    assert_eq!(given().await, 2);
    catalog
        .alter_table(&id("t"), &[set("x", "1")])
        .await
        .unwrap();
    assert_eq!(given().await, 3);
    // a commit waits for another holder, and gives up after a while: one of this process, and of another one
    let lock = table.environment().lock.clone().unwrap();
    let held = lock.acquire().await.unwrap();
    let (options, settings) = (catalog.options.clone(), (*catalog.settings).clone());
    let other = HiveCatalog::with_client("other", options, settings, store.clone(), local());
    for catalog in [&catalog, &other] {
        let altered = catalog.alter_table(&id("t"), &[set("x", "2")]).await;
        let error = altered.unwrap_err().to_string();
        assert!(error.contains("holds the table's lock"), "{error}");
    }
    let waiting = tokio::spawn(async move { insert(&table, &[(2, "y")]).await });
    tokio::time::sleep(Duration::from_millis(60)).await;
    held.release().await;
    waiting.await.unwrap();
    let table = catalog.get_table(&id("t")).await.unwrap();
    assert_eq!(count(&table).await, 2);
    assert!(store.state.lock().await.locks.is_empty());
    // a cancelled call gives its lock up
    let other = other.get_table(&id("t")).await.unwrap();
    let held = other.environment().lock.clone().unwrap();
    let held = held.acquire().await.unwrap();
    let second = tokio::time::timeout(Duration::from_millis(50), lock.acquire()).await;
    assert!(second.is_err());
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(store.state.lock().await.locks.is_empty());
}

#[tokio::test]
async fn names_are_lowered_unless_case_matters() {
    let (_folder, warehouse) = folder();
    let (catalog, _) = catalog(&warehouse, &[]).await;
    catalog
        .create_table(&id("MyTable"), plain(), false)
        .await
        .unwrap();
    assert!(catalog.table_exists(&id("DEFAULT.MYTABLE")).await.unwrap());
    assert_eq!(catalog.list_tables("Default").await.unwrap(), ["mytable"]);
    let (catalog, _) = super::testing::catalog(&warehouse, &[("case-sensitive", "true")]).await;
    catalog
        .create_table(&id("MyTable"), plain(), false)
        .await
        .unwrap();
    assert!(!catalog.table_exists(&id("mytable")).await.unwrap());
}

#[tokio::test]
async fn a_view_is_stored_as_java_stores_it() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    let view = View {
        fields: vec![DataField::new(0, "n", parse_data_type("BIGINT").unwrap())],
        query: "SELECT count(*) FROM t".into(),
        comment: Some("how many".into()),
        ..View::default()
    };
    catalog.create_view(&id("v"), &view, false).await.unwrap();
    let hive = stored(&store, "v").await;
    assert_eq!(hive.table_type, "VIRTUAL_VIEW");
    assert_eq!(hive.view_original.as_deref(), Some(view.query.as_str()));
    assert_eq!(hive.view_expanded, hive.view_original);
    assert_eq!(hive.parameters["comment"], "how many");
    assert_eq!(hive.storage.columns[0].data_type, "bigint");
    assert!(catalog.list_tables("default").await.unwrap().is_empty());
    let new = catalog.create_table(&id("v"), plain(), true).await;
    assert!(new.is_err());
    catalog
        .create_table(&id("t"), plain(), false)
        .await
        .unwrap();
    let taken = catalog
        .create_view(&id("t"), &view, true)
        .await
        .unwrap_err();
    assert!(
        taken.to_string().contains("a table has that name"),
        "{taken}"
    );
}

#[tokio::test]
async fn a_format_table_is_stored_as_java_stores_it() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    let options = [
        ("type", "format-table"),
        ("file.format", "csv"),
        ("csv.field-delimiter", ";"),
        ("partition", "b"),
    ];
    let new = || declared(&[("a", "INT"), ("b", "STRING")], &options);
    assert!(catalog.create_table(&id("f"), new(), false).await.unwrap());
    assert!(!catalog.create_table(&id("f"), new(), true).await.unwrap());
    let hive = stored(&store, "f").await;
    assert_eq!(hive.parameters["table_type"], "CSV");
    assert_eq!(hive.parameters["type"], "format-table");
    assert_eq!(hive.storage.serde.parameters["field.delim"], ";");
    assert_eq!(hive.partition_keys[0].name, "b");
    let found = catalog.get_format_table(&id("f")).await.unwrap().unwrap();
    assert_eq!(found.format, FileFormat::Csv);
    assert_eq!(found.partition_keys, ["b"]);
    assert_eq!(found.options["csv.field-delimiter"], ";");
    assert_eq!(catalog.list_tables("default").await.unwrap(), ["f"]);
    assert!(
        std::path::Path::new(&found.location).is_dir(),
        "{}",
        found.location
    );
    assert!(catalog.get_table(&id("f")).await.is_err());
    let keyed = declared(
        &[("a", "INT")],
        &[("type", "format-table"), ("primary-key", "a")],
    );
    let error = catalog
        .create_table(&id("k"), keyed, false)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("primary-key"), "{error}");
    let change = [set("csv.include-header", "true")];
    let error = catalog.alter_table(&id("f"), &change).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("Hive's own"), "{error}");
    catalog.rename_table(&id("f"), &id("g")).await.unwrap();
    assert!(catalog.get_format_table(&id("f")).await.unwrap().is_none());
    let renamed = catalog.get_format_table(&id("g")).await.unwrap().unwrap();
    // this metastore leaves the folder where the next table `f` would be
    let moved = std::path::Path::new(&renamed.location);
    assert!(moved.ends_with("g"), "{}", renamed.location);
    assert!(moved.is_dir() && !std::path::Path::new(&found.location).exists());
    assert!(catalog.create_table(&id("f"), new(), false).await.unwrap());
    catalog.drop_table(&id("f"), false).await.unwrap();
    assert!(moved.is_dir());
    catalog.drop_table(&id("g"), false).await.unwrap();
    assert!(!moved.exists());
}

#[tokio::test]
async fn a_format_table_whose_partitions_have_places_keeps_its_name() {
    let (_folder, warehouse) = folder();
    let (catalog, store) = catalog(&warehouse, &[]).await;
    let options = [
        ("type", "format-table"),
        ("file.format", "csv"),
        ("partition", "b"),
    ];
    let table = declared(&[("a", "INT"), ("b", "STRING")], &options);
    catalog.create_table(&id("f"), table, false).await.unwrap();
    // a metastore takes them along to the new name
    let partition = HivePartition {
        values: vec!["x".to_string()],
        ..HivePartition::default()
    };
    store
        .add_partitions("default", "g", vec![partition])
        .await
        .unwrap();
    let error = catalog.rename_table(&id("f"), &id("g")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("make a table"), "{error}");
    let found = catalog.get_format_table(&id("f")).await.unwrap().unwrap();
    assert!(std::path::Path::new(&found.location).is_dir());
    assert!(catalog.get_format_table(&id("g")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_format_table_with_partitions_of_the_metastore_is_refused_by_name() {
    let (_folder, warehouse) = folder();
    let (catalog, _) = catalog(&warehouse, &[]).await;
    let table = declared(
        &[("a", "INT"), ("b", "STRING")],
        &[
            ("type", "format-table"),
            ("partition", "b"),
            ("metastore.partitioned-table", "true"),
        ],
    );
    let error = catalog
        .create_table(&id("f"), table, false)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("metastore.partitioned-table"),
        "{error}"
    );
}
