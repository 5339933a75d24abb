//! Why the program ends, and the exit code that says so.

use std::io::Write;
use std::process::ExitCode;

use datafusion::error::DataFusionError;
use paimon_core::ErrorKind;
use paimon_datafusion::{error_message, paimon_error};

/// The end of a part of the program.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Another commit won, after all retries.
const COMMIT_CONFLICT: u8 = 3;
/// A reason to stop with an exit code of the contract.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    /// `None` is said by the code alone.
    message: Option<String>,
}

const STATEMENT_FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const DAMAGED: u8 = 4;
const UNAVAILABLE: u8 = 5;
const BUG: u8 = 70;
const INTERRUPTED: u8 = 130;
const BROKEN_PIPE: u8 = 141;

impl Failure {
    /// Wrong command line, configuration or catalog options.
    pub(crate) fn usage(message: String) -> Self {
        Self {
            code: BAD_USAGE,
            message: Some(message),
        }
    }

    /// A bug of ours.
    pub(crate) fn bug(message: String) -> Self {
        Self {
            code: BUG,
            message: Some(message),
        }
    }

    /// SIGINT.
    pub(crate) fn interrupted() -> Self {
        Self {
            code: INTERRUPTED,
            message: None,
        }
    }

    /// Whether the reader of our output has gone.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.code == BROKEN_PIPE
    }

    /// Output could not be written. A closed pipe is no news: quiet.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self {
                code: BROKEN_PIPE,
                message: None,
            };
        }
        Self {
            code: STATEMENT_FAILED,
            message: Some(format!("the result could not be written: {error}")),
        }
    }

    /// An error while opening catalogs.
    pub(crate) fn catalog(name: &str, error: &DataFusionError) -> Self {
        let code = match code_of(error) {
            STATEMENT_FAILED => BAD_USAGE,
            other => other,
        };
        Self {
            code,
            message: Some(format!("catalog {name}: {}", error_message(error))),
        }
    }

    /// An engine error outside of any statement.
    pub(crate) fn engine(error: &paimon_core::Error) -> Self {
        Self {
            code: code_of_kind(error.kind()),
            message: Some(error.to_string()),
        }
    }

    /// Damage that was looked for and found.
    pub(crate) fn damaged(message: String) -> Self {
        Self {
            code: DAMAGED,
            message: Some(message),
        }
    }

    /// A failed statement.
    pub(crate) fn statement(number: usize, sql: &str, error: &DataFusionError) -> Self {
        Self {
            code: code_of(error),
            message: Some(format!(
                "statement {number} failed: {}: {}",
                shown_sql(sql),
                error_message(error)
            )),
        }
    }

    /// The message, if there is one.
    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Prints the message to stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(message) = &self.message {
            let _ = writeln!(std::io::stderr(), "Error: {message}");
        }
        ExitCode::from(self.code)
    }
}

/// A statement on one line, without secrets, cut after some 200 characters.
fn shown_sql(sql: &str) -> String {
    const LENGTH: usize = 200;
    let sql = paimon_datafusion::redact_sql(sql);
    let line: Vec<&str> = sql.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(LENGTH) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

fn code_of(error: &DataFusionError) -> u8 {
    if let Some(own) = paimon_error(error) {
        return code_of_kind(own.kind());
    }
    match error.find_root() {
        DataFusionError::ParquetError(_) => DAMAGED,
        DataFusionError::ObjectStore(e) => match e.as_ref() {
            datafusion::object_store::Error::NotFound { .. } => DAMAGED,
            _ => UNAVAILABLE,
        },
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => BUG,
        DataFusionError::ArrowError(e, _) => match e.as_ref() {
            arrow::error::ArrowError::ParquetError(_) => DAMAGED,
            _ => STATEMENT_FAILED,
        },
        _ => STATEMENT_FAILED,
    }
}

fn code_of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::CommitConflict => COMMIT_CONFLICT,
        ErrorKind::Damaged => DAMAGED,
        ErrorKind::Io => UNAVAILABLE,
        ErrorKind::Internal => BUG,
        _ => STATEMENT_FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_the_kind_of_error() {
        let cases = [
            (paimon_core::Error::new(ErrorKind::CommitConflict, "x"), 3),
            (paimon_core::Error::damaged("x"), 4),
            (paimon_core::Error::new(ErrorKind::Io, "x"), 5),
            (paimon_core::Error::internal("x"), 70),
            (paimon_core::Error::invalid("x"), 1),
        ];
        for (error, code) in cases {
            let wrapped = paimon_datafusion::to_datafusion(error).context("scan");
            let failure = Failure::statement(1, "SELECT 1", &wrapped);
            assert_eq!(failure.code, code);
        }
        assert_eq!(
            Failure::statement(1, "x", &DataFusionError::Plan("p".into())).code,
            1
        );
    }

    #[test]
    fn statements_are_shown_on_one_short_line() {
        assert_eq!(shown_sql("SELECT\n  1"), "SELECT 1");
        assert!(shown_sql(&"é".repeat(500)).chars().count() < 210);
        let sql = "CREATE CATALOG c WITH ('s3.secret-key' = 'hush')";
        assert!(!shown_sql(sql).contains("hush"));
    }
}
