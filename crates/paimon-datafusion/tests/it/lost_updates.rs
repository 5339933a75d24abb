//! Statements of several sessions that change the same rows: what was acknowledged is there.

use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use paimon_core::ErrorKind;
use paimon_datafusion::{PaimonSession, paimon_error};

use crate::session;

const SESSIONS: usize = 4;
const UPDATES: usize = 25;
const FEW: usize = 6;

async fn number(session: &PaimonSession, sql: &str) -> i64 {
    let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// Runs a statement again and again; returns how often it was acknowledged.
async fn repeat(folder: &Path, sql: &str, times: usize) -> i64 {
    let session = session(folder);
    let mut done = 0;
    for _ in 0..times {
        let result = async { session.sql(sql).await?.collect().await }.await;
        match result {
            Ok(_) => done += 1,
            Err(error) => {
                let kind = paimon_error(&error).map(paimon_core::Error::kind);
                assert_eq!(kind, Some(ErrorKind::CommitConflict), "{error}");
            }
        }
    }
    done
}

/// Total of `v` after concurrent statements, and the number of acknowledged ones.
async fn race(create: &str, sql: &'static str, times: usize) -> (i64, i64) {
    let folder = tempfile::tempdir().unwrap();
    let first = session(folder.path());
    for setup in [create, "INSERT INTO t VALUES (1, 0), (2, 0)"] {
        first.sql(setup).await.unwrap().collect().await.unwrap();
    }
    let path = folder.path().to_path_buf();
    let tasks = (0..SESSIONS).map(|_| {
        let path = path.clone();
        tokio::spawn(async move { repeat(&path, sql, times).await })
    });
    let mut acknowledged = 0;
    for task in tasks.collect::<Vec<_>>() {
        acknowledged += task.await.unwrap();
    }
    let total = number(&first, "SELECT CAST(sum(v) AS BIGINT) FROM t").await;
    let rows = number(&first, "SELECT count(*) FROM t").await;
    assert_eq!(rows, 2, "{create}");
    (total, acknowledged)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_update_is_lost() {
    for (times, create) in [
        (
            UPDATES,
            "CREATE TABLE t (id INT NOT NULL, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1', 'commit.max-retries' = '50', 'commit.max-retry-wait' = '80 ms')",
        ),
        (
            FEW,
            "CREATE TABLE t (id INT NOT NULL, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1', 'commit.max-retries' = '50', 'commit.max-retry-wait' = '80 ms', 'deletion-vectors.enabled' = 'true')",
        ),
        (
            FEW,
            "CREATE TABLE t (id INT, v INT) WITH ('commit.max-retries' = '50', 'commit.max-retry-wait' = '80 ms')",
        ),
        (
            FEW,
            "CREATE TABLE t (id INT, v INT) WITH ('commit.max-retries' = '50', 'commit.max-retry-wait' = '80 ms', 'deletion-vectors.enabled' = 'true')",
        ),
    ] {
        let (total, acknowledged) =
            race(create, "UPDATE t SET v = v + 1 WHERE id = 1", times).await;
        assert_eq!(total, acknowledged, "{create}");
        assert!(acknowledged > 0, "{create}");
        println!(
            "{acknowledged} of {} acknowledged: {create}",
            SESSIONS * times
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_merge_is_lost() {
    let create = "CREATE TABLE t (id INT NOT NULL, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '2', 'commit.max-retries' = '50', 'commit.max-retry-wait' = '80 ms')";
    let merge = "MERGE INTO t USING (VALUES (2, 1)) AS s (id, v) ON t.id = s.id \
                 WHEN MATCHED THEN UPDATE SET v = t.v + s.v WHEN NOT MATCHED THEN INSERT *";
    let (total, acknowledged) = race(create, merge, FEW).await;
    assert_eq!(total, acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_sessions_bring_at_once_are_all_there() {
    const EACH: usize = 3;
    let folder = tempfile::tempdir().unwrap();
    let first = session(folder.path());
    let create = "CREATE TABLE t (id INT) WITH ('write.merge-schema' = 'true', 'commit.max-retries' = '50', 'commit.max-retry-wait' = '80 ms')";
    first.sql(create).await.unwrap().collect().await.unwrap();
    // planned before the others came
    let early = "INSERT INTO t BY NAME SELECT 100 AS id, 7 AS shared, 8 AS early";
    let early = first.sql(early).await.unwrap();
    let tasks = (0..SESSIONS).map(|own| {
        let path = folder.path().to_path_buf();
        tokio::spawn(async move {
            let session = session(&path);
            for at in 0..EACH {
                let sql = format!(
                    "INSERT INTO t BY NAME SELECT {own} AS id, {at} AS shared, 'x' AS own_{own}_{at}"
                );
                session.sql(&sql).await.unwrap().collect().await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    early.collect().await.unwrap();
    assert_eq!(number(&first, "SELECT count(shared) FROM t").await, 13);
    assert_eq!(number(&first, "SELECT count(early) FROM t").await, 1);
    for own in 0..SESSIONS {
        for at in 0..EACH {
            let sql =
                format!("SELECT count(own_{own}_{at}) FROM t WHERE id = {own} AND shared = {at}");
            assert_eq!(number(&first, &sql).await, 1, "{sql}");
        }
    }
    let columns = first.sql("SELECT * FROM t").await.unwrap();
    assert_eq!(columns.schema().fields().len(), 3 + SESSIONS * EACH);
}

#[tokio::test(flavor = "multi_thread")]
async fn subqueries_read_what_the_statement_changes() {
    let create = "CREATE TABLE t (id INT NOT NULL, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1', 'commit.max-retries' = '50', 'commit.max-retry-wait' = '80 ms', 'deletion-vectors.enabled' = 'true')";
    let update = "UPDATE t SET v = (SELECT max(v) FROM t) + 1 WHERE id = 1";
    let (total, acknowledged) = race(create, update, FEW).await;
    assert_eq!(total, acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_planned_earlier_sees_what_came_since() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let create = "CREATE TABLE t (id INT NOT NULL, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1')";
    for sql in [create, "INSERT INTO t VALUES (1, 1)"] {
        session.sql(sql).await.unwrap().collect().await.unwrap();
    }
    let planned = session.sql("UPDATE t SET v = v * 10").await.unwrap();
    let insert = session.sql("INSERT INTO t VALUES (2, 2)").await.unwrap();
    insert.collect().await.unwrap();
    planned.collect().await.unwrap();
    let total = number(&session, "SELECT CAST(sum(v) AS BIGINT) FROM t").await;
    assert_eq!(total, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_with_the_identity_of_a_done_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |statements: &[&str]| {
        let session = session(folder.path());
        session
            .settings()
            .set_commit_identity(paimon_datafusion::CommitIdentity {
                user: "job".to_string(),
                identifier: 1,
            });
        for sql in statements {
            session.sql(sql).await.unwrap().collect().await.unwrap();
        }
    };
    let create = "CREATE TABLE IF NOT EXISTS t (id INT NOT NULL, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1')";
    for _ in 0..2 {
        // the first one finds no row when it is run, and is done all the same
        run(&[
            create,
            "UPDATE t SET v = 100 WHERE id = 1",
            "INSERT INTO t VALUES (1, 1)",
            "UPDATE t SET v = v + 1",
        ])
        .await;
        let total = number(
            &session(folder.path()),
            "SELECT CAST(sum(v) AS BIGINT) FROM t",
        )
        .await;
        assert_eq!(total, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_session_context_keeps_refusing() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let create = "CREATE TABLE t (id INT, v INT)";
    for sql in [create, "INSERT INTO t VALUES (1, 1), (2, 2)"] {
        session.sql(sql).await.unwrap().collect().await.unwrap();
    }
    for sql in [
        "DELETE FROM t WHERE id = 1",
        "DELETE FROM t WHERE id IN (SELECT 1)",
        "UPDATE t SET v = 3 WHERE id = 1",
    ] {
        let context = session.context();
        let result = async { context.sql(sql).await?.collect().await }.await;
        assert!(result.is_err(), "{sql}");
    }
    assert_eq!(
        number(&session, "SELECT count(*) FROM t WHERE v < 3").await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_columns_stop_a_planned_statement() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let create = "CREATE TABLE t (id INT NOT NULL, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1')";
    for sql in [create, "INSERT INTO t VALUES (1, 1)"] {
        session.sql(sql).await.unwrap().collect().await.unwrap();
    }
    let planned = session.sql("UPDATE t SET v = v * 10").await.unwrap();
    let other = self::session(folder.path());
    let alter = other.sql("ALTER TABLE t ADD COLUMN w INT").await.unwrap();
    alter.collect().await.unwrap();
    let insert = other.sql("INSERT INTO t VALUES (2, 2, 2)").await.unwrap();
    insert.collect().await.unwrap();
    let error = planned.collect().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("columns of the table were changed"),
        "{error}"
    );
    assert_eq!(
        number(&session, "SELECT CAST(sum(v) AS BIGINT) FROM t").await,
        3
    );
}

/// Tables whose keys tell their buckets: rows that another INSERT overtook are put where they belong now.
#[tokio::test(flavor = "multi_thread")]
async fn inserts_of_keys_that_move_all_take_effect() {
    let retries = "'commit.max-retries' = '50', 'commit.max-retry-wait' = '80 ms'";
    for (key, options) in [
        ("id", "'merge-engine' = 'deduplicate'"),
        ("id, p", "'dynamic-bucket.target-row-num' = '2'"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let first = session(folder.path());
        let create = format!(
            "CREATE TABLE t (id INT, p INT, v INT, PRIMARY KEY ({key}) NOT ENFORCED) PARTITIONED BY (p)
             WITH ({retries}, {options})"
        );
        first.sql(&create).await.unwrap().collect().await.unwrap();
        let tasks = (0..SESSIONS).map(|writer| {
            let path = folder.path().to_path_buf();
            tokio::spawn(async move {
                let session = session(&path);
                for i in 0..FEW {
                    // three keys that all write, and one of its own
                    let insert = format!(
                        "INSERT INTO t VALUES (1, {p}, {i}), (2, {p}, {i}), (3, {p}, {i}), ({own}, {p}, {i})",
                        p = i % 2,
                        own = 100 * (writer + 1) + i
                    );
                    session.sql(&insert).await.unwrap().collect().await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let own = i64::try_from(SESSIONS * FEW).unwrap();
        let shared = if key == "id" { 3 } else { 6 };
        let rows = number(&first, "SELECT count(*) FROM (SELECT id, p, v FROM t)").await;
        let keys = format!("SELECT count(DISTINCT ({key})) FROM t");
        let keys = keys.replace("(id, p)", "id * 10 + p");
        assert_eq!(number(&first, &keys).await, own + shared, "{key}");
        assert_eq!(rows, own + shared, "{key}");
    }
}
