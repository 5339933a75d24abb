//! What INSERT writes to, as DataFusion's planner sees it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, LogicalPlan, TableType};
use datafusion::physical_plan::ExecutionPlan;
use paimon_core::table::Table;

use super::{PaimonSink, Query, SinkMode, SinkParts};
use crate::error::to_datafusion;
use crate::session::{FixedIdentity, SessionSettings, USER_PREFIX};

/// A table to write to in a given way.
#[derive(Debug)]
pub struct SinkTarget {
    table: Table,
    settings: Arc<SessionSettings>,
    mode: SinkMode,
    identity: FixedIdentity,
    query: Option<Arc<Query>>,
}

impl SinkTarget {
    pub(crate) fn new(table: Table, settings: Arc<SessionSettings>, mode: SinkMode) -> Self {
        Self {
            table,
            settings,
            mode,
            identity: FixedIdentity::default(),
            query: None,
        }
    }

    /// A target of the rows of a query, which is run again where others moved keys of the table meanwhile.
    pub(crate) fn of_query(self, rows: &LogicalPlan, state: SessionState) -> Self {
        let keyed = self.table.schema().has_primary_key() && self.table.options().bucket == -1;
        let query = keyed.then(|| Arc::new(Query::new(rows.clone(), state)));
        Self { query, ..self }
    }

    /// A target of parts.
    ///
    /// # Errors
    /// When the time zone is not known.
    pub fn of_parts(parts: SinkParts) -> Result<Self> {
        let settings = Arc::new(SessionSettings::of_zone(&parts.time_zone)?);
        Ok(Self {
            identity: FixedIdentity::of(parts.identity),
            ..Self::new(parts.table, settings, parts.mode)
        })
    }

    /// What the write is made of. From now on it commits once, however often it is run.
    pub fn parts(&self) -> SinkParts {
        SinkParts {
            table: self.table.clone(),
            time_zone: self.settings.time_zone(),
            mode: self.mode.clone(),
            identity: self
                .identity
                .choose(&self.settings, self.table.options().get(USER_PREFIX)),
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
        let sink = sink.identified(self.identity.clone());
        let sink = sink.of_query(self.query.clone());
        sink.check(&input.schema()).map_err(to_datafusion)?;
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}

pub(super) fn unread() -> DataFusionError {
    DataFusionError::Internal("the target of a write is not read".into())
}
