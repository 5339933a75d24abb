//! Options hints: `/*+ OPTIONS('key' = 'value', ...) */`.

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::cursor::{Cursor, given_once};
use super::redact_sql;

/// Key and value pairs of a hint comment without its `/*` and `*/`; `None` when it is not an OPTIONS hint.
///
/// # Errors
/// When it begins with OPTIONS but the pairs are malformed, or an option is there twice.
pub(crate) fn parse_hint(comment: &str) -> Result<Option<Vec<(String, String)>>> {
    let Some(text) = comment.strip_prefix('+') else {
        return Ok(None);
    };
    let begins = text.trim_start().get(..7);
    if !begins.is_some_and(|b| b.eq_ignore_ascii_case("options")) {
        return Ok(None);
    }
    let malformed = || {
        DataFusionError::Plan(format!(
            "malformed hint {}: expected /*+ OPTIONS('key' = 'value', ...) */",
            redact_sql(&format!("/*{comment}*/"))
        ))
    };
    let mut cursor = Cursor::from_sql(text).map_err(|_| malformed())?;
    cursor.keyword("OPTIONS");
    let pairs = cursor.pairs().map_err(|_| malformed())?;
    cursor.end().map_err(|_| malformed())?;
    given_once(pairs.iter().map(|(key, _)| key.as_str()))?;
    Ok(Some(pairs))
}

/// Pairs of the options hints among tokens.
///
/// # Errors
/// As [`parse_hint`].
pub(crate) fn hints_in(tokens: &[TokenWithSpan]) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for token in tokens {
        if let Token::Whitespace(Whitespace::MultiLineComment(comment)) = &token.token {
            pairs.extend(parse_hint(comment)?.unwrap_or_default());
        }
    }
    given_once(pairs.iter().map(|(key, _)| key.as_str()))?;
    Ok(pairs)
}

/// The hint as text, in the form that [`parse_hint`] reads.
pub(crate) fn format_hint(options: &[(String, String)]) -> String {
    let quote = |text: &str| Token::SingleQuotedString(text.replace('\'', "''")).to_string();
    let pairs: Vec<String> = options
        .iter()
        .map(|(k, v)| format!("{}={}", quote(k), quote(v)))
        .collect();
    format!("/*+ OPTIONS({}) */", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_option_that_is_given_twice_is_named() {
        let tokens =
            crate::parse::tokenize("t /*+ OPTIONS('a'='1') */ /*+ OPTIONS('b'='1', 'a'='2') */");
        let several = hints_in(&tokens.unwrap()).unwrap_err();
        let one = parse_hint("+OPTIONS('a'='1', a = '1')").unwrap_err();
        for error in [several, one] {
            assert!(
                error.to_string().contains("option a is given twice"),
                "{error}"
            );
        }
    }

    #[test]
    fn pairs_are_read_with_any_quotes_and_spaces() {
        let pairs = parse_hint(
            "+ options ( 'scan.snapshot-id' = '2','a'='it''s' , scan.tag-name = 'x', n=3) ",
        )
        .unwrap()
        .unwrap();
        let expected = [
            ("scan.snapshot-id", "2"),
            ("a", "it's"),
            ("scan.tag-name", "x"),
            ("n", "3"),
        ];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_string(), v.to_string())));
        let text = format_hint(&pairs);
        let inner = text.strip_prefix("/*").unwrap().strip_suffix("*/").unwrap();
        assert_eq!(parse_hint(inner).unwrap().unwrap(), pairs);
    }

    #[test]
    fn other_hints_are_none_and_malformed_ones_errors() {
        assert!(parse_hint("+ BROADCAST(t) ").unwrap().is_none());
        assert!(parse_hint(" OPTIONS('a'='b') ").unwrap().is_none());
        for bad in [
            "+ OPTIONS",
            "+ OPTIONS('a')",
            "+ OPTIONS('a'='b'",
            "+OPTIONS('a'='b') x",
        ] {
            assert!(parse_hint(bad).is_err(), "{bad}");
        }
    }
}
