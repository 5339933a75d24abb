//! Statements that write a Paimon table or database: recognised, and those that are not supported refused by name
//! before anything happens. INSERT goes through DataFusion's planner.

use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Ident;

use super::command::dotted;
use crate::error::to_datafusion;
use crate::parse::Cursor;
use crate::session::PaimonSession;

/// A statement that writes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    /// Its name, such as `INSERT`.
    pub(crate) statement: &'static str,
    /// What it writes.
    pub(crate) target: Target,
}

impl Write {
    /// Whether it changes single rows.
    pub(crate) fn changes_rows(&self) -> bool {
        matches!(self.statement, "DELETE" | "UPDATE" | "MERGE INTO")
    }
}

/// What a writing statement names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Table(Vec<Ident>),
    Database(Vec<Ident>),
}

/// Recognises writing statements.
///
/// # Errors
/// When the name of the target is missing.
pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<Write>> {
    if let Some(statement) = table_statement(cursor) {
        let target = Target::Table(cursor.object_name()?);
        return Ok(Some(Write { statement, target }));
    }
    if let Some(statement) = database_statement(cursor) {
        let target = Target::Database(cursor.object_name()?);
        return Ok(Some(Write { statement, target }));
    }
    Ok(None)
}

/// Refuses a statement that changes rows of what it reads in a session that reads streams.
///
/// # Errors
/// `Unsupported` with the way out.
pub(crate) fn in_streams(session: &PaimonSession, write: &Write) -> Result<()> {
    if !session.settings().is_streaming() {
        return Ok(());
    }
    Err(to_datafusion(paimon_core::Error::unsupported(format!(
        "{} is not supported in a streaming session: SET 'execution.runtime-mode' = 'batch' first",
        write.statement
    ))))
}

/// Reads up to the name of the table.
fn table_statement(cursor: &mut Cursor) -> Option<&'static str> {
    const FORMS: &[(&[&str], &str)] = &[
        (&["REPLACE", "INTO"], "REPLACE INTO"),
        (&["DELETE", "FROM"], "DELETE"),
        (&["MERGE", "INTO"], "MERGE INTO"),
        (&["TRUNCATE", "TABLE"], "TRUNCATE TABLE"),
        (&["TRUNCATE"], "TRUNCATE TABLE"),
        (&["CREATE", "TABLE", "IF", "NOT", "EXISTS"], "CREATE TABLE"),
        (&["CREATE", "TABLE"], "CREATE TABLE"),
        (
            &["CREATE", "OR", "REPLACE", "TABLE"],
            "CREATE OR REPLACE TABLE",
        ),
        (&["REPLACE", "TABLE"], "REPLACE TABLE"),
        (&["DROP", "TABLE", "IF", "EXISTS"], "DROP TABLE"),
        (&["DROP", "TABLE"], "DROP TABLE"),
        (&["ALTER", "TABLE", "IF", "EXISTS"], "ALTER TABLE"),
        (&["ALTER", "TABLE"], "ALTER TABLE"),
        (&["ANALYZE", "TABLE"], "ANALYZE TABLE"),
        (&["MSCK", "REPAIR", "TABLE"], "MSCK REPAIR TABLE"),
        (&["UPDATE"], "UPDATE"),
    ];
    let form = FORMS.iter().find(|(words, _)| cursor.keywords(words));
    form.map(|(_, name)| *name)
}

fn database_statement(cursor: &mut Cursor) -> Option<&'static str> {
    const FORMS: &[(&str, &str)] = &[
        ("CREATE", "CREATE DATABASE"),
        ("DROP", "DROP DATABASE"),
        ("ALTER", "ALTER DATABASE"),
    ];
    for (verb, name) in FORMS {
        let mut ahead = cursor.clone();
        if ahead.keyword(verb) && ahead.one_of(&["DATABASE", "SCHEMA", "NAMESPACE"]).is_some() {
            let _ = ahead.keywords(&["IF", "NOT", "EXISTS"]) || ahead.keywords(&["IF", "EXISTS"]);
            *cursor = ahead;
            return Some(name);
        }
    }
    None
}

/// Whether what a statement writes belongs to a Paimon catalog; other targets are left to DataFusion.
pub(crate) fn targets_paimon(session: &PaimonSession, write: &Write) -> Result<bool> {
    match &write.target {
        Target::Table(name) => is_paimon_table(session, name),
        Target::Database(name) => {
            let (current, _) = session.current();
            let catalog = match name.as_slice() {
                [catalog, _, ..] => super::ident_text(catalog),
                _ => current,
            };
            Ok(session.paimon_database(&catalog, "").is_some())
        }
    }
}

/// Whether a name stands for a table of a Paimon catalog, there or not, and not for one of the session.
pub(crate) fn is_paimon_table(session: &PaimonSession, name: &[Ident]) -> Result<bool> {
    let (catalog, database, table) = session.resolve(name)?;
    let schema = session.paimon_database(&catalog, &database);
    Ok(schema.is_some_and(|s| s.session_table(&table).is_none()))
}

/// The error for a statement that writes a Paimon table in a way that is not supported.
pub(crate) fn refuse<T>(write: &Write) -> Result<T> {
    let (key, target) = match &write.target {
        Target::Table(name) => ("table", name),
        Target::Database(name) => ("database", name),
    };
    Err(to_datafusion(
        paimon_core::Error::unsupported(format!("{} is not supported yet", write.statement))
            .with(key, dotted(target)),
    ))
}
