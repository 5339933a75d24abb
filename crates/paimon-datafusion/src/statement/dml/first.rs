//! `ORDER BY .. LIMIT n` of DELETE and UPDATE: the first rows of those that the condition means are changed.

use datafusion::common::tree_node::TreeNode;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr as PlannedExpr, LogicalPlan, LogicalPlanBuilder};
use datafusion::scalar::ScalarValue;
use datafusion::sql::planner::NullOrdering;
use datafusion::sql::sqlparser::ast::{Expr, OrderByExpr, Value};

use super::{refuse_clauses, refused};
use crate::session::PaimonSession;

/// Which rows come first, and how many of them are meant.
pub(super) struct First {
    statement: &'static str,
    order: Vec<OrderByExpr>,
    /// Where nulls come when a key does not say so.
    nulls: NullOrdering,
    rows: Option<usize>,
}

impl First {
    /// The clauses of a statement of that name.
    ///
    /// # Errors
    /// For ORDER BY alone and by numbers of columns, and a LIMIT that is no number of rows.
    pub(super) fn parse(
        session: &PaimonSession,
        statement: &'static str,
        order: Vec<OrderByExpr>,
        limit: Option<Expr>,
    ) -> Result<Self> {
        let by_number = |key: &OrderByExpr| matches!(&key.expr, Expr::Value(value) if matches!(value.value, Value::Number(..)));
        let alone = format!("{statement} .. ORDER BY without LIMIT");
        let numbered = format!("{statement} .. ORDER BY the number of a column");
        let filled = format!("{statement} .. ORDER BY .. WITH FILL");
        refuse_clauses(&[
            (!order.is_empty() && limit.is_none(), alone.as_str()),
            (order.iter().any(by_number), numbered.as_str()),
            (
                order.iter().any(|key| key.with_fill.is_some()),
                filled.as_str(),
            ),
        ])?;
        let rows = limit.map(|limit| rows(session, limit)).transpose()?;
        Ok(Self {
            statement,
            order,
            nulls: default_nulls(session),
            rows,
        })
    }

    /// Whether all rows are meant.
    pub(super) fn is_all(&self) -> bool {
        self.rows.is_none()
    }

    /// # Errors
    /// When not all rows are meant, where only all can be.
    pub(super) fn refuse(&self, statement: &str) -> Result<()> {
        match self.is_all() {
            true => Ok(()),
            false => Err(refused(&format!("LIMIT of {statement}"))),
        }
    }

    /// What rows are ordered by.
    pub(super) fn keys(&self) -> impl Iterator<Item = Expr> {
        self.order.iter().map(|key| key.expr.clone())
    }

    /// The rows that are meant of all; `keys` are the planned ones.
    ///
    /// # Errors
    /// When keys hold subqueries.
    pub(super) fn of(&self, all: LogicalPlan, keys: Vec<PlannedExpr>) -> Result<LogicalPlan> {
        let Some(rows) = self.rows else {
            return Ok(all);
        };
        let mut first = LogicalPlanBuilder::from(all);
        for key in &keys {
            if key.exists(|e| Ok(matches!(e, PlannedExpr::ScalarSubquery(_))))? {
                return Err(refused(&format!(
                    "{} .. ORDER BY a subquery",
                    self.statement
                )));
            }
        }
        if !keys.is_empty() {
            let keys = keys.into_iter().zip(&self.order).map(|(key, written)| {
                let ascending = written.options.asc.unwrap_or(true);
                let nulls_first = written.options.nulls_first;
                let default = || self.nulls.nulls_first(ascending);
                key.sort(ascending, nulls_first.unwrap_or_else(default))
            });
            first = first.sort(keys.collect::<Vec<_>>())?;
        }
        first.limit(0, Some(rows))?.build()
    }
}

/// Where a query of the session has nulls by default.
fn default_nulls(session: &PaimonSession) -> NullOrdering {
    let state = session.context().state_ref();
    let state = state.read();
    let options = &state.config_options().sql_parser;
    NullOrdering::from(options.default_null_ordering.as_str())
}

fn rows(session: &PaimonSession, limit: Expr) -> Result<usize> {
    let wrong = || DataFusionError::Plan(format!("LIMIT takes a number of rows, found {limit}"));
    match session.constant(limit.clone())? {
        ScalarValue::Int64(Some(rows)) => usize::try_from(rows).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}
