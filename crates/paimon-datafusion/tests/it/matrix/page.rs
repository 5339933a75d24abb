//! The page of the matrix.

use std::fmt::Write;

use super::kinds::SECTIONS;
use super::statements::{GROUPS, SETTLE, Statement};
use super::{Outcome, Rows};

const HEAD: &str = "\
# What runs on which table

A test writes this page: it makes a small table of each kind, `t (id INT, v INT, w STRING, p INT) PARTITIONED BY (p)`, runs each
statement on it and compares the rows afterwards. *yes*: they are right. *no*: the statement is refused, the reason stands in the
note, and the rows are as they were. *–*: there is no such table. The [statements](#the-statements) are below. Primary keys are
`id, p`, across partitions `id`. Rows that wait in postponed buckets are compacted before each statement and after it.

The test is `crates/paimon-datafusion/tests/it/matrix`; with `PAIMON_BOOK=write` it writes the page anew.
";

/// The page of outcomes, in the order of sections.
pub(super) fn render(found: &[Rows]) -> String {
    let mut page = HEAD.to_string();
    let mut reasons: Vec<&str> = Vec::new();
    for (section, rows) in SECTIONS.iter().zip(found) {
        write!(page, "\n## {}\n\n", section.title).unwrap();
        let names = section.kinds.iter().map(|kind| kind.name);
        let heads: Vec<&str> = names.clone().collect();
        writeln!(
            page,
            "| | {} |\n|---|{}",
            heads.join(" | "),
            "---|".repeat(heads.len())
        )
        .unwrap();
        let mut rows = rows.iter();
        for (group, statements) in GROUPS {
            writeln!(page, "| **{group}** |{}", " |".repeat(heads.len())).unwrap();
            for (statement, cells) in statements.iter().zip(rows.by_ref()) {
                let cells: Vec<String> = cells.iter().map(|c| cell(c, &mut reasons)).collect();
                writeln!(page, "| `{}` | {} |", statement.name, cells.join(" | ")).unwrap();
            }
        }
        page.push('\n');
        for kind in section.kinds.iter().filter(|kind| !kind.options.is_empty()) {
            writeln!(page, "- {}: `{}`", kind.name, kind.options).unwrap();
        }
    }
    page.push_str("\n## The statements\n\n");
    for (_, statements) in GROUPS {
        for statement in *statements {
            writeln!(page, "- `{}`: {}", statement.name, run(statement)).unwrap();
        }
    }
    page.push('\n');
    for (reason, number) in reasons.iter().zip(1..) {
        writeln!(page, "[^{number}]: {}\n", reason.replace('\n', " ")).unwrap();
    }
    while page.ends_with("\n\n") {
        page.pop();
    }
    page
}

fn cell<'a>(outcome: &'a Outcome, reasons: &mut Vec<&'a str>) -> String {
    match outcome {
        Outcome::Works => "yes".to_string(),
        Outcome::NoTable => "–".to_string(),
        Outcome::Refused(reason) => {
            let known = reasons.iter().position(|r| r == reason);
            let at = known.unwrap_or_else(|| {
                reasons.push(reason);
                reasons.len() - 1
            });
            format!("no[^{}]", at + 1)
        }
    }
}

/// What is run.
fn run(statement: &Statement) -> String {
    let own = match statement.run {
        "" => statement.ask,
        run => run,
    };
    let before = statement.prepare.iter().filter(|sql| **sql != SETTLE);
    let before: Vec<String> = before.map(|sql| format!("`{sql}`")).collect();
    match before.is_empty() {
        true => format!("`{own}`"),
        false => format!("`{own}` after {}", before.join(", ")),
    }
}
