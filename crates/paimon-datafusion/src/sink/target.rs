//! What INSERT and CREATE TABLE AS write to, as DataFusion's planner sees it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use paimon_catalog::{Catalog, Identifier};
use paimon_core::schema::NewTable;
use paimon_core::table::Table;

use super::cleanup::TableGuard;
use super::{PaimonSink, SinkMode};
use crate::error::to_datafusion;
use crate::session::SessionSettings;

/// A table to write to in a given way.
#[derive(Debug)]
pub(crate) struct SinkTarget {
    table: Table,
    settings: Arc<SessionSettings>,
    mode: SinkMode,
}

impl SinkTarget {
    pub(crate) fn new(table: Table, settings: Arc<SessionSettings>, mode: SinkMode) -> Self {
        Self {
            table,
            settings,
            mode,
        }
    }
}

#[async_trait]
impl TableProvider for SinkTarget {
    fn schema(&self) -> SchemaRef {
        self.table.arrow_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(unread())
    }

    async fn insert_into(
        &self,
        _state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        _insert_op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let sink = PaimonSink::new(self.table.clone(), self.settings.clone(), self.mode.clone());
        let sink = sink.map_err(to_datafusion)?;
        sink.check(&input.schema()).map_err(to_datafusion)?;
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}

/// A table that is created when the rows come.
#[derive(Clone)]
pub(crate) struct NewTableTarget {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) identifier: Identifier,
    pub(crate) table: NewTable,
    pub(crate) if_not_exists: bool,
    pub(crate) schema: SchemaRef,
    pub(crate) settings: Arc<SessionSettings>,
}

impl fmt::Debug for NewTableTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTableTarget")
            .field("table", &self.identifier)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for NewTableTarget {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(unread())
    }

    async fn insert_into(
        &self,
        _state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        _insert_op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let sink = Arc::new(self.clone());
        Ok(Arc::new(DataSinkExec::new(input, sink, None)))
    }
}

impl DisplayAs for NewTableTarget {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaimonSink: create table={}", self.identifier)
    }
}

#[async_trait]
impl DataSink for NewTableTarget {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let (catalog, identifier) = (&self.catalog, &self.identifier);
        let created = catalog
            .create_table(identifier, self.table.clone(), self.if_not_exists)
            .await
            .map_err(to_datafusion)?;
        if !created {
            return Ok(0);
        }
        let mut undo = TableGuard::new(catalog.clone(), identifier.clone());
        let written = self.fill(data, context).await;
        match &written {
            Ok(_) => undo.finish(),
            Err(_) => undo.undo().await,
        }
        written
    }
}

impl NewTableTarget {
    async fn fill(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let table = self.catalog.get_table(&self.identifier).await;
        let table = table.map_err(to_datafusion)?;
        let sink = PaimonSink::new(table, self.settings.clone(), SinkMode::Append);
        sink.map_err(to_datafusion)?.write_all(data, context).await
    }
}

pub(super) fn unread() -> DataFusionError {
    DataFusionError::Internal("the target of a write is not read".into())
}
