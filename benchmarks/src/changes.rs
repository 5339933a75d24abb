//! Statements that change rows, and the page that compares them with a scan of the same table.

use std::fmt::Write as _;

use crate::report::median;

/// Tables that statements change, and what is said to them before.
pub const TABLES: &[(&str, &str, Option<&str>)] = &[
    ("pk_compacted", "primary key, compacted", None),
    (
        "pk",
        "primary key, five runs, `write-only`",
        Some("ALTER TABLE pk SET ('write-only' = 'true')"),
    ),
    ("dv", "primary key, deletion vectors", None),
    ("append", "append", None),
];

/// One statement; `{t}` is the table, `{n}` a hundredth of its rows.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Short name, for `--only`.
    pub name: &'static str,
    /// The statement.
    pub sql: &'static str,
    /// Whether it changes the table.
    pub writes: bool,
}

impl Change {
    /// The statement over a table whose keys are below `keys`.
    pub fn sql_for(&self, table: &str, keys: i64) -> String {
        let hundredth = (keys / 100).to_string();
        self.sql.replace("{t}", table).replace("{n}", &hundredth)
    }
}

/// What the others are compared with.
pub const SCAN: Change = Change {
    name: "scan",
    sql: "SELECT * FROM {t}",
    writes: false,
};

/// The statements, in the order of the page.
pub const CHANGES: &[Change] = &[
    Change {
        name: "point-delete",
        sql: "DELETE FROM {t} WHERE id = 4242",
        writes: true,
    },
    Change {
        name: "point-update",
        sql: "UPDATE {t} SET amount = amount + 1 WHERE id = 4242",
        writes: true,
    },
    Change {
        name: "delete",
        sql: "DELETE FROM {t} WHERE id % 100 = 7",
        writes: true,
    },
    Change {
        name: "update",
        sql: "UPDATE {t} SET amount = amount + 1 WHERE id % 100 = 7",
        writes: true,
    },
    Change {
        name: "merge",
        sql: "MERGE INTO {t} t USING (SELECT value * 100 + 7 AS id, value AS amount FROM range(0, {n})) s \
              ON t.id = s.id WHEN MATCHED THEN UPDATE SET amount = s.amount \
              WHEN NOT MATCHED THEN INSERT (id, amount) VALUES (s.id, s.amount)",
        writes: true,
    },
];

/// What one run of a statement took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// The statement, milliseconds.
    pub time_ms: f64,
    /// CPU time of the process, milliseconds.
    pub cpu_ms: f64,
    /// Peak memory of the process, MB.
    pub peak_mb: f64,
}

/// All runs of a statement over a table.
#[derive(Debug)]
pub struct Measured {
    /// What the table is.
    pub title: &'static str,
    /// The statement.
    pub change: Change,
    /// Its runs.
    pub runs: Vec<Cost>,
}

impl Measured {
    fn median(&self, of: fn(&Cost) -> f64) -> Option<f64> {
        median(self.runs.iter().map(of))
    }
}

/// The section of the page.
pub fn page(all: &[Measured], command: &str, setting: &str) -> String {
    let mut text = format!(
        "## Changes\n\n{INTRODUCTION}\n\nMade by `{command}`; {setting}.\n\n\
         | table | statement | time ÷ scan | ms / CPU ms / peak MB |\n|---|---|---|---|\n"
    );
    for one in all {
        let scan = all
            .iter()
            .find(|m| m.title == one.title && m.change.name == SCAN.name);
        let time = one.median(|c| c.time_ms);
        let ratio = match (time, scan.and_then(|m| m.median(|c| c.time_ms))) {
            (Some(time), Some(scan)) if scan > 0.0 => format!("{:.3}", time / scan),
            _ => "–".to_string(),
        };
        let (Some(time), Some(cpu), Some(peak)) =
            (time, one.median(|c| c.cpu_ms), one.median(|c| c.peak_mb))
        else {
            continue;
        };
        let _ = writeln!(
            text,
            "| {} | `{}` | {ratio} | {time:.1} / {cpu:.0} / {peak:.0} |",
            one.title, one.change.name
        );
    }
    text += "\n";
    for change in std::iter::once(&SCAN).chain(CHANGES) {
        let _ = writeln!(text, "- `{}`: `{}`", change.name, change.sql);
    }
    text
}

const INTRODUCTION: &str = "Statements that change single rows and a hundredth of a table, each on a fresh copy and in a process of its own, beside \
a full scan of the same table: all columns, all rows. `{n}` is a hundredth of the number of keys. The sizes of the rows that \
`merge` brings are not known to the planner.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_name_the_table_and_a_hundredth_of_its_keys() {
        let merge = CHANGES.iter().find(|c| c.name == "merge");
        let sql = merge.map(|m| m.sql_for("pk", 5_000)).unwrap_or_default();
        assert!(sql.starts_with("MERGE INTO pk t") && sql.contains("range(0, 50)"));
    }

    #[test]
    fn the_page_compares_with_the_scan_of_the_same_table() {
        let cost = |time_ms| Cost {
            time_ms,
            cpu_ms: 1.0,
            peak_mb: 2.0,
        };
        let measured = |change, times: &[f64]| Measured {
            title: "append",
            change,
            runs: times.iter().copied().map(cost).collect(),
        };
        let all = [
            measured(SCAN, &[100.0, 300.0, 200.0]),
            measured(CHANGES[0], &[50.0]),
        ];
        let text = page(&all, "command", "1 run");
        assert!(
            text.contains("| append | `point-delete` | 0.250 | 50.0 / 1 / 2 |"),
            "{text}"
        );
    }
}
