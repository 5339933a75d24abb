//! Running the statements.

use std::time::Duration;

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use paimon_core::options::parse_duration_ms;

use super::command::Command;
use super::result::{nothing, text_rows};
use super::{catalogs, describe, ident_text, show};
use crate::catalog::PaimonCatalogProvider;
use crate::error::to_datafusion;
use crate::session::{OverwriteMode, PaimonSession};

const TIME_ZONE: &str = "datafusion.execution.time_zone";
/// Flink's keys.
const RUNTIME_MODE: &str = "execution.runtime-mode";
const CHECKPOINT_INTERVAL: &str = "execution.checkpointing.interval";
const OVERWRITE_MODE: &str = "spark.sql.sources.partitionOverwriteMode";

/// Runs a statement and gives its rows.
pub(crate) async fn run(session: &PaimonSession, command: Command) -> Result<DataFrame> {
    match command {
        Command::ShowCatalogs { like } => show::catalogs(session, like.as_deref()),
        Command::ShowDatabases { catalog, like } => {
            show::databases(session, catalog.as_ref(), like.as_deref()).await
        }
        Command::ShowTableExtended { namespace, like } => {
            show::extended::tables(session, &namespace, &like).await
        }
        Command::ShowTables { namespace, like } => {
            show::tables(session, &namespace, like.as_deref()).await
        }
        Command::ShowViews { namespace, like } => {
            show::views(session, &namespace, like.as_deref()).await
        }
        Command::ShowFunctions { namespace, like } => {
            show::functions(session, &namespace, like.as_deref()).await
        }
        Command::ShowCreateTable { table } => show::create::run(session, &table).await,
        Command::ShowPartitions { table, spec } => show::partitions(session, &table, &spec).await,
        Command::ShowColumns { table } => show::columns(session, &table).await,
        Command::ShowProperties { table, key } => {
            show::properties(session, &table, key.as_deref()).await
        }
        Command::ShowTags { table } => {
            show::system_column(session, &table, "tags", "tag_name", "tag").await
        }
        Command::ShowBranches { table } => {
            show::system_column(session, &table, "branches", "branch_name", "branch").await
        }
        Command::ShowCurrent => {
            let (catalog, namespace) = session.current();
            text_rows(session, ["catalog", "namespace"], [[catalog, namespace]])
        }
        Command::Describe { table, extended } => describe::table(session, &table, extended).await,
        Command::DescribeFunction { name, extended } => {
            describe::function(session, &name, extended).await
        }
        Command::DescribeDatabase { name, extended } => {
            describe::database(session, &name, extended).await
        }
        Command::UseCatalog { name } => {
            session.use_catalog(&ident_text(&name))?;
            nothing(session)
        }
        Command::Use { name } => use_database(session, &name).await,
        Command::Catalog(command) => catalogs::run(session, command),
        Command::Set { key, value } => set(session, &key, &value).await,
        Command::SetShow { key } => show_settings(session, key.as_deref()).await,
        Command::Reset { key } => reset(session, key.as_deref()).await,
        Command::Refresh { table } => {
            session.forget_table(&table)?;
            session.table(&table).await?;
            nothing(session)
        }
    }
}

/// `USE db`, `USE catalog.db`, and `USE catalog` when no database of that name is there.
async fn use_database(session: &PaimonSession, name: &[Ident]) -> Result<DataFrame> {
    let (current, _) = session.current();
    let parts: Vec<String> = name.iter().map(ident_text).collect();
    let (catalog, database) = match parts.as_slice() {
        [database] => (current.as_str(), database.as_str()),
        [catalog, database] => (catalog.as_str(), database.as_str()),
        _ => return Err(DataFusionError::Plan("USE takes one or two names".into())),
    };
    if has_database(session, catalog, database).await? {
        session.set_current(catalog, database);
    } else if parts.len() == 1 && session.context().catalog(database).is_some() {
        session.use_catalog(database)?;
    } else {
        return Err(to_datafusion(
            paimon_core::Error::new(paimon_core::ErrorKind::NotFound, "database does not exist")
                .with("database", database)
                .with("catalog", catalog),
        ));
    }
    nothing(session)
}

async fn has_database(session: &PaimonSession, catalog: &str, database: &str) -> Result<bool> {
    let provider = session.catalog(catalog)?;
    match provider.downcast_ref::<PaimonCatalogProvider>() {
        Some(paimon) => paimon
            .catalog()
            .database_exists(database)
            .await
            .map_err(to_datafusion),
        None => Ok(provider.schema(database).is_some()),
    }
}

/// DataFusion's name for a key that has several.
fn known_as(key: &str) -> &str {
    let lower = key.to_ascii_lowercase();
    match lower.as_str() {
        "spark.sql.session.timezone"
        | "table.local-time-zone"
        | "time_zone"
        | "timezone"
        | "time zone" => TIME_ZONE,
        _ if lower == OVERWRITE_MODE.to_ascii_lowercase() => OVERWRITE_MODE,
        RUNTIME_MODE => RUNTIME_MODE,
        CHECKPOINT_INTERVAL => CHECKPOINT_INTERVAL,
        _ => key,
    }
}

async fn set(session: &PaimonSession, key: &str, value: &str) -> Result<DataFrame> {
    let key = known_as(key);
    if key == TIME_ZONE {
        session.settings().set_time_zone(value)?;
    }
    if set_stream_key(session, key, value)? {
        return nothing(session);
    }
    if key == OVERWRITE_MODE {
        let mode = match value.to_ascii_lowercase().as_str() {
            "static" => OverwriteMode::Static,
            "dynamic" => OverwriteMode::Dynamic,
            _ => {
                return Err(DataFusionError::Plan(format!(
                    "{OVERWRITE_MODE} is static or dynamic, found {value:?}"
                )));
            }
        };
        session.settings().set_overwrite_mode(Some(mode));
        return nothing(session);
    }
    let is_catalog = |name: &str| session.context().catalog(name).is_some();
    if session.settings().set(key, value, is_catalog) {
        return nothing(session);
    }
    let sql = format!("SET {key} = '{}'", value.replace('\'', "''"));
    session.context().sql(&sql).await
}

/// Takes a `SET` of Flink's keys of streaming sessions; false when the key is none.
fn set_stream_key(session: &PaimonSession, key: &str, value: &str) -> Result<bool> {
    let settings = session.settings();
    match key {
        RUNTIME_MODE => settings.set_streaming(match value.to_ascii_lowercase().as_str() {
            "streaming" => true,
            "batch" => false,
            _ => {
                return Err(DataFusionError::Plan(format!(
                    "{RUNTIME_MODE} is streaming or batch, found {value:?}"
                )));
            }
        }),
        CHECKPOINT_INTERVAL => {
            let millis = parse_duration_ms(value)
                .map_err(|e| to_datafusion(e.with("option", CHECKPOINT_INTERVAL)))?;
            settings.set_checkpoint_interval(Some(Duration::from_millis(millis)));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The value of one of Flink's keys of streaming sessions.
fn stream_key(session: &PaimonSession, key: &str) -> Option<String> {
    let settings = session.settings();
    match key {
        RUNTIME_MODE => Some(match settings.is_streaming() {
            true => "streaming".to_string(),
            false => "batch".to_string(),
        }),
        CHECKPOINT_INTERVAL => Some(format!("{} ms", settings.checkpoint_interval().as_millis())),
        _ => None,
    }
}

async fn reset(session: &PaimonSession, key: Option<&str>) -> Result<DataFrame> {
    let Some(key) = key.map(known_as) else {
        session.settings().reset_all();
        session.settings().set_overwrite_mode(None);
        session.settings().set_streaming(false);
        session.settings().set_checkpoint_interval(None);
        return nothing(session);
    };
    match key {
        RUNTIME_MODE => session.settings().set_streaming(false),
        CHECKPOINT_INTERVAL => session.settings().set_checkpoint_interval(None),
        _ => {}
    }
    if stream_key(session, key).is_some() {
        return nothing(session);
    }
    if session.settings().reset(key) {
        return nothing(session);
    }
    if key == OVERWRITE_MODE {
        session.settings().set_overwrite_mode(None);
        return nothing(session);
    }
    if key == TIME_ZONE {
        return Box::pin(set(session, key, "UTC")).await;
    }
    session.context().sql(&format!("RESET {key}")).await
}

async fn show_settings(session: &PaimonSession, key: Option<&str>) -> Result<DataFrame> {
    let rows = match key.map(known_as) {
        None => session.settings().all(),
        Some(OVERWRITE_MODE) => match session.settings().overwrite_mode() {
            Some(mode) => vec![(
                OVERWRITE_MODE.to_string(),
                format!("{mode:?}").to_lowercase(),
            )],
            None => Vec::new(),
        },
        Some(key) if let Some(value) = stream_key(session, key) => vec![(key.to_string(), value)],
        Some(key) => match session.settings().get(key) {
            Some(value) => vec![(key.to_string(), value)],
            None => return session.context().sql(&format!("SHOW {key}")).await,
        },
    };
    let rows = rows.into_iter().map(|(key, value)| {
        let shown = paimon_catalog::redacted(&key, &value);
        [key, shown]
    });
    text_rows(session, ["key", "value"], rows)
}
