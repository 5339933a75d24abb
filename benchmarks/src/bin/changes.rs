//! Times UPDATE, DELETE and MERGE beside a full scan of the same table.
//!
//! ```text
//! cargo run --release -p paimon-benchmarks --bin changes -- [--large] [--only NAME] [--runs N] [--page]
//! ```
//! Tables are those of `compare`; statements run on copies. `--page` puts the figures into `docs/src/benchmarks.md`.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use paimon_benchmarks::Result;
use paimon_benchmarks::changes::{CHANGES, Change, Cost, Measured, SCAN, TABLES, page};
use paimon_benchmarks::generate::{Scale, ensure_tables};
use paimon_benchmarks::measure::{RunnerReport, run_process};
use paimon_benchmarks::report::replace_section;

/// Keys of the large tables.
const KEYS: i64 = 10_000_000;

#[derive(Parser)]
#[command(about = "Times UPDATE, DELETE and MERGE beside a full scan of the same table.")]
struct Args {
    /// 10 M keys, 18.9 M physical rows; otherwise 1/20 of it.
    #[arg(long)]
    large: bool,
    /// Only tables and statements of this name; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// Runs of each statement.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Folder of the generated tables.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Put the figures into the book.
    #[arg(long)]
    page: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let scale = match args.large {
        true => Scale::Large,
        false => Scale::Small,
    };
    let beside = std::env::current_exe()?;
    let beside = beside.parent().ok_or("no folder of programs")?;
    let data = args.data.clone().unwrap_or_else(|| {
        let target = beside.parent().unwrap_or(beside);
        target.join("bench-data")
    });
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|o| o == name);
    let bench = Bench {
        ours: beside.join("ours"),
        tables: data.join(scale.name()).join("default.db"),
        warehouse: data.join("changes"),
        keys: scale.rows(KEYS),
    };
    let names: Vec<&str> = TABLES.iter().map(|(name, ..)| *name).collect();
    ensure_tables(&data.join(scale.name()), scale, &names)?;
    let mut all = Vec::new();
    for (table, title, before) in TABLES {
        for change in std::iter::once(&SCAN).chain(CHANGES) {
            if !(wanted(table) || wanted(change.name)) {
                continue;
            }
            let mut runs = Vec::new();
            for _ in 0..args.runs {
                let cost = bench.run(table, *before, change)?;
                eprintln!("{table} {}: {cost:?}", change.name);
                runs.push(cost);
            }
            all.push(Measured {
                title,
                change: *change,
                runs,
            });
        }
    }
    let command = format!(
        "cargo run --release -p paimon-benchmarks --bin changes --{}",
        if args.large { " --large" } else { "" }
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = page(
        &all,
        &command,
        &format!("{} runs each, {cores} cores", args.runs),
    );
    println!("{text}");
    if args.page {
        let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/benchmarks.md");
        let old = std::fs::read_to_string(&book)?;
        std::fs::write(book, replace_section(&old, "Changes", &text))?;
    }
    Ok(())
}

struct Bench {
    ours: PathBuf,
    tables: PathBuf,
    /// Where copies lie while they are changed.
    warehouse: PathBuf,
    keys: i64,
}

impl Bench {
    /// Runs a statement over a fresh copy of a table.
    fn run(&self, table: &str, before: Option<&str>, change: &Change) -> Result<Cost> {
        if self.warehouse.exists() {
            std::fs::remove_dir_all(&self.warehouse)?;
        }
        copy(
            &self.tables.join(table),
            &self.warehouse.join("default.db").join(table),
        )?;
        if let Some(before) = before {
            self.report(before)?;
        }
        let report = self.report(&change.sql_for(table, self.keys))?;
        std::fs::remove_dir_all(&self.warehouse)?;
        if change.writes && report.result.contains("| 0 ") {
            return Err(format!("{} changed no row of {table}", change.name).into());
        }
        let peak = f64::from(u32::try_from(report.peak_rss_kb).unwrap_or(u32::MAX));
        Ok(Cost {
            time_ms: report.query_ms.iter().sum(),
            cpu_ms: report.cpu_ms,
            peak_mb: peak / 1024.0,
        })
    }

    fn report(&self, sql: &str) -> Result<RunnerReport> {
        let cost = run_process(Command::new(&self.ours).arg(&self.warehouse).arg(sql))?;
        let last = cost.stdout.lines().last();
        Ok(serde_json::from_str(
            last.ok_or("the program printed nothing")?,
        )?)
    }
}

/// Copies a folder: what one copy changes is not seen in another.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &place)?,
            false => std::fs::copy(entry.path(), place).map(|_| ())?,
        }
    }
    Ok(())
}
