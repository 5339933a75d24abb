//! Views as catalogs keep them.
//!
//! Java: `org.apache.paimon.view.View`, `ViewSchema`, whose JSON services and databases keep.

#[cfg(any(feature = "jdbc", feature = "rest"))]
mod json;

use std::collections::BTreeMap;

use paimon_core::spec::DataField;
use paimon_core::{Error, ErrorKind, Result};
use serde::Serialize;

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

    /// Makes a change.
    ///
    /// # Errors
    /// `InvalidInput` for a dialect that is there already, `NotFound` for one that is not.
    pub fn change(&mut self, change: &ViewChange) -> Result<()> {
        let dialect = change.dialect();
        let known = self.dialects.contains_key(dialect);
        let error = match change {
            ViewChange::AddDialect { .. } if known => {
                Error::invalid("the view has a query in that dialect: update it instead")
            }
            ViewChange::UpdateDialect { .. } | ViewChange::DropDialect { .. } if !known => {
                Error::new(ErrorKind::NotFound, "the view has no query in that dialect")
            }
            ViewChange::AddDialect { dialect, query }
            | ViewChange::UpdateDialect { dialect, query } => {
                self.dialects.insert(dialect.clone(), query.clone());
                return Ok(());
            }
            ViewChange::DropDialect { dialect } => {
                self.dialects.remove(dialect);
                return Ok(());
            }
        };
        Err(error.with("dialect", dialect))
    }
}

/// A change of a view's query for a single program. Java: `org.apache.paimon.view.ViewChange`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub enum ViewChange {
    /// Adds a query for a program that has none of its own.
    AddDialect {
        /// The program.
        dialect: String,
        /// Its query.
        query: String,
    },
    /// Replaces the query of a program.
    UpdateDialect {
        /// The program.
        dialect: String,
        /// Its query.
        query: String,
    },
    /// Removes the query of a program: it reads the one for all then.
    DropDialect {
        /// The program.
        dialect: String,
    },
}

impl ViewChange {
    /// The program that it is about.
    pub fn dialect(&self) -> &str {
        match self {
            Self::AddDialect { dialect, .. }
            | Self::UpdateDialect { dialect, .. }
            | Self::DropDialect { dialect } => dialect,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn add(query: &str) -> ViewChange {
        let (dialect, query) = ("spark".to_string(), query.to_string());
        ViewChange::AddDialect { dialect, query }
    }

    #[test]
    fn dialects_come_change_and_go() {
        let (dialect, query) = ("spark".to_string(), "SELECT 2".to_string());
        let update = ViewChange::UpdateDialect {
            dialect: dialect.clone(),
            query,
        };
        let drop = ViewChange::DropDialect { dialect };
        let mut view = View {
            query: "SELECT 0".to_string(),
            ..View::default()
        };
        for missing in [&update, &drop] {
            let error = view.change(missing).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        view.change(&add("SELECT 1")).unwrap();
        assert_eq!(view.query_in("spark"), "SELECT 1");
        let error = view.change(&add("SELECT 3")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        view.change(&update).unwrap();
        assert_eq!(view.query_in("spark"), "SELECT 2");
        view.change(&drop).unwrap();
        assert_eq!(view.query_in("spark"), "SELECT 0");
    }

    #[test]
    fn changes_have_the_json_of_java() {
        for (change, expected) in [
            (
                add("SELECT 1"),
                json!({ "action": "addDialect", "dialect": "spark", "query": "SELECT 1" }),
            ),
            (
                ViewChange::DropDialect {
                    dialect: "flink".to_string(),
                },
                json!({ "action": "dropDialect", "dialect": "flink" }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&change).unwrap(), expected);
        }
    }
}
