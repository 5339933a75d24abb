//! What UPDATE, DELETE and MERGE write to, as DataFusion's planner sees it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::{DefaultTableSource, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexRequirement, PhysicalSortRequirement};
use datafusion::physical_plan::ExecutionPlan;
use paimon_core::predicate::Predicate;
use paimon_core::spec::ROW_ID;
use paimon_core::table::{ScanTarget, Table};

use super::RowsSink;
use crate::provider::PaimonTableProvider;
use crate::scan::TargetProvider;
use crate::session::{CommitIdentity, FixedIdentity, SessionSettings, USER_PREFIX};
use crate::sink::target::unread;

/// First column of changed rows: the kind of each, 0 +I, 2 +U, 3 -D.
pub(crate) const ACTION_COLUMN: &str = "__paimon_action";

/// A statement that changes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// DELETE
    Delete,
    /// UPDATE
    Update,
    /// MERGE INTO
    Merge,
}

impl Operation {
    /// Its name, as in snapshots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Update => "UPDATE",
            Self::Merge => "MERGE",
        }
    }
}

/// A planned statement that can be planned again over another snapshot.
pub(crate) struct Statement {
    pub(crate) table: Table,
    pub(crate) settings: Arc<SessionSettings>,
    pub(crate) operation: Operation,
    pub(crate) state: SessionState,
    /// The target as planned.
    pub(crate) target: Arc<TargetProvider>,
    /// The changed rows: the action, in tables without primary key the file and the position of the old row (with row
    /// tracking its id, too, with data evolution its id alone; null where there is none), then the columns of the table.
    pub(crate) rows: LogicalPlan,
    /// Rows that change the same row of the table come one after the other: by primary key, or by row id.
    pub(crate) sorted: bool,
    /// Columns that may change, by position, ascending.
    pub(crate) assigned: Vec<usize>,
    /// A filter over the partition columns: what it keeps goes as a whole, and `rows` are one row with their number.
    pub(crate) dropped: Option<Predicate>,
    pub(crate) identity: FixedIdentity,
}

/// What a statement that changes rows is made of.
#[derive(Debug, Clone)]
pub struct RowsParts {
    /// The table.
    pub table: Table,
    /// Time zone of the session.
    pub time_zone: String,
    /// The statement.
    pub operation: Operation,
    /// The table as planned.
    pub target: Arc<TargetProvider>,
    /// The changed rows: the action, in tables without primary key the place of the old row, then the columns of the
    /// table.
    pub rows: LogicalPlan,
    /// Whether rows that change the same row come one after the other: by primary key, or by row id.
    pub sorted: bool,
    /// Columns that may change, by position, ascending.
    pub assigned: Vec<usize>,
    /// A filter over the partition columns: what it keeps goes as a whole, and `rows` are one row with their number.
    pub dropped: Option<Predicate>,
    /// Who commits: however often the statement is run, it takes effect once.
    pub identity: CommitIdentity,
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("table", &self.table.name())
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

impl Statement {
    pub(crate) fn parts(&self) -> RowsParts {
        RowsParts {
            table: self.table.clone(),
            time_zone: self.settings.time_zone(),
            operation: self.operation,
            target: self.target.clone(),
            rows: self.rows.clone(),
            sorted: self.sorted,
            assigned: self.assigned.clone(),
            dropped: self.dropped.clone(),
            identity: self
                .identity
                .choose(&self.settings, self.table.options().get(USER_PREFIX)),
        }
    }

    /// The plan of the changed rows over a state of the target. Wherever else the plan reads the newest state of the table,
    /// it reads that one.
    ///
    /// # Errors
    /// When the plan does not read the target, which is a bug.
    pub(crate) fn plan_over(&self, target: &Arc<TargetProvider>) -> Result<LogicalPlan> {
        let source = provider_as_source(target.clone());
        let pinned = PaimonTableProvider::new(target.pinned().clone(), self.settings.clone());
        let pinned = provider_as_source(Arc::new(pinned));
        let mut found = false;
        let plan = self
            .rows
            .clone()
            .transform_up_with_subqueries(|node| match node {
                LogicalPlan::TableScan(scan) => {
                    let source = match self.role(&scan) {
                        Role::Target => {
                            found = true;
                            source.clone()
                        }
                        Role::SameTable => pinned.clone(),
                        Role::Other => return Ok(Transformed::no(LogicalPlan::TableScan(scan))),
                    };
                    let scan = TableScan { source, ..scan };
                    Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
                }
                other => Ok(Transformed::no(other)),
            })?;
        match found {
            true => Ok(plan.data),
            false => Err(DataFusionError::Internal(
                "a statement does not read what it changes".into(),
            )),
        }
    }

    fn role(&self, scan: &TableScan) -> Role {
        let Some(source) = scan.source.downcast_ref::<DefaultTableSource>() else {
            return Role::Other;
        };
        let provider = &source.table_provider;
        if provider.downcast_ref::<TargetProvider>().is_some() {
            return Role::Target;
        }
        let Some(other) = provider.downcast_ref::<PaimonTableProvider>() else {
            return Role::Other;
        };
        let (own, other) = (&self.table, other.table());
        let same = own.location() == other.location()
            && own.branch_name() == other.branch_name()
            && own.schema().id == other.schema().id
            && matches!(other.target(), ScanTarget::Latest);
        if same { Role::SameTable } else { Role::Other }
    }

    /// Order that the changed rows must have.
    pub(crate) fn order(&self, rows: &SchemaRef) -> Result<Option<LexRequirement>> {
        if !self.sorted {
            return Ok(None);
        }
        let keys = change_keys(&self.table)
            .into_iter()
            .map(|name| {
                let column = Arc::new(Column::new(&name, rows.index_of(&name)?));
                Ok(PhysicalSortRequirement::new(column, None))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(LexRequirement::new(keys))
    }
}

/// The columns that say which row of a table a changed row is for, where changed rows come sorted.
pub(crate) fn change_keys(table: &Table) -> Vec<String> {
    match table.options().data_evolution {
        true => vec![ROW_ID.to_string()],
        false => table.schema().primary_keys.clone(),
    }
}

/// What a scan in the plan of a statement reads.
enum Role {
    Target,
    /// The newest state of the same table: in a subquery or as the source of a MERGE.
    SameTable,
    Other,
}

/// Takes the rows of a statement.
#[derive(Debug)]
pub struct RowsTarget {
    statement: Arc<Statement>,
    schema: SchemaRef,
}

impl RowsTarget {
    pub(crate) fn new(statement: Statement) -> Self {
        Self {
            schema: statement.rows.schema().inner().clone(),
            statement: Arc::new(statement),
        }
    }

    /// A statement of parts, that `state` plans again when others changed the table meanwhile.
    ///
    /// # Errors
    /// When the time zone is not known.
    pub fn of_parts(parts: RowsParts, state: SessionState) -> Result<Self> {
        Ok(Self::new(Statement {
            table: parts.table,
            settings: Arc::new(SessionSettings::of_zone(&parts.time_zone)?),
            operation: parts.operation,
            state,
            target: parts.target,
            rows: parts.rows,
            sorted: parts.sorted,
            assigned: parts.assigned,
            dropped: parts.dropped,
            identity: FixedIdentity::of(parts.identity),
        }))
    }

    /// What the statement is made of. From now on it commits once, however often it is run.
    pub fn parts(&self) -> RowsParts {
        self.statement.parts()
    }

    /// The sink of the statement.
    pub fn sink(&self) -> RowsSink {
        RowsSink::new(self.statement.clone(), self.schema.clone())
    }
}

#[async_trait]
impl TableProvider for RowsTarget {
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
        let order = self.statement.order(&input.schema())?;
        let sink = Arc::new(self.sink());
        Ok(Arc::new(DataSinkExec::new(input, sink, order)))
    }
}
