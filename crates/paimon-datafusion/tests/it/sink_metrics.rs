//! What `EXPLAIN ANALYZE` tells of a write.

use arrow::util::pretty::pretty_format_batches;
use paimon_datafusion::PaimonSession;

use crate::{session, warehouse};

/// A metric of the node that writes.
fn metric<'a>(plan: &'a str, name: &str) -> Option<&'a str> {
    let node = plan.lines().find(|line| line.contains("PaimonSink"))?;
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
