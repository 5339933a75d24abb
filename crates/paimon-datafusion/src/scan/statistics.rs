//! Statistics of a plan, exact where metadata says all.

use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use paimon_core::predicate::ColumnStats;
use paimon_core::read::{Partition, Plan, SplitFile, SplitKind, column_stats};
use paimon_core::spec::{DataField, Datum, TableSchema, TypeKind};
use paimon_core::table::Table;

/// Row count, bytes, and minimum / maximum / null count of the given columns (by index; others are unknown).
///
/// The row count is exact when no split needs a merge. Column bounds are exact for integers and dates of files without
/// deletion vectors, since statistics of other types may be truncated or absent.
pub(super) fn of_plan(table: &Table, plan: &Plan, columns: &[usize]) -> Statistics {
    let schema = table.arrow_schema();
    let mut statistics = Statistics::new_unknown(&schema);
    let rows: Option<u64> = plan.splits.iter().map(|s| s.exact_row_count()).sum();
    let physical: u64 = plan.splits.iter().map(super::physical_rows).sum();
    let options = table.options();
    let skips_broken = options.ignore_lost_files || options.ignore_corrupt_files;
    let rows = rows.filter(|_| !skips_broken);
    statistics.num_rows = match rows {
        Some(rows) => Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX)),
        None => Precision::Inexact(usize::try_from(physical).unwrap_or(usize::MAX)),
    };
    let bytes: u64 = plan.splits.iter().map(|s| s.size()).sum();
    statistics.total_byte_size = Precision::Inexact(usize::try_from(bytes).unwrap_or(usize::MAX));
    if rows.is_some() {
        exact_columns(table, plan, columns, &mut statistics.column_statistics);
    }
    statistics
}

fn exact_columns(table: &Table, plan: &Plan, wanted: &[usize], columns: &mut [ColumnStatistics]) {
    let schema = table.schema();
    let mut files: Vec<(&Partition, &SplitFile)> = Vec::new();
    for split in &plan.splits {
        match &split.kind {
            SplitKind::Raw(own) => files.extend(own.iter().map(|f| (&*split.partition, f))),
            _ => return,
        }
    }
    let plain = files
        .iter()
        .all(|(_, f)| f.deletion.is_none() && f.meta.schema_id == schema.id);
    if files.is_empty() || !plain {
        return;
    }
    for i in wanted {
        let (Some(field), Some(column)) = (schema.fields.get(*i), columns.get_mut(*i)) else {
            continue;
        };
        if exact_bounds(&field.data_type.kind) {
            exact_column(schema, field, &files, column);
        }
    }
}

/// Bounds and nulls of a column over all files; unknown as soon as one file does not tell.
fn exact_column(
    schema: &TableSchema,
    field: &DataField,
    files: &[(&Partition, &SplitFile)],
    column: &mut ColumnStatistics,
) {
    let mut low: Option<Datum> = None;
    let mut high: Option<Datum> = None;
    let mut nulls = Some(0i64);
    let key = schema.partition_keys.iter().position(|k| *k == field.name);
    for (partition, file) in files {
        let stats = match key {
            Some(key) => value_stats(partition, key, file.meta.row_count),
            None => column_stats(&file.meta, schema, field),
        };
        let Some(stats) = stats else {
            return;
        };
        nulls = nulls.zip(stats.null_count).map(|(a, b)| a + b);
        match (stats.min, stats.max) {
            (Some(min), Some(max)) => {
                low = Some(smaller(low, min, std::cmp::Ordering::Less));
                high = Some(smaller(high, max, std::cmp::Ordering::Greater));
            }
            _ if stats.null_count == Some(file.meta.row_count) => {}
            _ => return,
        }
    }
    if let Some(n) = nulls.and_then(|n| usize::try_from(n).ok()) {
        column.null_count = Precision::Exact(n);
    }
    let (low, high) = (
        low.as_ref().and_then(scalar),
        high.as_ref().and_then(scalar),
    );
    if let (Some(low), Some(high)) = (low, high) {
        column.min_value = Precision::Exact(low);
        column.max_value = Precision::Exact(high);
    }
}

/// Statistics of a partition column in a file: one value, whatever the file itself holds.
fn value_stats(partition: &Partition, key: usize, rows: i64) -> Option<ColumnStats> {
    let value = partition.values.get(key)?;
    Some(ColumnStats {
        min: value.clone(),
        max: value.clone(),
        null_count: Some(if value.is_none() { rows } else { 0 }),
    })
}

fn exact_bounds(kind: &TypeKind) -> bool {
    kind.is_integer() || matches!(kind, TypeKind::Date)
}

fn smaller(current: Option<Datum>, new: Datum, wanted: std::cmp::Ordering) -> Datum {
    match current {
        Some(current) if new.compare(&current) != Some(wanted) => current,
        _ => new,
    }
}

fn scalar(datum: &Datum) -> Option<ScalarValue> {
    Some(match datum {
        Datum::TinyInt(v) => ScalarValue::Int8(Some(*v)),
        Datum::SmallInt(v) => ScalarValue::Int16(Some(*v)),
        Datum::Int(v) => ScalarValue::Int32(Some(*v)),
        Datum::BigInt(v) => ScalarValue::Int64(Some(*v)),
        Datum::Date(v) => ScalarValue::Date32(Some(*v)),
        _ => return None,
    })
}
