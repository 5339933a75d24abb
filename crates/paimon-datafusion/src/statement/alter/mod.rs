//! `ALTER TABLE`, as Spark and Flink have it.

mod columns;
mod run;

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_core::schema::SchemaChange;

pub(crate) use run::{checked, plan};

use super::partition::PartitionSpec;
use crate::parse::Cursor;

/// A statement as parsed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AlterTable {
    table: Vec<Ident>,
    /// Whether a missing table is fine.
    if_exists: bool,
    action: Action,
}

/// What becomes of the table.
#[derive(Debug, Clone, PartialEq)]
enum Action {
    /// A new schema.
    Schema(Vec<SchemaChange>),
    /// A new schema with those of these columns that are not there yet.
    AddMissing(Vec<SchemaChange>),
    /// Folders of partitions of a format table.
    AddPartitions {
        specs: Vec<PartitionSpec>,
        /// Whether partitions that are there are fine.
        if_not_exists: bool,
    },
    /// A snapshot without some partitions, or their folders.
    DropPartitions {
        specs: Vec<PartitionSpec>,
        /// Whether partitions that are missing are fine.
        if_exists: bool,
    },
}

/// Recognises the statements that change the schema, add or drop partitions; `None` for all others, renames of tables and
/// tags among them.
///
/// # Errors
/// When it is one of ours but malformed.
pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<AlterTable>> {
    if !cursor.keywords(&["ALTER", "TABLE"]) {
        return Ok(None);
    }
    let if_exists = cursor.keywords(&["IF", "EXISTS"]);
    let table = cursor.object_name()?;
    let Some(action) = action(cursor)? else {
        return Ok(None);
    };
    cursor.end()?;
    Ok(Some(AlterTable {
        table,
        if_exists,
        action,
    }))
}

fn action(cursor: &mut Cursor) -> Result<Option<Action>> {
    if cursor.keyword("SET") {
        cursor.one_of(&["TBLPROPERTIES", "OPTIONS"]);
        return options(cursor).map(|changes| Some(Action::Schema(changes)));
    }
    if cursor.keywords(&["UNSET", "TBLPROPERTIES"]) || cursor.keyword("RESET") {
        cursor.keywords(&["IF", "EXISTS"]);
        return keys(cursor).map(|changes| Some(Action::Schema(changes)));
    }
    if cursor.keyword("DROP") {
        if cursor.keywords(&["PRIMARY", "KEY"]) {
            return Ok(Some(Action::Schema(vec![SchemaChange::DropPrimaryKey])));
        }
        let mut ahead = cursor.clone();
        let if_exists = ahead.keywords(&["IF", "EXISTS"]);
        if ahead.keyword("PARTITION") {
            *cursor = ahead;
            let specs = partitions(cursor, "DROP PARTITION")?;
            cursor.keyword("PURGE");
            return Ok(Some(Action::DropPartitions { specs, if_exists }));
        }
        return columns::drop(cursor).map(|changes| Some(Action::Schema(changes)));
    }
    let mut ahead = cursor.clone();
    if ahead.keyword("ADD") {
        let if_not_exists = ahead.keywords(&["IF", "NOT", "EXISTS"]);
        if ahead.keyword("PARTITION") {
            *cursor = ahead;
            let specs = partitions(cursor, "ADD PARTITION")?;
            if cursor.keyword("LOCATION") {
                return Err(DataFusionError::NotImplemented(
                    "ADD PARTITION .. LOCATION is not supported: partitions lie in the folder of their table".into(),
                ));
            }
            return Ok(Some(Action::AddPartitions {
                specs,
                if_not_exists,
            }));
        }
    }
    columns::changes(cursor)
}

/// `('key' = 'value', ..)`; the key `comment` stands for the comment of the table.
fn options(cursor: &mut Cursor) -> Result<Vec<SchemaChange>> {
    let pairs = cursor.options()?;
    let changes: Vec<_> = pairs
        .into_iter()
        .map(|(key, value)| match key.as_str() {
            "comment" => SchemaChange::UpdateComment(Some(value)),
            _ => SchemaChange::SetOption { key, value },
        })
        .collect();
    match changes.is_empty() {
        true => cursor.expected("options in parentheses"),
        false => Ok(changes),
    }
}

/// `('key', ..)`; the key `comment` stands for the comment of the table.
fn keys(cursor: &mut Cursor) -> Result<Vec<SchemaChange>> {
    let keys = key_list(cursor)?.into_iter();
    let changes = keys.map(|key| match key.as_str() {
        "comment" => SchemaChange::UpdateComment(None),
        _ => SchemaChange::RemoveOption { key },
    });
    Ok(changes.collect())
}

/// `('key', ..)`.
pub(super) fn key_list(cursor: &mut Cursor) -> Result<Vec<String>> {
    if !cursor.eat(&Token::LParen) {
        return cursor.expected("(");
    }
    let mut keys = Vec::new();
    loop {
        keys.push(match cursor.string() {
            Ok(key) => key,
            Err(_) => dotted(cursor)?,
        });
        if cursor.eat(&Token::RParen) {
            return Ok(keys);
        }
        if !cursor.eat(&Token::Comma) {
            return cursor.expected(", or )");
        }
    }
}

/// A key in bare words.
fn dotted(cursor: &mut Cursor) -> Result<String> {
    let mut key = String::new();
    loop {
        match cursor.peek() {
            Some(Token::Comma | Token::RParen) | None if !key.is_empty() => return Ok(key),
            Some(token @ (Token::Word(_) | Token::Period | Token::Minus | Token::Number(..))) => {
                key.push_str(&token.to_string());
            }
            _ => return cursor.expected("the key of an option"),
        }
        cursor.take();
    }
}

/// `(p = 1) [[,] PARTITION (..)]`.
fn partitions(cursor: &mut Cursor, statement: &str) -> Result<Vec<PartitionSpec>> {
    let mut specs = vec![PartitionSpec::parse(cursor)?];
    loop {
        let more = cursor.eat(&Token::Comma);
        match cursor.keyword("PARTITION") {
            true => specs.push(PartitionSpec::parse(cursor)?),
            false if more => return cursor.expected("PARTITION"),
            false => break,
        }
    }
    if specs.iter().any(|spec| !spec.is_static()) {
        return Err(DataFusionError::Plan(format!(
            "{statement} needs the values of partition columns"
        )));
    }
    Ok(specs)
}
