//! Queries.

use std::path::Path;

use paimon_testing::folders::copy_folder;

use super::{Way, golden, run, session, warehouse};

const QUERIES: &[&str] = &[
    "SELECT * FROM travel",
    "SELECT * FROM travel VERSION AS OF 1",
    "SELECT count(*) FROM travel /*+ OPTIONS('scan.snapshot-id'='2') */",
    "SELECT * FROM pk WHERE id > 2",
    "SELECT * FROM pk ORDER BY id DESC LIMIT 3",
    "SELECT count(*), max(id) FROM pk",
    "SELECT * FROM parted WHERE id >= 3 ORDER BY id LIMIT 4",
    "SELECT a.id, b.id FROM pk a JOIN parted b ON a.id = b.id",
    "SELECT * FROM pk WHERE id IN (SELECT id FROM parted)",
    "SELECT * FROM pk WHERE id = (SELECT max(id) FROM pk)",
    "SELECT * FROM parted WHERE id = (SELECT min(id) FROM pk)",
    "WITH x AS (SELECT id, count(*) AS n FROM pk GROUP BY id) SELECT n, count(*) FROM x GROUP BY n",
    "SELECT id, row_number() OVER (ORDER BY id) FROM parted",
    "SELECT id FROM pk UNION ALL SELECT id FROM parted",
    "SELECT * FROM travel$snapshots",
    "SELECT schema_id FROM travel$schemas",
    "SELECT file_path, record_count FROM parted$files",
    "SELECT * FROM pk$ro",
    "SELECT * FROM logged$audit_log",
    "SELECT rowkind FROM logged$audit_log",
    "SELECT * FROM logged$binlog",
    "SELECT * FROM logged /*+ OPTIONS('incremental-between'='1,2') */",
    "SELECT * FROM logged$audit_log /*+ OPTIONS('incremental-between'='1,3') */",
    "SELECT * FROM travel /*+ OPTIONS('incremental-between'='1,2', 'incremental-between-scan-mode'='diff') */",
    "SELECT * FROM paimon_incremental_query('logged', 1, 3)",
    "SELECT * FROM with_row_ids$row_tracking",
    "SELECT * FROM completed",
    "SELECT id, sys.bucket(4, id), sys.path_to_descriptor('x') FROM pk",
    "SELECT to_json(v), variant_get(v, '$.a', 'array<int>') FROM (SELECT parse_json('{\"a\": [' || id || ']}') AS v FROM pk)",
    "SELECT * FROM branched$branch_from_tag",
    "SELECT * FROM sys.all_table_options",
    "SELECT 1, 'x', DATE '2024-01-01'",
    "VALUES (1, 'a'), (2, NULL)",
    "EXPLAIN SELECT 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn queries_give_the_rows_that_they_give_directly() {
    let warehouse = warehouse();
    let (sender, receiver) = (session(warehouse.path()), session(warehouse.path()));
    let mut failures = Vec::new();
    for sql in QUERIES {
        let expected = match run(Way::Direct, &sender, &receiver, sql).await {
            Ok(rows) => rows,
            Err(error) => {
                failures.push(format!("{sql}: directly: {error}"));
                continue;
            }
        };
        for way in [Way::Logical, Way::Physical] {
            match run(way, &sender, &receiver, sql).await {
                Ok(rows) if rows == expected => {}
                Ok(rows) => failures.push(format!("{sql}: {way:?}: {rows:?} for {expected:?}")),
                Err(error) => failures.push(format!("{sql}: {way:?}: {error}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Tables that only take time here.
fn is_big(name: &str) -> bool {
    name.starts_with("big-") || name.starts_with("random-") || name == "meta-many-manifests"
}

fn golden_tables(to: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(golden()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let table = entry.path().join("table");
        if table.join("schema").is_dir() && !is_big(&name) {
            copy_folder(&table, &to.join("default.db").join(&name)).unwrap();
            names.push(name);
        }
    }
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_golden_table_reads_the_same_from_decoded_plans() {
    let folder = tempfile::tempdir().unwrap();
    let names = golden_tables(folder.path());
    let (sender, receiver) = (session(folder.path()), session(folder.path()));
    let (mut failures, mut read) = (Vec::new(), 0);
    for name in &names {
        for sql in [
            format!("SELECT * FROM \"{name}\""),
            format!("SELECT count(*) FROM \"{name}\""),
        ] {
            let Ok(expected) = run(Way::Direct, &sender, &receiver, &sql).await else {
                continue;
            };
            read += 1;
            for way in [Way::Logical, Way::Physical] {
                match run(way, &sender, &receiver, &sql).await {
                    Ok(rows) if rows == expected => {}
                    Ok(_) => failures.push(format!("{sql}: {way:?}: other rows")),
                    Err(error) => failures.push(format!("{sql}: {way:?}: {error}")),
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        read > names.len(),
        "{read} of {} tables were read",
        names.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_physical_plan_reads_the_snapshot_it_was_planned_on() {
    let warehouse = warehouse();
    let (sender, receiver) = (session(warehouse.path()), session(warehouse.path()));
    let sql = "SELECT count(*) FROM parted";
    let before = run(Way::Direct, &sender, &receiver, sql).await.unwrap();
    let physical = super::encoded(Way::Physical, &sender, sql).await.unwrap();
    let insert = "INSERT INTO parted SELECT * FROM parted";
    run(Way::Direct, &sender, &receiver, insert).await.unwrap();
    let rows = super::run_encoded(Way::Physical, &receiver, &physical).await;
    assert_eq!(rows.unwrap(), before);
}

/// Some rows of a stream that never ends.
const STREAMS: &[&str] = &[
    "SELECT * FROM logged LIMIT 2",
    "SELECT * FROM parted WHERE id > 1 LIMIT 2",
    "SELECT rowkind FROM logged$audit_log LIMIT 3",
];

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_followed_from_decoded_plans() {
    let warehouse = warehouse();
    let (sender, receiver) = (session(warehouse.path()), session(warehouse.path()));
    sender.settings().set_streaming(true);
    for sql in STREAMS {
        let expected = run(Way::Direct, &sender, &receiver, sql).await.unwrap();
        for way in [Way::Logical, Way::Physical] {
            let rows = run(way, &sender, &receiver, sql).await.unwrap();
            assert_eq!(rows.len(), expected.len(), "{sql}: {way:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_the_session_travel_with_its_tables() {
    let warehouse = warehouse();
    let (sender, receiver) = (session(warehouse.path()), session(warehouse.path()));
    let sql = "SELECT * FROM travel";
    let set = "SET paimon.scan.snapshot-id = 1; SELECT * FROM travel";
    let newest = run(Way::Direct, &receiver, &receiver, sql).await.unwrap();
    let expected = run(Way::Direct, &sender, &receiver, set).await.unwrap();
    assert_ne!(newest, expected);
    for way in [Way::Logical, Way::Physical] {
        assert_eq!(
            run(way, &sender, &receiver, sql).await.unwrap(),
            expected,
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn plans_are_decoded_on_a_runtime_of_one_thread() {
    let warehouse = warehouse();
    let (sender, receiver) = (session(warehouse.path()), session(warehouse.path()));
    let sql = "SELECT * FROM pk";
    let expected = run(Way::Direct, &sender, &receiver, sql).await.unwrap();
    for way in [Way::Logical, Way::Physical] {
        assert_eq!(
            run(way, &sender, &receiver, sql).await.unwrap(),
            expected,
            "{way:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_keep_the_zone_of_the_session_that_planned_them() {
    let warehouse = warehouse();
    let (sender, receiver) = (session(warehouse.path()), session(warehouse.path()));
    sender.sql("SET TIME ZONE 'Europe/Berlin'").await.unwrap();
    let sql = "SELECT id, CAST('2024-01-0' || (id % 9 + 1) AS TIMESTAMP_LTZ(3)) AS a, \
               CAST(CAST(id AS TIMESTAMP_LTZ) AS TIMESTAMP(9)) AS b, \
               TRY_CAST('2024-01-' || (id * 9) AS TIMESTAMP_LTZ(3)) AS c FROM pk";
    let expected = run(Way::Direct, &sender, &receiver, sql).await.unwrap();
    let found = run(Way::Physical, &sender, &receiver, sql).await.unwrap();
    assert_eq!(found, expected);
}
