//! What this engine does in a case.

use std::collections::HashMap;
use std::path::Path;

use paimon_core::io::{FileIo, Publication};
use paimon_core::maintenance::fsck::fsck;
use paimon_core::schema::{NewTable, SchemaManager};
use paimon_core::spec::{
    CommitMessage, DataField, TableSchema, row_id_field, sequence_number_field,
};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};
use paimon_core::{Error, Result};
use paimon_testing::json_rows::rows_to_json;

use crate::rows::{Batch, texts_of_batches};

/// Dynamic options, as pairs.
pub type Options<'a> = &'a [(&'a str, String)];

fn location(folder: &Path) -> Result<&str> {
    folder
        .to_str()
        .ok_or_else(|| Error::invalid("the folder's name is no UTF-8 text"))
}

/// Creates a table like `schema`, checked as any new table.
pub async fn create(folder: &Path, schema: &TableSchema) -> Result<()> {
    let location = location(folder)?;
    let io = FileIo::for_location(location)?;
    let schema = NewTable::like(schema).into_schema(schema.time_millis)?;
    match SchemaManager::new(io, location).create(&schema).await? {
        Publication::Exists => Err(Error::invalid("the table exists")),
        _ => Ok(()),
    }
}

/// The table in a folder, with dynamic options.
pub async fn open(folder: &Path, options: Options<'_>) -> Result<Table> {
    let location = location(folder)?;
    let table = Table::open(FileIo::for_location(location)?, location, "t").await?;
    let options: HashMap<String, String> = options
        .iter()
        .map(|(k, v)| ((*k).to_string(), v.clone()))
        .collect();
    match options.is_empty() {
        true => Ok(table),
        false => table.with_options(&options).await,
    }
}

async fn commit(table: &Table, messages: Vec<CommitMessage>) -> Result<()> {
    let commit = table.new_commit();
    commit.commit(BATCH_COMMIT_IDENTIFIER, messages).await?;
    Ok(())
}

/// Writes and commits rows.
pub async fn write(folder: &Path, batch: &Batch) -> Result<()> {
    let table = open(folder, &[]).await?;
    let mut write = table.new_write()?;
    write.write_with_kinds(batch.arrow(), batch.kinds()).await?;
    let messages = write.prepare_commit().await?;
    commit(&table, messages).await
}

/// Compacts everything and commits.
pub async fn compact(folder: &Path) -> Result<()> {
    let table = open(folder, &[]).await?;
    let messages = table.new_compact().full(true).run().await?;
    match messages.is_empty() {
        true => Ok(()),
        false => commit(&table, messages).await,
    }
}

/// Rows with their kinds, sorted texts.
pub async fn read(folder: &Path, options: Options<'_>) -> Result<Vec<String>> {
    let table = open(folder, options).await?;
    let batches = table.read_builder().with_row_kind().collect().await?;
    texts_of_batches(&batches, &table.schema().fields)
}

/// The same with row ids and sequence numbers behind the columns.
pub async fn read_row_tracking(folder: &Path) -> Result<Vec<String>> {
    let table = open(folder, &[]).await?;
    let mut fields = table.schema().fields.clone();
    fields.extend([row_id_field(), sequence_number_field()]);
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let read = table.read_builder().with_projection(&names).with_row_kind();
    texts_of_batches(&read.collect().await?, &fields)
}

/// Rows of a system table in these columns, sorted texts.
pub async fn system(folder: &Path, name: &str, fields: &[DataField]) -> Result<Vec<String>> {
    let content = open(folder, &[]).await?.system_table(name).await?;
    let mut texts = Vec::new();
    for batch in content.batches {
        let columns = fields
            .iter()
            .map(|f| batch.schema().index_of(&f.name))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let batch = batch.project(&columns)?;
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

/// Ids of the oldest and the newest snapshot.
pub async fn snapshots(folder: &Path) -> Result<(i64, i64)> {
    let table = open(folder, &[]).await?;
    let oldest = table.snapshots().earliest_id().await?.unwrap_or(0);
    let newest = table.snapshots().latest().await?.map_or(-1, |s| s.id);
    Ok((oldest, newest))
}

/// Violated invariants, one a line.
pub async fn findings(folder: &Path) -> Result<String> {
    let report = fsck(&open(folder, &[]).await?).await?;
    let lines = report.findings.iter().map(|f| format!("{f:?}"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
