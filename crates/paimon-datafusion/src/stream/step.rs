//! One step of a stream as a table with an end: what a statement reads between two commits.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use paimon_core::read::StreamSplit;
use paimon_core::table::{StreamRead, TableRead};

use super::StreamSource;
use crate::changes::Shape;
use crate::error::to_datafusion;

/// The rows of some splits of a stream; with their kinds where they may take others away.
#[derive(Debug)]
pub(super) struct StepProvider {
    source: StreamSource,
    splits: Vec<StreamSplit>,
    schema: SchemaRef,
    shape: Shape,
}

impl StepProvider {
    pub(super) fn new(source: &StreamSource, splits: Vec<StreamSplit>) -> Self {
        let (schema, shape) = match source.is_insert_only() {
            true => (source.schema.clone(), source.shape),
            false => (Shape::Kinds.schema(&source.schema), Shape::Kinds),
        };
        Self {
            source: source.clone(),
            splits,
            schema,
            shape,
        }
    }
}

#[async_trait]
impl TableProvider for StepProvider {
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
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let names = schema.fields().iter().map(|f| f.name().as_str());
        let names: Vec<&str> = names.filter(|n| !self.shape.adds(n)).collect();
        let read = self.source.read.clone().with_projection(&names);
        // rows that take others away keep their order: one after the other
        let partitions = match self.source.is_insert_only() {
            true => state.config().target_partitions().max(1),
            false => 1,
        };
        let mut groups = vec![Vec::new(); partitions.min(self.splits.len()).max(1)];
        let count = groups.len();
        for (i, split) in self.splits.iter().enumerate() {
            groups[i % count].push(split.clone());
        }
        let reader = read.reader().map_err(to_datafusion)?;
        let streams = groups.into_iter().map(|splits| {
            let rows = StepRows {
                schema: schema.clone(),
                read: read.clone(),
                reader: reader.clone(),
                splits,
                shape: self.shape,
            };
            Arc::new(rows) as Arc<dyn PartitionStream>
        });
        let table = StreamingTable::try_new(schema.clone(), streams.collect())?;
        table.scan(state, None, &[], limit).await
    }
}

/// One partition of a step.
struct StepRows {
    schema: SchemaRef,
    read: StreamRead,
    reader: TableRead,
    splits: Vec<StreamSplit>,
    shape: Shape,
}

impl std::fmt::Debug for StepRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepRows")
            .field("splits", &self.splits.len())
            .finish_non_exhaustive()
    }
}

impl PartitionStream for StepRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (read, reader) = (self.read.clone(), self.reader.clone());
        let (schema, shape) = (self.schema.clone(), self.shape);
        let batches = futures::stream::iter(self.splits.clone())
            .map(move |split| {
                let rows = read.rows(&reader, &split).map_err(to_datafusion)?;
                let rows = rows.map_err(to_datafusion).boxed();
                let pairs = matches!(split, StreamSplit::Changes(_));
                Ok::<_, DataFusionError>(shape.apply(rows, schema.clone(), pairs))
            })
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}
