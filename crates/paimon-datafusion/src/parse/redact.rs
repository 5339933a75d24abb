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
    /// The value of a key that is no secret.
    Value,
    /// Beside a secret key in quotes.
    Literal,
    /// Assigned to a secret key.
    Secret,
    /// More of a value that is not in quotes.
    Rest,
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
            Token::Whitespace(_) | Token::Comma | Token::RParen | Token::SemiColon
                if self.next == Next::Rest =>
            {
                self.next = Next::Plain;
            }
            _ if self.next == Next::Rest => return,
            Token::Whitespace(_) => {}
            Token::Eq | Token::RArrow => {
                let secret = self.next == Next::Literal || is_secret_key(&self.key);
                self.next = if secret { Next::Secret } else { Next::Value };
                self.key.clear();
            }
            Token::Comma if self.next == Next::Literal => {}
            Token::SingleQuotedString(_) | Token::Number(..) if self.next == Next::Literal => {
                return self.hide();
            }
            _ if self.next == Next::Secret => {
                self.hide();
                self.next = Next::Rest;
                return;
            }
            Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::DollarQuotedString(_)
                if self.next == Next::Literal =>
            {
                return self.hide();
            }
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
        let is_value = self.next == Next::Value;
        self.next = match !is_value && is_secret_key(text) {
            true => Next::Literal,
            false => Next::Plain,
        };
        if !is_value {
            self.key.push_str(text);
        }
        self.shown.push_str(&format!("'{}'", redact_text(text)));
    }
}

/// A text without what follows a secret key (`key=value` or `key: value`, also of URLs), and without the passwords of URLs.
pub(crate) fn redact_text(text: &str) -> String {
    let secret = text.match_indices(['=', ':']).find(|(at, _)| {
        let before = text[..*at].trim_end();
        let key = before
            .rsplit([',', ';', '&', '?', '\n', ' ', '{', '/'])
            .next();
        key.is_some_and(is_secret_key)
    });
    match secret {
        Some((at, _)) if !text[at + 1..].trim().is_empty() => {
            format!("{}{HIDDEN}", without_passwords(&text[..=at]))
        }
        _ => without_passwords(text),
    }
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
            "CALL sys.compact('t', options => 'a=b s3.secret-key = hu,hush')",
            "SET s3.secret-key = abc/hush+hush",
            "SET s3.secret-key = hush/abc",
            "CREATE CATALOG c WITH ('s3.secret-key' = $$hush$$)",
            "CREATE CATALOG c WITH ('s3.secret-key' = E'hush')",
            "CALL sys.clone(catalog_conf => map('password', N'hush'))",
            "CREATE CATALOG c WITH ('warehouse'='/data/secrets/wh','jdbc.password'='hush')",
            "CREATE CATALOG c WITH ('x'='token=abc','jdbc.password'='hush')",
            "CREATE CATALOG c WITH ('header.Authorization'='hush')",
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
