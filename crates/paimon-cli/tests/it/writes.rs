//! Writing through the program.

use crate::support::{paimon, warehouse};

const CREATE: &str =
    "CREATE TABLE t (id INT PRIMARY KEY NOT ENFORCED, v STRING) WITH ('bucket' = '1')";

#[test]
fn rows_are_counted_and_read_back() {
    let folder = warehouse(&[]);
    let run = paimon(folder.path(), &["-q", "-c", CREATE]);
    assert_eq!(run.code, 0, "{run:?}");
    let insert = "INSERT INTO t VALUES (1, 'a'), (2, 'b')";
    let run = paimon(folder.path(), &["-q", "--format", "csv", "-c", insert]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "count\n2\n"),
        "{run:?}"
    );
    let select = "SELECT * FROM t ORDER BY id";
    let run = paimon(folder.path(), &["-q", "--format", "csv", "-c", select]);
    assert_eq!(run.stdout, "id,v\n1,a\n2,b\n");
    let run = paimon(folder.path(), &["fsck", "default.t"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn a_repeated_run_with_one_identity_adds_nothing() {
    let folder = warehouse(&[]);
    let append = CREATE
        .replace("id INT PRIMARY KEY NOT ENFORCED", "id INT")
        .replace("'bucket' = '1'", "'bucket' = '-1'");
    assert_eq!(paimon(folder.path(), &["-q", "-c", &append]).code, 0);
    let script = "INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b')";
    let identity = [
        "--commit-user",
        "job",
        "--commit-identifier",
        "7",
        "-q",
        "-c",
        script,
    ];
    for _ in 0..2 {
        let run = paimon(folder.path(), &identity);
        assert_eq!(run.code, 0, "{run:?}");
    }
    let count = "SELECT count(*) FROM t; SELECT count(*) FROM t$snapshots";
    let run = paimon(folder.path(), &["-q", "--format", "csv", "-c", count]);
    assert_eq!(run.stdout, "count(*)\n2\ncount(*)\n2\n");
    let run = paimon(folder.path(), &["--commit-user", "job", "-c", "SELECT 1"]);
    assert_eq!(run.code, 2, "{run:?}");
}

#[test]
fn a_repeated_script_whose_table_is_there_by_now_loses_nothing() {
    let folder = warehouse(&[]);
    let create = "CREATE TABLE IF NOT EXISTS made AS SELECT 7 AS k";
    let script = format!("{create}; INSERT INTO made VALUES (8); INSERT INTO made VALUES (9)");
    for statements in [create, &script, &script] {
        let identity = ["--commit-user", "job", "--commit-identifier", "1"];
        let arguments = [&identity[..], &["-q", "-c", statements]].concat();
        let run = paimon(folder.path(), &arguments);
        assert_eq!(run.code, 0, "{run:?}");
    }
    let select = "SELECT k FROM made ORDER BY k";
    let run = paimon(folder.path(), &["-q", "--format", "csv", "-c", select]);
    assert_eq!(run.stdout, "k\n7\n8\n9\n");
}

#[test]
fn a_failed_insert_leaves_no_file() {
    let folder = warehouse(&[]);
    let create = "CREATE TABLE t (id INT, v VARCHAR(2))";
    assert_eq!(paimon(folder.path(), &["-q", "-c", create]).code, 0);
    let insert = "INSERT INTO t SELECT value, CASE WHEN value = 9000 THEN 'too long' ELSE 'ok' END FROM generate_series(1, 10000)";
    let run = paimon(folder.path(), &["-q", "-c", insert]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("too long"), "{run:?}");
    let table = folder.path().join("default.db/t");
    let left: Vec<_> = std::fs::read_dir(table)
        .unwrap()
        .flat_map(|e| match e.unwrap().path() {
            path if path.ends_with("schema") => Vec::new(),
            path => std::fs::read_dir(path)
                .unwrap()
                .map(|f| f.unwrap().path())
                .collect(),
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
