//! Manifests: decoding all entries, and decoding with a filter that keeps one partition in 200.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paimon_benchmarks::generate::planning_entries;
use paimon_core::codec::avro::Codec;
use paimon_core::codec::{EntryFilter, decode_manifest, encode_manifest};
use paimon_core::spec::FileKind;

const ENTRIES: i64 = 5_000;

struct OnePartition(Bytes);

impl EntryFilter for OnePartition {
    fn keep(&self, _: FileKind, partition: &Bytes, _: i32, _: i32) -> bool {
        *partition == self.0
    }
}

fn manifest(c: &mut Criterion) {
    let entries = planning_entries(ENTRIES);
    let Some(partition) = entries.last().map(|e| e.partition.clone()) else {
        return;
    };
    let Ok(bytes) = encode_manifest(&entries, Codec::default()).map(Bytes::from) else {
        return;
    };
    let mut group = c.benchmark_group("manifest of 5,000 entries");
    group.throughput(Throughput::Elements(ENTRIES.unsigned_abs()));
    group.bench_function("decode", |b| b.iter(|| decode_manifest(&bytes, None)));
    let filter = OnePartition(partition);
    group.bench_function("decode one partition of 200", |b| {
        b.iter(|| decode_manifest(&bytes, Some(&filter)));
    });
    group.bench_function("encode", |b| {
        b.iter(|| encode_manifest(&entries, Codec::default()))
    });
    group.finish();
}

criterion_group!(benches, manifest);
criterion_main!(benches);
