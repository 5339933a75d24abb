//! From a parsed INSERT to a plan whose only row is the number of rows written.

use std::sync::Arc;

use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use futures::FutureExt;
use paimon_core::commit::Overwrite;
use paimon_core::schema::{SchemaMerging, column_position};
use paimon_core::spec::{DataField, TableSchema};
use paimon_core::table::Table;

use super::{Columns, Insert};
use crate::error::to_datafusion;
use crate::parse::hints_in;
use crate::session::{OverwriteMode, PaimonSession, WrittenTable};
use crate::sink::{PaimonSink, SinkMode, SinkTarget};
use crate::statement::alter::checked;
use crate::statement::ddl::target as target_of;
use crate::statement::evolution::{Evolution, Step, evolving};
use crate::statement::ident_text;
use crate::statement::partition::StaticValue;
use crate::store::StoreAssignment;
use crate::stream::plan_insert;

/// What a column of the table is filled with.
#[derive(Debug, Clone)]
enum Filling {
    /// A column of the query.
    Query(usize),
    /// The value that PARTITION gives.
    Static(usize),
    /// Its default or null.
    Missing,
}

/// Plans an INSERT; `tokens` are those of the statement.
///
/// # Errors
/// For a table that takes no rows and a query that does not fit its columns.
pub(crate) async fn plan(
    session: &PaimonSession,
    insert: &Insert,
    tokens: &[TokenWithSpan],
) -> Result<DataFrame> {
    let first = step(session, insert, tokens).await?;
    let again = (session.clone(), insert.clone(), tokens.to_vec());
    evolving(session, "INSERT INTO", first, move || {
        let (session, insert, tokens) = again.clone();
        async move { step(&session, &insert, &tokens).await }.boxed()
    })
}

/// What is to be done for an INSERT as its table is now.
async fn step(session: &PaimonSession, insert: &Insert, tokens: &[TokenWithSpan]) -> Result<Step> {
    let head = tokens.get(..insert.query).unwrap_or_default();
    let written = session
        .written_table(&insert.table, hints_in(head)?)
        .await?;
    let schema = written.schema();
    let given = insert.partition.values(session, &schema)?;
    let mode = match insert.overwrite {
        false => SinkMode::Append,
        true => {
            let mode = session.settings().overwrite_mode();
            SinkMode::Overwrite(target(&written, &given, mode))
        }
    };
    let listed = listed_columns(&schema, &given, &insert.columns)?;
    let defaults: Vec<Option<&DataField>> = match &listed {
        Some(columns) => columns.iter().map(|i| schema.fields.get(*i)).collect(),
        None => Vec::new(),
    };
    let rest = tokens.get(insert.query..).unwrap_or_default().to_vec();
    let input = match insert.columns {
        Columns::ByName => session.plan_query(rest, &defaults).await?,
        _ => session.plan_positional(rest, &defaults).await?,
    };
    if let (Columns::ByName, WrittenTable::Paimon(table)) = (&insert.columns, &written)
        && let Some(change) = evolution(session, insert, table, &given, &mode, &input).await?
    {
        return Ok(Step::Change(change));
    }
    let fillings = fillings(&schema, &given, listed.as_deref(), &input)?;
    let input = projected(&schema, &given, &fillings, input)?;
    let table = match written {
        WrittenTable::Paimon(table) => table,
        WrittenTable::Files(files) => {
            let name = files.table().name.clone();
            let rows = count_of(session, &name, Arc::new(files.with_mode(mode)), input);
            return rows.map(Step::Rows);
        }
    };
    if let Some(rows) = plan_insert(session, &table, &mode, &input)? {
        return Ok(Step::Rows(rows));
    }
    let name = table.name().to_string();
    let table = match mode == SinkMode::overwrite_dynamic() {
        // for a session whose mode is another than the table's
        true => table
            .with_options(&[("dynamic-partition-overwrite".into(), "true".into())].into())
            .await
            .map_err(to_datafusion)?,
        false => table,
    };
    let target = SinkTarget::new(table, session.settings().clone(), mode)
        .of_query(&input, session.context().state());
    count_of(session, &name, Arc::new(target), input).map(Step::Rows)
}

/// The change of the schema that the columns of a query ask for. What would fail behind it fails now.
async fn evolution(
    session: &PaimonSession,
    insert: &Insert,
    table: &Table,
    given: &[StaticValue],
    mode: &SinkMode,
    input: &LogicalPlan,
) -> Result<Option<Evolution>> {
    let named = |e: paimon_core::Error| to_datafusion(e.with_default("table", table.name()));
    let Some(merging) = SchemaMerging::of(table.options()).map_err(named)? else {
        return Ok(None);
    };
    let changes = table
        .schema()
        .merging_changes(input.schema().fields(), merging)
        .map_err(named)?;
    if changes.is_empty() {
        return Ok(None);
    }
    PaimonSink::new(table.clone(), session.settings().clone(), mode.clone()).map_err(named)?;
    let schema = checked(table, &changes).await?;
    let fillings = fillings(&schema, given, None, input)?;
    let rows = projected(&schema, given, &fillings, input.clone())?;
    let store = StoreAssignment::new(schema.fields, &session.settings().time_zone());
    let given = Arc::new(rows.schema().as_arrow().clone());
    store.filling(true).check(&given).map_err(named)?;
    let target = target_of(session, &insert.table)?;
    Evolution::new(target, table, changes).map(Some)
}

/// A plan that appends rows to columns of a table; the others get their default or null.
///
/// # Errors
/// As [`plan`].
pub(crate) fn append(
    session: &PaimonSession,
    table: Table,
    columns: &Columns,
    input: LogicalPlan,
) -> Result<DataFrame> {
    let schema = table.schema().clone();
    let listed = listed_columns(&schema, &[], columns)?;
    let fillings = fillings(&schema, &[], listed.as_deref(), &input)?;
    let input = projected(&schema, &[], &fillings, input)?;
    let name = table.name().to_string();
    let target = SinkTarget::new(table, session.settings().clone(), SinkMode::Append)
        .of_query(&input, session.context().state());
    count_of(session, &name, Arc::new(target), input)
}

/// A plan that writes and returns one row with the column `count`.
///
/// # Errors
/// Never for valid plans.
pub(crate) fn count_of(
    session: &PaimonSession,
    name: &str,
    target: Arc<dyn datafusion::catalog::TableProvider>,
    input: LogicalPlan,
) -> Result<DataFrame> {
    let written = LogicalPlanBuilder::insert_into(
        input,
        TableReference::bare(name),
        provider_as_source(target),
        InsertOp::Append,
    )?
    .build()?;
    let count = Expr::Column(Column::from_name("count"));
    let plan = LogicalPlanBuilder::from(written)
        .project([cast(count, arrow::datatypes::DataType::Int64).alias("count")])?
        .build()?;
    Ok(DataFrame::new(session.context().state(), plan))
}

/// What an overwrite removes: the partition given in full, else by the mode the partitions in the rows or all that
/// match what is given.
fn target(table: &WrittenTable, given: &[StaticValue], mode: Option<OverwriteMode>) -> Overwrite {
    let is_dynamic = || match table {
        WrittenTable::Paimon(table) => table
            .options()
            .get("dynamic-partition-overwrite")
            .is_none_or(|v| !v.eq_ignore_ascii_case("false")),
        WrittenTable::Files(files) => files.overwrites_dynamically(),
    };
    let dynamic = mode.map_or_else(is_dynamic, |mode| mode == OverwriteMode::Dynamic);
    // of a format table all that matches what is given goes
    let is_narrow = match table {
        WrittenTable::Paimon(table) => given.len() < table.schema().partition_keys.len(),
        WrittenTable::Files(_) => given.is_empty(),
    };
    if dynamic && is_narrow {
        return Overwrite::Dynamic;
    }
    let pairs = given.iter().map(|v| (v.column.clone(), v.datum.clone()));
    Overwrite::Static(pairs.collect())
}

/// Positions of the columns that the query gives, in its order; `None` when the query names them.
fn listed_columns(
    schema: &TableSchema,
    given: &[StaticValue],
    columns: &Columns,
) -> Result<Option<Vec<usize>>> {
    let is_given = |f: &DataField| given.iter().any(|v| v.column == f.name);
    match columns {
        Columns::ByName => Ok(None),
        Columns::All => {
            let open = schema.fields.iter().enumerate();
            Ok(Some(
                open.filter(|(_, f)| !is_given(f)).map(|(i, _)| i).collect(),
            ))
        }
        Columns::Listed(names) => {
            let mut found = Vec::with_capacity(names.len());
            for name in names {
                let at = position(schema, &wanted(name))?;
                if found.contains(&at) || schema.fields.get(at).is_some_and(is_given) {
                    return Err(DataFusionError::Plan(format!(
                        "column {} is given twice",
                        name.value
                    )));
                }
                found.push(at);
            }
            Ok(Some(found))
        }
    }
}

fn wanted(name: &Ident) -> String {
    ident_text(name)
}

/// The column of that name, else the only one that differs in case alone.
///
/// # Errors
/// When there is none.
pub(crate) fn position(schema: &TableSchema, name: &str) -> Result<usize> {
    column_position(&schema.fields, name).ok_or_else(|| {
        let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
        DataFusionError::Plan(format!(
            "column {name} does not exist: the table has {}",
            names.join(", ")
        ))
    })
}

fn fillings(
    schema: &TableSchema,
    given: &[StaticValue],
    listed: Option<&[usize]>,
    input: &LogicalPlan,
) -> Result<Vec<Filling>> {
    let width = input.schema().fields().len();
    let by_name: Vec<usize>;
    let listed = match listed {
        Some(listed) => listed,
        None => {
            by_name = input
                .schema()
                .fields()
                .iter()
                .map(|f| position(schema, f.name()))
                .collect::<Result<_>>()?;
            &by_name
        }
    };
    if listed.len() != width {
        let columns: Vec<&str> = listed
            .iter()
            .filter_map(|i| schema.fields.get(*i))
            .map(|f| f.name.as_str())
            .collect();
        return Err(DataFusionError::Plan(format!(
            "{} columns are expected ({}), the query has {width}",
            listed.len(),
            columns.join(", ")
        )));
    }
    let mut fillings = vec![Filling::Missing; schema.fields.len()];
    for (from, to) in listed.iter().enumerate() {
        match fillings.get_mut(*to) {
            Some(filling @ Filling::Missing) => *filling = Filling::Query(from),
            _ => {
                return Err(DataFusionError::Plan(
                    "the query gives a column twice".into(),
                ));
            }
        }
    }
    for (i, value) in given.iter().enumerate() {
        let at = position(schema, &value.column)?;
        match fillings.get_mut(at) {
            Some(filling @ Filling::Missing) => *filling = Filling::Static(i),
            _ => {
                return Err(DataFusionError::Plan(format!(
                    "column {} is given twice: by PARTITION and by the query",
                    value.column
                )));
            }
        }
    }
    Ok(fillings)
}

/// The query as rows of the table.
fn projected(
    schema: &TableSchema,
    given: &[StaticValue],
    fillings: &[Filling],
    input: LogicalPlan,
) -> Result<LogicalPlan> {
    let exprs = schema
        .fields
        .iter()
        .zip(fillings)
        .map(|(field, filling)| {
            let expr = match filling {
                Filling::Query(i) => Expr::Column(Column::from(input.schema().qualified_field(*i))),
                Filling::Static(i) => {
                    let array = given.get(*i).map(|v| v.array.clone()).ok_or_else(|| {
                        DataFusionError::Internal("a partition value is missing".into())
                    })?;
                    lit(ScalarValue::try_from_array(&array, 0)?)
                }
                Filling::Missing => missing(field)?,
            };
            Ok(expr.alias(field.name.as_str()))
        })
        .collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::from(input).project(exprs)?.build()
}

/// The default, else null.
///
/// # Errors
/// For a NOT NULL column without one.
pub(crate) fn missing(field: &DataField) -> Result<Expr> {
    match &field.default_value {
        Some(text) => Ok(lit(text.clone())),
        None if field.data_type.nullable => Ok(lit(ScalarValue::Null)),
        None => Err(to_datafusion(
            paimon_core::Error::invalid(format!(
                "column {} is NOT NULL and has no default: it must be given",
                field.name
            ))
            .with("column", &field.name),
        )),
    }
}
