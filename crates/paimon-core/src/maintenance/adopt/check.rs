//! Whether files fit a table, and what its manifests will say about them.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::BUCKET;
use super::journal::{Journal, Move};
use crate::commit::CommitContext;
use crate::error::{Error, Result};
use crate::format::{
    DEFAULT_STEP_BYTES, FileColumn, FileReadRequest, FileSummary, named, parts_of, summarize,
};
use crate::manifest::partition_values;
use crate::read::{Partition, bucket_path};
use crate::spec::{BinaryRow, DataField, DataFileMeta, DataType, FileSource};
use crate::table::Table;
use crate::write::stats::{StatsCollector, empty_stats};
use crate::write::{FileRole, FileSettings, WriteOptions};

/// What was found out about a file.
pub(super) struct Examined {
    summary: FileSummary,
    /// Whether it is at its new place.
    pub(super) moved: bool,
    pub(super) location: String,
}

/// Whether files of other programs can become files of the table.
pub(super) fn table(table: &Table) -> Result<()> {
    let schema = table.schema();
    if schema.has_primary_key() {
        return Err(Error::unsupported(
            "files of other programs go into append tables only: the table has a primary key",
        ));
    }
    if table.options().bucket != -1 {
        return Err(Error::unsupported(format!(
            "files of other programs go into tables without buckets only, `bucket` is {}",
            table.options().bucket
        ))
        .with("option", "bucket"));
    }
    let required = columns(table).into_iter().find(|f| !f.data_type.nullable);
    if let Some(field) = required {
        return Err(Error::unsupported(
            "files of other programs may hold nulls: the table has a NOT NULL column",
        )
        .with("column", field.name));
    }
    match table.io().renames_files() {
        true => Ok(()),
        false => Err(Error::unsupported(
            "files of this store cannot be moved in one step: only on local disk and HDFS they can",
        )
        .with("path", table.location())),
    }
}

/// Tries out that files can be moved from their folders into that of the table, before anything is committed: it may be
/// another disk, or nobody may write there.
///
/// # Errors
/// `Unsupported` naming the folder.
pub(super) async fn moves(table: &Table, journal: &Journal, context: &CommitContext) -> Result<()> {
    let files = journal.files.iter();
    let folders: BTreeSet<&str> = files
        .filter_map(|file| Some(file.from.rsplit_once('/')?.0))
        .collect();
    let io = table.io();
    for folder in folders {
        let name = format!(".probe-{}", context.ids.uuid());
        let (from, to) = (
            format!("{folder}/{name}"),
            format!("{}/{name}", table.location()),
        );
        let probe = async {
            io.publish(&from, Bytes::new()).await?;
            let moved = io.rename_file(&from, &to).await;
            io.discard(if moved.is_ok() { &to } else { &from }).await?;
            moved
        };
        probe.await.map_err(|e| {
            Error::unsupported("files of this folder cannot be moved into the table in one step")
                .with("path", folder)
                .with_source(e)
        })?;
    }
    Ok(())
}

/// The columns that files have: all but those of the partition, whose values the folder tells.
fn columns(table: &Table) -> Vec<DataField> {
    let schema = table.schema();
    let fields = schema.fields.iter();
    let in_file = fields.filter(|f| !schema.partition_keys.contains(&f.name));
    in_file.cloned().collect()
}

/// Folder of the files of a partition.
pub(super) fn folder(table: &Table, row: &Bytes) -> Result<String> {
    let values = partition_values(row, &table.schema().partition_fields())?;
    let partition = Partition {
        bytes: row.clone(),
        values,
    };
    bucket_path(table, &partition, BUCKET)
}

/// Reads what a file says about itself, wherever it is by now.
///
/// # Errors
/// `Unsupported` when its columns cannot be those of the table, `Damaged` when it is gone, broken or of another size.
pub(super) async fn examine(table: &Table, file: &Move) -> Result<Examined> {
    let io = table.io();
    let moved = io.exists(&file.to).await?;
    let location = if moved { &file.to } else { &file.from };
    let input = io.open(location).await?;
    if input.size() != file.size {
        return Err(Error::damaged(format!(
            "expected a file of {} bytes, found {}",
            file.size,
            input.size()
        ))
        .with("path", location));
    }
    let wanted = columns(table);
    let request = FileReadRequest {
        file: input,
        fields: wanted.clone(),
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: 1,
        step_bytes: DEFAULT_STEP_BYTES,
        with_position: false,
    };
    let summary = summarize(&file.format, request).await?;
    check_columns(None, &named(&wanted), &summary.columns).map_err(|e| e.with("path", location))?;
    Ok(Examined {
        summary,
        moved,
        location: location.clone(),
    })
}

/// Columns and fields of structs are found by their exact names: one that is spelled differently would read as null.
fn check_columns(
    parent: Option<&str>,
    wanted: &[(&str, &DataType)],
    found: &[FileColumn],
) -> Result<()> {
    for column in found {
        let is_known = wanted.iter().any(|(name, _)| *name == column.name);
        let lower = column.name.to_lowercase();
        let similar = wanted.iter().find(|(name, _)| name.to_lowercase() == lower);
        if let (false, Some((name, _))) = (is_known, similar) {
            let path = path_of(parent, name);
            return Err(Error::unsupported(format!(
                "the file spells the column {path:?} as {:?}: its values would not be found",
                column.name
            ))
            .with("column", path));
        }
    }
    let mut has_any = wanted.is_empty();
    for (name, data_type) in wanted {
        let Some(column) = found.iter().find(|column| column.name == *name) else {
            continue;
        };
        has_any = true;
        let path = path_of(parent, name);
        check_columns(Some(&path), &parts_of(data_type), &column.parts)?;
    }
    match has_any {
        true => Ok(()),
        false => Err(nothing_common(parent, found)),
    }
}

fn path_of(parent: Option<&str>, name: &str) -> String {
    match parent {
        Some(parent) => format!("{parent}.{name}"),
        None => name.to_string(),
    }
}

fn nothing_common(parent: Option<&str>, found: &[FileColumn]) -> Error {
    let names: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
    let names = names.join(", ");
    match parent {
        None => Error::unsupported(format!(
            "the file has none of the table's columns: it has {names}"
        )),
        Some(parent) => Error::unsupported(format!(
            "the file has none of the fields of the table's column {parent:?}: it has {names}"
        ))
        .with("column", parent),
    }
}

/// What a manifest says about a file.
pub(super) fn meta(
    table: &Table,
    context: &CommitContext,
    name: &str,
    size: u64,
    examined: &Examined,
) -> Result<DataFileMeta> {
    let (schema, core) = (table.schema(), table.options());
    let options = WriteOptions::new(schema, core)?;
    let settings = FileSettings::of(schema, core, &options, FileRole::Data { level: 0 })?;
    let wanted = columns(table);
    let bounds = schema.fields.iter().map(|field| {
        let at = wanted.iter().position(|f| f.name == field.name)?;
        examined.summary.bounds.get(at)?.as_ref()
    });
    let mut stats = StatsCollector::new(&schema.fields, &settings.stats, false);
    stats.update_bounds(bounds);
    let (value_stats, value_stats_cols) = stats.finish();
    let number = |n: u64| i64::try_from(n).map_err(|_| Error::damaged("a file is too large"));
    let no_key = || BinaryRow::empty().to_serialized();
    Ok(DataFileMeta {
        file_name: name.to_string(),
        file_size: number(size)?,
        row_count: number(examined.summary.rows)?,
        min_key: no_key(),
        max_key: no_key(),
        key_stats: empty_stats(),
        value_stats,
        min_sequence_number: 0,
        max_sequence_number: 0,
        schema_id: schema.id,
        level: 0,
        extra_files: Vec::new(),
        creation_time: Some(context.clock.local_ms()),
        delete_row_count: Some(0),
        embedded_index: None,
        file_source: Some(FileSource::Append),
        value_stats_cols,
        external_path: None,
        first_row_id: None,
        write_cols: None,
        write_cols_sequences: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::{RecordBatch, new_null_array};
    use object_store::memory::InMemory;

    use super::*;
    use crate::arrow_bridge::arrow_schema;
    use crate::format::testing::{encode, options};
    use crate::io::FileIo;
    use crate::spec::parse_data_type;

    fn fields(types: &[(&str, &str)]) -> Vec<DataField> {
        let field = |(id, (name, data_type)): (i32, &(&str, &str))| {
            DataField::new(id, *name, parse_data_type(data_type).unwrap())
        };
        (0i32..).zip(types).map(field).collect()
    }

    /// Whether a file with the columns `found` can be read as `wanted`.
    async fn checked(format: &str, found: &[(&str, &str)], wanted: &[(&str, &str)]) -> Result<()> {
        let (found, wanted) = (fields(found), fields(wanted));
        let schema = arrow_schema(&found);
        let columns = schema.fields().iter();
        let columns = columns.map(|f| new_null_array(f.data_type(), 2)).collect();
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let bytes = encode(&found, &options(format, "zstd"), &rows);
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        io.publish("memory:/f", bytes.into()).await.unwrap();
        let request = FileReadRequest {
            file: io.open("memory:/f").await?,
            fields: wanted.clone(),
            selection: None,
            row_range: None,
            predicate: None,
            batch_size: 1,
            step_bytes: DEFAULT_STEP_BYTES,
            with_position: false,
        };
        let summary = summarize(format, request).await?;
        check_columns(None, &named(&wanted), &summary.columns)
    }

    #[tokio::test]
    async fn names_are_compared_at_every_depth() {
        let deep = |field: &str| format!("ARRAY<MAP<STRING, ROW<{field} INT, x INT>>>");
        for format in ["parquet", "orc", "avro"] {
            let file = deep("foo");
            let same = checked(format, &[("a", &file)], &[("a", &file)]).await;
            same.unwrap_or_else(|e| panic!("{format}: {e}"));
            let other = checked(format, &[("a", &file)], &[("a", &deep("bar"))]).await;
            other.unwrap_or_else(|e| panic!("{format}: {e}"));
            let spelled = checked(format, &[("a", &deep("Foo"))], &[("a", &file)]).await;
            let error = spelled.unwrap_err().to_string();
            assert!(error.contains("a.element.value.foo"), "{format}: {error}");
            assert!(error.contains("\"Foo\""), "{format}: {error}");
        }
    }

    #[tokio::test]
    async fn structs_have_a_field_in_common() {
        let (file, table) = ("ROW<x INT, y INT>", "ROW<z INT>");
        for format in ["parquet", "orc", "avro"] {
            let error = checked(format, &[("r", file)], &[("r", table)]).await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains("none of the fields"), "{format}: {error}");
            assert!(error.contains("x, y"), "{format}: {error}");
            // a column that the table lacks may hold anything
            let wanted = [("id", "INT")];
            let more = checked(format, &[("id", "INT"), ("r", file)], &wanted).await;
            more.unwrap_or_else(|e| panic!("{format}: {e}"));
        }
    }
}
