//! `CREATE FUNCTION`, `DROP FUNCTION`: functions that a catalog keeps.
//!
//! Java: the SQL functions of Paimon's Spark extensions. What is kept is the expression, as the definition for this program.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use paimon_catalog::{Catalog, Function, FunctionDefinition, Identifier};
use paimon_core::Error;
use paimon_core::spec::{DataField, DataType};

use super::effect::effect;
use super::view::text_from;
use super::{ddl, ident_text};
use crate::error::to_datafusion;
use crate::parse::Cursor;
use crate::session::{DIALECT, PaimonSession, StoredFunction};

/// How a statement about a function begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Create(Mode),
    Drop { if_exists: bool },
}

/// What becomes of a function that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    New,
    IfMissing,
    Replace,
}

/// A function as parsed.
#[derive(Debug, Clone, PartialEq)]
struct Declared {
    parameters: Vec<(String, DataType, Option<String>)>,
    returns: DataType,
    comment: Option<String>,
    /// Whether it gives the same for the same arguments; what its expression says without it.
    deterministic: Option<bool>,
    /// Where the expression begins among the tokens of the statement.
    body: usize,
}

/// Reads what begins a statement about a function and its name; `None` for other statements.
fn begin(cursor: &mut Cursor) -> Result<Option<(Start, Vec<Ident>)>> {
    let or_replace = cursor.keywords(&["CREATE", "OR", "REPLACE", "FUNCTION"]);
    let start = if or_replace || cursor.keywords(&["CREATE", "FUNCTION"]) {
        match (or_replace, cursor.keywords(&["IF", "NOT", "EXISTS"])) {
            (false, false) => Start::Create(Mode::New),
            (false, true) => Start::Create(Mode::IfMissing),
            (true, false) => Start::Create(Mode::Replace),
            (true, true) => {
                return Err(DataFusionError::Plan(
                    "CREATE FUNCTION takes OR REPLACE or IF NOT EXISTS, found both".into(),
                ));
            }
        }
    } else if cursor.keywords(&["DROP", "FUNCTION"]) {
        Start::Drop {
            if_exists: cursor.keywords(&["IF", "EXISTS"]),
        }
    } else {
        return Ok(None);
    };
    Ok(Some((start, cursor.object_name()?)))
}

/// Reads what follows the name of a new function.
fn declared(cursor: &mut Cursor) -> Result<Declared> {
    if cursor.keyword("AS") {
        return Err(to_datafusion(Error::unsupported(
            "CREATE FUNCTION .. AS is not supported: CREATE FUNCTION f (x INT) RETURNS INT RETURN x + 1 keeps an \
             expression; CALL sys.create_function and sys.alter_function keep classes and lambdas for other programs",
        )));
    }
    if !cursor.eat(&Token::LParen) {
        return cursor.expected("(");
    }
    let parameters = parameters(cursor)?;
    if !cursor.keyword("RETURNS") {
        return cursor.expected("RETURNS and a type");
    }
    if cursor.keyword("TABLE") {
        return Err(to_datafusion(Error::unsupported(
            "functions that return tables are not supported",
        )));
    }
    let returns = ddl::data_type(cursor)?;
    let (mut comment, mut deterministic) = (None, None);
    loop {
        if cursor.keyword("COMMENT") {
            comment = Some(cursor.string()?);
        } else if cursor.keyword("DETERMINISTIC") {
            deterministic = Some(true);
        } else if cursor.keywords(&["NOT", "DETERMINISTIC"]) {
            deterministic = Some(false);
        } else if cursor.keyword("LANGUAGE") {
            if !cursor.keyword("SQL") {
                return cursor.expected("LANGUAGE SQL");
            }
        } else if cursor.keyword("RETURN") {
            break;
        } else {
            return cursor.expected("RETURN and an expression");
        }
    }
    Ok(Declared {
        parameters,
        returns,
        comment,
        deterministic,
        body: cursor.rest()?,
    })
}

/// Reads `x INT [COMMENT 'c'], ..)`.
fn parameters(cursor: &mut Cursor) -> Result<Vec<(String, DataType, Option<String>)>> {
    let mut parameters: Vec<(String, DataType, Option<String>)> = Vec::new();
    if cursor.eat(&Token::RParen) {
        return Ok(parameters);
    }
    loop {
        let name = match cursor.object_name()?.as_slice() {
            [name] => ident_text(name),
            _ => return cursor.expected("the name of a parameter"),
        };
        if parameters.iter().any(|(other, ..)| *other == name) {
            return Err(DataFusionError::Plan(format!(
                "the function has parameter {name} twice"
            )));
        }
        let data_type = ddl::data_type(cursor)?;
        if cursor.keyword("DEFAULT") {
            return Err(to_datafusion(
                Error::unsupported("parameters with a DEFAULT are not supported")
                    .with("parameter", name),
            ));
        }
        let comment = match cursor.keyword("COMMENT") {
            true => Some(cursor.string()?),
            false => None,
        };
        parameters.push((name, data_type, comment));
        if cursor.eat(&Token::RParen) {
            return Ok(parameters);
        }
        if !cursor.eat(&Token::Comma) {
            return cursor.expected(", or )");
        }
    }
}

/// Plans a statement about a function of a Paimon catalog; `None` for all others. `sql` is the statement, `tokens` are its
/// tokens, which the cursor has read up to an EXPLAIN.
///
/// # Errors
/// When it is malformed, or the expression cannot be planned.
pub(super) fn plan(
    session: &PaimonSession,
    cursor: &Cursor,
    tokens: &[TokenWithSpan],
    sql: &str,
) -> Result<Option<DataFrame>> {
    let mut cursor = cursor.clone();
    let Some((start, name)) = begin(&mut cursor)? else {
        return Ok(None);
    };
    let (catalog, database, _) = session.resolve(&name)?;
    if session.paimon_database(&catalog, &database).is_none() {
        return Ok(None);
    }
    let (catalog, identifier) = ddl::target(session, &name)?;
    match start {
        Start::Create(mode) => {
            let declared = declared(&mut cursor)?;
            let body = text_from(sql, tokens, declared.body)?;
            let function = function_of(session, &identifier, declared, body)?;
            write(session, catalog, identifier, function, mode).map(Some)
        }
        Start::Drop { if_exists } => {
            cursor.end()?;
            let what = format!("DROP FUNCTION {identifier}");
            effect(session, what, move || {
                let (catalog, identifier) = (catalog.clone(), identifier.clone());
                async move {
                    let dropped = catalog.drop_function(&identifier, if_exists).await;
                    dropped.map_err(to_datafusion)
                }
            })
            .map(Some)
        }
    }
}

/// The function to be kept, once its expression was planned.
fn function_of(
    session: &PaimonSession,
    identifier: &Identifier,
    declared: Declared,
    body: String,
) -> Result<Function> {
    let parameters = (0i32..).zip(declared.parameters);
    let parameters = parameters.map(|(id, (name, data_type, comment))| DataField {
        description: comment,
        ..DataField::new(id, &name, data_type)
    });
    let returns = DataField::new(0, identifier.table(), declared.returns);
    let definition = FunctionDefinition::Sql { definition: body };
    let function = Function {
        input_params: Some(parameters.collect()),
        return_params: Some(vec![returns]),
        deterministic: true,
        definitions: BTreeMap::from([(DIALECT.to_string(), definition)]),
        comment: declared.comment,
        options: BTreeMap::new(),
    };
    let planned = StoredFunction::of(session, &identifier.to_string(), &function)?;
    if planned.is_volatile() && declared.deterministic == Some(true) {
        return Err(DataFusionError::Plan(
            "the function is said to be DETERMINISTIC, but its expression is not".into(),
        ));
    }
    Ok(Function {
        deterministic: declared.deterministic.unwrap_or(!planned.is_volatile()),
        ..function
    })
}

fn write(
    session: &PaimonSession,
    catalog: Arc<dyn Catalog>,
    identifier: Identifier,
    function: Function,
    mode: Mode,
) -> Result<DataFrame> {
    let function = Arc::new(function);
    effect(
        session,
        format!("CREATE FUNCTION {identifier}"),
        move || {
            let (catalog, identifier, function) =
                (catalog.clone(), identifier.clone(), function.clone());
            async move {
                let done = async {
                    if mode == Mode::Replace {
                        catalog.drop_function(&identifier, true).await?;
                    }
                    let ignore = mode == Mode::IfMissing;
                    catalog
                        .create_function(&identifier, &function, ignore)
                        .await
                };
                done.await.map_err(to_datafusion)
            }
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(sql: &str) -> Result<Option<(Start, Option<Declared>)>> {
        let mut cursor = Cursor::from_sql(sql)?;
        let Some((start, _)) = begin(&mut cursor)? else {
            return Ok(None);
        };
        let function = match start {
            Start::Create(_) => Some(declared(&mut cursor)?),
            Start::Drop { .. } => None,
        };
        Ok(Some((start, function)))
    }

    #[test]
    fn every_form_is_read() {
        let sql = "CREATE OR REPLACE FUNCTION db.f (x INT, `Y` DECIMAL(10, 2) COMMENT 'c') RETURNS ARRAY<INT> NOT \
                   DETERMINISTIC LANGUAGE SQL COMMENT 'd' RETURN x + 1 || 'it''s';";
        let (start, function) = parsed(sql).unwrap().unwrap();
        let function = function.unwrap();
        assert_eq!(start, Start::Create(Mode::Replace));
        assert_eq!(function.deterministic, Some(false));
        assert_eq!(function.parameters[0].0, "x");
        let (name, data_type, comment) = &function.parameters[1];
        assert_eq!((name.as_str(), comment.as_deref()), ("Y", Some("c")));
        assert_eq!(data_type.to_string(), "DECIMAL(10, 2)");
        assert_eq!(function.returns.to_string(), "ARRAY<INT>");
        assert_eq!(function.comment.as_deref(), Some("d"));
        let tokens = crate::parse::tokenize(sql).unwrap();
        let body = text_from(sql, &tokens, function.body).unwrap();
        assert_eq!(body, "x + 1 || 'it''s'");

        for (sql, start) in [
            (
                "CREATE FUNCTION IF NOT EXISTS f () RETURNS INT RETURN 1",
                Start::Create(Mode::IfMissing),
            ),
            (
                "CREATE FUNCTION f (x INT) RETURNS INT RETURN x",
                Start::Create(Mode::New),
            ),
            (
                "DROP FUNCTION IF EXISTS a.b.f",
                Start::Drop { if_exists: true },
            ),
            ("DROP FUNCTION f", Start::Drop { if_exists: false }),
        ] {
            assert_eq!(parsed(sql).unwrap().unwrap().0, start, "{sql}");
        }
        for other in [
            "CREATE TEMPORARY FUNCTION f() RETURNS INT RETURN 1",
            "CREATE VIEW v AS SELECT 1",
        ] {
            assert_eq!(parsed(other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (sql, word) in [
            (
                "CREATE FUNCTION f AS 'a.B' USING JAR '/x.jar'",
                "sys.create_function",
            ),
            (
                "CREATE FUNCTION f (x INT DEFAULT 1) RETURNS INT RETURN x",
                "DEFAULT",
            ),
            (
                "CREATE FUNCTION f (x INT) RETURNS TABLE (a INT) RETURN SELECT 1",
                "tables",
            ),
            (
                "CREATE FUNCTION f (x INT, X INT) RETURNS INT RETURN x",
                "twice",
            ),
            (
                "CREATE OR REPLACE FUNCTION IF NOT EXISTS f () RETURNS INT RETURN 1",
                "both",
            ),
            (
                "CREATE FUNCTION f () RETURNS INT LANGUAGE JAVA RETURN 1",
                "LANGUAGE SQL",
            ),
            ("CREATE FUNCTION f () RETURN 1", "RETURNS"),
            ("CREATE FUNCTION f () RETURNS INT", "RETURN"),
        ] {
            let error = parsed(sql).unwrap_err().to_string();
            assert!(error.contains(word), "{sql}: {error}");
        }
    }
}
