//! Options whose values have a simple type, and whether they are of it.
//!
//! Source: `CoreOptions`, newest release. An option that is not listed is a text, a list or unknown, and may be anything here.

use super::{parse_bool, parse_bytes, parse_duration_ms, parse_i64};
use crate::error::{Error, Result};

/// `true` or `false`.
const BOOLEANS: &[&str] = &[
    "add-column-before-partition",
    "aggregation.remove-record-on-delete",
    "alter-column-null-to-not-null.disabled",
    "async-file-write",
    "auto-create",
    "blob-as-descriptor",
    "blob-compaction.enabled",
    "blob-view.resolve.enabled",
    "blob-write-null-on-fetch-failure",
    "blob-write-null-on-missing-file",
    "blob.split-by-file-size",
    "bucket-append-ordered",
    "chain-table.enabled",
    "chain-table.split.key-range-enabled",
    "chain-table.streaming.merge-snapshot",
    "changelog-producer.row-deduplicate",
    "clustering.incremental",
    "clustering.incremental.optimize-write",
    "commit.discard-duplicate-files",
    "commit.force-compact",
    "commit.force-create-snapshot",
    "compaction.force-rewrite-all-files",
    "compaction.force-up-level-0",
    "compaction.skip-expired-partitions",
    "consumer.changelog-only",
    "consumer.ignore-progress",
    "data-evolution.compaction.rewrite-row-ids",
    "data-evolution.enabled",
    "data-evolution.merge-into.file-pruning",
    "data-evolution.merge-into.source-persist",
    "data-evolution.row-sidecar.enabled",
    "data-file.thin-mode",
    "delete.force-produce-changelog",
    "deletion-vectors.bitmap64",
    "deletion-vectors.enabled",
    "deletion-vectors.merge-on-read",
    "deletion-vectors.modifiable",
    "disable-explicit-type-casting",
    "dynamic-partition-overwrite",
    "end-input.check-partition-expire",
    "file-index.read.enabled",
    "file.suffix.include.compression",
    "force-lookup",
    "format-table.partition-path-only-value",
    "global-index.enabled",
    "ignore-delete",
    "ignore-update-before",
    "incremental-between-tag-to-snapshot",
    "index-file-in-data-file-dir",
    "key-value.sequence_number.enabled",
    "lookup-wait",
    "lookup.blob-as-descriptor",
    "lookup.cache.bloom.filter.enabled",
    "lookup.remote-file.enabled",
    "manifest-sort.enabled",
    "manifest.delete-file-drop-stats",
    "manifest.merge-optimize.enabled",
    "metadata.stats-dense-store",
    "metastore.partitioned-table",
    "overwrite-upgrade",
    "partial-update.remove-record-on-delete",
    "partition.end-input-to-done",
    "partition.legacy-name",
    "partition.timestamp-format.strict",
    "pk-clustering-override",
    "postpone.batch-write-fixed-bucket",
    "postpone.merge-on-read",
    "primary-key.nullable",
    "query-auth.enabled",
    "row-tracking.enabled",
    "row-tracking.partition-group-on-commit",
    "scan.fallback-branch.read-fail-fast",
    "scan.ignore-corrupt-files",
    "scan.ignore-lost-files",
    "scan.plan-sort-partition",
    "sequence.snapshot-ordering",
    "snapshot.clean-empty-directories",
    "snapshot.ignore-empty-commit",
    "streaming-read-append-overwrite",
    "streaming-read-overwrite",
    "table-read.sequence-number.enabled",
    "tag.automatic-completion",
    "tag.create-success-file",
    "tag.time-expire-enabled",
    "variant.inferShreddingSchema",
    "vector-search.distribute.enabled",
    "visibility-callback.enabled",
    "write-buffer-for-append",
    "write-buffer-spillable",
    "write-only",
];

/// Integers.
const INTEGERS: &[&str] = &[
    "bucket",
    "changelog.num-retained.max",
    "changelog.num-retained.min",
    "clustering.history-partition.limit",
    "commit.max-retries",
    "commit.strict-mode.last-safe-snapshot",
    "compaction.file-num-limit",
    "compaction.max-size-amplification-percent",
    "compaction.min.file-num",
    "compaction.offpeak-ratio",
    "compaction.offpeak.end.hour",
    "compaction.offpeak.start.hour",
    "compaction.size-ratio",
    "cross-partition-upsert.bootstrap-parallelism",
    "data-evolution.reassign.skip-contiguous-row-count",
    "data-evolution.row-sidecar.max-selected-rows",
    "dynamic-bucket.assigner-parallelism",
    "dynamic-bucket.initial-buckets",
    "dynamic-bucket.max-buckets",
    "dynamic-bucket.target-row-num",
    "file-operation.thread-num",
    "file.compression.zstd-level",
    "format-table.scan.list-parallelism",
    "full-compaction.delta-commits",
    "global-index.build.max-parallelism",
    "global-index.build.max-shard",
    "global-index.row-count-per-shard",
    "global-index.thread-num",
    "local-sort.max-num-file-handles",
    "lookup-compact.max-interval",
    "lookup.cache-rows",
    "lookup.merge-records-threshold",
    "lookup.remote-file.level-threshold",
    "manifest.merge-min-count",
    "metadata.stats-keep-first-n-columns",
    "num-levels",
    "num-sorted-run.compaction-trigger",
    "num-sorted-run.stop-trigger",
    "partition.expiration-batch-size",
    "partition.expiration-max-num",
    "postpone.batch-write-fixed-bucket.max-parallelism",
    "postpone.batch-write-fixed-bucket.rescale-load-factor",
    "postpone.default-bucket-num",
    "postpone.target-row-num-per-bucket",
    "read.batch-size",
    "scan.bounded.watermark",
    "scan.bucket",
    "scan.creation-time-millis",
    "scan.file-creation-time-millis",
    "scan.manifest.parallelism",
    "scan.max-splits-per-task",
    "scan.snapshot-id",
    "scan.timestamp-millis",
    "scan.watermark",
    "snapshot.expire.limit",
    "snapshot.num-retained.max",
    "snapshot.num-retained.min",
    "sort-compaction.local-sample.magnification",
    "sort-spill-threshold",
    "spill-compression.zstd-level",
    "tag.num-retained-max",
    "target-file-row-num",
    "variant.shredding.adaptive.maxInferBufferRow",
    "variant.shredding.maxInferBufferRow",
    "variant.shredding.maxSchemaDepth",
    "variant.shredding.maxSchemaWidth",
    "vector-search.lateral-join.batch-size",
    "write-max-writers-to-spill",
    "write.batch-size",
    "zorder.var-length-contribution",
];

/// Sizes such as `128 mb`.
const SIZES: &[&str] = &[
    "blob.copy-buffer-size",
    "blob.target-file-size",
    "cache-page-size",
    "compaction.incremental-size-threshold",
    "compaction.total-size-threshold",
    "data-evolution.row-id-conflict-rewrite.max-size",
    "deletion-vector.index-file.target-size",
    "file-index.in-manifest-threshold",
    "file-reader-async-threshold",
    "file.block-size",
    "local-kv-db.block-size",
    "local-merge-buffer-size",
    "lookup.cache-max-disk-size",
    "lookup.cache-max-memory-size",
    "lookup.merge-buffer-size",
    "manifest-sort.max-rewrite-size",
    "manifest.full-compaction-threshold-size",
    "manifest.target-file-size",
    "page-size",
    "postpone.target-size-per-bucket",
    "sort-spill-buffer-size",
    "source.split.open-file-cost",
    "source.split.target-size",
    "target-file-size",
    "vector.target-file-size",
    "write-buffer-size",
    "write-buffer-spill.max-disk-size",
    "write.batch-memory",
];

/// Durations such as `1 h`.
const DURATIONS: &[&str] = &[
    "changelog.time-retained",
    "clustering.history-partition.idle-to-full-sort",
    "commit.max-retry-wait",
    "commit.min-retry-wait",
    "commit.timeout",
    "compaction.optimization-interval",
    "consumer.expiration-time",
    "continuous.discovery-interval",
    "cross-partition-upsert.index-ttl",
    "lookup.cache-file-retention",
    "lookup.continuous.discovery-interval",
    "partition.expiration-check-interval",
    "partition.expiration-time",
    "partition.idle-time-to-report-statistic",
    "record-level.expire-time",
    "scan.plan-auto-tag-for-read.time-retained",
    "snapshot.time-retained",
    "snapshot.watermark-idle-timeout",
    "streaming.read.snapshot.delay",
    "tag.creation-delay",
    "tag.creation-period-duration",
    "tag.default-time-retained",
    "visibility-callback.check-interval",
    "visibility-callback.timeout",
];

/// Numbers with a fraction.
const FRACTIONS: &[&str] = &[
    "compaction.delete-ratio-threshold",
    "compaction.small-file-ratio",
    "data-evolution.row-sidecar.max-selection-ratio",
    "lookup.cache.bloom.filter.fpp",
    "lookup.cache.high-priority-pool-ratio",
    "lookup.hash-load-factor",
    "variant.shredding.adaptive.retentionRatio",
    "variant.shredding.minFieldCardinalityRatio",
];

/// Checks the values of options that have a simple type.
///
/// # Errors
/// `InvalidInput` naming the option.
pub(crate) fn check_types<'a>(
    options: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<()> {
    for (key, text) in options {
        check_type(key, text).map_err(|e| e.with("option", key))?;
    }
    Ok(())
}

fn check_type(key: &str, text: &str) -> Result<()> {
    let is_in = |keys: &[&str]| keys.contains(&key);
    if is_in(BOOLEANS) {
        parse_bool(text).map(|_| ())
    } else if is_in(INTEGERS) {
        parse_i64(text).map(|_| ())
    } else if is_in(SIZES) {
        parse_bytes(text).map(|_| ())
    } else if is_in(DURATIONS) {
        parse_duration_ms(text).map(|_| ())
    } else if is_in(FRACTIONS) {
        let number = text.trim().parse::<f64>();
        let wrong = || Error::invalid(format!("expected a number, found {text:?}"));
        number.map(|_| ()).map_err(|_| wrong())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use indexmap::IndexMap;

    use super::*;

    #[test]
    fn values_of_another_type_are_refused_by_name() {
        for (key, right, wrong) in [
            ("write-only", "TRUE", "maybe"),
            ("snapshot.expire.limit", "7", "abc"),
            ("snapshot.time-retained", "1 h", "xx"),
            ("write-buffer-size", "64 mb", "much"),
            ("compaction.small-file-ratio", "0.7", "most"),
        ] {
            let set = |value: &str| IndexMap::from([(key.to_string(), value.to_string())]);
            assert!(check_types(&set(right)).is_ok(), "{key}");
            let error = check_types(&set(wrong)).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(wrong), "{error}");
        }
        let own = IndexMap::from([("mine".to_string(), "maybe".to_string())]);
        assert!(check_types(&own).is_ok());
    }

    #[test]
    fn each_option_has_one_type() {
        let all = [BOOLEANS, INTEGERS, SIZES, DURATIONS, FRACTIONS].concat();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
