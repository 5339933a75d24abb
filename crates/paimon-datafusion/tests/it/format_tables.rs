//! Format tables: golden rows are Java's, writes are read again and appear as a whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use paimon_core::arrow_bridge::arrow_field;
use paimon_core::schema::{NewColumn, NewTable};
use paimon_core::spec::{DataField, parse_data_type};
use paimon_datafusion::PaimonSession;
use paimon_testing::golden::{GoldenEntry, compare, load};
use paimon_testing::json_rows::rows_to_json;
use serde_json::Value;

use super::layered::{Layered, schema};

const GOLDENS: &[&str] = &[
    "format-csv",
    "format-csv-options",
    "format-json",
    "format-orc",
    "format-parquet",
    "format-text",
];

fn session(catalog: &Arc<Layered>) -> PaimonSession {
    let session = PaimonSession::new();
    session.register_catalog(catalog.clone());
    session.use_catalog("kept").unwrap();
    session
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap().iter();
    list.map(|v| v.as_str().unwrap().to_string()).collect()
}

/// The table that a golden describes.
fn declared(described: &Value) -> NewTable {
    let column = |column: &Value| NewColumn {
        name: column[0].as_str().unwrap().to_string(),
        data_type: parse_data_type(column[1].as_str().unwrap()).unwrap(),
        comment: None,
        default: None,
    };
    let mut table = NewTable {
        columns: described["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(column)
            .collect(),
        partition_keys: texts(&described["partitionKeys"]),
        ..NewTable::default()
    };
    for (key, value) in described["options"].as_object().unwrap() {
        let value = value.as_str().unwrap().to_string();
        table.options.insert(key.clone(), value);
    }
    let format = described["format"].as_str().unwrap().to_string();
    table.options.insert("file.format".into(), format);
    table.options.insert("type".into(), "format-table".into());
    table
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

fn question(entry: &GoldenEntry) -> String {
    let names: Vec<String> = entry
        .columns
        .iter()
        .map(|(n, _)| format!("\"{n}\""))
        .collect();
    let mut sql = format!("SELECT {} FROM t", names.join(", "));
    if let Some(filter) = &entry.query.filter {
        let [op, column] = [0, 1].map(|i| filter[i].as_str().unwrap());
        sql.push_str(&format!(" WHERE {column} {op} {}", literal(&filter[2])));
    }
    sql
}

async fn check(session: &PaimonSession, entry: &GoldenEntry) -> Result<(), String> {
    let sql = question(entry);
    let frame = session.sql(&sql).await.map_err(|e| format!("{sql}: {e}"))?;
    let batches = frame.collect().await.map_err(|e| format!("{sql}: {e}"))?;
    let fields: Vec<DataField> = entry
        .columns
        .iter()
        .map(|(name, text)| DataField::new(0, name, parse_data_type(text).unwrap()))
        .collect();
    let mut rows = Vec::new();
    for batch in &batches {
        for (field, column) in fields.iter().zip(batch.columns()) {
            assert_eq!(arrow_field(field).data_type(), column.data_type(), "{sql}");
        }
        rows.extend(rows_to_json(batch, &fields, &vec![0; batch.num_rows()]));
    }
    compare(entry, rows).map_err(|e| format!("{sql}: {e}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_tables_have_the_rows_of_java() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let folder = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for name in GOLDENS {
        let catalog = Arc::new(Layered::new("kept", folder.path()));
        let location = goldens.join(name).join("table").canonicalize().unwrap();
        for entry in load(&goldens.join(name)).unwrap() {
            let table = declared(entry.query.format_table.as_ref().unwrap());
            let location = location.to_str().unwrap();
            catalog.add("t", location, schema(&table)).await;
            let session = session(&catalog);
            let count = session.sql("SELECT count(*) FROM t").await.unwrap();
            assert_eq!(count.collect().await.unwrap()[0].num_rows(), 1);
            if let Err(error) = check(&session, &entry).await {
                failures.push(format!("{name}: {error}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn run(session: &PaimonSession, sql: &str) -> Result<String, String> {
    let frame = session.sql(sql).await.map_err(|e| e.to_string())?;
    let batches = frame.collect().await.map_err(|e| e.to_string())?;
    let shown = arrow::util::pretty::pretty_format_batches(&batches);
    Ok(shown.unwrap().to_string())
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}

const COLUMNS: &str = "id INT NOT NULL, s STRING, d DOUBLE, c DECIMAL(10, 2), b BOOLEAN, dt DATE, ts TIMESTAMP(3), y BYTES, p STRING, q INT";

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_written_as_java_writes_them() {
    let rows = "(1, 'with, comma and \"quotes\"', -0.1, -9.99, false, DATE '1969-12-31', TIMESTAMP '2024-01-01 10:20:30.123', X'FF00', 'a/b', -1), \
                (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'x', 1)";
    let expected = [
        (
            "csv",
            "1,\"with, comma and \\\"quotes\\\"\",-0.1,-9.99,false,1969-12-31,2024-01-01 10:20:30.123,/wA=\n",
            "2,,,,,,,\n",
        ),
        (
            "json",
            "{\"id\":\"1\",\"s\":\"with, comma and \\\"quotes\\\"\",\"d\":\"-0.1\",\"c\":\"-9.99\",\"b\":\"false\",\"dt\":\"1969-12-31\",\"ts\":\"2024-01-01 10:20:30.123\",\"y\":\"/wA=\"}\n",
            "{\"id\":\"2\",\"s\":null,\"d\":null,\"c\":null,\"b\":null,\"dt\":null,\"ts\":null,\"y\":null}\n",
        ),
    ];
    for (format, first, second) in expected {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Arc::new(Layered::new("kept", folder.path()));
        let session = session(&catalog);
        let create = format!(
            "CREATE TABLE f ({COLUMNS}) PARTITIONED BY (p, q) WITH ('type' = 'format-table', 'file.format' = '{format}')"
        );
        run(&session, &create).await.unwrap();
        run(&session, &format!("INSERT INTO f VALUES {rows}"))
            .await
            .unwrap();
        let found = files(&folder.path().join("default.db/f"));
        let texts: Vec<(String, String)> = found
            .into_iter()
            .map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap()))
            .collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].0.contains("/p=a%2Fb/q=-1/data-"), "{texts:?}");
        assert!(texts[0].0.ends_with(&format!("-0.{format}")), "{texts:?}");
        assert_eq!(texts[0].1, first);
        assert_eq!(texts[1].1, second);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_gives_back_what_was_written() {
    let rows = "(1, 'it''s, \"x\"\\', 1.5, 1.25, true, DATE '2024-02-29', TIMESTAMP '2024-01-01 10:20:30.123', X'00FF', 'a b', 1), \
                (2, NULL, -1000.25, 0.00, false, NULL, NULL, X'', NULL, NULL), \
                (3, 'é', NULL, NULL, NULL, DATE '1969-12-31', TIMESTAMP '1969-12-31 23:59:58.999', NULL, 'z=%/', -7)";
    let mut answers = Vec::new();
    for format in ["csv", "json", "parquet", "orc"] {
        for only_value in ["false", "true"] {
            let folder = tempfile::tempdir().unwrap();
            let catalog = Arc::new(Layered::new("kept", folder.path()));
            let session = session(&catalog);
            let null = "'csv.null-literal' = 'NULL'";
            let create = format!(
                "CREATE TABLE f ({COLUMNS}) PARTITIONED BY (p, q) WITH ('type' = 'format-table', 'file.format' = '{format}', \
                 {null}, 'format-table.partition-path-only-value' = '{only_value}')"
            );
            run(&session, &create).await.unwrap();
            run(&session, &format!("INSERT INTO f VALUES {rows}"))
                .await
                .unwrap();
            let all = run(&session, "SELECT * FROM f ORDER BY id").await.unwrap();
            let some = "SELECT q, s FROM f WHERE p = 'z=%/' OR q IS NULL ORDER BY id";
            let some = run(&session, some).await.unwrap();
            answers.push((format!("{format} {only_value}"), format!("{all}\n{some}")));
        }
    }
    for (name, answer) in &answers {
        assert_eq!(*answer, answers[0].1, "{name}");
    }
    assert!(answers[0].1.contains("it's, \"x\"\\"), "{}", answers[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_leaves_nothing_to_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Arc::new(Layered::new("kept", folder.path()));
    let session = session(&catalog);
    let create = "CREATE TABLE f (id INT NOT NULL, p INT) PARTITIONED BY (p) WITH ('type' = 'format-table', 'file.format' = 'csv')";
    run(&session, create).await.unwrap();
    run(&session, "INSERT INTO f VALUES (1, 1), (2, 2)")
        .await
        .unwrap();
    let before = files(folder.path());
    for sql in [
        "INSERT INTO f SELECT CAST(x AS INT), 1 FROM (VALUES ('1'), ('2'), ('x')) t(x)",
        "INSERT INTO f VALUES (1, 1), (NULL, 2)",
        "INSERT OVERWRITE f SELECT CAST(x AS INT), 1 FROM (VALUES ('1'), ('x')) t(x)",
    ] {
        assert!(run(&session, sql).await.is_err(), "{sql}");
        assert_eq!(files(folder.path()), before, "{sql}");
    }
    run(&session, "EXPLAIN INSERT OVERWRITE f VALUES (9, 9)")
        .await
        .unwrap();
    assert_eq!(files(folder.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_and_malformed_text_files_are_read_as_java_does() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Arc::new(Layered::new("kept", folder.path()));
    let session = session(&catalog);
    let table = folder.path().join("default.db/f");
    let create = |mode: &str| {
        format!(
            "CREATE TABLE f (a INT, b INT, c STRING) WITH ('type' = 'format-table', 'file.format' = 'csv', 'csv.mode' = '{mode}')"
        )
    };
    for mode in ["permissive", "dropmalformed"] {
        run(&session, &create(mode)).await.unwrap();
        std::fs::create_dir_all(&table).unwrap();
        std::fs::write(table.join("x.csv"), "1,2,x\n3,bad,y\n\n").unwrap();
        std::fs::create_dir_all(table.join("_temporary")).unwrap();
        std::fs::write(table.join("_temporary/y.csv"), "7,7,hidden\n").unwrap();
        std::fs::write(table.join(".z.csv"), "7,7,hidden\n").unwrap();
        let count = run(&session, "SELECT count(a), count(*) FROM f")
            .await
            .unwrap();
        assert!(
            count.contains("| 2 ") && count.contains("| 3 "),
            "{mode}: {count}"
        );
        let bad = run(&session, "SELECT c FROM f WHERE a = 3").await.unwrap();
        // only columns that are read can be malformed
        assert!(bad.contains('y'), "{mode}: {bad}");
        let bad = run(&session, "SELECT b, c FROM f WHERE a = 3")
            .await
            .unwrap();
        assert!(!bad.contains('y'), "{mode}: {bad}");
        run(&session, "DROP TABLE f").await.unwrap();
    }
    run(&session, &create("failfast")).await.unwrap();
    std::fs::create_dir_all(&table).unwrap();
    std::fs::write(table.join("x.csv"), "1,2,x\n3,bad,y\n").unwrap();
    let error = run(&session, "SELECT * FROM f").await.unwrap_err();
    assert!(error.contains("no INT") && error.contains("bad"), "{error}");
}
