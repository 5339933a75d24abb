//! The scan of changes and of states with their kinds.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use paimon_core::read::{ChangeSplit, DataSplit};
use paimon_core::spec::{ROW_ID, SEQUENCE_NUMBER};
use paimon_core::table::TableRead;

use super::Shape;
use crate::error::to_datafusion;
use crate::scan::limited;

/// A unit of work of a scan of changes.
#[derive(Debug, Clone)]
pub enum ChangePart {
    /// What changed in a bucket.
    Changes(ChangeSplit),
    /// Rows of a state.
    State(DataSplit),
}

/// Reads parts, each partition its own one after the other.
pub struct ChangesExec {
    reader: TableRead,
    groups: Vec<Vec<ChangePart>>,
    shape: Shape,
    schema: SchemaRef,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ChangesExec {
    /// A scan; `schema` are the columns that the shape gives of what the reader returns.
    pub fn new(
        reader: TableRead,
        groups: Vec<Vec<ChangePart>>,
        shape: Shape,
        schema: SchemaRef,
        limit: Option<usize>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(groups.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            reader,
            groups,
            shape,
            schema,
            limit,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// A scan of some of the columns that the shape gives, by name.
    ///
    /// # Errors
    /// `NotFound` for an unknown one.
    pub fn of_columns(
        reader: TableRead,
        groups: Vec<Vec<ChangePart>>,
        shape: Shape,
        columns: &[String],
        limit: Option<usize>,
    ) -> paimon_core::Result<Self> {
        let schema = match columns.iter().any(|c| c == ROW_ID || c == SEQUENCE_NUMBER) {
            true => super::tracked_schema(reader.table()),
            false => reader.table().arrow_schema(),
        };
        let schema = shape.columns(&schema, columns)?;
        Ok(Self::new(reader, groups, shape, schema, limit))
    }

    /// What reads the parts.
    pub fn reader(&self) -> &TableRead {
        &self.reader
    }

    /// The parts of each partition.
    pub fn groups(&self) -> &[Vec<ChangePart>] {
        &self.groups
    }

    /// How the rows are shown.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Rows wanted of each partition, at most.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }
}

impl fmt::Debug for ChangesExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangesExec")
            .field("table", &self.reader.table().name())
            .finish_non_exhaustive()
    }
}

impl DisplayAs for ChangesExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: usize = self.groups.iter().map(Vec::len).sum();
        let fields = self.schema.fields().iter();
        let names: Vec<&str> = fields.map(|f| f.name().as_str()).collect();
        write!(
            f,
            "PaimonChangesExec: table={}, splits={parts}, projection=[{}]",
            self.reader.table().name(),
            names.join(", ")
        )?;
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ChangesExec {
    fn name(&self) -> &'static str {
        "PaimonChangesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    crate::leaf::leaf_plan!();

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (reader, schema, shape) = (self.reader.clone(), self.schema.clone(), self.shape);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let parts = self.groups.get(partition).cloned().unwrap_or_default();
        let rows = futures::stream::iter(parts)
            .map(move |part| {
                let (rows, pairs) = match part {
                    ChangePart::Changes(split) => (reader.read_changes(&split), true),
                    ChangePart::State(split) => (reader.read(&split), false),
                };
                let rows = rows.map_err(to_datafusion)?.map_err(to_datafusion).boxed();
                Ok::<_, DataFusionError>(shape.apply(rows, schema.clone(), pairs))
            })
            .try_flatten()
            .inspect_ok(move |batch| baseline.record_output(batch.num_rows()));
        let rows = match self.limit {
            Some(limit) => limited(rows.boxed(), limit),
            None => rows.boxed(),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema.clone(),
            rows,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
