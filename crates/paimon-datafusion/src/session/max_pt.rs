//! `sys.max_pt('t')`: the highest value of the first partition column among partitions with files.
//!
//! It is a constant of the statement: the call is replaced in the token stream before planning, so that it prunes
//! partitions. Source: `MaxPtFunction`.

use std::cmp::Ordering;
use std::ops::Range;

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};
use paimon_core::Error;
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::manifest::partition_values;
use paimon_core::spec::{DataField, Datum, TypeKind, partition_value_text};
use paimon_core::table::Table;

use super::PaimonSession;
use crate::error::to_datafusion;
use crate::parse::tokenize;

/// Puts values in place of the calls.
///
/// # Errors
/// When the argument is no text, the table is not there or not partitioned, or no partition has files.
pub(super) async fn with_max_pt(
    session: &PaimonSession,
    mut tokens: Vec<TokenWithSpan>,
) -> Result<Vec<TokenWithSpan>> {
    while let Some(call) = find(&tokens)? {
        let name = call.table.split('.').map(|part| {
            let part = part.trim().trim_matches('`').trim_matches('"');
            Ident::with_quote('"', part)
        });
        let table = session
            .paimon_table(&name.collect::<Vec<_>>(), Vec::new())
            .await?;
        let literal = highest(&table)
            .await
            .map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
        let literal = tokenize(&literal)?.into_iter();
        let literal = literal.map(|t| TokenWithSpan::new(t.token, Span::empty()));
        tokens.splice(call.tokens, literal);
    }
    Ok(tokens)
}

#[derive(Debug, PartialEq)]
struct Call {
    tokens: Range<usize>,
    /// Its argument.
    table: String,
}

/// The first call.
fn find(tokens: &[TokenWithSpan]) -> Result<Option<Call>> {
    let words: Vec<(usize, &Token)> = tokens
        .iter()
        .enumerate()
        .filter(|(_, t)| !matches!(t.token, Token::Whitespace(_)))
        .map(|(at, t)| (at, &t.token))
        .collect();
    let is = |token: &Token, name: &str| match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(name),
        _ => false,
    };
    for (i, window) in words.windows(4).enumerate() {
        let [
            (start, sys),
            (_, Token::Period),
            (_, name),
            (open, Token::LParen),
        ] = window
        else {
            continue;
        };
        if !is(sys, "sys") || !is(name, "max_pt") {
            continue;
        }
        let start = match words.get(i.saturating_sub(2)..i) {
            // of whatever catalog
            Some([(catalog, Token::Word(_)), (_, Token::Period)]) => catalog,
            _ => start,
        };
        let mut arguments = words.iter().skip_while(|(at, _)| at <= open);
        return match (arguments.next(), arguments.next()) {
            (Some((_, Token::SingleQuotedString(table))), Some((end, Token::RParen))) => {
                Ok(Some(Call {
                    tokens: *start..end + 1,
                    table: table.clone(),
                }))
            }
            _ => Err(DataFusionError::Plan(
                "sys.max_pt takes the name of a table as text, such as sys.max_pt('db.t')".into(),
            )),
        };
    }
    Ok(None)
}

/// The value as SQL of the column's type.
async fn highest(table: &Table) -> paimon_core::Result<String> {
    let fields = table.schema().partition_fields();
    let Some(field) = fields.first() else {
        return Err(Error::invalid("the table is not partitioned"));
    };
    let mut highest: Option<Datum> = None;
    if let Some(snapshot) = table.current_snapshot().await? {
        let (files, _) = table.manifest_scan().live_files(&snapshot).await?;
        for file in files {
            let mut values = partition_values(&file.partition, &fields)?.into_iter();
            let Some(value) = values.next().flatten() else {
                continue;
            };
            let is_higher = |other: &Datum| value.compare(other) == Some(Ordering::Greater);
            if highest.as_ref().is_none_or(is_higher) {
                highest = Some(value);
            }
        }
    }
    match highest {
        Some(value) => Ok(literal(&value, field)),
        None => Err(Error::invalid(
            "no partition of the table has a value and files",
        )),
    }
}

fn literal(value: &Datum, field: &DataField) -> String {
    let text = match value {
        // a folder would stand for blank texts under another name
        Datum::String(text) => text.clone(),
        _ => partition_value_text(Some(value), &field.data_type, "", false),
    };
    let text = format!("'{}'", text.replace('\'', "''"));
    match field.data_type.kind {
        TypeKind::Char(_) | TypeKind::VarChar(_) => text,
        _ => format!("arrow_cast({text}, '{}')", arrow_type(&field.data_type)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(sql: &str) -> Option<String> {
        find(&tokenize(sql).unwrap()).unwrap().map(|c| c.table)
    }

    #[test]
    fn a_catalog_before_it_is_part_of_the_call() {
        let tokens = tokenize("SELECT 1, paimon.sys.max_pt('t') + 1").unwrap();
        let call = find(&tokens).unwrap().unwrap();
        let rest = tokens.get(..call.tokens.start).unwrap();
        let rest: String = rest.iter().map(|t| t.token.to_string()).collect();
        assert_eq!(rest, "SELECT 1, ");
    }

    #[test]
    fn calls_are_found_and_others_left_alone() {
        let sql = "SELECT 1 FROM t WHERE p = SYS . max_pt ( 'a.b' )";
        assert_eq!(found(sql).as_deref(), Some("a.b"));
        for sql in [
            "SELECT max_pt('t')",
            "SELECT 'sys.max_pt(''t'')'",
            "SELECT sys.max_pt",
        ] {
            assert_eq!(found(sql), None, "{sql}");
        }
        for sql in ["SELECT sys.max_pt(t)", "SELECT sys.max_pt('t', 1)"] {
            assert!(find(&tokenize(sql).unwrap()).is_err(), "{sql}");
        }
    }
}
