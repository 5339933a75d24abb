//! Catalogs with a service of their own, from the program.

use crate::support::{Run, plain};

/// Statements on a JDBC catalog in a folder.
fn on_sqlite(folder: &std::path::Path, sql: &str) -> Run {
    let folder = folder.display();
    let create = format!(
        "CREATE CATALOG j WITH ('type'='paimon', 'metastore'='jdbc', 'uri'='jdbc:sqlite:{folder}/c.db', \
         'warehouse'='{folder}/wh', 'jdbc.password'='hush-hush'); USE CATALOG j; "
    );
    plain(&["-q", "--format", "csv", "-c", &format!("{create}{sql}")])
}

#[test]
fn a_jdbc_catalog_keeps_databases_and_tables() {
    let folder = tempfile::tempdir().unwrap();
    let run = on_sqlite(
        folder.path(),
        "CREATE DATABASE sales COMMENT 'what was sold'; USE sales; CREATE TABLE t (id INT NOT NULL, v STRING, \
         PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1'); INSERT INTO t VALUES (1, 'a'), (2, 'b'); \
         ALTER TABLE t ADD COLUMN c INT; ALTER TABLE t RENAME TO u; CREATE TABLE gone (a INT); DROP TABLE gone",
    );
    assert_eq!(run.code, 0, "{run:?}");
    let run = on_sqlite(
        folder.path(),
        "SHOW DATABASES; USE sales; SHOW TABLES; SELECT v, c FROM u WHERE id = 2",
    );
    let expected =
        "namespace\ndefault\nsales\nnamespace,tableName,isTemporary\nsales,u,false\nv,c\nb,\n";
    assert_eq!((run.code, run.stdout.as_str()), (0, expected), "{run:?}");
    // the same without a statement
    let options = [
        "metastore=jdbc".to_string(),
        format!("uri=jdbc:sqlite:{}/c.db", folder.path().display()),
        format!("warehouse={}/wh", folder.path().display()),
    ];
    let mut line = vec!["-q", "--format", "csv", "--catalog", "k"];
    for option in &options {
        line.extend(["--catalog-option", option]);
    }
    line.extend(["-c", "SELECT count(*) AS n FROM sales.u"]);
    let run = plain(&line);
    assert_eq!((run.code, run.stdout.as_str()), (0, "n\n2\n"), "{run:?}");
}

#[test]
fn writers_of_a_jdbc_catalog_wait_for_its_locks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let run = on_sqlite(path, "CREATE TABLE t (id INT)");
    assert_eq!(run.code, 0, "{run:?}");
    let insert = || {
        let path = path.display();
        let options = [
            "metastore=jdbc".to_string(),
            format!("uri=jdbc:sqlite:{path}/c.db"),
            format!("warehouse={path}/wh"),
            "lock.enabled=true".to_string(),
            "lock-check-max-sleep=20 ms".to_string(),
        ];
        let mut line = vec!["-q", "--catalog", "k"];
        for option in &options {
            line.extend(["--catalog-option", option]);
        }
        line.extend(["-c", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"]);
        plain(&line)
    };
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3).map(|_| scope.spawn(insert)).collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| run.code == 0), "{runs:?}");
    let run = on_sqlite(path, "SELECT count(*) AS n, sum(id) AS s FROM t");
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "n,s\n6,9\n"),
        "{run:?}"
    );
}

#[test]
fn services_that_cannot_be_reached_are_named_and_secrets_are_not() {
    let rest = "'metastore'='rest', 'uri'='http://127.0.0.1:1', 'token.provider'='bear', 'token'='hush-hush'";
    let jdbc = "'metastore'='jdbc', 'uri'='jdbc:sqlite:/no/such/folder/c.db', 'warehouse'='/no/such/folder', \
                'jdbc.password'='hush-hush'";
    for (options, word) in [(rest, "127.0.0.1:1"), (jdbc, "/no/such/folder")] {
        let sql = format!(
            "CREATE CATALOG c WITH ('type'='paimon', {options}); USE CATALOG c; SHOW DATABASES"
        );
        let run = plain(&["-c", &sql]);
        assert_ne!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains(word), "{run:?}");
        assert!(!run.stderr.contains("hush-hush"), "{run:?}");
    }
}
