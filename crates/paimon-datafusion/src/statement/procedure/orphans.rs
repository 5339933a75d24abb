//! Orphan files. Source: `RemoveOrphanFilesProcedure`.

use arrow::array::ArrayRef;
use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_core::maintenance::{OrphanFiles, RemoveOrphanFiles};
use paimon_core::write::{Clock, SystemClock};

use super::arguments::{Arguments, Kind, optional, required};
use super::list::{Procedure, Running};
use super::plan::name_parts;
use super::rows::{Column, count, long};
use crate::catalog::PaimonCatalogProvider;
use crate::error::to_datafusion;
use crate::session::PaimonSession;

pub(super) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "remove_orphan_files",
    parameters: &[
        required(&["table"], Kind::Text),
        optional(&["older_than"], Kind::Instant),
        optional(&["dry_run"], Kind::Boolean),
        optional(&["parallelism"], Kind::Number),
        optional(&["mode"], Kind::Text),
    ],
    result: &[
        Column::Long("deletedFileCount"),
        Column::Long("deletedFileTotalLenInBytes"),
    ],
    check,
    run,
}];

/// `parallelism` and `mode` say how a cluster shares the work: here it is one process, so they only must make sense.
fn check(arguments: &Arguments) -> Result<()> {
    if arguments.number("parallelism").is_some_and(|n| n < 1) {
        return Err(DataFusionError::Plan(
            "argument parallelism of procedure remove_orphan_files must be at least 1".into(),
        ));
    }
    match arguments.text("mode").map(str::to_ascii_lowercase) {
        Some(mode) if mode != "local" && mode != "distributed" => {
            Err(DataFusionError::Plan(format!(
                "argument mode of procedure remove_orphan_files must be local or distributed, found {mode:?}"
            )))
        }
        _ => Ok(()),
    }
}

fn run<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let request = RemoveOrphanFiles {
            older_than_ms: arguments.number("older_than"),
            dry_run: arguments.boolean("dry_run"),
        };
        let (mut files, mut bytes) = (0, 0u64);
        for name in tables(session, arguments.required("table")).await? {
            let removed = of_table(session, &name, &request).await?;
            files += removed.files.len();
            bytes = bytes.saturating_add(removed.bytes);
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let columns: Vec<ArrayRef> = vec![count(files), long(Some(bytes))];
        Ok(columns)
    }
    .boxed()
}

/// The table of a name, or all of a database: `db.*`.
async fn tables(session: &PaimonSession, name: &str) -> Result<Vec<String>> {
    let Some(database) = name.strip_suffix(".*") else {
        return Ok(vec![name.to_string()]);
    };
    let (catalog, _) = session.current();
    let (catalog, database) = database
        .split_once('.')
        .unwrap_or((catalog.as_str(), database));
    let provider = session.catalog(catalog)?;
    let Some(paimon) = provider.downcast_ref::<PaimonCatalogProvider>() else {
        return Err(DataFusionError::Plan(format!(
            "catalog {catalog} is no Paimon catalog"
        )));
    };
    let names = paimon.catalog().list_tables(database).await;
    let full = |table: String| format!("{catalog}.{database}.{table}");
    Ok(names
        .map_err(to_datafusion)?
        .into_iter()
        .map(full)
        .collect())
}

async fn of_table(
    session: &PaimonSession,
    name: &str,
    request: &RemoveOrphanFiles,
) -> Result<OrphanFiles> {
    let table = session.paimon_table(&name_parts(name), Vec::new()).await?;
    let removed = request.run(&table, SystemClock.epoch_ms()).await;
    removed.map_err(|e| to_datafusion(e.with_default("table", table.name())))
}
