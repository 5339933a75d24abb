//! What `EXPLAIN ANALYZE` tells of writes and of planning.

use arrow::util::pretty::pretty_format_batches;
use paimon_datafusion::PaimonSession;

use crate::{session, warehouse};

/// A metric of the node that writes.
fn metric<'a>(plan: &'a str, name: &str) -> Option<&'a str> {
    metric_of(plan, "PaimonSink", name)
}

/// A metric of the first node that shows this text.
fn metric_of<'a>(plan: &'a str, node: &str, name: &str) -> Option<&'a str> {
    let node = plan.lines().find(|line| line.contains(node))?;
    let (_, metrics) = node.split_once("metrics=[")?;
    let (metrics, _) = metrics.split_once(']')?;
    let mut pairs = metrics.split(", ").filter_map(|m| m.split_once('='));
    pairs.find_map(|(known, value)| (known == name).then_some(value))
}

async fn analyzed(session: &PaimonSession, statement: &str) -> String {
    let sql = format!("EXPLAIN ANALYZE {statement}");
    let batches = session.sql(&sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

#[tokio::test]
async fn a_write_tells_what_it_flushed_spilled_and_compacted() {
    let folder = warehouse();
    let session = session(folder.path());
    let create = "CREATE TABLE written (id INT NOT NULL, v STRING, PRIMARY KEY (id) NOT ENFORCED) \
        WITH ('bucket' = '1', 'write-buffer-size' = '256 kb', 'write-buffer-spillable' = 'true', \
        'num-sorted-run.compaction-trigger' = '2')";
    session.sql(create).await.unwrap().collect().await.unwrap();
    let insert = "INSERT INTO written SELECT value, CAST(value AS STRING) AS v FROM generate_series(1, 50000)";
    let first = analyzed(&session, insert).await;
    for (name, expected) in [
        ("rows_written", "50.00 K"),
        ("flush_count", "1"),
        ("files_written", "1"),
    ] {
        assert_eq!(metric(&first, name), Some(expected), "{name}: {first}");
    }
    for name in ["bytes_written", "spill_count", "spilled_bytes"] {
        assert!(
            metric(&first, name).is_some_and(|n| n != "0"),
            "{name}: {first}"
        );
    }
    for name in ["flush_time", "spill_time", "compaction_time"] {
        assert!(metric(&first, name).is_some(), "{name}: {first}");
    }
    let second = analyzed(&session, "INSERT INTO written VALUES (1, 'one')").await;
    assert_eq!(metric(&second, "compaction_count"), Some("1"), "{second}");
    assert_eq!(metric(&second, "spill_count"), Some("0"), "{second}");
}

#[tokio::test]
async fn scans_tell_what_planning_left_out() {
    let folder = warehouse();
    let session = session(folder.path());
    let run = async |sql: &str| session.sql(sql).await.unwrap().collect().await.unwrap();
    run("CREATE TABLE plain (id INT, p INT) PARTITIONED BY (p)").await;
    run("CREATE TABLE keyed (id INT, p INT, PRIMARY KEY (p, id) NOT ENFORCED) PARTITIONED BY (p) WITH ('bucket' = '1')").await;
    run("CREATE TABLE folded (id INT, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1', 'merge-engine' = 'aggregation', 'fields.v.aggregate-function' = 'sum')").await;
    for (id, p) in [(1, 0), (2, 0), (3, 0), (4, 1)] {
        for table in ["plain", "keyed", "folded"] {
            run(&format!("INSERT INTO {table} VALUES ({id}, {p})")).await;
        }
    }
    for (sql, node, expected) in [
        (
            "SELECT * FROM plain WHERE p = 0 AND id = 3",
            "DataSourceExec",
            [
                "4 total → 3 matched",
                "3 total → 3 matched",
                "3 total → 1 matched",
            ],
        ),
        (
            "SELECT * FROM keyed WHERE p = 0 AND id >= 2",
            "PaimonMergeScanExec",
            [
                "4 total → 3 matched",
                "3 total → 3 matched",
                "3 total → 2 matched",
            ],
        ),
        (
            "SELECT * FROM folded WHERE id <= 2",
            "PaimonScanExec",
            [
                "4 total → 4 matched",
                "4 total → 4 matched",
                "4 total → 2 matched",
            ],
        ),
    ] {
        let plan = analyzed(&session, sql).await;
        let names = [
            "manifests_pruned",
            "files_pruned_partition_bucket",
            "files_pruned_statistics",
        ];
        for (name, expected) in names.iter().zip(expected) {
            assert_eq!(
                metric_of(&plan, node, name),
                Some(expected),
                "{name}: {plan}"
            );
        }
        assert!(metric_of(&plan, node, "planning_time").is_some(), "{plan}");
    }
}
