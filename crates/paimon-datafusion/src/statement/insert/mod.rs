//! `INSERT INTO` and `INSERT OVERWRITE` of Paimon tables.
//!
//! ```text
//! INSERT INTO | OVERWRITE [TABLE] t [OPTIONS hint] [PARTITION (p = v, ..)] [(columns) | BY NAME] query
//! ```

mod plan;

use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::Token;

pub(crate) use plan::{append, count_of, missing, plan, position};

use super::partition::PartitionSpec;
use crate::parse::Cursor;

/// An INSERT as parsed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    /// The table.
    pub(crate) table: Vec<Ident>,
    /// Whether rows that are there are replaced.
    pub(crate) overwrite: bool,
    /// Partition columns with given values.
    pub(crate) partition: PartitionSpec,
    /// The columns that the query gives, in its order.
    pub(crate) columns: Columns,
    /// Where the query begins among the tokens of the statement.
    pub(crate) query: usize,
}

/// How columns of the query meet those of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Columns {
    /// All, by position.
    All,
    /// These, by position.
    Listed(Vec<Ident>),
    /// Those the query names.
    ByName,
}

impl Insert {
    /// Recognises an INSERT; `None` for all other statements.
    ///
    /// # Errors
    /// When it is malformed.
    pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<Self>> {
        if !cursor.keyword("INSERT") {
            return Ok(None);
        }
        let overwrite = match cursor.one_of(&["INTO", "OVERWRITE"]) {
            Some(word) => word == "OVERWRITE",
            None => return cursor.expected("INTO or OVERWRITE"),
        };
        if overwrite {
            cursor.keyword("INTO");
        }
        cursor.keyword("TABLE");
        let table = cursor.object_name()?;
        let mut partition = PartitionSpec::default();
        let mut columns = Columns::All;
        loop {
            if cursor.keyword("PARTITION") {
                partition = PartitionSpec::parse(cursor)?;
            } else if cursor.keywords(&["BY", "NAME"]) {
                columns = Columns::ByName;
            } else if cursor.peek() == Some(&Token::LParen) && !is_query(cursor) {
                columns = Columns::Listed(names(cursor)?);
            } else {
                break;
            }
        }
        Ok(Some(Self {
            table,
            overwrite,
            partition,
            columns,
            query: cursor.rest()?,
        }))
    }
}

/// Whether a parenthesis opens a query and not a list of columns.
fn is_query(cursor: &Cursor) -> bool {
    let mut ahead = cursor.clone();
    while ahead.eat(&Token::LParen) {}
    ahead
        .one_of(&["SELECT", "WITH", "VALUES", "TABLE", "FROM"])
        .is_some()
}

pub(super) fn names(cursor: &mut Cursor) -> Result<Vec<Ident>> {
    cursor.eat(&Token::LParen);
    let mut names = Vec::new();
    loop {
        match cursor.object_name()?.as_slice() {
            [name] => names.push(name.clone()),
            _ => return cursor.expected("the name of a column"),
        }
        if cursor.eat(&Token::RParen) {
            return Ok(names);
        }
        if !cursor.eat(&Token::Comma) {
            return cursor.expected(", or )");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn parse(sql: &str) -> Result<Option<Insert>> {
        Insert::parse(&mut Cursor::from_sql(sql)?)
    }

    #[test]
    fn every_form_is_read() {
        for (sql, overwrite, query) in [
            ("INSERT INTO t SELECT 1", false, "SELECT"),
            ("INSERT INTO TABLE db.t VALUES (1)", false, "VALUES"),
            ("insert overwrite t (SELECT 1)", true, "("),
            (
                "INSERT OVERWRITE INTO t WITH x AS (SELECT 1) SELECT * FROM x",
                true,
                "WITH",
            ),
            ("INSERT INTO t ((SELECT 1))", false, "("),
        ] {
            let insert = parse(sql).unwrap().unwrap();
            assert_eq!(insert.overwrite, overwrite, "{sql}");
            assert_eq!(insert.columns, Columns::All, "{sql}");
            let tokens = crate::parse::tokenize(sql).unwrap();
            assert_eq!(tokens[insert.query].token.to_string(), query, "{sql}");
        }
        let insert = parse("INSERT OVERWRITE t PARTITION (dt = '1') (b, `A`) SELECT 1, 2")
            .unwrap()
            .unwrap();
        let Columns::Listed(columns) = insert.columns else {
            panic!("{insert:?}");
        };
        assert_eq!(columns.len(), 2);
        assert_ne!(insert.partition, PartitionSpec::default());
        let insert = parse("INSERT INTO t BY NAME SELECT 1 AS a")
            .unwrap()
            .unwrap();
        assert_eq!(insert.columns, Columns::ByName);
        assert!(parse("SELECT 1").unwrap().is_none());
    }

    #[test]
    fn malformed_statements_are_errors() {
        for sql in [
            "INSERT t SELECT 1",
            "INSERT INTO t",
            "INSERT INTO t (a",
            "INSERT INTO t (a.b) SELECT 1",
        ] {
            assert!(parse(sql).is_err(), "{sql}");
        }
    }
}
