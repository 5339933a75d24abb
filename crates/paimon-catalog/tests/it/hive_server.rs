//! The Hive catalog on a real metastore, which `PAIMON_TEST_HMS` names (`thrift://127.0.0.1:9083`), with the options of
//! `PAIMON_TEST_HMS_OPTIONS` (`key=value,key=value`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use paimon_catalog::{Catalog, Identifier, Migration, create_catalog};
use paimon_core::ErrorKind;
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::format::{EncoderOptions, create_encoder};
use paimon_core::spec::{DataField, parse_data_type};

use crate::conformance::{self, count, declared, insert, plain};

pub(crate) struct Server {
    uri: String,
    warehouse: tempfile::TempDir,
}

/// `None`, with a message, when no server is named.
pub(crate) fn server() -> Option<Server> {
    let Ok(uri) = std::env::var("PAIMON_TEST_HMS") else {
        eprintln!("left out: PAIMON_TEST_HMS names no Hive Metastore");
        return None;
    };
    // the server runs as another user, perhaps
    let warehouse = tempfile::tempdir().unwrap();
    Some(Server { uri, warehouse })
}

impl Server {
    pub(crate) fn catalog(&self, options: &[(&str, &str)]) -> Arc<dyn Catalog> {
        create_catalog("h", self.options(options)).unwrap()
    }

    pub(crate) fn options(&self, options: &[(&str, &str)]) -> BTreeMap<String, String> {
        let given = std::env::var("PAIMON_TEST_HMS_OPTIONS").unwrap_or_default();
        let given = given.split(',').filter_map(|option| option.split_once('='));
        let warehouse = format!("file:{}", self.warehouse.path().display());
        let own = [
            ("metastore", "hive"),
            ("uri", self.uri.as_str()),
            ("warehouse", warehouse.as_str()),
        ];
        let all = own.into_iter().chain(given).chain(options.iter().copied());
        all.map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }
}

fn id(database: &str, object: &str) -> Identifier {
    Identifier::new(database, object).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_catalog_does_with_and_without_locks() {
    let Some(server) = server() else { return };
    conformance::suite(server.catalog(&[]).as_ref(), "it_plain").await;
    let locking = [("lock.enabled", "true"), ("client-pool-size", "4")];
    conformance::suite(server.catalog(&locking).as_ref(), "it_locked").await;
    let in_properties = [("location-in-properties", "true")];
    conformance::suite(server.catalog(&in_properties).as_ref(), "it_props").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn external_tables_leave_their_files_and_are_found_again() {
    let Some(server) = server() else { return };
    let catalog = server.catalog(&[]);
    let database = "it_external";
    catalog.drop_database(database, true, true).await.unwrap();
    let comment = BTreeMap::from([("comment".to_string(), "for tests".to_string())]);
    catalog
        .create_database_with(database, false, &comment)
        .await
        .unwrap();
    let path = format!("file:{}/elsewhere/t", server.warehouse.path().display());
    let new = || declared(&[("a", "INT"), ("b", "STRING")], &[("path", path.as_str())]);
    let t = id(database, "t");
    catalog.create_table(&t, new(), false).await.unwrap();
    insert(&catalog.get_table(&t).await.unwrap(), &[(1, "x")]).await;
    catalog.drop_table(&t, false).await.unwrap();
    assert!(!catalog.table_exists(&t).await.unwrap());
    catalog.create_table(&t, new(), false).await.unwrap();
    assert_eq!(count(&catalog.get_table(&t).await.unwrap()).await, 1);
    catalog.drop_table(&t, false).await.unwrap();
    let other = declared(&[("a", "BIGINT")], &[("path", path.as_str())]);
    let error = catalog.create_table(&t, other, false).await.unwrap_err();
    assert!(error.to_string().contains("columns"), "{error}");
    catalog.drop_database(database, false, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_lower_case_whatever_the_spelling() {
    let Some(server) = server() else { return };
    let catalog = server.catalog(&[]);
    catalog.drop_database("it_case", true, true).await.unwrap();
    catalog.create_database("IT_Case", false).await.unwrap();
    let t = id("It_case", "MyTable");
    catalog.create_table(&t, plain(), false).await.unwrap();
    assert_eq!(catalog.list_tables("IT_CASE").await.unwrap(), ["mytable"]);
    let table = catalog.get_table(&id("it_case", "MYTABLE")).await.unwrap();
    assert!(table.location().ends_with("/it_case.db/mytable"));
    catalog.drop_database("it_case", false, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_another_program_holds_is_waited_for_within_bounds() {
    let Some(server) = server() else { return };
    let database = "it_lock";
    let options = [
        ("lock.enabled", "true"),
        ("lock-acquire-timeout", "1 s"),
        ("lock-check-max-sleep", "200 ms"),
    ];
    let catalog = server.catalog(&options);
    catalog.drop_database(database, true, true).await.unwrap();
    catalog.create_database(database, false).await.unwrap();
    let t = id(database, "t");
    catalog.create_table(&t, plain(), false).await.unwrap();
    let table = catalog.get_table(&t).await.unwrap();
    let lock = table.environment().lock.clone().unwrap();
    let held = lock.acquire().await.unwrap();
    held.check().await.unwrap();
    let elsewhere = server.catalog(&options).get_table(&t).await.unwrap();
    let waiting = elsewhere.environment().lock.clone().unwrap();
    let started = Instant::now();
    let error = waiting.acquire().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("lock"), "{error}");
    let waited = started.elapsed();
    assert!(waited > Duration::from_millis(900) && waited < Duration::from_secs(10));
    held.release().await;
    insert(&table, &[(1, "x")]).await;
    // a lock that is only dropped is given up as well
    drop(lock.acquire().await.unwrap());
    insert(&table, &[(2, "y")]).await;
    assert_eq!(count(&table).await, 2);
    catalog.drop_database(database, false, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_address_is_taken_when_one_is_down() {
    let Some(server) = server() else { return };
    let uris = format!("thrift://127.0.0.1:1,{}", server.uri);
    let catalog = server.catalog(&[("uri", uris.as_str())]);
    assert!(
        catalog
            .list_databases()
            .await
            .unwrap()
            .contains(&"default".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_makes_tables_known_again() {
    let Some(server) = server() else { return };
    let catalog = server.catalog(&[]);
    let database = "it_repair";
    catalog.drop_database(database, true, true).await.unwrap();
    catalog.create_database(database, false).await.unwrap();
    let folder = format!("{}/{database}.db", server.warehouse.path().display());
    let files = BTreeMap::from([(
        "warehouse".to_string(),
        server.warehouse.path().display().to_string(),
    )]);
    let files = create_catalog("files", files).unwrap();
    let t = id(database, "t");
    let options = [("partition", "b"), ("metastore.partitioned-table", "true")];
    let new = declared(&[("a", "INT"), ("b", "STRING")], &options);
    files.create_table(&t, new, false).await.unwrap();
    insert(&files.get_table(&t).await.unwrap(), &[(1, "x"), (2, "y")]).await;
    assert!(!catalog.table_exists(&t).await.unwrap());
    let error = catalog.create_table(&t, plain(), false).await.unwrap_err();
    assert!(error.to_string().contains("repair"), "{error}");
    catalog.repair(Some(database), None).await.unwrap();
    assert_eq!(count(&catalog.get_table(&t).await.unwrap()).await, 2);
    catalog.repair(Some(database), Some("t")).await.unwrap();
    catalog.repair(None, None).await.unwrap();
    catalog.drop_table(&t, false).await.unwrap();
    assert!(!std::path::Path::new(&folder).join("t").exists());
    catalog.drop_database(database, false, true).await.unwrap();
}

/// A Parquet file with two rows of a column `a`.
fn parquet_file() -> Vec<u8> {
    let field = DataField::new(0, "a", parse_data_type("INT").unwrap());
    let options = EncoderOptions {
        format: "parquet".to_string(),
        compression: "zstd".to_string(),
        zstd_level: 1,
        block_size: None,
        table: plain().options,
    };
    let mut encoder = create_encoder(std::slice::from_ref(&field), &options).unwrap();
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let rows = RecordBatch::try_new(arrow_schema(&[field]), vec![values]).unwrap();
    encoder.write(&rows).unwrap();
    let mut bytes = encoder.take_output().concat();
    bytes.extend(encoder.finish().unwrap().concat());
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_hive_become_paimon_tables_in_place() {
    let Some(server) = server() else { return };
    let catalog = server.catalog(&[("format-table.enabled", "true")]);
    let database = "it_migrate";
    catalog.drop_database(database, true, true).await.unwrap();
    catalog.create_database(database, false).await.unwrap();
    for name in ["one", "two"] {
        let t = id(database, name);
        let options = [("type", "format-table"), ("file.format", "parquet")];
        let new = declared(&[("a", "INT"), ("b", "STRING")], &options);
        catalog.create_table(&t, new, false).await.unwrap();
        let files = catalog.get_format_table(&t).await.unwrap().unwrap();
        let folder = files.location.trim_start_matches("file:");
        std::fs::write(format!("{folder}/000000_0"), parquet_file()).unwrap();
    }
    let migratable = catalog.list_migratable_tables(database).await.unwrap();
    assert_eq!(migratable, ["one", "two"]);
    let migration = |name: &str, target: Option<&str>| Migration {
        source: id(database, name),
        target: target.map(|name| id(database, name)),
        drops_source: target.is_none(),
        options: BTreeMap::new(),
        parallelism: 2,
    };
    catalog
        .migrate_table(&migration("one", None))
        .await
        .unwrap();
    let table = catalog.get_table(&id(database, "one")).await.unwrap();
    assert!(table.location().ends_with("/it_migrate.db/one"));
    assert_eq!(count(&table).await, 2);
    let into = migration("two", Some("other"));
    catalog.migrate_table(&into).await.unwrap();
    let other = catalog.get_table(&id(database, "other")).await.unwrap();
    assert_eq!(count(&other).await, 2);
    assert_eq!(
        catalog.list_tables(database).await.unwrap(),
        ["one", "other", "two"]
    );
    let again = catalog.migrate_table(&migration("one", None)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::InvalidInput);
    catalog.drop_database(database, false, true).await.unwrap();
}
