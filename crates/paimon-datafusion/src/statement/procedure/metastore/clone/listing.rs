//! Which tables a call clones.

use std::collections::BTreeSet;

use datafusion::error::{DataFusionError, Result};
use paimon_catalog::{Identifier, SYSTEM_DATABASE};
use paimon_core::{Error, ErrorKind};

use super::super::super::arguments::Arguments;
use super::{Origin, Place, Source, wrong};
use crate::error::to_datafusion;

/// Names that must and must not be given, by what is cloned: a table, a database or the whole catalog.
pub(super) fn check(arguments: &Arguments) -> Result<()> {
    let given = |name: &str| arguments.text(name).is_some();
    let (needed, useless): (&[&str], &[&str]) = match (given("database"), given("table")) {
        (true, true) => (
            &["target_database", "target_table"],
            &["included_tables", "excluded_tables"],
        ),
        (true, false) => (&["target_database"], &["target_table"]),
        (false, _) => (&[], &["table", "target_database", "target_table"]),
    };
    let what = match (given("database"), given("table")) {
        (true, true) => "a table",
        (true, false) => "a database",
        (false, _) => "a catalog (no database is given)",
    };
    if let Some(name) = needed.iter().find(|name| !given(name)) {
        return wrong(
            arguments,
            format!("needs the argument {name} to clone {what}"),
        );
    }
    if let Some(name) = useless.iter().find(|name| given(name)) {
        return wrong(
            arguments,
            format!("takes no argument {name} to clone {what}"),
        );
    }
    Ok(())
}

/// Sources and their targets.
pub(super) async fn pairs(
    source: &Place,
    arguments: &Arguments,
    origin: Origin,
) -> Result<Vec<(Identifier, Identifier)>> {
    let target_database = arguments.text("target_database");
    let named = |database: &str, table: Option<&str>| {
        Identifier::new(database, table.unwrap_or_default()).map_err(to_datafusion)
    };
    let (Some(database), Some(table)) = (arguments.text("database"), arguments.text("table"))
    else {
        let databases = match arguments.text("database") {
            Some(database) => vec![database.to_string()],
            None => source
                .catalog
                .list_databases()
                .await
                .map_err(to_datafusion)?,
        };
        let mut all = Vec::new();
        for database in databases.iter().filter(|d| *d != SYSTEM_DATABASE) {
            for from in chosen(source, arguments, origin, database).await? {
                let to = named(target_database.unwrap_or(database), Some(from.table()))?;
                all.push((from, to));
            }
        }
        return Ok(all);
    };
    let from = named(database, Some(table))?;
    let to = named(
        target_database.unwrap_or_default(),
        arguments.text("target_table"),
    )?;
    Ok(vec![(from, to)])
}

/// The tables of a database that are asked for and of the kind that is cloned.
async fn chosen(
    source: &Place,
    arguments: &Arguments,
    origin: Origin,
    database: &str,
) -> Result<Vec<Identifier>> {
    let names = |argument: &str| -> Option<Vec<&str>> {
        let names = arguments.text(argument)?.split(',').map(str::trim);
        Some(names.filter(|name| !name.is_empty()).collect())
    };
    let included = names("included_tables");
    let excluded = names("excluded_tables").unwrap_or_default();
    let listed = source.catalog.list_tables(database).await;
    let mut tables: BTreeSet<String> = listed.map_err(to_datafusion)?.into_iter().collect();
    if origin == Origin::Hive {
        tables.extend(others(source, database).await?);
    }
    let mut found = Vec::new();
    for table in tables {
        let full = format!("{database}.{table}");
        let wanted = included.as_ref().is_none_or(|i| i.contains(&full.as_str()));
        if !wanted || excluded.contains(&full.as_str()) {
            continue;
        }
        let identifier = Identifier::new(database, &table).map_err(to_datafusion)?;
        if is_of(source, &identifier, origin).await? {
            found.push(identifier);
        }
    }
    Ok(found)
}

/// Tables of Hive that are not listed with the others, where the catalog knows such.
async fn others(source: &Place, database: &str) -> Result<Vec<String>> {
    match source.catalog.list_migratable_tables(database).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Vec::new()),
        found => found.map_err(to_datafusion),
    }
}

/// Whether a table is of the kind that is cloned. One that only Hive can read is: cloning it fails by name.
async fn is_of(source: &Place, identifier: &Identifier, origin: Origin) -> Result<bool> {
    let files = source.catalog.get_format_table(identifier).await;
    let is_files = files.map_err(to_datafusion)?.is_some();
    let is_paimon = match is_files {
        true => false,
        false => source
            .catalog
            .table_exists(identifier)
            .await
            .map_err(to_datafusion)?,
    };
    Ok(match origin {
        Origin::Hive => !is_paimon,
        Origin::Paimon => is_paimon,
    })
}

/// The table to clone.
pub(super) async fn source(
    place: &Place,
    identifier: &Identifier,
    origin: Origin,
) -> Result<Source> {
    let failed = |e: Error| to_datafusion(e.with_default("table", identifier));
    if origin == Origin::Paimon {
        let table = place.catalog.get_table(identifier).await;
        return table.map(Source::Paimon).map_err(failed);
    }
    let files = place.catalog.get_format_table(identifier).await;
    match files.map_err(failed)? {
        Some(table) => Ok(Source::Files(Box::new(table))),
        None => {
            let known = place.catalog.table_exists(identifier).await;
            Err(not_cloned(identifier, known.map_err(failed)?))
        }
    }
}

fn not_cloned(identifier: &Identifier, is_paimon: bool) -> DataFusionError {
    let text = match is_paimon {
        true => "this is a Paimon table: clone_from => 'paimon' clones it",
        false => {
            "there is no table of Parquet, ORC, CSV, JSON or text files of this name; excluded_tables leaves tables out"
        }
    };
    to_datafusion(Error::unsupported(text).with("table", identifier))
}
