//! The SQL text of a type, as it stands in schema files: `DECIMAL(10, 2) NOT NULL`, `ARRAY<INT>`, `INT ARRAY`.
//!
//! Source: `DataTypeJsonParser`. Keywords ignore case, white space is free.

use super::{DataField, DataType, MAX_LENGTH, TypeKind};
use crate::error::{Error, Result};

/// Nesting that a type text may have at most.
const MAX_DEPTH: usize = 64;

/// Parses a type text. Nested ROW fields get ids counted from 0 in the order of the text.
///
/// # Errors
/// `InvalidInput` naming the text and what was expected.
pub fn parse_data_type(text: &str) -> Result<DataType> {
    let tokens = tokenize(text)?;
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        next_id: 0,
    };
    let parsed = parser.data_type(0)?;
    match parser.peek() {
        None => Ok(parsed),
        Some(token) => Err(parser.error(&format!("the end of the text, found {token:?}"))),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Symbol(char),
}

fn tokenize(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' | ')' | '<' | '>' | ',' | ':' => tokens.push(Token::Symbol(c)),
            '`' | '\'' | '"' => {
                let mut value = String::new();
                loop {
                    match chars.next() {
                        Some(q) if q == c && chars.peek() == Some(&c) => {
                            chars.next();
                            value.push(c);
                        }
                        Some(q) if q == c => break,
                        Some(other) => value.push(other),
                        None => {
                            return Err(
                                Error::invalid("type text ends inside quotes").with("type", text)
                            );
                        }
                    }
                }
                tokens.push(if c == '\'' {
                    Token::Text(value)
                } else {
                    Token::Quoted(value)
                });
            }
            other => {
                let mut word = String::from(other);
                while let Some(next) = chars.peek() {
                    if next.is_whitespace() || "()<>,:`'\"".contains(*next) {
                        break;
                    }
                    word.push(*next);
                    chars.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    next_id: i32,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn error(&self, expected: &str) -> Error {
        Error::invalid(format!("cannot parse the data type: expected {expected}"))
            .with("type", self.text)
    }

    fn word(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn words(&mut self, keywords: &[&str]) -> bool {
        let start = self.at;
        let all = keywords.iter().all(|k| self.word(k));
        if !all {
            self.at = start;
        }
        all
    }

    fn symbol(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(&Token::Symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.symbol(symbol) {
            return Ok(());
        }
        Err(self.error(&format!("`{symbol}`")))
    }

    fn data_type(&mut self, depth: usize) -> Result<DataType> {
        if depth > MAX_DEPTH {
            return Err(self.error(&format!("at most {MAX_DEPTH} nested types")));
        }
        let kind = self.kind(depth)?;
        let mut parsed = self.nullability(kind);
        loop {
            if self.word("ARRAY") {
                parsed = self.nullability(TypeKind::Array(Box::new(parsed)));
            } else if self.word("MULTISET") {
                parsed = self.nullability(TypeKind::Multiset(Box::new(parsed)));
            } else {
                return Ok(parsed);
            }
        }
    }

    fn nullability(&mut self, kind: TypeKind) -> DataType {
        let not_null = self.words(&["NOT", "NULL"]);
        if !not_null {
            self.word("NULL");
        }
        DataType {
            kind,
            nullable: !not_null,
        }
    }

    fn kind(&mut self, depth: usize) -> Result<TypeKind> {
        let Some(Token::Word(word)) = self.peek().cloned() else {
            return Err(self.error("a type name"));
        };
        self.at += 1;
        Ok(match word.to_ascii_uppercase().as_str() {
            "BOOLEAN" => TypeKind::Boolean,
            "TINYINT" => TypeKind::TinyInt,
            "SMALLINT" => TypeKind::SmallInt,
            "INT" | "INTEGER" => TypeKind::Int,
            "BIGINT" => TypeKind::BigInt,
            "FLOAT" => TypeKind::Float,
            "DOUBLE" => {
                self.word("PRECISION");
                TypeKind::Double
            }
            "DECIMAL" | "NUMERIC" | "DEC" => self.decimal()?,
            "STRING" => TypeKind::VarChar(MAX_LENGTH),
            "BYTES" => TypeKind::VarBinary(MAX_LENGTH),
            "CHAR" => TypeKind::Char(self.length()?),
            "VARCHAR" => TypeKind::VarChar(self.length()?),
            "BINARY" => TypeKind::Binary(self.length()?),
            "VARBINARY" => TypeKind::VarBinary(self.length()?),
            "DATE" => TypeKind::Date,
            "TIME" => {
                let precision = self.precision(0)?;
                self.words(&["WITHOUT", "TIME", "ZONE"]);
                TypeKind::Time(precision)
            }
            "TIMESTAMP" => self.timestamp()?,
            "TIMESTAMP_LTZ" => TypeKind::LocalZonedTimestamp(self.precision(6)?),
            "VARIANT" => TypeKind::Variant,
            "BLOB" => TypeKind::Blob,
            "ARRAY" => TypeKind::Array(Box::new(self.one_argument(depth)?)),
            "MULTISET" => TypeKind::Multiset(Box::new(self.one_argument(depth)?)),
            "MAP" => self.map(depth)?,
            "VECTOR" => self.vector(depth)?,
            "ROW" | "STRUCT" => self.row(depth)?,
            _ => return Err(self.error(&format!("a known type name, found `{word}`"))),
        })
    }

    fn number(&mut self) -> Result<u32> {
        if let Some(Token::Word(word)) = self.peek()
            && let Ok(n) = word.parse()
        {
            self.at += 1;
            return Ok(n);
        }
        Err(self.error("a number"))
    }

    fn length(&mut self) -> Result<u32> {
        if !self.symbol('(') {
            return Ok(1);
        }
        let n = self.number()?;
        self.expect(')')?;
        if n == 0 || n > MAX_LENGTH {
            return Err(self.error("a length of 1 to 2147483647"));
        }
        Ok(n)
    }

    fn precision(&mut self, default: u8) -> Result<u8> {
        if !self.symbol('(') {
            return Ok(default);
        }
        let n = self.number()?;
        self.expect(')')?;
        u8::try_from(n)
            .ok()
            .filter(|p| *p <= 9)
            .ok_or_else(|| self.error("a precision of 0 to 9"))
    }

    fn decimal(&mut self) -> Result<TypeKind> {
        let (mut precision, mut scale) = (10, 0);
        if self.symbol('(') {
            precision = self.number()?;
            if self.symbol(',') {
                scale = self.number()?;
            }
            self.expect(')')?;
        }
        match (u8::try_from(precision), u8::try_from(scale)) {
            (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => {
                Ok(TypeKind::Decimal { precision, scale })
            }
            _ => Err(self.error("DECIMAL(p, s) with 1 <= p <= 38 and 0 <= s <= p")),
        }
    }

    fn timestamp(&mut self) -> Result<TypeKind> {
        let precision = self.precision(6)?;
        if self.words(&["WITH", "LOCAL", "TIME", "ZONE"]) {
            return Ok(TypeKind::LocalZonedTimestamp(precision));
        }
        self.words(&["WITHOUT", "TIME", "ZONE"]);
        Ok(TypeKind::Timestamp(precision))
    }

    fn one_argument(&mut self, depth: usize) -> Result<DataType> {
        self.expect('<')?;
        let element = self.data_type(depth + 1)?;
        self.expect('>')?;
        Ok(element)
    }

    fn map(&mut self, depth: usize) -> Result<TypeKind> {
        let round = self.symbol('(');
        if !round {
            self.expect('<')?;
        }
        let key = self.data_type(depth + 1)?;
        self.expect(',')?;
        let value = self.data_type(depth + 1)?;
        self.expect(if round { ')' } else { '>' })?;
        Ok(TypeKind::Map(Box::new(key), Box::new(value)))
    }

    fn vector(&mut self, depth: usize) -> Result<TypeKind> {
        self.expect('<')?;
        let element = self.data_type(depth + 1)?;
        self.expect(',')?;
        let length = self.number()?;
        self.expect('>')?;
        Ok(TypeKind::Vector(Box::new(element), length))
    }

    fn row(&mut self, depth: usize) -> Result<TypeKind> {
        let round = self.symbol('(');
        if !round {
            self.expect('<')?;
        }
        let close = if round { ')' } else { '>' };
        let mut fields = Vec::new();
        while !self.symbol(close) {
            if !fields.is_empty() {
                self.expect(',')?;
            }
            fields.push(self.row_field(depth)?);
        }
        Ok(TypeKind::Row(fields))
    }

    fn row_field(&mut self, depth: usize) -> Result<DataField> {
        let (Some(Token::Word(name)) | Some(Token::Quoted(name))) = self.peek().cloned() else {
            return Err(self.error("a field name"));
        };
        self.at += 1;
        self.symbol(':');
        let id = self.next_id;
        self.next_id += 1;
        let mut field = DataField::new(id, name, self.data_type(depth + 1)?);
        self.word("COMMENT");
        if let Some(Token::Text(text)) = self.peek().cloned() {
            self.at += 1;
            field.description = Some(text);
        }
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn texts_round_trip() {
        for text in [
            "INT NOT NULL",
            "DECIMAL(10, 2)",
            "STRING",
            "BYTES NOT NULL",
            "VARCHAR(3)",
            "TIMESTAMP(3) WITH LOCAL TIME ZONE NOT NULL",
            "ARRAY<MAP<INT NOT NULL, STRING>>",
            "ROW<`a` INT, `b c` ARRAY<DOUBLE> 'x''y'>",
            "ROW<`a``b` INT>",
            "VECTOR<FLOAT, 3>",
        ] {
            assert_eq!(parse_data_type(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn synonyms_and_defaults() {
        let of = |text: &str| parse_data_type(text).unwrap().to_string();
        assert_eq!(of("integer"), "INT");
        assert_eq!(of("dec"), "DECIMAL(10, 0)");
        assert_eq!(of("timestamp_ltz"), "TIMESTAMP(6) WITH LOCAL TIME ZONE");
        assert_eq!(of("time without time zone"), "TIME(0)");
        assert_eq!(of("INT ARRAY NOT NULL"), "ARRAY<INT> NOT NULL");
        assert_eq!(of("STRUCT<a: INT>"), "ROW<`a` INT>");
    }

    #[test]
    fn nonsense_is_refused_with_the_text() {
        for text in [
            "",
            "FOO",
            "DECIMAL(39, 0)",
            "INT INT",
            "ARRAY<INT",
            "CHAR(0)",
            "`x",
        ] {
            let error = parse_data_type(text).unwrap_err();
            assert!(error.to_string().contains("type"), "{text}: {error}");
        }
        assert!(parse_data_type(&"ARRAY<".repeat(100_000)).is_err());
    }
}
