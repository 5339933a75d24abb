//! Procedures over what a table or database holds as a whole.
//!
//! Source: `PurgeFilesProcedure`, `RemoveUnexistingFilesProcedure`, `RemoveUnexistingManifestsProcedure`, `MarkPartitionDoneProcedure`,
//! `CompactDatabaseProcedure`, `AlterColumnDefaultValueProcedure`.

use std::num::NonZeroUsize;

use arrow::array::StringArray;
use arrow::compute::regexp_is_match_scalar;
use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_catalog::DEFAULT_BRANCH;
use paimon_core::Error;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::{
    ChangelogLimits, ExpireChangelogs, ExpireSnapshots, RemoveMissingFiles, clear_consumers,
    delete_branch, delete_tag, mark_partitions_done, remove_missing_manifests,
};
use paimon_core::schema::SchemaChange;
use paimon_core::snapshot::{list_branches, list_tags};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};
use paimon_core::write::{Clock, SystemClock, WriteContext};

use super::arguments::{Arguments, Kind, Parameter, optional, required};
use super::list::{Procedure, Running, nothing_to_check};
use super::partitions;
use super::plan::{name_parts, table};
use super::rows::{Column, RESULT, done, texts};
use crate::catalog::PaimonCatalogProvider;
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::statement::ddl::target;

const TABLE: Parameter = required(&["table"], Kind::Text);
const SUCCESS: &[Column] = &[Column::Text("result")];
/// Memory for deletion vectors that are written anew, bytes.
const VECTOR_MEMORY: u64 = 64 << 20;

pub(super) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "purge_files",
        parameters: &[TABLE],
        result: SUCCESS,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let purged = purge(&table, SystemClock.epoch_ms()).await;
                purged.map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
                Ok(vec![texts([Some("Success")])])
            }
            .boxed()
        },
    },
    Procedure {
        name: "remove_unexisting_files",
        parameters: &[
            TABLE,
            optional(&["dry_run"], Kind::Boolean),
            optional(&["parallelism"], Kind::Number),
        ],
        result: &[Column::Text("fileName")],
        check: |arguments| parallelism(arguments).map(drop),
        run: remove_missing,
    },
    Procedure {
        name: "remove_unexisting_manifests",
        parameters: &[required(&["table", "tableId"], Kind::Text)],
        result: SUCCESS,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let made = remove_missing_manifests(&table, CommitContext::default()).await;
                made.map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
                Ok(vec![texts([Some("Success")])])
            }
            .boxed()
        },
    },
    Procedure {
        name: "mark_partition_done",
        parameters: &[TABLE, required(&["partitions"], Kind::Text)],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let partitions = partitions::parse(&table, arguments.required("partitions"));
                let partitions = partitions.map_err(to_datafusion)?;
                let marked =
                    mark_partitions_done(&table, &partitions, SystemClock.epoch_ms()).await;
                marked.map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
                Ok(done())
            }
            .boxed()
        },
    },
    Procedure {
        name: "compact_database",
        parameters: &[
            optional(&["including_databases"], Kind::Text),
            optional(&["including_tables"], Kind::Text),
            optional(&["excluding_tables"], Kind::Text),
            optional(&["options"], Kind::Options),
        ],
        result: SUCCESS,
        check: nothing_to_check,
        run: compact_database,
    },
    Procedure {
        name: "alter_column_default_value",
        parameters: &[
            TABLE,
            required(&["column"], Kind::Text),
            required(&["default_value"], Kind::Text),
        ],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let (catalog, identifier) =
                    target(session, &name_parts(arguments.required("table")))?;
                let path = arguments.required("column").split('.');
                let change = SchemaChange::UpdateColumnDefault {
                    path: path.map(str::to_string).collect(),
                    default: arguments.text("default_value").map(str::to_string),
                };
                let altered = catalog.alter_table(&identifier, &[change]).await;
                altered.map(|()| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
];

/// Leaves nothing of a table but its schemas and a snapshot without rows.
///
/// # Errors
/// `Unsupported` for one branch of a table and for a table that another branch completes, before anything is deleted.
async fn purge(table: &Table, now_ms: i64) -> paimon_core::Result<()> {
    if table.branch_name() != DEFAULT_BRANCH || table.other_branch().is_some() {
        return Err(Error::unsupported(
            "purge_files empties a whole table: name it without a branch, and reset the options that name branches first",
        )
        .with("table", table.name()));
    }
    for branch in list_branches(table.io(), table.location()).await? {
        delete_branch(table, &branch.name).await?;
    }
    for tag in list_tags(table.io(), &table.metadata_root()?).await? {
        delete_tag(table, &tag.name).await?;
    }
    clear_consumers(table, |_| true).await?;
    table.new_commit().truncate(BATCH_COMMIT_IDENTIFIER).await?;
    let limits = ChangelogLimits {
        delete_all: true,
        ..ChangelogLimits::default()
    };
    ExpireChangelogs.run_within(table, &limits, now_ms).await?;
    let all_but_one = ExpireSnapshots {
        retain_max: Some(1),
        retain_min: Some(1),
        older_than_ms: Some(now_ms),
        max_deletes: Some(i64::MAX),
        dry_run: false,
    };
    all_but_one.run(table, now_ms).await.map(drop)
}

fn parallelism(arguments: &Arguments) -> Result<usize> {
    let Some(number) = arguments.number("parallelism") else {
        return Ok(std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    };
    usize::try_from(number)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| {
            DataFusionError::Plan(format!(
                "argument parallelism of procedure {} must be at least 1",
                arguments.procedure()
            ))
        })
}

fn remove_missing<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let request = RemoveMissingFiles {
            dry_run: arguments.boolean("dry_run"),
            parallelism: parallelism(arguments)?,
        };
        let context = WriteContext::with_memory(VECTOR_MEMORY);
        let names = request.run(&table, &context).await;
        let names = names.map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
        Ok(vec![texts(names.into_iter().map(Some))])
    }
    .boxed()
}

fn compact_database<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let (current, _) = session.current();
        let provider = session.catalog(&current)?;
        let Some(paimon) = provider.downcast_ref::<PaimonCatalogProvider>() else {
            return Err(DataFusionError::Plan(format!(
                "catalog {current} is no Paimon catalog"
            )));
        };
        let catalog = paimon.catalog();
        let databases = catalog.list_databases().await.map_err(to_datafusion)?;
        let mut options = arguments.options("options");
        options.push(("write-only".into(), "false".into()));
        for database in chosen(arguments, "including_databases", None, databases)? {
            let tables = catalog
                .list_tables(&database)
                .await
                .map_err(to_datafusion)?;
            let names = tables
                .into_iter()
                .map(|table| format!("{database}.{table}"));
            let excluded = Some("excluding_tables");
            for name in chosen(arguments, "including_tables", excluded, names.collect())? {
                let table = session
                    .paimon_table(&name_parts(&name), options.clone())
                    .await?;
                let compacted = table.new_compact().full(false).commit().await;
                compacted.map_err(|e| to_datafusion(e.with_default("table", &name)))?;
            }
        }
        Ok(vec![texts([Some("Success")])])
    }
    .boxed()
}

/// The names that a regular expression matches from begin to end (all without one), but those of another.
fn chosen(
    arguments: &Arguments,
    including: &str,
    excluding: Option<&str>,
    names: Vec<String>,
) -> Result<Vec<String>> {
    let matches = |argument: &str| -> Result<Option<Vec<bool>>> {
        let Some(pattern) = arguments.text(argument) else {
            return Ok(None);
        };
        let texts = StringArray::from_iter_values(&names);
        let found = regexp_is_match_scalar(&texts, &format!("^(?:{pattern})$"), None);
        let found = found.map_err(|e| {
            DataFusionError::Plan(format!(
                "argument {argument} of procedure {} must be a regular expression: {e}",
                arguments.procedure()
            ))
        })?;
        Ok(Some((0..found.len()).map(|i| found.value(i)).collect()))
    };
    let included = matches(including)?;
    let excluded = match excluding {
        Some(argument) => matches(argument)?,
        None => None,
    };
    let at = |found: &Option<Vec<bool>>, i: usize, default: bool| {
        let found = found.as_ref().and_then(|f| f.get(i).copied());
        found.unwrap_or(default)
    };
    let wanted = |i: usize| at(&included, i, true) && !at(&excluded, i, false);
    let names = names.iter().enumerate().filter(|(i, _)| wanted(*i));
    Ok(names.map(|(_, name)| name.clone()).collect())
}
