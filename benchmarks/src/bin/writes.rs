//! Compares what this engine and the crates.io Paimon crates need to write.
//!
//! ```text
//! cargo run --release -p paimon-benchmarks --bin writes -- [--rows N] [--only NAME] [--runs N] [--page]
//! ```
//! Every run is a process of its own that writes to a new table with `write-only`, as the peer does not compact. The
//! tables of the first run are read back and compared. `--page` puts the figures into `docs/src/benchmarks.md`.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use paimon_benchmarks::Result;
use paimon_benchmarks::generate::TableFolder;
use paimon_benchmarks::generate::input::{Keys, ensure_input, fields};
use paimon_benchmarks::measure::{RunnerReport, run_process};
use paimon_benchmarks::report::replace_section;
use paimon_benchmarks::writes::{Engine, Input, Kind, Run, Runs, WriteWorkload, page, workloads};

/// Everything of a table in one row.
const CHECK: &str = "SELECT count(*), sum(id), sum(qty), sum(status), sum(amount), max(price), sum(total), max(day), \
     max(updated), max(city), max(tag), max(note), count(flag) FROM";

#[derive(Parser)]
#[command(about = "Compares what this engine and the crates.io Paimon crates need to write.")]
struct Args {
    /// Rows of a load.
    #[arg(long, default_value_t = 10_000_000)]
    rows: i64,
    /// Commits of the workloads that commit often.
    #[arg(long, default_value_t = 1_100)]
    commits: usize,
    /// Only workloads whose name contains this; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// Runs of each engine.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Folder of inputs and tables.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Put the figures into the book.
    #[arg(long)]
    page: bool,
    /// Leave the peer out.
    #[arg(long)]
    no_peer: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let beside = std::env::current_exe()?;
    let beside = beside.parent().ok_or("no folder of programs")?;
    let data = args.data.clone().unwrap_or_else(|| {
        let target = beside.parent().unwrap_or(beside);
        target.join("bench-data/writes")
    });
    let peer = beside.with_file_name("peers").join("release/paimon-peer");
    if !args.no_peer && !peer.exists() {
        return Err(format!("{} is missing: `compare` builds it", peer.display()).into());
    }
    let bench = Bench {
        args: &args,
        load: beside.join("load"),
        ours: beside.join("ours"),
        peer,
        data,
    };
    let named =
        |w: &WriteWorkload| args.only.is_empty() || args.only.iter().any(|o| w.name.contains(o));
    let mut measured = Vec::new();
    for workload in workloads().into_iter().filter(named) {
        eprintln!("{}: {}", workload.name, workload.title);
        measured.push(bench.measure(workload)?);
    }
    let mut command = "cargo run --release -p paimon-benchmarks --bin writes --".to_string();
    for only in &args.only {
        command += &format!(" --only {only}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let setting = format!("{} rows, {} runs each, {cores} cores", args.rows, args.runs);
    let text = page(&measured, &command, &setting);
    println!("{text}");
    if args.page {
        let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/benchmarks.md");
        let old = std::fs::read_to_string(&book).unwrap_or_default();
        std::fs::write(book, replace_section(&old, "Writes", &text))?;
    }
    Ok(())
}

struct Bench<'a> {
    args: &'a Args,
    load: PathBuf,
    ours: PathBuf,
    peer: PathBuf,
    data: PathBuf,
}

impl Bench<'_> {
    fn measure(&self, workload: WriteWorkload) -> Result<Runs> {
        let mut runs = Runs::new(workload);
        for round in 0..self.args.runs {
            for engine in workload.engines() {
                if engine == Engine::Peer && self.args.no_peer {
                    continue;
                }
                if runs.failure(engine).is_some() {
                    continue;
                }
                match self.run(engine, &workload, round == 0) {
                    Ok(run) => {
                        eprintln!("  {engine:?}: {run}");
                        runs.add(engine, run);
                    }
                    Err(error) => {
                        eprintln!("  {engine:?}: {error}");
                        runs.fail(engine, error.to_string());
                    }
                }
            }
        }
        Ok(runs)
    }

    fn run(&self, engine: Engine, workload: &WriteWorkload, checked: bool) -> Result<Run> {
        let input = self.input(workload.input)?;
        let warehouse = self.data.join("tables");
        if warehouse.exists() {
            std::fs::remove_dir_all(&warehouse)?;
        }
        let table = warehouse.join("default.db/t");
        let keys: &[&str] = if workload.keyed { &["id"] } else { &[] };
        let mut options = workload.options.to_vec();
        if !matches!(workload.kind, Kind::Split { .. }) {
            options.push(("write-only", "true"));
        }
        TableFolder::create(&table, &fields(), &[], keys, &options)?;
        let place = warehouse.display().to_string();
        let commits = self.args.commits.to_string();
        let words: Vec<&str> = match workload.kind {
            Kind::Load => vec!["load", &place, "t", &input],
            Kind::Commits { rows } => vec!["load", &place, "t", &input, rows, &commits],
            Kind::Split { commits } => vec!["split", &place, "t", &input, commits],
            Kind::Compact { commits } => {
                self.process(
                    Command::new(&self.load).args(["split", &place, "t", &input, commits]),
                )?;
                vec!["compact", &place, "t"]
            }
        };
        let mut command = match engine {
            Engine::Peer => Command::new(&self.peer),
            Engine::Ours | Engine::Unsynced => Command::new(&self.load),
        };
        if engine == Engine::Unsynced {
            command.arg("--no-sync");
        }
        let mut run = self.process(command.args(words))?;
        run.files = data_files(&table)?;
        if matches!(workload.kind, Kind::Commits { .. }) {
            run.plan_ms = Some(self.plan(engine, &place)?);
        }
        if checked {
            let check = format!("{CHECK} t");
            let report = self
                .report(Command::new(&self.ours).args([&place, &check]))?
                .1;
            run.content = report.result;
        }
        std::fs::remove_dir_all(&warehouse)?;
        Ok(run)
    }

    /// Planning of the table, milliseconds.
    fn plan(&self, engine: Engine, warehouse: &str) -> Result<f64> {
        let program = match engine {
            Engine::Peer => &self.peer,
            Engine::Ours | Engine::Unsynced => &self.ours,
        };
        let mut command = Command::new(program);
        let table = if engine == Engine::Peer {
            "paimon.default.t"
        } else {
            "t"
        };
        let sql = format!("EXPLAIN SELECT id FROM {table}");
        let report = self.report(command.args([warehouse, &sql]))?.1;
        Ok(*report.query_ms.last().ok_or("nothing was planned")?)
    }

    fn process(&self, command: &mut Command) -> Result<Run> {
        let (cost, report) = self.report(command)?;
        Ok(Run {
            times_ms: report.query_ms,
            cpu_ms: report.cpu_ms.max(cost.0),
            peak_rss_kb: report.peak_rss_kb.max(cost.1),
            ..Default::default()
        })
    }

    fn report(&self, command: &mut Command) -> Result<((f64, u64), RunnerReport)> {
        let cost = run_process(command)?;
        let last = cost.stdout.lines().last();
        let report = serde_json::from_str(last.ok_or("the program printed nothing")?)?;
        Ok(((cost.cpu_ms, cost.peak_rss_kb), report))
    }

    fn input(&self, input: Input) -> Result<String> {
        let (name, keys, nulls) = match input {
            Input::Upserts => ("upserts", Keys::Random, 1),
            Input::Sparse => ("sparse", Keys::Random, 60),
            Input::Ascending => ("ascending", Keys::Ascending, 1),
        };
        let path = self.data.join(format!("{name}-{}.parquet", self.args.rows));
        ensure_input(&path, self.args.rows, keys, nulls)?;
        Ok(path.display().to_string())
    }
}

/// Number of data files below a table's folder.
fn data_files(table: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(table)? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        if name.is_some_and(|n| n.starts_with("bucket-")) {
            count += std::fs::read_dir(path)?.count();
        }
    }
    Ok(count)
}
