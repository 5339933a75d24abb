//! What a metastore knows of tables, made anew from their files. Source: `RepairProcedure`.

use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;

use super::super::arguments::{Arguments, Kind, optional};
use super::super::list::Procedure;
use super::super::plan::{current_catalog, name_parts};
use super::super::rows::{RESULT, done};
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::statement::ident_text;

const WHAT: &str = "database_or_table";

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "repair",
    parameters: &[optional(&[WHAT, "identifier", "table"], Kind::Text)],
    result: RESULT,
    check: |arguments| objects(arguments).map(drop),
    run: |session, arguments| {
        async move {
            repair(session, arguments).await?;
            Ok(done())
        }
        .boxed()
    },
}];

/// A database, or a table of it.
type Object = (String, Option<String>);

/// What is to be repaired; nothing names the whole catalog.
fn objects(arguments: &Arguments) -> Result<Vec<Object>> {
    let text = arguments.text(WHAT).unwrap_or_default();
    let named = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    named
        .map(|name| {
            let parts: Vec<String> = name_parts(name).iter().map(ident_text).collect();
            match parts.as_slice() {
                [database] => Ok((database.clone(), None)),
                [database, table] => Ok((database.clone(), Some(table.clone()))),
                _ => Err(DataFusionError::Plan(format!(
                    "expected names of databases and tables such as db or db.t, found {name:?}"
                ))),
            }
        })
        .collect()
}

async fn repair(session: &PaimonSession, arguments: &Arguments) -> Result<()> {
    let catalog = current_catalog(session)?;
    let objects = objects(arguments)?;
    if objects.is_empty() {
        return catalog.repair(None, None).await.map_err(to_datafusion);
    }
    for (database, table) in objects {
        let repaired = catalog.repair(Some(&database), table.as_deref()).await;
        repaired.map_err(to_datafusion)?;
    }
    Ok(())
}
