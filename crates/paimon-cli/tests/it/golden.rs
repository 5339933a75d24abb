//! The program returns Java's rows for a sample of each kind of table.
//!
//! Columns whose JSON text is the same in the golden tables and in the program's output are compared: integers,
//! strings and booleans, at the newest snapshot and at every snapshot the golden asks for.

use paimon_testing::golden::{GoldenEntry, load};
use serde_json::Value;

use crate::support::{golden, paimon, warehouse};

const SAMPLE: &[&str] = &[
    "append-dv",
    "append-partition-special",
    "evolution-append-orc",
    "evolution-pk-avro",
    "evolution-pk-parquet",
    "index-bitmap",
    "legacy-0.4.0-pk-orc",
    "pk-agg-functions",
    "pk-cross-partition",
    "pk-dedup-levels-parquet",
    "pk-dv-partitioned",
    "pk-first-row",
    "pk-partial-update-seq-groups",
    "pk-postpone",
    "pk-sequence-field-multi-desc",
    "random-deduplicate",
    "v2-data-evolution",
];

fn is_plain(data_type: &str) -> bool {
    let base = data_type.trim_end_matches(" NOT NULL");
    matches!(
        base,
        "INT" | "BIGINT" | "SMALLINT" | "TINYINT" | "BOOLEAN" | "STRING"
    )
}

/// The SQL of an entry and the columns it selects, when the program can be asked.
fn statement(entry: &GoldenEntry, table: &str) -> Option<(String, Vec<usize>)> {
    let q = &entry.query;
    let snapshot = q.options.get("scan.snapshot-id");
    let travels = q.options.len() == usize::from(snapshot.is_some());
    let simple = q.kind.is_none() && q.filter.is_none() && q.system.is_none() && q.branch.is_none();
    if !simple || !travels || q.expect_error || entry.rows.is_none() {
        return None;
    }
    let columns: Vec<usize> = (0..entry.columns.len())
        .filter(|i| is_plain(&entry.columns[*i].1))
        .collect();
    let names: Vec<String> = columns
        .iter()
        .map(|i| format!("\"{}\"", entry.columns[*i].0))
        .collect();
    let hint = snapshot.map_or(String::new(), |id| {
        format!(" /*+ OPTIONS('scan.snapshot-id' = '{id}') */")
    });
    let sql = format!("SELECT {} FROM \"{table}\"{hint}", names.join(", "));
    (!columns.is_empty()).then_some((sql, columns))
}

#[test]
fn the_program_returns_javas_rows() {
    let mut compared = 0;
    for name in SAMPLE {
        let folder = warehouse(&[name]);
        let table = name.replace(['-', '.'], "_");
        let database = folder.path().join("default.db");
        let placed = std::fs::read_dir(&database)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        if placed.file_name().to_str() != Some(table.as_str()) {
            std::fs::rename(placed.path(), database.join(&table)).unwrap();
        }
        for entry in load(&golden().join(name)).unwrap() {
            let Some((sql, columns)) = statement(&entry, &table) else {
                continue;
            };
            let run = paimon(folder.path(), &["-q", "--format", "ndjson", "-c", &sql]);
            assert_eq!(run.code, 0, "{name}: {sql}: {}", run.stderr);
            let mut found: Vec<String> = run
                .stdout
                .lines()
                .filter(|l| !l.trim().is_empty())
                .map(|line| {
                    let row: Value = serde_json::from_str(line).unwrap();
                    let cell = |i: &usize| row.get(&entry.columns[*i].0).cloned();
                    let cells = columns.iter().map(|i| cell(i).unwrap_or(Value::Null));
                    Value::Array(cells.collect()).to_string()
                })
                .collect();
            let mut expected: Vec<String> = entry
                .rows
                .iter()
                .flatten()
                .map(|row| {
                    Value::Array(columns.iter().map(|i| row[i + 1].clone()).collect()).to_string()
                })
                .collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{name}: {sql}");
            compared += 1;
        }
    }
    println!("{compared} queries compared");
    assert!(compared > SAMPLE.len());
}
