//! Metadata columns: a statement that names one gets it from the tables of its FROM clauses, as an option in their names,
//! and `*` leaves it out. Source: `PaimonMetadataColumn`.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins,
    VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::hint::format_hint;
use super::relation::{normalized, plain_and_options};

/// Option of a table's name: the metadata columns that a statement wants, separated by commas.
pub(crate) const METADATA_OPTION: &str = "paimon.metadata-columns";

/// The metadata columns.
pub(crate) const METADATA_COLUMNS: [&str; 6] = [
    "__paimon_file_path",
    "__paimon_row_index",
    "__paimon_partition",
    "__paimon_bucket",
    "_ROW_ID",
    "_SEQUENCE_NUMBER",
];

/// Gives the tables of a statement the metadata columns that it names; `is_table` says which names stand for tables that
/// have them.
///
/// # Errors
/// For `SELECT *` over relations that cannot be named one by one.
pub(crate) fn with_metadata_columns(
    statement: &mut Statement,
    is_table: &dyn Fn(&[Ident]) -> bool,
) -> Result<()> {
    let mut mentions = Mentions::default();
    each_query(statement, &mut |query| {
        let _ = query.visit(&mut mentions);
    });
    if mentions.names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = mentions.names.iter().copied().collect();
    let mut adder = Adder {
        is_table,
        option: (METADATA_OPTION.to_string(), names.join(",")),
        names,
        ctes: HashSet::new(),
    };
    let mut outcome = ControlFlow::Continue(());
    each_query(statement, &mut |query| {
        if outcome.is_continue() {
            outcome = query.visit(&mut adder);
        }
    });
    match outcome {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The outermost queries of a statement.
fn each_query(statement: &mut Statement, visit: &mut dyn FnMut(&mut Query)) {
    use datafusion::sql::sqlparser::ast::Statement as Sql;
    match statement {
        Statement::Explain(explain) => each_query(&mut explain.statement, visit),
        Statement::CopyTo(copy) => {
            if let CopyToSource::Query(query) = &mut copy.source {
                visit(query);
            }
        }
        Statement::Statement(inner) => match inner.as_mut() {
            Sql::Query(query) => visit(query),
            Sql::CreateView(view) => visit(&mut view.query),
            Sql::CreateTable(table) => {
                if let Some(query) = &mut table.query {
                    visit(query);
                }
            }
            Sql::Explain { statement, .. } => {
                if let Sql::Query(query) = statement.as_mut() {
                    visit(query);
                }
            }
            _ => {}
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => {}
    }
}

/// The metadata columns that expressions name.
#[derive(Default)]
struct Mentions {
    names: BTreeSet<&'static str>,
}

impl VisitorMut for Mentions {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let ident = match expr {
            Expr::Identifier(ident) => Some(ident),
            // the column, or the one whose field follows
            Expr::CompoundIdentifier(parts) => parts.iter_mut().find(|p| column_of(p).is_some()),
            _ => None,
        };
        if let Some(ident) = ident
            && let Some(name) = column_of(ident)
        {
            self.names.insert(name);
            *ident = Ident::with_quote('"', name);
        }
        ControlFlow::Continue(())
    }
}

/// The metadata column of a name; without quotes case does not matter.
fn column_of(ident: &Ident) -> Option<&'static str> {
    METADATA_COLUMNS
        .into_iter()
        .find(|name| match ident.quote_style {
            Some(_) => ident.value == *name,
            None => ident.value.eq_ignore_ascii_case(name),
        })
}

struct Adder<'a> {
    is_table: &'a dyn Fn(&[Ident]) -> bool,
    option: (String, String),
    names: Vec<&'a str>,
    ctes: HashSet<String>,
}

impl VisitorMut for Adder<'_> {
    type Break = DataFusionError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<DataFusionError> {
        if let Some(with) = &query.with {
            let names = with.cte_tables.iter().map(|c| normalized(&c.alias.name));
            self.ctes.extend(names);
        }
        self.body(&mut query.body)
    }
}

/// A relation of a FROM clause.
struct Relation {
    /// By which its columns may be qualified.
    qualifier: Option<Ident>,
    /// Whether it got metadata columns.
    is_given: bool,
}

impl Adder<'_> {
    fn body(&self, body: &mut SetExpr) -> ControlFlow<DataFusionError> {
        match body {
            SetExpr::Select(select) => match self.select(select) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            },
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            // a query in parentheses is visited by itself
            _ => ControlFlow::Continue(()),
        }
    }

    fn select(&self, select: &mut Select) -> Result<()> {
        let mut relations = Vec::new();
        let mut merges_columns = false;
        for from in &mut select.from {
            self.relations(from, &mut relations, &mut merges_columns)?;
        }
        if !relations.iter().any(|r| r.is_given) {
            return Ok(());
        }
        let mut projection = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            match item {
                SelectItem::Wildcard(options) if relations.len() == 1 => {
                    projection.push(SelectItem::Wildcard(self.except(options)));
                }
                SelectItem::Wildcard(options) => {
                    let plain = WildcardAdditionalOptions::default();
                    if merges_columns || options != plain {
                        return Err(unnamed("an option of *, USING and NATURAL JOIN"));
                    }
                    for relation in &relations {
                        projection.push(self.all_of(relation)?);
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    let last = name
                        .0
                        .last()
                        .and_then(ObjectNamePart::as_ident)
                        .map(normalized);
                    let is_given = relations
                        .iter()
                        .any(|r| r.is_given && r.qualifier.as_ref().map(normalized) == last);
                    let options = match is_given {
                        true => self.except(options),
                        false => options,
                    };
                    let name = SelectItemQualifiedWildcardKind::ObjectName(name);
                    projection.push(SelectItem::QualifiedWildcard(name, options));
                }
                other => projection.push(other),
            }
        }
        select.projection = projection;
        Ok(())
    }

    /// `qualifier.*` without metadata columns.
    fn all_of(&self, relation: &Relation) -> Result<SelectItem> {
        let Some(qualifier) = &relation.qualifier else {
            return Err(unnamed("a relation without a name"));
        };
        let name = ObjectName(vec![ObjectNamePart::Identifier(qualifier.clone())]);
        let options = WildcardAdditionalOptions::default();
        Ok(SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(name),
            match relation.is_given {
                true => self.except(options),
                false => options,
            },
        ))
    }

    fn except(&self, mut options: WildcardAdditionalOptions) -> WildcardAdditionalOptions {
        let names = self.names.iter().map(|n| Ident::with_quote('"', *n));
        let mut all: Vec<Ident> = names.collect();
        if let Some(own) = options.opt_except.take() {
            all.push(own.first_element);
            all.extend(own.additional_elements);
        }
        let mut all = all.into_iter();
        options.opt_except = all.next().map(|first_element| ExceptSelectItem {
            first_element,
            additional_elements: all.collect(),
        });
        options
    }

    fn relations(
        &self,
        from: &mut TableWithJoins,
        relations: &mut Vec<Relation>,
        merges_columns: &mut bool,
    ) -> Result<()> {
        self.relation(&mut from.relation, relations, merges_columns)?;
        for join in &mut from.joins {
            *merges_columns |= merges(&join.join_operator);
            self.relation(&mut join.relation, relations, merges_columns)?;
        }
        Ok(())
    }

    fn relation(
        &self,
        factor: &mut TableFactor,
        relations: &mut Vec<Relation>,
        merges_columns: &mut bool,
    ) -> Result<()> {
        let relation = match factor {
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => return self.relations(table_with_joins, relations, merges_columns),
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let shown = self.give(name);
                Relation {
                    is_given: shown.is_some(),
                    qualifier: match alias {
                        Some(alias) => Some(alias.name.clone()),
                        None => shown.or_else(|| last(name).cloned()),
                    },
                }
            }
            TableFactor::Derived { alias, .. } => Relation {
                is_given: false,
                qualifier: alias.as_ref().map(|alias| alias.name.clone()),
            },
            _ => Relation {
                is_given: false,
                qualifier: None,
            },
        };
        relations.push(relation);
        Ok(())
    }

    /// Puts the option into the name of a table; its plain name. `None` where the name is no such table.
    fn give(&self, name: &mut ObjectName) -> Option<Ident> {
        let parts: Option<Vec<Ident>> = name.0.iter().map(|p| p.as_ident().cloned()).collect();
        let mut parts = parts?;
        let own = parts.last_mut()?;
        let mut options = Vec::new();
        let mut plain = own.clone();
        if let Some((text, pairs)) = plain_and_options(&own.value) {
            plain = Ident::with_quote('"', text);
            options = pairs;
        }
        let text = normalized(&plain);
        *own = plain.clone();
        let is_system = text.contains('$');
        let is_cte = parts.len() == 1 && self.ctes.contains(&text);
        if is_system || is_cte || !(self.is_table)(&parts) {
            return None;
        }
        options.push(self.option.clone());
        let hidden = format!("{text} {}", format_hint(&options));
        if let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut() {
            *last = Ident::with_quote('"', hidden);
        }
        Some(plain)
    }
}

fn last(name: &ObjectName) -> Option<&Ident> {
    name.0.last().and_then(ObjectNamePart::as_ident)
}

/// Whether a join makes one column of two.
fn merges(operator: &JoinOperator) -> bool {
    let (JoinOperator::Join(constraint)
    | JoinOperator::Inner(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint)
    | JoinOperator::Right(constraint)
    | JoinOperator::RightOuter(constraint)
    | JoinOperator::FullOuter(constraint)) = operator
    else {
        return false;
    };
    matches!(
        constraint,
        JoinConstraint::Using(_) | JoinConstraint::Natural
    )
}

fn unnamed(what: &str) -> DataFusionError {
    DataFusionError::Plan(format!(
        "SELECT * of several relations with a metadata column is not possible with {what}: name the columns"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::marked::{parse_marked, tokenize};
    use super::*;

    fn rewritten(sql: &str) -> Result<String> {
        let mut statement = parse_marked(tokenize(sql)?, 50)?.statement;
        let is_table = |name: &[Ident]| name.last().is_some_and(|n| n.value != "other");
        with_metadata_columns(&mut statement, &is_table)?;
        let option = format!(
            " {}",
            format_hint(&[(METADATA_OPTION.to_string(), String::new())])
        );
        let start = option.replace("'') */", "");
        // `t+` for a table with the option
        let mut text = statement.to_string();
        while let Some(at) = text.find(&start) {
            let end = text[at..].find("*/").unwrap() + at + 2;
            text.replace_range(at..end, "+");
        }
        Ok(text)
    }

    #[test]
    fn tables_get_the_columns_named_and_stars_leave_them_out() {
        let cases = [
            ("SELECT * FROM t", "SELECT * FROM t"),
            (
                "SELECT *, __PAIMON_bucket FROM t",
                r#"SELECT * EXCEPT ("__paimon_bucket"), "__paimon_bucket" FROM "t+""#,
            ),
            (
                "SELECT * FROM t, u x WHERE x._row_id = 1",
                r#"SELECT t.* EXCEPT ("_ROW_ID"), x.* EXCEPT ("_ROW_ID") FROM "t+", "u+" x WHERE x."_ROW_ID" = 1"#,
            ),
            (
                "WITH c AS (SELECT __paimon_file_path AS f FROM t) SELECT *, c.f FROM c JOIN other ON true",
                r#"WITH c AS (SELECT "__paimon_file_path" AS f FROM "t+") SELECT *, c.f FROM c JOIN other ON true"#,
            ),
            (
                "SELECT * FROM (SELECT * EXCEPT (a), __paimon_row_index FROM d.t) x UNION SELECT * FROM t",
                r#"SELECT * FROM (SELECT * EXCEPT ("__paimon_row_index", a), "__paimon_row_index" FROM d."t+") x UNION SELECT * EXCEPT ("__paimon_row_index") FROM "t+""#,
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(rewritten(sql).unwrap(), expected);
        }
        let merged = "SELECT *, __paimon_bucket FROM t JOIN u USING (id)";
        assert!(rewritten(merged).is_err());
    }
}
