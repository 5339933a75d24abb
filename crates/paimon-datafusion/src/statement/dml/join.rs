//! The target of a MERGE joined with its source, each row with the clause that it falls under.

use std::sync::Arc;

use datafusion::common::{Column, JoinConstraint, JoinType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, Join, LogicalPlan, LogicalPlanBuilder, Operator, col, lit,
};

use super::refused;
use super::target::Target;

/// True in rows with a row of the target.
const TARGET_COLUMN: &str = "__paimon_target";

/// True in rows with a row of the source.
const SOURCE_COLUMN: &str = "__paimon_source";

/// Which rows of a join a clause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Both,
    SourceOnly,
    TargetOnly,
}

impl Side {
    /// Whether a row of the join is one of them.
    pub(super) fn condition(self) -> Expr {
        let target = col(TARGET_COLUMN);
        let source = col(SOURCE_COLUMN);
        match self {
            Self::Both => target.is_not_null().and(source.is_not_null()),
            Self::SourceOnly => target.is_null().and(source.is_not_null()),
            Self::TargetOnly => target.is_not_null().and(source.is_null()),
        }
    }
}

/// The inner join that a statement names, taken apart.
pub(super) struct Parts {
    join: Join,
}

impl Parts {
    /// # Errors
    /// When the plan is no join of the two.
    pub(super) fn new(plan: LogicalPlan) -> Result<Self> {
        match plan {
            LogicalPlan::Join(join) => Ok(Self { join }),
            _ => Err(refused("this condition of MERGE")),
        }
    }

    /// The target as the condition names it.
    pub(super) fn target(&self) -> &LogicalPlan {
        &self.join.left
    }

    /// The source.
    pub(super) fn source(&self) -> &LogicalPlan {
        &self.join.right
    }

    /// Whether the condition demands that two expressions are equal.
    pub(super) fn equates(&self, a: &Expr, b: &Expr) -> bool {
        let same = |x: &Expr, y: &Expr| (x, y) == (a, b) || (x, y) == (b, a);
        let filters = self.join.filter.iter().flat_map(split_conjunction);
        let mut filters = filters.filter_map(|expr| match expr {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq,
                right,
            }) => Some((left.as_ref(), right.as_ref())),
            _ => None,
        });
        filters.any(|(x, y)| same(x, y)) || self.join.on.iter().any(|(x, y)| same(x, y))
    }

    /// All rows of the sides wanted: the columns of the target, then those of the source, and marks of both.
    ///
    /// The source comes first: rows of that side are kept in memory while the other side streams, unless statistics
    /// say that it is the larger one.
    ///
    /// # Errors
    /// As planning.
    pub(super) fn joined(self, target: &Target, sides: &[Side]) -> Result<LogicalPlan> {
        let rows = marked(
            target.scanned(Arc::unwrap_or_clone(self.join.left))?,
            TARGET_COLUMN,
        )?;
        let source = marked(Arc::unwrap_or_clone(self.join.right), SOURCE_COLUMN)?;
        let columns: Vec<Expr> = [&rows, &source]
            .into_iter()
            .flat_map(|side| side.schema().columns())
            .map(Expr::Column)
            .collect();
        let join_type = match (
            sides.contains(&Side::TargetOnly),
            sides.contains(&Side::SourceOnly),
        ) {
            (false, false) => JoinType::Inner,
            (true, false) => JoinType::Right,
            (false, true) => JoinType::Left,
            (true, true) => JoinType::Full,
        };
        let on = self.join.on.into_iter().map(|(row, source)| (source, row));
        let join = Join::try_new(
            Arc::new(source),
            Arc::new(rows),
            on.collect(),
            self.join.filter,
            join_type,
            JoinConstraint::On,
            self.join.null_equality,
            false,
        )?;
        LogicalPlanBuilder::from(LogicalPlan::Join(join))
            .project(columns)?
            .build()
    }
}

/// A plan with one more column, true in every row.
fn marked(plan: LogicalPlan, name: &str) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter();
    let mut exprs: Vec<Expr> = columns.map(Expr::Column).collect();
    exprs.push(lit(true).alias(name));
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// All columns of a plan and one more.
///
/// # Errors
/// As planning.
pub(super) fn with_column(plan: LogicalPlan, expr: Expr) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter();
    let mut exprs: Vec<Expr> = columns.map(Expr::Column).collect();
    exprs.push(expr);
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// The column of a source that `*` gives a column of the table: of that name, else the only one that differs in case
/// alone.
///
/// `None` when there is none.
///
/// # Errors
/// When there is more than one.
pub(super) fn source_column(source: &LogicalPlan, name: &str) -> Result<Option<Expr>> {
    let columns = source.schema().columns();
    let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<&Column> {
        columns.iter().filter(|c| wanted(&c.name)).collect()
    };
    let exact = named(&|n| n == name);
    let found = match exact.is_empty() {
        true => named(&|n| n.eq_ignore_ascii_case(name)),
        false => exact,
    };
    match found.as_slice() {
        [only] => Ok(Some(Expr::Column((*only).clone()))),
        [] => Ok(None),
        _ => Err(unlike(source, "more than one column", name)),
    }
}

/// The error for a column of the table that the source lacks.
pub(super) fn no_source_column(source: &LogicalPlan, name: &str) -> DataFusionError {
    unlike(source, "no column", name)
}

fn unlike(source: &LogicalPlan, wrong: &str, name: &str) -> DataFusionError {
    let columns = source.schema().columns();
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    DataFusionError::Plan(format!(
        "SET * and INSERT * take every column of the table from the source, which has {wrong} {name}: its columns are {}",
        names.join(", ")
    ))
}
