//! What planning read and left out, as metrics of a scan.

use std::time::Duration;

use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder};
use paimon_core::read::PlanCounts;

/// Shown by the first node of a scan, in the process that planned it.
pub(super) struct PlanningMetrics {
    counts: PlanCounts,
    time: Duration,
}

impl PlanningMetrics {
    pub(super) fn new(counts: PlanCounts, time: Duration) -> Self {
        Self { counts, time }
    }

    /// Adds them to the metrics of a node.
    pub(super) fn record(&self, node: &ExecutionPlanMetricsSet) {
        let scan = self.counts.scan;
        let levels = [
            ("manifests_pruned", scan.manifests, scan.manifests_read),
            (
                "files_pruned_partition_bucket",
                scan.entries + scan.entries_left_out,
                scan.entries,
            ),
            (
                "files_pruned_statistics",
                self.counts.files + self.counts.files_pruned_by_stats,
                self.counts.files,
            ),
        ];
        for (name, all, left) in levels {
            let metric = MetricBuilder::new(node).pruning_metrics(name, 0);
            metric.add_pruned(all.saturating_sub(left));
            metric.add_matched(left);
        }
        let time = MetricBuilder::new(node).subset_time("planning_time", 0);
        time.add_duration(self.time);
    }
}
