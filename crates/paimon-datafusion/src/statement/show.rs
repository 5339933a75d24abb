//! `SHOW` statements.

pub(super) mod create;
pub(super) mod extended;

use std::sync::Arc;

use arrow::array::{AsArray, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::TableType;
use datafusion::sql::sqlparser::ast::Ident;
use paimon_catalog::redacted;
use paimon_core::spec::{TableSchema, partition_value_text};
use paimon_core::table::Table;

use super::command::{dotted, matches_like};
use super::ident_text;
use super::partition::PartitionSpec;
use super::result::{flagged_rows, text_column, text_rows};
use crate::catalog::PaimonCatalogProvider;
use crate::error::to_datafusion;
use crate::format_table::FormatTableProvider;
use crate::provider::PaimonTableProvider;
use crate::session::PaimonSession;

fn wanted(name: &str, like: Option<&str>) -> bool {
    like.is_none_or(|pattern| matches_like(name, pattern))
}

pub(crate) fn catalogs(session: &PaimonSession, like: Option<&str>) -> Result<DataFrame> {
    let mut names = session.context().catalog_names();
    names.retain(|n| wanted(n, like));
    names.sort();
    text_column(session, "catalog", names)
}

pub(crate) async fn databases(
    session: &PaimonSession,
    catalog: Option<&Ident>,
    like: Option<&str>,
) -> Result<DataFrame> {
    let name = catalog.map_or_else(|| session.current().0, ident_text);
    let provider = session.catalog(&name)?;
    let mut names = match provider.downcast_ref::<PaimonCatalogProvider>() {
        Some(paimon) => paimon
            .catalog()
            .list_databases()
            .await
            .map_err(to_datafusion)?,
        None => provider.schema_names(),
    };
    names.retain(|n| wanted(n, like));
    names.sort();
    text_column(session, "namespace", names)
}

/// Catalog and database of `IN` clause.
fn database_of(session: &PaimonSession, namespace: &[Ident]) -> Result<(String, String)> {
    let (catalog, database) = session.current();
    match namespace {
        [] => Ok((catalog, database)),
        [database] => Ok((catalog, ident_text(database))),
        [catalog, database] => Ok((ident_text(catalog), ident_text(database))),
        _ => Err(DataFusionError::Plan(format!(
            "database or catalog.database is expected, found {}",
            dotted(namespace)
        ))),
    }
}

/// Names in a database with a mark for those of the session.
async fn names_in(
    session: &PaimonSession,
    catalog: &str,
    database: &str,
) -> Result<Vec<(String, bool)>> {
    let provider = session.catalog(catalog)?;
    let mut names: Vec<(String, bool)> = match provider.downcast_ref::<PaimonCatalogProvider>() {
        Some(paimon) => {
            let tables = paimon.catalog().list_tables(database).await;
            let tables = tables.map_err(to_datafusion)?;
            let own = paimon.database(database).session_table_names();
            let own = own.into_iter().map(|n| (n, true));
            tables.into_iter().map(|n| (n, false)).chain(own).collect()
        }
        None => match provider.schema(database) {
            Some(schema) => schema
                .table_names()
                .into_iter()
                .map(|n| (n, false))
                .collect(),
            None => {
                return Err(DataFusionError::Plan(format!(
                    "database {catalog}.{database} does not exist"
                )));
            }
        },
    };
    names.sort();
    Ok(names)
}

pub(crate) async fn tables(
    session: &PaimonSession,
    namespace: &[Ident],
    like: Option<&str>,
) -> Result<DataFrame> {
    let (catalog, database) = database_of(session, namespace)?;
    let rows: Vec<(String, String, bool)> = names_in(session, &catalog, &database)
        .await?
        .into_iter()
        .filter(|(name, _)| wanted(name, like))
        .map(|(name, own)| (database.clone(), name, own))
        .collect();
    flagged_rows(session, ["namespace", "tableName", "isTemporary"], &rows)
}

pub(crate) async fn views(
    session: &PaimonSession,
    namespace: &[Ident],
    like: Option<&str>,
) -> Result<DataFrame> {
    let (catalog, database) = database_of(session, namespace)?;
    let provider = session.catalog(&catalog)?;
    let schema = provider.schema(&database);
    let mut rows = Vec::new();
    if let Some(paimon) = provider.downcast_ref::<PaimonCatalogProvider>() {
        let kept = paimon.catalog().list_views(&database).await;
        let kept = kept.map_err(to_datafusion)?.into_iter();
        let kept = kept.filter(|name| wanted(name, like));
        rows.extend(kept.map(|name| (database.clone(), name, false)));
    }
    for (name, own) in names_in(session, &catalog, &database).await? {
        let is_view = match &schema {
            Some(schema) if own || session.paimon_database(&catalog, &database).is_none() => {
                schema.table_type(&name).await? == Some(TableType::View)
            }
            _ => false,
        };
        if is_view && wanted(&name, like) {
            rows.push((database.clone(), name, true));
        }
    }
    rows.sort();
    flagged_rows(session, ["namespace", "viewName", "isTemporary"], &rows)
}

pub(crate) async fn functions(
    session: &PaimonSession,
    namespace: &[Ident],
    like: Option<&str>,
) -> Result<DataFrame> {
    let (catalog, database) = database_of(session, namespace)?;
    let catalog = super::procedure::catalog_named(session, &catalog)?;
    let mut names = catalog
        .list_functions(&database)
        .await
        .map_err(to_datafusion)?;
    names.retain(|name| wanted(name, like));
    let rows = names.into_iter().map(|name| [database.clone(), name]);
    text_rows(session, ["namespace", "functionName"], rows)
}

/// The Paimon table that serves a name.
pub(crate) async fn paimon_table(session: &PaimonSession, name: &[Ident]) -> Result<Table> {
    let provider = session.table(name).await?;
    as_paimon(provider.as_ref())
        .cloned()
        .ok_or_else(|| no_data_table(name))
}

fn no_data_table(name: &[Ident]) -> DataFusionError {
    DataFusionError::Plan(format!("{} is not a Paimon data table", dotted(name)))
}

pub(crate) fn as_paimon(provider: &dyn TableProvider) -> Option<&Table> {
    provider
        .downcast_ref::<PaimonTableProvider>()
        .map(PaimonTableProvider::table)
}

/// Columns, keys and options of a Paimon or format table.
pub(crate) fn schema_of(provider: &dyn TableProvider) -> Option<Arc<TableSchema>> {
    if let Some(files) = provider.downcast_ref::<FormatTableProvider>() {
        return Some(Arc::new(files.table_schema()));
    }
    as_paimon(provider).map(|table| table.schema().clone())
}

/// One column of a system table as text.
async fn system_values(table: &Table, system: &str, column: &str) -> Result<Vec<String>> {
    let content = table.system_table(system).await.map_err(to_datafusion)?;
    let mut values = Vec::new();
    for batch in &content.batches {
        let array = batch.column_by_name(column).ok_or_else(|| {
            DataFusionError::Internal(format!("system table {system} has no column {column}"))
        })?;
        let array = arrow::compute::cast(array, &DataType::Utf8View)?;
        let texts: &StringViewArray = array.as_string_view();
        values.extend(texts.iter().map(|t| t.unwrap_or_default().to_string()));
    }
    values.sort();
    Ok(values)
}

pub(crate) async fn system_column(
    session: &PaimonSession,
    name: &[Ident],
    system: &str,
    column: &str,
    shown: &str,
) -> Result<DataFrame> {
    let table = paimon_table(session, name).await?;
    text_column(session, shown, system_values(&table, system, column).await?)
}

/// Partitions as `k1=v1/k2=v2`; `spec` keeps those that hold all its pairs.
pub(crate) async fn partitions(
    session: &PaimonSession,
    name: &[Ident],
    spec: &PartitionSpec,
) -> Result<DataFrame> {
    let provider = session.table(name).await?;
    let schema = schema_of(provider.as_ref()).ok_or_else(|| no_data_table(name))?;
    let keys = &schema.partition_keys;
    if keys.is_empty() {
        return Err(to_datafusion(
            paimon_core::Error::invalid("table is not partitioned").with("table", dotted(name)),
        ));
    }
    let (mut names, default_name) = match provider.downcast_ref::<FormatTableProvider>() {
        Some(files) => (
            files.partition_names().await?,
            files.partition_default_name(),
        ),
        None => {
            let table = as_paimon(provider.as_ref()).ok_or_else(|| no_data_table(name))?;
            let names = system_values(table, "partitions", "partition").await?;
            (names, table.options().partition_default_name.clone())
        }
    };
    let wanted: Vec<String> = spec
        .values(session, &schema)?
        .iter()
        .filter_map(|value| {
            let field = schema.field(&value.column)?;
            let datum = value.datum.as_ref();
            let text = partition_value_text(datum, &field.data_type, &default_name, false);
            Some(format!("{}={text}", field.name))
        })
        .collect();
    names.retain(|text| {
        let parts: Vec<&str> = text.split('/').collect();
        wanted.iter().all(|pair| parts.contains(&pair.as_str()))
    });
    text_column(session, "partition", names)
}

pub(crate) async fn columns(session: &PaimonSession, name: &[Ident]) -> Result<DataFrame> {
    let provider = session.table(name).await?;
    let schema = provider.schema();
    text_column(
        session,
        "col_name",
        schema.fields().iter().map(|f| f.name()),
    )
}

pub(crate) async fn properties(
    session: &PaimonSession,
    name: &[Ident],
    key: Option<&str>,
) -> Result<DataFrame> {
    let provider = session.table(name).await?;
    let schema = schema_of(provider.as_ref()).ok_or_else(|| no_data_table(name))?;
    let mut rows: Vec<[String; 2]> = schema
        .options
        .iter()
        .filter(|(k, _)| key.is_none_or(|wanted| wanted == k.as_str()))
        .map(|(k, v)| [k.clone(), redacted(k, v)])
        .collect();
    rows.sort();
    text_rows(session, ["key", "value"], rows)
}
