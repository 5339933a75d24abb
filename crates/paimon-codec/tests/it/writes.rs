//! Statements that write.

use paimon_datafusion::PaimonSession;

use super::{WAYS, Way, encoded, run, run_encoded, session};

const SETUP: &str = "
    CREATE TABLE plain (id INT, name STRING);
    INSERT INTO plain VALUES (1, 'a'), (2, 'b'), (3, 'c');
    CREATE TABLE keyed (id INT NOT NULL, name STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1');
    INSERT INTO keyed VALUES (1, 'x'), (2, 'y');
    CREATE TABLE ordered (id INT NOT NULL, ts INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1', 'sequence.field' = 'ts');
    INSERT INTO ordered VALUES (1, 5), (2, 5);
    CREATE TABLE parts (id INT, dt STRING) PARTITIONED BY (dt);
    INSERT INTO parts VALUES (1, 'one'), (2, 'two');
    CREATE TABLE marked (id INT, name STRING) WITH ('deletion-vectors.enabled' = 'true', 'bucket' = '-1');
    INSERT INTO marked VALUES (1, 'a'), (2, 'b'), (3, 'c')";

/// Statements that commit, and what shows their effect.
const COMMITS: &[(&str, &str)] = &[
    ("INSERT INTO plain VALUES (4, 'd')", "SELECT * FROM plain"),
    (
        "INSERT INTO plain (name) SELECT name FROM keyed",
        "SELECT * FROM plain",
    ),
    (
        "INSERT OVERWRITE plain SELECT id, name FROM keyed",
        "SELECT * FROM plain",
    ),
    (
        "INSERT OVERWRITE parts PARTITION (dt = 'one') SELECT 7",
        "SELECT * FROM parts",
    ),
    (
        "INSERT OVERWRITE parts VALUES (8, 'two')",
        "SELECT * FROM parts",
    ),
    (
        "INSERT INTO keyed VALUES (2, 'z'), (3, 'w')",
        "SELECT * FROM keyed",
    ),
    (
        "UPDATE plain SET name = 'n' WHERE id < 3",
        "SELECT * FROM plain",
    ),
    (
        "UPDATE keyed SET name = concat(name, '!') WHERE id = 1",
        "SELECT * FROM keyed",
    ),
    (
        "UPDATE marked SET id = id + 10 WHERE name <> 'b'",
        "SELECT * FROM marked",
    ),
    (
        "UPDATE ordered SET ts = ts + 1 WHERE id = 2",
        "SELECT * FROM ordered",
    ),
    ("DELETE FROM plain WHERE id = 2", "SELECT * FROM plain"),
    (
        "DELETE FROM keyed WHERE id IN (SELECT id FROM plain WHERE name = 'a')",
        "SELECT * FROM keyed",
    ),
    ("DELETE FROM marked WHERE id = 3", "SELECT * FROM marked"),
    (
        "MERGE INTO keyed t USING plain s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name \
         WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
        "SELECT * FROM keyed",
    ),
    (
        "MERGE INTO plain t USING keyed s ON t.id = s.id WHEN MATCHED THEN DELETE \
         WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
        "SELECT * FROM plain",
    ),
    (
        "INSERT INTO plain /*+ OPTIONS('write.merge-schema' = 'true') */ BY NAME SELECT 5 AS id, 9 AS extra",
        "SELECT * FROM plain",
    ),
    (
        "MERGE INTO keyed /*+ OPTIONS('write.merge-schema' = 'true') */ t USING (SELECT id, id + 1 AS extra FROM plain) s \
         ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
        "SELECT * FROM keyed",
    ),
    (
        "CREATE TABLE made AS SELECT id + 1 AS id, name FROM plain",
        "SELECT * FROM made",
    ),
    (
        "CREATE TABLE made WITH ('file.format' = 'orc') AS SELECT * FROM keyed",
        "SELECT * FROM made",
    ),
    (
        "CREATE OR REPLACE TABLE plain AS SELECT id + 1 AS n FROM plain",
        "SELECT * FROM plain",
    ),
    (
        "REPLACE TABLE keyed AS SELECT name FROM plain",
        "SELECT * FROM keyed",
    ),
    (
        "CREATE OR REPLACE TABLE made AS SELECT id FROM plain",
        "SELECT * FROM made",
    ),
];

/// Statements that change names, settings of tables or what compactions do.
const STATEMENTS: &[(&str, &str)] = &[
    ("CREATE TABLE fresh (a INT)", "SELECT * FROM fresh"),
    ("CREATE OR REPLACE TABLE plain (a INT)", "DESCRIBE plain"),
    ("CREATE DATABASE other", "SHOW DATABASES"),
    ("DROP TABLE plain", "SHOW TABLES"),
    ("ALTER TABLE plain RENAME TO renamed", "SHOW TABLES"),
    ("ALTER TABLE plain ADD COLUMN extra INT", "DESCRIBE plain"),
    (
        "ALTER TABLE plain SET ('snapshot.num-retained.max' = '19')",
        "SHOW TBLPROPERTIES plain",
    ),
    ("TRUNCATE TABLE plain", "SELECT count(*) FROM plain"),
    (
        "ALTER TABLE parts DROP PARTITION (dt = 'one')",
        "SELECT * FROM parts",
    ),
    (
        "CALL sys.create_tag(table => 'plain', tag => 'first')",
        "SELECT tag_name FROM plain$tags",
    ),
    ("CALL sys.compact(table => 'keyed')", "SELECT * FROM keyed"),
    (
        "ANALYZE TABLE plain COMPUTE STATISTICS",
        "SELECT * FROM plain",
    ),
];

struct Site {
    _folder: tempfile::TempDir,
    sender: PaimonSession,
    receiver: PaimonSession,
}

async fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let sender = session(folder.path());
    sender.sql(SETUP).await.unwrap().collect().await.unwrap();
    Site {
        receiver: session(folder.path()),
        _folder: folder,
        sender,
    }
}

async fn seen(site: &Site, query: &str) -> Vec<String> {
    let fresh = &site.receiver;
    match run(Way::Direct, fresh, fresh, query).await {
        Ok(rows) => rows,
        Err(error) => vec![error.to_string()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_have_the_effect_that_they_have_directly() {
    let mut failures = Vec::new();
    for (sql, query) in COMMITS.iter().chain(STATEMENTS) {
        let mut expected = None;
        for way in WAYS {
            let site = site().await;
            if let Err(error) = run(way, &site.sender, &site.receiver, sql).await {
                failures.push(format!("{sql}: {way:?}: {error}"));
                continue;
            }
            let rows = seen(&site, query).await;
            let expected = expected.get_or_insert_with(|| rows.clone());
            if rows != *expected {
                failures.push(format!("{sql}: {way:?}: {rows:?} for {expected:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_run_twice_commits_once() {
    let mut failures = Vec::new();
    for (sql, query) in COMMITS {
        for way in [Way::Logical, Way::Physical] {
            let site = site().await;
            let bytes = encoded(way, &site.sender, sql).await.unwrap();
            run_encoded(way, &site.receiver, &bytes).await.unwrap();
            let once = seen(&site, query).await;
            let table = query.rsplit(' ').next().unwrap();
            let snapshots = format!("SELECT max(snapshot_id) FROM {table}$snapshots");
            let newest = seen(&site, &snapshots).await;
            if let Err(error) = run_encoded(way, &site.receiver, &bytes).await {
                failures.push(format!("{sql}: {way:?}: again: {error}"));
            }
            let twice = seen(&site, query).await;
            if once != twice || newest != seen(&site, &snapshots).await {
                failures.push(format!("{sql}: {way:?}: {once:?}, then {twice:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoded_update_is_planned_again_over_what_others_committed() {
    for way in [Way::Logical, Way::Physical] {
        let site = site().await;
        let sql = "UPDATE plain SET name = concat(name, '+')";
        let bytes = encoded(way, &site.sender, sql).await.unwrap();
        let between = "INSERT INTO plain VALUES (9, 'late')";
        run(Way::Direct, &site.sender, &site.receiver, between)
            .await
            .unwrap();
        run_encoded(way, &site.receiver, &bytes).await.unwrap();
        let rows = seen(&site, "SELECT * FROM plain").await;
        assert_eq!(rows, ["1|a+", "2|b+", "3|c+", "9|late+"], "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_takes_the_settings_of_its_session_along() {
    for way in [Way::Logical, Way::Physical] {
        let site = site().await;
        let setup = "CREATE DATABASE own; USE own; CREATE TABLE t (id INT)";
        site.sender
            .sql(setup)
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        let sql = "CALL sys.create_branch(table => 't', branch => 'b')";
        run(way, &site.sender, &site.receiver, sql).await.unwrap();
        let branches = seen(&site, "SELECT branch_name FROM own.t$branches").await;
        assert_eq!(branches, ["b"], "{way:?}");
    }
}
