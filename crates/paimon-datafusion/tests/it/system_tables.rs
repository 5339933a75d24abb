//! System tables that hold rows or describe the state of a table give Java's rows through SQL.

use std::path::Path;

use datafusion::error::DataFusionError;
use paimon_core::arrow_bridge::arrow_field;
use paimon_core::spec::{DataField, parse_data_type};
use paimon_datafusion::PaimonSession;
use paimon_testing::folders::copy_folder;
use paimon_testing::golden::{GoldenEntry, compare, load};
use paimon_testing::json_rows::rows_to_json;

use super::golden::hint;
use super::session;

const SYSTEM_TABLES: &[&str] = &[
    "aggregation_fields",
    "audit_log",
    "binlog",
    "file_key_ranges",
    "partitions",
    "ro",
    "row_tracking",
    "statistics",
    "table_indexes",
];

/// Queries and the rows expected: one per entry, of a stream one per plan.
fn questions(entry: &GoldenEntry, table: &str) -> Vec<(String, GoldenEntry)> {
    let q = &entry.query;
    let Some(system) = q.system.as_deref() else {
        return Vec::new();
    };
    let asked = SYSTEM_TABLES.contains(&system) && q.branch.is_none() && q.filter.is_none();
    if !asked || q.expect_error {
        return Vec::new();
    }
    let names: Vec<String> = entry
        .columns
        .iter()
        .map(|(n, _)| format!("\"{n}\""))
        .collect();
    let names = names.join(", ");
    let sql = format!("SELECT {names} FROM {table}${system}");
    let Some(batches) = &entry.batches else {
        return vec![(format!("{sql}{}", hint(q)), entry.clone())];
    };
    let mut start = 0;
    let of_batch = batches.iter().map(|batch| {
        let range = format!("{start},{}", batch.next_snapshot - 1);
        start = batch.next_snapshot - 1;
        let mut entry = entry.clone();
        entry.rows = Some(batch.rows.clone());
        let hint = format!("/*+ OPTIONS('incremental-between'='{range}') */");
        (format!("{sql} {hint}"), entry)
    });
    of_batch.collect()
}

async fn ask(session: &PaimonSession, sql: &str, entry: &GoldenEntry) -> Result<(), String> {
    let failed = |e: DataFusionError| e.to_string();
    let frame = session.sql(sql).await.map_err(failed)?;
    let fields: Vec<DataField> = (0..)
        .zip(&entry.columns)
        .map(|(id, (name, text))| DataField::new(id, name, parse_data_type(text).unwrap()))
        .collect();
    for (found, expected) in frame.schema().fields().iter().zip(&fields) {
        let expected = arrow_field(expected);
        if found.data_type() != expected.data_type()
            || found.is_nullable() != expected.is_nullable()
        {
            return Err(format!("expected the column {expected:?}, found {found:?}"));
        }
    }
    let mut rows = Vec::new();
    for batch in frame.collect().await.map_err(failed)? {
        rows.extend(rows_to_json(&batch, &fields, &vec![0; batch.num_rows()]));
    }
    Ok(rows).and_then(|rows| compare(entry, rows))
}

/// The entry with the folder of the table in place of its mark.
fn placed(entry: GoldenEntry, folder: &Path) -> GoldenEntry {
    let mut entry = entry;
    for row in entry.rows.iter_mut().flatten() {
        let text = row
            .to_string()
            .replace("${TABLE}", folder.to_str().unwrap());
        *row = serde_json::from_str(&text).unwrap();
    }
    entry.rows.iter_mut().for_each(|rows| {
        rows.sort_by_key(ToString::to_string);
    });
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn system_tables_give_javas_rows() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let warehouse = tempfile::tempdir().unwrap();
    let database = warehouse.path().join("default.db");
    let session = session(warehouse.path());
    let (mut asked, mut failures) = (std::collections::BTreeSet::new(), Vec::new());
    for folder in std::fs::read_dir(golden).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.join("table").is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap();
        let table = name.replace(['-', '.'], "_");
        let entries = load(&folder).unwrap().into_iter();
        let questions: Vec<_> = entries.flat_map(|e| questions(&e, &table)).collect();
        if questions.is_empty() {
            continue;
        }
        let place = database.join(&table);
        copy_folder(&folder.join("table"), &place).unwrap();
        for (sql, entry) in questions {
            asked.extend(entry.query.system.clone());
            if let Err(why) = ask(&session, &sql, &placed(entry, &place)).await {
                failures.push(format!("{sql}: {why}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(asked.len(), SYSTEM_TABLES.len(), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn global_tables_give_javas_rows() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let golden = golden.join("catalog-warehouse");
    let warehouse = tempfile::tempdir().unwrap();
    copy_folder(&golden.join("warehouse"), warehouse.path()).unwrap();
    let session = session(warehouse.path());
    let create = format!(
        "CREATE CATALOG shown WITH ('type'='paimon', 'warehouse'='{}', 'catalog-options-table.enabled'='true')",
        warehouse.path().display()
    );
    session.sql(&create).await.unwrap();
    let mut asked = 0;
    for entry in load(&golden).unwrap() {
        let Some(table) = entry.query.table.clone().filter(|t| t.starts_with("sys.")) else {
            continue;
        };
        // the catalog shows the options that it was made with, the one that asks for the table among them
        let sql = match table.as_str() {
            "sys.catalog_options" => {
                "SELECT * FROM shown.sys.catalog_options WHERE key = 'warehouse'".to_string()
            }
            other => format!("SELECT * FROM {other}"),
        };
        let entry = placed(entry, warehouse.path());
        ask(&session, &sql, &entry).await.unwrap();
        asked += 1;
    }
    assert_eq!(asked, 2);
}
