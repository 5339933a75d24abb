//! Spark's `WITH q AS (..) INSERT INTO t SELECT .. FROM q`: the same as `INSERT INTO t WITH q AS (..) SELECT .. FROM q`.

use std::ops::Range;

use datafusion::error::Result;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace};

use super::Cursor;

/// The statement with the common table expressions in front of the query of the INSERT instead of the INSERT; any other
/// statement as it is. `cursor` has read the tokens up to an EXPLAIN, `query_of` tells where the query of an INSERT begins.
///
/// # Errors
/// Those of `query_of`.
pub(crate) fn with_before_query(
    tokens: Vec<TokenWithSpan>,
    cursor: &Cursor,
    query_of: impl FnOnce(&mut Cursor) -> Result<Option<usize>>,
) -> Result<Vec<TokenWithSpan>> {
    let Some(ctes) = ctes_before_insert(cursor) else {
        return Ok(tokens);
    };
    let mut insert = Cursor::new(&tokens);
    while insert.origin().is_some_and(|at| at < ctes.end) {
        insert.take();
    }
    let Some(query) = query_of(&mut insert)? else {
        return Ok(tokens);
    };
    let slice = |range: Range<usize>| tokens.get(range).unwrap_or_default().to_vec();
    let mut moved = slice(0..ctes.start);
    moved.extend(slice(ctes.end..query));
    moved.extend(slice(ctes));
    moved.push(TokenWithSpan::new(
        Token::Whitespace(Whitespace::Space),
        Span::empty(),
    ));
    // a WITH of the query's own lies within
    let is_with = |t: &TokenWithSpan| matches!(&t.token, Token::Word(w) if w.value.eq_ignore_ascii_case("WITH"));
    let own = tokens.get(query).is_some_and(is_with);
    if own {
        moved.push(TokenWithSpan::new(Token::LParen, Span::empty()));
    }
    moved.extend(slice(query..tokens.len()));
    if own {
        moved.push(TokenWithSpan::new(Token::RParen, Span::empty()));
    }
    Ok(moved)
}

/// Where `WITH a AS (..), b (x) AS (..)` lies that an INSERT follows.
fn ctes_before_insert(cursor: &Cursor) -> Option<Range<usize>> {
    let mut ahead = cursor.clone();
    let start = ahead.origin()?;
    if !ahead.keyword("WITH") {
        return None;
    }
    ahead.keyword("RECURSIVE");
    loop {
        ahead.object_name().ok()?;
        if ahead.peek() == Some(&Token::LParen) {
            ahead.parenthesised().ok()?;
        }
        if !ahead.keyword("AS") {
            return None;
        }
        ahead.parenthesised().ok()?;
        if !ahead.eat(&Token::Comma) {
            break;
        }
    }
    let end = ahead.origin()?;
    ahead.keyword("INSERT").then_some(start..end)
}
