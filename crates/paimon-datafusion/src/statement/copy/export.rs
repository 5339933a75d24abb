//! Rows into files of a folder.
//!
//! New files are written beside the old ones, which go only then: a query that fails leaves the folder as it was.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::dataframe::{DataFrame, DataFrameWriteOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use paimon_core::Error;

use super::Export;
use super::format::ExportFormat;
use super::place::Place;
use crate::error::to_datafusion;
use crate::session::PaimonSession;

/// One row.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("output_path", DataType::Utf8, true),
        Field::new("file_count", DataType::Int32, true),
        Field::new("rows_written", DataType::Int64, true),
    ]))
}

/// # Errors
/// `Unsupported` naming a column that files of the format cannot hold.
pub(super) fn check(rows: &LogicalPlan, format: &ExportFormat) -> Result<()> {
    let (kind, flat) = match format {
        ExportFormat::Parquet(_) => return Ok(()),
        ExportFormat::Csv(_) => ("CSV", true),
        ExportFormat::Json(_) => ("JSON", false),
    };
    let fields = rows.schema().fields().iter();
    let mut unfit = fields.filter(|f| {
        let is_binary = matches!(
            f.data_type(),
            DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_)
        );
        is_binary || (flat && f.data_type().is_nested())
    });
    match unfit.next() {
        None => Ok(()),
        Some(field) => Err(to_datafusion(
            Error::unsupported(format!(
                "{kind} files are not written with columns of type {}: give the query a text instead",
                field.data_type()
            ))
            .with("column", field.name()),
        )),
    }
}

/// Writes the files and tells how many there are.
pub(super) async fn run(
    session: &PaimonSession,
    export: &Export,
    format: ExportFormat,
    rows: LogicalPlan,
) -> Result<RecordBatch> {
    let place = Place::new(session, &export.path)?;
    if place.is_in_table().await? {
        return Err(in_table(&place));
    }
    let before = place.all_files().await?;
    refuse(&place, &before, export.overwrite)?;
    let rows = DataFrame::new(session.context().state(), rows);
    let written = write(rows, &place.folder_url()?, format).await;
    let known: HashSet<&Path> = before.iter().map(|meta| &meta.location).collect();
    let mut new = place.all_files().await?;
    new.retain(|meta| !known.contains(&meta.location));
    let count = match written {
        Ok(count) => count,
        Err(error) => {
            if let Err(undo) = remove(&place, &new).await {
                tracing::warn!(path = place.text, error = %undo, "files of a failed statement stay");
            }
            return Err(error);
        }
    };
    remove(&place, &before).await?;
    let files = i32::try_from(new.len()).unwrap_or(i32::MAX);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![export.path.as_str()])),
        Arc::new(Int32Array::from(vec![files])),
        Arc::new(Int64Array::from(vec![count])),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// Refuses a folder that must not be written to.
fn refuse(place: &Place, before: &[ObjectMeta], overwrite: bool) -> Result<()> {
    if before.is_empty() {
        return Ok(());
    }
    if !overwrite {
        return Err(to_datafusion(
            Error::invalid("the target holds files: OVERWRITE = TRUE replaces them")
                .with("path", &place.text),
        ));
    }
    let is_of_table = |meta: &&ObjectMeta| {
        let path = place.relative(meta);
        path.starts_with("schema/schema-") || path.contains("/schema/schema-")
    };
    match before.iter().find(is_of_table) {
        None => Ok(()),
        Some(_) => Err(in_table(place)),
    }
}

fn in_table(place: &Place) -> DataFusionError {
    to_datafusion(
        Error::invalid("the target is in the folder of a Paimon table, or holds one")
            .with("path", &place.text),
    )
}

async fn write(rows: DataFrame, folder: &str, format: ExportFormat) -> Result<i64> {
    let options = DataFrameWriteOptions::new();
    let counts = match format {
        ExportFormat::Csv(csv) => rows.write_csv(folder, options, Some(csv)).await?,
        ExportFormat::Json(json) => rows.write_json(folder, options, Some(json)).await?,
        ExportFormat::Parquet(parquet) => {
            rows.write_parquet(folder, options, Some(*parquet)).await?
        }
    };
    let counts = counts.iter().filter_map(|batch| {
        let counts = batch.column_by_name("count")?;
        let counts = counts.as_primitive_opt::<UInt64Type>()?;
        counts.iter().flatten().reduce(u64::saturating_add)
    });
    Ok(i64::try_from(counts.fold(0, u64::saturating_add)).unwrap_or(i64::MAX))
}

async fn remove(place: &Place, files: &[ObjectMeta]) -> Result<()> {
    for file in files {
        place.store.delete(&file.location).await?;
    }
    Ok(())
}
