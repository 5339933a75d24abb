//! `COPY INTO`: files into a table, and rows into files.
//!
//! ```text
//! COPY INTO t [(columns)] FROM 'path' FILE_FORMAT = (TYPE = .., ..)
//!   [PATTERN = 'regex'] [FORCE = TRUE | FALSE] [ON_ERROR = ABORT_STATEMENT | CONTINUE | SKIP_FILE]
//! COPY INTO 'path' FROM t | (query) FILE_FORMAT = (TYPE = .., ..) [OVERWRITE = TRUE | FALSE]
//! ```
//!
//! Source: `PaimonSqlExtensions.g4`, `CopyIntoTableExec`, `CopyIntoLocationExec`; page "SQL Write" of Spark.

mod csv;
mod export;
mod format;
mod history;
mod import;
mod json;
mod place;
mod rows;
mod stream;
mod to;

use std::ops::Range;

use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

pub(crate) use self::to::writable;

use self::format::FileFormat;
use super::effect::effect_rows;
use super::insert::names;
use crate::parse::{Cursor, tokenize};
use crate::session::PaimonSession;
use crate::stream::refuse_streams;

/// A statement as parsed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Copy {
    Import(Import),
    Export(Export),
}

/// Files that become rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Import {
    table: Vec<Ident>,
    /// None for all columns.
    columns: Option<Vec<Ident>>,
    path: String,
    format: FileFormat,
    pattern: Option<String>,
    /// Whether files that were loaded before are loaded again.
    force: bool,
    on_error: OnError,
}

/// What becomes of rows that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnError {
    AbortStatement,
    /// They are left out.
    Continue,
    /// Their file is left out.
    SkipFile,
}

/// Rows that become files.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Export {
    path: String,
    source: Source,
    format: FileFormat,
    overwrite: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    Table(Vec<Ident>),
    /// Where the query lies among the tokens of the statement.
    Query(Range<usize>),
}

/// Recognises the statement; `None` for all others.
///
/// # Errors
/// When it is malformed.
pub(super) fn parse(cursor: &mut Cursor) -> Result<Option<Copy>> {
    if !cursor.keywords(&["COPY", "INTO"]) {
        return Ok(None);
    }
    let copy = match cursor.string() {
        Ok(path) => Copy::Export(export(cursor, path)?),
        Err(_) => Copy::Import(import(cursor)?),
    };
    cursor.end()?;
    Ok(Some(copy))
}

fn import(cursor: &mut Cursor) -> Result<Import> {
    let table = cursor.object_name()?;
    let columns = match cursor.peek() {
        Some(Token::LParen) => Some(names(cursor)?),
        _ => None,
    };
    if !cursor.keyword("FROM") {
        return cursor.expected("FROM");
    }
    let path = cursor.string()?;
    let clauses = clauses(cursor, &["PATTERN", "FORCE", "ON_ERROR"])?;
    Ok(Import {
        table,
        columns,
        path,
        format: clauses.format,
        pattern: clauses.pattern,
        force: clauses.force,
        on_error: clauses.on_error,
    })
}

fn export(cursor: &mut Cursor, path: String) -> Result<Export> {
    if !cursor.keyword("FROM") {
        return cursor.expected("FROM");
    }
    let source = match cursor.peek() {
        Some(Token::LParen) => Source::Query(cursor.parenthesised()?),
        _ => Source::Table(cursor.object_name()?),
    };
    let clauses = clauses(cursor, &["OVERWRITE"])?;
    Ok(Export {
        path,
        source,
        format: clauses.format,
        overwrite: clauses.overwrite,
    })
}

/// What follows the source, in any order.
struct Clauses {
    format: FileFormat,
    pattern: Option<String>,
    force: bool,
    on_error: OnError,
    overwrite: bool,
}

fn clauses(cursor: &mut Cursor, allowed: &[&'static str]) -> Result<Clauses> {
    let (mut format, mut pattern, mut force) = (None, None, None);
    let (mut on_error, mut overwrite) = (None, None);
    while cursor.peek().is_some() {
        let Some(clause) = cursor.one_of(&[&["FILE_FORMAT"], allowed].concat()) else {
            return cursor.expected(&format!("FILE_FORMAT, {}", allowed.join(", ")));
        };
        equals(cursor)?;
        let is_first = match clause {
            "FILE_FORMAT" => format.replace(FileFormat::parse(cursor)?).is_none(),
            "PATTERN" => pattern.replace(cursor.string()?).is_none(),
            "FORCE" => force.replace(boolean(cursor)?).is_none(),
            "OVERWRITE" => overwrite.replace(boolean(cursor)?).is_none(),
            _ => on_error.replace(on_error_of(cursor)?).is_none(),
        };
        if !is_first {
            return cursor.expected(&format!("{clause} once"));
        }
    }
    let Some(format) = format else {
        return cursor.expected("FILE_FORMAT = (TYPE = ..)");
    };
    Ok(Clauses {
        format,
        pattern,
        force: force.unwrap_or(false),
        on_error: on_error.unwrap_or(OnError::AbortStatement),
        overwrite: overwrite.unwrap_or(false),
    })
}

fn equals(cursor: &mut Cursor) -> Result<()> {
    match cursor.eat(&Token::Eq) {
        true => Ok(()),
        false => cursor.expected("="),
    }
}

fn boolean(cursor: &mut Cursor) -> Result<bool> {
    match cursor.one_of(&["TRUE", "FALSE"]) {
        Some(word) => Ok(word == "TRUE"),
        None => cursor.expected("TRUE or FALSE"),
    }
}

fn on_error_of(cursor: &mut Cursor) -> Result<OnError> {
    const MODES: [&str; 3] = ["ABORT_STATEMENT", "CONTINUE", "SKIP_FILE"];
    match cursor.one_of(&MODES) {
        Some("ABORT_STATEMENT") => Ok(OnError::AbortStatement),
        Some("CONTINUE") => Ok(OnError::Continue),
        Some(_) => Ok(OnError::SkipFile),
        None => cursor.expected(&MODES.join(", ")),
    }
}

/// Plans a statement; `tokens` are those of it.
///
/// # Errors
/// When the table, the query or the options of the format are not what is expected.
pub(super) async fn plan(
    session: &PaimonSession,
    copy: Copy,
    tokens: &[TokenWithSpan],
) -> Result<DataFrame> {
    match copy {
        Copy::Import(import) => {
            let what = format!("COPY INTO {}", super::command::dotted(&import.table));
            let format = import.format.for_import()?;
            place::location(&import.path)?;
            import::check(session, &import).await?;
            let own = session.clone();
            effect_rows(session, what, import::schema(), move || {
                let (session, import, format) = (own.clone(), import.clone(), format.clone());
                async move { import::run(&session, &import, &format).await }
            })
        }
        Copy::Export(export) => {
            place::location(&export.path)?;
            let what = format!("COPY INTO {:?}", export.path);
            let format = export.format.for_export()?;
            let query = match &export.source {
                Source::Query(at) => tokens.get(at.clone()).unwrap_or_default().to_vec(),
                Source::Table(name) => tokenize(&format!("SELECT * FROM {}", quoted(name)))?,
            };
            let rows = session.plan_query(query, &[]).await?;
            refuse_streams("COPY INTO", &rows)?;
            export::check(&rows, &format)?;
            let own = session.clone();
            effect_rows(session, what, export::schema(), move || {
                let (session, export) = (own.clone(), export.clone());
                let (format, rows) = (format.clone(), rows.clone());
                async move { export::run(&session, &export, format, rows).await }
            })
        }
    }
}

/// A name as a query has it.
fn quoted(name: &[Ident]) -> String {
    let parts: Vec<String> = name
        .iter()
        .map(|part| format!("\"{}\"", super::ident_text(part).replace('"', "\"\"")))
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn parsed(sql: &str) -> Result<Option<Copy>> {
        parse(&mut Cursor::from_sql(sql)?)
    }

    #[test]
    fn imports_have_defaults_and_clauses_in_any_order() {
        let Ok(Some(Copy::Import(plain))) =
            parsed("copy into db.t from '/in' file_format = (type = csv)")
        else {
            panic!("no import");
        };
        assert_eq!((plain.table.len(), plain.path.as_str()), (2, "/in"));
        assert_eq!(
            (plain.columns, plain.pattern, plain.force),
            (None, None, false)
        );
        assert_eq!(plain.on_error, OnError::AbortStatement);
        let sql = "COPY INTO t (a, `B`) FROM '/in' ON_ERROR = SKIP_FILE FORCE = TRUE PATTERN = '.*' \
                   FILE_FORMAT = (TYPE = JSON, NULL_IF = ('x', 'y'))";
        let Ok(Some(Copy::Import(full))) = parsed(sql) else {
            panic!("{:?}", parsed(sql));
        };
        assert_eq!(full.columns.map(|c| c.len()), Some(2));
        assert_eq!(full.pattern.as_deref(), Some(".*"));
        assert!(full.force && full.on_error == OnError::SkipFile);
    }

    #[test]
    fn exports_are_of_tables_and_queries() {
        let sql = "COPY INTO '/out' FROM (SELECT (1) AS a FROM x) FILE_FORMAT = (TYPE = PARQUET) OVERWRITE = TRUE";
        let Ok(Some(Copy::Export(query))) = parsed(sql) else {
            panic!("{:?}", parsed(sql));
        };
        let Source::Query(at) = query.source else {
            panic!("no query");
        };
        let tokens = tokenize(sql).unwrap();
        let text: String = tokens[at].iter().map(|t| t.token.to_string()).collect();
        assert_eq!(text, "SELECT (1) AS a FROM x");
        assert!(query.overwrite);
        let sql = "COPY INTO '/out' FROM db.t FILE_FORMAT = (TYPE = CSV)";
        assert!(matches!(
            parsed(sql),
            Ok(Some(Copy::Export(Export {
                source: Source::Table(_),
                overwrite: false,
                ..
            })))
        ));
    }

    #[test]
    fn malformed_statements_are_errors() {
        for sql in [
            "COPY INTO t FROM '/in'",
            "COPY INTO t FROM x FILE_FORMAT = (TYPE = CSV)",
            "COPY INTO t FROM '/in' FILE_FORMAT = (TYPE = CSV) ON_ERROR = MAYBE",
            "COPY INTO t FROM '/in' FILE_FORMAT = (TYPE = CSV) OVERWRITE = TRUE",
            "COPY INTO t FROM '/in' FILE_FORMAT = (TYPE = CSV) FORCE = TRUE FORCE = TRUE",
            "COPY INTO '/out' FROM (SELECT 1 FILE_FORMAT = (TYPE = CSV)",
            "COPY INTO '/out' FROM t FILE_FORMAT = (TYPE = CSV) PATTERN = 'x'",
            "COPY INTO '/out' FROM t FILE_FORMAT = (FORMAT = CSV)",
        ] {
            assert!(parsed(sql).is_err(), "{sql}");
        }
        assert!(parsed("COPY t TO 'x'").unwrap().is_none());
    }
}
