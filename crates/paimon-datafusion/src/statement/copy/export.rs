//! Rows into files of a folder.
//!
//! Nothing is ever deleted: others may write into the folder meanwhile, and the names of the files are DataFusion's own.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::dataframe::{DataFrame, DataFrameWriteOptions};
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use paimon_core::Error;

use super::Export;
use super::format::ExportFormat;
use super::place::Place;
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::text;

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
    refuse(&place).await?;
    let rows = match &format {
        ExportFormat::Json(_) => text::for_json(rows)?,
        _ => rows,
    };
    let rows = DataFrame::new(session.context().state(), rows);
    let count = write(rows, &place.folder_url()?, format)
        .await
        .map_err(|e| e.context("files that were written so far stay in the folder"))?;
    let files = place.all_files().await?.len();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![export.path.as_str()])),
        Arc::new(Int32Array::from(vec![
            i32::try_from(files).unwrap_or(i32::MAX),
        ])),
        Arc::new(Int64Array::from(vec![count])),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// Refuses a folder that must not be written to.
async fn refuse(place: &Place) -> Result<()> {
    let reason = if place.is_in_table().await? {
        "the target is in the folder of a Paimon table"
    } else if !place.all_files().await?.is_empty() {
        "the target holds files: give an empty folder"
    } else {
        return Ok(());
    };
    Err(to_datafusion(
        Error::invalid(reason).with("path", &place.text),
    ))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::statement::copy::format::FileFormat;
    use crate::statement::copy::{Source, parse};

    async fn exported(folder: &std::path::Path, query: &str) -> Result<RecordBatch> {
        let session = PaimonSession::new();
        let format = "(TYPE = JSON)";
        let mut cursor = crate::parse::Cursor::from_sql(format)?;
        let export = Export {
            path: folder.display().to_string(),
            source: Source::Query(0..0),
            format: FileFormat::parse(&mut cursor)?,
            overwrite: false,
        };
        let rows = session.context().sql(query).await?.into_unoptimized_plan();
        run(&session, &export, export.format.for_export()?, rows).await
    }

    #[tokio::test]
    async fn rows_go_into_empty_folders_and_no_file_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        // a folder whose name looks encoded, and the one it would be taken for
        let (own, other) = (folder.path().join("a%20b"), folder.path().join("a b"));
        exported(&own, "SELECT 1 AS a").await.unwrap();
        assert_eq!(std::fs::read_dir(&own).unwrap().count(), 1);
        assert!(!other.exists());
        let error = exported(&own, "SELECT 2 AS a").await.unwrap_err();
        assert!(
            error.to_string().contains("give an empty folder"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(&own).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_query_that_fails_says_what_becomes_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let query = "SELECT 1 / (a - 1) AS a FROM (VALUES (1)) AS v (a)";
        let error = exported(folder.path(), query)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("stay in the folder"), "{error}");
    }

    #[tokio::test]
    async fn an_overwriting_statement_is_refused_when_it_is_planned() {
        let sql = "COPY INTO '/out' FROM (VALUES (1)) FILE_FORMAT = (TYPE = CSV) OVERWRITE = TRUE";
        let copy = parse(&mut crate::parse::Cursor::from_sql(sql).unwrap())
            .unwrap()
            .unwrap();
        let session = PaimonSession::new();
        let error = crate::statement::copy::plan(&session, copy, &[])
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("OVERWRITE = TRUE is not supported: give an empty folder"),
            "{error}"
        );
    }
}
