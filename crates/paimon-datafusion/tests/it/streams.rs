//! Streaming sessions: endless queries, and INSERT from streams that is killed and goes on.

use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use paimon_core::ErrorKind;
use paimon_datafusion::{PaimonSession, finish_cleanups, paimon_error};
use paimon_testing::golden::load;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::{session, warehouse};

/// A session that looks for snapshots often.
async fn streaming(warehouse: &Path) -> PaimonSession {
    let session = session(warehouse);
    for set in [
        "SET 'execution.runtime-mode' = 'streaming'",
        "SET 'execution.checkpointing.interval' = '5 ms'",
        "SET 'paimon.continuous.discovery-interval' = '2 ms'",
    ] {
        run(&session, set).await;
    }
    session
}

async fn run(session: &PaimonSession, sql: &str) -> Vec<String> {
    let frame = session
        .sql(sql)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches = frame
        .collect()
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
    let mut rows: Vec<String> = batches.iter().flat_map(lines).collect();
    rows.sort();
    rows
}

async fn fails(session: &PaimonSession, sql: &str) -> String {
    let error = match session.sql(sql).await {
        Ok(frame) => match frame.create_physical_plan().await {
            Ok(_) => panic!("{sql} was planned"),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let own = paimon_error(&error).map(|e| e.kind());
    assert_eq!(own, Some(ErrorKind::Unsupported), "{sql}: {error}");
    error.to_string()
}

fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
        .collect();
    let line = |row| {
        let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
        cells.join("|")
    };
    (0..batch.num_rows()).map(line).collect()
}

/// The first rows of an endless query, in their order.
async fn first(session: &PaimonSession, sql: &str, count: usize) -> Vec<String> {
    let frame = session
        .sql(sql)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
    let context = std::sync::Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.unwrap();
    let mut stream = execute_stream(plan, context).unwrap();
    let mut rows = Vec::new();
    while rows.len() < count {
        let batch = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
        let batch = batch.unwrap_or_else(|_| panic!("{sql}: only {rows:?}"));
        rows.extend(lines(&batch.unwrap().unwrap()));
    }
    assert_eq!(rows.len(), count, "{rows:?}");
    // nothing else comes
    let more = tokio::time::timeout(Duration::from_millis(30), stream.next()).await;
    assert!(more.is_err(), "{sql}: {more:?}");
    rows
}

/// Waits until a query of a batch session gives these rows.
async fn until(warehouse: &Path, sql: &str, expected: &[&str]) {
    let batch = session(warehouse);
    let mut rows = Vec::new();
    for _ in 0..1000 {
        rows = run(&batch, sql).await;
        if rows == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{sql}: {rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_what_changes_in_it() {
    let warehouse = warehouse();
    let session = streaming(warehouse.path()).await;
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden/changelog-input");
    for (name, table, select) in [
        ("audit stream", "logged$audit_log", "*"),
        ("binlog stream", "logged$binlog", "*"),
    ] {
        let entries = load(&golden).unwrap();
        let entry = entries.iter().find(|e| e.query.name == name).unwrap();
        let batches = entry.batches.as_ref().unwrap();
        let expected: usize = batches.iter().map(|b| b.rows.len()).sum();
        let sql = format!("SELECT {select} FROM {table} /*+ OPTIONS('scan.snapshot-id' = '1') */");
        let rows = first(&session, &sql, expected).await;
        // every golden row: its kind of change, then the texts of its values
        let mut rest = rows.as_slice();
        for batch in batches {
            let (own, others) = rest.split_at(batch.rows.len());
            rest = others;
            let mut kinds: Vec<&str> = own.iter().map(|r| r.split('|').next().unwrap()).collect();
            let mut wanted: Vec<&str> = batch.rows.iter().map(|r| r[1].as_str().unwrap()).collect();
            kinds.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(kinds, wanted, "{name}");
            for row in &batch.rows {
                let text = row.as_array().unwrap()[1..].iter().map(|v| match v {
                    serde_json::Value::String(s) => s.clone(),
                    serde_json::Value::Null => "NULL".into(),
                    other => other.to_string().replace(',', ", ").replace('"', ""),
                });
                let text = text.collect::<Vec<_>>().join("|");
                let found = own.iter().any(|o| o.replace('"', "") == text);
                assert!(found, "{name}: {text} is none of {own:?}");
            }
        }
    }
    let inserted = first(
        &session,
        "SELECT count FROM (SELECT 1 AS count FROM logged /*+ OPTIONS('scan.mode' = 'latest-full') */) x",
        3,
    );
    assert_eq!(inserted.await, ["1", "1", "1"]);
    assert_eq!(
        run(&session, "SET 'execution.runtime-mode'").await,
        ["execution.runtime-mode|streaming"]
    );
    run(&session, "RESET execution.runtime-mode").await;
    assert_eq!(run(&session, "SELECT count(*) FROM logged").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_wait_for_the_end_are_refused_with_the_way_out() {
    let warehouse = warehouse();
    let session = streaming(warehouse.path()).await;
    for sql in [
        "SELECT count(*) FROM travel",
        "SELECT * FROM travel ORDER BY id",
        "SELECT DISTINCT id FROM travel",
        "SELECT id, row_number() OVER (ORDER BY id) FROM travel",
    ] {
        let error = fails(&session, sql).await;
        assert!(
            error.contains("scan.bounded.watermark") && error.contains("travel"),
            "{error}"
        );
    }
    let limited = run(&session, "SELECT id FROM travel LIMIT 2").await;
    assert_eq!(limited.len(), 2);
    // with an end everything goes
    let bounded = "SELECT count(*) FROM travel /*+ OPTIONS('scan.snapshot-id' = '1',
        'scan.bounded.watermark' = '2500') */";
    assert_eq!(run(&session, bounded).await, ["2"]);
    for sql in [
        "DELETE FROM travel",
        "UPDATE travel SET id = 1",
        "CREATE TABLE c AS SELECT * FROM travel",
    ] {
        let error = match session.sql(sql).await {
            Ok(_) => panic!("{sql}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains("stream"), "{error}");
    }
    let folded = fails(&session, "SELECT * FROM aggregated").await;
    assert!(folded.contains("changelog-producer"), "{folded}");
    // a bounded table beside a stream
    let joined = "SELECT count(*) FROM (SELECT s.snapshot_id FROM travel$snapshots s) x";
    assert_eq!(run(&session, joined).await.len(), 1);
    let explained = run(&session, "EXPLAIN SELECT id FROM travel WHERE id > 1")
        .await
        .join("\n");
    assert!(explained.contains("PaimonStreamScanExec"), "{explained}");
}

/// The side with an end is the one that is kept, however many rows it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_joined_with_a_large_table() {
    let warehouse = warehouse();
    let session = streaming(warehouse.path()).await;
    let file = warehouse.path().join("many.parquet");
    let file = file.display();
    for sql in [
        format!("COPY (SELECT CAST(value AS INT) AS id FROM range(0, 300000)) TO '{file}'"),
        format!("CREATE EXTERNAL TABLE many STORED AS PARQUET LOCATION '{file}'"),
    ] {
        run(&session, &sql).await;
    }
    let joined = "EXPLAIN SELECT t.id FROM many m JOIN travel t ON m.id = t.id";
    let plan = run(&session, joined).await.join("\n");
    let (many, stream) = (plan.find("many.parquet"), plan.find("PaimonStreamScanExec"));
    assert!(many.is_some() && many < stream, "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_that_need_many_rows_are_refused_before_anything_is_written() {
    let warehouse = warehouse();
    let session = streaming(warehouse.path()).await;
    run(&session, "CREATE TABLE a (id INT)").await;
    run(
        &session,
        "CREATE TABLE k (id INT PRIMARY KEY NOT ENFORCED) WITH ('bucket' = '1')",
    )
    .await;
    for (sql, named) in [
        ("INSERT INTO a SELECT count(*) FROM travel", "Aggregate"),
        ("INSERT INTO a SELECT id FROM travel ORDER BY id", "Sort"),
        ("INSERT INTO a SELECT id FROM travel LIMIT 1", "Limit"),
        (
            "INSERT INTO a SELECT id FROM travel UNION ALL SELECT 1",
            "Union",
        ),
        (
            "INSERT INTO a SELECT t.id FROM travel t, logged l",
            "one stream",
        ),
        (
            "INSERT INTO a SELECT 1 WHERE EXISTS (SELECT * FROM travel)",
            "subquery",
        ),
        ("INSERT OVERWRITE a SELECT id FROM travel", "OVERWRITE"),
        ("INSERT INTO a SELECT id FROM logged", "primary key"),
        (
            "INSERT INTO k SELECT l.id FROM logged l JOIN logged$snapshots s ON s.snapshot_id = l.id",
            "Join",
        ),
        (
            "INSERT INTO k SELECT id FROM aggregated",
            "changelog-producer",
        ),
    ] {
        let error = match session.sql(sql).await {
            Ok(_) => panic!("{sql} was planned"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(named), "{sql}: {error}");
    }
    // values have an end
    assert_eq!(run(&session, "INSERT INTO a VALUES (1), (2)").await, ["2"]);
    let batch = crate::session(warehouse.path());
    assert_eq!(run(&batch, "SELECT count(*) FROM a$snapshots").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_ends_with_its_stream_and_counts() {
    let warehouse = warehouse();
    let session = streaming(warehouse.path()).await;
    run(&session, "CREATE TABLE a (n BIGINT, name STRING)").await;
    let insert = "INSERT INTO a SELECT t.id * 10, s.commit_kind FROM travel$audit_log
        /*+ OPTIONS('scan.snapshot-id' = '1', 'scan.bounded.watermark' = '2500', 'consumer-id' = 'c') */ t
        JOIN travel$snapshots s ON s.snapshot_id = t.id WHERE t.id > 1";
    assert_eq!(run(&session, insert).await, ["1"]);
    until(warehouse.path(), "SELECT * FROM a", &["20|APPEND"]).await;
    let consumers = run(&session, "SELECT * FROM travel$consumers").await;
    assert_eq!(consumers, ["c|3"]);
    let marks = "SELECT watermark FROM a$snapshots";
    assert_eq!(run(&session, marks).await, ["2000"]);
    // again: nothing is left
    assert_eq!(run(&session, insert).await, ["0"]);
    until(warehouse.path(), "SELECT count(*) FROM a", &["1"]).await;
    // a plan that is only shown does nothing
    run(&session, &format!("EXPLAIN {insert}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_and_deletes_reach_a_table_with_a_key() {
    let warehouse = warehouse();
    let path = warehouse.path();
    let batch = session(path);
    run(
        &batch,
        "CREATE TABLE src (id INT PRIMARY KEY NOT ENFORCED, v STRING)
        WITH ('bucket' = '2', 'changelog-producer' = 'lookup')",
    )
    .await;
    run(
        &batch,
        "CREATE TABLE copy (id BIGINT PRIMARY KEY NOT ENFORCED, v STRING, w STRING)
        WITH ('bucket' = '1')",
    )
    .await;
    run(&batch, "CREATE TABLE log (kind STRING, id INT, v STRING)").await;
    run(
        &batch,
        "INSERT INTO src VALUES (1, 'a'), (2, 'b'), (3, 'c'), (9, 'z')",
    )
    .await;
    let session = streaming(path).await;
    let copying = session
        .sql(
            "INSERT INTO copy (w, id, v) SELECT upper(v), id, v FROM (SELECT * FROM src s
        WHERE id < 9) q",
        )
        .await
        .unwrap();
    let copying = tokio::spawn(copying.collect());
    let logging = session
        .sql(
            "INSERT INTO log SELECT rowkind, id, v FROM src$audit_log
        /*+ OPTIONS('scan.snapshot-id' = '1') */ WHERE id = 2",
        )
        .await
        .unwrap();
    let logging = tokio::spawn(logging.collect());
    until(path, "SELECT * FROM copy", &["1|a|A", "2|b|B", "3|c|C"]).await;
    run(&batch, "UPDATE src SET v = 'bb' WHERE id = 2").await;
    run(&batch, "DELETE FROM src WHERE id IN (3, 9)").await;
    until(path, "SELECT * FROM copy", &["1|a|A", "2|bb|BB"]).await;
    run(&batch, "DELETE FROM src WHERE id = 2").await;
    until(path, "SELECT * FROM copy", &["1|a|A"]).await;
    until(
        path,
        "SELECT kind, v FROM log",
        &["+I|b", "+U|bb", "-D|bb", "-U|b"],
    )
    .await;
    copying.abort();
    logging.abort();
    assert!(copying.await.unwrap_err().is_cancelled());
    assert!(logging.await.unwrap_err().is_cancelled());
}

/// A stream that is killed at random moments and started again adds every row once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_from_a_stream_is_there_once_however_often_it_is_killed() {
    let seed: u64 = std::env::var("SEED").map_or(7, |s| s.parse().unwrap());
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let warehouse = warehouse();
    let path = warehouse.path().to_path_buf();
    let batch = session(&path);
    run(
        &batch,
        "CREATE TABLE src (id INT) WITH ('snapshot.num-retained.min' = '1',
        'snapshot.num-retained.max' = '2')",
    )
    .await;
    run(
        &batch,
        "CREATE TABLE sink (id INT) WITH ('snapshot.num-retained.min' = '3')",
    )
    .await;
    // nothing expires before the reader has it
    run(&batch, "CALL sys.reset_consumer('default.src', 'c', 1)").await;
    let rows = 40;
    let writer = {
        let path = path.clone();
        tokio::spawn(async move {
            let own = session(&path);
            for id in 0..rows {
                run(&own, &format!("INSERT INTO src VALUES ({id})")).await;
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        })
    };
    let insert = "INSERT INTO sink SELECT id FROM src
        /*+ OPTIONS('scan.mode' = 'from-snapshot', 'scan.snapshot-id' = '1', 'consumer-id' = 'c') */";
    let mut kills = 0;
    loop {
        let written = writer.is_finished();
        let session = streaming(&path).await;
        let running = tokio::spawn(session.sql(insert).await.unwrap().collect());
        if written {
            until(
                &path,
                "SELECT count(DISTINCT id) FROM sink",
                &[&rows.to_string()],
            )
            .await;
            running.abort();
            let _ = running.await;
            break;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(1..60))).await;
        running.abort();
        if let Ok(Err(error)) = running.await {
            panic!("{error}");
        }
        finish_cleanups().await;
        kills += 1;
    }
    writer.await.unwrap();
    assert!(kills > 2, "{kills}");
    until(&path, "SELECT count(*) FROM sink", &[&rows.to_string()]).await;
}

/// What a statement wrote from a source says nothing about a source that was rolled back or made anew since.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_goes_on_knows_the_source_it_read() {
    let warehouse = warehouse();
    let path = warehouse.path();
    let batch = session(path);
    run(&batch, "CREATE TABLE src (id INT)").await;
    run(&batch, "CREATE TABLE sink (id INT)").await;
    for id in 1..=3 {
        run(&batch, &format!("INSERT INTO src VALUES ({id})")).await;
    }
    let insert = "INSERT INTO sink SELECT id FROM src
        /*+ OPTIONS('scan.snapshot-id' = '1', 'consumer-id' = 'c') */";
    let goes_on = async || streaming(path).await.sql(insert).await.unwrap();
    let running = tokio::spawn(goes_on().await.collect());
    until(path, "SELECT * FROM sink", &["1", "2", "3"]).await;
    let kept = "SELECT next_snapshot_id FROM src$consumers";
    until(path, kept, &["4"]).await;
    running.abort();
    let _ = running.await;
    finish_cleanups().await;

    run(&batch, "CALL sys.rollback('default.src', '1')").await;
    for id in [20, 30, 40] {
        run(&batch, &format!("INSERT INTO src VALUES ({id})")).await;
    }
    assert_eq!(run(&batch, kept).await, ["4"]);
    let error = goes_on().await.collect().await.unwrap_err().to_string();
    assert!(error.contains("is not the one that was read"), "{error}");
    until(path, "SELECT * FROM sink", &["1", "2", "3"]).await;

    // a table of the same name is another source
    run(&batch, "DROP TABLE src").await;
    run(&batch, "CREATE TABLE src (id INT)").await;
    run(&batch, "INSERT INTO src VALUES (7)").await;
    let running = tokio::spawn(goes_on().await.collect());
    until(path, "SELECT * FROM sink WHERE id > 3", &["7"]).await;
    running.abort();
    let _ = running.await;
}
