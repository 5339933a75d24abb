//! The fuzz targets on stable Rust: the kept corpus, then seeded mutations of it.
//!
//! `FUZZ_SECONDS` is the time per target, `FUZZ_TARGET` names one target, `SEED` the first mutation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use paimon_testing::fuzz::{TARGETS, Target, seeds};
use paimon_testing::mutate::mutate;

/// No input may take longer, in a build without optimisation on a busy machine.
const INPUT_TIME_MAX: Duration = Duration::from_secs(10);

/// Peak memory of a run, kibibytes.
const MEMORY_MAX_KIB: u64 = 512 << 10;

/// Bytes of the whole corpus.
const CORPUS_BYTES_MAX: usize = 1 << 20;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Files of a target's corpus with their names, sorted.
fn inputs(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = corpus().join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{folder:?} is empty");
    inputs
}

/// Runs one input; `what` tells how to make it again.
fn run(target: &Target, bytes: &[u8], what: &str) {
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let spent = start.elapsed();
    assert!(outcome.is_ok(), "FUZZ_TARGET={}: {what}", target.name);
    assert!(
        spent < INPUT_TIME_MAX,
        "FUZZ_TARGET={}: {what} took {spent:?}",
        target.name
    );
}

fn chosen() -> impl Iterator<Item = &'static Target> {
    let only = std::env::var("FUZZ_TARGET").ok();
    TARGETS
        .iter()
        .filter(move |t| only.as_ref().is_none_or(|only| only == t.name))
}

#[test]
fn targets_stand_the_corpus_and_mutations_of_it() {
    let seed = number("SEED").unwrap_or(1);
    let seconds = number("FUZZ_SECONDS");
    println!("SEED={seed}");
    let mut total = 0;
    for target in chosen() {
        let inputs = inputs(target);
        for (name, bytes) in &inputs {
            total += bytes.len();
            run(target, bytes, name);
        }
        let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(1));
        let mut done = seed;
        while Instant::now() < end {
            let (name, bytes) = &inputs[usize::try_from(done).unwrap() % inputs.len()];
            let mut mutation = mutate(bytes, done);
            // every other input is damaged twice
            if done % 2 == 1 {
                mutation = mutate(&mutation.bytes, done);
            }
            run(
                target,
                &mutation.bytes,
                &format!("SEED={done} on {name}, {}", mutation.what),
            );
            done += 1;
        }
        println!(
            "{}: {} inputs, {} mutations",
            target.name,
            inputs.len(),
            done - seed
        );
    }
    assert!(total <= CORPUS_BYTES_MAX, "the corpus has {total} bytes");
    // other tests run beside a short run
    if seconds.is_some()
        && let Some(peak) = peak_memory_kib()
    {
        println!("peak memory {} MiB", peak >> 10);
        assert!(peak <= MEMORY_MAX_KIB, "peak memory is {peak} KiB");
    }
}

/// Peak memory of this process, where the system tells.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[test]
#[ignore = "writes fuzz/corpus"]
fn cut_the_corpus_from_the_golden_tables() {
    for seed in seeds(&super::golden::catalogue()).unwrap() {
        let folder = corpus().join(seed.target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(seed.name), seed.bytes).unwrap();
    }
}
