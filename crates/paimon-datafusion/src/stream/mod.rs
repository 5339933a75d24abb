//! Tables as streams: unbounded scans, and INSERT from them with a commit now and then.
//!
//! In a streaming session (`SET 'execution.runtime-mode' = 'streaming'`) a table is what changes in it. Source:
//! Flink's `DataTableSource`, `ContinuousFileStoreSource`, `FlinkSink`.

mod exec;
mod finite;
mod insert;
mod job;
mod step;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::DefaultTableSource;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableScan, TableType};
use datafusion::physical_plan::ExecutionPlan;
use paimon_core::predicate::Predicate;
use paimon_core::table::{StreamRead, Table};

pub(crate) use finite::EndlessWork;
pub(crate) use insert::{plan_insert, refuse_streams};

use crate::catalog::ObjectReference;
use crate::changes::{Shape, refuse_sequence_numbers};
use crate::error::to_datafusion;
use crate::filter::convert_all;
use crate::provider::PaimonTableProvider;
pub use exec::StreamScanExec;

/// The changes of a table from a start on.
#[derive(Debug, Clone)]
pub struct StreamSource {
    reference: ObjectReference,
    read: StreamRead,
    shape: Shape,
    schema: SchemaRef,
}

impl StreamSource {
    /// The stream of a table that the options of a reference ask for.
    ///
    /// # Errors
    /// As [`Table::new_stream_read`], and `Unsupported` when the table does not tell its changes.
    pub(crate) async fn open(
        table: &Table,
        reference: ObjectReference,
        shape: Shape,
    ) -> paimon_core::Result<Self> {
        let dynamic: HashMap<String, String> = reference.options.clone().into_iter().collect();
        let read = table.new_stream_read(&dynamic).await?;
        refuse_sequence_numbers(read.table(), shape)?;
        Ok(Self {
            reference,
            schema: shape.schema(&read.table().arrow_schema()),
            read,
            shape,
        })
    }

    /// What the stream was opened by.
    pub fn reference(&self) -> &ObjectReference {
        &self.reference
    }

    /// The table, with the options of the stream.
    pub fn table(&self) -> &Table {
        self.read.table()
    }

    /// The same stream, of these columns and at least the rows that match.
    fn narrowed(&self, schema: &SchemaRef, filters: &[Expr]) -> StreamRead {
        let names = schema.fields().iter().map(|f| f.name().as_str());
        let names: Vec<&str> = names.filter(|n| !self.shape.adds(n)).collect();
        let read = self.read.clone().with_projection(&names);
        match self.shape {
            Shape::Rows => read.with_filter(self.predicate(filters)),
            _ => read,
        }
    }

    fn predicate(&self, filters: &[Expr]) -> Predicate {
        convert_all(filters, &self.table().schema().fields).predicate
    }

    /// Whether rows never take others away or replace them.
    fn is_insert_only(&self) -> bool {
        self.shape != Shape::Rows || self.read.is_insert_only()
    }

    /// The stream that a scan in a plan reads, if it reads one.
    fn of_scan(scan: &TableScan) -> Option<Self> {
        let source = scan.source.downcast_ref::<DefaultTableSource>()?;
        let provider = &source.table_provider;
        if let Some(stream) = provider.downcast_ref::<Self>() {
            return Some(stream.clone());
        }
        provider
            .downcast_ref::<PaimonTableProvider>()?
            .stream()
            .cloned()
    }
}

#[async_trait]
impl TableProvider for StreamSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let read = self.narrowed(&schema, filters);
        read.scan().map_err(to_datafusion)?;
        Ok(Arc::new(StreamScanExec::new(read, self.shape, schema)))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| {
            let one = std::slice::from_ref(*filter);
            match self.shape == Shape::Rows && self.predicate(one) != Predicate::AlwaysTrue {
                true => TableProviderFilterPushDown::Inexact,
                false => TableProviderFilterPushDown::Unsupported,
            }
        };
        Ok(filters.iter().map(answer).collect())
    }
}
