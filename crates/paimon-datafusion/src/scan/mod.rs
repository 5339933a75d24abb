//! From a table to an execution plan.
//!
//! Three roads, chosen per split:
//! - files that need no merge and whose Parquet columns map one to one go to DataFusion's own Parquet source;
//! - such files with deletion vectors or, given a filter, file indexes, and sections that need a merge where one row per key survives (deduplicate,
//!   first-row): the rows that survive are found first, then read by the same source where filters can be pushed into
//!   it, else by `paimon-core` ([`MergeScanExec`]);
//! - everything else (folding merge engines, ORC, Avro, evolved columns, nested types, column groups) is read by
//!   `paimon-core` ([`CoreScanExec`]); files whose row groups are too large for a session with limited memory, too.
//!
//! Statements that change rows read their target through `TargetProvider`.

mod core_exec;
mod layout;
mod memory;
mod merge_exec;
mod metadata;
mod native;
mod outcome_cache;
mod place;
mod planning;
mod positions;
mod sections;
mod source;
mod statistics;
mod survivors;
mod target;

use std::sync::Arc;
use std::time::Instant;

use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::common::stats::Precision;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use paimon_core::predicate::Predicate;
use paimon_core::read::{DataSplit, MergeRules, Plan, Resolution, SplitFile, SplitKind, has_index};
use paimon_core::table::{ReadBuilder, Table};

pub use core_exec::CoreScanExec;
pub(crate) use core_exec::limited;
pub use merge_exec::{MergeParts, MergeScanExec};
pub(crate) use metadata::MetadataProvider;
pub use place::Place;
pub(crate) use place::{ROW_ID_COLUMN, finds_rows_by_place};
pub use positions::{NumberedFile, PositionScanExec, Wanted};
pub use sections::{CarriedSection, Share};
pub use source::TableFileSource;
pub(crate) use target::TargetFiles;
pub use target::{TargetFile, TargetProvider};

use crate::error::to_datafusion;
use crate::filter::convert;
use native::NativeScan;
use planning::PlanningMetrics;

/// Plans a scan of a table as `read` says: pruned by `filters` and `limit`, columns by index into the table's schema.
///
/// # Errors
/// Those of planning, with their kind kept as the source.
pub async fn scan_table(
    table: &Table,
    read: ReadBuilder,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = table.schema();
    let predicate = Predicate::and(filters.iter().map(|f| convert(f, &schema.fields).predicate));
    let columns: Vec<usize> = match projection {
        Some(columns) => columns.clone(),
        None => (0..schema.fields.len()).collect(),
    };
    let sources = read.with_filter(predicate.clone()).sources().await;
    let mut parts = Vec::new();
    for source in sources.map_err(to_datafusion)? {
        let request = ScanRequest {
            table: source.table().clone(),
            columns: columns.clone(),
            predicate: predicate.clone(),
            limit: if filters.is_empty() { limit } else { None },
            partitions: state.config().target_partitions().max(1),
            batch_size: state.config().batch_size(),
        };
        let start = Instant::now();
        let plan = source.plan().await.map_err(to_datafusion)?;
        let metrics = PlanningMetrics::new(plan.counts, start.elapsed());
        parts.push(request.build(state, plan, &metrics).await?);
    }
    match parts.len() {
        0 | 1 => parts
            .pop()
            .ok_or_else(|| DataFusionError::Internal("a table without a source".into())),
        _ => UnionExec::try_new(parts),
    }
}

/// How a provider answers for each filter: exact when only partition columns are named, since planning applies those
/// filters completely.
pub fn supports_filters(table: &Table, filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
    let partition_fields = table.schema().partition_fields();
    filters
        .iter()
        .map(|filter| {
            if convert(filter, &partition_fields).exact {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Inexact
            }
        })
        .collect()
}

/// A scan to be built.
pub(crate) struct ScanRequest {
    pub table: Table,
    pub columns: Vec<usize>,
    pub predicate: Predicate,
    pub limit: Option<usize>,
    pub partitions: usize,
    pub batch_size: usize,
}

impl ScanRequest {
    async fn build(
        &self,
        state: &dyn Session,
        plan: Plan,
        planning: &PlanningMetrics,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let statistics = statistics::of_plan(&self.table, &plan, &self.columns);
        let native = NativeScan::new(self, state, &plan).await?;
        let rules = MergeRules::of(&self.table);
        let mut raw = Vec::new();
        let mut merged = Vec::new();
        let mut rest = Vec::new();
        for split in plan.splits {
            match &split.kind {
                SplitKind::Raw(files) if native.has_memory() && native.fits(files.iter()) => {
                    let filtered = self.predicate != Predicate::AlwaysTrue;
                    let by_bits = |f: &SplitFile| f.deletion.is_some() || filtered && has_index(f);
                    if files.iter().any(by_bits) {
                        merged.push(split);
                    } else {
                        raw.push(split);
                    }
                }
                SplitKind::Merge(_)
                    if rules.resolution != Resolution::Fold
                        && native.fits(split.files().into_iter()) =>
                {
                    merged.push(split);
                }
                _ => rest.push(split),
            }
        }
        let alone = [raw.is_empty(), merged.is_empty(), rest.is_empty()]
            .iter()
            .filter(|empty| !**empty)
            .count()
            <= 1;
        let rows = if alone {
            statistics.num_rows
        } else {
            Precision::Absent
        };
        let statistics = alone.then_some(statistics);
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !raw.is_empty() {
            planning.record(native.raw_metrics());
            parts.push(native.raw_scan(self, &raw, statistics.clone())?);
        }
        if !merged.is_empty() {
            if parts.is_empty() {
                planning.record(native.merge_metrics());
            }
            parts.push(Arc::new(MergeScanExec::new(
                self,
                native.template(self)?,
                merged,
                rows,
            )?));
        }
        if !rest.is_empty() {
            let scan = CoreScanExec::new(self, rest, statistics)?;
            if parts.is_empty() {
                planning.record(scan.own_metrics());
            }
            parts.push(Arc::new(scan));
        }
        match parts.len() {
            0 => Ok(Arc::new(EmptyExec::new(self.projected_schema()?))),
            1 => parts
                .pop()
                .ok_or_else(|| DataFusionError::Internal("no scan was planned".into())),
            _ => UnionExec::try_new(parts),
        }
    }

    fn projected_schema(&self) -> Result<arrow::datatypes::SchemaRef> {
        Ok(Arc::new(self.table.arrow_schema().project(&self.columns)?))
    }
}

/// Spreads splits over partitions, the largest first onto the least loaded.
pub(crate) fn balance<T>(
    items: Vec<T>,
    partitions: usize,
    weight: impl Fn(&T) -> u64,
) -> Vec<Vec<T>> {
    let mut weights: Vec<(u64, usize)> = items.iter().map(|i| weight(i).max(1)).zip(0..).collect();
    weights.sort_unstable_by_key(|(w, at)| (std::cmp::Reverse(*w), *at));
    let count = partitions.clamp(1, items.len().max(1));
    let mut loads = vec![0u64; count];
    let mut owners = vec![0; items.len()];
    for (w, at) in weights {
        let lightest = (0..count).min_by_key(|i| loads[*i]).unwrap_or(0);
        loads[lightest] += w;
        owners[at] = lightest;
    }
    let mut out: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
    for (item, owner) in items.into_iter().zip(owners) {
        out[owner].push(item);
    }
    out
}

/// Rows of a split before merging.
pub(crate) fn physical_rows(split: &DataSplit) -> u64 {
    split
        .files()
        .iter()
        .map(|f| u64::try_from(f.meta.row_count).unwrap_or(0))
        .sum()
}
