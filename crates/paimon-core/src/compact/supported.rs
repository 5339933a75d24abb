//! Which tables this engine compacts; the others are refused before anything is read.

use crate::error::{Error, Result};
use crate::options::parse_bool;
use crate::spec::TypeKind;
use crate::table::ScanTarget;
use crate::table::Table;

/// Checks that a table can be compacted.
///
/// # Errors
/// `Unsupported` naming the option or column, `InvalidInput` for a table that reads an old snapshot.
pub(super) fn check(table: &Table) -> Result<()> {
    if !matches!(table.target(), ScanTarget::Latest) {
        return Err(Error::invalid(
            "a table that reads an old snapshot cannot be compacted",
        ));
    }
    let schema = table.schema();
    for field in &schema.fields {
        if field.data_type.kind == TypeKind::Blob {
            return Err(refused("tables with BLOB columns").with("column", &field.name));
        }
    }
    if switched_on(table, "index-file-in-data-file-dir")? && table.options().deletion_vectors {
        return Err(refused("tables with index files beside the data files")
            .with("option", "index-file-in-data-file-dir"));
    }
    const EVOLUTION: &str = "data-evolution.enabled";
    if !schema.has_primary_key() && switched_on(table, EVOLUTION)? {
        return Err(refused(&format!("append tables with `{EVOLUTION}`")).with("option", EVOLUTION));
    }
    Ok(())
}

pub(super) fn switched_on(table: &Table, key: &str) -> Result<bool> {
    let value = table.options().get(key).map(parse_bool).transpose();
    Ok(value.map_err(|e| e.with("option", key))?.unwrap_or(false))
}

fn refused(what: &str) -> Error {
    Error::unsupported(format!("compacting {what} is not supported"))
}
