//! Conditions and values of a statement, planned as those of a query.

use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr as PlannedExpr, LogicalPlan};
use datafusion::sql::parser::Statement as AnyStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::membership::as_counts;
use crate::session::PaimonSession;

/// `SELECT items FROM from WHERE selection`.
pub(super) struct Query {
    from: TableWithJoins,
    items: Vec<Expr>,
    selection: Option<Expr>,
}

impl Query {
    pub(super) fn over(from: TableWithJoins, items: Vec<Expr>, selection: Option<Expr>) -> Self {
        Self {
            from,
            items,
            selection,
        }
    }

    pub(super) fn of(relation: TableFactor, items: Vec<Expr>) -> Self {
        let joins = Vec::new();
        Self::over(TableWithJoins { relation, joins }, items, None)
    }

    fn statement(self) -> Result<Statement> {
        let mut parsed = Parser::parse_sql(&GenericDialect, "SELECT 0")?;
        let Some(Statement::Query(mut query)) = parsed.pop() else {
            return Err(DataFusionError::Internal("a query is no query".into()));
        };
        if let SetExpr::Select(select) = query.body.as_mut() {
            let items = self.items.into_iter().enumerate();
            select
                .projection
                .extend(items.map(|(i, expr)| SelectItem::ExprWithAlias {
                    expr,
                    alias: Ident::with_quote('"', format!("__paimon_item_{i}")),
                }));
            select.from = vec![self.from];
            select.selection = self.selection;
        }
        Ok(Statement::Query(query))
    }
}

/// Plans a query. Returns its items and what they are computed from.
///
/// # Errors
/// As planning, and for aggregates and window functions among the items.
pub(super) async fn plan_query(
    session: &PaimonSession,
    query: Query,
) -> Result<(Vec<PlannedExpr>, LogicalPlan)> {
    let statement = AnyStatement::Statement(Box::new(query.statement()?));
    let plan = session.plan_parsed(statement).await?;
    let LogicalPlan::Projection(projection) = plan else {
        return Err(DataFusionError::Internal(
            "a query was planned without its items".into(),
        ));
    };
    let input = projection.input;
    if matches!(
        input.as_ref(),
        LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) | LogicalPlan::Unnest(_)
    ) {
        return Err(DataFusionError::Plan(
            "aggregate and window functions belong into a subquery here".into(),
        ));
    }
    // the first item only makes the query one
    let items = projection.expr.into_iter().skip(1);
    let items: Vec<PlannedExpr> = items.map(PlannedExpr::unalias).collect();
    let state = session.context().state();
    let items = items
        .into_iter()
        .map(|item| as_counts(item, input.schema(), &state))
        .collect::<Result<Vec<_>>>()?;
    Ok((
        items,
        std::sync::Arc::try_unwrap(input).unwrap_or_else(|i| i.as_ref().clone()),
    ))
}
