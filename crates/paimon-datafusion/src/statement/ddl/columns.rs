//! The parenthesised part of CREATE TABLE.

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_core::Error;
use paimon_core::schema::{NewColumn, NewTable};

use super::{ident_text, names, types};
use crate::error::to_datafusion;
use crate::parse::Cursor;

/// Reads `(column, .., PRIMARY KEY (..) NOT ENFORCED)`.
pub(super) fn read(cursor: &mut Cursor, table: &mut NewTable) -> Result<()> {
    cursor.eat(&Token::LParen);
    loop {
        if cursor.keyword("CONSTRAINT") {
            cursor.object_name()?;
            if !cursor.keywords(&["PRIMARY", "KEY"]) {
                return cursor.expected("PRIMARY KEY");
            }
            table_key(cursor, table)?;
        } else if cursor.keywords(&["PRIMARY", "KEY"]) {
            table_key(cursor, table)?;
        } else if cursor.clone().keywords(&["WATERMARK", "FOR"]) {
            return Err(to_datafusion(Error::unsupported(
                "WATERMARK FOR is not supported: it is Flink's, where streams have event time; leave it out, columns and \
                 options are read without it",
            )));
        } else {
            column(cursor, table)?;
        }
        if cursor.eat(&Token::RParen) {
            return Ok(());
        }
        if !cursor.eat(&Token::Comma) {
            return cursor.expected(", or )");
        }
    }
}

fn table_key(cursor: &mut Cursor, table: &mut NewTable) -> Result<()> {
    let keys = names(cursor)?;
    cursor.keywords(&["NOT", "ENFORCED"]);
    set_key(table, keys)
}

fn set_key(table: &mut NewTable, keys: Vec<String>) -> Result<()> {
    if !table.primary_keys.is_empty() {
        return Err(DataFusionError::Plan(
            "a table has one primary key, found two".into(),
        ));
    }
    table.primary_keys = keys;
    Ok(())
}

fn column(cursor: &mut Cursor, table: &mut NewTable) -> Result<()> {
    let name = match cursor.object_name()?.as_slice() {
        [name] => ident_text(name),
        _ => return cursor.expected("the name of a column"),
    };
    if cursor.keyword("AS") {
        return Err(to_datafusion(
            Error::unsupported(
                "computed columns are not supported: they are Flink's, which keeps them beside the rows; make a view with \
                 the expression instead",
            )
            .with("column", name),
        ));
    }
    let mut column = NewColumn {
        data_type: types::read(cursor)?,
        name,
        comment: None,
        default: None,
    };
    loop {
        if cursor.keywords(&["NOT", "NULL"]) {
            column.data_type.nullable = false;
        } else if cursor.keyword("NULL") {
            column.data_type.nullable = true;
        } else if cursor.keyword("COMMENT") {
            column.comment = Some(cursor.string()?);
        } else if cursor.keyword("DEFAULT") {
            column.default = default(cursor)?;
        } else if cursor.keywords(&["PRIMARY", "KEY"]) {
            cursor.keywords(&["NOT", "ENFORCED"]);
            set_key(table, vec![column.name.clone()])?;
        } else {
            break;
        }
    }
    table.columns.push(column);
    Ok(())
}

/// A constant; NULL is no default.
pub(in crate::statement) fn default(cursor: &mut Cursor) -> Result<Option<String>> {
    if let Ok(text) = cursor.string() {
        return Ok(Some(text));
    }
    let negative = cursor.eat(&Token::Minus);
    let sign = if negative { "-" } else { "" };
    match cursor.take() {
        Some(Token::Number(digits, _)) => Ok(Some(format!("{sign}{digits}"))),
        Some(Token::Word(word)) if !negative && word.quote_style.is_none() => {
            match word.value.to_ascii_uppercase().as_str() {
                "TRUE" => Ok(Some("true".into())),
                "FALSE" => Ok(Some("false".into())),
                "NULL" => Ok(None),
                "DATE" | "TIMESTAMP" | "TIME" => cursor.string().map(Some),
                _ => cursor.expected("a constant as default"),
            }
        }
        _ => cursor.expected("a constant as default"),
    }
}
