//! `UPDATE`, `DELETE` and `MERGE INTO` of Paimon tables.
//!
//! ```text
//! DELETE FROM t [alias] [WHERE condition]
//! UPDATE t [alias] SET column = value, .. [WHERE condition]
//! MERGE INTO t [alias] USING source [alias] ON condition
//!   WHEN MATCHED [AND condition] THEN UPDATE SET column = value, .. | UPDATE SET * | DELETE
//!   WHEN NOT MATCHED [BY TARGET] [AND condition] THEN INSERT (columns) VALUES (values) | INSERT *
//!   WHEN NOT MATCHED BY SOURCE [AND condition] THEN UPDATE SET column = value, .. | DELETE
//! ```
//! Conditions and values are planned as those of a query over the target, so that subqueries, options hints and time travel
//! in them mean what they mean there. The changed rows are a plan over the target at one snapshot.

mod assign;
mod clause;
mod join;
mod merge;
mod query;
mod target;

pub use assign::Assign;

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::parser::Statement as AnyStatement;
use datafusion::sql::sqlparser::ast::{
    Delete, FromTable, Statement as SqlStatement, TableWithJoins, Update,
};
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;

use self::assign::Assignments;
use self::query::{Query, plan_query};
use self::target::{Changes, Target};
use super::insert::count_of;
use crate::session::{FixedIdentity, PaimonSession};
use crate::sink::rows::{ACTION_COLUMN, Operation, RowsTarget, Statement};

/// Row kind +U.
const UPDATED: i8 = 2;
/// Row kind -D.
const DELETED: i8 = 3;

/// Plans a statement; `tokens` are its own.
///
/// # Errors
/// For a form or table that is not supported, and names and types that do not fit.
pub(crate) async fn plan(session: &PaimonSession, tokens: Vec<TokenWithSpan>) -> Result<DataFrame> {
    let statement = session.parse_statement(merge::without_stars(tokens)?)?;
    let AnyStatement::Statement(statement) = statement else {
        return Err(refused("this form of the statement"));
    };
    match *statement {
        SqlStatement::Delete(delete) => plan_delete(session, delete).await,
        SqlStatement::Update(update) => plan_update(session, update).await,
        SqlStatement::Merge(merge) => merge::plan(session, merge).await,
        _ => Err(refused("this form of the statement")),
    }
}

async fn plan_delete(session: &PaimonSession, delete: Delete) -> Result<DataFrame> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = delete.from;
    refuse_clauses(&[
        (!delete.tables.is_empty(), "DELETE of several tables"),
        (delete.using.is_some(), "DELETE .. USING"),
        (delete.returning.is_some(), "DELETE .. RETURNING"),
        (delete.output.is_some(), "DELETE .. OUTPUT"),
        (!delete.order_by.is_empty(), "DELETE .. ORDER BY"),
        (delete.limit.is_some(), "DELETE .. LIMIT"),
    ])?;
    let relation = single(from, "DELETE")?;
    let changes = Changes {
        deletes: true,
        ..Changes::default()
    };
    let target = Target::open(session, &relation.relation, changes, Operation::Delete).await?;
    let query = Query::over(relation, Vec::new(), delete.selection);
    let (_, input) = plan_query(session, query).await?;
    let input = target.scanned(input)?;
    let assignments = Assignments::none(&target);
    let rows = changed_rows(&target, input, DELETED, &assignments)?;
    finish(session, target, rows, false)
}

async fn plan_update(session: &PaimonSession, update: Update) -> Result<DataFrame> {
    refuse_clauses(&[
        (update.from.is_some(), "UPDATE .. FROM"),
        (update.returning.is_some(), "UPDATE .. RETURNING"),
        (update.output.is_some(), "UPDATE .. OUTPUT"),
        (update.or.is_some(), "UPDATE OR .."),
        (!update.order_by.is_empty(), "UPDATE .. ORDER BY"),
        (update.limit.is_some(), "UPDATE .. LIMIT"),
    ])?;
    let relation = single(vec![update.table], "UPDATE")?;
    let changes = Changes {
        updates: true,
        ..Changes::default()
    };
    let target = Target::open(session, &relation.relation, changes, Operation::Update).await?;
    let (columns, values) = assign::parse(&target, update.assignments)?;
    target.refuse_keys(&columns)?;
    let query = Query::over(relation, values, update.selection);
    let (values, input) = plan_query(session, query).await?;
    let input = target.scanned(input)?;
    let assignments = Assignments::new(&target, columns, values)?;
    let rows = changed_rows(&target, input, UPDATED, &assignments)?;
    finish(session, target, rows, false)
}

/// The rows of the target as changed: action, place, columns.
fn changed_rows(
    target: &Target,
    input: LogicalPlan,
    action: i8,
    assignments: &Assignments,
) -> Result<LogicalPlan> {
    let mut exprs: Vec<Expr> = vec![lit(action).alias(ACTION_COLUMN)];
    exprs.extend(target.places(input.schema())?);
    for at in 0..target.fields().len() {
        let old = target.column(input.schema(), at)?;
        let value = match assignments.value(at, Some(&old))? {
            Some(value) => value,
            None => old,
        };
        exprs.push(value.alias(target.name_of(at)?));
    }
    LogicalPlanBuilder::from(input).project(exprs)?.build()
}

/// The statement whose only row is the number of changed rows.
fn finish(
    session: &PaimonSession,
    target: Target,
    rows: LogicalPlan,
    sorted: bool,
) -> Result<DataFrame> {
    let name = target.table.name().to_string();
    let statement = Statement {
        table: target.table,
        settings: session.settings().clone(),
        operation: target.operation,
        state: session.context().state(),
        target: target.provider.clone(),
        rows,
        sorted,
        identity: FixedIdentity::default(),
    };
    let rows = statement.plan_over(&target.provider)?;
    count_of(session, &name, Arc::new(RowsTarget::new(statement)), rows)
}

fn single(mut from: Vec<TableWithJoins>, statement: &str) -> Result<TableWithJoins> {
    match (from.pop(), from.is_empty()) {
        (Some(relation), true) if relation.joins.is_empty() => Ok(relation),
        _ => Err(refused(&format!("{statement} of several tables"))),
    }
}

fn refuse_clauses(clauses: &[(bool, &str)]) -> Result<()> {
    match clauses.iter().find(|(here, _)| *here) {
        Some((_, name)) => Err(refused(name)),
        None => Ok(()),
    }
}

fn refused(what: &str) -> DataFusionError {
    crate::error::to_datafusion(paimon_core::Error::unsupported(format!(
        "{what} is not supported"
    )))
}
