//! The table that a statement changes.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema};
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::logical_plan::Filter;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, TableFactor};
use paimon_core::Error;
use paimon_core::options::{MergeEngine, parse_bool};
use paimon_core::predicate::Predicate;
use paimon_core::schema::SchemaMerging;
use paimon_core::spec::{DataField, TypeKind};
use paimon_core::table::{ScanTarget, Table};

use super::super::ident_text;
use super::refused;
use crate::error::to_datafusion;
use crate::filter::convert_all;
use crate::parse::plain_and_options;
use crate::scan::{TargetProvider, finds_rows_by_place};
use crate::session::PaimonSession;
use crate::sink::rows::Operation;

/// What a statement may do to rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes {
    pub(super) deletes: bool,
    pub(super) updates: bool,
}

/// An opened target, pinned to a snapshot.
pub(super) struct Target {
    pub(super) table: Table,
    pub(super) operation: Operation,
    pub(super) provider: Arc<TargetProvider>,
    /// The table's name as written.
    pub(super) names: Vec<Ident>,
    /// Name by which columns may be qualified.
    pub(super) alias: String,
    /// What the rows of a MERGE may change in the schema.
    pub(super) merging: Option<SchemaMerging>,
    /// Time zone of the session.
    pub(super) time_zone: String,
}

impl Target {
    /// Opens the table of a statement.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option when its rows cannot be changed in this way.
    pub(super) async fn open(
        session: &PaimonSession,
        relation: &TableFactor,
        changes: Changes,
        operation: Operation,
    ) -> Result<Self> {
        let target = Self::locate(session, relation, operation).await?;
        target.check(changes).await?;
        Ok(target)
    }

    /// Opens the table of a statement of which [`Self::check`] has not said whether it is possible.
    ///
    /// # Errors
    /// `InvalidInput` when it is opened at another state than the newest.
    pub(super) async fn locate(
        session: &PaimonSession,
        relation: &TableFactor,
        operation: Operation,
    ) -> Result<Self> {
        let TableFactor::Table { name, alias, .. } = relation else {
            return Err(refused("a target that is no table"));
        };
        let (names, options) = names(name)?;
        let table = session.paimon_table(&names, options).await?;
        let alias = match alias {
            Some(alias) if !alias.columns.is_empty() => {
                return Err(refused("an alias with columns for the target"));
            }
            Some(alias) => ident_text(&alias.name),
            None => names.last().map(ident_text).unwrap_or_default(),
        };
        let named = |e: Error| to_datafusion(e.with_default("table", table.name()));
        if !matches!(table.target(), ScanTarget::Latest) {
            return Err(named(Error::invalid(
                "only the newest state of a table can be changed: take the time travel away",
            )));
        }
        let merging = match operation {
            Operation::Merge => SchemaMerging::of(table.options()).map_err(named)?,
            _ => None,
        };
        let provider = TargetProvider::pin_settled(&table).await.map_err(named)?;
        Ok(Self {
            provider: Arc::new(provider),
            table,
            operation,
            names,
            alias,
            merging,
            time_zone: session.settings().time_zone(),
        })
    }

    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option when rows cannot be changed in this way.
    pub(super) async fn check(&self, changes: Changes) -> Result<()> {
        let named = |e: Error| to_datafusion(e.with_default("table", self.table.name()));
        check(&self.table, changes, self.operation).map_err(named)?;
        self.provider.refuse_waiting_rows().await.map_err(named)?;
        // settings are checked before anything is read
        self.table.write_builder().build().map(drop).map_err(named)
    }

    /// The partitions whose rows a plan counts, as a filter over the partition columns; `None` when it leaves rows of
    /// them out. Source: `DeleteFromPaimonTableCommand`.
    ///
    /// # Errors
    /// As planning.
    pub(super) fn whole_partitions(
        &self,
        session: &PaimonSession,
        counted: &LogicalPlan,
    ) -> Result<Option<Predicate>> {
        if is_set(&self.table, "delete.force-produce-changelog") {
            return Ok(None);
        }
        let optimized = session.context().state().optimize(counted)?;
        let mut plan = &optimized;
        loop {
            plan = match plan {
                LogicalPlan::Projection(node) => &node.input,
                LogicalPlan::Aggregate(node) => &node.input,
                LogicalPlan::SubqueryAlias(node) => &node.input,
                LogicalPlan::TableScan(scan) => {
                    let fields = self.table.schema().partition_fields();
                    let filter = convert_all(&scan.filters, &fields);
                    return Ok(filter.exact.then_some(filter.predicate));
                }
                _ => return Ok(None),
            };
        }
    }

    /// The table's columns.
    pub(super) fn fields(&self) -> &[DataField] {
        &self.table.schema().fields
    }

    /// A column.
    pub(super) fn field(&self, at: usize) -> Result<&DataField> {
        let field = self.fields().get(at);
        field.ok_or_else(|| DataFusionError::Internal(format!("no column {at}")))
    }

    /// Name of a column.
    pub(super) fn name_of(&self, at: usize) -> Result<&str> {
        self.field(at).map(|f| f.name.as_str())
    }

    /// A plan over the target's name as one over the pinned target.
    ///
    /// # Errors
    /// When the target is not all that the plan reads.
    pub(super) fn scanned(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let source = provider_as_source(self.provider.clone());
                LogicalPlanBuilder::scan(scan.table_name, source, None)?.build()
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.scanned(Arc::unwrap_or_clone(alias.input))?;
                LogicalPlanBuilder::from(input).alias(alias.alias)?.build()
            }
            LogicalPlan::Filter(filter) => {
                let input = self.scanned(Arc::unwrap_or_clone(filter.input))?;
                let filter = Filter::try_new(filter.predicate, Arc::new(input))?;
                Ok(LogicalPlan::Filter(filter))
            }
            _ => Err(refused("a target that is no table")),
        }
    }

    /// A column of the target; `schema` begins with the target's.
    pub(super) fn column(&self, schema: &DFSchema, at: usize) -> Result<Expr> {
        self.name_of(at)?;
        Ok(Expr::Column(Column::from(schema.qualified_field(at))))
    }

    /// The columns that say where a row is, and with row tracking its id; none where rows are found by their keys.
    pub(super) fn places(&self, schema: &DFSchema) -> Result<Vec<Expr>> {
        if !finds_rows_by_place(&self.table) {
            return Ok(Vec::new());
        }
        let first = self.fields().len();
        let provider = self.provider.schema();
        let places = provider.fields().iter().enumerate().skip(first);
        Ok(places
            .map(|(at, field)| {
                let column = Column::from(schema.qualified_field(at));
                Expr::Column(column).alias(field.name())
            })
            .collect())
    }

    /// The columns that cannot change: the primary key, the partition where rows stay in their files.
    pub(super) fn keys(&self) -> &[String] {
        let schema = self.table.schema();
        match self.table.options().data_evolution {
            true => &schema.partition_keys,
            false => &schema.primary_keys,
        }
    }

    /// # Errors
    /// When one of [`Self::keys`] is among those assigned, or a column that has files of its own.
    pub(super) fn refuse_keys(&self, columns: &[usize]) -> Result<()> {
        for at in columns {
            let name = self.name_of(*at)?;
            let data_type = self.fields().get(*at).map(|field| &field.data_type.kind);
            if data_type == Some(&TypeKind::Blob) {
                return Err(refused("a new value for a BLOB column"));
            }
            if self.keys().iter().any(|k| k == name) {
                let whose = match self.table.options().data_evolution {
                    true => "partition",
                    false => "primary key",
                };
                return Err(to_datafusion(
                    Error::invalid(format!(
                        "column {name} belongs to the {whose}: it cannot be updated"
                    ))
                    .with("table", self.table.name())
                    .with("column", name),
                ));
            }
        }
        Ok(())
    }
}

/// Keys and values.
type Options = Vec<(String, String)>;

/// A table's name and the options that hide in it.
fn names(name: &ObjectName) -> Result<(Vec<Ident>, Options)> {
    let mut names = name
        .0
        .iter()
        .map(|part| part.as_ident().cloned())
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| refused("a target that is no table"))?;
    let mut options = Vec::new();
    if let Some(last) = names.last_mut()
        && let Some((plain, pairs)) = plain_and_options(&last.value)
    {
        options = pairs;
        *last = Ident::with_quote('"', plain);
    }
    Ok((names, options))
}

/// Whether rows of a table can be changed in this way.
///
/// Source: `PaimonDeleteTable`, `MergeIntoPaimonDataEvolutionTable` for data evolution.
fn check(table: &Table, changes: Changes, operation: Operation) -> paimon_core::Result<()> {
    if is_set(table, "rowkind.field") {
        return Err(not_here(operation, "rowkind.field"));
    }
    let options = table.options();
    if options.data_evolution && changes.deletes && !options.deletion_vectors {
        return Err(Error::unsupported(format!(
            "{} of single rows of a table with `data-evolution.enabled` needs `deletion-vectors.enabled`: set it, or DELETE \
             whole partitions",
            operation.name()
        ))
        .with("option", "deletion-vectors.enabled"));
    }
    if table.schema().has_primary_key() {
        return check_keyed(table, changes, operation);
    }
    if options.deletion_vectors && is_set(table, "index-file-in-data-file-dir") {
        return Err(not_here(operation, "index-file-in-data-file-dir"));
    }
    Ok(())
}

/// Source: `PrimaryKeyTableUtils.validatePKUpsertDeletable`.
fn check_keyed(table: &Table, changes: Changes, operation: Operation) -> paimon_core::Result<()> {
    const PARTIAL: &str = "partial-update.remove-record-on-delete";
    const PARTIAL_GROUP: &str = "partial-update.remove-record-on-sequence-group";
    const AGGREGATION: &str = "aggregation.remove-record-on-delete";
    let options = table.options();
    let engine = options.merge_engine;
    let writes = changes.updates || operation == Operation::Merge;
    if engine == MergeEngine::FirstRow {
        return match operation {
            // files are written anew without them
            Operation::Delete => Ok(()),
            Operation::Update | Operation::Merge => Err(Error::unsupported(format!(
                "{} of merge engine first-row is not supported, as a later row changes nothing there: DELETE rows, or write \
                 those that are to be there over the table with INSERT OVERWRITE",
                operation.name()
            ))
            .with("option", "merge-engine")),
        };
    }
    if engine == MergeEngine::Aggregation && writes {
        return Err(Error::unsupported(format!(
            "{} needs merge engine deduplicate or partial-update: DELETE whole partitions here, or write the rows that are \
             to stay over the table with INSERT OVERWRITE",
            operation.name()
        ))
        .with("option", "merge-engine"));
    }
    if engine == MergeEngine::PartialUpdate && changes.updates {
        let folds = |key: &&String| {
            key.starts_with("fields.")
                && (key.ends_with(".aggregate-function")
                    || key.as_str() == "fields.default-aggregate-function")
        };
        if let Some(key) = table.schema().options.keys().find(folds) {
            return Err(Error::unsupported(format!(
                "{} of a partial-update table whose columns are aggregated is not supported: values would be aggregated twice",
                operation.name()
            ))
            .with("option", key));
        }
    }
    if !changes.deletes {
        return Ok(());
    }
    if options.ignore_delete {
        return Err(
            Error::unsupported("rows cannot be deleted from a table that ignores deletes")
                .with("option", "ignore-delete"),
        );
    }
    let (removes, key) = match engine {
        MergeEngine::PartialUpdate => (
            is_set(table, PARTIAL) || options.get(PARTIAL_GROUP).is_some(),
            PARTIAL,
        ),
        MergeEngine::Aggregation => (is_set(table, AGGREGATION), AGGREGATION),
        _ => (true, ""),
    };
    match removes {
        true => Ok(()),
        false => Err(Error::unsupported(format!(
            "rows of merge engine {} can be deleted only where option `{key}` is true",
            match engine {
                MergeEngine::Aggregation => "aggregation",
                _ => "partial-update",
            }
        ))
        .with("option", key)),
    }
}

fn not_here(operation: Operation, key: &str) -> Error {
    Error::unsupported(format!(
        "{} of a table with `{key}` is not supported",
        operation.name()
    ))
    .with("option", key)
}

/// Whether an option is given and not `false`.
fn is_set(table: &Table, key: &str) -> bool {
    let value = table.options().get(key);
    value.is_some_and(|value| parse_bool(value).unwrap_or(true))
}
