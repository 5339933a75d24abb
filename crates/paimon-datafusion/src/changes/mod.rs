//! Rows of a table with what the system knows of them: changes between snapshots, `t$audit_log`, `t$binlog`,
//! `t$row_tracking`.
//!
//! Source: `AuditLogTable`, `BinlogTable`, `RowTrackingTable`, `IncrementalDeltaStartingScanner`.

mod binlog;
mod exec;
mod follow;
mod shape;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use paimon_core::predicate::Predicate;
use paimon_core::spec::{ROW_ID, SEQUENCE_NUMBER};
use paimon_core::table::{ChangesBuilder, Table, TableRead};

use crate::catalog::ObjectReference;
use crate::error::to_datafusion;
use crate::filter::{convert, convert_all};
pub use exec::{ChangePart, ChangesExec};
pub(crate) use shape::KIND_COLUMN;
pub use shape::Shape;

/// Rows of changes, or all rows of a table with their kinds or ids.
#[derive(Debug)]
pub struct ChangesProvider {
    reference: Option<ObjectReference>,
    source: Source,
    shape: Shape,
    schema: SchemaRef,
}

#[derive(Debug)]
enum Source {
    Changes(Box<ChangesBuilder>),
    /// The rows of a state, deletes that no compaction has dropped yet among them.
    State(Table),
    /// The rows of a state that have an id.
    Tracked(Table),
}

impl ChangesProvider {
    /// What a range of snapshots changed.
    ///
    /// # Errors
    /// `Unsupported` for logs with sequence numbers.
    pub(crate) fn of_range(changes: ChangesBuilder, shape: Shape) -> paimon_core::Result<Self> {
        refuse_sequence_numbers(changes.table(), shape)?;
        Ok(Self {
            schema: shape.schema(&changes.table().arrow_schema()),
            reference: None,
            source: Source::Changes(Box::new(changes)),
            shape,
        })
    }

    /// The rows of a state with their kinds.
    ///
    /// # Errors
    /// `Unsupported` for logs with sequence numbers.
    pub(crate) fn of_state(table: Table, shape: Shape) -> paimon_core::Result<Self> {
        refuse_sequence_numbers(&table, shape)?;
        Ok(Self {
            schema: shape.schema(&table.arrow_schema()),
            reference: None,
            source: Source::State(table),
            shape,
        })
    }

    /// The rows of a state with their ids and sequence numbers.
    ///
    /// # Errors
    /// `InvalidInput` for a table without row tracking.
    pub(crate) fn tracked(table: Table) -> paimon_core::Result<Self> {
        if !table.options().row_tracking {
            return Err(paimon_core::Error::invalid(
                "system table \"row_tracking\" is of tables with `row-tracking.enabled` = true only",
            )
            .with("table", table.name()));
        }
        Ok(Self {
            schema: tracked_schema(&table),
            reference: None,
            source: Source::Tracked(table),
            shape: Shape::Rows,
        })
    }

    pub(crate) fn referred(self, reference: ObjectReference) -> Self {
        Self {
            reference: Some(reference),
            ..self
        }
    }

    /// What it was opened by; `None` outside of catalogs.
    pub fn reference(&self) -> Option<&ObjectReference> {
        self.reference.as_ref()
    }

    async fn parts(
        &self,
        columns: &[&str],
        filters: &[Expr],
        partitions: usize,
    ) -> paimon_core::Result<Parts> {
        let read = match &self.source {
            Source::Changes(changes) => {
                let changes = changes.as_ref().clone().with_projection(columns);
                let changes = match self.shape {
                    Shape::Rows => changes,
                    _ => changes.with_deletes(),
                };
                let splits = changes.plan().await?.into_iter().map(ChangePart::Changes);
                return Ok(Parts::new(changes.reader()?, splits, partitions));
            }
            Source::State(table) => table.read_builder().with_deletes(),
            Source::Tracked(table) => table.read_builder().with_filter(predicate(table, filters)),
        };
        let read = read.with_row_kind().with_projection(columns);
        let splits = read.plan().await?.splits.into_iter().map(ChangePart::State);
        Ok(Parts::new(read.reader()?, splits, partitions))
    }
}

/// The columns of a table, then the id and the sequence number of each row.
fn tracked_schema(table: &Table) -> SchemaRef {
    let mut fields = table.arrow_schema().fields().to_vec();
    let number = |name| Arc::new(Field::new(name, DataType::Int64, false));
    fields.extend([ROW_ID, SEQUENCE_NUMBER].map(number));
    Arc::new(Schema::new(fields))
}

/// Option that gives logs the column `_SEQUENCE_NUMBER`.
const WITH_SEQUENCE_NUMBERS: &str = "table-read.sequence-number.enabled";

/// Refuses a log with sequence numbers.
///
/// # Errors
/// `Unsupported` naming the option.
pub(crate) fn refuse_sequence_numbers(table: &Table, shape: Shape) -> paimon_core::Result<()> {
    let asked = table.options().map().get(WITH_SEQUENCE_NUMBERS);
    let asked = asked.is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
    if asked && shape != Shape::Rows {
        let message =
            format!("option `{WITH_SEQUENCE_NUMBERS}` is not supported in logs of changes");
        return Err(paimon_core::Error::unsupported(message)
            .with("table", table.name())
            .with("option", WITH_SEQUENCE_NUMBERS));
    }
    Ok(())
}

fn predicate(table: &Table, filters: &[Expr]) -> Predicate {
    convert_all(filters, &table.schema().fields).predicate
}

#[async_trait]
impl TableProvider for ChangesProvider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let names = schema.fields().iter().map(|f| f.name().as_str());
        let names: Vec<&str> = names.filter(|n| !self.shape.adds(n)).collect();
        let partitions = state.config().target_partitions();
        let parts = self
            .parts(&names, filters, partitions)
            .await
            .map_err(to_datafusion)?;
        let exec = ChangesExec::new(parts.reader, parts.groups, self.shape, schema, limit);
        Ok(Arc::new(exec))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| match &self.source {
            Source::Tracked(table)
                if convert(filter, &table.schema().fields).predicate != Predicate::AlwaysTrue =>
            {
                TableProviderFilterPushDown::Inexact
            }
            _ => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }
}

struct Parts {
    reader: TableRead,
    groups: Vec<Vec<ChangePart>>,
}

impl Parts {
    fn new(reader: TableRead, splits: impl Iterator<Item = ChangePart>, partitions: usize) -> Self {
        let mut groups = vec![Vec::new(); partitions.max(1)];
        for (i, split) in splits.enumerate() {
            let at = i % groups.len();
            groups[at].push(split);
        }
        Self { reader, groups }
    }
}
