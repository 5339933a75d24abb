//! Writes whose rows change the schema of their table first, as the option `write.merge-schema` asks.
//!
//! Source: `SchemaEvolutionHelper` of Paimon's Spark connector. Nothing happens before the plan is executed: then the schema
//! is changed, and the statement planned again over the changed table, until the rows fit. What fails behind the change
//! leaves the change.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use futures::future::BoxFuture;
use paimon_catalog::{Catalog, DEFAULT_BRANCH, Identifier};
use paimon_core::schema::SchemaChange;
use paimon_core::table::Table;
use paimon_core::{Error, ErrorKind};

use super::effect::effect_rows;
use crate::error::to_datafusion;
use crate::session::PaimonSession;

/// Changes of other sessions that may come in between before giving up.
const ATTEMPTS: usize = 20;

/// What is to be done next for a write.
pub(super) enum Step {
    /// Its rows fit: they are written when this is executed.
    Rows(DataFrame),
    /// The schema is to be changed before it is planned again.
    Change(Evolution),
}

/// A change of the schema that the rows of a write ask for.
pub(super) struct Evolution {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) identifier: Identifier,
    pub(super) changes: Vec<SchemaChange>,
}

impl Evolution {
    /// Changes of the table that a statement names.
    ///
    /// # Errors
    /// `Unsupported` when an option chose another branch than the name does.
    pub(super) fn new(
        (catalog, identifier): (Arc<dyn Catalog>, Identifier),
        table: &Table,
        changes: Vec<SchemaChange>,
    ) -> Result<Self> {
        let named = identifier.branch().unwrap_or(DEFAULT_BRANCH);
        if named != table.branch_name() {
            return Err(to_datafusion(
                Error::unsupported(format!(
                    "the option `branch` with `write.merge-schema`: name the branch, `{}$branch_{}`",
                    identifier.table(),
                    table.branch_name()
                ))
                .with("table", table.name()),
            ));
        }
        Ok(Self {
            catalog,
            identifier,
            changes,
        })
    }

    /// The statement, with the columns that it changes.
    fn what(&self, statement: &str) -> String {
        let path = |change: &SchemaChange| match change {
            SchemaChange::AddColumn { path, .. } | SchemaChange::UpdateColumnType { path, .. } => {
                path.join(".")
            }
            other => format!("{other:?}"),
        };
        let columns: Vec<String> = self.changes.iter().map(path).collect();
        format!(
            "{statement} {}, changing the schema: {}",
            self.identifier,
            columns.join(", ")
        )
    }
}

/// The plan of a write by its first step; `again` plans the write anew.
///
/// # Errors
/// Never for valid plans.
pub(super) fn evolving(
    session: &PaimonSession,
    statement: &str,
    first: Step,
    again: impl Fn() -> BoxFuture<'static, Result<Step>> + Send + Sync + 'static,
) -> Result<DataFrame> {
    let first = match first {
        Step::Rows(rows) => return Ok(rows),
        Step::Change(change) => change,
    };
    let again = Arc::new(again);
    effect_rows(session, first.what(statement), schema(), move || {
        let again = Arc::clone(&again);
        async move { written(again.as_ref()).await }
    })
}

fn schema() -> SchemaRef {
    let count = Field::new("count", DataType::Int64, false);
    Arc::new(Schema::new(vec![count]))
}

async fn written<F>(again: &F) -> Result<RecordBatch>
where
    F: Fn() -> BoxFuture<'static, Result<Step>>,
{
    let mut failed: Option<(Vec<SchemaChange>, Error)> = None;
    for _ in 0..ATTEMPTS {
        let change = match again().await? {
            Step::Rows(rows) => {
                let batches = rows.collect().await?;
                let schema = schema();
                let named = |batch: RecordBatch| {
                    RecordBatch::try_new(schema.clone(), batch.columns().to_vec())
                };
                let batches = batches.into_iter().map(named);
                let batches: Vec<_> = batches.collect::<std::result::Result<_, _>>()?;
                return Ok(concat_batches(&schema, &batches)?);
            }
            Step::Change(change) => change,
        };
        // where another session was faster, other changes are left
        match failed {
            Some((changes, error)) if changes == change.changes => {
                return Err(to_datafusion(error));
            }
            _ => failed = None,
        }
        let altered = change
            .catalog
            .alter_table(&change.identifier, &change.changes)
            .await;
        if let Err(error) = altered {
            failed = Some((change.changes, error));
        }
    }
    Err(match failed {
        Some((_, error)) => to_datafusion(error),
        None => crowded(),
    })
}

fn crowded() -> DataFusionError {
    to_datafusion(Error::new(
        ErrorKind::CommitConflict,
        format!("others changed the schema {ATTEMPTS} times meanwhile"),
    ))
}
