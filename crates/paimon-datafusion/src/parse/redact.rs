//! Statements for messages, logs and the history, without secrets.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use paimon_catalog::is_secret_key;

const HIDDEN: &str = "******";

/// The statement with the values of secret-like keys (`'key' = 'value'` and `SET key = value`) replaced by `******`.
/// A text that is no SQL is cut down to its first word.
pub fn redact_sql(sql: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&GenericDialect, sql)
        .with_unescape(false)
        .tokenize()
    else {
        let word = sql.split_whitespace().next().unwrap_or_default();
        return format!("{word} ...");
    };
    let mut out = String::new();
    // text of the key being read, and whether the next value belongs to a secret key
    let mut key = String::new();
    let mut secret = false;
    for token in tokens {
        match &token {
            Token::Whitespace(_) => {}
            Token::Eq | Token::RArrow => {
                secret = is_secret_key(&key);
                key.clear();
            }
            Token::SingleQuotedString(_) | Token::Word(_) | Token::Number(..) if secret => {
                out.push('\'');
                out.push_str(HIDDEN);
                out.push('\'');
                secret = false;
                continue;
            }
            Token::SingleQuotedString(text) => {
                key.clone_from(text);
                if let Some(shown) = without_secret_options(text) {
                    out.push_str(&format!("'{shown}'"));
                    continue;
                }
            }
            Token::Word(word) => key.push_str(&word.value),
            Token::Period | Token::Minus => key.push('.'),
            _ => {
                key.clear();
                secret = false;
            }
        }
        out.push_str(&token.to_string());
    }
    out
}

/// A text of options, `key=value,key=value`, without the values of secret keys; `None` when it holds none.
fn without_secret_options(text: &str) -> Option<String> {
    let hide = |part: &str| match part.split_once('=') {
        Some((key, value)) if is_secret_key(key.trim()) && !value.trim().is_empty() => {
            format!("{key}={HIDDEN}")
        }
        _ => part.to_string(),
    };
    let shown: Vec<String> = text.split(',').map(hide).collect();
    let shown = shown.join(",");
    (shown != text).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_keys_are_hidden() {
        for sql in [
            "CREATE CATALOG c WITH ('s3.secret-key' = 'hush', 'warehouse'='/x')",
            "ALTER CATALOG c SET ('warehouse'='/x', 's3.secret-key' = 'hush')",
            "SET spark.paimon.fs.s3a.access.key = hush",
            "SELECT * FROM t /*+ OPTIONS('a'='b') */ WHERE password = 'hush'",
            "SET a.password='hush'",
            "CALL sys.compact('t', options => 's3.secret-key=hush,a=b')",
            "CALL sys.compact('t', 'a=b, s3.access-key = hush')",
        ] {
            let shown = redact_sql(sql);
            assert!(!shown.contains("hush"), "{shown}");
        }
        let options = "CALL sys.compact(options => 'a=b,s3.secret-key=hush')";
        assert_eq!(
            redact_sql(options),
            "CALL sys.compact(options => 'a=b,s3.secret-key=******')"
        );
        let plain = "SELECT a AS \"B\", 'it''s' FROM t WHERE id = 'x'";
        assert_eq!(redact_sql(plain), plain);
        assert_eq!(redact_sql("SELECT 'hush"), "SELECT ...");
    }
}
