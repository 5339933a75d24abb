//! Names for the columns of a query that are taken by position: DataFusion wants each name once.

use std::collections::HashSet;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Ident, Query, Select, SelectItem, SetExpr, Statement as SqlStatement,
    TableFactor,
};

use super::relation::normalized;

/// Gives columns of the outermost SELECT names of their own where they have none, or one that was there before.
pub(crate) fn with_distinct_names(statement: &mut Statement) {
    if let Statement::Statement(inner) = statement
        && let SqlStatement::Query(query) = inner.as_mut()
    {
        name_query(query);
    }
}

fn name_query(query: &mut Query) {
    let is_sorted = query.order_by.is_some();
    name_body(&mut query.body, is_sorted);
}

/// Names the columns of all branches alike.
fn name_body(body: &mut SetExpr, is_sorted: bool) {
    match body {
        SetExpr::Select(select) => name_select(select, is_sorted),
        SetExpr::Query(query) => name_query(query),
        SetExpr::SetOperation { left, right, .. } => {
            name_body(left, is_sorted);
            name_body(right, is_sorted);
        }
        _ => {}
    }
}

fn name_select(select: &mut Select, is_sorted: bool) {
    if let Some(source) = whole_subquery(select) {
        return name_query(source);
    }
    // ORDER BY finds expressions of a SELECT DISTINCT by what they are, not below another name
    let keeps_expressions = is_sorted && matches!(select.distinct, Some(Distinct::Distinct));
    let mut taken = HashSet::new();
    for (i, item) in select.projection.iter_mut().enumerate() {
        let name = match &*item {
            SelectItem::UnnamedExpr(expr) => column_name(expr),
            SelectItem::ExprWithAlias { alias, .. } => Some(normalized(alias)),
            _ => continue,
        };
        let is_new = match &name {
            Some(name) => taken.insert(name.clone()),
            None => keeps_expressions,
        };
        if is_new {
            continue;
        }
        let alias = Ident::with_quote('"', format!("__insert_{i}"));
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let expr = expr.clone();
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
            _ => {}
        }
    }
}

/// The name of a plain column.
fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(normalized(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(normalized),
        _ => None,
    }
}

/// The subquery of `SELECT * FROM (..)`.
fn whole_subquery(select: &mut Select) -> Option<&mut Query> {
    let [SelectItem::Wildcard(_)] = select.projection.as_slice() else {
        return None;
    };
    let [from] = select.from.as_mut_slice() else {
        return None;
    };
    match &mut from.relation {
        TableFactor::Derived { subquery, .. } if from.joins.is_empty() => Some(subquery),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::marked::{parse_marked, tokenize};
    use super::*;

    #[test]
    fn only_columns_without_a_name_of_their_own_are_named() {
        for (sql, expected) in [
            ("SELECT a, b FROM t", "SELECT a, b FROM t"),
            (
                "SELECT a, t.A, a + 1 FROM t ORDER BY a",
                "SELECT a, t.A AS \"__insert_1\", a + 1 AS \"__insert_2\" FROM t ORDER BY a",
            ),
            (
                "SELECT a AS x, b AS x UNION ALL (SELECT 1, 1)",
                "SELECT a AS x, b AS \"__insert_1\" UNION ALL (SELECT 1 AS \"__insert_0\", 1 AS \"__insert_1\")",
            ),
            (
                "SELECT * FROM (SELECT 1, 1) AS s",
                "SELECT * FROM (SELECT 1 AS \"__insert_0\", 1 AS \"__insert_1\") AS s",
            ),
            (
                "SELECT DISTINCT a + 1 FROM t ORDER BY a + 1",
                "SELECT DISTINCT a + 1 FROM t ORDER BY a + 1",
            ),
            ("VALUES (1, 1)", "VALUES (1, 1)"),
        ] {
            let mut statement = parse_marked(tokenize(sql).unwrap(), 50).unwrap().statement;
            with_distinct_names(&mut statement);
            assert_eq!(statement.to_string(), expected);
        }
    }
}
