//! Commands that begin with a backslash.

use std::str::FromStr;

use clap::ValueEnum;
use paimon_datafusion::PaimonSession;

use super::statements;
use crate::args::{Format, MaxRows};
use crate::failure::{Failure, Outcome};
use crate::output::{Printer, say};
use crate::run::read_file;

/// What the shell does next.
pub(crate) enum After {
    GoOn,
    Quit,
}

const HELP: &str = "\
\\d            tables of the current database
\\d NAME       columns of a table
\\l            databases
\\c NAME       use a database (or catalog.database)
\\f [FORMAT]   format of results: automatic, table, csv, tsv, json, ndjson
\\n [ROWS]     rows that the table format prints: a number or inf
\\i FILE       run a SQL file
\\t            timing on or off
\\? or \\h      this list
\\q            leave";

/// Runs a command.
pub(crate) async fn run(
    session: &PaimonSession,
    printer: &mut Printer,
    input: &str,
    number: &mut usize,
) -> Outcome<After> {
    let input = input.trim().trim_end_matches(';');
    let (command, argument) = input.split_once(char::is_whitespace).unwrap_or((input, ""));
    let argument = argument.trim();
    let sql = match command {
        "\\q" | "\\quit" | "\\exit" => return Ok(After::Quit),
        "\\?" | "\\h" | "\\help" => {
            say(HELP);
            return Ok(After::GoOn);
        }
        "\\f" | "\\format" => {
            set_format(printer, argument)?;
            return Ok(After::GoOn);
        }
        "\\n" | "\\maxrows" => {
            set_max_rows(printer, argument)?;
            return Ok(After::GoOn);
        }
        "\\t" | "\\timing" => {
            printer.quiet = !printer.quiet;
            return Ok(After::GoOn);
        }
        "\\i" => read_file(argument)?,
        "\\d" if argument.is_empty() => "SHOW TABLES".to_string(),
        "\\d" => format!("DESCRIBE {argument}"),
        "\\l" => "SHOW DATABASES".to_string(),
        "\\c" => format!("USE {argument}"),
        other => {
            return Err(Failure::usage(format!(
                "unknown command {other}: \\? lists the commands"
            )));
        }
    };
    statements(session, printer, &sql, number).await?;
    Ok(After::GoOn)
}

fn set_format(printer: &mut Printer, name: &str) -> Outcome {
    if name.is_empty() {
        say(&format!("{:?}", printer.format).to_lowercase());
        return Ok(());
    }
    printer.format = Format::from_str(name, true)
        .map_err(|_| Failure::usage(format!("unknown format {name}")))?;
    Ok(())
}

fn set_max_rows(printer: &mut Printer, rows: &str) -> Outcome {
    printer.max_rows = match rows {
        "" => {
            say(&printer
                .max_rows
                .0
                .map_or_else(|| "inf".to_string(), |n| n.to_string()));
            return Ok(());
        }
        "inf" => MaxRows(None),
        number => MaxRows(Some(usize::from_str(number).map_err(|_| {
            Failure::usage("a number of rows or inf is expected".to_string())
        })?)),
    };
    Ok(())
}
