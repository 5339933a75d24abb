//! Every golden table, written again by this engine, reads the same.
//!
//! With `PAIMON_WRITE_DIR` the copies stay in that folder, each with a file `<name>.rows` of its rows, for another
//! implementation to read.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use paimon_core::ErrorKind;
use paimon_core::io::FileIo;
use paimon_core::spec::{TableSchema, TypeKind};
use paimon_core::table::Table;
use paimon_testing::json_rows::rows_to_json;

use super::publish::{create, open, publish};
use crate::golden::catalogue;

/// Options that would send a copy elsewhere or make its rows depend on more than one write.
const LEFT_OUT: &[&str] = &[
    "data-file.external-paths",
    "data-file.external-paths.strategy",
    "deletion-vectors.enabled",
    "changelog-producer",
    "record-level.expire-time",
    "branch",
    "index-file-in-data-file-dir",
    "variant.shreddingSchema",
    "manifest.format",
    "manifest.compression",
];

/// Rows of a table as texts, sorted.
pub(crate) async fn rows(
    table: &Table,
) -> Result<(Vec<String>, Vec<RecordBatch>), paimon_core::Error> {
    let batches = table.read_builder().with_row_kind().collect().await?;
    let fields = &table.schema().fields;
    let mut texts = Vec::new();
    let mut values = Vec::new();
    for batch in batches {
        let last = batch.num_columns() - 1;
        let kinds = batch
            .column(last)
            .as_primitive::<Int8Type>()
            .values()
            .to_vec();
        let columns: Vec<usize> = (0..last).collect();
        let batch = batch.project(&columns).unwrap();
        texts.extend(
            rows_to_json(&batch, fields, &kinds)
                .iter()
                .map(ToString::to_string),
        );
        values.push(batch);
    }
    texts.sort();
    Ok((texts, values))
}

/// The schema of a copy; `None` when this engine does not write such tables.
fn schema_of_copy(table: &Table, format: &str) -> Option<TableSchema> {
    let mut schema = TableSchema::clone(table.schema());
    schema.id = 0;
    schema.version = 3;
    for key in LEFT_OUT {
        schema.options.shift_remove(*key);
    }
    schema.options.retain(|k, _| !k.starts_with("scan."));
    for key in [
        "file.format.per.level",
        "changelog-file.format",
        "file.format",
    ] {
        schema.options.shift_remove(key);
    }
    schema.options.insert("file.format".into(), format.into());
    let codec = schema.options.get("file.compression").map(String::as_str);
    let other = match format {
        "avro" => matches!(codec, Some("lz4" | "gzip" | "none")),
        "orc" => matches!(codec, Some("gzip" | "null")),
        _ => codec == Some("null"),
    };
    if other {
        schema.options.shift_remove("file.compression");
    }
    let indexed = |key: &String| key.starts_with("file-index.") && key.ends_with(".columns");
    let renamed = |columns: &String| columns.split(',').any(|c| schema.field(c).is_none());
    let gone: Vec<String> = schema
        .options
        .iter()
        .filter(|(k, v)| indexed(k) && !v.contains('[') && renamed(v))
        .map(|(k, _)| k.clone())
        .collect();
    for key in gone {
        schema.options.shift_remove(&key);
    }
    // nulls that are older than the default would become it
    for field in &mut schema.fields {
        field.default_value = None;
    }
    let first_row = schema
        .options
        .get("merge-engine")
        .is_some_and(|e| e == "first-row");
    let blobs = schema
        .fields
        .iter()
        .any(|f| f.data_type.kind == TypeKind::Blob);
    (!first_row && !blobs).then_some(schema)
}

async fn copy(golden: &Path, folder: &Path, format: &str) -> Result<usize, String> {
    let location = golden.join("table");
    let location = location.to_str().unwrap();
    let io = FileIo::for_location(location).unwrap();
    let Ok(source) = Table::open(io, location, "t").await else {
        return Ok(0);
    };
    let Some(schema) = schema_of_copy(&source, format) else {
        return Ok(0);
    };
    // damaged goldens are other tests' matter, as are timestamps that Arrow cannot hold
    let Ok((expected, batches)) = rows(&source).await else {
        return Ok(0);
    };
    let copy = create(folder, &schema).await;
    let mut write = match copy.new_write() {
        Ok(write) => write,
        Err(e) if e.kind() == ErrorKind::Unsupported && format != "parquet" => return Ok(0),
        Err(e) => return Err(e.to_string()),
    };
    for batch in &batches {
        write.write(batch).await.map_err(|e| e.to_string())?;
    }
    let messages = match write.prepare_commit().await {
        Err(e) if format == "orc" && e.to_string().contains("last second before 1970") => {
            return Ok(0);
        }
        result => result.map_err(|e| e.to_string())?,
    };
    publish(&copy, messages.clone()).await;
    let (found, _) = rows(&open(folder).await).await.map_err(|e| e.to_string())?;
    let plain = |texts: &[String]| -> Vec<String> {
        let mut plain: Vec<String> = texts
            .iter()
            .map(|t| match t.strip_prefix("[\"+U\"") {
                Some(values) => format!("[\"+I\"{values}"),
                None => t.clone(),
            })
            .collect();
        plain.sort();
        plain
    };
    if plain(&found) != plain(&expected) {
        let (found, expected) = (plain(&found), plain(&expected));
        let differs = found.iter().zip(&expected).find(|(a, b)| a != b);
        return Err(format!(
            "{} rows, expected {}: {differs:?}",
            found.len(),
            expected.len()
        ));
    }
    std::fs::write(folder.with_extension("rows"), found.join("\n")).unwrap();
    Ok(found.len())
}

async fn copy_all(format: &str) {
    let temp = tempfile::tempdir().unwrap();
    let root =
        std::env::var_os("PAIMON_WRITE_DIR").map_or(temp.path().to_path_buf(), PathBuf::from);
    let mut failures = Vec::new();
    let (mut copies, mut rows) = (0, 0);
    let mut names: Vec<PathBuf> = std::fs::read_dir(catalogue().canonicalize().unwrap())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("table").is_dir())
        .collect();
    names.sort();
    for golden in names {
        let name = golden.file_name().unwrap().to_str().unwrap();
        let folder = root.join(format!("{format}-{}", name.replace('.', "_")));
        match copy(&golden, &folder, format).await {
            Ok(0) => {}
            Ok(count) => {
                copies += 1;
                rows += count;
            }
            Err(e) => failures.push(format!("{name}: {e}")),
        }
    }
    println!("{copies} tables with {rows} rows as {format}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(copies > 50, "only {copies} tables were copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_tables_written_as_parquet_read_the_same() {
    copy_all("parquet").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_tables_written_as_avro_read_the_same() {
    copy_all("avro").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_tables_written_as_orc_read_the_same() {
    copy_all("orc").await;
}
