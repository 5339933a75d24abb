//! Partitions that procedures name: as texts `p1=v1,p2=v2;p1=..` or by a condition.

pub(super) mod file_index;
pub(super) mod rescale;

use std::collections::HashSet;

use arrow::array::{Array, AsArray, RecordBatch};
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Expr;
use futures::FutureExt;
use paimon_core::Error;
use paimon_core::arrow_bridge::{arrow_schema, datum_from_text, datums_to_array};
use paimon_core::manifest::partition_values;
use paimon_core::spec::{DataField, Datum};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};

use super::arguments::{Arguments, Kind, required};
use super::list::{Procedure, Running, nothing_to_check};
use super::plan::table;
use super::rows::{RESULT, done};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

/// Values of some or all partition columns by name.
pub(super) type Spec = Vec<(String, Option<Datum>)>;

pub(super) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "drop_partition",
    parameters: &[
        required(&["table"], Kind::Text),
        required(&["partitions"], Kind::Text),
    ],
    result: RESULT,
    check: nothing_to_check,
    run: drop_partition,
}];

/// Makes one snapshot without the rows of the partitions.
fn drop_partition<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let partitions = parse(&table, arguments.required("partitions")).map_err(to_datafusion)?;
        let (commit, identifier) = match session.settings().next_commit_identity() {
            Some(own) => (table.new_commit().with_user(&own.user), own.identifier),
            None => (table.new_commit(), BATCH_COMMIT_IDENTIFIER),
        };
        let dropped = commit.drop_partitions(partitions, identifier).await;
        dropped
            .map(|_| done())
            .map_err(|e| to_datafusion(e.with_default("table", table.name())))
    }
    .boxed()
}

/// Refuses a call that names partitions twice over.
///
/// # Errors
/// When both `partitions` and `where` are given.
pub(super) fn check_choice(arguments: &Arguments) -> Result<()> {
    match arguments.text("partitions").and(arguments.text("where")) {
        Some(_) => Err(DataFusionError::Plan(format!(
            "procedure {} takes partitions or where, not both",
            arguments.procedure()
        ))),
        None => Ok(()),
    }
}

/// The partitions that the arguments `partitions` or `where` choose; `None` without either.
///
/// # Errors
/// As [`parse`] and [`matching`].
pub(super) async fn chosen(
    session: &PaimonSession,
    table: &Table,
    arguments: &Arguments,
) -> Result<Option<Vec<Spec>>> {
    match (arguments.text("partitions"), arguments.text("where")) {
        (Some(text), _) => parse(table, text).map(Some).map_err(to_datafusion),
        (None, Some(condition)) => matching(session, table, condition).await.map(Some),
        (None, None) => Ok(None),
    }
}

/// Reads `p1=v1,p2=v2;p1=..`: at least one partition, each with at least one column.
///
/// # Errors
/// `InvalidInput` for a malformed text, a column that is no partition column or is named twice, a value that does not
/// fit.
pub(super) fn parse(table: &Table, text: &str) -> paimon_core::Result<Vec<Spec>> {
    let fields = table.schema().partition_fields();
    let default_name = &table.options().partition_default_name;
    let specs = text.split(';').map(str::trim).filter(|p| !p.is_empty());
    let specs = specs
        .map(|partition| parse_one(partition, &fields, default_name))
        .collect::<paimon_core::Result<Vec<_>>>()
        .map_err(|e| e.with_default("table", table.name()))?;
    if specs.is_empty() {
        return Err(Error::invalid(
            "partitions are expected as `p1=v1,p2=v2;p1=..`, found none",
        ));
    }
    Ok(specs)
}

fn parse_one(text: &str, fields: &[DataField], default_name: &str) -> paimon_core::Result<Spec> {
    let mut spec = Spec::new();
    for pair in text.split(',') {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::invalid(format!(
                "partitions are expected as `p1=v1,p2=v2;p1=..`, found {pair:?}"
            )));
        };
        let (name, value) = (name.trim(), value.trim());
        let field = fields.iter().find(|f| f.name == name).ok_or_else(|| {
            let known: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            let known = known.join(", ");
            Error::invalid(format!(
                "{name} is not a partition column: the table has [{known}]"
            ))
        })?;
        if spec.iter().any(|(known, _)| known == name) {
            return Err(Error::invalid(format!(
                "a partition names column {name} twice"
            )));
        }
        let value = match value == default_name {
            true => None,
            false => {
                let typed = datum_from_text(value, &field.data_type);
                Some(typed.map_err(|e| e.with("column", &field.name))?)
            }
        };
        spec.push((name.to_string(), value));
    }
    Ok(spec)
}

/// The partitions of the newest snapshot that a condition over the partition columns holds for.
///
/// # Errors
/// `InvalidInput` for a table without partitions; for a condition that is malformed, names other columns or is not
/// true or false.
pub(super) async fn matching(
    session: &PaimonSession,
    table: &Table,
    condition: &str,
) -> Result<Vec<Spec>> {
    let fields = table.schema().partition_fields();
    if fields.is_empty() {
        let error = Error::invalid("a condition on partitions needs a partitioned table");
        return Err(to_datafusion(error.with("table", table.name())));
    }
    let rows = live(table, &fields).await.map_err(to_datafusion)?;
    let logical = condition_on(session, condition, &fields)?;
    let wanted = evaluate(session, logical, &fields, &rows)
        .map_err(|e| not_on_partitions(e, condition, &fields))?;
    let names = || fields.iter().map(|f| f.name.clone());
    let chosen = rows.into_iter().zip(wanted).filter(|(_, wanted)| *wanted);
    Ok(chosen.map(|(row, _)| names().zip(row).collect()).collect())
}

/// Values of the partitions that the newest snapshot has files in.
async fn live(table: &Table, fields: &[DataField]) -> paimon_core::Result<Vec<Vec<Option<Datum>>>> {
    let Some(snapshot) = table.snapshots().latest().await? else {
        return Ok(Vec::new());
    };
    let scan = table.manifest_scan();
    let (entries, _) = scan.live_files(&snapshot).await?;
    let mut seen = HashSet::new();
    entries
        .iter()
        .filter(|e| seen.insert(&e.partition))
        .map(|e| partition_values(&e.partition, fields))
        .collect()
}

/// A condition over the partition columns.
///
/// # Errors
/// When it is malformed, names other columns or the table has no partitions.
pub(super) fn condition_on(
    session: &PaimonSession,
    condition: &str,
    fields: &[DataField],
) -> Result<Expr> {
    let known = DFSchema::try_from(arrow_schema(fields))?;
    let parsed = session
        .context()
        .state()
        .create_logical_expr(condition, &known);
    parsed.map_err(|e| not_on_partitions(e, condition, fields))
}

fn not_on_partitions(e: DataFusionError, condition: &str, fields: &[DataField]) -> DataFusionError {
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    e.context(format!(
        "where expects a condition on the partition columns [{}], found {condition}",
        names.join(", ")
    ))
}

fn evaluate(
    session: &PaimonSession,
    logical: Expr,
    fields: &[DataField],
    rows: &[Vec<Option<Datum>>],
) -> Result<Vec<bool>> {
    let schema = arrow_schema(fields);
    let columns = fields.iter().enumerate().map(|(i, field)| {
        let values: Vec<Option<Datum>> = rows
            .iter()
            .map(|row| row.get(i).cloned().flatten())
            .collect();
        datums_to_array(&values, &field.data_type).map_err(to_datafusion)
    });
    let batch = RecordBatch::try_new(schema.clone(), columns.collect::<Result<Vec<_>>>()?)?;
    let known = DFSchema::try_from(schema)?;
    let physical = session.context().create_physical_expr(logical, &known)?;
    let array = physical.evaluate(&batch)?.into_array(batch.num_rows())?;
    let Some(holds) = array.as_boolean_opt() else {
        return Err(DataFusionError::Plan(format!(
            "it is a value of type {}",
            array.data_type()
        )));
    };
    Ok((0..holds.len())
        .map(|i| holds.is_valid(i) && holds.value(i))
        .collect())
}
