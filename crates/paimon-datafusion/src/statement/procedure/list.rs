//! Which procedures there are.

use arrow::array::ArrayRef;
use datafusion::error::{DataFusionError, Result};
use futures::future::BoxFuture;

use super::arguments::{Arguments, Parameter};
use super::metastore::{clone, copy, functions, migrate, repair, views};
use super::rows::Column;
use super::{
    branches, compact, consumers, expiry, merge_into, orphans, partitions, snapshots, tags, upkeep,
};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

/// The columns of a procedure's rows, once it has run.
pub(super) type Running<'a> = BoxFuture<'a, Result<Vec<ArrayRef>>>;

/// A procedure.
pub(super) struct Procedure {
    /// Name in `sys`.
    pub(super) name: &'static str,
    /// What it takes, in the order of positions.
    pub(super) parameters: &'static [Parameter],
    /// What its rows are made of.
    pub(super) result: &'static [Column],
    /// Checks what can be said about the arguments alone.
    pub(super) check: fn(&Arguments) -> Result<()>,
    /// Does the work.
    pub(super) run: for<'a> fn(&'a PaimonSession, &'a Arguments) -> Running<'a>,
}

/// For procedures that take any arguments of the right kinds.
pub(super) fn nothing_to_check(_: &Arguments) -> Result<()> {
    Ok(())
}

const FAMILIES: &[&[Procedure]] = &[
    tags::PROCEDURES,
    tags::auto::PROCEDURES,
    branches::PROCEDURES,
    snapshots::PROCEDURES,
    compact::PROCEDURES,
    partitions::PROCEDURES,
    partitions::rescale::PROCEDURES,
    partitions::file_index::PROCEDURES,
    expiry::PROCEDURES,
    consumers::PROCEDURES,
    orphans::PROCEDURES,
    repair::PROCEDURES,
    migrate::PROCEDURES,
    copy::PROCEDURES,
    clone::PROCEDURES,
    functions::PROCEDURES,
    views::PROCEDURES,
    upkeep::PROCEDURES,
    merge_into::PROCEDURES,
];

/// Procedures of Paimon for Spark and Flink that this engine does not have.
const UNSUPPORTED: &[&str] = &[
    "compact_chain_table",
    "copy_files",
    "create_global_index",
    "drop_global_index",
    "full_text_search",
    "query_service",
    "reassign_row_id",
    "vector_search",
];

/// The procedure of a name in lower case.
///
/// # Errors
/// `Unsupported` for one that only Java has, else an error that lists those there are.
pub(super) fn find(name: &str) -> Result<&'static Procedure> {
    let found = FAMILIES.iter().flat_map(|f| f.iter());
    if let Some(procedure) = found.clone().find(|p| p.name == name) {
        return Ok(procedure);
    }
    if UNSUPPORTED.contains(&name) {
        let error = paimon_core::Error::unsupported("this procedure is not supported yet");
        return Err(to_datafusion(error.with("procedure", name)));
    }
    let mut names: Vec<&str> = found.map(|p| p.name).collect();
    names.sort_unstable();
    Err(DataFusionError::Plan(format!(
        "there is no procedure {name}; there are {}",
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_the_table_comes_first() {
        let mut names: BTreeSet<&str> = UNSUPPORTED.iter().copied().collect();
        assert_eq!(names.len(), UNSUPPORTED.len());
        for procedure in FAMILIES.iter().flat_map(|f| f.iter()) {
            let name = procedure.name;
            assert!(names.insert(name), "{name}");
            assert_eq!(find(name).unwrap().name, name);
            let others = [
                "repair",
                "compact_database",
                "merge_into",
                "data_evolution_merge_into",
                "migrate_table",
                "migrate_database",
                "copy",
                "clone",
                "create_function",
                "alter_function",
                "drop_function",
                "alter_view_dialect",
            ];
            if !others.contains(&name) {
                assert_eq!(procedure.parameters[0].name(), "table", "{name}");
            }
            let arguments: Vec<String> = procedure
                .parameters
                .iter()
                .flat_map(|p| p.names)
                .map(|n| n.to_ascii_lowercase())
                .collect();
            let unique: BTreeSet<&String> = arguments.iter().collect();
            assert_eq!(unique.len(), arguments.len(), "{name}");
        }
    }

    #[test]
    fn unknown_names_list_what_there_is() {
        let unknown = find("conpact").err().unwrap().to_string();
        assert!(unknown.contains("compact, compact_database"), "{unknown}");
        let java = find("copy_files").err().unwrap().to_string();
        assert!(java.contains("not supported yet"), "{java}");
    }
}
