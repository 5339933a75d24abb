//! SQL logic tests over golden tables: every file of `tests/slt` runs in a session of its own; `views` and
//! `format_tables` have a catalog `kept` beside the warehouse that keeps these.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod format_tables;
mod golden;
mod layered;
mod lost_updates;
mod matrix;
mod metrics;
mod random_changes;
mod scan_memory;
mod streams;
mod system_tables;
mod views;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use paimon_datafusion::PaimonSession;
use paimon_testing::sql_warehouse::sql_warehouse;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};

struct Database(PaimonSession);

#[async_trait]
impl AsyncDB for Database {
    type Error = datafusion::error::DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Self::ColumnType>, Self::Error> {
        let batches = self.0.sql(sql).await?.collect().await?;
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        let mut width = 0;
        for batch in &batches {
            width = batch.num_columns();
            let columns: Vec<ArrayFormatter> = batch
                .columns()
                .iter()
                .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                let cells = columns.iter().map(|c| match c.value(row).to_string() {
                    text if text.is_empty() => "(empty)".to_string(),
                    text => text,
                });
                rows.push(cells.collect());
            }
        }
        if width == 0 {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(DBOutput::Rows {
            types: vec![DefaultColumnType::Any; width],
            rows,
        })
    }

    async fn shutdown(&mut self) {}
}

fn warehouse() -> tempfile::TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let folder = tempfile::tempdir().unwrap();
    sql_warehouse(&golden, folder.path()).unwrap();
    folder
}

fn session(warehouse: &Path) -> PaimonSession {
    opened(PaimonSession::new(), warehouse)
}

/// The session with the warehouse as its catalog.
fn opened(session: PaimonSession, warehouse: &Path) -> PaimonSession {
    let options = BTreeMap::from([(
        "warehouse".to_string(),
        warehouse.to_str().unwrap().to_string(),
    )]);
    session.create_catalog("paimon", options).unwrap();
    session.use_catalog("paimon").unwrap();
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_logic_tests_pass() {
    let warehouse = warehouse();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut failures = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let path = warehouse.path().to_path_buf();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let uses_kept = [
            "views",
            "format_tables",
            "format_tables_cloned",
            "format_tables_partitions",
            "functions_kept",
        ]
        .contains(&name);
        let mut runner = sqllogictest::Runner::new(move || {
            let session = session(&path);
            if uses_kept {
                let kept = tempfile::tempdir_in(&path).unwrap().keep();
                session.register_catalog(Arc::new(layered::Layered::new("kept", &kept)));
            }
            async move { Ok(Database(session)) }
        });
        runner.set_var(
            "WAREHOUSE".into(),
            warehouse.path().to_str().unwrap().into(),
        );
        if let Err(error) = runner.run_file_async(&file).await {
            failures.push(error.display(false).to_string());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
