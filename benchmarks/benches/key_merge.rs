//! The key merge: one long run and four runs of updates, at several update rates.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use paimon_benchmarks::generate::hash::{below, mix};
use paimon_core::mergetree::{find_collisions, mark_superseded};

const KEYS: u64 = 1_000_000;
const UPDATE_RUNS: u64 = 4;

/// Keys of the long run and of the updates, `per_10000` of the keys in each.
fn runs(per_10000: u64) -> Vec<Vec<u64>> {
    let updated =
        |run: u64| move |key: &u64| below(mix(key.cast_signed(), run, 77), 10_000) < per_10000;
    let mut runs = vec![(0..KEYS).collect()];
    runs.extend((1..=UPDATE_RUNS).map(|run| (0..KEYS).filter(updated(run)).collect()));
    runs
}

fn key_merge(c: &mut Criterion) {
    for per_10000 in [1, 100, 2_225] {
        let runs = runs(per_10000);
        let slices: Vec<&[u64]> = runs.iter().map(Vec::as_slice).collect();
        let rows: usize = runs.iter().map(Vec::len).sum();
        let mut group = c.benchmark_group("key merge");
        group.throughput(Throughput::Elements(u64::try_from(rows).unwrap_or(0)));
        group.bench_function(
            BenchmarkId::new("mark superseded, updated of 10,000", per_10000),
            |b| {
                let marks = || {
                    runs.iter()
                        .map(|r| vec![0; r.len()])
                        .collect::<Vec<Vec<u8>>>()
                };
                b.iter_batched(
                    marks,
                    |mut dead| {
                        let mut dead: Vec<&mut [u8]> =
                            dead.iter_mut().map(Vec::as_mut_slice).collect();
                        mark_superseded(&slices, &mut dead);
                    },
                    BatchSize::LargeInput,
                );
            },
        );
        group.bench_function(
            BenchmarkId::new("find collisions, updated of 10,000", per_10000),
            |b| {
                b.iter(|| find_collisions(&slices));
            },
        );
        group.finish();
    }
}

criterion_group!(benches, key_merge);
criterion_main!(benches);
