//! Random histories of random tables: from a seed, a definition and a sequence of steps by either engine; after every few
//! steps both must say the same about the table.

mod agree;
mod alters;
mod arrow;
mod definition;
mod dml;
mod filters;
mod history;
mod kinds;
mod known;
mod places;
mod pools;
mod roads;
mod sql;
mod types;
mod upkeep;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::definition::definition;
use self::history::History;
use crate::case::Outcome;
use crate::java::Java;
use crate::numbers::Numbers;
use crate::play::Stop;
use crate::summary::Summary;

/// Longest that one seed may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Plays all seeds; whether none failed.
///
/// # Errors
/// A text when nothing can be played.
pub async fn run(
    seeds: RangeInclusive<u64>,
    java: Arc<Java>,
    release: &str,
    root: &Path,
    jobs: usize,
) -> Result<bool, String> {
    let mut summary = Summary::new(release);
    let turns = Arc::new(Semaphore::new(jobs));
    let mut tasks = JoinSet::new();
    for seed in seeds {
        let (java, turns, release) = (Arc::clone(&java), Arc::clone(&turns), release.to_string());
        let folder = root.join(format!("seed-{seed}"));
        tasks.spawn(async move {
            let _turn = turns.acquire().await;
            let outcome = guarded(seed, java, release, folder).await;
            (format!("seed {seed}"), outcome)
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (name, outcome) = done.map_err(|e| format!("a seed panicked: {e}"))?;
        summary.add(&name, outcome);
    }
    summary.print();
    Ok(!summary.failed())
}

/// One seed, whatever it does.
async fn guarded(seed: u64, java: Arc<Java>, release: String, folder: PathBuf) -> Outcome {
    let played = tokio::spawn({
        let folder = folder.clone();
        async move { tokio::time::timeout(PATIENCE, play(seed, &java, &release, &folder)).await }
    });
    match played.await {
        Ok(Ok(Outcome::Failed(why))) => {
            Outcome::Failed(format!("{why}\n  table and steps: {}", folder.display()))
        }
        Ok(Ok(outcome @ Outcome::Skipped(_))) if folder.join("steps.txt").exists() => outcome,
        Ok(Ok(outcome)) => {
            // what agreed is of no use any more
            drop(std::fs::remove_dir_all(&folder));
            outcome
        }
        Ok(Err(_)) => Outcome::Failed(format!("not done after {} s", PATIENCE.as_secs())),
        Err(panic) => Outcome::Failed(format!("panic: {panic}")),
    }
}

async fn play(seed: u64, java: &Java, release: &str, folder: &Path) -> Outcome {
    let mut numbers = Numbers::of_seed(seed);
    let definition = definition(&mut numbers);
    let mut history = match History::start(definition, numbers, java, release, folder).await {
        Ok(history) => history,
        Err((log, stop)) => return ended(stop, Vec::new(), &[log], folder),
    };
    let known = known::of(&history.definition, release);
    let stop = match known {
        Some(why) => Err(Stop::Skipped(why.to_string())),
        None => steps(&mut history).await,
    };
    match stop {
        Ok(()) if history.refused.is_empty() => Outcome::Ok,
        Ok(()) => Outcome::Refused(history.refused),
        Err(stop) => ended(stop, history.refused, &history.log, folder),
    }
}

fn ended(stop: Stop, mut refused: Vec<String>, log: &[String], folder: &Path) -> Outcome {
    match stop {
        Stop::Refused(why) => {
            refused.push(why);
            Outcome::Refused(refused)
        }
        Stop::Skipped(why) if log.len() < 2 => Outcome::Skipped(why),
        Stop::Skipped(why) => {
            note(&log.join("\n"), &why, folder);
            Outcome::Skipped(why)
        }
        Stop::Wrong(why) => {
            let log = log.join("\n");
            note(&log, &why, folder);
            Outcome::Failed(format!("{why}\n{}", shortened(&log)))
        }
    }
}

fn note(log: &str, why: &str, folder: &Path) {
    if let Err(error) = std::fs::write(folder.join("steps.txt"), format!("{log}\n{why}\n")) {
        eprintln!("{}: {error}", folder.display());
    }
}

/// The steps without the tails of long lines.
fn shortened(log: &str) -> String {
    log.lines()
        .map(|line| format!("  {}", line.chars().take(1200).collect::<String>()))
        .collect::<Vec<_>>()
        .join("\n")
}

async fn steps(history: &mut History<'_>) -> Result<(), Stop> {
    let rounds = 3 + history.numbers.below(3);
    for _ in 0..rounds {
        history.write().await?;
        for _ in 0..history.numbers.below(4) {
            history.step().await?;
        }
        if history.definition.hides_new_rows() && !history.compacted && history.numbers.one_in(2) {
            history.compact(true).await?;
        }
        agree::all(history).await?;
    }
    Ok(())
}
