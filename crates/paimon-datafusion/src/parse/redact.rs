//! Statements for messages, logs and the history, without secrets.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Whitespace};
use paimon_catalog::is_secret_key;

const HIDDEN: &str = "******";

/// The statement with the values of secret-like keys replaced by `******`: behind `=` and `=>`, beside a quoted key
/// (`map('key', 'value')`, `OPTIONS ('key' 'value')`), inside of texts and hints, and passwords of URLs.
/// A text that is no SQL is cut down to its first word.
pub fn redact_sql(sql: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&GenericDialect, sql)
        .with_unescape(false)
        .tokenize()
    else {
        let word = sql.split_whitespace().next().unwrap_or_default();
        return format!("{word} ...");
    };
    let mut redaction = Redaction::default();
    for token in tokens {
        redaction.push(&token);
    }
    redaction.shown
}

/// What the next value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Next {
    #[default]
    Plain,
    /// Beside a secret key in quotes.
    Literal,
    /// Assigned to a secret key.
    Secret,
}

#[derive(Default)]
struct Redaction {
    shown: String,
    /// Text of the key being read.
    key: String,
    next: Next,
}

impl Redaction {
    fn push(&mut self, token: &Token) {
        match token {
            Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with('+') => {
                let hint = redact_sql(&text[1..]);
                self.shown.push_str(&format!("/*+{hint}*/"));
                return;
            }
            Token::Whitespace(_) => {}
            Token::Eq | Token::RArrow => {
                let secret = self.next == Next::Literal || is_secret_key(&self.key);
                self.next = if secret { Next::Secret } else { Next::Plain };
                self.key.clear();
            }
            Token::Comma if self.next == Next::Literal => {}
            Token::SingleQuotedString(_) | Token::Number(..) if self.next != Next::Plain => {
                return self.hide();
            }
            Token::Word(_) if self.next == Next::Secret => return self.hide(),
            Token::SingleQuotedString(text) => return self.text(text),
            Token::Word(word) => {
                self.key.push_str(&word.value);
                self.next = Next::Plain;
            }
            Token::Period | Token::Minus => self.key.push('.'),
            _ => {
                self.key.clear();
                self.next = Next::Plain;
            }
        }
        self.shown.push_str(&token.to_string());
    }

    fn hide(&mut self) {
        self.shown.push_str(&format!("'{HIDDEN}'"));
        self.next = Next::Plain;
        self.key.clear();
    }

    fn text(&mut self, text: &str) {
        self.key.clear();
        self.next = match is_secret_key(text) {
            true => Next::Literal,
            false => Next::Plain,
        };
        self.key.push_str(text);
        self.shown.push_str(&format!("'{}'", redact_text(text)));
    }
}

/// A text without the values of secret keys (`key=value` or `key: value`, also of URLs) and without the passwords of
/// URLs.
pub(crate) fn redact_text(text: &str) -> String {
    let mut shown = String::new();
    for part in text.split_inclusive([',', ';', '&', '?', '\n']) {
        let end = part.trim_end_matches([',', ';', '&', '?', '\n']);
        match end.split_once(['=', ':']) {
            Some((key, value)) if is_secret_key(key.trim()) && !value.trim().is_empty() => {
                let between = &end[key.len()..=key.len()];
                shown.push_str(&format!("{key}{between}{HIDDEN}"));
            }
            _ => shown.push_str(end),
        }
        shown.push_str(&part[end.len()..]);
    }
    without_passwords(&shown)
}

/// The same without what stands for user and password in `scheme://user:password@host`.
fn without_passwords(text: &str) -> String {
    let mut pieces = text.split("://");
    let mut shown = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        shown.push_str("://");
        let host = piece.find(['/', '?', '#', ' ']).unwrap_or(piece.len());
        match piece[..host].rfind('@') {
            Some(at) if piece[..at].contains(':') => {
                shown.push_str(HIDDEN);
                shown.push_str(&piece[at..]);
            }
            _ => shown.push_str(piece),
        }
    }
    shown
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
            "CALL sys.clone(catalog_conf => map('s3.secret-key','hush','password', 'hush', 'a', 'b'))",
            "SELECT * FROM t /*+ OPTIONS('s3.secret-key'='hush') */",
            "COPY t TO 'x' OPTIONS ('aws.secret_access_key' 'hush')",
            "SELECT * FROM read_csv('https://u:hush@h/a.csv')",
            "COPY t TO 's3://u:hush@h/a'",
            "CREATE CATALOG c WITH ('uri'='jdbc:mysql://u:hush@h/d?x=1&password=hush')",
            "CALL sys.compact('t', options => 's3.secret-key: hush')",
        ] {
            let shown = redact_sql(sql);
            assert!(!shown.contains("hush"), "{shown}");
        }
        let options = "CALL sys.compact(options => 'a=b,s3.secret-key=hush')";
        assert_eq!(
            redact_sql(options),
            "CALL sys.compact(options => 'a=b,s3.secret-key=******')"
        );
        for plain in [
            "SELECT a AS \"B\", 'it''s' FROM t WHERE id = 'x'",
            "SELECT password, name FROM t /* as 'a' = 'b' */",
            "COPY t TO 'abfss://c@account/x' OPTIONS ('format' 'csv')",
            "SELECT 'a', 'b' /*+ OPTIONS('a'='b') */",
        ] {
            assert_eq!(redact_sql(plain), plain);
        }
        assert_eq!(redact_sql("SELECT 'hush"), "SELECT ...");
    }
}
