//! Puts the options of marked names into the names of tables.
//!
//! ```text
//! FROM db.t VERSION AS OF 3   ->   FROM db."t /*+ OPTIONS('scan.version'='3') */"
//! ```
//! The schema provider reads the options back from that name, the relation planner gives the scan its plain name, so
//! that `t.column` still resolves. The statement needs no state beside itself: views keep their options.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, TableFactor, TableFunctionArgs, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Word;

use super::files::{files_of_function, files_of_path};
use super::functions::{self, OptionPairs};
use super::hint::{format_hint, parse_hint};
use super::marked::mark_of;

/// Plain name and options of a name that [`attach_options`] made; `None` for any other name.
pub(crate) fn plain_and_options(name: &str) -> Option<(&str, Vec<(String, String)>)> {
    let (plain, comment) = name.strip_suffix("*/")?.split_once(" /*")?;
    Some((plain, parse_hint(comment).ok()??))
}

/// Replaces every marked name by one that holds its options; `options` by mark: the name as written and the pairs.
///
/// # Errors
/// When a mark stands on anything but a table's name or alias.
pub(crate) fn attach_options(
    statement: &mut Statement,
    options: &[(Word, Vec<(String, String)>)],
) -> Result<()> {
    let mut attacher = Attacher {
        options,
        used: HashSet::new(),
        bare_names: Vec::new(),
        ctes: HashSet::new(),
    };
    if let ControlFlow::Break(error) = attacher.statement(statement) {
        return Err(error);
    }
    if let Some((name, _)) = (0..options.len())
        .filter(|i| !attacher.used.contains(i))
        .find_map(|i| options.get(i))
    {
        return Err(DataFusionError::Plan(format!(
            "an OPTIONS hint or time-travel clause follows {}, which is not a table in FROM",
            name.value
        )));
    }
    if let Some(name) = attacher
        .bare_names
        .iter()
        .find(|n| attacher.ctes.contains(*n))
    {
        return Err(DataFusionError::Plan(format!(
            "{name} is a common table expression: OPTIONS hints and time travel need a table"
        )));
    }
    Ok(())
}

struct Attacher<'a> {
    options: &'a [(Word, Vec<(String, String)>)],
    used: HashSet<usize>,
    /// Names without a database that got options, normalised.
    bare_names: Vec<String>,
    ctes: HashSet<String>,
}

impl Attacher<'_> {
    fn statement(&mut self, statement: &mut Statement) -> ControlFlow<DataFusionError> {
        match statement {
            Statement::Statement(inner) => inner.visit(self),
            Statement::Explain(explain) => self.statement(&mut explain.statement),
            Statement::CopyTo(copy) => match &mut copy.source {
                CopyToSource::Query(query) => query.visit(self),
                CopyToSource::Relation(name) => {
                    let mut pairs = Vec::new();
                    self.take_name(name, &mut pairs)
                }
            },
            Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
        }
    }

    /// Takes the mark off the last part of a name and puts all pairs into it.
    fn take_name(
        &mut self,
        name: &mut ObjectName,
        more: &mut Vec<(String, String)>,
    ) -> ControlFlow<DataFusionError> {
        let bare = name.0.len() == 1;
        let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut() else {
            return ControlFlow::Continue(());
        };
        let mut pairs = self.take(ident);
        pairs.append(more);
        if pairs.is_empty() {
            return ControlFlow::Continue(());
        }
        let plain = normalized(ident);
        *ident = Ident::with_quote('"', format!("{plain} {}", format_hint(&pairs)));
        if bare {
            self.bare_names.push(plain);
        }
        ControlFlow::Continue(())
    }

    /// Puts the table that a function or path stands for in its place, if it stands for one.
    fn replace(
        &mut self,
        found: Result<Option<(ObjectName, OptionPairs)>>,
        name: &mut ObjectName,
        arguments: &mut Option<TableFunctionArgs>,
    ) -> ControlFlow<DataFusionError> {
        match found {
            Err(error) => ControlFlow::Break(error),
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some((table, mut pairs))) => {
                *name = table;
                *arguments = None;
                self.take_name(name, &mut pairs)
            }
        }
    }

    /// Takes the mark off a word: the word is as written again, its pairs are returned.
    fn take(&mut self, ident: &mut Ident) -> Vec<(String, String)> {
        let Some(mark) = mark_of(&ident.value) else {
            return Vec::new();
        };
        let Some((word, pairs)) = self.options.get(mark) else {
            return Vec::new();
        };
        self.used.insert(mark);
        ident.value.clone_from(&word.value);
        ident.quote_style = word.quote_style;
        pairs.clone()
    }
}

pub(super) fn normalized(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

impl VisitorMut for Attacher<'_> {
    type Break = DataFusionError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if let Some(with) = &query.with {
            self.ctes
                .extend(with.cte_tables.iter().map(|c| normalized(&c.alias.name)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table {
            name, alias, args, ..
        } = factor
        {
            if let Some(arguments) = args {
                let found =
                    functions::table_of(name, &arguments.args).and_then(|found| match found {
                        None => files_of_function(name, &arguments.args),
                        found => Ok(found),
                    });
                return self.replace(found, name, args);
            }
            match files_of_path(name) {
                Ok(None) => {}
                found => return self.replace(found, name, args),
            }
            let mut pairs = match alias {
                Some(alias) => self.take(&mut alias.name),
                None => Vec::new(),
            };
            return self.take_name(name, &mut pairs);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        super::timestamps::keep_nanoseconds(expr);
        super::numbers::exponents_are_doubles(expr);
        functions::name_as_registered(expr);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::marked::{parse_marked, tokenize};
    use super::*;

    fn rewrite(sql: &str) -> Result<String> {
        let marked = parse_marked(tokenize(sql)?, 50)?;
        let options: Vec<_> = marked
            .clauses
            .iter()
            .map(|c| (c.name.clone(), c.hints.clone()))
            .collect();
        let mut statement = marked.statement;
        attach_options(&mut statement, &options)?;
        Ok(statement.to_string())
    }

    #[test]
    fn hints_move_into_the_names_of_tables() {
        let cases = [
            (
                "SELECT * FROM db.T /*+ OPTIONS('a'='it''s') */",
                r#"SELECT * FROM db."t /*+ OPTIONS('a'='it''s') */""#,
            ),
            (
                "SELECT * FROM t x /*+ OPTIONS('a'='b') */ JOIN u ON true",
                r#"SELECT * FROM "t /*+ OPTIONS('a'='b') */" x JOIN u ON true"#,
            ),
            (
                "CREATE VIEW v AS WITH c AS (SELECT * FROM `T` /*+ OPTIONS('a'='b') */) SELECT * FROM c",
                r#"CREATE VIEW v AS WITH c AS (SELECT * FROM "T /*+ OPTIONS('a'='b') */") SELECT * FROM c"#,
            ),
            (
                "SELECT * FROM read_csv('a.txt', header => false) x, '/b/c.TSV.gz', 'd.csv.x', \"e.csv\"",
                "SELECT * FROM \"paimon$files\".\"files\".\"read_csv /*+ OPTIONS('format'='csv', 'path'='a.txt', 'header'='false') */\" x, \
                 \"paimon$files\".\"files\".\"/b/c.TSV.gz /*+ OPTIONS('format'='csv', 'path'='/b/c.TSV.gz', 'delimiter'='\t') */\", \
                 'd.csv.x', \"e.csv\"",
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(rewrite(sql).unwrap(), expected);
        }
        let (plain, pairs) = plain_and_options("t /*+ OPTIONS('a'='it''s') */").unwrap();
        assert_eq!(
            (plain, pairs),
            ("t", vec![("a".to_string(), "it's".to_string())])
        );
        assert!(plain_and_options("t$snapshots").is_none());
    }

    #[test]
    fn hints_elsewhere_are_errors() {
        for sql in [
            "SELECT id /*+ OPTIONS('a'='b') */ FROM t",
            "SELECT * FROM (SELECT 1) x /*+ OPTIONS('a'='b') */",
            "SELECT * FROM f(1) x /*+ OPTIONS('a'='b') */",
            "WITH t AS (SELECT 1) SELECT * FROM t /*+ OPTIONS('a'='b') */",
            "SELECT * FROM read_csv(header => true)",
            "SELECT * FROM read_csv('x', 'y')",
            "SELECT * FROM read_csv(x)",
            "SELECT * FROM '/x/y'",
            "SELECT * FROM t WHERE x /*+ OPTIONS('a'='b') */ = 1",
        ] {
            assert!(rewrite(sql).is_err(), "{sql}");
        }
    }
}
