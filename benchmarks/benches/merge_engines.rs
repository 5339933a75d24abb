//! Merge engines over groups of colliding rows: two to five rows a key.

use std::collections::HashMap;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paimon_benchmarks::{Result, sample};
use paimon_core::mergetree::function::{MergeEngine, MergeInput, MergeRows, create_merge_function};

const KEYS: i64 = 20_000;

/// Ids with 2, 3, 4, 5, 2, .. rows each, and where each group starts.
fn groups() -> (Vec<i64>, Vec<usize>) {
    let mut ids = Vec::new();
    let mut offsets = vec![0];
    for id in 0..KEYS {
        ids.extend((0..2 + id % 4).map(|_| id));
        offsets.push(ids.len());
    }
    (ids, offsets)
}

fn engines() -> [(&'static str, MergeEngine, HashMap<String, String>); 3] {
    let functions = [
        ("qty", "sum"),
        ("status", "max"),
        ("amount", "sum"),
        ("price", "max"),
        ("total", "sum"),
        ("day", "min"),
        ("updated", "max"),
        ("city", "last_non_null_value"),
        ("tag", "last_non_null_value"),
        ("note", "last_non_null_value"),
        ("flag", "bool_or"),
    ];
    let key = |column| format!("fields.{column}.aggregate-function");
    let aggregation = functions.into_iter().map(|(c, f)| (key(c), f.to_string()));
    [
        ("deduplicate", MergeEngine::Deduplicate, HashMap::new()),
        ("partial-update", MergeEngine::PartialUpdate, HashMap::new()),
        (
            "aggregation",
            MergeEngine::Aggregation,
            aggregation.collect(),
        ),
    ]
}

fn merge(c: &mut Criterion) -> Result<()> {
    let (ids, offsets) = groups();
    let rows = sample::batch(&ids, 1, 40)?;
    let kinds = vec![0; ids.len()];
    let mut group = c.benchmark_group("merge engines, 12 columns");
    group.throughput(Throughput::Elements(u64::try_from(ids.len())?));
    for (name, engine, options) in engines() {
        let function =
            create_merge_function(engine, &sample::fields(), &["id".to_string()], &options)?;
        let input = MergeInput {
            rows: &MergeRows::of(&rows),
            kinds: &kinds,
            offsets: &offsets,
        };
        function.merge(&input)?;
        group.bench_function(name, |b| b.iter(|| function.merge(&input)));
    }
    group.finish();
    Ok(())
}

fn merge_engines(c: &mut Criterion) {
    if let Err(error) = merge(c) {
        eprintln!("merge engines: {error}");
    }
}

criterion_group!(benches, merge_engines);
criterion_main!(benches);
