//! Tables as DataFusion sees them.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use paimon_core::table::{SystemTable, Table};

use crate::catalog::ObjectReference;
use crate::error::to_datafusion;
use crate::session::SessionSettings;
use crate::sink::{SinkMode, SinkTarget};
use crate::stream::StreamSource;

/// A Paimon table at the state that its options name.
///
/// UPDATE and DELETE keep DataFusion's refusals.
#[derive(Debug)]
pub struct PaimonTableProvider {
    table: Table,
    settings: Arc<SessionSettings>,
    schema: SchemaRef,
    /// What is read in its place in a streaming session.
    stream: Option<StreamSource>,
}

impl PaimonTableProvider {
    /// Serves an opened table to a session of these settings.
    pub fn new(table: Table, settings: Arc<SessionSettings>) -> Self {
        Self {
            schema: table.arrow_schema(),
            table,
            settings,
            stream: None,
        }
    }

    /// Serves a table that is read as a stream.
    pub(crate) fn streaming(stream: StreamSource, settings: Arc<SessionSettings>) -> Self {
        Self {
            stream: Some(stream.clone()),
            ..Self::new(stream.table().clone(), settings)
        }
    }

    /// The stream that is read in the table's place.
    pub(crate) fn stream(&self) -> Option<&StreamSource> {
        self.stream.as_ref()
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What the stream was opened by that is read in the table's place.
    pub fn stream_reference(&self) -> Option<&ObjectReference> {
        self.stream.as_ref().map(StreamSource::reference)
    }
}

#[async_trait]
impl TableProvider for PaimonTableProvider {
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
        if let Some(stream) = &self.stream {
            return stream.scan(state, projection, filters, limit).await;
        }
        let read = self.table.read_builder();
        crate::scan::scan_table(&self.table, read, state, projection, filters, limit).await
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        insert_op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mode = match insert_op {
            InsertOp::Append => SinkMode::Append,
            InsertOp::Overwrite => SinkMode::overwrite_dynamic(),
            InsertOp::Replace => {
                return Err(to_datafusion(paimon_core::Error::unsupported(
                    "REPLACE INTO is not supported",
                )));
            }
        };
        let target = SinkTarget::new(self.table.clone(), self.settings.clone(), mode);
        target.insert_into(state, input, insert_op).await
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        match &self.stream {
            Some(stream) => stream.supports_filters_pushdown(filters),
            None => Ok(crate::scan::supports_filters(&self.table, filters)),
        }
    }
}

/// `t$ro`: of a primary-key table the rows in files of the highest level, which need no merge. Nothing can be written to it.
#[derive(Debug)]
pub struct ReadOptimizedProvider {
    table: Table,
}

impl ReadOptimizedProvider {
    /// Serves an opened table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

#[async_trait]
impl TableProvider for ReadOptimizedProvider {
    fn schema(&self) -> SchemaRef {
        self.table.arrow_schema()
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
        let read = self.table.read_builder().read_optimized();
        crate::scan::scan_table(&self.table, read, state, projection, filters, limit).await
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(crate::scan::supports_filters(&self.table, filters))
    }
}

/// A system table: its rows were computed when the statement was planned.
#[derive(Debug)]
pub struct SystemTableProvider {
    rows: MemTable,
    reference: Option<ObjectReference>,
}

impl SystemTableProvider {
    /// Serves the content of a system table.
    ///
    /// # Errors
    /// When a batch does not have the table's schema.
    pub fn new(content: SystemTable) -> Result<Self> {
        Ok(Self {
            rows: MemTable::try_new(content.schema, vec![content.batches])?,
            reference: None,
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
}

#[async_trait]
impl TableProvider for SystemTableProvider {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
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
        self.rows.scan(state, projection, filters, limit).await
    }
}
