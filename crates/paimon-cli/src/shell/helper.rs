//! Completion, colours and multi-line input.

use std::borrow::Cow;
use std::time::Duration;

use paimon_datafusion::PaimonSession;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Hinter, Result};
use tokio::runtime::Handle;

/// How long completion may ask a catalog.
const PATIENCE: Duration = Duration::from_millis(500);

const KEYWORDS: &[&str] = &[
    "ALL",
    "ANALYZE",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CATALOG",
    "CATALOGS",
    "COLUMNS",
    "COPY",
    "CREATE",
    "CROSS",
    "DATABASES",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTENDED",
    "FALSE",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OPTIONS",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PARTITIONS",
    "RESET",
    "RIGHT",
    "SELECT",
    "SET",
    "SHOW",
    "SYSTEM_TIME",
    "TABLE",
    "TABLES",
    "THEN",
    "TIMESTAMP",
    "TO",
    "TRUE",
    "UNION",
    "USE",
    "USING",
    "VALUES",
    "VERSION",
    "VIEW",
    "WHEN",
    "WHERE",
    "WITH",
];

/// What the line editor asks while a line is typed.
#[derive(Helper, Hinter)]
pub(crate) struct ShellHelper {
    session: PaimonSession,
    handle: Handle,
    color: bool,
}

impl ShellHelper {
    pub(crate) fn new(session: PaimonSession, handle: Handle, color: bool) -> Self {
        Self {
            session,
            handle,
            color,
        }
    }

    /// Names of databases, tables, and of the columns of the tables that the line names.
    fn names(&self, line: &str) -> Vec<String> {
        let asked = async {
            let mut names = self.texts("SHOW DATABASES", 0).await;
            let tables = self.texts("SHOW TABLES", 1).await;
            for table in &tables {
                if line.contains(table.as_str()) {
                    let sql = format!("SHOW COLUMNS FROM \"{}\"", table.replace('"', "\"\""));
                    names.extend(self.texts(&sql, 0).await);
                }
            }
            names.extend(tables);
            names
        };
        // the editor runs on a thread that may block
        self.handle
            .block_on(async { tokio::time::timeout(PATIENCE, asked).await })
            .unwrap_or_default()
    }

    async fn texts(&self, sql: &str, column: usize) -> Vec<String> {
        let Ok(frame) = self.session.sql(sql).await else {
            return Vec::new();
        };
        let Ok(batches) = frame.collect().await else {
            return Vec::new();
        };
        let options = arrow::util::display::FormatOptions::default();
        let mut texts = Vec::new();
        for batch in batches.iter().filter(|b| column < b.num_columns()) {
            let formatter = arrow::util::display::ArrayFormatter::try_new(
                batch.column(column).as_ref(),
                &options,
            );
            if let Ok(formatter) = formatter {
                texts.extend((0..batch.num_rows()).map(|row| formatter.value(row).to_string()));
            }
        }
        texts
    }
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

impl Completer for ShellHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let before = line.get(..pos).unwrap_or_default();
        let start = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| is_name_char(*c))
            .last()
            .map_or(before.len(), |(at, _)| at);
        let word = before.get(start..).unwrap_or_default().to_lowercase();
        if word.is_empty() && !before.ends_with('.') {
            return Ok((start, Vec::new()));
        }
        let mut names = self.names(line);
        names.extend(KEYWORDS.iter().map(ToString::to_string));
        names.retain(|n| n.to_lowercase().starts_with(&word));
        names.sort();
        names.dedup();
        let pairs = names.into_iter().map(|name| Pair {
            display: name.clone(),
            replacement: name,
        });
        Ok((start, pairs.collect()))
    }
}

impl Validator for ShellHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        Ok(if super::is_whole(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Highlighter for ShellHelper {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        if self.color {
            Cow::Owned(colored(line))
        } else {
            Cow::Borrowed(line)
        }
    }

    fn highlight_char(&self, _line: &str, _pos: usize, _kind: CmdKind) -> bool {
        self.color
    }
}

/// Keywords in bold blue, texts in green.
fn colored(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\'' | '"' | '`' => {
                let inner = rest.get(1..).unwrap_or_default();
                inner.find(c).map_or(rest.len(), |at| at + 2)
            }
            c if is_name_char(c) => rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (piece, behind) = rest.split_at(length);
        let upper = piece.to_ascii_uppercase();
        if c == '\'' {
            out.push_str(&format!("\x1b[32m{piece}\x1b[0m"));
        } else if KEYWORDS.contains(&upper.as_str()) {
            out.push_str(&format!("\x1b[1;34m{piece}\x1b[0m"));
        } else {
            out.push_str(piece);
        }
        rest = behind;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_nothing_but_colours() {
        let line = "select 'a''b', \"x\" from té where `unfinished";
        let shown = colored(line);
        let mut plain = shown.clone();
        for code in ["\x1b[32m", "\x1b[1;34m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, line);
        assert!(shown.contains("\x1b[1;34mselect\x1b[0m"));
    }
}
