//! Whole statements run from decoded plans and give what they give directly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile;
mod other_process;
mod reads;
mod refusals;
mod writes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::physical_plan::collect;
use paimon_codec::{
    CatalogResolver, decode_logical_plan, decode_physical_plan, encode_logical_plan,
    encode_physical_plan,
};
use paimon_datafusion::PaimonSession;
use paimon_testing::folders::copy_folder;

/// Golden tables under the names that the statements use.
const TABLES: &[(&str, &str)] = &[
    ("travel", "meta-time-travel"),
    ("branched", "meta-branches"),
    ("parted", "append-partitioned"),
    ("pk", "pk-dedup-partitioned"),
    ("logged", "changelog-input"),
    ("with_row_ids", "row-tracking"),
    ("completed", "pk-branch-fallback"),
];

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden")
}

/// A warehouse with the tables above in `default`.
fn warehouse() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in TABLES {
        let table = golden().join(source).join("table");
        copy_folder(&table, &folder.path().join("default.db").join(name)).unwrap();
    }
    folder
}

fn session(warehouse: &Path) -> PaimonSession {
    let session = PaimonSession::new();
    let path = warehouse.to_str().unwrap().to_string();
    let options = BTreeMap::from([("warehouse".to_string(), path)]);
    session.create_catalog("paimon", options).unwrap();
    session.use_catalog("paimon").unwrap();
    session
}

fn resolver(session: &PaimonSession) -> Arc<dyn CatalogResolver> {
    Arc::new(session.clone())
}

/// Rows as texts, sorted.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter> = batch
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|c| c.value(row).to_string());
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    rows.sort();
    rows
}

/// How a statement gets to where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Logical,
    Physical,
}

const WAYS: [Way; 3] = [Way::Direct, Way::Logical, Way::Physical];

/// The plan of a statement as bytes.
async fn encoded(way: Way, sender: &PaimonSession, sql: &str) -> Result<Vec<u8>> {
    let frame = sender.sql(sql).await?;
    match way {
        Way::Logical => encode_logical_plan(frame.logical_plan(), resolver(sender)),
        _ => encode_physical_plan(frame.create_physical_plan().await?, resolver(sender)),
    }
}

/// Runs encoded bytes.
async fn run_encoded(way: Way, receiver: &PaimonSession, bytes: &[u8]) -> Result<Vec<String>> {
    let context = receiver.context().task_ctx();
    let batches = match way {
        Way::Logical => {
            let plan = decode_logical_plan(bytes, &context, resolver(receiver))?;
            let frame = receiver.context().execute_logical_plan(plan).await?;
            frame.collect().await?
        }
        _ => {
            let plan = decode_physical_plan(bytes, &context, resolver(receiver))?;
            collect(plan, context).await?
        }
    };
    Ok(texts(&batches))
}

/// Plans a statement in one session and runs it in another one.
async fn run(
    way: Way,
    sender: &PaimonSession,
    receiver: &PaimonSession,
    sql: &str,
) -> Result<Vec<String>> {
    if way == Way::Direct {
        return Ok(texts(&sender.sql(sql).await?.collect().await?));
    }
    let bytes = encoded(way, sender, sql).await?;
    run_encoded(way, receiver, &bytes).await
}
