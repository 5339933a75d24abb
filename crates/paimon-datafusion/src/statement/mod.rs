//! The statements that DataFusion does not have, in Spark's and Flink's spellings.

mod command;
pub(crate) mod ddl;
mod describe;
mod procedure;
mod refuse;
mod result;
mod run;
mod show;
mod show_create;

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

pub(crate) use command::{Command, parse};
pub(crate) use refuse::{refuse, targets_paimon};
pub(crate) use run::run;

/// Text of a name part: as written in quotes, else in lower case.
pub(crate) fn ident_text(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// `CREATE TEMPORARY VIEW` means `CREATE VIEW`: all views live in the session.
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
