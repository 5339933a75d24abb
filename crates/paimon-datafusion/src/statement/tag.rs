//! `ALTER TABLE t CREATE | REPLACE | DELETE | RENAME TAG`, as Spark has them.

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_core::maintenance::{NewTag, create_tag, delete_tag, rename_tag, replace_tag};
use paimon_core::snapshot::read_tag;
use paimon_core::table::Table;
use paimon_core::write::{Clock, SystemClock};

use super::effect::effect;
use super::procedure::replace_existing;
use crate::error::to_datafusion;
use crate::parse::Cursor;
use crate::session::PaimonSession;

/// A statement as parsed.
#[derive(Debug, Clone)]
pub(crate) struct TagStatement {
    table: Vec<Ident>,
    change: Change,
}

/// What happens to tags.
#[derive(Debug, Clone)]
enum Change {
    Create { tag: NewTag, taken: Taken },
    Replace { tag: NewTag },
    Delete { names: Vec<String>, if_exists: bool },
    Rename { from: String, to: String },
}

/// What happens when the name of a new tag is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Fails,
    Stays,
    IsReplaced,
}

/// Recognises one of the statements; `None` for all others.
///
/// # Errors
/// When it is one of ours but malformed.
pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<TagStatement>> {
    if !cursor.keywords(&["ALTER", "TABLE"]) {
        return Ok(None);
    }
    let table = cursor.object_name()?;
    let change = if cursor.keywords(&["CREATE", "OR", "REPLACE", "TAG"]) {
        Change::Create {
            tag: new_tag(cursor)?,
            taken: Taken::IsReplaced,
        }
    } else if cursor.keywords(&["CREATE", "TAG"]) {
        let taken = match cursor.keywords(&["IF", "NOT", "EXISTS"]) {
            true => Taken::Stays,
            false => Taken::Fails,
        };
        let tag = new_tag(cursor)?;
        Change::Create { tag, taken }
    } else if cursor.keywords(&["REPLACE", "TAG"]) {
        let tag = new_tag(cursor)?;
        Change::Replace { tag }
    } else if cursor.keywords(&["DELETE", "TAG"]) {
        let if_exists = cursor.keywords(&["IF", "EXISTS"]);
        let mut names = vec![name(cursor)?];
        while cursor.eat(&Token::Comma) {
            names.push(name(cursor)?);
        }
        Change::Delete { names, if_exists }
    } else if cursor.keywords(&["RENAME", "TAG"]) {
        let from = name(cursor)?;
        if !cursor.keyword("TO") {
            return cursor.expected("TO");
        }
        let to = name(cursor)?;
        Change::Rename { from, to }
    } else {
        return Ok(None);
    };
    cursor.end()?;
    Ok(Some(TagStatement { table, change }))
}

/// `name [AS OF VERSION n] [RETAIN n DAYS | HOURS | MINUTES]`.
fn new_tag(cursor: &mut Cursor) -> Result<NewTag> {
    let mut tag = NewTag {
        name: name(cursor)?,
        ..NewTag::default()
    };
    if cursor.keywords(&["AS", "OF", "VERSION"]) {
        tag.snapshot_id = Some(number(cursor)?);
    }
    if cursor.keyword("RETAIN") {
        let count = number(cursor)?;
        let unit = cursor.one_of(&["DAYS", "DAY", "HOURS", "HOUR", "MINUTES", "MINUTE"]);
        let unit_ms = match unit {
            Some("DAYS" | "DAY") => 86_400_000,
            Some("HOURS" | "HOUR") => 3_600_000,
            Some(_) => 60_000,
            None => return cursor.expected("DAYS, HOURS or MINUTES"),
        };
        let retained = u64::try_from(count).ok();
        let retained = retained.and_then(|n| n.checked_mul(unit_ms));
        let Some(retained) = retained else {
            return Err(DataFusionError::Plan(format!(
                "RETAIN {count} is out of range"
            )));
        };
        tag.time_retained_ms = Some(retained);
    }
    Ok(tag)
}

/// A name as written: bare, beginning with a letter, or quoted in any way.
fn name(cursor: &mut Cursor) -> Result<String> {
    if let Ok(text) = cursor.string() {
        return Ok(text);
    }
    match cursor.peek() {
        Some(Token::Word(word)) => {
            let name = word.value.clone();
            cursor.take();
            Ok(name)
        }
        _ => cursor.expected("the name of a tag, in quotes if it is no plain word"),
    }
}

fn number(cursor: &mut Cursor) -> Result<i64> {
    let digits = match cursor.peek() {
        Some(Token::Number(digits, _)) => digits.parse().ok(),
        _ => None,
    };
    match digits {
        Some(number) => {
            cursor.take();
            Ok(number)
        }
        None => cursor.expected("a whole number"),
    }
}

/// Plans a statement on a Paimon table.
///
/// # Errors
/// When there is no such table.
pub(crate) async fn plan(session: &PaimonSession, statement: TagStatement) -> Result<DataFrame> {
    let table = session.paimon_table(&statement.table, Vec::new()).await?;
    let change = statement.change;
    let what = match &change {
        Change::Create { tag, .. } => format!("CREATE TAG {}", tag.name),
        Change::Replace { tag } => format!("REPLACE TAG {}", tag.name),
        Change::Delete { names, .. } => format!("DELETE TAG {}", names.join(", ")),
        Change::Rename { from, to } => format!("RENAME TAG {from} TO {to}"),
    };
    effect(session, format!("{}: {what}", table.name()), move || {
        let (table, change) = (table.clone(), change.clone());
        async move {
            let done = run(&table, &change).await;
            done.map_err(|e| to_datafusion(e.with_default("table", table.name())))
        }
    })
}

async fn run(table: &Table, change: &Change) -> paimon_core::Result<()> {
    match change {
        Change::Create { tag, taken } => create(table, tag, *taken).await,
        Change::Replace { tag } => replace_existing(table, tag).await,
        Change::Delete { names, if_exists } => {
            for name in names {
                if !*if_exists || exists(table, name).await? {
                    delete_tag(table, name).await?;
                }
            }
            Ok(())
        }
        Change::Rename { from, to } => rename_tag(table, from, to).await,
    }
}

async fn create(table: &Table, tag: &NewTag, taken: Taken) -> paimon_core::Result<()> {
    let now_ms = SystemClock.local_ms();
    let made = match taken {
        Taken::Fails => create_tag(table, tag, now_ms).await,
        Taken::IsReplaced => replace_tag(table, tag, now_ms).await,
        Taken::Stays if exists(table, &tag.name).await? => return Ok(()),
        Taken::Stays => match create_tag(table, tag, now_ms).await {
            // somebody else was faster
            Err(_) if exists(table, &tag.name).await? => return Ok(()),
            other => other,
        },
    };
    made.map(drop)
}

async fn exists(table: &Table, name: &str) -> paimon_core::Result<bool> {
    let known = read_tag(table.io(), &table.metadata_root()?, name).await?;
    Ok(known.is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn change(sql: &str) -> Result<Option<Change>> {
        let parsed = parse(&mut Cursor::from_sql(sql)?)?;
        Ok(parsed.map(|s| s.change))
    }

    fn created(sql: &str) -> (NewTag, Taken) {
        match change(sql) {
            Ok(Some(Change::Create { tag, taken })) => (tag, taken),
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn every_clause_of_a_new_tag_is_read() {
        let (tag, taken) =
            created("ALTER TABLE t CREATE TAG `My-Tag` AS OF VERSION 3 RETAIN 2 DAYS");
        assert_eq!((tag.name.as_str(), taken), ("My-Tag", Taken::Fails));
        assert_eq!(tag.snapshot_id, Some(3));
        assert_eq!(tag.time_retained_ms, Some(172_800_000));
        let (tag, taken) = created("alter table db.t create tag if not exists x retain 1 hours");
        assert_eq!((tag.name.as_str(), taken), ("x", Taken::Stays));
        assert_eq!(tag.snapshot_id, None);
        assert_eq!(tag.time_retained_ms, Some(3_600_000));
        let (tag, taken) = created("ALTER TABLE t CREATE OR REPLACE TAG 'x' RETAIN 5 MINUTES");
        assert_eq!((tag.name.as_str(), taken), ("x", Taken::IsReplaced));
        assert_eq!(tag.time_retained_ms, Some(300_000));
    }

    #[test]
    fn tags_are_replaced_deleted_and_renamed() {
        assert!(matches!(
            change("ALTER TABLE t REPLACE TAG x AS OF VERSION 2"),
            Ok(Some(Change::Replace { tag })) if tag.snapshot_id == Some(2)
        ));
        assert!(matches!(
            change("ALTER TABLE t DELETE TAG IF EXISTS a, 'b-c'"),
            Ok(Some(Change::Delete { names, if_exists: true })) if names == ["a", "b-c"]
        ));
        assert!(matches!(
            change("ALTER TABLE t RENAME TAG a TO B"),
            Ok(Some(Change::Rename { from, to })) if from == "a" && to == "B"
        ));
    }

    #[test]
    fn other_and_malformed_statements() {
        for sql in [
            "ALTER TABLE t RENAME TO u",
            "ALTER TABLE t ADD COLUMN a INT",
        ] {
            assert!(change(sql).unwrap().is_none(), "{sql}");
        }
        for sql in [
            "ALTER TABLE t CREATE TAG",
            "ALTER TABLE t CREATE TAG x AS OF VERSION y",
            "ALTER TABLE t CREATE TAG x RETAIN 3 WEEKS",
            "ALTER TABLE t CREATE TAG x RETAIN DAYS",
            "ALTER TABLE t CREATE TAG x RETAIN 1 DAYS later",
            "ALTER TABLE t DELETE TAG a,",
            "ALTER TABLE t RENAME TAG a b",
        ] {
            assert!(change(sql).is_err(), "{sql}");
        }
    }
}
