//! `$table_indexes`: index files of a snapshot.

use super::files::partition_text;
use super::rows::{Cell, Rows, int, long, opt_int, opt_long, opt_text, text};
use crate::error::Result;
use crate::manifest::read_index_manifest;
use crate::spec::{GlobalIndexMeta, TableSchema};
use crate::table::Table;

const DV_RANGES: &str =
    "ARRAY<ROW<`f0` STRING NOT NULL, `f1` INT NOT NULL, `f2` INT NOT NULL, `_CARDINALITY` BIGINT>>";

pub(super) async fn table_indexes(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("partition", "STRING"),
        ("bucket", "INT NOT NULL"),
        ("index_type", "STRING NOT NULL"),
        ("file_name", "STRING NOT NULL"),
        ("file_size", "BIGINT NOT NULL"),
        ("row_count", "BIGINT NOT NULL"),
        ("dv_ranges", DV_RANGES),
        ("row_range_start", "BIGINT"),
        ("row_range_end", "BIGINT"),
        ("index_field_id", "INT"),
        ("index_field_name", "STRING"),
    ])?;
    let Some(snapshot) = table.current_snapshot().await? else {
        return Ok(rows);
    };
    let manifest = snapshot.index_manifest.as_deref();
    let fields = table.schema().partition_fields();
    for entry in read_index_manifest(table.io(), table.location(), manifest).await? {
        let global = entry.global_index.as_ref();
        rows.push(vec![
            text(partition_text(&entry.partition, &fields)?),
            int(entry.bucket),
            text(entry.index_type),
            text(entry.file_name),
            long(entry.file_size),
            long(entry.row_count),
            Cell::Ranges(entry.dv_ranges),
            opt_long(global.map(|g| g.row_range_start)),
            opt_long(global.map(|g| g.row_range_end)),
            opt_int(global.map(|g| g.index_field_id)),
            opt_text(global.and_then(|g| indexed_columns(g, table.schema()))),
        ]);
    }
    Ok(rows)
}

/// Name of the indexed column, of several with commas between; nothing when the schema has one of them no more.
fn indexed_columns(index: &GlobalIndexMeta, schema: &TableSchema) -> Option<String> {
    let name = |id: &i32| {
        let field = schema.fields.iter().find(|f| f.id == *id);
        field.map(|f| f.name.as_str())
    };
    match &index.extra_field_ids {
        Some(ids) if !ids.is_empty() => {
            let names: Option<Vec<&str>> = ids.iter().map(name).collect();
            Some(names?.join(","))
        }
        _ => name(&index.index_field_id).map(str::to_string),
    }
}
