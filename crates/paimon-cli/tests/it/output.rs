//! Formats of results.

use crate::support::{paimon, plain, warehouse};

const SQL: &str =
    "SELECT 1 AS a, 'x,y' AS b, CAST(NULL AS INT) AS c UNION ALL SELECT 2, '', 3 ORDER BY a";

fn stdout(format: &str) -> String {
    let run = plain(&["-q", "--format", format, "-c", SQL]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stderr, "");
    run.stdout
}

#[test]
fn every_format_prints_the_rows() {
    assert_eq!(stdout("csv"), "a,b,c\n1,\"x,y\",\n2,\"\",3\n");
    assert_eq!(stdout("tsv"), "a\tb\tc\n1\tx,y\t\n2\t\"\"\t3\n");
    assert_eq!(
        stdout("json"),
        "[{\"a\":1,\"b\":\"x,y\",\"c\":null},{\"a\":2,\"b\":\"\",\"c\":3}]\n"
    );
    assert_eq!(
        stdout("ndjson"),
        "{\"a\":1,\"b\":\"x,y\",\"c\":null}\n{\"a\":2,\"b\":\"\",\"c\":3}\n"
    );
    let table = "+---+-----+---+\n| a | b   | c |\n+---+-----+---+\n| 1 | x,y |   |\n| 2 |     | 3 |\n+---+-----+---+\n";
    assert_eq!(stdout("table"), table);
    assert_eq!(stdout("automatic"), table);
}

#[test]
fn the_table_format_is_cut_with_a_note() {
    let sql = "SELECT * FROM generate_series(1, 100)";
    let run = plain(&["-n", "3", "-c", sql]);
    assert_eq!(run.stdout.lines().count(), 3 + 4, "{}", run.stdout);
    assert!(run.stderr.contains("3 of 100 rows"), "{}", run.stderr);
    let run = plain(&["-n", "inf", "-c", sql]);
    assert_eq!(run.stdout.lines().count(), 100 + 4);
}

#[test]
fn timing_goes_to_stderr() {
    let run = plain(&["--format", "csv", "-c", "SELECT 1 AS a"]);
    assert_eq!(run.stdout, "a\n1\n");
    assert!(run.stderr.contains("1 row(s) fetched"), "{}", run.stderr);
}

#[test]
fn informational_statements_have_sparks_columns() {
    let wh = warehouse(&["append-partitioned"]);
    let first_line = |sql: &str| {
        let run = paimon(wh.path(), &["-q", "--format", "csv", "-c", sql]);
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout.lines().next().unwrap_or_default().to_string()
    };
    for (sql, expected) in [
        ("SHOW DATABASES", "namespace"),
        ("SHOW TABLES", "namespace,tableName,isTemporary"),
        ("SHOW CREATE TABLE append_partitioned", "createtab_stmt"),
        ("SHOW COLUMNS FROM append_partitioned", "col_name"),
        ("DESCRIBE append_partitioned", "col_name,data_type,comment"),
        ("SHOW CATALOGS", "catalog"),
    ] {
        assert_eq!(first_line(sql), expected, "{sql}");
    }
    let run = paimon(
        wh.path(),
        &[
            "-q",
            "--format",
            "json",
            "-c",
            "SHOW CREATE TABLE append_partitioned",
        ],
    );
    let expected = "CREATE TABLE `paimon`.`default`.`append_partitioned` (\\n  `id` INT NOT NULL,\\n  `dt` STRING,\\n  `hr` INT,\\n  `v` STRING\\n)\\nPARTITIONED BY (`dt`, `hr`)\\nWITH (\\n  'bucket' = '-1'\\n)";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
}

#[test]
fn maps_with_keys_of_any_type_print_as_json() {
    let sql = "SELECT map([1, 2], ['a', NULL]) AS m";
    let run = plain(&["-q", "--format", "ndjson", "-c", sql]);
    assert_eq!(run.stdout, "{\"m\":{\"1\":\"a\",\"2\":null}}\n", "{run:?}");
    let run = plain(&["-q", "--format", "json", "-c", sql]);
    assert_eq!(
        run.stdout, "[{\"m\":{\"1\":\"a\",\"2\":null}}]\n",
        "{run:?}"
    );
}

#[test]
fn a_copy_writes_nested_values_as_the_csv_format_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    let sql = "SELECT [1, NULL] AS l, map([1], ['x']) AS m, {'a': DATE '2024-01-01'} AS s, CAST(NULL AS INT[]) AS n";
    let copy = format!("COPY ({sql}) TO '{}'", file.display());
    let run = plain(&["-q", "-c", &copy]);
    assert_eq!(run.code, 0, "{run:?}");
    let printed = plain(&["-q", "--format", "csv", "-c", sql]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed.stdout);
}
