//! The catalog on SQLite, in a folder of each test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use paimon_core::schema::NewColumn;
use paimon_core::spec::parse_data_type;

use super::connections::Statement;
use super::*;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn catalog(&self, more: &[(&str, &str)]) -> JdbcCatalog {
        let path = self.folder.path().to_str().unwrap();
        let mut options = BTreeMap::from([
            ("uri".to_string(), format!("jdbc:sqlite:{path}/c.db")),
            ("warehouse".to_string(), format!("{path}/wh")),
        ]);
        options.extend(more.iter().map(|(k, v)| (k.to_string(), v.to_string())));
        JdbcCatalog::new("c", options).unwrap()
    }
}

async fn select(catalog: &JdbcCatalog, text: &'static str) -> Vec<String> {
    let connections = catalog.rows.connections().await.unwrap();
    let rows = connections.rows(&Statement::new(text, [])).await.unwrap();
    rows.into_iter().map(|row| row.join(" ")).collect()
}

fn id(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn keyed() -> NewTable {
    let column = |name: &str| NewColumn {
        name: name.to_string(),
        data_type: parse_data_type("INT NOT NULL").unwrap(),
        comment: None,
        default: None,
    };
    let options = [
        ("primary-key", "dt,a"),
        ("partition", "dt"),
        ("bucket", "1"),
        ("foo", "x"),
    ];
    NewTable {
        columns: vec![column("a"), column("dt")],
        options: options
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect(),
        ..NewTable::default()
    }
}

const TABLE_PROPERTIES: &str = "SELECT database_name, table_name, property_key, property_value FROM \
    paimon_table_properties ORDER BY 1, 2, 3";

#[tokio::test]
async fn rows_are_those_of_java() {
    let world = World::new();
    let c = world.catalog(&[("catalog-key", "k")]);
    let properties = BTreeMap::from([("comment".to_string(), "hello".to_string())]);
    c.create_database_with("db", false, &properties)
        .await
        .unwrap();
    c.create_table(&id("db.t"), keyed(), false).await.unwrap();
    c.rename_table(&id("db.t"), &id("db.u")).await.unwrap();
    let location = format!("{}/db.db", c.settings.warehouse);
    assert_eq!(
        select(
            &c,
            "SELECT * FROM paimon_database_properties ORDER BY property_key"
        )
        .await,
        [
            "k db comment hello",
            "k db exists true",
            &format!("k db location {location}")
        ]
    );
    assert_eq!(select(&c, "SELECT * FROM paimon_tables").await, ["k db u"]);
    let expected = [
        "db u bucket 1",
        "db u bucket-key a",
        "db u foo x",
        "db u partition dt",
        "db u primary-key dt,a",
    ];
    assert_eq!(select(&c, TABLE_PROPERTIES).await, expected);
    // of another key nothing is seen
    let other = world.catalog(&[]);
    assert_eq!(other.list_databases().await.unwrap(), ["default"]);
    let alter = SchemaChange::RemoveOption { key: "foo".into() };
    c.alter_table(&id("db.u"), &[alter]).await.unwrap();
    assert_eq!(select(&c, TABLE_PROPERTIES).await.len(), 4);
    c.drop_table(&id("db.u"), false).await.unwrap();
    assert!(select(&c, TABLE_PROPERTIES).await.is_empty());
    c.drop_database("db", false, false).await.unwrap();
    assert!(
        select(&c, "SELECT * FROM paimon_database_properties")
            .await
            .is_empty()
    );
    assert!(!std::path::Path::new(&location).exists());
}

#[tokio::test]
async fn properties_stay_out_of_the_database_when_told_so() {
    let world = World::new();
    let c = world.catalog(&[("sync-all-properties", "false")]);
    c.create_table(&id("t"), keyed(), false).await.unwrap();
    let set = SchemaChange::SetOption {
        key: "x.y".into(),
        value: "1".into(),
    };
    c.alter_table(&id("t"), &[set]).await.unwrap();
    assert!(select(&c, TABLE_PROPERTIES).await.is_empty());
    assert_eq!(
        c.get_table(&id("t")).await.unwrap().options().get("x.y"),
        Some("1")
    );
}

#[tokio::test]
async fn views_of_java_are_read_and_take_names() {
    let world = World::new();
    let c = world.catalog(&[]);
    c.create_database("db", false).await.unwrap();
    let rows = [
        Statement::new(
            "CREATE TABLE paimon_views(catalog_key VARCHAR(255), database_name VARCHAR(255), view_name VARCHAR(255), \
             view_schema TEXT)",
            [],
        ),
        Statement::new(
            "INSERT INTO paimon_views VALUES ('jdbc', 'db', 'v', ?)",
            [r#"{
  "fields" : [ { "id" : 0, "name" : "a", "type" : "INT" } ],
  "query" : "SELECT 1 AS a",
  "dialects" : { "flink" : "SELECT 2 AS a" },
  "comment" : null,
  "options" : { "k" : "v" }
}"#],
        ),
        Statement::new(
            "INSERT INTO paimon_views VALUES ('jdbc', 'db', 'odd', '{}')",
            [],
        ),
        Statement::new(
            "INSERT INTO paimon_views VALUES ('other', 'db', 'theirs', '{}')",
            [],
        ),
    ];
    c.rows.change(&rows).await.unwrap();
    assert_eq!(c.list_views("db").await.unwrap(), ["odd", "v"]);
    let view = c.get_view(&id("db.v")).await.unwrap();
    assert_eq!(
        (view.query_in("spark"), view.query_in("flink")),
        ("SELECT 1 AS a", "SELECT 2 AS a")
    );
    assert_eq!(view.fields[0].name, "a");
    assert_eq!(view.options["k"], "v");
    let change = |dialect: &str, query: &str| ViewChange::UpdateDialect {
        dialect: dialect.into(),
        query: query.into(),
    };
    let add = ViewChange::AddDialect {
        dialect: "spark".into(),
        query: "SELECT 3 AS a".into(),
    };
    let both = [add, change("flink", "SELECT 4 AS a")];
    c.alter_view(&id("db.v"), &both).await.unwrap();
    let altered = c.get_view(&id("db.v")).await.unwrap();
    assert_eq!(
        (altered.query_in("spark"), altered.query_in("flink")),
        ("SELECT 3 AS a", "SELECT 4 AS a")
    );
    assert_eq!(altered.options, view.options);
    // all or none
    let half = [change("spark", "SELECT 5"), change("trino", "SELECT 5")];
    let error = c.alter_view(&id("db.v"), &half).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(c.get_view(&id("db.v")).await.unwrap(), altered);
    let error = c.alter_view(&id("db.none"), &both).await.unwrap_err();
    assert!(error.to_string().contains("view does not exist"), "{error}");
    let odd = c.get_view(&id("db.odd")).await.unwrap_err();
    assert_eq!(odd.kind(), ErrorKind::Damaged);
    let taken = c.create_view(&id("db.v"), &view, false).await.unwrap_err();
    assert!(taken.to_string().contains("exists already"), "{taken}");
    c.create_table(&id("db.t"), keyed(), false).await.unwrap();
    for ignore in [false, true] {
        let taken = c.create_view(&id("db.t"), &view, ignore).await.unwrap_err();
        assert!(
            taken.to_string().contains("a table has that name"),
            "{taken}"
        );
    }
    c.drop_table(&id("db.t"), false).await.unwrap();
    let error = c
        .create_table(&id("db.v"), keyed(), true)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("view"), "{error}");
    let error = c.get_table(&id("db.v")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(c.list_tables("db").await.unwrap().is_empty());
    assert!(c.drop_database("db", false, false).await.is_err());
    c.drop_database("db", false, true).await.unwrap();
    assert!(!c.database_exists("db").await.unwrap());
}

#[tokio::test]
async fn repair_makes_files_known() {
    let world = World::new();
    let c = world.catalog(&[]);
    c.create_database("db", false).await.unwrap();
    c.create_table(&id("db.t"), keyed(), false).await.unwrap();
    let lost = [
        "DELETE FROM paimon_tables",
        "DELETE FROM paimon_table_properties",
    ];
    c.rows
        .change(&lost.map(|text| Statement::new(text, [])))
        .await
        .unwrap();
    let error = c
        .create_table(&id("db.t"), keyed(), true)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("sys.repair"), "{error}");
    c.repair(None, None).await.unwrap();
    assert_eq!(c.list_tables("db").await.unwrap(), ["t"]);
    assert_eq!(select(&c, TABLE_PROPERTIES).await.len(), 5);
    c.repair(Some("db"), Some("t")).await.unwrap();
    assert_eq!(select(&c, TABLE_PROPERTIES).await.len(), 5);
    let error = c.repair(Some("db"), Some("none")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_held_lock_keeps_others_out_until_it_is_given_up() {
    let world = World::new();
    let locked = [
        ("lock.enabled", "true"),
        ("lock-acquire-timeout", "2 s"),
        ("lock-check-max-sleep", "50 ms"),
    ];
    let (one, two) = (world.catalog(&locked), world.catalog(&locked));
    one.rows.connections().await.unwrap();
    let held = one.lock(&id("db.t")).unwrap().acquire().await.unwrap();
    held.check().await.unwrap();
    assert_eq!(
        select(&one, "SELECT lock_id FROM paimon_distributed_locks").await,
        ["jdbc.db.t"]
    );
    let error = two.lock(&id("db.t")).unwrap().acquire().await.unwrap_err();
    assert!(error.to_string().contains("another writer"), "{error}");
    // renewed all along although its time was over
    tokio::time::sleep(Duration::from_millis(1500)).await;
    held.check().await.unwrap();
    let error = two.lock(&id("db.t")).unwrap().acquire().await.unwrap_err();
    assert!(
        error.to_string().contains("lock-acquire-timeout"),
        "{error}"
    );
    held.release().await;
    let held = two.lock(&id("db.t")).unwrap().acquire().await.unwrap();
    drop(held);
    let held = one.lock(&id("db.t")).unwrap().acquire().await.unwrap();
    held.release().await;
    assert!(
        select(&one, "SELECT lock_id FROM paimon_distributed_locks")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_lock_whose_writer_died_is_taken_over_after_its_time() {
    let world = World::new();
    let locked = [("lock.enabled", "true"), ("lock-check-max-sleep", "50 ms")];
    let c = world.catalog(&locked);
    c.create_table(&id("t"), keyed(), false).await.unwrap();
    let dead = "INSERT INTO paimon_distributed_locks VALUES ('jdbc.default.t', datetime('now', '-10 seconds'), 9)";
    c.rows.change(&[Statement::new(dead, [])]).await.unwrap();
    let set = SchemaChange::SetOption {
        key: "x.y".into(),
        value: "1".into(),
    };
    c.alter_table(&id("t"), &[set]).await.unwrap();
    assert!(
        select(&c, "SELECT lock_id FROM paimon_distributed_locks")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_lock_that_others_took_is_lost() {
    let world = World::new();
    let c = world.catalog(&[("lock.enabled", "true"), ("lock-acquire-timeout", "1 s")]);
    c.rows.connections().await.unwrap();
    let held = c.lock(&id("t")).unwrap().acquire().await.unwrap();
    let taken = Statement::new("DELETE FROM paimon_distributed_locks", []);
    c.rows.change(&[taken]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(held.check().await.is_err());
    held.release().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_a_clear_error() {
    let world = World::new();
    let path = world.folder.path().join("folder.db");
    std::fs::create_dir(&path).unwrap();
    let uri = format!("jdbc:sqlite:{}", path.display());
    let c = world.catalog(&[("uri", &uri), ("jdbc.password", "hush")]);
    let error = c.list_databases().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("folder.db"), "{error}");
    assert!(!format!("{c:?} {error:?}").contains("hush"));
}

#[tokio::test]
async fn places_outside_of_the_warehouse_are_refused() {
    let world = World::new();
    let c = world.catalog(&[]);
    let elsewhere = BTreeMap::from([("location".to_string(), "/else".to_string())]);
    let error = c
        .create_database_with("db", false, &elsewhere)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let mut table = keyed();
    table.options.insert("path".into(), "/else".into());
    let error = c.create_table(&id("t"), table, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(c.list_databases().await.unwrap(), ["default"]);
    assert!(c.list_tables("default").await.unwrap().is_empty());
}
