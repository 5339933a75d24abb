//! The SQL logic tests of `paimon-datafusion`, through the program: what succeeds there succeeds here with as many rows,
//! what fails gives the same message and exit code of a failed statement. The values are compared there.

use std::path::{Path, PathBuf};

use paimon_testing::sql_warehouse::sql_warehouse;
use sqllogictest::{DefaultColumnType, ExpectedError, QueryExpect, Record, StatementExpect};

use crate::support::{Run, golden, paimon};

/// Need a catalog that the test makes itself.
const OF_THE_LIBRARY: &[&str] = &[
    "format_tables",
    "format_tables_cloned",
    "format_tables_partitions",
    "functions_kept",
    "views",
];

/// A line that no query gives.
const MARK: &str = "=== statement done ===";

/// How statements begin that change what the session does later.
const SETTINGS: &[&str] = &[
    "SET ",
    "RESET ",
    "USE ",
    "CREATE CATALOG",
    "CREATE TEMPORARY",
    "CREATE EXTERNAL",
    "CREATE VIEW",
    "CREATE OR REPLACE TEMPORARY",
    "CREATE OR REPLACE VIEW",
    "DROP VIEW",
    "ALTER CATALOG",
    "DROP CATALOG",
    "PREPARE ",
    "DEALLOCATE ",
];

/// A statement that is to succeed.
struct Statement {
    sql: String,
    line: u32,
    /// Rows of a query, where the test knows them.
    rows: Option<usize>,
}

/// A test file on its way through the program.
struct Script<'a> {
    name: String,
    warehouse: &'a Path,
    /// Settings that hold, in order.
    settings: Vec<String>,
    /// Statements that were not run yet.
    waiting: Vec<Statement>,
    statements: usize,
    failures: Vec<String>,
}

impl Script<'_> {
    /// Runs what waits and then, if there is one, a statement that is to fail.
    fn flush(&mut self, failing: Option<(String, u32, ExpectedError)>) {
        let mark = format!("SELECT '{MARK}' AS mark");
        let mut arguments: Vec<&str> = vec!["-q", "--format", "ndjson"];
        for sql in &self.settings {
            arguments.extend(["-c", sql]);
        }
        arguments.extend(["-c", &mark]);
        for statement in &self.waiting {
            arguments.extend(["-c", &statement.sql, "-c", &mark]);
        }
        if let Some((sql, ..)) = &failing {
            arguments.extend(["-c", sql]);
        }
        let run = paimon(self.warehouse, &arguments);
        self.check(&run, failing.as_ref());
        self.statements += self.waiting.len() + usize::from(failing.is_some());
        let waiting = std::mem::take(&mut self.waiting);
        let settings = waiting.into_iter().map(|s| s.sql).filter(|sql| {
            let sql = sql.trim_start().to_ascii_uppercase();
            SETTINGS.iter().any(|begin| sql.starts_with(begin))
        });
        self.settings.extend(settings);
    }

    fn check(&mut self, run: &Run, failing: Option<&(String, u32, ExpectedError)>) {
        let fail = |line: u32, why: String| format!("{}:{line}: {why}", self.name);
        let mark = format!("{{\"mark\":\"{MARK}\"}}\n");
        let mut printed = run.stdout.split(&mark);
        // of the settings
        printed.next();
        let printed: Vec<&str> = printed.collect();
        let mut failures = Vec::new();
        for (at, statement) in self.waiting.iter().enumerate() {
            // behind the last mark lies what a failing statement printed
            let Some(output) = printed.get(at).filter(|_| at + 1 < printed.len()) else {
                failures.push(fail(statement.line, format!("failed: {}", run.stderr)));
                break;
            };
            let rows = output.lines().count();
            if statement.rows.is_some_and(|expected| expected != rows) {
                let expected = statement.rows.unwrap();
                failures.push(fail(statement.line, format!("{rows} rows, not {expected}")));
            }
        }
        match failing {
            Some((_, line, expected)) if failures.is_empty() => {
                if !matches!(run.code, 1 | 4 | 5) {
                    failures.push(fail(*line, format!("exit code {}", run.code)));
                } else if !expected.is_match(&run.stderr, None) {
                    failures.push(fail(*line, format!("other message: {}", run.stderr)));
                }
            }
            None if run.code != 0 && failures.is_empty() => {
                failures.push(fail(0, format!("exit code {}: {}", run.code, run.stderr)));
            }
            _ => {}
        }
        self.failures.extend(failures);
    }

    fn take(&mut self, record: Record<DefaultColumnType>) {
        let place = |sql: String| {
            sql.replace("${WAREHOUSE}", self.warehouse.to_str().unwrap())
                .replace("$WAREHOUSE", self.warehouse.to_str().unwrap())
        };
        match record {
            Record::Statement {
                loc, sql, expected, ..
            } => match expected {
                StatementExpect::Error(error) => {
                    self.flush(Some((place(sql), loc.line(), error)));
                }
                _ => self.waiting.push(Statement {
                    sql: place(sql),
                    line: loc.line(),
                    rows: None,
                }),
            },
            Record::Query {
                loc, sql, expected, ..
            } => match expected {
                QueryExpect::Error(error) => self.flush(Some((place(sql), loc.line(), error))),
                QueryExpect::Results { results, .. } => {
                    let any = results.iter().any(|row| row.contains("<slt:ignore>"));
                    self.waiting.push(Statement {
                        sql: place(sql),
                        line: loc.line(),
                        rows: (!any).then_some(results.len()),
                    });
                }
            },
            _ => {}
        }
    }
}

#[test]
fn statements_do_the_same_through_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../paimon-datafusion/tests/slt");
    let warehouse = tempfile::tempdir().unwrap();
    sql_warehouse(&golden(), warehouse.path()).unwrap();
    let only = std::env::var("SLT").ok();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let (mut statements, mut failures) = (0, Vec::new());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        if OF_THE_LIBRARY.contains(&name) || only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let mut script = Script {
            name: name.to_string(),
            warehouse: warehouse.path(),
            settings: Vec::new(),
            waiting: Vec::new(),
            statements: 0,
            failures: Vec::new(),
        };
        for record in sqllogictest::parse_file(&file).unwrap() {
            script.take(record);
        }
        script.flush(None);
        statements += script.statements;
        failures.extend(script.failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        only.is_some() || statements > 1000,
        "only {statements} statements ran"
    );
}
