//! Planning the statements: their effects come when the plans are executed.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchema, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use paimon_catalog::{Catalog, Identifier, PropertyChanges};
use paimon_core::arrow_bridge::{arrow_schema, paimon_type};
use paimon_core::commit::Overwrite;
use paimon_core::options::CoreOptions;
use paimon_core::schema::{NewColumn, NewTable};
use paimon_core::spec::TableSchema;
use paimon_core::write::WriteOptions;

use super::Ddl;
use crate::catalog::PaimonCatalogProvider;
use crate::error::to_datafusion;
use crate::format_table::FormatTableProvider;
use crate::session::{FixedIdentity, PaimonSession, WrittenTable};
use crate::sink::{Creation, NewTableTarget, SinkMode, Step};
use crate::statement::effect::effect;
use crate::statement::partition::{PartitionSpec, drop_partitions};
use crate::statement::result::nothing;
use crate::statement::{ident_text, insert};
use crate::stream::refuse_streams;

/// Option `type` of format tables.
pub(super) const FORMAT_TABLE: &str = "format-table";

/// Options whose values are names of columns.
const COLUMN_OPTIONS: &[&str] = &[
    "primary-key",
    "partition",
    "bucket-key",
    "sequence.field",
    "rowkind.field",
];

/// Plans a statement on a Paimon catalog; `tokens` are those of the statement.
pub(crate) async fn plan(
    session: &PaimonSession,
    ddl: Ddl,
    tokens: &[TokenWithSpan],
) -> Result<DataFrame> {
    match ddl {
        Ddl::CreateDatabase {
            name,
            if_not_exists,
            properties,
        } => create_database(session, &name, if_not_exists, properties),
        Ddl::DropDatabase {
            name,
            if_exists,
            cascade,
        } => drop_database(session, &name, if_exists, cascade),
        Ddl::AlterDatabase { name, changes } => alter_database(session, &name, changes),
        Ddl::CreateTable {
            name,
            creation,
            table,
            query,
        } => {
            let target = new_table(session, &name)?;
            match query {
                None => create(session, target, creation, table).await,
                Some(at) => {
                    let rest = tokens.get(at..).unwrap_or_default().to_vec();
                    let query = session.plan_query(rest, &[]).await?;
                    refuse_streams(&format!("{} AS", creation.statement()), &query)?;
                    create_as(session, target, creation, table, query).await
                }
            }
        }
        Ddl::CreateTableLike {
            name,
            if_not_exists,
            source,
            options,
        } => {
            let source = session.paimon_table(&source, Vec::new()).await?;
            let mut table = NewTable::like(source.stored_schema().await.as_ref());
            table.options.extend(options);
            let creation = match if_not_exists {
                true => Creation::CreateIfMissing,
                false => Creation::Create,
            };
            create(session, new_table(session, &name)?, creation, table).await
        }
        Ddl::RenameTable { name, to } => rename(session, &name, &to),
        Ddl::DropTable { name, if_exists } => {
            let (catalog, identifier) = target(session, &name)?;
            let what = format!("DROP TABLE {identifier}");
            effect(session, what, move || {
                let (catalog, identifier) = (catalog.clone(), identifier.clone());
                async move {
                    let dropped = catalog.drop_table(&identifier, if_exists).await;
                    dropped.map_err(to_datafusion)
                }
            })
        }
        Ddl::TruncateTable { name, partition } => truncate(session, &name, &partition).await,
    }
}

fn create_database(
    session: &PaimonSession,
    name: &[Ident],
    if_not_exists: bool,
    properties: BTreeMap<String, String>,
) -> Result<DataFrame> {
    let (catalog, database) = database(session, name)?;
    let what = format!("CREATE DATABASE {database}");
    effect(session, what, move || {
        let (catalog, database) = (catalog.clone(), database.clone());
        let properties = properties.clone();
        async move {
            let created = catalog.create_database_with(&database, if_not_exists, &properties);
            let created = created.await;
            created.map_err(to_datafusion)
        }
    })
}

fn drop_database(
    session: &PaimonSession,
    name: &[Ident],
    if_exists: bool,
    cascade: bool,
) -> Result<DataFrame> {
    let (catalog, database) = database(session, name)?;
    let what = format!("DROP DATABASE {database}");
    effect(session, what, move || {
        let (catalog, database) = (catalog.clone(), database.clone());
        async move {
            let dropped = catalog.drop_database(&database, if_exists, cascade).await;
            dropped.map_err(to_datafusion)
        }
    })
}

fn rename(session: &PaimonSession, name: &[Ident], to: &[Ident]) -> Result<DataFrame> {
    let (catalog, from) = target(session, name)?;
    // a bare new name stays in the database of the table
    let (other, to) = match to {
        [only] => {
            let to = Identifier::new(from.database(), &ident_text(only)).map_err(to_datafusion)?;
            (catalog.clone(), to)
        }
        _ => target(session, to)?,
    };
    if other.name() != catalog.name() {
        return Err(DataFusionError::Plan(
            "a table cannot be renamed into another catalog".into(),
        ));
    }
    effect(session, format!("RENAME {from} TO {to}"), move || {
        let (catalog, from, to) = (catalog.clone(), from.clone(), to.clone());
        async move {
            catalog
                .rename_table(&from, &to)
                .await
                .map_err(to_datafusion)
        }
    })
}

async fn truncate(
    session: &PaimonSession,
    name: &[Ident],
    partition: &PartitionSpec,
) -> Result<DataFrame> {
    let table = match session.written_table(name, Vec::new()).await? {
        WrittenTable::Paimon(table) => table,
        WrittenTable::Files(files) => return truncate_files(session, files, partition),
    };
    let values = partition.values(session, table.schema())?;
    let what = format!("TRUNCATE {}", table.name());
    let partitions = match values.is_empty() {
        true => Vec::new(),
        false => vec![values],
    };
    drop_partitions(session, what, table, partitions)
}

/// Overwrites what the partition has, or everything, with nothing.
fn truncate_files(
    session: &PaimonSession,
    files: FormatTableProvider,
    partition: &PartitionSpec,
) -> Result<DataFrame> {
    let values = partition.values(session, &files.table_schema())?;
    let pairs = values.into_iter().map(|v| (v.column, v.datum));
    let mode = SinkMode::Overwrite(Overwrite::Static(pairs.collect()));
    let none = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: DFSchema::try_from(files.schema())?.into(),
    });
    let name = files.table().name.clone();
    let emptied = insert::count_of(session, &name, Arc::new(files.with_mode(mode)), none)?;
    effect(session, format!("TRUNCATE {name}"), move || {
        let emptied = emptied.clone();
        async move { emptied.collect().await.map(|_| ()) }
    })
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

fn alter_database(
    session: &PaimonSession,
    name: &[Ident],
    changes: PropertyChanges,
) -> Result<DataFrame> {
    let (catalog, database) = database(session, name)?;
    let what = format!("ALTER DATABASE {database}");
    effect(session, what, move || {
        let (catalog, database) = (catalog.clone(), database.clone());
        let changes = changes.clone();
        async move {
            let done = catalog.alter_database(&database, &changes).await;
            done.map_err(to_datafusion)
        }
    })
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

pub(in crate::statement) fn target(
    session: &PaimonSession,
    name: &[Ident],
) -> Result<(Arc<dyn Catalog>, Identifier)> {
    let (catalog, database, table) = session.resolve(name)?;
    let identifier = Identifier::new(&database, &table).map_err(to_datafusion)?;
    Ok((paimon_catalog(session, &catalog)?, identifier))
}

/// The place of a table that a statement makes.
fn new_table(session: &PaimonSession, name: &[Ident]) -> Result<(Arc<dyn Catalog>, Identifier)> {
    let (catalog, identifier) = target(session, name)?;
    identifier.check_plain().map_err(to_datafusion)?;
    Ok((catalog, identifier))
}

/// The schema that a statement would make, when it makes any. Refuses what cannot become a table, and options that writes
/// would refuse.
async fn schema_of(
    catalog: &dyn Catalog,
    identifier: &Identifier,
    creation: Creation,
    table: &NewTable,
) -> paimon_core::Result<Option<TableSchema>> {
    let exists = catalog.table_exists(identifier).await?;
    let schema = match creation.step(exists, identifier)? {
        None => return Ok(None),
        Some(Step::Make) => catalog.schema_of_new(identifier, table)?,
        Some(Step::Replace) => {
            let replaced = catalog.schema_of_replacement(identifier, table.clone());
            replaced.await?
        }
    };
    let kind = schema.options.get("type");
    // of files there are no commits that options could change
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case(FORMAT_TABLE)) {
        let options = CoreOptions::new(&schema)?;
        WriteOptions::new(&schema, &options)?.check_compression()?;
    }
    Ok(Some(schema))
}

async fn create(
    session: &PaimonSession,
    (catalog, identifier): (Arc<dyn Catalog>, Identifier),
    creation: Creation,
    mut table: NewTable,
) -> Result<DataFrame> {
    name_columns(&mut table);
    let schema = schema_of(catalog.as_ref(), &identifier, creation, &table).await;
    let schema = schema.map_err(|e| to_datafusion(e.with_default("table", &identifier)))?;
    if schema.is_none() {
        return nothing(session);
    }
    let what = format!("{} {identifier}", creation.statement());
    effect(session, what, move || {
        let (catalog, identifier, table) = (catalog.clone(), identifier.clone(), table.clone());
        async move {
            let made = make(catalog.as_ref(), &identifier, creation, table).await;
            made.map_err(to_datafusion)
        }
    })
}

async fn make(
    catalog: &dyn Catalog,
    identifier: &Identifier,
    creation: Creation,
    table: NewTable,
) -> paimon_core::Result<()> {
    if !creation.replaces() {
        let keep = creation == Creation::CreateIfMissing;
        return catalog
            .create_table(identifier, table, keep)
            .await
            .map(drop);
    }
    let exists = catalog.table_exists(identifier).await?;
    match creation.step(exists, identifier)? {
        Some(Step::Replace) => {
            let schema = catalog.schema_of_replacement(identifier, table).await?;
            catalog.replace_table(identifier, &schema).await
        }
        _ => catalog
            .create_table(identifier, table, false)
            .await
            .map(drop),
    }
}

async fn create_as(
    session: &PaimonSession,
    (catalog, identifier): (Arc<dyn Catalog>, Identifier),
    creation: Creation,
    mut table: NewTable,
    query: LogicalPlan,
) -> Result<DataFrame> {
    if !table.columns.is_empty() {
        return Err(DataFusionError::Plan(format!(
            "{} .. AS SELECT takes its columns from the query",
            creation.statement()
        )));
    }
    table.columns = columns_of(&query)?;
    name_columns(&mut table);
    let schema = schema_of(catalog.as_ref(), &identifier, creation, &table).await;
    let schema = schema.map_err(|e| to_datafusion(e.with_default("table", &identifier)))?;
    let Some(schema) = schema else {
        // it has its number all the same, so that the statements after it keep theirs when all are run again
        let (what, settings) = (creation.statement(), session.settings().clone());
        return effect(session, format!("{what} {identifier}"), move || {
            settings.next_commit_identity();
            std::future::ready(Ok(()))
        });
    };
    let name = TableReference::partial(identifier.database(), identifier.table()).to_string();
    let target = NewTableTarget {
        catalog,
        identifier,
        table,
        creation,
        schema: arrow_schema(&schema.fields),
        settings: session.settings().clone(),
        identity: FixedIdentity::default(),
    };
    insert::count_of(session, &name, Arc::new(target), query)
}

fn columns_of(query: &LogicalPlan) -> Result<Vec<NewColumn>> {
    let fields = query.schema().fields().iter();
    fields
        .map(|field| {
            let data_type = paimon_type(field.data_type())
                .map_err(|e| to_datafusion(e.with("column", field.name())))?;
            Ok(NewColumn {
                name: field.name().clone(),
                data_type,
                comment: None,
                default: None,
            })
        })
        .collect()
}

/// Columns without quotes are lower case: options may name them in any case.
fn name_columns(table: &mut NewTable) {
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    for key in COLUMN_OPTIONS {
        let Some(value) = table.options.get_mut(*key) else {
            continue;
        };
        let named: Vec<&str> = value
            .split(',')
            .map(str::trim)
            .map(|wanted| {
                let mut similar = names.iter().filter(|n| n.eq_ignore_ascii_case(wanted));
                match (names.contains(&wanted), similar.next(), similar.next()) {
                    (false, Some(name), None) => name,
                    _ => wanted,
                }
            })
            .collect();
        *value = named.join(",");
    }
}
