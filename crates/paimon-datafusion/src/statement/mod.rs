//! The statements that DataFusion does not have, in Spark's and Flink's spellings.

mod alter;
mod analyze;
mod catalogs;
mod command;
mod copy;
mod ddl;
mod describe;
mod dml;
mod effect;
mod evolution;
pub(crate) mod explain;
mod function;
mod insert;
mod partition;
mod procedure;
mod refuse;
mod result;
mod run;
mod show;
mod tag;
mod view;

use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

pub(crate) use command::parse;
pub(crate) use copy::writable;
pub(crate) use ddl::data_type_of;
pub use dml::{Assign, CheckNewer};
pub use effect::{Effect, EffectExec, StatementOrigin};
pub(crate) use effect::{effect_rows, with_origin};
pub(crate) use partition::StaticValue;
pub(crate) use refuse::is_paimon_table;
pub(crate) use run::run;
pub(crate) use view::definition as view_definition;

use crate::parse::Cursor;
use crate::session::PaimonSession;

/// Plans a statement about a view or function that a catalog keeps; `None` for all others. `sql` is the statement, `tokens`
/// are its tokens, which the cursor has read up to an EXPLAIN.
///
/// # Errors
/// When it is malformed, or the query or expression cannot be planned.
pub(crate) async fn kept(
    session: &PaimonSession,
    cursor: &Cursor,
    tokens: &[TokenWithSpan],
    sql: &str,
) -> Result<Option<DataFrame>> {
    match view::plan(session, cursor, tokens, sql).await? {
        Some(rows) => Ok(Some(rows)),
        None => function::plan(session, cursor, tokens, sql),
    }
}

/// Plans a statement that writes to a Paimon catalog or calls a procedure; `None` for all others. `tokens` are those of
/// the whole statement, which the cursor has read up to an EXPLAIN.
///
/// # Errors
/// When it is malformed, does not fit the table or is not supported.
pub(crate) async fn write(
    session: &PaimonSession,
    cursor: &Cursor,
    tokens: &[TokenWithSpan],
) -> Result<Option<DataFrame>> {
    if let Some(insert) = insert::Insert::parse(&mut cursor.clone())? {
        return match refuse::is_paimon_table(session, &insert.table)? {
            true => insert::plan(session, &insert, tokens).await.map(Some),
            false => Ok(None),
        };
    }
    if let Some(copy) = copy::parse(&mut cursor.clone())? {
        return copy::plan(session, copy, tokens).await.map(Some);
    }
    if let Some(call) = procedure::Call::parse(&mut cursor.clone())? {
        return procedure::plan(session, &call).map(Some);
    }
    match refuse::parse(&mut cursor.clone())? {
        Some(write) if refuse::targets_paimon(session, &write)? => {
            if let Some(statement) = analyze::parse(&mut cursor.clone())? {
                return analyze::plan(session, statement).await.map(Some);
            }
            if let Some(statement) = alter::parse(&mut cursor.clone())? {
                return alter::plan(session, statement).await.map(Some);
            }
            if let Some(change) = tag::parse(&mut cursor.clone())? {
                return tag::plan(session, change).await.map(Some);
            }
            if write.changes_rows() {
                refuse::in_streams(session, &write)?;
                let start = cursor.clone().rest()?;
                let own = tokens.get(start..).unwrap_or_default().to_vec();
                return dml::plan(session, own).await.map(Some);
            }
            match ddl::parse(&mut cursor.clone())? {
                Some(ddl) => ddl::plan(session, ddl, tokens).await.map(Some),
                None => refuse::refuse(&write),
            }
        }
        _ => Ok(None),
    }
}

/// Where the query of an INSERT begins among the tokens of the statement; `None` for other statements.
///
/// # Errors
/// When it is malformed.
pub(crate) fn query_of_insert(cursor: &mut Cursor) -> Result<Option<usize>> {
    Ok(insert::Insert::parse(cursor)?.map(|insert| insert.query))
}

/// Text of a name part: as written in quotes, else in lower case.
pub(crate) fn ident_text(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// `CREATE TEMPORARY VIEW` means DataFusion's `CREATE VIEW`: both live in the session.
pub(crate) fn without_temporary(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let words: Vec<(usize, String)> = tokens
        .iter()
        .enumerate()
        .filter_map(|(i, t)| match &t.token {
            Token::Word(w) => Some((i, w.value.to_ascii_uppercase())),
            _ => None,
        })
        .take(5)
        .collect();
    let text: Vec<&str> = words.iter().map(|(_, w)| w.as_str()).collect();
    let position = match text.as_slice() {
        ["CREATE", "TEMP" | "TEMPORARY", "VIEW", ..] => 1,
        ["CREATE", "OR", "REPLACE", "TEMP" | "TEMPORARY", "VIEW"] => 3,
        _ => return tokens,
    };
    if let Some((at, _)) = words.get(position) {
        tokens.remove(*at);
    }
    tokens
}
