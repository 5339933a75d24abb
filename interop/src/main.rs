//! Interop tests: tables written here are read, changed, compacted and expired by a released Java Paimon, and read and
//! changed again here. `run.sh` beside this crate starts it.

mod case;
mod checks;
mod data;
mod java;
mod matrix;
mod numbers;
mod ours;
mod play;
mod program;
mod random;
mod rows;
mod summary;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::{Case, Outcome};
use crate::java::Java;
use crate::summary::Summary;

const USAGE: &str = "usage: paimon-interop --class-path JARS --program PAIMON [--release NAME] [--jobs N] [--keep FOLDER] [--share K/N] [--random A[..B]] [NAME..]
  NAME     only cases whose name holds one of these texts
  --keep   leave the tables in this folder
  --share  only the K-th of every N cases
  --random histories of the seeds A to B in place of the cases";

/// The command line.
struct Args {
    class_path: String,
    program: PathBuf,
    release: String,
    jobs: usize,
    keep: Option<PathBuf>,
    share: Share,
    seeds: Option<RangeInclusive<u64>>,
    names: Vec<String>,
}

/// Which cases of all are played: the one at `first` and every `step`-th after it.
#[derive(Clone, Copy)]
struct Share {
    first: usize,
    step: usize,
}

impl Share {
    const ALL: Self = Self { first: 0, step: 1 };

    /// From `K/N`, with `1 <= K <= N`.
    fn parse(text: &str) -> Option<Self> {
        let (k, n) = text.split_once('/')?;
        let (k, step): (usize, usize) = (k.parse().ok()?, n.parse().ok()?);
        let first = k.checked_sub(1)?;
        (first < step).then_some(Self { first, step })
    }
}

/// Seeds from `A` or `A..B`, both ends among them.
fn seeds(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let seeds = first.parse().ok()?..=last.parse().ok()?;
    (!seeds.is_empty()).then_some(seeds)
}

impl Args {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut args = Self {
            class_path: String::new(),
            program: PathBuf::new(),
            release: String::new(),
            jobs: std::thread::available_parallelism().map_or(2, usize::from),
            keep: None,
            share: Share::ALL,
            seeds: None,
            names: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--class-path" => args.class_path = words.next()?,
                "--program" => args.program = words.next()?.into(),
                "--release" => args.release = words.next()?,
                "--jobs" => args.jobs = words.next()?.parse().ok().filter(|n| *n > 0)?,
                "--keep" => args.keep = Some(words.next()?.into()),
                "--share" => args.share = Share::parse(&words.next()?)?,
                "--random" => args.seeds = Some(seeds(&words.next()?)?),
                _ if word.starts_with('-') => return None,
                _ => args.names.push(word),
            }
        }
        (!args.class_path.is_empty() && !args.program.as_os_str().is_empty()).then_some(args)
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| name.contains(n.as_str()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(args) = Args::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Plays all cases; whether none failed.
async fn run(args: Args) -> Result<bool, String> {
    let temp = tempfile::tempdir().map_err(|e| e.to_string())?;
    let root = args.keep.clone().unwrap_or(temp.path().join("tables"));
    if let Some(seeds) = args.seeds.clone() {
        let java = Arc::new(Java::start(&args.class_path, args.jobs)?);
        return random::run(seeds, java, &args.release, &root, args.jobs).await;
    }
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/golden");
    let catalogue = catalogue
        .canonicalize()
        .map_err(|e| format!("testdata/golden: {e}"))?;
    let mut cases = matrix::single_tables().map_err(|e| e.to_string())?;
    cases.extend(
        matrix::type_tables(&catalogue)
            .await
            .map_err(|e| e.to_string())?,
    );
    cases.extend(matrix::primary_key_tables().map_err(|e| e.to_string())?);
    cases.retain(|c| args.wants(&c.name));
    let cases = cases
        .into_iter()
        .skip(args.share.first)
        .step_by(args.share.step);
    let java = Arc::new(Java::start(&args.class_path, args.jobs)?);
    let mut summary = Summary::new(&args.release);
    if args.wants(program::NAME) {
        let outcome = program::play(&args.program, &java, &root.join(program::NAME)).await;
        summary.add(program::NAME, outcome);
    }
    let mut tasks = JoinSet::new();
    let turns = Arc::new(Semaphore::new(args.jobs));
    for case in cases {
        tasks.spawn(one(
            case,
            Arc::clone(&java),
            root.clone(),
            Arc::clone(&turns),
        ));
    }
    while let Some(done) = tasks.join_next().await {
        let (name, outcome) = done.map_err(|e| format!("a case panicked: {e}"))?;
        summary.add(&name, outcome);
    }
    summary.print();
    if summary.is_empty() {
        return Err("no case has such a name".to_string());
    }
    Ok(!summary.failed())
}

async fn one(
    case: Case,
    java: Arc<Java>,
    root: PathBuf,
    turns: Arc<Semaphore>,
) -> (String, Outcome) {
    let _turn = turns.acquire().await;
    let outcome = play::play(&case, &java, &root.join(&case.name)).await;
    (case.name, outcome)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shares_take_every_case_once() {
        let mut played: Vec<usize> = Vec::new();
        for text in ["1/3", "2/3", "3/3"] {
            let share = Share::parse(text).unwrap();
            played.extend((0..10).skip(share.first).step_by(share.step));
        }
        played.sort_unstable();
        assert_eq!(played, (0..10).collect::<Vec<_>>());
        assert_eq!(seeds("3..5"), Some(3..=5));
        assert_eq!(seeds("7"), Some(7..=7));
        assert!(seeds("5..3").is_none());
        for wrong in ["0/3", "4/3", "1/0", "1", "a/b"] {
            assert!(Share::parse(wrong).is_none(), "{wrong}");
        }
    }
}
