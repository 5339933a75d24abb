//! What every store must do: the same statements on each.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use paimon_core::io::Stores;
use paimon_core::{Error, ErrorKind};
use paimon_datafusion::{CommitIdentity, PaimonSession, paimon_error};

/// A warehouse on some store.
#[derive(Clone)]
pub struct Target {
    pub stores: Stores,
    /// Of the catalog, `warehouse` among them.
    pub options: BTreeMap<String, String>,
}

/// Options of a table that writers race for.
const PATIENT: &str = "'commit.max-retries' = '200', 'commit.min-retry-wait' = '5 ms', \
                       'commit.max-retry-wait' = '80 ms', 'write-only' = 'true'";

impl Target {
    pub fn new(options: Vec<(String, String)>, warehouse: &str) -> Self {
        let mut options: BTreeMap<_, _> = options.into_iter().collect();
        options.insert("warehouse".into(), warehouse.into());
        Self {
            stores: paimon_stores::all(),
            options,
        }
    }

    /// A session that shares nothing with the others.
    pub fn session(&self) -> PaimonSession {
        let session = PaimonSession::new().with_stores(self.stores.clone());
        session.create_catalog("c", self.options.clone()).unwrap();
        session.use_catalog("c").unwrap();
        session
    }
}

/// Runs statements.
pub async fn run(session: &PaimonSession, sql: &str) {
    if let Err(error) = attempt(session, sql).await {
        panic!("{sql}: {error}");
    }
}

pub async fn attempt(
    session: &PaimonSession,
    sql: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    session.sql(sql).await?.collect().await?;
    Ok(())
}

/// One number.
pub async fn number(session: &PaimonSession, sql: &str) -> i64 {
    let rows = session
        .sql(sql)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches = rows
        .collect()
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// A column as texts, sorted: names of databases are the first of their listing, those of tables the second.
pub async fn texts(session: &PaimonSession, sql: &str) -> Vec<String> {
    let column = usize::from(sql.starts_with("SHOW TABLES"));
    let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
    let mut texts = Vec::new();
    for batch in &batches {
        let column = batch.column(column);
        for row in 0..batch.num_rows() {
            let text = match column.as_string_view_opt() {
                Some(views) => views.value(row),
                None => column.as_string::<i32>().value(row),
            };
            texts.push(text.to_string());
        }
    }
    texts.sort();
    texts
}

/// Everything but races.
pub async fn check(target: &Target) {
    databases(target).await;
    keyed(&target.session()).await;
    append(&target.session()).await;
    dropped(target).await;
}

async fn databases(target: &Target) {
    let session = target.session();
    run(&session, "CREATE DATABASE d1").await;
    run(&session, "CREATE DATABASE IF NOT EXISTS d1").await;
    run(&session, "CREATE DATABASE d2").await;
    // a database without tables is there for others too
    let other = target.session();
    assert_eq!(
        texts(&other, "SHOW DATABASES").await,
        ["d1", "d2", "default"]
    );
    run(&other, "DROP DATABASE d2").await;
    assert_eq!(texts(&session, "SHOW DATABASES").await, ["d1", "default"]);
    assert!(attempt(&session, "CREATE DATABASE d1").await.is_err());
}

async fn keyed(session: &PaimonSession) {
    let create = "CREATE TABLE d1.k (id INT, dt STRING, v BIGINT, PRIMARY KEY (dt, id) NOT ENFORCED) \
                  PARTITIONED BY (dt) WITH ('bucket' = '2', 'num-sorted-run.compaction-trigger' = '3')";
    run(session, create).await;
    assert!(attempt(session, create).await.is_err());
    for round in 0..6 {
        run(
            session,
            &format!("INSERT INTO d1.k SELECT value, concat('a b=', value % 3), {round} FROM generate_series(1, 500)"),
        )
        .await;
    }
    let all = "SELECT count(*) FROM d1.k WHERE v = 5";
    assert_eq!(number(session, all).await, 500);
    assert_eq!(
        number(session, "SELECT max(v) FROM d1.k VERSION AS OF 1").await,
        0
    );
    run(session, "CALL sys.create_tag('d1.k', 't1', 1)").await;
    run(
        session,
        "CALL sys.compact(table => 'd1.k', compact_strategy => 'full')",
    )
    .await;
    assert_eq!(number(session, all).await, 500);
    run(
        session,
        "CALL sys.expire_snapshots(table => 'd1.k', retain_max => 1, retain_min => 1)",
    )
    .await;
    assert_eq!(
        number(session, "SELECT count(*) FROM d1.`k$snapshots`").await,
        1
    );
    assert_eq!(number(session, all).await, 500);
    assert_eq!(
        number(session, "SELECT sum(v) FROM d1.k VERSION AS OF 't1'").await,
        0
    );
    run(session, "ALTER TABLE d1.k ADD COLUMN w INT").await;
    run(session, "DELETE FROM d1.k WHERE id <= 100").await;
    assert_eq!(
        number(session, "SELECT count(*) FROM d1.k WHERE w IS NULL").await,
        400
    );
    run(session, "CALL sys.create_branch('d1.k', 'b1', 't1')").await;
    assert_eq!(
        number(session, "SELECT count(*) FROM d1.`k$branch_b1`").await,
        500
    );
    run(
        session,
        "CALL sys.remove_orphan_files(table => 'd1.k', older_than => '2020-01-01 00:00:00')",
    )
    .await;
    assert_eq!(number(session, "SELECT count(*) FROM d1.k").await, 400);
}

async fn append(session: &PaimonSession) {
    run(session, "CREATE TABLE d1.a (id BIGINT, v STRING)").await;
    // more than one part of an upload
    let wide = "INSERT INTO d1.a SELECT value, concat(md5(CAST(value AS STRING)), md5(CAST(value + 1 AS STRING)), \
                md5(CAST(value + 2 AS STRING))) FROM generate_series(1, 500000)";
    run(session, wide).await;
    run(session, "INSERT INTO d1.a VALUES (0, 'x')").await;
    assert_eq!(number(session, "SELECT count(*) FROM d1.a").await, 500_001);
    assert_eq!(
        number(session, "SELECT sum(id) FROM d1.a WHERE id < 1000").await,
        499_500
    );
    let largest = number(session, "SELECT max(file_size_in_bytes) FROM d1.`a$files`").await;
    assert!(largest > 8 << 20, "{largest}");
    run(session, "CALL sys.rollback('d1.a', '1')").await;
    assert_eq!(number(session, "SELECT count(*) FROM d1.a").await, 500_000);
    run(session, "INSERT OVERWRITE d1.a VALUES (7, 'y')").await;
    assert_eq!(number(session, "SELECT sum(id) FROM d1.a").await, 7);
}

async fn dropped(target: &Target) {
    let session = target.session();
    assert_eq!(texts(&session, "SHOW TABLES IN d1").await, ["a", "k"]);
    run(&session, "DROP TABLE d1.a").await;
    assert_eq!(texts(&session, "SHOW TABLES IN d1").await, ["k"]);
    assert!(attempt(&session, "DROP DATABASE d1").await.is_err());
    run(&session, "DROP DATABASE d1 CASCADE").await;
    assert_eq!(texts(&session, "SHOW DATABASES").await, ["default"]);
}

/// Several writers, each with clients of its own, commit to one table. A write that failed is sent again under the same
/// identity, as a job that is restarted would. Every row is there once, and snapshot ids have no gaps.
pub async fn race(target: &Target, writers: i64, commits: i64) {
    let session = target.session();
    run(&session, "DROP TABLE IF EXISTS r").await;
    run(
        &session,
        &format!("CREATE TABLE r (writer BIGINT, n BIGINT) WITH ({PATIENT})"),
    )
    .await;
    let tasks = (0..writers).map(|writer| {
        let target = target.clone();
        tokio::spawn(async move { write(&target, writer, commits).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let total = writers * commits;
    assert_eq!(number(&session, "SELECT count(*) FROM r").await, total);
    let distinct = "SELECT count(*) FROM (SELECT DISTINCT writer, n FROM r)";
    assert_eq!(number(&session, distinct).await, total);
    let snapshots = "SELECT count(*) FROM `r$snapshots`";
    assert_eq!(number(&session, snapshots).await, total);
    assert_eq!(
        number(&session, "SELECT max(snapshot_id) FROM `r$snapshots`").await,
        total
    );
}

async fn write(target: &Target, writer: i64, commits: i64) {
    let session = target.session();
    for n in 0..commits {
        let sql = format!("INSERT INTO r VALUES ({writer}, {n})");
        let mut failures = 0;
        loop {
            session.settings().set_commit_identity(CommitIdentity {
                user: format!("writer-{writer}"),
                identifier: n + 1,
            });
            let result = async { session.sql(&sql).await?.collect().await }.await;
            let Err(error) = result else { break };
            let kind = paimon_error(&error).map(Error::kind);
            let again = matches!(kind, Some(ErrorKind::Io | ErrorKind::CommitConflict));
            failures += 1;
            assert!(again && failures < 100, "writer {writer}, row {n}: {error}");
        }
    }
}
