//! A cursor over tokens for the statements that Paimon adds.

use std::collections::BTreeSet;

use std::ops::Range;

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

/// Tokens without blanks and comments, read from front to back.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    tokens: Vec<Token>,
    /// Position of each token among all of the statement, blanks and comments included.
    origins: Vec<usize>,
    at: usize,
}

impl Cursor {
    /// Over the tokens of a statement.
    pub(crate) fn new(tokens: &[TokenWithSpan]) -> Self {
        Self::over(tokens.iter().map(|t| t.token.clone()))
    }

    fn over(all: impl Iterator<Item = Token>) -> Self {
        let (origins, tokens) = all
            .enumerate()
            .filter(|(_, t)| !matches!(t, Token::Whitespace(_) | Token::EOF))
            .unzip();
        Self {
            tokens,
            origins,
            at: 0,
        }
    }

    /// Over the tokens of a text.
    pub(crate) fn from_sql(sql: &str) -> Result<Self> {
        let tokens = Tokenizer::new(&GenericDialect, sql)
            .tokenize()
            .map_err(|e| DataFusionError::Plan(e.to_string()))?;
        Ok(Self::over(tokens.into_iter()))
    }

    /// Where the next token lies among all tokens of the statement.
    pub(crate) fn origin(&self) -> Option<usize> {
        self.origins.get(self.at).copied()
    }

    /// Takes everything that is left and returns where it begins among all tokens of the statement.
    pub(crate) fn rest(&mut self) -> Result<usize> {
        match self.origins.get(self.at) {
            Some(origin) => {
                self.at = self.tokens.len();
                Ok(*origin)
            }
            None => self.expected("a query"),
        }
    }

    /// Takes `( .. )` and returns where its content lies among all tokens of the statement.
    pub(crate) fn parenthesised(&mut self) -> Result<Range<usize>> {
        let start = self.at;
        if !self.eat(&Token::LParen) {
            return self.expected("(");
        }
        let mut depth = 1usize;
        while depth > 0 {
            match self.take() {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(_) => {}
                None => return self.expected(")"),
            }
        }
        let origin = |at: usize| self.origins.get(at).copied().unwrap_or_default();
        Ok(origin(start) + 1..origin(self.at - 1))
    }

    /// Takes the tokens up to a comma or the parenthesis that closes what is around them.
    pub(crate) fn balanced(&mut self) -> Vec<Token> {
        let mut depth = 0usize;
        let mut taken = Vec::new();
        while let Some(token) = self.peek() {
            match token {
                Token::LParen => depth += 1,
                Token::RParen | Token::Comma if depth == 0 => break,
                Token::RParen => depth -= 1,
                _ => {}
            }
            taken.extend(self.take());
        }
        taken
    }

    /// The next token, without taking it.
    pub(crate) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Takes the next token.
    pub(crate) fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Takes the next token if it is this unquoted word, in any case.
    pub(crate) fn keyword(&mut self, word: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
        self.at += usize::from(hit);
        hit
    }

    /// Takes all these words or none.
    pub(crate) fn keywords(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        if words.iter().all(|w| self.keyword(w)) {
            return true;
        }
        self.at = start;
        false
    }

    /// Takes one of the words.
    pub(crate) fn one_of(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|w| self.keyword(w))
    }

    /// Takes the token if it is next.
    pub(crate) fn eat(&mut self, token: &Token) -> bool {
        let hit = self.peek() == Some(token);
        self.at += usize::from(hit);
        hit
    }

    /// # Errors
    /// When something is left.
    pub(crate) fn end(&self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(token) => Err(DataFusionError::Plan(format!(
                "expected the end of the statement, found {token}"
            ))),
        }
    }

    /// An error that says what was expected here.
    pub(crate) fn expected<T>(&self, what: &str) -> Result<T> {
        let found = self.peek().map_or_else(
            || "the end of the statement".to_string(),
            ToString::to_string,
        );
        Err(DataFusionError::Plan(format!(
            "expected {what}, found {found}"
        )))
    }

    /// `a`, `a.b` or `a.b.c`, quoted with double quotes or backticks or not at all.
    pub(crate) fn object_name(&mut self) -> Result<Vec<Ident>> {
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Word(w)) => parts.push(Ident {
                    value: w.value.clone(),
                    quote_style: w.quote_style,
                    span: Span::empty(),
                }),
                _ => return self.expected("a name"),
            }
            self.at += 1;
            if !self.eat(&Token::Period) {
                return Ok(parts);
            }
        }
    }

    /// A quoted text.
    pub(crate) fn string(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::SingleQuotedString(s)) => {
                let text = s.clone();
                self.at += 1;
                Ok(text)
            }
            _ => self.expected("a text in single quotes"),
        }
    }

    /// `('key' = 'value', ...)`; keys may be bare dotted words, values numbers and words.
    ///
    /// # Errors
    /// When it is malformed or an option is given twice.
    pub(crate) fn options(&mut self) -> Result<Vec<(String, String)>> {
        let pairs = self.pairs()?;
        given_once(pairs.iter().map(|(key, _)| key.as_str()))?;
        Ok(pairs)
    }

    /// As [`Self::options`], which may be there twice.
    pub(super) fn pairs(&mut self) -> Result<Vec<(String, String)>> {
        if !self.eat(&Token::LParen) {
            return self.expected("(");
        }
        let mut pairs = Vec::new();
        if self.eat(&Token::RParen) {
            return Ok(pairs);
        }
        loop {
            let key = self.text_until(&[Token::Eq])?;
            // what is found may be a secret: it is not shown
            if !self.eat(&Token::Eq) {
                return Err(DataFusionError::Plan(format!(
                    "expected = after option {key}"
                )));
            }
            let value = self.text_until(&[Token::Comma, Token::RParen]);
            let value = value.map_err(|_| wrong_value(&key))?;
            if self.eat(&Token::RParen) {
                pairs.push((key, value));
                return Ok(pairs);
            }
            if !self.eat(&Token::Comma) {
                return Err(wrong_value(&key));
            }
            pairs.push((key, value));
        }
    }

    /// A quoted text, or the bare tokens up to one of `ends` joined.
    fn text_until(&mut self, ends: &[Token]) -> Result<String> {
        if let Ok(text) = self.string() {
            return Ok(text);
        }
        let mut text = String::new();
        while let Some(token) = self.peek() {
            if ends.contains(token) {
                break;
            }
            match token {
                Token::Word(w) => text.push_str(&w.value),
                Token::Number(..) | Token::Period | Token::Minus | Token::Plus | Token::Colon => {
                    text.push_str(&token.to_string());
                }
                _ => return self.expected("a text in single quotes"),
            }
            self.at += 1;
        }
        if text.is_empty() {
            return self.expected("a text in single quotes");
        }
        Ok(text)
    }
}

/// # Errors
/// Naming an option that is given twice.
pub(crate) fn given_once<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    match keys.into_iter().find(|key| !seen.insert(*key)) {
        None => Ok(()),
        Some(key) => Err(DataFusionError::Plan(format!(
            "option {key} is given twice"
        ))),
    }
}

fn wrong_value(key: &str) -> DataFusionError {
    DataFusionError::Plan(format!(
        "expected a text in single quotes, and then , or ) as the value of option {key}"
    ))
}
