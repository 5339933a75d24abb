//! The interactive shell.

mod commands;
mod helper;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use paimon_datafusion::{PaimonSession, is_complete, redact_sql, split_statements};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use crate::args::Args;
use crate::failure::{Failure, Outcome};
use crate::output::{Printer, say};
use commands::After;
use helper::ShellHelper;

static INTERACTIVE: AtomicBool = AtomicBool::new(false);

/// Whether the shell runs: it handles SIGINT itself.
pub(crate) fn is_interactive() -> bool {
    INTERACTIVE.load(Ordering::Relaxed)
}

type Line = Editor<ShellHelper, FileHistory>;

/// Reads and runs statements until `\q` or the end of input. A failing statement is reported and the shell goes on.
pub(crate) async fn run(session: PaimonSession, mut printer: Printer, args: &Args) -> Outcome {
    INTERACTIVE.store(true, Ordering::Relaxed);
    let color = args.color.is_used(std::io::stdout().is_terminal());
    let mut line = editor(session.clone(), color)?;
    if !args.quiet {
        say(&format!(
            "paimon {}: SQL ends with a semicolon, \\? lists commands, \\q leaves",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let mut number = 0;
    loop {
        let (catalog, database) = session.current();
        let (input, back) = read(line, format!("{catalog}.{database}> ")).await?;
        line = back;
        let text = match input {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(Failure::usage(format!("the terminal failed: {e}"))),
        };
        if text.trim().is_empty() {
            continue;
        }
        let _ = line.add_history_entry(redact_sql(text.trim()));
        let after = if text.trim_start().starts_with('\\') {
            commands::run(&session, &mut printer, text.trim(), &mut number).await
        } else {
            statements(&session, &printer, &text, &mut number)
                .await
                .map(|()| After::GoOn)
        };
        match after {
            Ok(After::GoOn) => {}
            Ok(After::Quit) => break,
            Err(failure) if failure.is_broken_pipe() => return Err(failure),
            Err(failure) => say(&format!(
                "Error: {}",
                failure.message().unwrap_or("interrupted")
            )),
        }
    }
    if let Some(path) = history_path() {
        let _ = line.save_history(&path);
    }
    Ok(())
}

/// Runs statements; SIGINT cancels the running one.
pub(crate) async fn statements(
    session: &PaimonSession,
    printer: &Printer,
    text: &str,
    number: &mut usize,
) -> Outcome {
    for statement in split_statements(text) {
        *number += 1;
        tokio::select! {
            done = printer.statement(session, &statement, *number) => done?,
            _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
        }
    }
    Ok(())
}

fn editor(session: PaimonSession, color: bool) -> Outcome<Line> {
    let config = Config::builder()
        .history_ignore_space(true)
        .completion_type(rustyline::CompletionType::List)
        .build();
    let mut line: Line =
        Editor::with_config(config).map_err(|e| Failure::usage(format!("no terminal: {e}")))?;
    line.set_auto_add_history(false);
    let handle = tokio::runtime::Handle::current();
    line.set_helper(Some(ShellHelper::new(session, handle, color)));
    if let Some(path) = history_path() {
        let _ = line.load_history(&path);
    }
    Ok(line)
}

/// Reads one input on a thread that may block.
async fn read(mut line: Line, prompt: String) -> Outcome<(Result<String, ReadlineError>, Line)> {
    tokio::task::spawn_blocking(move || {
        let input = line.readline(&prompt);
        (input, line)
    })
    .await
    .map_err(|e| Failure::bug(format!("the line editor failed: {e}")))
}

fn history_path() -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    Some(PathBuf::from(home).join(".paimon_history"))
}

/// Whether an input can run: commands at once, SQL after its semicolon.
fn is_whole(input: &str) -> bool {
    input.trim_start().starts_with('\\') || is_complete(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_waits_for_its_semicolon_and_commands_do_not() {
        assert!(is_whole("\\d t"));
        assert!(is_whole("SELECT 1;"));
        assert!(!is_whole("SELECT 1"));
        assert!(!is_whole("SELECT ';"));
    }
}
