//! `UPDATE`, `DELETE` and `MERGE INTO` of Paimon tables.
//!
//! ```text
//! DELETE FROM t [alias] [WHERE condition] [[ORDER BY key, ..] LIMIT n]
//! UPDATE t [alias] SET column = value, .. [WHERE condition] [[ORDER BY key, ..] LIMIT n]
//! UPDATE t [alias] SET column = value, .. FROM source, .. [WHERE condition]
//! MERGE INTO t [alias] USING source [alias] ON condition
//!   WHEN MATCHED [AND condition] THEN UPDATE SET column = value, .. | UPDATE SET * | DELETE
//!   WHEN NOT MATCHED [BY TARGET] [AND condition] THEN INSERT (columns) VALUES (values) | INSERT *
//!   WHEN NOT MATCHED BY SOURCE [AND condition] THEN UPDATE SET column = value, .. | DELETE
//! ```
//! Conditions and values are planned as those of a query over the target, so that subqueries, options hints and time travel
//! in them mean what they mean there. The changed rows are a plan over the target at one snapshot.

mod assign;
mod clause;
mod evolve;
mod first;
mod join;
mod membership;
mod merge;
mod newer;
mod query;
mod target;

pub use assign::Assign;
pub use newer::CheckNewer;

use std::sync::Arc;

use datafusion::common::{Column, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::parser::Statement as AnyStatement;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Assignment, Delete, Expr as SqlExpr, FromTable, Join, JoinConstraint, JoinOperator, Merge,
    MergeAction, MergeClause, MergeClauseKind, MergeUpdateExpr, Statement as SqlStatement,
    TableFactor, TableWithJoins, Update, UpdateTableFromKind, Value,
};
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use paimon_core::predicate::Predicate;

use self::assign::{Assignments, or_default};
use self::first::First;
use self::query::{Query, plan_query};
use self::target::{Changes, Target};
use super::insert::count_of;
use crate::scan::ROW_ID_COLUMN;
use crate::session::{FixedIdentity, PaimonSession};
use crate::sink::rows::{ACTION_COLUMN, Operation, RowsTarget, Statement, change_keys};

/// Row kind +U.
const UPDATED: i8 = 2;
/// Row kind -D.
const DELETED: i8 = 3;
/// File and position of a row.
const PLACE_COLUMNS: usize = 2;

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
        SqlStatement::Merge(merge) => merge::plan(session, merge, Operation::Merge).await,
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
    ])?;
    let first = First::parse(session, "DELETE", delete.order_by, delete.limit)?;
    let relation = single(from, "DELETE")?;
    let changes = Changes {
        deletes: true,
        ..Changes::default()
    };
    let target = Target::locate(session, &relation.relation, Operation::Delete).await?;
    let query = Query::over(relation, first.keys().collect(), delete.selection);
    let (keys, input) = plan_query(session, query).await?;
    let input = first.of(target.scanned(input)?, keys)?;
    let counted = counted(&input)?;
    if first.is_all()
        && let Some(dropped) = target.whole_partitions(session, &counted)?
    {
        let changed = Changed {
            dropped: Some(dropped),
            ..Changed::of(counted)
        };
        return finish(session, target, changed);
    }
    target.check(changes).await?;
    let assignments = Assignments::none(&target);
    let rows = changed_rows(&target, input, DELETED, &assignments)?;
    finish(session, target, Changed::of(rows))
}

async fn plan_update(session: &PaimonSession, update: Update) -> Result<DataFrame> {
    refuse_clauses(&[
        (update.returning.is_some(), "UPDATE .. RETURNING"),
        (update.output.is_some(), "UPDATE .. OUTPUT"),
        (update.or.is_some(), "UPDATE OR .."),
    ])?;
    let first = First::parse(session, "UPDATE", update.order_by, update.limit)?;
    let relation = single(vec![update.table], "UPDATE")?;
    if let Some(from) = update.from {
        first.refuse("UPDATE .. FROM")?;
        let (UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = from;
        let source = joined(from)?;
        let merge = merge_of(
            relation.relation,
            source,
            update.assignments,
            update.selection,
        );
        return merge::plan(session, merge, Operation::Update).await;
    }
    let changes = Changes {
        updates: true,
        ..Changes::default()
    };
    let target = Target::open(session, &relation.relation, changes, Operation::Update).await?;
    let (columns, mut items) = assign::parse(&target, update.assignments)?;
    target.refuse_keys(&columns)?;
    items.extend(first.keys());
    let query = Query::over(relation, items, update.selection);
    let (mut values, input) = plan_query(session, query).await?;
    let keys = values.split_off(columns.len());
    let input = first.of(target.scanned(input)?, keys)?;
    let assignments = Assignments::new(&target, columns, values)?;
    let rows = changed_rows(&target, input, UPDATED, &assignments)?;
    let sorted = target.table.options().data_evolution;
    let changed = Changed {
        rows: match sorted {
            true => sorted_rows(&target, rows)?,
            false => rows,
        },
        sorted,
        assigned: assignments.columns().collect(),
        dropped: None,
    };
    finish(session, target, changed)
}

/// Several sources as one.
fn joined(from: Vec<TableWithJoins>) -> Result<TableFactor> {
    let one = |source: TableWithJoins| match source.joins.is_empty() {
        true => source.relation,
        false => TableFactor::NestedJoin {
            table_with_joins: Box::new(source),
            alias: None,
        },
    };
    let mut sources = from.into_iter().map(one);
    let relation = sources.next().ok_or_else(|| refused("FROM of nothing"))?;
    let joins = sources.map(|relation| Join {
        relation,
        global: false,
        join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
    });
    let joins = joins.collect();
    Ok(one(TableWithJoins { relation, joins }))
}

/// `MERGE INTO table USING source ON selection WHEN MATCHED THEN UPDATE SET assignments`.
fn merge_of(
    table: TableFactor,
    source: TableFactor,
    assignments: Vec<Assignment>,
    selection: Option<SqlExpr>,
) -> Merge {
    let every = || SqlExpr::Value(Value::Boolean(true).with_empty_span());
    let update = MergeUpdateExpr {
        update_token: AttachedToken::empty(),
        assignments,
        update_predicate: None,
        delete_predicate: None,
    };
    Merge {
        merge_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        into: true,
        table,
        source,
        on: Box::new(selection.unwrap_or_else(every)),
        clauses: vec![MergeClause {
            when_token: AttachedToken::empty(),
            clause_kind: MergeClauseKind::Matched,
            predicate: None,
            action: MergeAction::Update(update),
        }],
        output: None,
    }
}

/// The rows of the target as changed: action, place, columns.
fn changed_rows(
    target: &Target,
    input: LogicalPlan,
    action: i8,
    assignments: &Assignments,
) -> Result<LogicalPlan> {
    let mut exprs: Vec<Expr> = vec![lit(action).alias(ACTION_COLUMN)];
    let places = target.places(input.schema())?;
    // a row that goes is known by its place: nothing else of it is read
    let places_are_enough = action == DELETED && !places.is_empty();
    let unread = |expr: &Expr| {
        Ok::<_, DataFusionError>(lit(ScalarValue::try_from(&expr.get_type(input.schema())?)?))
    };
    for (at, place) in places.into_iter().enumerate() {
        exprs.push(match places_are_enough && at >= PLACE_COLUMNS {
            true => unread(&place)?.alias(ROW_ID_COLUMN),
            false => place,
        });
    }
    let old = |at: usize| target.column(input.schema(), at);
    for at in 0..target.fields().len() {
        let before = old(at)?;
        if places_are_enough {
            exprs.push(unread(&before)?.alias(target.name_of(at)?));
            continue;
        }
        let value = match assignments.value(at, Some(&before))? {
            Some(value) => value,
            None => before,
        };
        let value = match newer::is_checked(target, at) {
            true if action == DELETED => newer::deleted(target, value, &old)?,
            true => {
                let assigned = (assignments, newer::Origin::Statement);
                newer::updated(target, assigned, value, &old)?
            }
            false => value,
        };
        let field = target.field(at)?;
        let value = match action {
            DELETED => value,
            _ => or_default(field, value)?,
        };
        exprs.push(value.alias(field.name.as_str()));
    }
    LogicalPlanBuilder::from(input).project(exprs)?.build()
}

/// One row: how many a plan gives.
fn counted(input: &LogicalPlan) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(input.clone())
        .aggregate(Vec::<Expr>::new(), vec![count_all()])?
        .build()
}

/// Rows by what tells which row of the table they change, so that two changes of one row meet.
fn sorted_rows(target: &Target, rows: LogicalPlan) -> Result<LogicalPlan> {
    let keys = change_keys(&target.table).into_iter();
    let order = keys.map(|key| Expr::Column(Column::from_name(key)).sort(true, false));
    let order: Vec<_> = order.collect();
    LogicalPlanBuilder::from(rows).sort(order)?.build()
}

/// What a statement changes: see [`Statement`].
struct Changed {
    rows: LogicalPlan,
    sorted: bool,
    assigned: Vec<usize>,
    dropped: Option<Predicate>,
}

impl Changed {
    fn of(rows: LogicalPlan) -> Self {
        Self {
            rows,
            sorted: false,
            assigned: Vec::new(),
            dropped: None,
        }
    }
}

/// The statement whose only row is the number of changed rows.
fn finish(session: &PaimonSession, target: Target, changed: Changed) -> Result<DataFrame> {
    let name = target.table.name().to_string();
    let statement = Statement {
        table: target.table,
        settings: session.settings().clone(),
        operation: target.operation,
        state: session.context().state(),
        target: target.provider.clone(),
        rows: changed.rows,
        sorted: changed.sorted,
        assigned: changed.assigned,
        dropped: changed.dropped,
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
