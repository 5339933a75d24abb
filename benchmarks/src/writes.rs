//! The workloads of the write comparison and the page of their figures.

use std::fmt::{self, Write as _};

use crate::report::median;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// This engine, as it is used: files and folders are synced.
    Ours,
    /// This engine without syncing, as the peer does.
    Unsynced,
    /// The crates.io Paimon crates.
    Peer,
}

/// The rows that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Keys in no order, some of them often.
    Upserts,
    /// The same with most values null.
    Sparse,
    /// Keys one after the other.
    Ascending,
}

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All in one commit.
    Load,
    /// The first ones again and again.
    Commits {
        /// Rows of a commit.
        rows: &'static str,
    },
    /// In several commits, which compact as they would in use.
    Split {
        /// Commits.
        commits: &'static str,
    },
    /// A full compaction after several commits.
    Compact {
        /// Commits.
        commits: &'static str,
    },
}

/// One workload.
#[derive(Debug, Clone, Copy)]
pub struct WriteWorkload {
    /// Short name, for `--only`.
    pub name: &'static str,
    /// What the reader of the report sees.
    pub title: &'static str,
    /// The rows.
    pub input: Input,
    /// What is done with them.
    pub kind: Kind,
    /// Whether the table has a key.
    pub keyed: bool,
    /// Options of the table.
    pub options: &'static [(&'static str, &'static str)],
}

impl WriteWorkload {
    /// Who takes part. Syncing matters where commits are small.
    pub fn engines(&self) -> Vec<Engine> {
        match self.kind {
            Kind::Load => vec![Engine::Ours, Engine::Peer],
            Kind::Commits { .. } => vec![Engine::Ours, Engine::Unsynced, Engine::Peer],
            Kind::Split { .. } | Kind::Compact { .. } => vec![Engine::Ours],
        }
    }
}

/// Every workload, in the order of the page.
pub fn workloads() -> Vec<WriteWorkload> {
    let upsert = WriteWorkload {
        name: "upsert-4",
        title: "upserts, 4 buckets",
        input: Input::Upserts,
        kind: Kind::Load,
        keyed: true,
        options: &[("bucket", "4")],
    };
    let append = WriteWorkload {
        name: "append",
        title: "append",
        input: Input::Ascending,
        keyed: false,
        options: &[("bucket", "-1")],
        ..upsert
    };
    let updates = WriteWorkload {
        name: "updates",
        title: "upserts in 5 commits, compacted inline, 4 buckets",
        kind: Kind::Split { commits: "5" },
        ..upsert
    };
    vec![
        upsert,
        WriteWorkload {
            name: "upsert-16",
            title: "upserts, 16 buckets",
            options: &[("bucket", "16")],
            ..upsert
        },
        WriteWorkload {
            name: "upsert-flush",
            title: "upserts, 4 buckets, `write-buffer-spillable` = false",
            options: &[("bucket", "4"), ("write-buffer-spillable", "false")],
            ..upsert
        },
        WriteWorkload {
            name: "ascending",
            title: "new keys in order, 4 buckets",
            input: Input::Ascending,
            ..upsert
        },
        WriteWorkload {
            name: "aggregation",
            title: "aggregation engine, 4 buckets",
            options: AGGREGATION,
            ..upsert
        },
        WriteWorkload {
            name: "partial",
            title: "partial-update engine, 60 % nulls, 4 buckets",
            input: Input::Sparse,
            options: &[("bucket", "4"), ("merge-engine", "partial-update")],
            ..upsert
        },
        append,
        WriteWorkload {
            name: "commits-pk",
            title: "100 rows a commit, upserts, 1 bucket",
            kind: Kind::Commits { rows: "100" },
            options: &[("bucket", "1")],
            ..upsert
        },
        WriteWorkload {
            name: "commits-append",
            title: "100 rows a commit, append",
            kind: Kind::Commits { rows: "100" },
            ..append
        },
        updates,
        WriteWorkload {
            name: "updates-lookup",
            title: "the same with the changelog producer `lookup`",
            options: &[("bucket", "4"), ("changelog-producer", "lookup")],
            ..updates
        },
        WriteWorkload {
            name: "updates-vectors",
            title: "the same with deletion vectors",
            options: &[("bucket", "4"), ("deletion-vectors.enabled", "true")],
            ..updates
        },
        WriteWorkload {
            name: "compact",
            title: "full compaction of 5 commits, 4 buckets",
            kind: Kind::Compact { commits: "5" },
            ..upsert
        },
    ]
}

const AGGREGATION: &[(&str, &str)] = &[
    ("bucket", "4"),
    ("merge-engine", "aggregation"),
    ("fields.qty.aggregate-function", "sum"),
    ("fields.status.aggregate-function", "max"),
    ("fields.amount.aggregate-function", "sum"),
    ("fields.price.aggregate-function", "max"),
    ("fields.total.aggregate-function", "sum"),
    ("fields.day.aggregate-function", "min"),
    ("fields.updated.aggregate-function", "max"),
    ("fields.city.aggregate-function", "last_non_null_value"),
    ("fields.tag.aggregate-function", "last_non_null_value"),
    ("fields.note.aggregate-function", "last_non_null_value"),
    ("fields.flag.aggregate-function", "bool_or"),
];

/// One process.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Each commit, milliseconds.
    pub times_ms: Vec<f64>,
    /// CPU time, milliseconds.
    pub cpu_ms: f64,
    /// Peak resident memory, KiB.
    pub peak_rss_kb: u64,
    /// Data files in the table.
    pub files: usize,
    /// Planning the table afterwards, milliseconds.
    pub plan_ms: Option<f64>,
    /// What the table holds, in short; empty when it was not looked at.
    pub content: String,
}

impl Run {
    fn total_ms(&self) -> f64 {
        self.times_ms.iter().sum()
    }

    fn peak_mb(&self) -> f64 {
        f64::from(u32::try_from(self.peak_rss_kb).unwrap_or(u32::MAX)) / 1024.0
    }

    /// Median of the first ten commits, or of the last ten.
    fn edge_ms(&self, last: bool) -> f64 {
        let count = self.times_ms.len();
        let skipped = if last { count.saturating_sub(10) } else { 0 };
        let edge = self.times_ms.iter().copied().skip(skipped).take(10);
        median(edge).unwrap_or_default()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} ms, CPU {:.0} ms, {:.0} MB, {} files",
            self.total_ms(),
            self.cpu_ms,
            self.peak_mb(),
            self.files
        )?;
        if self.times_ms.len() > 1 {
            let (first, last) = (self.edge_ms(false), self.edge_ms(true));
            write!(f, ", first {first:.1} ms, last {last:.1} ms")?;
        }
        match self.plan_ms {
            Some(plan) => write!(f, ", plan {plan:.1} ms"),
            None => Ok(()),
        }
    }
}

/// All runs of a workload.
pub struct Runs {
    /// The workload.
    pub workload: WriteWorkload,
    done: Vec<(Engine, Run)>,
    failed: Vec<(Engine, String)>,
}

impl Runs {
    /// None yet.
    pub fn new(workload: WriteWorkload) -> Self {
        Self {
            workload,
            done: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Adds one.
    pub fn add(&mut self, engine: Engine, run: Run) {
        self.done.push((engine, run));
    }

    /// An engine that cannot.
    pub fn fail(&mut self, engine: Engine, reason: String) {
        self.failed.push((engine, reason));
    }

    /// Why an engine cannot.
    pub fn failure(&self, engine: Engine) -> Option<&str> {
        let found = self.failed.iter().find(|(e, _)| *e == engine);
        found.map(|(_, reason)| reason.as_str())
    }

    fn of(&self, engine: Engine) -> impl Iterator<Item = &Run> {
        self.done
            .iter()
            .filter(move |(e, _)| *e == engine)
            .map(|(_, run)| run)
    }

    fn median(&self, engine: Engine, figure: fn(&Run) -> f64) -> Option<f64> {
        median(self.of(engine).map(figure))
    }

    /// Whether the tables of the first runs hold the same.
    fn agree(&self) -> bool {
        let mut contents = self
            .done
            .iter()
            .map(|(_, run)| &run.content)
            .filter(|c| !c.is_empty());
        let first = contents.next();
        contents.all(|c| Some(c) == first)
    }
}

/// The section of the book.
pub fn page(all: &[Runs], command: &str, setting: &str) -> String {
    let mut text = format!(
        "## Writes\n\n{INTRODUCTION}\n\nMade by `{command}`; {setting}.\n\n\
         | workload | peer ÷ ours, time | ours: s / CPU s / peak MB / files | peer: s / CPU s / peak MB / files |\n\
         |---|---|---|---|\n"
    );
    let is_load = |r: &&Runs| !matches!(r.workload.kind, Kind::Commits { .. });
    for runs in all.iter().filter(is_load) {
        let ratio = ratio(
            runs.median(Engine::Peer, Run::total_ms),
            runs.median(Engine::Ours, Run::total_ms),
        );
        let _ = writeln!(
            text,
            "| `{}` {} | {ratio} | {} | {} |",
            runs.workload.name,
            runs.workload.title,
            load_figures(runs, Engine::Ours),
            load_figures(runs, Engine::Peer),
        );
    }
    text += "\n| small commits | engine | first ms | last ms | all s | CPU s | peak MB | plan after ms |\n\
             |---|---|---|---|---|---|---|---|\n";
    for runs in all.iter().filter(|r| !is_load(r)) {
        for engine in runs.workload.engines() {
            text += &commit_row(runs, engine);
        }
    }
    for runs in all {
        if !runs.agree() {
            let _ = writeln!(text, "\n- `{}`: the tables differ.", runs.workload.name);
        }
        for (engine, reason) in &runs.failed {
            let _ = writeln!(text, "\n- `{}`, {engine:?}: {reason}", runs.workload.name);
        }
    }
    text
}

const INTRODUCTION: &str = "Whole processes that read a Parquet file in batches of 8192 rows (decoding it is part of the time) and write it \
to a new table, run in turn, medians. Tables are `write-only`, as the peer does not compact, but those of `updates`. The tables of the first runs are \
read back and compared. *First* and *last* are medians of ten commits. This engine syncs files and folders; *unsynced* \
is it without, as the peer works.";

fn ratio(a: Option<f64>, b: Option<f64>) -> String {
    match (a, b) {
        (Some(a), Some(b)) if b > 0.0 => format!("{:.2}", a / b),
        _ => "–".to_string(),
    }
}

fn load_figures(runs: &Runs, engine: Engine) -> String {
    let (Some(total), Some(cpu), Some(peak), Some(files)) = (
        runs.median(engine, Run::total_ms),
        runs.median(engine, |r| r.cpu_ms),
        runs.median(engine, Run::peak_mb),
        runs.of(engine).next().map(|r| r.files),
    ) else {
        return "–".to_string();
    };
    format!(
        "{:.1} / {:.1} / {peak:.0} / {files}",
        total / 1e3,
        cpu / 1e3
    )
}

fn commit_row(runs: &Runs, engine: Engine) -> String {
    let name = match engine {
        Engine::Ours => "ours",
        Engine::Unsynced => "ours, unsynced",
        Engine::Peer => "peer",
    };
    let figure = |of: fn(&Run) -> f64, scale: f64| match runs.median(engine, of) {
        Some(value) => format!("{:.1}", value / scale),
        None => "–".to_string(),
    };
    format!(
        "| `{}` {} | {name} | {} | {} | {} | {} | {} | {} |\n",
        runs.workload.name,
        runs.workload.title,
        figure(|r| r.edge_ms(false), 1.0),
        figure(|r| r.edge_ms(true), 1.0),
        figure(Run::total_ms, 1e3),
        figure(|r| r.cpu_ms, 1e3),
        figure(Run::peak_mb, 1.0),
        figure(|r| r.plan_ms.unwrap_or_default(), 1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_row_for_every_workload() {
        let runs = |workload| {
            let mut runs = Runs::new(workload);
            for (engine, time) in [(Engine::Ours, 1_000.0), (Engine::Peer, 3_000.0)] {
                runs.add(
                    engine,
                    Run {
                        times_ms: vec![time],
                        ..Default::default()
                    },
                );
            }
            runs
        };
        let all: Vec<Runs> = workloads().into_iter().map(runs).collect();
        let text = page(&all, "command", "setting");
        for workload in workloads() {
            assert!(text.contains(&format!("`{}`", workload.name)));
        }
        assert!(text.contains("| 3.00 | 1.0 / 0.0 / 0 / 0 | 3.0 /"));
    }
}
