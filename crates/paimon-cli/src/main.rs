//! The program `paimon`: a SQL shell over Apache Paimon tables, and one-shot commands.

mod args;
mod config;
mod dump;
mod failure;
mod follow;
mod fsck;
mod output;
mod progress;
mod run;
mod shell;
mod size;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use args::{Args, Invocation, Subcommand};
use failure::{Failure, Outcome};
use tracing_subscriber::EnvFilter;

/// How long the program waits for files of interrupted statements to be removed, and for caches to be written, when it is done.
const CLOSING: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let invocation = Invocation::parse();
    start_logging(&invocation.args);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => return Failure::bug(format!("no runtime: {e}")).report(),
    };
    let outcome = runtime.block_on(async move {
        // a task of its own: a panic becomes an error with its own exit code, and SIGINT ends it at any await
        let mut work = tokio::spawn(start(invocation));
        let outcome = tokio::select! {
            done = &mut work => done.unwrap_or_else(|e| Err(Failure::bug(format!("the program failed: {e}")))),
            () = interrupted() => {
                work.abort();
                // dropping what the statement holds removes its spill files
                let _ = work.await;
                Err(Failure::interrupted())
            }
        };
        // a store or disk that hangs must not keep the program
        let _ = tokio::time::timeout(CLOSING, paimon_datafusion::finish_cleanups()).await;
        let _ = tokio::time::timeout(CLOSING, paimon_stores::close_caches()).await;
        outcome
    });
    runtime.shutdown_timeout(Duration::from_millis(500));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn start(invocation: Invocation) -> Outcome {
    match &invocation.args.subcommand {
        Some(Subcommand::Dump { json, file }) => dump::run(&invocation.args, file, *json).await,
        Some(Subcommand::Fsck { json, table }) => fsck::run(&invocation.args, table, *json).await,
        Some(Subcommand::Follow(how)) => follow::run(&invocation.args, how).await,
        None => run::run(&invocation).await,
    }
}

/// Resolves on SIGINT; never when the signal cannot be listened to. The interactive shell listens itself.
async fn interrupted() {
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        if !shell::is_interactive() {
            return;
        }
    }
}

/// Logs to stderr as `RUST_LOG` says; without it only warnings, nothing with `-q`.
fn start_logging(args: &Args) {
    let default = if args.quiet { "off" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(args.color.is_used(std::io::stderr().is_terminal()))
        .with_writer(std::io::stderr)
        .try_init();
}
