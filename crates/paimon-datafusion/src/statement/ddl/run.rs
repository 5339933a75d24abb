//! Running the statements.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use paimon_catalog::{Catalog, Identifier};
use paimon_core::arrow_bridge::paimon_type;
use paimon_core::schema::{NewColumn, NewTable};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};
use paimon_core::write::{Clock, SystemClock, WriteOptions};

use super::Ddl;
use crate::catalog::PaimonCatalogProvider;
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::statement::ident_text;
use crate::statement::result::nothing;

/// Runs a statement on a Paimon catalog.
pub(crate) async fn run(session: &PaimonSession, ddl: Ddl) -> Result<DataFrame> {
    match ddl {
        Ddl::CreateDatabase {
            name,
            if_not_exists,
        } => {
            let (catalog, database) = database(session, &name)?;
            let exists = exists(&catalog, &database).await?;
            if !(exists && if_not_exists) {
                let created = catalog.create_database(&database).await;
                created.map_err(to_datafusion)?;
            }
        }
        Ddl::DropDatabase {
            name,
            if_exists,
            cascade,
        } => {
            let (catalog, database) = database(session, &name)?;
            if !if_exists || exists(&catalog, &database).await? {
                let dropped = catalog.drop_database(&database, cascade).await;
                dropped.map_err(to_datafusion)?;
            }
        }
        Ddl::CreateTable {
            name,
            if_not_exists,
            table,
            query,
        } => return create(session, &name, if_not_exists, table, query).await,
        Ddl::CreateTableLike {
            name,
            if_not_exists,
            source,
        } => {
            let (catalog, identifier) = target(session, &source)?;
            let source = catalog
                .get_table(&identifier)
                .await
                .map_err(to_datafusion)?;
            let table = definition_of(&source);
            return create(session, &name, if_not_exists, table, None).await;
        }
        Ddl::DropTable { name, if_exists } => {
            let (catalog, identifier) = target(session, &name)?;
            let there = catalog
                .table_exists(&identifier)
                .await
                .map_err(to_datafusion)?;
            if there || !if_exists {
                let dropped = catalog.drop_table(&identifier).await;
                dropped.map_err(to_datafusion)?;
            }
        }
        Ddl::TruncateTable { name } => {
            let (catalog, identifier) = target(session, &name)?;
            let table = catalog
                .get_table(&identifier)
                .await
                .map_err(to_datafusion)?;
            let commit = table.new_commit();
            let done = commit.truncate(BATCH_COMMIT_IDENTIFIER).await;
            done.map_err(to_datafusion)?;
        }
    }
    nothing(session)
}

fn paimon_catalog(session: &PaimonSession, name: &str) -> Result<Arc<dyn Catalog>> {
    let provider = session.catalog(name)?;
    match provider.downcast_ref::<PaimonCatalogProvider>() {
        Some(paimon) => Ok(paimon.catalog().clone()),
        None => Err(DataFusionError::Plan(format!(
            "catalog {name} is no Paimon catalog"
        ))),
    }
}

fn database(session: &PaimonSession, name: &[Ident]) -> Result<(Arc<dyn Catalog>, String)> {
    let (current, _) = session.current();
    let parts: Vec<String> = name.iter().map(ident_text).collect();
    match parts.as_slice() {
        [database] => Ok((paimon_catalog(session, &current)?, database.clone())),
        [catalog, database] => Ok((paimon_catalog(session, catalog)?, database.clone())),
        _ => Err(DataFusionError::Plan(
            "a database has one or two names".into(),
        )),
    }
}

async fn exists(catalog: &Arc<dyn Catalog>, database: &str) -> Result<bool> {
    let names = catalog.database_exists(database).await;
    names.map_err(to_datafusion)
}

fn target(session: &PaimonSession, name: &[Ident]) -> Result<(Arc<dyn Catalog>, Identifier)> {
    let (catalog, database, table) = session.resolve(name)?;
    let identifier = Identifier::new(&database, &table).map_err(to_datafusion)?;
    Ok((paimon_catalog(session, &catalog)?, identifier))
}

async fn create(
    session: &PaimonSession,
    name: &[Ident],
    if_not_exists: bool,
    mut table: NewTable,
    query: Option<String>,
) -> Result<DataFrame> {
    let (catalog, identifier) = target(session, name)?;
    let there = catalog
        .table_exists(&identifier)
        .await
        .map_err(to_datafusion)?;
    if there && if_not_exists {
        return nothing(session);
    }
    let rows = match &query {
        Some(query) => Some(Box::pin(session.sql(query)).await?),
        None => None,
    };
    if let Some(rows) = &rows {
        if !table.columns.is_empty() {
            return Err(DataFusionError::Plan(
                "CREATE TABLE .. AS SELECT takes its columns from the query".into(),
            ));
        }
        table.columns = columns_of(rows)?;
    }
    let schema = table
        .into_schema(SystemClock.epoch_ms())
        .map_err(|e| to_datafusion(e.with_default("table", &identifier)))?;
    // options that writes would refuse are better refused now
    let options = paimon_core::options::CoreOptions::new(&schema).map_err(to_datafusion)?;
    WriteOptions::new(&schema, &options).map_err(to_datafusion)?;
    catalog
        .create_table(&identifier, &schema)
        .await
        .map_err(to_datafusion)?;
    let Some(rows) = rows else {
        return nothing(session);
    };
    let provider = session.table(name).await?;
    let plan = datafusion::logical_expr::LogicalPlanBuilder::insert_into(
        rows.logical_plan().clone(),
        datafusion::common::TableReference::bare(identifier.table()),
        datafusion::datasource::provider_as_source(provider),
        datafusion::logical_expr::dml::InsertOp::Append,
    )?
    .build()?;
    session.context().execute_logical_plan(plan).await
}

fn columns_of(rows: &DataFrame) -> Result<Vec<NewColumn>> {
    let fields = rows.schema().fields().iter();
    fields
        .map(|field| {
            Ok(NewColumn {
                name: field.name().clone(),
                data_type: paimon_type(field.data_type()).map_err(to_datafusion)?,
                comment: None,
                default: None,
            })
        })
        .collect()
}

/// Everything of a table but its rows.
fn definition_of(table: &Table) -> NewTable {
    let schema = table.schema();
    NewTable {
        columns: schema
            .fields
            .iter()
            .map(|f| NewColumn {
                name: f.name.clone(),
                data_type: f.data_type.clone(),
                comment: f.description.clone(),
                default: f.default_value.clone(),
            })
            .collect(),
        partition_keys: schema.partition_keys.clone(),
        primary_keys: schema.primary_keys.clone(),
        options: schema.options.clone(),
        comment: schema.comment.clone(),
    }
}
