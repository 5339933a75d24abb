//! The statements as parsed.

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use super::catalogs::{self, CatalogCommand};
use super::ident_text;
use super::partition::PartitionSpec;
use crate::parse::Cursor;

/// A statement of ours.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    ShowCatalogs {
        like: Option<String>,
    },
    ShowDatabases {
        catalog: Option<Ident>,
        like: Option<String>,
    },
    ShowTables {
        namespace: Vec<Ident>,
        like: Option<String>,
    },
    /// What there is to say about the tables that a pattern fits.
    ShowTableExtended {
        namespace: Vec<Ident>,
        like: String,
    },
    ShowViews {
        namespace: Vec<Ident>,
        like: Option<String>,
    },
    /// Functions that a catalog keeps.
    ShowFunctions {
        namespace: Vec<Ident>,
        like: Option<String>,
    },
    ShowCreateTable {
        table: Vec<Ident>,
    },
    ShowPartitions {
        table: Vec<Ident>,
        spec: PartitionSpec,
    },
    ShowColumns {
        table: Vec<Ident>,
    },
    ShowProperties {
        table: Vec<Ident>,
        key: Option<String>,
    },
    ShowTags {
        table: Vec<Ident>,
    },
    ShowBranches {
        table: Vec<Ident>,
    },
    ShowCurrent,
    Describe {
        table: Vec<Ident>,
        extended: bool,
    },
    DescribeFunction {
        name: Vec<Ident>,
        /// With its definitions.
        extended: bool,
    },
    DescribeDatabase {
        name: Vec<Ident>,
        /// With its properties.
        extended: bool,
    },
    UseCatalog {
        name: Ident,
    },
    Use {
        name: Vec<Ident>,
    },
    Catalog(CatalogCommand),
    Set {
        key: String,
        value: String,
    },
    SetShow {
        key: Option<String>,
    },
    Reset {
        key: Option<String>,
    },
    /// `REFRESH TABLE`: what the catalog remembers of the table is forgotten.
    Refresh {
        table: Vec<Ident>,
    },
}

/// Recognises one of our statements; `None` leaves it to DataFusion. `sql` is the statement's text.
///
/// # Errors
/// When it is one of ours but malformed.
pub(crate) fn parse(cursor: &mut Cursor, sql: &str) -> Result<Option<Command>> {
    let command = if let Some(command) = catalogs::parse(cursor)? {
        Some(Command::Catalog(command))
    } else if cursor.keyword("SHOW") {
        show(cursor)?
    } else if cursor.one_of(&["DESCRIBE", "DESC"]).is_some() {
        describe(cursor)?
    } else if cursor.keyword("USE") {
        Some(use_statement(cursor)?)
    } else if cursor.keywords(&["REFRESH", "TABLE"]) {
        let table = cursor.object_name()?;
        Some(Command::Refresh { table })
    } else if cursor.keyword("SET") {
        return set(&without_comments(sql)).map(Some);
    } else if cursor.keyword("RESET") {
        let sql = without_comments(sql);
        return Ok(Some(Command::Reset {
            key: non_empty(unquoted(after_word(&sql, "RESET"))),
        }));
    } else {
        None
    };
    if command.is_some() {
        cursor.end()?;
    }
    Ok(command)
}

fn show(cursor: &mut Cursor) -> Result<Option<Command>> {
    let command = if cursor.keyword("CATALOGS") {
        let like = like(cursor)?;
        Command::ShowCatalogs { like }
    } else if cursor
        .one_of(&["DATABASES", "SCHEMAS", "NAMESPACES"])
        .is_some()
    {
        let catalog = match namespace(cursor)?.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            _ => return cursor.expected("the name of a catalog"),
        };
        Command::ShowDatabases {
            catalog,
            like: like(cursor)?,
        }
    } else if cursor.keyword("TABLES") {
        Command::ShowTables {
            namespace: namespace(cursor)?,
            like: like(cursor)?,
        }
    } else if cursor.keywords(&["TABLE", "EXTENDED"]) {
        let namespace = namespace(cursor)?;
        let Some(like) = like(cursor)? else {
            return cursor.expected("LIKE 'pattern'");
        };
        if cursor.keyword("PARTITION") {
            return Err(DataFusionError::Plan(
                "SHOW TABLE EXTENDED of a partition is not supported: ask SHOW PARTITIONS or the system table $partitions"
                    .into(),
            ));
        }
        Command::ShowTableExtended { namespace, like }
    } else if cursor.keyword("VIEWS") {
        Command::ShowViews {
            namespace: namespace(cursor)?,
            like: like(cursor)?,
        }
    } else if cursor.keywords(&["USER", "FUNCTIONS"]) || functions_of_database(cursor) {
        Command::ShowFunctions {
            namespace: namespace(cursor)?,
            like: like(cursor)?,
        }
    } else if cursor.keywords(&["CURRENT", "NAMESPACE"])
        || cursor.keywords(&["CURRENT", "DATABASE"])
        || cursor.keywords(&["CURRENT", "CATALOG"])
    {
        Command::ShowCurrent
    } else {
        return show_of_table(cursor);
    };
    Ok(Some(command))
}

/// Reads `FUNCTIONS` where `IN` or `FROM` follows; without these `SHOW FUNCTIONS` is DataFusion's.
fn functions_of_database(cursor: &mut Cursor) -> bool {
    let mut ahead = cursor.clone();
    let found = ahead.keyword("FUNCTIONS") && ahead.one_of(&["IN", "FROM"]).is_some();
    found && cursor.keyword("FUNCTIONS")
}

/// The `SHOW` statements that name a table.
fn show_of_table(cursor: &mut Cursor) -> Result<Option<Command>> {
    let command = if cursor.keywords(&["CREATE", "TABLE"]) || cursor.keywords(&["CREATE", "VIEW"]) {
        Command::ShowCreateTable {
            table: cursor.object_name()?,
        }
    } else if cursor.keyword("PARTITIONS") {
        let table = cursor.object_name()?;
        let spec = if cursor.keyword("PARTITION") {
            PartitionSpec::parse(cursor)?
        } else {
            PartitionSpec::default()
        };
        Command::ShowPartitions { table, spec }
    } else if cursor.keyword("COLUMNS") {
        Command::ShowColumns {
            table: of_table(cursor)?,
        }
    } else if cursor.keyword("TBLPROPERTIES") {
        let table = cursor.object_name()?;
        Command::ShowProperties {
            table,
            key: property_key(cursor)?,
        }
    } else if cursor.keyword("TAGS") {
        Command::ShowTags {
            table: of_table(cursor)?,
        }
    } else if cursor.keyword("BRANCHES") {
        Command::ShowBranches {
            table: of_table(cursor)?,
        }
    } else {
        return Ok(None);
    };
    Ok(Some(command))
}

/// `[IN | FROM] t`.
fn of_table(cursor: &mut Cursor) -> Result<Vec<Ident>> {
    cursor.one_of(&["IN", "FROM"]);
    cursor.object_name()
}

/// `[IN | FROM name]`.
fn namespace(cursor: &mut Cursor) -> Result<Vec<Ident>> {
    match cursor.one_of(&["IN", "FROM"]) {
        Some(_) => cursor.object_name(),
        None => Ok(Vec::new()),
    }
}

/// `[[LIKE] 'pattern']`.
fn like(cursor: &mut Cursor) -> Result<Option<String>> {
    let word = cursor.keyword("LIKE");
    if word || matches!(cursor.peek(), Some(Token::SingleQuotedString(_))) {
        return cursor.string().map(Some);
    }
    Ok(None)
}

fn property_key(cursor: &mut Cursor) -> Result<Option<String>> {
    if !cursor.eat(&Token::LParen) {
        return Ok(None);
    }
    let key = match cursor.string() {
        Ok(key) => key,
        Err(_) => {
            let parts = cursor.object_name()?;
            let parts: Vec<String> = parts.iter().map(|p| p.value.clone()).collect();
            parts.join(".")
        }
    };
    if !cursor.eat(&Token::RParen) {
        return cursor.expected(")");
    }
    Ok(Some(key))
}

fn describe(cursor: &mut Cursor) -> Result<Option<Command>> {
    if cursor
        .one_of(&["DATABASE", "SCHEMA", "NAMESPACE"])
        .is_some()
    {
        let extended = cursor.keyword("EXTENDED");
        let name = cursor.object_name()?;
        return Ok(Some(Command::DescribeDatabase { name, extended }));
    }
    if let Some(function) = describe_function(cursor)? {
        return Ok(Some(function));
    }
    if ["SELECT", "WITH", "QUERY", "VALUES"]
        .iter()
        .any(|w| cursor.clone().keyword(w))
    {
        return Ok(None);
    }
    cursor.keyword("TABLE");
    let before = cursor.one_of(&["EXTENDED", "FORMATTED"]).is_some();
    let table = cursor.object_name()?;
    let after = cursor.one_of(&["EXTENDED", "FORMATTED"]).is_some();
    Ok(Some(Command::Describe {
        table,
        extended: before || after,
    }))
}

/// Reads `FUNCTION [EXTENDED] name`; a name alone is that of a table.
fn describe_function(cursor: &mut Cursor) -> Result<Option<Command>> {
    let mut ahead = cursor.clone();
    let is_function = ahead.keyword("FUNCTION") && matches!(ahead.peek(), Some(Token::Word(_)));
    if !is_function {
        return Ok(None);
    }
    *cursor = ahead;
    let extended = cursor.keyword("EXTENDED");
    let name = cursor.object_name()?;
    Ok(Some(Command::DescribeFunction { name, extended }))
}

fn use_statement(cursor: &mut Cursor) -> Result<Command> {
    if cursor.keyword("CATALOG") {
        return match cursor.object_name()?.as_slice() {
            [name] => Ok(Command::UseCatalog { name: name.clone() }),
            _ => cursor.expected("the name of a catalog"),
        };
    }
    cursor.one_of(&["DATABASE", "SCHEMA", "NAMESPACE"]);
    let name = cursor.object_name()?;
    if name.len() > 2 {
        return cursor.expected("database or catalog.database");
    }
    Ok(Command::Use { name })
}

/// `SET [key [= | TO value]]`, `SET TIME ZONE zone`; keys and values in quotes or bare to the end of the text.
fn set(sql: &str) -> Result<Command> {
    let rest = after_word(sql, "SET");
    let upper = rest.to_ascii_uppercase();
    if let Some(zone) = strip_words(&upper, rest, &["TIME", "ZONE"]) {
        return Ok(Command::Set {
            key: "datafusion.execution.time_zone".into(),
            value: unquoted(zone).to_string(),
        });
    }
    let split = match rest.split_once('=') {
        Some(pair) => Some(pair),
        None => {
            let at = upper.find(" TO ");
            at.map(|at| (&rest[..at], &rest[at + 4..]))
        }
    };
    let Some((key, value)) = split else {
        return Ok(Command::SetShow {
            key: non_empty(unquoted(rest)),
        });
    };
    let key = unquoted(key).to_string();
    if key.is_empty() {
        return Err(DataFusionError::Plan("SET key = value is expected".into()));
    }
    Ok(Command::Set {
        key,
        value: unquoted(value).to_string(),
    })
}

/// The text of a statement without its comments.
fn without_comments(sql: &str) -> String {
    let tokens = Tokenizer::new(&GenericDialect, sql)
        .with_unescape(false)
        .tokenize();
    let Ok(tokens) = tokens else {
        return sql.to_string();
    };
    tokens
        .iter()
        .filter(|t| {
            !matches!(
                t,
                Token::Whitespace(
                    Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)
                )
            )
        })
        .map(ToString::to_string)
        .collect()
}

/// What follows the first word of a statement.
fn after_word<'a>(sql: &'a str, word: &str) -> &'a str {
    let upper = sql.to_ascii_uppercase();
    let at = upper.find(word).map_or(0, |at| at + word.len());
    sql.get(at..).unwrap_or_default().trim()
}

fn strip_words<'a>(upper: &str, text: &'a str, words: &[&str]) -> Option<&'a str> {
    let mut at = 0;
    for word in words {
        let rest = upper.get(at..)?;
        let blank = rest.len() - rest.trim_start().len();
        rest.trim_start().strip_prefix(word)?;
        at += blank + word.len();
        if !upper.get(at..)?.starts_with(char::is_whitespace) {
            return None;
        }
    }
    text.get(at..)
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    for quote in ['\'', '"', '`'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

/// Whether a name matches a LIKE pattern: `%` and `*` any text, `_` one character, `|` separates alternatives; without
/// regard to case.
pub(crate) fn matches_like(name: &str, pattern: &str) -> bool {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    pattern.to_lowercase().split('|').any(|alternative| {
        let pattern: Vec<char> = alternative.trim().chars().collect();
        matches_chars(&name, &pattern)
    })
}

/// Wildcard matching that backtracks to the last `*` only.
fn matches_chars(name: &[char], pattern: &[char]) -> bool {
    let (mut n, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('%' | '*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '_' || name.get(n) == Some(c) => {
                n += 1;
                p += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_none_or(|rest| rest.iter().all(|c| matches!(c, '%' | '*')))
}

/// A name with dots, as the user sees it.
pub(crate) fn dotted(name: &[Ident]) -> String {
    let parts: Vec<String> = name.iter().map(ident_text).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests;
