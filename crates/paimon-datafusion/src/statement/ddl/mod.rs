//! Statements that make and remove databases and tables.

mod columns;
mod run;
mod types;

use std::collections::BTreeMap;

use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_catalog::PropertyChanges;
use paimon_core::schema::NewTable;

pub(super) use columns::default as constant;
pub(crate) use run::plan;
pub(super) use run::target;
pub(crate) use types::data_type_of;
pub(super) use types::read as data_type;

use super::alter::key_list;
use super::ident_text;
use super::partition::PartitionSpec;
use crate::parse::{Cursor, given_once};
use crate::sink::Creation;

/// A statement as parsed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ddl {
    CreateDatabase {
        name: Vec<Ident>,
        if_not_exists: bool,
        /// Its properties, `comment` and `location` among them.
        properties: BTreeMap<String, String>,
    },
    DropDatabase {
        name: Vec<Ident>,
        if_exists: bool,
        cascade: bool,
    },
    AlterDatabase {
        name: Vec<Ident>,
        changes: PropertyChanges,
    },
    CreateTable {
        name: Vec<Ident>,
        creation: Creation,
        /// Columns are those of the query when it has none.
        table: NewTable,
        /// Where the query behind AS begins among the tokens of the statement.
        query: Option<usize>,
    },
    CreateTableLike {
        name: Vec<Ident>,
        if_not_exists: bool,
        source: Vec<Ident>,
        /// Options on top of those of the source.
        options: Vec<(String, String)>,
    },
    RenameTable {
        name: Vec<Ident>,
        to: Vec<Ident>,
    },
    DropTable {
        name: Vec<Ident>,
        if_exists: bool,
    },
    TruncateTable {
        name: Vec<Ident>,
        /// Values of some partition columns; none for the whole table.
        partition: PartitionSpec,
    },
}

/// Recognises one of the statements; `None` for all others.
///
/// # Errors
/// When it is one of ours but malformed.
pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<Ddl>> {
    let ddl = if cursor.keyword("CREATE") {
        if is_database(cursor) {
            create_database(cursor)?
        } else if cursor.keyword("TABLE") {
            create_table(cursor)?
        } else if cursor.keywords(&["OR", "REPLACE", "TABLE"]) {
            replace_table(cursor, Creation::CreateOrReplace)?
        } else {
            return Ok(None);
        }
    } else if cursor.keywords(&["REPLACE", "TABLE"]) {
        replace_table(cursor, Creation::Replace)?
    } else if cursor.keyword("DROP") {
        if is_database(cursor) {
            drop_database(cursor)?
        } else if cursor.keyword("TABLE") {
            let if_exists = cursor.keywords(&["IF", "EXISTS"]);
            let name = cursor.object_name()?;
            cursor.keyword("PURGE");
            Ddl::DropTable { name, if_exists }
        } else {
            return Ok(None);
        }
    } else if cursor.keyword("TRUNCATE") {
        cursor.keyword("TABLE");
        let name = cursor.object_name()?;
        let partition = match cursor.keyword("PARTITION") {
            true => PartitionSpec::parse(cursor)?,
            false => PartitionSpec::default(),
        };
        Ddl::TruncateTable { name, partition }
    } else if let Some(alter) = alter_database(cursor)? {
        alter
    } else if cursor.keywords(&["ALTER", "TABLE"]) {
        let name = cursor.object_name()?;
        if !cursor.keywords(&["RENAME", "TO"]) {
            return Ok(None);
        }
        let to = cursor.object_name()?;
        Ddl::RenameTable { name, to }
    } else {
        return Ok(None);
    };
    cursor.end()?;
    Ok(Some(ddl))
}

fn is_database(cursor: &mut Cursor) -> bool {
    cursor
        .one_of(&["DATABASE", "SCHEMA", "NAMESPACE"])
        .is_some()
}

fn create_database(cursor: &mut Cursor) -> Result<Ddl> {
    let if_not_exists = cursor.keywords(&["IF", "NOT", "EXISTS"]);
    let name = cursor.object_name()?;
    let mut properties: Vec<(String, String)> = Vec::new();
    loop {
        if cursor.keyword("COMMENT") {
            properties.push(("comment".to_string(), cursor.string()?));
        } else if cursor.keyword("WITH") {
            cursor.one_of(&["DBPROPERTIES", "PROPERTIES"]);
            properties.extend(cursor.options()?);
        } else if cursor.keyword("LOCATION") {
            properties.push(("location".to_string(), cursor.string()?));
        } else {
            break;
        }
    }
    given_once(properties.iter().map(|(key, _)| key.as_str()))?;
    let properties = properties.into_iter().collect();
    Ok(Ddl::CreateDatabase {
        name,
        if_not_exists,
        properties,
    })
}

fn drop_database(cursor: &mut Cursor) -> Result<Ddl> {
    let if_exists = cursor.keywords(&["IF", "EXISTS"]);
    let name = cursor.object_name()?;
    let cascade = cursor.keyword("CASCADE");
    if !cascade {
        cursor.keyword("RESTRICT");
    }
    Ok(Ddl::DropDatabase {
        name,
        if_exists,
        cascade,
    })
}

/// `ALTER DATABASE db SET | UNSET ..`; `None` for all others.
fn alter_database(cursor: &mut Cursor) -> Result<Option<Ddl>> {
    let mut ahead = cursor.clone();
    if !ahead.keyword("ALTER") || !is_database(&mut ahead) {
        return Ok(None);
    }
    *cursor = ahead;
    let name = cursor.object_name()?;
    let mut changes = PropertyChanges::default();
    if cursor.keywords(&["SET", "LOCATION"]) {
        changes.set.insert("location".into(), cursor.string()?);
    } else if cursor.keyword("SET") {
        cursor.one_of(&["DBPROPERTIES", "PROPERTIES"]);
        changes.set.extend(cursor.options()?);
    } else if cursor.keyword("UNSET") {
        cursor.one_of(&["DBPROPERTIES", "PROPERTIES"]);
        cursor.keywords(&["IF", "EXISTS"]);
        changes.removed.extend(key_list(cursor)?);
    } else {
        return cursor.expected("SET or UNSET");
    }
    if changes == PropertyChanges::default() {
        return cursor.expected("properties in parentheses");
    }
    Ok(Some(Ddl::AlterDatabase { name, changes }))
}

/// Reads behind CREATE TABLE.
fn create_table(cursor: &mut Cursor) -> Result<Ddl> {
    let if_not_exists = cursor.keywords(&["IF", "NOT", "EXISTS"]);
    let name = cursor.object_name()?;
    if cursor.keyword("LIKE") {
        let source = cursor.object_name()?;
        let mut options = Vec::new();
        while cursor.one_of(&["WITH", "TBLPROPERTIES"]).is_some() {
            options.extend(cursor.options()?);
        }
        given_once(
            options
                .iter()
                .map(|(key, _): &(String, String)| key.as_str()),
        )?;
        return Ok(Ddl::CreateTableLike {
            name,
            if_not_exists,
            source,
            options,
        });
    }
    let creation = match if_not_exists {
        true => Creation::CreateIfMissing,
        false => Creation::Create,
    };
    definition(cursor, name, creation)
}

/// Reads behind CREATE OR REPLACE TABLE and REPLACE TABLE.
fn replace_table(cursor: &mut Cursor, creation: Creation) -> Result<Ddl> {
    let name = cursor.object_name()?;
    definition(cursor, name, creation)
}

/// Reads what a table is made of.
fn definition(cursor: &mut Cursor, name: Vec<Ident>, creation: Creation) -> Result<Ddl> {
    let mut table = NewTable::default();
    if cursor.peek() == Some(&Token::LParen) {
        columns::read(cursor, &mut table)?;
    }
    let query = clauses(cursor, &mut table)?;
    if table.columns.is_empty() && query.is_none() {
        return cursor.expected("columns in parentheses or AS SELECT");
    }
    Ok(Ddl::CreateTable {
        name,
        creation,
        table,
        query,
    })
}

/// Reads what follows the columns, in any order; returns where the query behind AS begins.
fn clauses(cursor: &mut Cursor, table: &mut NewTable) -> Result<Option<usize>> {
    loop {
        if cursor.keyword("COMMENT") {
            table.comment = Some(cursor.string()?);
        } else if cursor.keywords(&["PARTITIONED", "BY"]) {
            table.partition_keys = names(cursor)?;
        } else if cursor
            .one_of(&["WITH", "TBLPROPERTIES", "OPTIONS"])
            .is_some()
        {
            add_options(table, cursor.options()?)?;
        } else if cursor.keyword("LOCATION") {
            add_options(table, vec![("path".into(), cursor.string()?)])?;
        } else if cursor.keyword("USING") {
            const FORMATS: &[&str] = &["CSV", "JSON", "TEXT", "PARQUET", "ORC"];
            if cursor.keyword("PAIMON") {
                continue;
            }
            // Spark's spelling of a format table
            let Some(format) = cursor.one_of(FORMATS) else {
                return cursor
                    .expected("PAIMON, or CSV, JSON, TEXT, PARQUET or ORC for a format table");
            };
            let format = format.to_ascii_lowercase();
            for (key, value) in [
                ("type", run::FORMAT_TABLE),
                ("file.format", format.as_str()),
            ] {
                // what says the same once more does no harm
                if table.options.get(key).is_none_or(|there| there != value) {
                    add_options(table, vec![(key.into(), value.into())])?;
                }
            }
        } else if cursor.keyword("AS") {
            return cursor.rest().map(Some);
        } else {
            return Ok(None);
        }
    }
}

fn add_options(table: &mut NewTable, more: Vec<(String, String)>) -> Result<()> {
    let keys = table.options.keys().chain(more.iter().map(|(key, _)| key));
    given_once(keys.map(String::as_str))?;
    table.options.extend(more);
    Ok(())
}

/// `(a, b)`.
pub(super) fn names(cursor: &mut Cursor) -> Result<Vec<String>> {
    if !cursor.eat(&Token::LParen) {
        return cursor.expected("(");
    }
    let mut names = Vec::new();
    loop {
        match cursor.object_name()?.as_slice() {
            [name] => names.push(ident_text(name)),
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
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn table(sql: &str) -> NewTable {
        match parse(&mut Cursor::from_sql(sql).unwrap()) {
            Ok(Some(Ddl::CreateTable { table, .. })) => table,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn columns_keys_and_options() {
        let table = table(
            "CREATE TABLE IF NOT EXISTS db.t (Id INT NOT NULL COMMENT 'it''s', v STRING DEFAULT 'x', n INT DEFAULT -5, \
             dt DATE, PRIMARY KEY (dt, id) NOT ENFORCED) COMMENT 'c' PARTITIONED BY (dt) \
             WITH ('bucket' = '2', write-only = true)",
        );
        let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["id", "v", "n", "dt"]);
        assert_eq!(table.columns[0].comment.as_deref(), Some("it's"));
        assert!(!table.columns[0].data_type.nullable);
        assert_eq!(table.columns[1].default.as_deref(), Some("x"));
        assert_eq!(table.columns[2].default.as_deref(), Some("-5"));
        assert_eq!(table.primary_keys, ["dt", "id"]);
        assert_eq!(table.partition_keys, ["dt"]);
        assert_eq!(table.options["bucket"], "2");
        assert_eq!(table.comment.as_deref(), Some("c"));
    }

    #[test]
    fn files_of_another_format_make_a_format_table() {
        let table =
            table("CREATE TABLE t (a INT) USING csv TBLPROPERTIES ('csv.field-delimiter' = ';')");
        assert_eq!(table.options["type"], "format-table");
        assert_eq!(table.options["file.format"], "csv");
        assert_eq!(table.options["csv.field-delimiter"], ";");
    }

    #[test]
    fn properties_of_a_database_are_set_and_removed() {
        let parsed = |sql: &str| parse(&mut Cursor::from_sql(sql).unwrap());
        for sql in [
            "ALTER DATABASE db SET DBPROPERTIES ('a' = '1')",
            "alter schema db set properties (a = 1)",
            "ALTER NAMESPACE db SET ('a' = '1')",
        ] {
            let Ok(Some(Ddl::AlterDatabase { changes, .. })) = parsed(sql) else {
                panic!("{sql}: {:?}", parsed(sql));
            };
            assert_eq!(changes.set["a"], "1", "{sql}");
        }
        let sql = "ALTER DATABASE db UNSET DBPROPERTIES IF EXISTS ('a', b.c)";
        let Ok(Some(Ddl::AlterDatabase { changes, .. })) = parsed(sql) else {
            panic!("{:?}", parsed(sql));
        };
        assert!(changes.removed.contains("a") && changes.removed.contains("b.c"));
        assert!(parsed("ALTER DATABASE db SET ()").is_err());
        assert!(parsed("ALTER DATABASE db RENAME TO other").is_err());
    }

    #[test]
    fn every_spelling_of_a_type() {
        for (sql, paimon) in [
            ("integer", "INT"),
            ("LONG", "BIGINT"),
            ("DECIMAL(10,2)", "DECIMAL(10, 2)"),
            ("NUMERIC", "DECIMAL(10, 0)"),
            ("VARCHAR(7)", "VARCHAR(7)"),
            ("VARCHAR", "STRING"),
            ("TEXT", "STRING"),
            ("BINARY", "BYTES"),
            ("BINARY(3)", "BINARY(3)"),
            ("TIMESTAMP", "TIMESTAMP(6)"),
            ("TIMESTAMP(3)", "TIMESTAMP(3)"),
            ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"),
            (
                "TIMESTAMP(3) WITH LOCAL TIME ZONE",
                "TIMESTAMP(3) WITH LOCAL TIME ZONE",
            ),
            (
                "TIMESTAMP WITH TIME ZONE",
                "TIMESTAMP(6) WITH LOCAL TIME ZONE",
            ),
            ("TIMESTAMP_LTZ(3)", "TIMESTAMP(3) WITH LOCAL TIME ZONE"),
            ("TIMESTAMP_NTZ", "TIMESTAMP(6)"),
            ("ARRAY<INT NOT NULL>", "ARRAY<INT NOT NULL>"),
            ("ARRAY<ARRAY<STRING>>", "ARRAY<ARRAY<STRING>>"),
            (
                "MAP<STRING, MAP<INT, BIGINT>>",
                "MAP<STRING, MAP<INT, BIGINT>>",
            ),
            ("MAP(STRING, INT)", "MAP<STRING, INT>"),
            ("MULTISET<STRING>", "MULTISET<STRING>"),
            ("VARIANT", "VARIANT"),
        ] {
            let table = table(&format!("CREATE TABLE t (c {sql}, d INT)"));
            assert_eq!(table.columns[0].data_type.to_string(), paimon, "{sql}");
            assert_eq!(table.columns.len(), 2, "{sql}");
        }
        for sql in [
            "ROW<a INT, b ARRAY<STRING>>",
            "STRUCT<a: INT, b: ARRAY<STRING>>",
            "ROW(a INT, b ARRAY<STRING>)",
        ] {
            let table = table(&format!("CREATE TABLE t (c {sql})"));
            let text = table.columns[0].data_type.to_string();
            assert!(
                text.contains('a') && text.contains("ARRAY<STRING>"),
                "{text}"
            );
        }
    }

    #[test]
    fn inline_keys_and_queries() {
        let one = table("CREATE TABLE t (id INT PRIMARY KEY NOT ENFORCED, v INT)");
        assert_eq!(one.primary_keys, ["id"]);
        let ctas = parse(
            &mut Cursor::from_sql("CREATE TABLE t WITH ('bucket'='1') AS SELECT 1 AS a").unwrap(),
        );
        match ctas.unwrap() {
            Some(Ddl::CreateTable {
                query: Some(query), ..
            // behind `CREATE TABLE t WITH ('bucket'='1') AS `
            }) => assert_eq!(query, 16),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tables_that_take_the_place_of_others() {
        for (sql, expected, has_query) in [
            ("CREATE TABLE t (a INT)", Creation::Create, false),
            (
                "CREATE TABLE IF NOT EXISTS t (a INT)",
                Creation::CreateIfMissing,
                false,
            ),
            (
                "create or replace table db.t (a INT) COMMENT 'c'",
                Creation::CreateOrReplace,
                false,
            ),
            (
                "REPLACE TABLE t USING paimon AS SELECT 1 AS a",
                Creation::Replace,
                true,
            ),
        ] {
            match parse(&mut Cursor::from_sql(sql).unwrap()) {
                Ok(Some(Ddl::CreateTable {
                    creation, query, ..
                })) => assert_eq!((creation, query.is_some()), (expected, has_query), "{sql}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
    }

    #[test]
    fn malformed_statements_are_errors() {
        for sql in [
            "CREATE TABLE t",
            "CREATE TABLE t ()",
            "CREATE TABLE t (a)",
            "CREATE TABLE t (a NOSUCHTYPE)",
            "CREATE TABLE t (a INT) CLUSTERED BY (a)",
            "CREATE TABLE t (a INT DEFAULT now())",
            "CREATE TABLE t (a INT) USING delta",
            "CREATE TABLE t (id INT PRIMARY KEY, PRIMARY KEY (id))",
            "CREATE OR REPLACE TABLE t",
            "CREATE OR REPLACE TABLE IF NOT EXISTS t (a INT)",
            "REPLACE TABLE t LIKE u",
        ] {
            let parsed = parse(&mut Cursor::from_sql(sql).unwrap());
            assert!(parsed.is_err(), "{sql}: {parsed:?}");
        }
    }
}
