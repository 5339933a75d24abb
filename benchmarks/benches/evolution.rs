//! Schema evolution of a batch: nothing to do, a column added and one renamed, types widened.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paimon_benchmarks::{Result, sample};
use paimon_core::read::EvolutionPlan;
use paimon_core::spec::{DataField, DataType, TypeKind};

const ROWS: i64 = 8_192;

/// Wanted columns of each case.
fn cases() -> [(&'static str, Vec<DataField>); 3] {
    let same = sample::fields();
    let mut renamed = same.clone();
    renamed.push(DataField::new(
        20,
        "added",
        DataType::nullable(TypeKind::BigInt),
    ));
    let mut widened = same.clone();
    for field in &mut widened {
        if field.name == "note" {
            field.name = "remark".to_string();
        }
        match field.data_type.kind {
            TypeKind::Int => field.data_type.kind = TypeKind::BigInt,
            TypeKind::Decimal { scale, .. } => {
                field.data_type.kind = TypeKind::Decimal {
                    precision: 30,
                    scale,
                }
            }
            _ => {}
        }
    }
    [
        ("same columns", same),
        ("column added", renamed),
        ("column renamed, types widened", widened),
    ]
}

fn measure(c: &mut Criterion) -> Result<()> {
    let file_fields = sample::fields();
    let batch = sample::batch(&(0..ROWS).collect::<Vec<_>>(), 0, 1)?;
    let mut group = c.benchmark_group("schema evolution, 12 columns");
    group.throughput(Throughput::Elements(ROWS.unsigned_abs()));
    for (name, wanted) in cases() {
        let plan = EvolutionPlan::new(&file_fields, &wanted)?;
        plan.apply(batch.clone())?;
        group.bench_function(name, |b| b.iter(|| plan.apply(batch.clone())));
    }
    group.finish();
    Ok(())
}

fn evolution(c: &mut Criterion) {
    if let Err(error) = measure(c) {
        eprintln!("schema evolution: {error}");
    }
}

criterion_group!(benches, evolution);
criterion_main!(benches);
