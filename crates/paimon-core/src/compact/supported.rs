//! Which tables this engine compacts; the others are refused before anything is read.

use crate::error::{Error, Result};
use crate::options::{ChangelogProducer, parse_bool};
use crate::spec::TypeKind;
use crate::table::ScanTarget;
use crate::table::Table;

/// Checks that a table can be compacted. `full` says that all runs of a bucket are merged at once: then no deeper level
/// is looked up.
///
/// # Errors
/// `Unsupported` naming the option or column, `InvalidInput` for a table that reads an old snapshot.
pub(super) fn check(table: &Table, full: bool) -> Result<()> {
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
    match schema.has_primary_key() {
        true => check_primary_key(table, full),
        false => check_append(table),
    }
}

fn check_primary_key(table: &Table, full: bool) -> Result<()> {
    let options = table.options();
    let changelog = match options.changelog_producer {
        ChangelogProducer::None | ChangelogProducer::Input => None,
        ChangelogProducer::Lookup => Some("lookup"),
        ChangelogProducer::FullCompaction => Some("full-compaction"),
    };
    if let Some(producer) = changelog {
        let what = format!("tables with changelog-producer {producer}");
        return Err(refused(&what).with("option", "changelog-producer"));
    }
    if full || !options.need_lookup() {
        return Ok(());
    }
    let key = if options.deletion_vectors {
        "deletion-vectors.enabled"
    } else if options.force_lookup {
        "force-lookup"
    } else {
        "merge-engine"
    };
    Err(Error::unsupported(
        "tables whose compaction looks up deeper levels can only be compacted as a whole (full)",
    )
    .with("option", key))
}

fn check_append(table: &Table) -> Result<()> {
    for key in [
        "row-tracking.enabled",
        "data-evolution.enabled",
        "clustering.incremental",
    ] {
        if switched_on(table, key)? {
            let what = format!("append tables with `{key}`");
            return Err(refused(&what).with("option", key));
        }
    }
    Ok(())
}

fn switched_on(table: &Table, key: &str) -> Result<bool> {
    let value = table.options().get(key).map(parse_bool).transpose();
    Ok(value.map_err(|e| e.with("option", key))?.unwrap_or(false))
}

fn refused(what: &str) -> Error {
    Error::unsupported(format!("compacting {what} is not supported"))
}
