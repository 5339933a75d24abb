//! Running scripts.

use std::io::{IsTerminal, Read};
use std::sync::Arc;

use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryPool, TrackConsumersPool,
};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use paimon_datafusion::{CommitIdentity, PaimonSession, split_statements};

use crate::args::{Args, Invocation, Pool, Source};
use crate::config::{self, CatalogOptions, Config};
use crate::failure::{Failure, Outcome};
use crate::output::Printer;
use crate::shell;

/// Consumers named when memory runs out.
const TOP_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(2);

/// Runs the sources of the command line, a script on standard input, or the interactive shell.
pub(crate) async fn run(invocation: &Invocation) -> Outcome {
    let args = &invocation.args;
    let session = open_session(args)?;
    let printer = Printer::new(args);
    if !invocation.sources.is_empty() {
        let mut number = 0;
        for source in &invocation.sources {
            let script = match source {
                Source::Command(sql) => sql.clone(),
                Source::File(file) => read_file(file)?,
            };
            script_statements(&session, &printer, &script, &mut number).await?;
        }
        return Ok(());
    }
    if std::io::stdin().is_terminal() {
        return shell::run(session, printer, args).await;
    }
    let script = read_file("-")?;
    script_statements(&session, &printer, &script, &mut 0).await
}

async fn script_statements(
    session: &PaimonSession,
    printer: &Printer,
    script: &str,
    number: &mut usize,
) -> Outcome {
    for statement in split_statements(script) {
        *number += 1;
        printer.statement(session, &statement, *number).await?;
    }
    Ok(())
}

/// Text of a script, without the byte order mark that some editors write; `-` is standard input.
pub(crate) fn read_file(file: &str) -> Outcome<String> {
    let mut text = String::new();
    let read = if file == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = read.map_err(|e| Failure::usage(format!("script {file}: {e}")))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => text,
    })
}

fn open_session(args: &Args) -> Outcome<PaimonSession> {
    let mut session_config = SessionConfig::new();
    if let Some(rows) = args.batch_size {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        session_config = session_config.with_batch_size(rows);
    }
    let session = PaimonSession::with_runtime(session_config, runtime(args)?)
        .with_stores(paimon_stores::all());
    if let (Some(user), Some(identifier)) = (&args.commit_user, args.commit_identifier) {
        session.settings().set_commit_identity(CommitIdentity {
            user: user.clone(),
            identifier,
        });
    }
    let (catalogs, first) = catalogs(args)?;
    for (name, options) in catalogs {
        session
            .create_catalog(&name, options)
            .map_err(|e| Failure::catalog(&name, &e))?;
    }
    if let Some(name) = first {
        session
            .use_catalog(&name)
            .map_err(|e| Failure::catalog(&name, &e))?;
    }
    Ok(session)
}

/// Options of catalogs by name, in the order of registration.
pub(crate) type NamedCatalogs = Vec<(String, CatalogOptions)>;

/// Catalogs of the configuration file and of the flags, and the one to begin in.
pub(crate) fn catalogs(args: &Args) -> Outcome<(NamedCatalogs, Option<String>)> {
    let config = match &args.config {
        Some(path) => config::read(path).map_err(Failure::usage)?,
        None => Config {
            catalogs: std::collections::BTreeMap::new(),
            default_catalog: None,
        },
    };
    let mut catalogs: NamedCatalogs = config.catalogs.into_iter().collect();
    let mut options: CatalogOptions = args.catalog_options.iter().cloned().collect();
    if let Some(warehouse) = &args.warehouse {
        options.insert("warehouse".into(), warehouse.clone());
    }
    if options.is_empty() {
        let first = args.catalog.clone().or(config.default_catalog);
        let known = |name: &String| catalogs.iter().any(|(n, _)| n == name);
        if let Some(name) = first.as_ref().filter(|n| !known(n)) {
            return Err(Failure::usage(format!(
                "catalog {name} has no options: give --warehouse, --catalog-option or --config"
            )));
        }
        let first = first.or_else(|| catalogs.first().map(|(name, _)| name.clone()));
        return Ok((catalogs, first));
    }
    let name = args.catalog.clone().unwrap_or_else(|| "paimon".into());
    match catalogs.iter_mut().find(|(n, _)| *n == name) {
        Some((_, configured)) => configured.extend(options),
        None => catalogs.push((name.clone(), options)),
    }
    Ok((catalogs, Some(name)))
}

fn runtime(args: &Args) -> Outcome<Arc<RuntimeEnv>> {
    let mut builder = RuntimeEnvBuilder::new();
    if let Some(bytes) = args.memory_limit {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let pool: Arc<dyn MemoryPool> = match args.mem_pool_type {
            Pool::Greedy => Arc::new(TrackConsumersPool::new(
                GreedyMemoryPool::new(bytes),
                TOP_CONSUMERS,
            )),
            Pool::Fair => Arc::new(TrackConsumersPool::new(
                FairSpillPool::new(bytes),
                TOP_CONSUMERS,
            )),
        };
        builder = builder.with_memory_pool(pool);
    }
    // the default mode spills to the system's folder for temporary files, which TMPDIR names
    let mut disk = DiskManagerBuilder::default();
    if let Some(bytes) = args.disk_limit {
        disk.set_max_temp_directory_size(bytes);
    }
    builder
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(|e| Failure::usage(e.to_string()))
}
