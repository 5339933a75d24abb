//! Tables as DataFusion sees them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::error::Result;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType, cast, lit};
use datafusion::physical_plan::ExecutionPlan;
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::table::{SystemTable, Table};

use crate::error::to_datafusion;
use crate::session::SessionSettings;
use crate::sink::PaimonSink;

/// A Paimon table at the state that its options name.
///
/// UPDATE and DELETE keep DataFusion's refusals.
#[derive(Debug)]
pub struct PaimonTableProvider {
    table: Table,
    settings: Arc<SessionSettings>,
    schema: SchemaRef,
    /// By column.
    defaults: HashMap<String, Expr>,
}

impl PaimonTableProvider {
    /// Serves an opened table to a session of these settings.
    pub fn new(table: Table, settings: Arc<SessionSettings>) -> Self {
        Self {
            schema: table.arrow_schema(),
            defaults: defaults(&table),
            table,
            settings,
        }
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

/// Defaults as casts of their texts.
fn defaults(table: &Table) -> HashMap<String, Expr> {
    let fields = table.schema().fields.iter();
    let texts = fields.filter_map(|f| Some((f, f.default_value.clone()?)));
    texts
        .filter(|(field, _)| !field.data_type.kind.is_nested())
        .map(|(field, text)| {
            let value = cast(lit(text), arrow_type(&field.data_type));
            (field.name.clone(), value)
        })
        .collect()
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
        crate::scan::scan_table(&self.table, state, projection, filters, limit).await
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.defaults.get(column)
    }

    async fn insert_into(
        &self,
        _state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        insert_op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let overwrite = match insert_op {
            InsertOp::Append => false,
            InsertOp::Overwrite => true,
            InsertOp::Replace => {
                return Err(to_datafusion(paimon_core::Error::unsupported(
                    "REPLACE INTO is not supported",
                )));
            }
        };
        let sink = PaimonSink::new(self.table.clone(), self.settings.clone(), overwrite)
            .map_err(to_datafusion)?;
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
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
}

impl SystemTableProvider {
    /// Serves the content of a system table.
    ///
    /// # Errors
    /// When a batch does not have the table's schema.
    pub fn new(content: SystemTable) -> Result<Self> {
        Ok(Self {
            rows: MemTable::try_new(content.schema, vec![content.batches])?,
        })
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
