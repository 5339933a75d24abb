//! Compares this engine with the crates.io Paimon crates and with plain DataFusion.
//!
//! ```text
//! cargo run --release -p paimon-benchmarks --bin compare -- [--small|--large] [--only NAME] [--runs N]
//! ```
//! Builds the programs it runs, generates the tables that are missing, runs every workload as whole processes in turn
//! and writes the page of medians and ratios.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use paimon_benchmarks::Result;
use paimon_benchmarks::generate::{Scale, ensure_tables};
use paimon_benchmarks::measure::{RunnerReport, run_process};
use paimon_benchmarks::report::{
    Engine, Measured, Sample, Samples, markdown, replace_section, section,
};
use paimon_benchmarks::workload::{Metric, Workload, workloads};

#[derive(Parser)]
#[command(
    about = "Compares this engine with the crates.io Paimon crates and with plain DataFusion."
)]
struct Args {
    /// 1/2000 of the large tables, to try the command.
    #[arg(long, group = "scale")]
    tiny: bool,
    /// 1/20 of the large tables (default).
    #[arg(long, group = "scale")]
    small: bool,
    /// 10 M keys, 18.9 M physical rows a table.
    #[arg(long, group = "scale")]
    large: bool,
    /// Only workloads whose name or table contains this; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// Runs of each engine.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Folder of the generated tables.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where the page goes; with --only the default is standard output alone.
    #[arg(long)]
    output: Option<PathBuf>,
    /// Generate the tables and stop.
    #[arg(long)]
    generate_only: bool,
    /// Leave the peer out.
    #[arg(long)]
    no_peer: bool,
    /// The programs are built already.
    #[arg(long)]
    no_build: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let scale = if args.large {
        Scale::Large
    } else if args.tiny {
        Scale::Tiny
    } else {
        Scale::Small
    };
    let named = |w: &Workload| {
        args.only.is_empty() || args.only.iter().any(|o| w.name.contains(o) || w.table == o)
    };
    let chosen: Vec<Workload> = workloads().into_iter().filter(named).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let beside = std::env::current_exe()?
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default();
    let target = beside.parent().map(Path::to_path_buf).unwrap_or_default();
    let data = args
        .data
        .clone()
        .unwrap_or_else(|| target.join("bench-data"))
        .join(scale.name());
    let tables: BTreeSet<&str> = chosen.iter().map(|w| w.table).collect();
    ensure_tables(&data, scale, &tables.into_iter().collect::<Vec<_>>())?;
    if args.generate_only {
        return Ok(());
    }
    let programs = Programs::new(&root, &beside, &data, args.no_peer);
    if !args.no_build {
        programs.build(&root)?;
    }
    let mut measured = Vec::new();
    for workload in chosen {
        eprintln!("{}: {}", workload.name, workload.title);
        measured.push(programs.measure(workload, args.runs));
    }
    let command = format!(
        "cargo run --release -p paimon-benchmarks --bin compare -- --{}{}",
        scale.name(),
        args.only
            .iter()
            .map(|o| format!(" --only {o}"))
            .collect::<String>()
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let page = markdown(
        &measured,
        &command,
        &format!("{} runs each, {cores} cores", args.runs),
    );
    println!("{page}");
    let output = args.output.or_else(|| {
        args.only
            .is_empty()
            .then(|| root.join("docs/src/benchmarks.md"))
    });
    if let Some(path) = output {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        // what `writes` and `changes` have put there stays
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let page =
            ["Writes", "Changes"]
                .iter()
                .fold(page, |page, title| match section(&old, title) {
                    Some(text) => replace_section(&page, title, text),
                    None => page,
                });
        std::fs::write(path, page)?;
    }
    Ok(())
}

/// The programs that run a statement.
struct Programs {
    warehouse: String,
    ours: PathBuf,
    bound: PathBuf,
    peer: Option<PathBuf>,
    peer_target: PathBuf,
}

impl Programs {
    fn new(root: &Path, beside: &Path, warehouse: &Path, no_peer: bool) -> Self {
        let peer_target = beside.with_file_name("peers");
        let lock = root.join("benchmarks/peers/Cargo.lock");
        Self {
            warehouse: warehouse.display().to_string(),
            ours: beside.join("ours"),
            bound: beside.join("bound"),
            peer: (!no_peer && lock.exists()).then(|| peer_target.join("release/paimon-peer")),
            peer_target,
        }
    }

    fn build(&self, root: &Path) -> Result<()> {
        let cargo = || Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string()));
        let mut own = cargo();
        own.current_dir(root)
            .args(["build", "-p", "paimon-benchmarks", "--bins"]);
        if cfg!(debug_assertions) {
            eprintln!("this is a debug build: the figures mean nothing");
        } else {
            own.arg("--release");
        }
        let mut builds = vec![own];
        if self.peer.is_some() {
            let mut peer = cargo();
            peer.current_dir(root.join("benchmarks/peers")).args([
                "build",
                "--release",
                "--locked",
                "--target-dir",
            ]);
            peer.arg(&self.peer_target);
            builds.push(peer);
        }
        for mut build in builds {
            if !build.status()?.success() {
                return Err(format!("{build:?} failed").into());
            }
        }
        Ok(())
    }

    /// Runs the engines in turn. An engine that fails once is not tried again.
    fn measure(&self, workload: Workload, runs: usize) -> Measured {
        let mut measured = Measured {
            workload,
            ours: Ok(Vec::new()),
            peer: if self.peer.is_some() {
                Ok(Vec::new())
            } else {
                Err(String::new())
            },
            bound: if workload.bound {
                Ok(Vec::new())
            } else {
                Err(String::new())
            },
        };
        for _ in 0..runs {
            self.sample(Engine::Ours, &workload, &mut measured.ours);
            self.sample(Engine::Peer, &workload, &mut measured.peer);
            self.sample(Engine::Bound, &workload, &mut measured.bound);
        }
        for engine in measured.disagreements() {
            eprintln!("  the result of {engine} differs");
        }
        measured
    }

    fn sample(&self, engine: Engine, workload: &Workload, samples: &mut Samples) {
        let Ok(done) = samples else { return };
        match self.run(engine, workload) {
            Ok(sample) => {
                eprintln!(
                    "  {engine:?}: {:.1} ms, CPU {:.0} ms, {} MB",
                    sample.time_ms,
                    sample.cpu_ms,
                    sample.peak_rss_kb / 1024
                );
                done.push(sample);
            }
            Err(error) => {
                eprintln!("  {engine:?}: {error}");
                *samples = Err(error.to_string());
            }
        }
    }

    fn run(&self, engine: Engine, workload: &Workload) -> Result<Sample> {
        let repeats = if workload.metric == Metric::SecondQuery {
            "2"
        } else {
            "1"
        };
        let mut command = match engine {
            Engine::Ours => Command::new(&self.ours),
            Engine::Bound => Command::new(&self.bound),
            Engine::Peer => Command::new(self.peer.as_deref().unwrap_or(Path::new("paimon-peer"))),
        };
        command.arg(&self.warehouse);
        if engine == Engine::Bound {
            command.arg(workload.table);
        }
        let cost = run_process(command.args([workload.sql, repeats]))?;
        let last = cost
            .stdout
            .lines()
            .last()
            .ok_or("the runner printed nothing")?;
        let report: RunnerReport = serde_json::from_str(last)?;
        let time_ms = match workload.metric {
            Metric::Process => cost.wall_ms,
            Metric::Query | Metric::SecondQuery => {
                *report.query_ms.last().ok_or("the runner ran nothing")?
            }
        };
        Ok(Sample {
            time_ms,
            cpu_ms: report.cpu_ms.max(cost.cpu_ms),
            peak_rss_kb: report.peak_rss_kb.max(cost.peak_rss_kb),
            rows: report.rows,
            result: report.result,
        })
    }
}
