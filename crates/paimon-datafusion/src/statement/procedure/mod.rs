//! `CALL sys.name(..)`: arguments by name (`arg => value`) or position.

mod arguments;
mod branches;
mod compact;
mod consumers;
mod expiry;
mod list;
mod merge_into;
mod metastore;
mod orphans;
mod partitions;
mod plan;
mod rows;
mod snapshots;
mod tags;
mod upkeep;

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::Token;

use arguments::Value;
pub(super) use plan::catalog_named;
pub(crate) use plan::plan;
pub(super) use tags::replace_existing;

use super::ident_text;
use crate::parse::Cursor;

/// A call as parsed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// `sys.name`, `name` or `catalog.sys.name`.
    name: Vec<Ident>,
    /// Names, where given, and values.
    arguments: Vec<(Option<String>, Value)>,
}

impl Call {
    /// Recognises a call; `None` for all other statements.
    ///
    /// # Errors
    /// When it is malformed.
    pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<Self>> {
        if !cursor.keyword("CALL") {
            return Ok(None);
        }
        let name = cursor.object_name()?;
        if !cursor.eat(&Token::LParen) {
            return cursor.expected("(");
        }
        let mut arguments = Vec::new();
        if !cursor.eat(&Token::RParen) {
            loop {
                arguments.push(argument(cursor)?);
                if cursor.eat(&Token::RParen) {
                    break;
                }
                if !cursor.eat(&Token::Comma) {
                    return cursor.expected(", or )");
                }
            }
        }
        cursor.end()?;
        Ok(Some(Self { name, arguments }))
    }

    /// Name of the procedure in lower case.
    ///
    /// # Errors
    /// When it is not in `sys`.
    fn procedure(&self) -> Result<String> {
        let parts: Vec<String> = self.name.iter().map(ident_text).collect();
        match parts.as_slice() {
            [name] => Ok(name.clone()),
            [sys, name] | [_, sys, name] if sys == "sys" => Ok(name.clone()),
            _ => Err(DataFusionError::Plan(format!(
                "procedures are called as sys.name, found {}",
                parts.join(".")
            ))),
        }
    }
}

fn argument(cursor: &mut Cursor) -> Result<(Option<String>, Value)> {
    let mut ahead = cursor.clone();
    if let Some(Token::Word(word)) = ahead.take()
        && ahead.eat(&Token::RArrow)
    {
        *cursor = ahead;
        return Ok((Some(word.value.to_ascii_lowercase()), value(cursor)?));
    }
    Ok((None, value(cursor)?))
}

/// Reads `('key', 'value', ..)` or `['key', 'value', ..]` after the word `map`.
fn map(cursor: &mut Cursor) -> Result<Value> {
    let end = match cursor.take() {
        Some(Token::LParen) => Token::RParen,
        Some(Token::LBracket) => Token::RBracket,
        _ => return cursor.expected("map('key', 'value')"),
    };
    let mut texts = Vec::new();
    while !cursor.eat(&end) {
        if !texts.is_empty() && !cursor.eat(&Token::Comma) {
            return cursor.expected("`,` or the end of the map");
        }
        texts.push(match value(cursor)? {
            Value::Text(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Boolean(given) => given.to_string(),
            Value::Map(_) | Value::Null => return cursor.expected("a text"),
        });
    }
    let pairs = texts.chunks_exact(2);
    match pairs.remainder() {
        [] => Ok(Value::Map(
            pairs.map(|p| (p[0].clone(), p[1].clone())).collect(),
        )),
        _ => cursor.expected("a value for each key of the map"),
    }
}

fn value(cursor: &mut Cursor) -> Result<Value> {
    if let Ok(text) = cursor.string() {
        return Ok(Value::Text(text));
    }
    let negative = cursor.eat(&Token::Minus);
    match cursor.take() {
        Some(Token::Number(digits, _)) => {
            let sign = if negative { "-" } else { "" };
            let text = format!("{sign}{digits}");
            match text.parse() {
                Ok(number) => Ok(Value::Number(number)),
                Err(_) => cursor.expected("a whole number"),
            }
        }
        Some(Token::Word(word)) if !negative => match word.value.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            "null" => Ok(Value::Null),
            "map" => map(cursor),
            // TIMESTAMP '2024-01-01 00:00:00'
            "timestamp" | "date" => cursor.string().map(Value::Text),
            _ => cursor.expected("a value"),
        },
        _ => cursor.expected("a value"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn parse(sql: &str) -> Result<Call> {
        let call = Call::parse(&mut Cursor::from_sql(sql)?)?;
        Ok(call.expect("a call"))
    }

    #[test]
    fn arguments_by_name_and_position() {
        let call =
            parse("CALL sys.x('db.t', retain_max => 5, dry_run => true, z => -1, w => NULL)");
        let call = call.unwrap();
        assert_eq!(call.procedure().unwrap(), "x");
        assert_eq!(
            call.arguments,
            [
                (None, Value::Text("db.t".into())),
                (Some("retain_max".into()), Value::Number(5)),
                (Some("dry_run".into()), Value::Boolean(true)),
                (Some("z".into()), Value::Number(-1)),
                (Some("w".into()), Value::Null),
            ]
        );
        assert!(parse("CALL sys.x()").unwrap().arguments.is_empty());
        let call = parse("CALL sys.x(map('a', 'b', 'c', 1), o => MAP['d', true], map())").unwrap();
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
            Value::Map(pairs.collect())
        };
        assert_eq!(
            call.arguments,
            [
                (None, map(&[("a", "b"), ("c", "1")])),
                (Some("o".into()), map(&[("d", "true")])),
                (None, map(&[])),
            ]
        );
    }

    #[test]
    fn malformed_calls_are_errors() {
        for sql in [
            "CALL sys.x",
            "CALL sys.x(1.5)",
            "CALL sys.x(a =>)",
            "CALL sys.x(1 2)",
            "CALL sys.x(1) 2",
            "CALL sys.x(map('a'))",
            "CALL sys.x(map('a', map('b', 'c')))",
            "CALL sys.x(map('a', NULL))",
            "CALL sys.x(map('a', 'b'])",
            "CALL sys.x(map)",
        ] {
            assert!(parse(sql).is_err(), "{sql}");
        }
        assert!(
            Call::parse(&mut Cursor::from_sql("SHOW TABLES").unwrap())
                .unwrap()
                .is_none()
        );
        assert!(parse("CALL other.x()").unwrap().procedure().is_err());
    }
}
