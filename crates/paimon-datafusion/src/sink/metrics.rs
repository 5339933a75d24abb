//! What a write spent, among the metrics of its plan node.

use std::time::Duration;

use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder};
use paimon_core::spec::CommitMessage;
use paimon_core::write::{Stage, WriteMetrics};

/// Counts the files of messages, as `files_written` and `bytes_written`.
pub(super) fn count_files(metrics: &ExecutionPlanMetricsSet, messages: &[CommitMessage]) {
    let new = messages.iter().flat_map(|m| &m.data.new_files);
    let bytes: u64 = new.clone().map(|f| f.file_size.unsigned_abs()).sum();
    count(metrics, "files_written", new.count());
    count(metrics, "bytes_written", to_usize(bytes));
}

/// Tells what a write and the compaction behind its commit spent.
pub(super) fn report(metrics: &ExecutionPlanMetricsSet, spent: &WriteMetrics) {
    stage(metrics, ("flush_count", "flush_time"), &spent.flushes);
    stage(metrics, ("spill_count", "spill_time"), &spent.spills);
    count(metrics, "spilled_bytes", to_usize(spent.spilled_bytes()));
    let compactions = ("compaction_count", "compaction_time");
    stage(metrics, compactions, &spent.compactions);
}

fn stage(
    metrics: &ExecutionPlanMetricsSet,
    (times, duration): (&'static str, &'static str),
    spent: &Stage,
) {
    count(metrics, times, to_usize(spent.count()));
    // a time of nothing would read as one of a nanosecond
    if spent.time() > Duration::ZERO {
        MetricBuilder::new(metrics)
            .subset_time(duration, 0)
            .add_duration(spent.time());
    }
}

fn count(metrics: &ExecutionPlanMetricsSet, name: &'static str, many: usize) {
    MetricBuilder::new(metrics).global_counter(name).add(many);
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
