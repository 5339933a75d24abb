//! `many`: 50,000 files in 2,000 partitions that exist in manifests only, for the cost of planning.

use std::path::Path;
use std::sync::Arc;

use paimon_core::spec::{
    BinaryRow, DataField, DataFileMeta, DataType, Datum, FileKind, FileSource, ManifestEntry,
    SimpleStats, binary_row,
};

use super::hash::{below_signed, mix, uuid_like};
use super::metadata::{ManifestPart, TIME_MILLIS, empty_stats};
use super::{Column, Scale, TableFolder, fact};
use crate::Result;

const ENTRIES: i64 = 50_000;
const FILES_PER_PARTITION: i64 = 25;
const ENTRIES_PER_MANIFEST: usize = 5_000;
const ROWS_PER_FILE: i64 = 100_000;

/// Writes the table: an append table partitioned by `dt`, entries spread over manifests in partition order.
///
/// # Errors
/// When the disk refuses.
pub fn make_many(database: &Path, scale: Scale) -> Result<()> {
    let mut columns = vec![Column {
        name: "dt",
        data_type: DataType::string(),
        dictionary: true,
    }];
    columns.extend(fact::columns());
    let fields: Vec<DataField> = (0..)
        .zip(&columns)
        .map(|(id, c)| DataField::new(id, c.name, c.data_type.clone()))
        .collect();
    let table = TableFolder::create(
        &database.join("many"),
        &fields,
        &["dt"],
        &[],
        &[("bucket", "-1")],
    )?;
    let entries = planning_entries(scale.rows(ENTRIES).max(50));
    let mut parts: Vec<ManifestPart> = entries.chunks(ENTRIES_PER_MANIFEST).map(part).collect();
    let delta = parts.pop().into_iter().collect();
    table.commit_manifests(parts, delta, vec![])
}

/// The first `count` entries of the table, in partition order.
pub fn planning_entries(count: i64) -> Vec<ManifestEntry> {
    (0..count).map(entry).collect()
}

/// Name of the partition of file `n`: `dt` is a text like a date.
pub fn partition_of(n: i64) -> String {
    let day = n / FILES_PER_PARTITION;
    format!(
        "{:04}-{:02}-{:02}",
        2020 + day / 336,
        1 + day / 28 % 12,
        1 + day % 28
    )
}

fn part(entries: &[ManifestEntry]) -> ManifestPart {
    let bound = |e: Option<&ManifestEntry>| e.map(|e| e.partition.clone()).unwrap_or_default();
    let partition_stats = SimpleStats {
        min_values: bound(entries.first()),
        max_values: bound(entries.last()),
        null_counts: Some(vec![Some(0)]),
    };
    ManifestPart {
        entries: entries.to_vec(),
        partition_stats,
    }
}

fn entry(n: i64) -> ManifestEntry {
    let dt = Datum::String(partition_of(n));
    let partition = binary_row(&[(Some(dt.clone()), DataType::string())]);
    let empty = BinaryRow::empty().to_serialized();
    let first = n * ROWS_PER_FILE;
    ManifestEntry {
        kind: FileKind::Add,
        partition: partition.to_serialized(),
        bucket: 0,
        total_buckets: -1,
        file: Arc::new(DataFileMeta {
            file_name: format!("data-{}-0.parquet", uuid_like(&format!("many {n}"))),
            file_size: 30_000_000 + below_signed(mix(n, 0, 1), 1_000_000),
            row_count: ROWS_PER_FILE,
            min_key: empty.clone(),
            max_key: empty,
            key_stats: empty_stats(),
            value_stats: value_stats(n, &dt),
            min_sequence_number: first,
            max_sequence_number: first + ROWS_PER_FILE - 1,
            schema_id: 0,
            level: 0,
            extra_files: Vec::new(),
            creation_time: Some(TIME_MILLIS + n),
            delete_row_count: Some(0),
            embedded_index: None,
            file_source: Some(FileSource::Append),
            value_stats_cols: None,
            external_path: None,
            first_row_id: None,
            write_cols: None,
            write_cols_sequences: None,
        }),
    }
}

/// Bounds as a file of 100,000 rows in key order would have.
fn value_stats(n: i64, dt: &Datum) -> SimpleStats {
    let low = |column: u64, bound: u64| below_signed(mix(n, 1, column), bound);
    let decimal = |unscaled: i64| Datum::Decimal {
        unscaled: i128::from(unscaled),
        scale: 2,
    };
    let text = |text: String| Datum::String(text);
    let stamp = |millis| Datum::Timestamp { millis, nanos: 0 };
    let bounds = |end: bool| {
        let at = |low: i64, high: i64| if end { high } else { low };
        let values = [
            dt.clone(),
            Datum::BigInt(n * ROWS_PER_FILE + at(0, ROWS_PER_FILE - 1)),
            Datum::Int(if end { 999 } else { 0 }),
            Datum::Int(if end { 5 } else { 0 }),
            Datum::BigInt(at(low(3, 10_000), 999_990_000 + low(4, 10_000))),
            Datum::Double(if end { 262_143.5 } else { 0.5 }),
            decimal(at(low(5, 1_000), 99_999_000 + low(6, 1_000))),
            Datum::Date(if end { 20_261 } else { 18_262 }),
            stamp(TIME_MILLIS + at(low(7, 1_000), 86_300_000 + low(8, 1_000))),
            text(format!("city of {:04}", at(0, 999))),
            text(if end {
                "shipped".into()
            } else {
                "closed".into()
            }),
            text(if end {
                "special silent s".into()
            } else {
                "blithe blithe bl".into()
            }),
            Datum::Boolean(end),
        ];
        let types = std::iter::once(DataType::string())
            .chain(fact::columns().into_iter().map(|c| c.data_type));
        let row: Vec<_> = values
            .into_iter()
            .map(Some)
            .zip(types.map(|t| t.with_nullable(true)))
            .collect();
        binary_row(&row).to_serialized()
    };
    SimpleStats {
        min_values: bounds(false),
        max_values: bounds(true),
        null_counts: Some(vec![Some(0); 13]),
    }
}
