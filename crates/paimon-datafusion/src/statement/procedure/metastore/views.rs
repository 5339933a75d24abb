//! Queries of views for single programs. Source: `AlterViewDialectProcedure`.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_catalog::{Catalog, Identifier, ViewChange};

use super::super::arguments::{Arguments, Kind, optional, required};
use super::super::list::{Procedure, Running};
use super::super::plan::name_parts;
use super::super::rows::{RESULT, done};
use crate::error::to_datafusion;
use crate::session::{DIALECT, PaimonSession, ViewName, renamed};
use crate::statement::ddl;

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "alter_view_dialect",
    parameters: &[
        required(&["view"], Kind::Text),
        required(&["action"], Kind::Text),
        optional(&["engine"], Kind::Text),
        optional(&["query"], Kind::Text),
    ],
    result: RESULT,
    check: |arguments| change(arguments).map(drop),
    run: alter,
}];

fn alter<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let written = name_parts(arguments.required("view"));
        let (catalog, identifier) = ddl::target(session, &written)?;
        let change = change(arguments)?;
        if let ViewChange::AddDialect { dialect, query }
        | ViewChange::UpdateDialect { dialect, query } = &change
            && dialect == DIALECT
        {
            check_own(session, &catalog, &identifier, query).await?;
        }
        let altered = catalog.alter_view(&identifier, &[change]).await;
        altered.map(|()| done()).map_err(to_datafusion)
    }
    .boxed()
}

/// What the arguments ask for; of this program where no other is named.
fn change(arguments: &Arguments) -> Result<ViewChange> {
    let dialect = arguments.text("engine").unwrap_or(DIALECT).to_string();
    let action = arguments.required("action");
    let query = || match arguments.text("query") {
        Some(query) => Ok(query.to_string()),
        None => Err(DataFusionError::Plan(format!(
            "action {action} of procedure {} needs a query",
            arguments.procedure()
        ))),
    };
    match action.to_ascii_lowercase().as_str() {
        "add" => Ok(ViewChange::AddDialect {
            dialect,
            query: query()?,
        }),
        "update" => Ok(ViewChange::UpdateDialect {
            dialect,
            query: query()?,
        }),
        "drop" => match arguments.text("query") {
            None => Ok(ViewChange::DropDialect { dialect }),
            Some(_) => Err(DataFusionError::Plan(format!(
                "action drop of procedure {} takes no query",
                arguments.procedure()
            ))),
        },
        _ => Err(DataFusionError::Plan(format!(
            "argument action of procedure {} must be add, update or drop, found {action:?}",
            arguments.procedure()
        ))),
    }
}

/// Refuses a text of this program that it cannot read as the view.
async fn check_own(
    session: &PaimonSession,
    catalog: &Arc<dyn Catalog>,
    identifier: &Identifier,
    query: &str,
) -> Result<()> {
    let view = catalog.get_view(identifier).await.map_err(to_datafusion)?;
    let name = ViewName {
        catalog: catalog.name().to_string(),
        database: identifier.database().to_string(),
        view: identifier.table().to_string(),
    };
    let plan = session.view_planner().plan(&name, query).await?;
    let columns: Vec<&str> = view.fields.iter().map(|f| f.name.as_str()).collect();
    renamed(&name, plan, &columns).map(drop)
}
