//! `INSERT INTO sink SELECT .. FROM stream`: what the query may do, and the rows it gives for one step of the stream.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, TableScan};
use paimon_core::Error;
use paimon_core::read::StreamSplit;
use paimon_core::table::Table;

use super::StreamSource;
use super::job::StreamInsert;
use super::step::StepProvider;
use crate::changes::KIND_COLUMN;
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::sink::SinkMode;

/// The plan of an INSERT whose rows come from a stream; `None` when they come from tables with an end. `rows` has the
/// columns of the table.
///
/// # Errors
/// `Unsupported` for queries that need more than one row at a time and tables that cannot take what the stream tells.
pub(crate) fn plan_insert(
    session: &PaimonSession,
    table: &Table,
    mode: &SinkMode,
    rows: &LogicalPlan,
) -> Result<Option<DataFrame>> {
    let mut streams = streams_of(rows)?;
    let Some(source) = streams.pop() else {
        return Ok(None);
    };
    let refused = |message: String| {
        to_datafusion(Error::unsupported(message).with("table", source.table().name()))
    };
    if !streams.is_empty() {
        return Err(refused(
            "an INSERT reads one stream: write the others with statements of their own".into(),
        ));
    }
    if *mode != SinkMode::Append {
        return Err(refused(
            "INSERT OVERWRITE of a stream is not supported: a stream has no end".into(),
        ));
    }
    check_rows_alone(rows, &source).map_err(|what| {
        refused(format!(
            "{what} is not supported in an INSERT from a stream: every row is written as it comes. Projections and \
             filters are, of append tables and `$audit_log` also joins with tables that have an end"
        ))
    })?;
    let keyed = table.schema().has_primary_key();
    if !keyed && !source.is_insert_only() {
        let message = format!(
            "table {} has no primary key and cannot take the updates and deletes of a stream; `{}$audit_log` tells \
             them as rows",
            table.name(),
            source.table().name()
        );
        return Err(refused(message));
    }
    source.read.scan().map_err(to_datafusion)?;
    let query = StreamQuery {
        plan: rows.clone(),
        source,
    };
    StreamInsert::frame(session, table, query).map(Some)
}

/// Refuses a statement whose query reads a stream.
///
/// # Errors
/// `Unsupported` naming the statement.
pub(crate) fn refuse_streams(statement: &str, query: &LogicalPlan) -> Result<()> {
    match streams_of(query)?.first() {
        None => Ok(()),
        Some(source) => Err(to_datafusion(
            Error::unsupported(format!(
                "{statement} is not supported over a stream: create the table, then INSERT INTO it"
            ))
            .with("table", source.table().name()),
        )),
    }
}

fn streams_of(plan: &LogicalPlan) -> Result<Vec<StreamSource>> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found.extend(StreamSource::of_scan(scan));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn reads_stream(plan: &LogicalPlan) -> bool {
    streams_of(plan).is_ok_and(|found| !found.is_empty())
}

/// Whether every row of the result follows from one row of the stream. The error says what stands against it.
fn check_rows_alone(plan: &LogicalPlan, source: &StreamSource) -> Result<(), String> {
    if !reads_stream(plan) {
        return Ok(());
    }
    match plan {
        LogicalPlan::TableScan(_) => Ok(()),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            let inputs = plan.inputs();
            // a stream in a subquery of an expression is none of the inputs
            if !inputs.iter().any(|input| reads_stream(input)) {
                return Err("a subquery over the stream".into());
            }
            inputs
                .into_iter()
                .try_for_each(|i| check_rows_alone(i, source))
        }
        LogicalPlan::Join(join) if source.is_insert_only() => {
            let streams_left = reads_stream(&join.left);
            let keeps = match join.join_type {
                JoinType::Inner => true,
                JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => streams_left,
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => !streams_left,
                _ => false,
            };
            if !keeps {
                return Err(format!("a {} join", join.join_type));
            }
            check_rows_alone(&join.left, source)?;
            check_rows_alone(&join.right, source)
        }
        LogicalPlan::Join(_) => Err("a Join of updates and deletes".into()),
        other => {
            let shown = other.display().to_string();
            let operator = shown.split([':', ' ']).next();
            Err(operator.unwrap_or_default().to_string())
        }
    }
}

/// A query over one stream.
#[derive(Debug, Clone)]
pub(super) struct StreamQuery {
    plan: LogicalPlan,
    pub(super) source: StreamSource,
}

impl StreamQuery {
    /// Whether rows end with their kind.
    pub(super) fn has_kinds(&self) -> bool {
        !self.source.is_insert_only()
    }

    /// The rows for some splits of the stream.
    ///
    /// # Errors
    /// Never for a plan that was checked.
    pub(super) fn over(&self, splits: Vec<StreamSplit>) -> Result<LogicalPlan> {
        let step = Arc::new(StepProvider::new(&self.source, splits));
        if self.has_kinds() {
            return with_kinds(&self.plan, &step);
        }
        let plan = self.plan.clone();
        let replaced = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::TableScan(scan) if StreamSource::of_scan(&scan).is_some() => {
                let source = provider_as_source(step.clone());
                let scan = TableScan { source, ..scan };
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(replaced.data)
    }
}

/// The plan with the kind of each row as its last column.
fn with_kinds(plan: &LogicalPlan, step: &Arc<StepProvider>) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let source = provider_as_source(step.clone());
            let kind = source.schema().fields().len() - 1;
            let projection = scan.projection.clone().map(|mut columns| {
                columns.push(kind);
                columns
            });
            let name = scan.table_name.clone();
            let filters = scan.filters.clone();
            LogicalPlanBuilder::scan_with_filters(name, source, projection, filters)?.build()
        }
        LogicalPlan::Projection(projection) => {
            let input = with_kinds(&projection.input, step)?;
            let at = input.schema().fields().len() - 1;
            let kind = Expr::Column(Column::from(input.schema().qualified_field(at)));
            let exprs = projection.expr.iter().cloned();
            let exprs = exprs.chain([kind.alias(KIND_COLUMN)]);
            LogicalPlanBuilder::from(input).project(exprs)?.build()
        }
        LogicalPlan::Filter(filter) => {
            let input = with_kinds(&filter.input, step)?;
            let predicate = filter.predicate.clone();
            LogicalPlanBuilder::from(input).filter(predicate)?.build()
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = with_kinds(&alias.input, step)?;
            LogicalPlanBuilder::from(input)
                .alias(alias.alias.clone())?
                .build()
        }
        other => Err(DataFusionError::Internal(format!(
            "rows of a stream went through {}",
            other.display()
        ))),
    }
}
