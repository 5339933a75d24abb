//! Object names: `db.t`, `t$snapshots`, `t$branch_b`, `t$branch_b$snapshots`.
//!
//! Java: `org.apache.paimon.catalog.Identifier`; spec: on-disk layout, section 1.

use std::fmt;

use paimon_core::{Error, Result};

/// The branch every table has.
pub const DEFAULT_BRANCH: &str = "main";
/// The database that always exists.
pub const DEFAULT_DATABASE: &str = "default";
/// The reserved database of global system tables.
pub const SYSTEM_DATABASE: &str = "sys";

const SPLITTER: char = '$';
const BRANCH_PREFIX: &str = "branch_";

/// A table, a branch of it, or a system table of either.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    database: String,
    table: String,
    branch: Option<String>,
    system: Option<String>,
}

impl Identifier {
    /// From a database name and an object name in the grammar `table[$branch_<b>][$<system>]`.
    ///
    /// # Errors
    /// `InvalidInput` when the object name does not follow the grammar or a part is not one plain path component.
    pub fn new(database: &str, object: &str) -> Result<Self> {
        let mut parts = object.split(SPLITTER);
        let table = parts.next().unwrap_or_default();
        let second = parts.next();
        let third = parts.next();
        if parts.next().is_some() {
            return Err(malformed(object));
        }
        let (branch, system) = match (second, third) {
            (None, _) => (None, None),
            (Some(s), None) => match s.strip_prefix(BRANCH_PREFIX) {
                Some(branch) => (Some(branch), None),
                None => (None, Some(s)),
            },
            (Some(b), Some(s)) => match b.strip_prefix(BRANCH_PREFIX) {
                Some(branch) => (Some(branch), Some(s)),
                None => return Err(malformed(object)),
            },
        };
        crate::names::check_component("database", database)?;
        crate::names::check_component("table", table)?;
        if let Some(branch) = branch {
            crate::names::check_component("branch", branch)?;
        }
        if system.is_some_and(str::is_empty) {
            return Err(malformed(object));
        }
        Ok(Self {
            database: database.to_string(),
            table: table.to_string(),
            branch: branch.filter(|b| *b != DEFAULT_BRANCH).map(str::to_string),
            system: system.map(str::to_string),
        })
    }

    /// From `object` or `database.object`; without a database it is `default`.
    ///
    /// # Errors
    /// As [`Identifier::new`].
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('.') {
            Some((database, object)) => Self::new(database, object),
            None => Self::new(DEFAULT_DATABASE, text),
        }
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The table without branch and system part.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The branch, `None` for `main`.
    pub fn branch(&self) -> Option<&str> {
        self.branch.as_deref()
    }

    /// The system table.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// Refuses what is no name of a table of its own, in a database that takes tables.
    ///
    /// # Errors
    /// `InvalidInput` for a branch, a system table and the database `sys`.
    pub fn check_plain(&self) -> Result<()> {
        if self.database == SYSTEM_DATABASE {
            return Err(
                Error::invalid("tables of database sys cannot be changed").with("table", self)
            );
        }
        if self.branch.is_some() || self.system.is_some() {
            return Err(Error::invalid(
                "a name with $ is that of a branch or system table: tables are made, renamed, altered and dropped by plain \
                 names, branches made by CALL sys.create_branch",
            )
            .with("table", self));
        }
        Ok(())
    }

    /// The same branch and system part of another table of the database.
    #[must_use]
    pub fn with_table(&self, table: &str) -> Self {
        Self {
            table: table.to_string(),
            ..self.clone()
        }
    }

    /// The same branch and system part of a table of these names, which were checked.
    #[cfg(feature = "hive")]
    pub(crate) fn moved_to(&self, database: &str, table: &str) -> Self {
        Self {
            database: database.to_string(),
            table: table.to_string(),
            ..self.clone()
        }
    }

    /// `table[$branch_<b>][$<system>]`.
    pub fn object(&self) -> String {
        let mut text = self.table.clone();
        if let Some(branch) = &self.branch {
            text.push(SPLITTER);
            text.push_str(BRANCH_PREFIX);
            text.push_str(branch);
        }
        if let Some(system) = &self.system {
            text.push(SPLITTER);
            text.push_str(system);
        }
        text
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.object())
    }
}

fn malformed(object: &str) -> Error {
    Error::invalid(
        "table name must have the form table, table$system, table$branch_name or table$branch_name$system",
    )
    .with("table", object)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn parts_of_every_form_are_found() {
        let cases = [
            ("db.t", ("db", "t", None, None)),
            ("t", ("default", "t", None, None)),
            ("t$snapshots", ("default", "t", None, Some("snapshots"))),
            ("db.t$branch_b1", ("db", "t", Some("b1"), None)),
            ("db.t$branch_main", ("db", "t", None, None)),
            (
                "db.t$branch_b1$files",
                ("db", "t", Some("b1"), Some("files")),
            ),
        ];
        for (text, (database, table, branch, system)) in cases {
            let id = Identifier::parse(text).unwrap();
            assert_eq!(
                (id.database(), id.table(), id.branch(), id.system()),
                (database, table, branch, system),
                "{text}"
            );
        }
        assert_eq!(
            Identifier::parse("db.t$branch_b1$files")
                .unwrap()
                .to_string(),
            "db.t$branch_b1$files"
        );
    }

    #[test]
    fn names_that_are_no_path_component_are_refused() {
        for text in [
            "",
            "db.",
            ".t",
            "db...",
            "db.a/b",
            "db.t$a$b",
            "db.t$branch_b$s$x",
            "db.t$",
            "db.t$branch_",
            "db.t$branch_..",
        ] {
            assert!(Identifier::parse(text).is_err(), "{text:?}");
        }
    }
}
