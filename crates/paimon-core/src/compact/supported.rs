//! Which tables this engine compacts; the others are refused before anything is read.

use super::CompactRequest;
use super::cluster::is_incremental;
use crate::error::{Error, Result};
use crate::options::parse_bool;
use crate::spec::TypeKind;
use crate::table::ScanTarget;
use crate::table::Table;

/// Checks that a table can be compacted.
///
/// # Errors
/// `Unsupported` naming the option or column, `InvalidInput` for a table that reads an old snapshot.
pub(super) fn check(table: &Table, request: &CompactRequest) -> Result<()> {
    if !matches!(table.target(), ScanTarget::Latest) {
        return Err(Error::invalid(
            "a table that reads an old snapshot cannot be compacted",
        ));
    }
    let schema = table.schema();
    let evolution = !schema.has_primary_key() && table.options().data_evolution;
    let blob = (schema.fields.iter()).find(|f| f.data_type.kind == TypeKind::Blob);
    if let Some(field) = blob {
        check_blobs(table, evolution).map_err(|e| e.with("column", &field.name))?;
    }
    if switched_on(table, "index-file-in-data-file-dir")? && table.options().deletion_vectors {
        return Err(refused("tables with index files beside the data files")
            .with("option", "index-file-in-data-file-dir"));
    }
    if evolution && (request.clustering.is_some() || is_incremental(table)?) {
        return Err(Error::unsupported(
            "rows of a table with data evolution cannot be sorted: their order is their row ids",
        )
        .with("option", "data-evolution.enabled"));
    }
    Ok(())
}

/// BLOBs in files of their own stay there; nothing else is done with BLOBs yet.
fn check_blobs(table: &Table, evolution: bool) -> Result<()> {
    if !evolution {
        return Err(refused("tables with BLOB columns"));
    }
    let inline = ["blob-descriptor-field", "blob-view-field"];
    match inline
        .into_iter()
        .find(|key| table.options().get(key).is_some())
    {
        None => Ok(()),
        Some(key) => {
            Err(refused("tables with BLOB columns in normal data files").with("option", key))
        }
    }
}

pub(super) fn switched_on(table: &Table, key: &str) -> Result<bool> {
    let value = table.options().get(key).map(parse_bool).transpose();
    Ok(value.map_err(|e| e.with("option", key))?.unwrap_or(false))
}

fn refused(what: &str) -> Error {
    Error::unsupported(format!("compacting {what} is not supported"))
}
