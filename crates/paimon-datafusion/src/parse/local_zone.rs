//! The SQL standard's name of an instant type, which DataFusion's parser does not know.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Writes `TIMESTAMP[(p)] WITH LOCAL TIME ZONE` as `TIMESTAMP_LTZ[(p)]`.
pub(super) fn with_ltz_names(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut tokens = tokens;
    let mut from = 0;
    while let Some(at) = find(&tokens, from) {
        from = at + 1;
        let Some((zone, end)) = zone_behind(&tokens, at) else {
            continue;
        };
        tokens.drain(zone..end);
        if let Some(token) = tokens.get_mut(at) {
            token.token = Token::Word(Word {
                value: "TIMESTAMP_LTZ".into(),
                quote_style: None,
                keyword: Keyword::NoKeyword,
            });
        }
    }
    tokens
}

fn find(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    let rest = tokens.get(from..)?;
    Some(from + rest.iter().position(|t| is_word(t, "TIMESTAMP"))?)
}

/// Range of `WITH LOCAL TIME ZONE` behind the type's name and precision.
fn zone_behind(tokens: &[TokenWithSpan], name: usize) -> Option<(usize, usize)> {
    let mut at = next(tokens, name)?;
    if tokens.get(at)?.token == Token::LParen {
        let number = next(tokens, at)?;
        if !matches!(tokens.get(number)?.token, Token::Number(..)) {
            return None;
        }
        let close = next(tokens, number)?;
        if tokens.get(close)?.token != Token::RParen {
            return None;
        }
        at = next(tokens, close)?;
    }
    let start = at;
    for (i, word) in ["WITH", "LOCAL", "TIME", "ZONE"].iter().enumerate() {
        if i > 0 {
            at = next(tokens, at)?;
        }
        if !is_word(tokens.get(at)?, word) {
            return None;
        }
    }
    Some((start, at + 1))
}

fn next(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    let rest = tokens.get(at + 1..)?;
    let step = rest
        .iter()
        .position(|t| !matches!(t.token, Token::Whitespace(_)))?;
    Some(at + 1 + step)
}

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::parse::tokenize;

    #[test]
    fn only_types_are_renamed() {
        for (sql, expected) in [
            (
                "CAST(x AS TIMESTAMP(3) WITH LOCAL TIME ZONE)",
                "CAST(x AS TIMESTAMP_LTZ(3) )",
            ),
            (
                "x::timestamp with local time zone, y",
                "x::TIMESTAMP_LTZ , y",
            ),
            (
                "CAST(x AS TIMESTAMP WITH TIME ZONE)",
                "CAST(x AS TIMESTAMP WITH TIME ZONE)",
            ),
            ("SELECT timestamp FROM t", "SELECT timestamp FROM t"),
        ] {
            let tokens = with_ltz_names(tokenize(sql).unwrap());
            let text: String = tokens.iter().map(|t| t.token.to_string()).collect();
            assert_eq!(text, expected);
        }
    }
}
