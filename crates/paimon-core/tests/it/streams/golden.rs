//! Every streaming query of the golden tables gives Java's rows, plan by plan.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use futures::TryStreamExt;
use paimon_core::io::FileIo;
use paimon_core::spec::DataField;
use paimon_core::table::{StreamPlan, Table};
use paimon_testing::folders::copy_folder;
use paimon_testing::golden::{GoldenBatch, GoldenEntry, compare, load};
use paimon_testing::json_rows::rows_to_json;
use serde_json::Value;

use crate::golden::catalogue;

/// As `t$audit_log` shows rows: the kind a column, every row of kind +I.
fn audited(rows: Vec<Value>) -> Vec<Value> {
    let shown = |row: Value| {
        let mut row = row.as_array().unwrap().clone();
        row.insert(0, Value::from("+I"));
        Value::Array(row)
    };
    rows.into_iter().map(shown).collect()
}

/// The table as Java's reader opens it: with the schema of the snapshot that the options name, where there is one.
async fn open(location: &str, options: &HashMap<String, String>) -> paimon_core::Result<Table> {
    let io = FileIo::for_location(location)?;
    let table = Table::open(io, location, "golden").await?;
    let points = ["scan.snapshot-id", "scan.timestamp-millis"];
    let travel: HashMap<String, String> = options
        .iter()
        .filter(|(key, _)| points.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    Ok(table.with_options(&travel).await.unwrap_or(table))
}

async fn plans(location: &str, entry: &GoldenEntry) -> paimon_core::Result<Vec<GoldenBatch>> {
    let options = &entry.query.options;
    let read = open(location, options)
        .await?
        .new_stream_read(options)
        .await?;
    // Java's core answers where its SQL front ends refuse
    let read = read.with_written_rows();
    let fields: Vec<DataField> = read.table().schema().fields.clone();
    let (mut scan, reader) = (read.scan()?, read.reader()?);
    let mut batches = Vec::new();
    while let StreamPlan::Step(step) = scan.plan().await? {
        let mut rows = Vec::new();
        for split in &step.splits {
            let mut stream = read.rows(&reader, split)?;
            while let Some(batch) = stream.try_next().await? {
                let kinds = batch.column(fields.len()).as_primitive::<Int8Type>();
                rows.extend(rows_to_json(&batch, &fields, kinds.values()));
            }
        }
        if entry.query.system.as_deref() == Some("audit_log") {
            rows = audited(rows);
        }
        assert_eq!(Some(step.progress.clone()), scan.progress());
        batches.push(GoldenBatch {
            next_snapshot: step.progress.next_snapshot,
            rows,
        });
    }
    Ok(batches)
}

async fn check(location: &str, entry: &GoldenEntry) -> Result<(), String> {
    let found = plans(location, entry).await.map_err(|e| format!("{e:?}"))?;
    let expected = entry.batches.as_ref().ok_or("no batches are expected")?;
    let ids = |of: &[GoldenBatch]| of.iter().map(|b| b.next_snapshot).collect::<Vec<_>>();
    if ids(&found) != ids(expected) {
        return Err(format!(
            "checkpoints {:?}, expected {:?}",
            ids(&found),
            ids(expected)
        ));
    }
    for (found, expected) in found.into_iter().zip(expected) {
        let mut one = entry.clone();
        one.rows = Some(expected.rows.clone());
        compare(&one, found.rows).map_err(|e| format!("before {}: {e}", found.next_snapshot))?;
    }
    Ok(())
}

fn streams(folder: &Path) -> Vec<GoldenEntry> {
    let entries = load(folder).unwrap().into_iter();
    let of_core = |s: Option<&str>| s != Some("binlog");
    entries
        .filter(|e| e.query.kind.as_deref() == Some("stream"))
        .filter(|e| of_core(e.query.system.as_deref()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn golden_tables_stream_as_java_streams_them() {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(catalogue())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("table").is_dir())
        .collect();
    folders.sort();
    let (mut passed, mut failures) = (0, Vec::new());
    for folder in folders {
        let entries = streams(&folder);
        if entries.is_empty() {
            continue;
        }
        let copy = tempfile::tempdir().unwrap();
        copy_folder(&folder.join("table"), copy.path()).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap().to_string();
        for entry in entries {
            match check(copy.path().to_str().unwrap(), &entry).await {
                Ok(()) => passed += 1,
                Err(why) => failures.push(format!("{name} / {}: {why}", entry.query.name)),
            }
        }
    }
    println!("streams: {passed} passed, {} failed", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(passed >= 40, "only {passed} streams were found");
}
