//! Takes hints and time-travel clauses out of the token stream and leaves marks on the names they follow.

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::hint::parse_hint;
use super::local_zone::with_ltz_names;

/// Separates a name from the number of its clause in a marked word; no name can hold it.
pub(crate) const MARK: char = '\u{1}';

/// What a time-travel clause asks for.
#[derive(Debug, Clone)]
pub(crate) enum TravelTo {
    /// `VERSION AS OF`: a snapshot id, a tag or `watermark-<n>`.
    Version(String),
    /// `TIMESTAMP AS OF` and `FOR SYSTEM_TIME AS OF`: a constant expression.
    Timestamp(Box<Expr>),
}

/// The clauses that follow one name.
#[derive(Debug, Clone)]
pub(crate) struct RelationClause {
    /// The name as written.
    pub(crate) name: Word,
    /// Key and value pairs of options hints.
    pub(crate) hints: Vec<(String, String)>,
    /// Time travel.
    pub(crate) travel: Option<TravelTo>,
}

/// A statement whose marked names stand for `clauses`.
#[derive(Debug)]
pub(crate) struct MarkedStatement {
    /// The statement.
    pub(crate) statement: Statement,
    /// Clauses, by the number in the mark.
    pub(crate) clauses: Vec<RelationClause>,
}

/// Tokens of a statement, with blanks and comments.
pub(crate) fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>> {
    Tokenizer::new(&GenericDialect, sql)
        .tokenize_with_location()
        .map_err(|e| DataFusionError::SQL(Box::new(e.into()), None))
}

/// Parses one statement.
///
/// # Errors
/// On a syntax error, a malformed hint, a time-travel clause without a constant, and clauses that follow no name.
pub(crate) fn parse_marked(
    tokens: Vec<TokenWithSpan>,
    recursion_limit: usize,
) -> Result<MarkedStatement> {
    let tokens = with_ltz_names(tokens);
    let (tokens, clauses) = Marker::default().run(&tokens)?;
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&GenericDialect)
        .with_recursion_limit(recursion_limit)
        .build()?
        .parse_statements()
        .map_err(|e| unmark_error(e, &clauses))?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok(MarkedStatement { statement, clauses }),
        _ => Err(DataFusionError::Plan("expected one statement".into())),
    }
}

/// Shows names as written in a syntax error.
fn unmark_error(error: DataFusionError, clauses: &[RelationClause]) -> DataFusionError {
    let text = error.to_string();
    if !text.contains(MARK) {
        return error;
    }
    let mut text = text;
    for (i, clause) in clauses.iter().enumerate() {
        text = text.replace(
            &format!("{}{MARK}{i}", clause.name.value),
            &clause.name.value,
        );
    }
    DataFusionError::Plan(text)
}

#[derive(Default)]
struct Marker {
    out: Vec<TokenWithSpan>,
    clauses: Vec<RelationClause>,
}

impl Marker {
    fn run(
        mut self,
        tokens: &[TokenWithSpan],
    ) -> Result<(Vec<TokenWithSpan>, Vec<RelationClause>)> {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if let Token::Whitespace(Whitespace::MultiLineComment(comment)) = &token.token
                && let Some(pairs) = parse_hint(comment)?
            {
                self.clause("an OPTIONS hint")?.hints.extend(pairs);
                at += 1;
                continue;
            }
            if let Some((kind, after)) = travel_clause(tokens, at)
                && (kind.with_for || self.last_name().is_some())
            {
                let (travel, end) = parse_travel(&kind, tokens, after)?;
                let clause = self.clause("a time-travel clause")?;
                if clause.travel.replace(travel).is_some() {
                    return Err(DataFusionError::Plan(format!(
                        "table {} has two time-travel clauses",
                        clause.name.value
                    )));
                }
                at = end;
                continue;
            }
            self.out.push(token.clone());
            at += 1;
        }
        Ok((self.out, self.clauses))
    }

    /// Index of the last token that is no blank, if it can be the name of a table or its alias.
    fn last_name(&self) -> Option<usize> {
        let at = self
            .out
            .iter()
            .rposition(|t| !matches!(t.token, Token::Whitespace(_)))?;
        match &self.out.get(at)?.token {
            Token::Word(word) if word.quote_style.is_some() || !is_reserved(word.keyword) => {
                Some(at)
            }
            _ => None,
        }
    }

    /// The clause of the name just before, marked now if it was not.
    fn clause(&mut self, what: &str) -> Result<&mut RelationClause> {
        let misplaced = || DataFusionError::Plan(format!("{what} must follow the name of a table"));
        let at = self.last_name().ok_or_else(misplaced)?;
        let Some(Token::Word(word)) = self.out.get_mut(at).map(|t| &mut t.token) else {
            return Err(misplaced());
        };
        let number = match mark_of(&word.value) {
            Some(number) => number,
            None => {
                let number = self.clauses.len();
                self.clauses.push(RelationClause {
                    name: word.clone(),
                    hints: Vec::new(),
                    travel: None,
                });
                *word = Word {
                    value: format!("{}{MARK}{number}", word.value),
                    quote_style: Some('"'),
                    keyword: Keyword::NoKeyword,
                };
                number
            }
        };
        self.clauses.get_mut(number).ok_or_else(misplaced)
    }
}

/// Number of the clause that a marked name stands for.
pub(crate) fn mark_of(name: &str) -> Option<usize> {
    name.split_once(MARK)?.1.parse().ok()
}

/// Words that begin or join clauses and so are never a table name before a hint.
fn is_reserved(keyword: Keyword) -> bool {
    use Keyword::*;
    matches!(
        keyword,
        SELECT
            | FROM
            | JOIN
            | WHERE
            | ON
            | BY
            | AND
            | OR
            | NOT
            | AS
            | DISTINCT
            | ALL
            | USING
            | HAVING
            | LIMIT
            | UNION
            | EXCEPT
            | INTERSECT
            | WITH
            | INTO
            | IN
            | EXISTS
            | CASE
            | WHEN
            | THEN
            | ELSE
            | END
            | VALUES
            | SET
            | LATERAL
            | INSERT
            | UPDATE
            | DELETE
            | MERGE
            | EXPLAIN
            | ANALYZE
    )
}

struct TravelKind {
    with_for: bool,
    timestamp: bool,
}

/// Recognises `[FOR] VERSION | SYSTEM_VERSION | TIMESTAMP | SYSTEM_TIME AS OF <something>` at a position;
/// gives its kind and the position after `OF`.
fn travel_clause(tokens: &[TokenWithSpan], at: usize) -> Option<(TravelKind, usize)> {
    let first = word(tokens.get(at)?)?;
    let with_for = first.eq_ignore_ascii_case("FOR");
    let mut at = if with_for { next(tokens, at)? } else { at };
    let kind = word(tokens.get(at)?)?.to_ascii_uppercase();
    let timestamp = match kind.as_str() {
        "TIMESTAMP" | "SYSTEM_TIME" => true,
        "VERSION" | "SYSTEM_VERSION" => false,
        _ => return None,
    };
    for expected in ["AS", "OF"] {
        at = next(tokens, at)?;
        if !word(tokens.get(at)?)?.eq_ignore_ascii_case(expected) {
            return None;
        }
    }
    // `SELECT version AS of FROM t` is an alias
    let after = next(tokens, at);
    let alias = match after.and_then(|i| tokens.get(i)).map(|t| &t.token) {
        None | Some(Token::Comma | Token::RParen | Token::SemiColon | Token::EOF) => true,
        Some(Token::Word(w)) => w.keyword == Keyword::FROM,
        Some(_) => false,
    };
    if alias && !with_for {
        return None;
    }
    Some((
        TravelKind {
            with_for,
            timestamp,
        },
        at + 1,
    ))
}

fn word(token: &TokenWithSpan) -> Option<&str> {
    match &token.token {
        Token::Word(w) if w.quote_style.is_none() => Some(&w.value),
        _ => None,
    }
}

/// Position of the next token that is no blank.
fn next(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    let rest = tokens.get(at + 1..)?;
    let step = rest
        .iter()
        .position(|t| !matches!(t.token, Token::Whitespace(_)))?;
    Some(at + 1 + step)
}

/// Reads what follows `OF`; gives it and the position behind it.
fn parse_travel(
    kind: &TravelKind,
    tokens: &[TokenWithSpan],
    after: usize,
) -> Result<(TravelTo, usize)> {
    let rest = tokens.get(after..).unwrap_or_default();
    if kind.timestamp {
        let mut parser = Parser::new(&GenericDialect).with_tokens_with_locations(rest.to_vec());
        let expr = parser
            .parse_expr()
            .map_err(|e| DataFusionError::SQL(Box::new(e), None))?;
        return Ok((TravelTo::Timestamp(Box::new(expr)), after + parser.index()));
    }
    let at = next(tokens, after.saturating_sub(1));
    match at.and_then(|i| Some((i, &tokens.get(i)?.token))) {
        Some((at, Token::Number(text, _) | Token::SingleQuotedString(text))) => {
            Ok((TravelTo::Version(text.clone()), at + 1))
        }
        found => Err(DataFusionError::Plan(format!(
            "VERSION AS OF expects a snapshot id or a tag name in single quotes, found {}",
            found.map_or_else(|| "the end".to_string(), |(_, t)| t.to_string())
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn parse(sql: &str) -> Result<MarkedStatement> {
        parse_marked(tokenize(sql)?, 50)
    }

    fn clauses(sql: &str) -> Vec<(String, String)> {
        parse(sql)
            .unwrap()
            .clauses
            .iter()
            .map(|c| {
                let travel = match &c.travel {
                    None => String::new(),
                    Some(TravelTo::Version(v)) => format!("v={v}"),
                    Some(TravelTo::Timestamp(e)) => format!("t={e}"),
                };
                let hints: Vec<String> = c.hints.iter().map(|(k, v)| format!("{k}={v}")).collect();
                (c.name.value.clone(), format!("{travel}{}", hints.join(",")))
            })
            .collect()
    }

    #[test]
    fn every_spelling_of_time_travel_is_taken() {
        let cases = [
            ("SELECT * FROM t VERSION AS OF 3", "v=3"),
            (
                "SELECT * FROM t VERSION AS OF 'tag' a WHERE a.x = 1",
                "v=tag",
            ),
            ("SELECT * FROM t FOR VERSION AS OF 3 AS a", "v=3"),
            ("SELECT * FROM t FOR SYSTEM_VERSION AS OF 3", "v=3"),
            (
                "SELECT * FROM t timestamp as of '2024-01-01 00:00:00' a",
                "t='2024-01-01 00:00:00'",
            ),
            ("SELECT * FROM t TIMESTAMP AS OF 1700000000", "t=1700000000"),
            (
                "SELECT * FROM t FOR TIMESTAMP AS OF '2024' WHERE a = 1",
                "t='2024'",
            ),
            (
                "SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00' a",
                "t=TIMESTAMP '2024-01-01 00:00:00'",
            ),
            (
                "SELECT * FROM (SELECT * FROM t FOR SYSTEM_TIME AS OF now() - INTERVAL '1' DAY) x",
                "t=now() - INTERVAL '1' DAY",
            ),
            ("SELECT * FROM t /*+ OPTIONS('a'='b') */ WHERE x = 1", "a=b"),
            (
                "SELECT * FROM t VERSION AS OF 3 /*+ OPTIONS('a'='b') */ y",
                "v=3a=b",
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(
                clauses(sql),
                [("t".to_string(), expected.to_string())],
                "{sql}"
            );
        }
    }

    #[test]
    fn clauses_go_to_their_own_table() {
        let sql = "SELECT * FROM db.`T` VERSION AS OF 1 JOIN u b /*+ OPTIONS('k'='v') */ ON true";
        assert_eq!(
            clauses(sql),
            [
                ("T".to_string(), "v=1".to_string()),
                ("b".to_string(), "k=v".to_string())
            ]
        );
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for sql in [
            "SELECT version AS of FROM t",
            "SELECT a, timestamp AS of, b FROM t",
            "SELECT ' VERSION AS OF 3 ' FROM t -- VERSION AS OF 3",
            "SELECT /*+ BROADCAST(t) */ * FROM t /* OPTIONS('a'='b') */",
            "SELECT '/*+ OPTIONS(''a''=''b'') */' FROM t",
        ] {
            assert!(clauses(sql).is_empty(), "{sql}");
        }
    }

    #[test]
    fn misplaced_clauses_are_errors() {
        for sql in [
            "SELECT /*+ OPTIONS('a'='b') */ * FROM t",
            "SELECT * FROM (SELECT 1) /*+ OPTIONS('a'='b') */",
            "SELECT * FROM (SELECT 1) FOR SYSTEM_TIME AS OF '2024'",
            "SELECT * FROM t VERSION AS OF 1 VERSION AS OF 2",
            "SELECT * FROM t VERSION AS OF x",
            "SELECT * FROM t FOR VERSION AS OF",
        ] {
            assert!(parse(sql).is_err(), "{sql}");
        }
    }
}
