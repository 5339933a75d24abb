//! What CREATE TABLE AS and REPLACE TABLE AS write to, as DataFusion's planner sees it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use paimon_catalog::{Catalog, Identifier};
use paimon_core::schema::NewTable;
use paimon_core::spec::TableSchema;
use paimon_core::{Error, ErrorKind};

use super::cleanup::TableGuard;
use super::target::unread;
use super::{PaimonSink, SinkMode, count};
use crate::error::to_datafusion;
use crate::format_table::FormatTableProvider;
use crate::session::{CommitIdentity, FixedIdentity, SessionSettings, USER_PREFIX};

/// What becomes of a table that has the name of a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// `CREATE TABLE`: an error.
    Create,
    /// `CREATE TABLE IF NOT EXISTS`: it stays, and nothing is made.
    CreateIfMissing,
    /// `CREATE OR REPLACE TABLE`: it becomes the new one.
    CreateOrReplace,
    /// `REPLACE TABLE`: as before, but it must be there.
    Replace,
}

impl Creation {
    /// Whether a table that is there becomes the new one.
    pub(crate) fn replaces(self) -> bool {
        matches!(self, Self::CreateOrReplace | Self::Replace)
    }

    /// The statement's name.
    pub(crate) fn statement(self) -> &'static str {
        match self {
            Self::Create | Self::CreateIfMissing => "CREATE TABLE",
            Self::CreateOrReplace => "CREATE OR REPLACE TABLE",
            Self::Replace => "REPLACE TABLE",
        }
    }

    /// What the snapshot of the rows says. Java: `Snapshot.Operation`.
    fn operation(self) -> &'static str {
        match self {
            Self::Create | Self::CreateIfMissing => "CREATE_TABLE_AS_SELECT",
            Self::CreateOrReplace => "CREATE_OR_REPLACE_TABLE_AS_SELECT",
            Self::Replace => "REPLACE_TABLE_AS_SELECT",
        }
    }

    /// What is to be done, given whether the table is there; `None` for nothing.
    ///
    /// # Errors
    /// `InvalidInput` when it must not be there, `NotFound` when it must.
    pub(crate) fn step(
        self,
        exists: bool,
        identifier: &Identifier,
    ) -> paimon_core::Result<Option<Step>> {
        match (self, exists) {
            (Self::Create | Self::CreateIfMissing | Self::CreateOrReplace, false) => {
                Ok(Some(Step::Make))
            }
            (Self::CreateOrReplace | Self::Replace, true) => Ok(Some(Step::Replace)),
            (Self::CreateIfMissing, true) => Ok(None),
            (Self::Create, true) => {
                Err(Error::invalid("table exists already").with("table", identifier))
            }
            (Self::Replace, false) => Err(Error::new(
                ErrorKind::NotFound,
                "table does not exist: CREATE OR REPLACE TABLE makes one",
            )
            .with("table", identifier)),
        }
    }
}

/// How a table comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Make,
    Replace,
}

/// A table that is made, or replaced, when the rows come.
#[derive(Clone)]
pub struct NewTableTarget {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) identifier: Identifier,
    pub(crate) table: NewTable,
    pub(crate) creation: Creation,
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
    /// What becomes of one that is there.
    pub creation: Creation,
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
            creation: parts.creation,
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
            creation: self.creation,
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
        let verb = match self.creation.replaces() {
            true => "replace",
            false => "create",
        };
        write!(f, "PaimonSink: {verb} table={}", self.identifier)
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
        let exists = catalog.table_exists(identifier).await;
        let exists = exists.map_err(to_datafusion)?;
        match self
            .creation
            .step(exists, identifier)
            .map_err(to_datafusion)?
        {
            None => Ok(self.nothing_to_do()),
            Some(Step::Make) => self.make(data, context).await,
            Some(Step::Replace) => self.replace(data, context).await,
        }
    }
}

impl NewTableTarget {
    async fn make(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let (catalog, identifier) = (&self.catalog, &self.identifier);
        let keep = self.creation == Creation::CreateIfMissing;
        let created = catalog
            .create_table(identifier, self.table.clone(), keep)
            .await
            .map_err(to_datafusion)?;
        if !created {
            return Ok(self.nothing_to_do());
        }
        let mut undo = TableGuard::made(catalog.clone(), identifier.clone()).await;
        let written = self.fill(data, context).await;
        match &written {
            Ok(_) => undo.finish(),
            Err(_) => undo.undo().await,
        }
        written
    }

    /// Writes the rows beside the table that is there; only then it is replaced, and they are committed.
    async fn replace(
        &self,
        data: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let (catalog, identifier) = (&self.catalog, &self.identifier);
        let schema = catalog
            .schema_of_replacement(identifier, self.table.clone())
            .await
            .map_err(to_datafusion)?;
        let old = catalog.get_table(identifier).await;
        let next = old.and_then(|old| old.to_be(&schema));
        let sink = PaimonSink::new(
            next.map_err(to_datafusion)?,
            self.settings.clone(),
            SinkMode::Append,
        );
        let sink = sink.map_err(to_datafusion)?;
        let sink = sink
            .identified(self.identity.clone())
            .into_emptied(self.creation.operation());
        let replace = async {
            catalog.replace_table(identifier, &schema).await?;
            let made = catalog.get_table(identifier).await?;
            check_made(made.schema(), &schema).map_err(|e| e.with("table", identifier))
        };
        sink.write_then(data, context, replace).await
    }

    /// The table is there: no rows. The statement has its number all the same, so that those after it keep theirs when all
    /// are run again.
    fn nothing_to_do(&self) -> u64 {
        let prefix = self.table.options.get(USER_PREFIX).map(String::as_str);
        self.identity.choose(&self.settings, prefix);
        0
    }

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
        let sink = sink
            .identified(self.identity.clone())
            .of_operation(self.creation.operation());
        sink.write_all(data, context).await
    }
}

/// Services choose the schemas of their tables.
fn check_made(made: &TableSchema, asked: &TableSchema) -> paimon_core::Result<()> {
    match made.id == asked.id && made.fields == asked.fields {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::CommitConflict,
            "the table was replaced, but has other columns than those the rows were written for: INSERT the rows",
        )),
    }
}
