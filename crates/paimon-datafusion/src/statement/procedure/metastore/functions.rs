//! Functions of catalogs. Source: `CreateFunctionProcedure`, `AlterFunctionProcedure`, `DropFunctionProcedure`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_catalog::{Catalog, Function, FunctionChange, Identifier};
use paimon_core::spec::DataField;

use super::super::arguments::{Arguments, Kind, optional, required};
use super::super::list::Procedure;
use super::super::plan::name_parts;
use super::super::rows::{RESULT, done};
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::statement::ddl;

const FUNCTION: &str = "function";
const INPUT: &str = "inputParams";
const RETURN: &str = "returnParams";
const CHANGE: &str = "change";

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "create_function",
        parameters: &[
            required(&[FUNCTION], Kind::Text),
            required(&[INPUT], Kind::Text),
            required(&[RETURN], Kind::Text),
            optional(&["deterministic"], Kind::Boolean),
            optional(&["comment"], Kind::Text),
            optional(&["options"], Kind::Options),
        ],
        result: RESULT,
        check: |arguments| declared(arguments).map(drop),
        run: |session, arguments| {
            async move {
                let (catalog, identifier) = target(session, arguments)?;
                let function = declared(arguments)?;
                let created = catalog.create_function(&identifier, &function, false).await;
                created.map_err(to_datafusion)?;
                Ok(done())
            }
            .boxed()
        },
    },
    Procedure {
        name: "alter_function",
        parameters: &[
            required(&[FUNCTION], Kind::Text),
            required(&[CHANGE], Kind::Text),
        ],
        result: RESULT,
        check: |arguments| change(arguments).map(drop),
        run: |session, arguments| {
            async move {
                let (catalog, identifier) = target(session, arguments)?;
                let changes = [change(arguments)?];
                let altered = catalog.alter_function(&identifier, &changes).await;
                altered.map_err(to_datafusion)?;
                Ok(done())
            }
            .boxed()
        },
    },
    Procedure {
        name: "drop_function",
        parameters: &[required(&[FUNCTION], Kind::Text)],
        result: RESULT,
        check: super::super::list::nothing_to_check,
        run: |session, arguments| {
            async move {
                let (catalog, identifier) = target(session, arguments)?;
                let dropped = catalog.drop_function(&identifier, false).await;
                dropped.map_err(to_datafusion)?;
                Ok(done())
            }
            .boxed()
        },
    },
];

fn target(
    session: &PaimonSession,
    arguments: &Arguments,
) -> Result<(Arc<dyn Catalog>, Identifier)> {
    ddl::target(session, &name_parts(arguments.required(FUNCTION)))
}

fn declared(arguments: &Arguments) -> Result<Function> {
    let comment = arguments.text("comment").map(str::to_string);
    Ok(Function {
        input_params: Some(fields(arguments, INPUT)?),
        return_params: Some(fields(arguments, RETURN)?),
        deterministic: arguments.boolean_or("deterministic", true),
        definitions: BTreeMap::new(),
        comment,
        options: arguments.options("options").into_iter().collect(),
    })
}

fn change(arguments: &Arguments) -> Result<FunctionChange> {
    FunctionChange::of_json(arguments.required(CHANGE)).map_err(to_datafusion)
}

/// Columns as JSON.
fn fields(arguments: &Arguments, name: &str) -> Result<Vec<DataField>> {
    serde_json::from_str(arguments.required(name)).map_err(|e| {
        DataFusionError::Plan(format!(
            "argument {name} of procedure {} must be JSON such as [{{\"id\": 0, \"name\": \"x\", \"type\": \"INT\"}}]: {e}",
            arguments.procedure()
        ))
    })
}
