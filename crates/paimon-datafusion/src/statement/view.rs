//! Views that a catalog keeps: `CREATE VIEW`, `ALTER VIEW`, `DROP VIEW`.
//!
//! ```text
//! CREATE [OR REPLACE] VIEW [IF NOT EXISTS] v [(a [COMMENT 'x'], ..)] [COMMENT 'x'] [TBLPROPERTIES (..)] AS query
//! ALTER VIEW v RENAME TO w | AS query
//! DROP VIEW [IF EXISTS] v
//! ```
//!
//! With TEMPORARY, views live in the session and are DataFusion's. A catalog that keeps no views takes those alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use paimon_catalog::{Catalog, Identifier, View, redacted};
use paimon_core::Error;
use paimon_core::arrow_bridge::paimon_type;
use paimon_core::spec::DataField;

use super::effect::effect;
use super::ident_text;
use super::refuse::is_paimon_table;
use super::show::create::{literal, quoted};
use crate::error::to_datafusion;
use crate::parse::{Cursor, given_once};
use crate::session::{DIALECT, PaimonSession, ViewName, renamed};

/// A statement about a view, as parsed.
#[derive(Debug, Clone, PartialEq)]
enum ViewStatement {
    Create {
        name: Vec<Ident>,
        or_replace: bool,
        if_not_exists: bool,
        /// Names and comments; none for those of the query.
        columns: Vec<(String, Option<String>)>,
        comment: Option<String>,
        options: BTreeMap<String, String>,
        /// Where the query begins among the tokens of the statement.
        query: usize,
    },
    Replace {
        name: Vec<Ident>,
        query: usize,
    },
    Rename {
        name: Vec<Ident>,
        to: Vec<Ident>,
    },
    Drop {
        name: Vec<Ident>,
        if_exists: bool,
    },
}

#[cfg(test)]
impl ViewStatement {
    fn name(&self) -> &[Ident] {
        match self {
            Self::Create { name, .. }
            | Self::Replace { name, .. }
            | Self::Rename { name, .. }
            | Self::Drop { name, .. } => name,
        }
    }
}

fn parse(cursor: &mut Cursor) -> Result<Option<ViewStatement>> {
    let or_replace = cursor.keywords(&["CREATE", "OR", "REPLACE", "VIEW"]);
    if or_replace || cursor.keywords(&["CREATE", "VIEW"]) {
        return create(cursor, or_replace).map(Some);
    }
    let statement = if cursor.keywords(&["DROP", "VIEW"]) {
        let if_exists = cursor.keywords(&["IF", "EXISTS"]);
        let name = cursor.object_name()?;
        ViewStatement::Drop { name, if_exists }
    } else if cursor.keywords(&["ALTER", "VIEW"]) {
        let name = cursor.object_name()?;
        if cursor.keyword("AS") {
            let query = cursor.rest()?;
            return Ok(Some(ViewStatement::Replace { name, query }));
        }
        if !cursor.keywords(&["RENAME", "TO"]) {
            return cursor.expected("RENAME TO or AS");
        }
        let to = cursor.object_name()?;
        ViewStatement::Rename { name, to }
    } else {
        return Ok(None);
    };
    cursor.end()?;
    Ok(Some(statement))
}

fn more(options: &mut BTreeMap<String, String>, pairs: Vec<(String, String)>) -> Result<()> {
    let keys = options.keys().chain(pairs.iter().map(|(key, _)| key));
    given_once(keys.map(String::as_str))?;
    options.extend(pairs);
    Ok(())
}

fn create(cursor: &mut Cursor, or_replace: bool) -> Result<ViewStatement> {
    let if_not_exists = cursor.keywords(&["IF", "NOT", "EXISTS"]);
    let name = cursor.object_name()?;
    let columns = match cursor.eat(&Token::LParen) {
        true => columns(cursor)?,
        false => Vec::new(),
    };
    let (mut comment, mut options) = (None, BTreeMap::new());
    loop {
        if cursor.keyword("COMMENT") {
            comment = Some(cursor.string()?);
        } else if cursor.one_of(&["TBLPROPERTIES", "WITH"]).is_some() {
            more(&mut options, cursor.options()?)?;
        } else if cursor.keyword("AS") {
            break;
        } else {
            return cursor.expected("AS and a query");
        }
    }
    if or_replace && if_not_exists {
        return Err(DataFusionError::Plan(
            "CREATE VIEW takes OR REPLACE or IF NOT EXISTS, found both".into(),
        ));
    }
    Ok(ViewStatement::Create {
        name,
        or_replace,
        if_not_exists,
        columns,
        comment,
        options,
        query: cursor.rest()?,
    })
}

/// Reads `a [COMMENT 'x'], ..)`.
fn columns(cursor: &mut Cursor) -> Result<Vec<(String, Option<String>)>> {
    let mut columns = Vec::new();
    loop {
        let name = match cursor.object_name()?.as_slice() {
            [name] => ident_text(name),
            _ => return cursor.expected("the name of a column"),
        };
        let comment = match cursor.keyword("COMMENT") {
            true => Some(cursor.string()?),
            false => None,
        };
        columns.push((name, comment));
        if cursor.eat(&Token::RParen) {
            return Ok(columns);
        }
        if !cursor.eat(&Token::Comma) {
            return cursor.expected(", or )");
        }
    }
}

/// Plans a statement about a view that a catalog keeps; `None` for all others. `sql` is the statement, `tokens` are its
/// tokens, which the cursor has read up to an EXPLAIN.
///
/// # Errors
/// When it is malformed, or the query cannot be planned where the view is to lie.
pub(super) async fn plan(
    session: &PaimonSession,
    cursor: &Cursor,
    tokens: &[TokenWithSpan],
    sql: &str,
) -> Result<Option<DataFrame>> {
    let mut ahead = cursor.clone();
    let begins = ahead.one_of(&["CREATE", "ALTER", "DROP"]).is_some();
    let _ = ahead.keywords(&["OR", "REPLACE"]);
    if !begins || !ahead.keyword("VIEW") {
        return Ok(None);
    }
    let creates = cursor.clone().keyword("CREATE");
    let Some(place) = kept_in(session, &mut ahead, creates)? else {
        return Ok(None);
    };
    let Some(statement) = parse(&mut cursor.clone())? else {
        return Ok(None);
    };
    let (catalog, identifier, name) = place;
    match statement {
        ViewStatement::Create {
            or_replace,
            if_not_exists,
            columns,
            comment,
            options,
            query,
            ..
        } => {
            let text = text_from(sql, tokens, query)?;
            let plan = checked(session, &name, &text).await?;
            let view = View {
                comment,
                options,
                ..view_of(&name, plan, text, &columns)?
            };
            let mode = match (or_replace, if_not_exists) {
                (true, _) => Mode::Replace,
                (_, true) => Mode::IfMissing,
                _ => Mode::New,
            };
            write(session, catalog, identifier, view, mode).map(Some)
        }
        ViewStatement::Replace { query, .. } => {
            let old = catalog.get_view(&identifier).await.map_err(to_datafusion)?;
            let text = text_from(sql, tokens, query)?;
            let plan = checked(session, &name, &text).await?;
            let view = View {
                comment: old.comment,
                options: old.options,
                ..view_of(&name, plan, text, &[])?
            };
            write(session, catalog, identifier, view, Mode::Replace).map(Some)
        }
        ViewStatement::Rename { to, .. } => rename(session, catalog, identifier, &to).map(Some),
        ViewStatement::Drop { if_exists, .. } => {
            let what = format!("DROP VIEW {identifier}");
            effect(session, what, move || {
                let (catalog, identifier) = (catalog.clone(), identifier.clone());
                async move {
                    let dropped = catalog.drop_view(&identifier, if_exists).await;
                    dropped.map_err(to_datafusion)
                }
            })
            .map(Some)
        }
    }
}

/// A catalog that keeps views, and the name of one there.
type KeptView = (Arc<dyn Catalog>, Identifier, ViewName);

/// Catalog and name of the view, when its catalog keeps views and the session has none of that name.
///
/// # Errors
/// `Unsupported` for a view to be made in a Paimon catalog that keeps none: it would be gone with the session.
fn kept_in(
    session: &PaimonSession,
    cursor: &mut Cursor,
    creates: bool,
) -> Result<Option<KeptView>> {
    let _ = cursor.keywords(&["IF", "NOT", "EXISTS"]) || cursor.keywords(&["IF", "EXISTS"]);
    let written = cursor.object_name()?;
    let (catalog, database, _) = session.resolve(&written)?;
    let is_paimon = session.paimon_database(&catalog, &database).is_some();
    if !is_paimon || !(creates || is_paimon_table(session, &written)?) {
        return Ok(None);
    }
    let (catalog, identifier) = super::ddl::target(session, &written)?;
    if !catalog.keeps_views() {
        if creates {
            return Err(to_datafusion(
                Error::unsupported(
                    "this catalog keeps no views: CREATE TEMPORARY VIEW makes one of the session, catalogs of a Hive \
                     Metastore, JDBC or REST keep them",
                )
                .with("catalog", catalog.name())
                .with("view", identifier),
            ));
        }
        return Ok(None);
    }
    if !is_paimon_table(session, &written)? {
        return Ok(None);
    }
    let name = ViewName {
        catalog: catalog.name().to_string(),
        database: identifier.database().to_string(),
        view: identifier.table().to_string(),
    };
    Ok(Some((catalog, identifier, name)))
}

/// The text of a statement from a token on.
pub(super) fn text_from(sql: &str, tokens: &[TokenWithSpan], from: usize) -> Result<String> {
    let written = Tokenizer::new(&GenericDialect, sql)
        .with_unescape(false)
        .tokenize()
        .map_err(|e| DataFusionError::Plan(e.to_string()))?;
    if written.len() != tokens.len() {
        return Err(DataFusionError::Internal(
            "the tokens of a view are not those of its statement".into(),
        ));
    }
    let text: String = written.iter().skip(from).map(Token::to_string).collect();
    Ok(text.trim().trim_end_matches(';').trim_end().to_string())
}

async fn checked(session: &PaimonSession, name: &ViewName, text: &str) -> Result<LogicalPlan> {
    session.view_planner().plan(name, text).await
}

fn view_of(
    name: &ViewName,
    plan: LogicalPlan,
    text: String,
    columns: &[(String, Option<String>)],
) -> Result<View> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let plan = renamed(name, plan, &names)?;
    let mut fields: Vec<DataField> = Vec::new();
    for (id, column) in (0i32..).zip(plan.schema().fields()) {
        if fields.iter().any(|f| f.name == *column.name()) {
            return Err(DataFusionError::Plan(format!(
                "the query gives column {} twice: name the columns of the view",
                column.name()
            )));
        }
        let data_type = paimon_type(column.data_type())
            .map_err(|e| to_datafusion(e.with("column", column.name())))?;
        let data_type = data_type.with_nullable(column.is_nullable());
        let comment = columns.get(fields.len()).and_then(|(_, c)| c.clone());
        fields.push(DataField {
            description: comment,
            ..DataField::new(id, column.name(), data_type)
        });
    }
    Ok(View {
        fields,
        dialects: BTreeMap::from([(DIALECT.to_string(), text.clone())]),
        query: text,
        ..View::default()
    })
}

/// What becomes of a view that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    New,
    IfMissing,
    Replace,
}

fn write(
    session: &PaimonSession,
    catalog: Arc<dyn Catalog>,
    identifier: Identifier,
    view: View,
    mode: Mode,
) -> Result<DataFrame> {
    let view = Arc::new(view);
    effect(session, format!("CREATE VIEW {identifier}"), move || {
        let (catalog, identifier, view) = (catalog.clone(), identifier.clone(), view.clone());
        async move {
            let done = async {
                if mode == Mode::Replace {
                    catalog.drop_view(&identifier, true).await?;
                }
                let ignore = mode == Mode::IfMissing;
                catalog.create_view(&identifier, &view, ignore).await
            };
            done.await.map_err(to_datafusion)
        }
    })
}

fn rename(
    session: &PaimonSession,
    catalog: Arc<dyn Catalog>,
    from: Identifier,
    to: &[Ident],
) -> Result<DataFrame> {
    // a bare new name stays in the database of the view
    let to = match to {
        [only] => Identifier::new(from.database(), &ident_text(only)).map_err(to_datafusion)?,
        _ => {
            let (other, to) = super::ddl::target(session, to)?;
            if other.name() != catalog.name() {
                return Err(DataFusionError::Plan(
                    "a view cannot be renamed into another catalog".into(),
                ));
            }
            to
        }
    };
    effect(session, format!("RENAME {from} TO {to}"), move || {
        let (catalog, from, to) = (catalog.clone(), from.clone(), to.clone());
        async move { catalog.rename_view(&from, &to).await.map_err(to_datafusion) }
    })
}

/// A statement that makes the same view again. Secrets are hidden.
pub(crate) fn definition(name: &ViewName, view: &View) -> String {
    let parts = [&name.catalog, &name.database, &name.view];
    let mut text = format!("CREATE VIEW {}", parts.map(|n| quoted(n)).join("."));
    let column = |field: &DataField| {
        let comment = field.description.iter();
        let comment: String = comment
            .map(|c| format!(" COMMENT {}", literal(c)))
            .collect();
        format!("\n  {}{comment}", quoted(&field.name))
    };
    let columns: Vec<String> = view.fields.iter().map(column).collect();
    if !columns.is_empty() {
        let _ = write!(text, " ({}\n)", columns.join(","));
    }
    if let Some(comment) = &view.comment {
        let _ = write!(text, "\nCOMMENT {}", literal(comment));
    }
    let option =
        |(k, v): (&String, &String)| format!("\n  {} = {}", literal(k), literal(&redacted(k, v)));
    let options: Vec<String> = view.options.iter().map(option).collect();
    if !options.is_empty() {
        let _ = write!(text, "\nTBLPROPERTIES ({}\n)", options.join(","));
    }
    let _ = write!(text, "\nAS {}", view.query_in(DIALECT));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_form_is_read() {
        let sql = "CREATE OR REPLACE VIEW db.v (a COMMENT 'x', `B`) COMMENT 'c' TBLPROPERTIES ('k' = 'v') AS SELECT 1, 2";
        let parsed = parse(&mut Cursor::from_sql(sql).unwrap()).unwrap().unwrap();
        let ViewStatement::Create {
            or_replace,
            columns,
            comment,
            options,
            query,
            ..
        } = &parsed
        else {
            panic!("{parsed:?}");
        };
        assert!(or_replace);
        assert_eq!(columns[0], ("a".to_string(), Some("x".to_string())));
        assert_eq!(columns[1], ("B".to_string(), None));
        assert_eq!(comment.as_deref(), Some("c"));
        assert_eq!(options["k"], "v");
        let tokens = crate::parse::tokenize(sql).unwrap();
        assert_eq!(text_from(sql, &tokens, *query).unwrap(), "SELECT 1, 2");
        for sql in [
            "CREATE VIEW v AS SELECT 1",
            "CREATE VIEW IF NOT EXISTS v AS (SELECT 1)",
            "ALTER VIEW v RENAME TO db.w",
            "ALTER VIEW v AS SELECT 1",
            "DROP VIEW IF EXISTS a.b.v",
        ] {
            let parsed = parse(&mut Cursor::from_sql(sql).unwrap()).unwrap();
            assert!(!parsed.unwrap().name().is_empty(), "{sql}");
        }
        for sql in [
            "CREATE VIEW v",
            "CREATE OR REPLACE VIEW IF NOT EXISTS v AS SELECT 1",
            "CREATE VIEW v (a INT) AS SELECT 1",
            "ALTER VIEW v SET TBLPROPERTIES ('a' = 'b')",
            "DROP VIEW v CASCADE",
        ] {
            assert!(parse(&mut Cursor::from_sql(sql).unwrap()).is_err(), "{sql}");
        }
    }

    #[test]
    fn the_text_of_a_view_is_kept_as_written() {
        let sql = "CREATE VIEW v AS SELECT 'it''s' /*+ OPTIONS('a'='b') */ -- last\n;";
        let tokens = crate::parse::tokenize(sql).unwrap();
        let at = tokens
            .iter()
            .position(|t| t.to_string() == "SELECT")
            .unwrap();
        let text = text_from(sql, &tokens, at).unwrap();
        assert_eq!(text, "SELECT 'it''s' /*+ OPTIONS('a'='b') */ -- last");
    }
}
