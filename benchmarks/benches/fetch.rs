//! Reading chosen rows of a Parquet file: survivors scattered at several densities, and in stretches.

use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use paimon_benchmarks::generate::hash::{below, mix};
use paimon_benchmarks::{Result, sample};
use paimon_core::format::{FileReadRequest, read_file};
use paimon_core::read::FileSelection;

const ROWS: i64 = 200_000;

async fn rows_read(request: FileReadRequest) -> Result<usize> {
    let counted = read_file(request)
        .await?
        .try_fold(0, |n, batch| async move { Ok(n + batch.num_rows()) });
    Ok(counted.await?)
}

/// Keeps about `permille` of the rows, deciding for `stretch` rows at a time.
fn selection(permille: u64, stretch: i64) -> Result<FileSelection> {
    let kept = (0..ROWS).filter(|row| below(mix(row / stretch, 5, 5), 1_000) < permille);
    Ok(FileSelection::only(
        usize::try_from(ROWS)?,
        kept.map(i64::unsigned_abs),
    ))
}

fn measure(c: &mut Criterion) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fetch");
    let whole = sample::file(&folder, ROWS)?;
    let mut group = c.benchmark_group("fetch, 12 columns");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(ROWS.unsigned_abs()));
    runtime.block_on(rows_read(whole.clone()))?;
    group.bench_function("all rows", |b| {
        b.iter(|| runtime.block_on(rows_read(whole.clone())))
    });
    for (shape, stretch) in [
        ("scattered, per mille", 1),
        ("stretches of 100, per mille", 100),
    ] {
        for permille in [1, 10, 100, 500, 900] {
            let selection = Some(Arc::new(selection(permille, stretch)?));
            let request = FileReadRequest {
                selection,
                ..whole.clone()
            };
            group.bench_function(BenchmarkId::new(shape, permille), |b| {
                b.iter(|| runtime.block_on(rows_read(request.clone())));
            });
        }
    }
    group.finish();
    Ok(())
}

fn fetch(c: &mut Criterion) {
    if let Err(error) = measure(c) {
        eprintln!("fetch: {error}");
    }
}

criterion_group!(benches, fetch);
criterion_main!(benches);
