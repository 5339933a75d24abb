//! Views as catalogs keep them.
//!
//! Java: `org.apache.paimon.view.View`, `ViewSchema`, whose JSON services and databases keep.

#[cfg(any(feature = "jdbc", feature = "rest"))]
mod json;

use std::collections::BTreeMap;

use paimon_core::spec::DataField;

#[cfg(feature = "rest")]
pub(crate) use json::{DeclaredView, ViewSchema};

/// A query with a name.
///
/// Names in its text that have no catalog or database mean those of the view itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Names and types of its columns, by position in the rows of the query.
    pub fields: Vec<DataField>,
    /// The query, for whoever finds none in a dialect of its own.
    pub query: String,
    /// The query in the words of single programs, by their names such as `spark` and `flink`.
    pub dialects: BTreeMap<String, String>,
    /// What it is for.
    pub comment: Option<String>,
    /// Free properties.
    pub options: BTreeMap<String, String>,
}

impl View {
    /// The query in a dialect, else the one for all.
    pub fn query_in(&self, dialect: &str) -> &str {
        self.dialects.get(dialect).unwrap_or(&self.query)
    }
}
