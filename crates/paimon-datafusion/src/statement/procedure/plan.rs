//! From a call to a plan that runs the procedure when it is executed.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use paimon_catalog::Catalog;
use paimon_core::table::Table;

use super::arguments::Arguments;
use super::{Call, list, rows};
use crate::PaimonCatalogProvider;
use crate::session::{PaimonSession, instant_ms};
use crate::statement::effect::effect_rows;

/// Plans a call. Its arguments are checked now, its table is opened when the plan is executed.
///
/// # Errors
/// For an unknown procedure or arguments that do not fit it.
pub(crate) fn plan(session: &PaimonSession, call: &Call) -> Result<DataFrame> {
    let procedure = list::find(&call.procedure()?)?;
    let instant = |text: &str| instant_ms(session, text);
    let arguments = Arguments::new(
        procedure.name,
        procedure.parameters,
        &call.arguments,
        &instant,
    )?;
    (procedure.check)(&arguments)?;
    let (own, arguments) = (session.clone(), Arc::new(arguments));
    let schema = rows::schema(procedure.result);
    let what = format!("CALL sys.{}", procedure.name);
    effect_rows(session, what, schema.clone(), move || {
        let (session, arguments) = (own.clone(), arguments.clone());
        let schema = schema.clone();
        async move {
            let columns = (procedure.run)(&session, &arguments).await?;
            Ok(RecordBatch::try_new(schema, columns)?)
        }
    })
}

/// The table that the argument `table` names, such as `db.t`.
pub(super) async fn table(session: &PaimonSession, arguments: &Arguments) -> Result<Table> {
    table_with(session, arguments, Vec::new()).await
}

/// As [`table`], with dynamic options.
pub(super) async fn table_with(
    session: &PaimonSession,
    arguments: &Arguments,
    options: Vec<(String, String)>,
) -> Result<Table> {
    let name = name_parts(arguments.required("table"));
    session.paimon_table(&name, options).await
}

/// The current catalog, for procedures on more than an opened table.
pub(super) fn current_catalog(session: &PaimonSession) -> Result<Arc<dyn Catalog>> {
    catalog_named(session, &session.current().0)
}

/// A catalog of the session.
pub(in crate::statement) fn catalog_named(
    session: &PaimonSession,
    name: &str,
) -> Result<Arc<dyn Catalog>> {
    let provider = session.catalog(name)?;
    match provider.downcast_ref::<PaimonCatalogProvider>() {
        Some(paimon) => Ok(paimon.catalog().clone()),
        None => Err(DataFusionError::Plan(format!(
            "catalog {name} is no Paimon catalog"
        ))),
    }
}

/// The parts of a name such as `` db.`t` ``.
pub(super) fn name_parts(text: &str) -> Vec<Ident> {
    let part = |p: &str| Ident::with_quote('"', p.trim().trim_matches('`'));
    text.split('.').map(part).collect()
}
