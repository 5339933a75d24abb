//! The unbounded scan.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::TryStreamExt;
use paimon_core::options::ConsumerMode;
use paimon_core::predicate::Predicate;
use paimon_core::table::{StreamRead, Table};

use crate::changes::Shape;
use crate::error::to_datafusion;

/// Follows a table, snapshot by snapshot.
///
/// A consumer's progress is kept when the rows that come after are asked for: whoever runs the plan has got the rows then.
pub struct StreamScanExec {
    read: StreamRead,
    shape: Shape,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl StreamScanExec {
    /// Follows `read`; `schema` are the columns that the shape gives of it.
    pub(super) fn new(read: StreamRead, shape: Shape, schema: SchemaRef) -> Self {
        let boundedness = match read.options().bounded_watermark {
            Some(_) => Boundedness::Bounded,
            None => Boundedness::Unbounded {
                requires_infinite_memory: false,
            },
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            boundedness,
        );
        Self {
            read: read.with_consumer_mode(ConsumerMode::AtLeastOnce),
            shape,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// A scan of a table by the options that it carries: some of the columns that the shape gives, and at least the rows
    /// that match.
    ///
    /// # Errors
    /// As [`Table::new_stream_read`], and for an unknown column.
    pub async fn open(
        table: &Table,
        shape: Shape,
        columns: &[String],
        filter: Predicate,
    ) -> paimon_core::Result<Self> {
        let read = table.new_stream_read(&HashMap::new()).await?;
        let schema = shape.columns(&table.arrow_schema(), columns)?;
        let own = columns.iter().map(String::as_str);
        let own: Vec<&str> = own.filter(|n| !shape.adds(n)).collect();
        let read = read.with_projection(&own).with_filter(filter);
        read.scan()?;
        Ok(Self::new(read, shape, schema))
    }

    /// What is followed.
    pub fn read(&self) -> &StreamRead {
        &self.read
    }

    /// How its rows are shown.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Name of the table.
    pub(super) fn table(&self) -> &str {
        self.read.table().name()
    }
}

impl fmt::Debug for StreamScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamScanExec")
            .field("table", &self.table())
            .finish_non_exhaustive()
    }
}

impl DisplayAs for StreamScanExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .schema
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect();
        write!(
            f,
            "PaimonStreamScanExec: table={}, projection=[{}]",
            self.table(),
            names.join(", ")
        )?;
        if let Some(consumer) = self.read.consumer() {
            write!(f, ", consumer={}", consumer.id())?;
        }
        match self.read.options().bounded_watermark {
            Some(watermark) => write!(f, ", until watermark {watermark}"),
            None => f.write_str(", unbounded"),
        }
    }
}

impl ExecutionPlan for StreamScanExec {
    fn name(&self) -> &'static str {
        "PaimonStreamScanExec"
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
        let (read, shape, schema) = (self.read.clone(), self.shape, self.schema.clone());
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let rows = async move {
            let changes = read.changes().await.map_err(to_datafusion)?;
            Ok::<_, datafusion::error::DataFusionError>(shape.follow(changes, schema))
        };
        let stream = futures::stream::once(rows)
            .try_flatten()
            .inspect_ok(move |batch| baseline.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema.clone(),
            stream,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
