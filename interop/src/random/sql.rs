//! Statements of this engine.

use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider,
};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use paimon_core::spec::DataField;
use paimon_datafusion::{PaimonSession, finish_cleanups, paimon_error};
use paimon_testing::json_rows::rows_to_json;
use serde_json::Value;

use super::arrow::batch;
use super::filters::quoted;
use super::history::TABLE;
use crate::play::Stop;

/// What an error of a statement means.
pub fn stop(statement: &str, error: &DataFusionError) -> Stop {
    match paimon_error(error) {
        Some(ours) => Stop::ours(statement, ours),
        None => Stop::Wrong(format!("{statement}: {error}")),
    }
}

/// Runs a statement to its end.
pub async fn run(session: &PaimonSession, statement: &str) -> Result<Vec<RecordBatch>, Stop> {
    let result = async { session.sql(statement).await?.collect().await };
    let batches = result.await.map_err(|e| stop(statement, &e))?;
    finish_cleanups().await;
    Ok(batches)
}

/// The rows of a query as sorted texts, all of kind +I.
pub async fn rows(
    session: &PaimonSession,
    query: &str,
    fields: &[DataField],
) -> Result<Vec<String>, Stop> {
    let mut texts = Vec::new();
    for batch in run(session, query).await? {
        if batch.num_columns() != fields.len() {
            return Err(Stop::Wrong(format!(
                "{query}: {} columns, expected {}",
                batch.num_columns(),
                fields.len()
            )));
        }
        let kinds = vec![0; batch.num_rows()];
        texts.extend(
            rows_to_json(&batch, fields, &kinds)
                .iter()
                .map(ToString::to_string),
        );
    }
    texts.sort();
    Ok(texts)
}

/// INSERT INTO of rows.
pub async fn insert(
    session: &PaimonSession,
    fields: &[DataField],
    rows: &[Value],
) -> Result<(), Stop> {
    let (batch, _) = batch(rows, fields).map_err(|e| Stop::ours("rows", &e))?;
    let source = in_memory(session, vec![batch])?;
    let names: Vec<String> = fields.iter().map(|f| quoted(&f.name)).collect();
    let statement = format!(
        "INSERT INTO {TABLE} SELECT {} FROM {source}",
        names.join(", ")
    );
    run(session, &statement).await.map(drop)
}

/// The name of a table in memory with these rows; the one before is gone.
pub fn in_memory(session: &PaimonSession, batches: Vec<RecordBatch>) -> Result<&'static str, Stop> {
    let wrong = |e: DataFusionError| stop("rows in memory", &e);
    let columns = batches.first().map(RecordBatch::schema);
    let columns = columns.ok_or_else(|| Stop::Wrong("no batch to keep in memory".to_string()))?;
    let table = MemTable::try_new(columns, vec![batches]).map_err(wrong)?;
    let schema = Arc::new(MemorySchemaProvider::new());
    schema
        .register_table("rows".to_string(), Arc::new(table))
        .map_err(wrong)?;
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("s", schema).map_err(wrong)?;
    session
        .context()
        .register_catalog("source", Arc::new(catalog));
    Ok("source.s.rows")
}
