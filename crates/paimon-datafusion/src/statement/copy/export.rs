//! Rows into files of a folder.
//!
//! Files that others write into the folder meanwhile are never deleted: with OVERWRITE those go that were there before, when
//! the new ones are complete. The names of the files are DataFusion's own, different each time.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::dataframe::{DataFrame, DataFrameWriteOptions};
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use object_store::ObjectMeta;
use paimon_core::Error;

use super::Export;
use super::format::ExportFormat;
use super::place::{Place, is_of_table};
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
    let there = place.all_files().await?;
    refuse(&place, &there, export.overwrite).await?;
    let rows = match &format {
        ExportFormat::Json(_) => text::for_json(rows)?,
        _ => rows,
    };
    let rows = DataFrame::new(session.context().state(), rows);
    let count = write(rows, &place.folder_url()?, format)
        .await
        .map_err(|e| e.context("files that were written so far stay in the folder"))?;
    place.remove(&there).await?;
    // DataFusion remembers which files folders have
    if let Some(listed) = session
        .context()
        .runtime_env()
        .cache_manager
        .get_list_files_cache()
    {
        listed.clear();
    }
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
async fn refuse(place: &Place, there: &[ObjectMeta], overwrite: bool) -> Result<()> {
    let reason = if place.is_in_table().await? {
        "the target is in the folder of a Paimon table"
    } else if !overwrite && !there.is_empty() {
        "the target holds files: give an empty folder, or OVERWRITE = TRUE"
    } else if overwrite && place.is_root() {
        "the target of OVERWRITE = TRUE is the root of a store: give a folder"
    } else if overwrite && there.iter().any(is_of_table) {
        "the target of OVERWRITE = TRUE holds a Paimon table"
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
    use arrow::datatypes::Int32Type;

    use super::*;
    use crate::statement::copy::Source;
    use crate::statement::copy::format::FileFormat;

    async fn exported(
        folder: &std::path::Path,
        query: &str,
        overwrite: bool,
    ) -> Result<RecordBatch> {
        let session = PaimonSession::new();
        let format = "(TYPE = JSON)";
        let mut cursor = crate::parse::Cursor::from_sql(format)?;
        let export = Export {
            path: folder.display().to_string(),
            source: Source::Query(0..0),
            format: FileFormat::parse(&mut cursor)?,
            overwrite,
        };
        let rows = session.context().sql(query).await?.into_unoptimized_plan();
        run(&session, &export, export.format.for_export()?, rows).await
    }

    fn names(folder: &std::path::Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name().into_string();
        entries.map(|e| name(e).unwrap()).collect()
    }

    #[tokio::test]
    async fn rows_go_into_empty_folders_and_no_file_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        // a folder whose name looks encoded, and the one it would be taken for
        let (own, other) = (folder.path().join("a%20b"), folder.path().join("a b"));
        exported(&own, "SELECT 1 AS a", false).await.unwrap();
        assert_eq!(names(&own).len(), 1);
        assert!(!other.exists());
        let error = exported(&own, "SELECT 2 AS a", false).await.unwrap_err();
        assert!(
            error.to_string().contains("give an empty folder"),
            "{error}"
        );
        assert_eq!(names(&own).len(), 1);
    }

    #[tokio::test]
    async fn overwriting_leaves_the_new_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("out");
        std::fs::create_dir_all(own.join("deep")).unwrap();
        for name in ["x.txt", "deep/y.csv"] {
            std::fs::write(own.join(name), "old").unwrap();
        }
        let batch = exported(&own, "SELECT 1 AS a", true).await.unwrap();
        assert_eq!(batch.column(1).as_primitive::<Int32Type>().value(0), 1);
        let first = names(&own);
        assert!(!own.join("x.txt").exists() && !own.join("deep/y.csv").exists());
        exported(&own, "SELECT 2 AS a", true).await.unwrap();
        assert!(
            names(&own)
                .iter()
                .all(|name| !first.contains(name) || name == "deep")
        );
        // a query that fails takes nothing away
        let before = names(&own);
        let query = "SELECT 1 / (a - 1) AS a FROM (VALUES (1)) AS v (a)";
        exported(&own, query, true).await.unwrap_err();
        assert!(before.iter().all(|name| own.join(name).exists()));
    }

    #[tokio::test]
    async fn tables_and_roots_are_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let schemas = folder.path().join("db.db/t/schema");
        std::fs::create_dir_all(&schemas).unwrap();
        std::fs::write(schemas.join("schema-0"), "{}").unwrap();
        for (target, named) in [
            (folder.path().to_path_buf(), "holds a Paimon table"),
            (
                folder.path().join("db.db/t/out"),
                "in the folder of a Paimon table",
            ),
        ] {
            let error = exported(&target, "SELECT 1 AS a", true).await.unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        assert!(schemas.join("schema-0").exists());
        let root = Place::new(&PaimonSession::new(), "/").unwrap();
        let error = refuse(&root, &[], true).await.unwrap_err().to_string();
        assert!(error.contains("root of a store"), "{error}");
    }

    #[tokio::test]
    async fn a_query_that_fails_says_what_becomes_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let query = "SELECT 1 / (a - 1) AS a FROM (VALUES (1)) AS v (a)";
        let error = exported(folder.path(), query, false)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("stay in the folder"), "{error}");
    }
}
