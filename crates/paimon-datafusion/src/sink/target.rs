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
use paimon_core::Error;
use paimon_core::schema::NewTable;
use paimon_core::table::Table;

use super::cleanup::TableGuard;
use super::{PaimonSink, SinkMode, SinkParts, count};
use crate::error::to_datafusion;
use crate::format_table::FormatTableProvider;
use crate::session::{CommitIdentity, FixedIdentity, SessionSettings, USER_PREFIX};

/// A table to write to in a given way.
#[derive(Debug)]
pub struct SinkTarget {
    table: Table,
    settings: Arc<SessionSettings>,
    mode: SinkMode,
    identity: FixedIdentity,
}

impl SinkTarget {
    pub(crate) fn new(table: Table, settings: Arc<SessionSettings>, mode: SinkMode) -> Self {
        Self {
            table,
            settings,
            mode,
            identity: FixedIdentity::default(),
        }
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
        sink.check(&input.schema()).map_err(to_datafusion)?;
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}

/// A table that is created when the rows come.
#[derive(Clone)]
pub struct NewTableTarget {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) identifier: Identifier,
    pub(crate) table: NewTable,
    pub(crate) if_not_exists: bool,
    pub(crate) schema: SchemaRef,
    pub(crate) settings: Arc<SessionSettings>,
    pub(crate) identity: FixedIdentity,
}

/// What a [`NewTableTarget`] is made of.
#[derive(Debug, Clone)]
pub struct NewTableParts {
    /// The catalog.
    pub catalog: Arc<dyn Catalog>,
    /// Name of the table.
    pub identifier: Identifier,
    /// The table.
    pub table: NewTable,
    /// Whether nothing is done when it exists.
    pub if_not_exists: bool,
    /// Its columns.
    pub schema: SchemaRef,
    /// Time zone of the session.
    pub time_zone: String,
    /// Who commits: however often the write is run, it takes effect once.
    pub identity: CommitIdentity,
}

impl NewTableTarget {
    /// A target of parts.
    ///
    /// # Errors
    /// When the time zone is not known.
    pub fn of_parts(parts: NewTableParts) -> Result<Self> {
        Ok(Self {
            settings: Arc::new(SessionSettings::of_zone(&parts.time_zone)?),
            catalog: parts.catalog,
            identifier: parts.identifier,
            table: parts.table,
            if_not_exists: parts.if_not_exists,
            schema: parts.schema,
            identity: FixedIdentity::of(parts.identity),
        })
    }

    /// What the write is made of. From now on it commits once, however often it is run.
    pub fn parts(&self) -> NewTableParts {
        let prefix = self.table.options.get(USER_PREFIX).map(String::as_str);
        NewTableParts {
            catalog: self.catalog.clone(),
            identifier: self.identifier.clone(),
            table: self.table.clone(),
            if_not_exists: self.if_not_exists,
            schema: self.schema.clone(),
            time_zone: self.settings.time_zone(),
            identity: self.identity.choose(&self.settings, prefix),
        }
    }
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
        if self.is_done().await.map_err(to_datafusion)? {
            return count(data).await;
        }
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
    /// Whether an earlier run of this very plan made and filled the table.
    async fn is_done(&self) -> paimon_core::Result<bool> {
        let Some(own) = self.identity.get() else {
            return Ok(false);
        };
        if !self.catalog.table_exists(&self.identifier).await? {
            return Ok(false);
        }
        if let Some(files) = self.catalog.get_format_table(&self.identifier).await? {
            // no commit tells who wrote it
            return Err(Error::invalid("table exists already").with("table", files.name));
        }
        let table = self.catalog.get_table(&self.identifier).await?;
        let commit = table.new_commit().with_user(&own.user);
        commit.is_done(own.identifier).await
    }

    async fn fill(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let files = self.catalog.get_format_table(&self.identifier).await;
        if let Some(files) = files.map_err(to_datafusion)? {
            let files = FormatTableProvider::new(files, self.settings.clone());
            return files.map_err(to_datafusion)?.fill(data, context).await;
        }
        let table = self.catalog.get_table(&self.identifier).await;
        let table = table.map_err(to_datafusion)?;
        let sink = PaimonSink::new(table, self.settings.clone(), SinkMode::Append);
        let sink = sink.map_err(to_datafusion)?;
        let sink = sink.identified(self.identity.clone());
        sink.write_all(data, context).await
    }
}

pub(super) fn unread() -> DataFusionError {
    DataFusionError::Internal("the target of a write is not read".into())
}
