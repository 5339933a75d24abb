//! Sessions with little memory.

use std::path::Path;
use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;
use paimon_datafusion::PaimonSession;

use crate::{opened, warehouse};

/// Tables of each road through the scan, read whole.
const QUERIES: &[&str] = &[
    "SELECT * FROM pk ORDER BY 1, 2, 3",
    "SELECT * FROM levels ORDER BY 1, 2, 3",
    "SELECT * FROM aggregated ORDER BY 1, 2",
    "SELECT * FROM marked ORDER BY 1, 2",
    "SELECT * FROM parted ORDER BY 1, 2, 3",
];

fn session_with(warehouse: &Path, bytes: usize) -> (PaimonSession, Arc<dyn MemoryPool>) {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool.clone());
    let runtime = runtime.build_arc().unwrap();
    let config = SessionConfig::new().with_target_partitions(2);
    let session = PaimonSession::with_runtime(config, runtime);
    (opened(session, warehouse), pool)
}

async fn text_rows(session: &PaimonSession, query: &str) -> Result<String> {
    let batches = session.sql(query).await?.collect().await?;
    Ok(pretty_format_batches(&batches)?.to_string())
}

#[tokio::test]
async fn little_memory_gives_the_same_rows_and_is_given_back() {
    let folder = warehouse();
    let (plenty, _) = session_with(folder.path(), 1 << 30);
    let (little, pool) = session_with(folder.path(), 64 << 20);
    for query in QUERIES {
        let expected = text_rows(&plenty, query).await.unwrap();
        assert!(expected.lines().count() > 4, "{query} gives no row");
        assert_eq!(
            text_rows(&little, query).await.unwrap(),
            expected,
            "{query}"
        );
        assert_eq!(pool.reserved(), 0, "{query}");
    }
}

#[tokio::test]
async fn a_scan_without_any_memory_says_what_asked_for_it() {
    let folder = warehouse();
    let (session, pool) = session_with(folder.path(), 64 << 10);
    let error = text_rows(&session, "SELECT * FROM levels")
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("PaimonScan[default.levels]"), "{text}");
    assert_eq!(pool.reserved(), 0);
}

/// A source of which nothing is known, such as rows that a function makes, is the side of the join that is kept.
#[tokio::test]
async fn changes_keep_the_source_in_memory_and_not_the_table() {
    let folder = warehouse();
    let (plenty, _) = session_with(folder.path(), 1 << 30);
    for statement in [
        "CREATE TABLE large (id BIGINT NOT NULL, note STRING, v BIGINT, PRIMARY KEY (id) NOT ENFORCED) \
         WITH ('bucket' = '1', 'write-only' = 'true')",
        "INSERT INTO large SELECT value, repeat('some text ', 10) || value, 0 FROM range(0, 300000)",
    ] {
        text_rows(&plenty, statement).await.unwrap();
    }
    let (little, pool) = session_with(folder.path(), 24 << 20);
    let merge = "MERGE INTO large t USING (SELECT value * 1000 AS id, value AS v FROM range(0, 400)) s ON t.id = s.id \
         WHEN MATCHED THEN UPDATE SET v = s.v + 1 WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)";
    let update = "UPDATE large SET v = v WHERE id IN (SELECT value * 750 FROM range(0, 400))";
    for statement in [merge, update] {
        let counted = text_rows(&little, statement).await.unwrap();
        assert!(counted.contains("400"), "{counted}");
        assert_eq!(pool.reserved(), 0);
    }
    let (as_written, _) = session_with(folder.path(), 24 << 20);
    let setting = "SET datafusion.optimizer.join_reordering = false";
    text_rows(&as_written, setting).await.unwrap();
    let error = text_rows(&as_written, update).await.unwrap_err();
    assert!(error.to_string().contains("HashJoin"), "{error}");
    let found = "SELECT count(*), sum(v), count(note) FROM large";
    let found = text_rows(&plenty, found).await.unwrap();
    // 300 rows changed to 1..300, 100 are new with 300..399
    let sum = (1..=300).sum::<u64>() + (300..400).sum::<u64>();
    assert!(
        found.contains("300100") && found.contains(&sum.to_string()) && found.contains("300000"),
        "{found}"
    );
}

/// Files whose size nobody knows may be larger than the table: the join stays as it is written.
#[tokio::test]
async fn files_of_unknown_size_are_not_kept_in_memory() {
    let folder = warehouse();
    let (session, _) = session_with(folder.path(), 1 << 30);
    let files = folder.path().join("files.csv");
    std::fs::write(&files, "1\n2\n").unwrap();
    for statement in [
        "CREATE TABLE many (id BIGINT NOT NULL, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1')".to_string(),
        "INSERT INTO many SELECT value FROM range(0, 300000)".to_string(),
        format!(
            "CREATE EXTERNAL TABLE files (id BIGINT) STORED AS CSV LOCATION '{}'",
            files.display()
        ),
    ] {
        text_rows(&session, &statement).await.unwrap();
    }
    let kept_first = async |few: &str| {
        let sql = format!("EXPLAIN SELECT * FROM many m JOIN {few} f ON m.id = f.id");
        let plan = text_rows(&session, &sql).await.unwrap();
        let (_, join) = plan.split_once("HashJoinExec").expect(&plan);
        let table = join.find("bucket-0").expect(&plan);
        let other = join.find("LazyMemory").or(join.find("files.csv"));
        other.expect(&plan) < table
    };
    assert!(kept_first("(SELECT value AS id FROM range(0, 9))").await);
    assert!(!kept_first("files").await);
}
