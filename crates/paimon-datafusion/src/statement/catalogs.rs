//! `CREATE`, `ALTER`, `DROP` and `DESCRIBE CATALOG`: catalogs live as long as their session.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ident_text;
use super::result::{nothing, text_rows};
use crate::parse::Cursor;
use crate::session::PaimonSession;

/// Option that says what kind of catalog it is.
const TYPE: &str = "type";

/// A statement on a catalog as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CatalogCommand {
    Create {
        name: Ident,
        if_not_exists: bool,
        comment: Option<String>,
        options: Vec<(String, String)>,
    },
    Alter {
        name: Ident,
        change: CatalogChange,
    },
    Drop {
        name: Ident,
        if_exists: bool,
    },
    Describe {
        name: Ident,
        /// With its options.
        extended: bool,
    },
}

/// What is to change of a catalog.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CatalogChange {
    Set(Vec<(String, String)>),
    Reset(BTreeSet<String>),
    Comment(String),
}

/// Recognises a statement on a catalog; `None` leaves it to others.
///
/// # Errors
/// When it is one but malformed.
pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<CatalogCommand>> {
    let command = if cursor.keywords(&["CREATE", "CATALOG"]) {
        create(cursor)?
    } else if cursor.keywords(&["ALTER", "CATALOG"]) {
        let name = one_name(cursor)?;
        let change = change(cursor)?;
        CatalogCommand::Alter { name, change }
    } else if cursor.keywords(&["DROP", "CATALOG"]) {
        let if_exists = cursor.keywords(&["IF", "EXISTS"]);
        let name = one_name(cursor)?;
        CatalogCommand::Drop { name, if_exists }
    } else if is_description(cursor) {
        let extended = cursor.keyword("EXTENDED");
        let name = one_name(cursor)?;
        CatalogCommand::Describe { name, extended }
    } else {
        return Ok(None);
    };
    Ok(Some(command))
}

/// Reads `DESCRIBE CATALOG`, unless that is all: then it is a table of this name.
fn is_description(cursor: &mut Cursor) -> bool {
    let mut ahead = cursor.clone();
    let found = ahead.one_of(&["DESCRIBE", "DESC"]).is_some()
        && ahead.keyword("CATALOG")
        && matches!(ahead.peek(), Some(Token::Word(_)));
    if found {
        *cursor = ahead;
    }
    found
}

fn one_name(cursor: &mut Cursor) -> Result<Ident> {
    match cursor.object_name()?.as_slice() {
        [name] => Ok(name.clone()),
        _ => cursor.expected("one name"),
    }
}

fn create(cursor: &mut Cursor) -> Result<CatalogCommand> {
    let if_not_exists = cursor.keywords(&["IF", "NOT", "EXISTS"]);
    let name = one_name(cursor)?;
    let comment = match cursor.keyword("COMMENT") {
        true => Some(cursor.string()?),
        false => None,
    };
    let options = match cursor.one_of(&["WITH", "OPTIONS"]) {
        Some(_) => cursor.options()?,
        None => Vec::new(),
    };
    Ok(CatalogCommand::Create {
        name,
        if_not_exists,
        comment,
        options,
    })
}

fn change(cursor: &mut Cursor) -> Result<CatalogChange> {
    if cursor.keyword("SET") {
        let options = cursor.options()?;
        if options.is_empty() {
            return Err(no_options("SET"));
        }
        return Ok(CatalogChange::Set(options));
    }
    if let Some(word) = cursor.one_of(&["RESET", "UNSET"]) {
        let keys = keys(cursor)?;
        if keys.is_empty() {
            return Err(no_options(word));
        }
        if keys.contains(TYPE) {
            return Err(DataFusionError::Plan(format!(
                "option '{TYPE}' of a catalog cannot be reset"
            )));
        }
        return Ok(CatalogChange::Reset(keys));
    }
    match cursor.keyword("COMMENT") {
        true => Ok(CatalogChange::Comment(cursor.string()?)),
        false => cursor.expected("SET, RESET, UNSET or COMMENT"),
    }
}

fn no_options(word: &str) -> DataFusionError {
    DataFusionError::Plan(format!("ALTER CATALOG .. {word} takes at least one option"))
}

/// `('a', 'b')`.
fn keys(cursor: &mut Cursor) -> Result<BTreeSet<String>> {
    if !cursor.eat(&Token::LParen) {
        return cursor.expected("(");
    }
    let mut keys = BTreeSet::new();
    if cursor.eat(&Token::RParen) {
        return Ok(keys);
    }
    loop {
        keys.insert(cursor.string()?);
        if cursor.eat(&Token::RParen) {
            return Ok(keys);
        }
        if !cursor.eat(&Token::Comma) {
            return cursor.expected(", or )");
        }
    }
}

/// Runs a statement on a catalog.
///
/// # Errors
/// When there is no such catalog, the name is taken, or the options describe none.
pub(crate) fn run(session: &PaimonSession, command: CatalogCommand) -> Result<DataFrame> {
    match command {
        CatalogCommand::Create {
            name,
            if_not_exists,
            comment,
            options,
        } => {
            let name = ident_text(&name);
            if if_not_exists && session.context().catalog(&name).is_some() {
                return nothing(session);
            }
            session.create_catalog(&name, options.into_iter().collect())?;
            session.comment_on_catalog(&name, comment.unwrap_or_default())?;
        }
        CatalogCommand::Alter { name, change } => alter(session, &ident_text(&name), change)?,
        CatalogCommand::Drop { name, if_exists } => {
            session.drop_catalog(&ident_text(&name), if_exists)?;
        }
        CatalogCommand::Describe { name, extended } => {
            return describe(session, &ident_text(&name), extended);
        }
    }
    nothing(session)
}

fn alter(session: &PaimonSession, name: &str, change: CatalogChange) -> Result<()> {
    match change {
        CatalogChange::Set(options) => {
            session.alter_catalog(name, options.into_iter().collect(), &BTreeSet::new())
        }
        CatalogChange::Reset(keys) => session.alter_catalog(name, BTreeMap::new(), &keys),
        CatalogChange::Comment(comment) => session.comment_on_catalog(name, comment),
    }
}

/// Name, kind and comment, and with them the options, secrets hidden.
fn describe(session: &PaimonSession, name: &str, extended: bool) -> Result<DataFrame> {
    let (options, comment) = session.described_catalog(name)?;
    let kind = options.get(TYPE).map_or("paimon", String::as_str);
    let mut rows = vec![
        ["name".to_string(), name.to_string()],
        [TYPE.to_string(), kind.to_string()],
        ["comment".to_string(), comment],
    ];
    if extended {
        rows.extend(options.iter().map(|(key, value)| {
            let shown = paimon_catalog::redacted(key, value);
            [format!("option:{key}"), shown]
        }));
    }
    text_rows(session, ["info_name", "info_value"], rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(sql: &str) -> Result<Option<CatalogCommand>> {
        let mut cursor = Cursor::from_sql(sql)?;
        let command = parse(&mut cursor)?;
        match command.is_some() {
            true => cursor.end().map(|()| command),
            false => Ok(None),
        }
    }

    #[test]
    fn changes_of_catalogs_are_recognised() {
        let change = |sql: &str| match parsed(sql).unwrap() {
            Some(CatalogCommand::Alter { name, change }) if name.value == "c" => change,
            other => panic!("{sql}: {other:?}"),
        };
        let pair = ("s3.endpoint".to_string(), "http://x".to_string());
        assert_eq!(
            change("ALTER CATALOG c SET ('s3.endpoint' = 'http://x')"),
            CatalogChange::Set(vec![pair])
        );
        let keys = ["a".to_string(), "b.c".to_string()];
        for word in ["RESET", "unset"] {
            assert_eq!(
                change(&format!("alter catalog c {word} ('b.c', 'a')")),
                CatalogChange::Reset(keys.clone().into())
            );
        }
        assert_eq!(
            change("ALTER CATALOG c COMMENT 'for tests'"),
            CatalogChange::Comment("for tests".to_string())
        );
    }

    #[test]
    fn malformed_changes_are_refused() {
        for sql in [
            "ALTER CATALOG c",
            "ALTER CATALOG a.b SET ('k'='v')",
            "ALTER CATALOG c SET ()",
            "ALTER CATALOG c RESET ()",
            "ALTER CATALOG c RESET ('a'='b')",
            "ALTER CATALOG c RESET ('type')",
            "ALTER CATALOG c RENAME TO d",
            "ALTER CATALOG c SET ('k'='v') now",
        ] {
            assert!(parsed(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn a_malformed_option_does_not_show_its_value() {
        for sql in [
            "ALTER CATALOG c SET ('s3.secret-key' 'hush')",
            "ALTER CATALOG c SET ('s3.secret-key' = 'a' 'hush')",
            "CREATE CATALOG c WITH ('s3.secret-key' = 'a' hush)",
        ] {
            let error = parsed(sql).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
            assert!(error.contains("s3.secret-key"), "{error}");
        }
    }

    #[test]
    fn a_table_may_be_called_catalog() {
        assert_eq!(parsed("DESCRIBE catalog").unwrap(), None);
        assert_eq!(parsed("DESC catalog.db.t").unwrap(), None);
        assert!(parsed("DESC CATALOG EXTENDED c").unwrap().is_some());
    }
}
