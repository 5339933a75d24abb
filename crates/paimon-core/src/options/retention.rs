//! Options of snapshot, changelog, tag, consumer and partition expiration.

use std::time::Duration;

use super::{CoreOptions, Reader};
use crate::error::{Error, Result};

/// No limit: what Java has as the default of `snapshot.num-retained.max`.
const COUNT_UNLIMITED: i64 = 2_147_483_647;

const HOUR: Duration = Duration::from_secs(3600);

/// The typed options of table maintenance. Source: `CoreOptions`, `ExpireConfig`.
#[derive(Debug, Clone, PartialEq)]
pub struct RetentionOptions {
    /// `snapshot.num-retained.min`, `.max`, `snapshot.time-retained`
    pub snapshots: Retained,
    /// `changelog.num-retained.min`, `.max`, `changelog.time-retained`; those of snapshots where unset.
    pub changelogs: Retained,
    /// `snapshot.expire.limit`: most expired in one run.
    pub expire_limit: i64,
    /// `snapshot.clean-empty-directories`
    pub clean_empty_folders: bool,
    /// `consumer.changelog-only`
    pub consumers_keep_changelogs_only: bool,
    /// `consumer.expiration-time`
    pub consumer_expiration: Option<Duration>,
    /// `tag.default-time-retained`
    pub tag_time_retained: Option<Duration>,
    /// `tag.time-expire-enabled`
    pub tags_expire: bool,
    /// `partition.expiration-time`
    pub partition_expiration: Option<Duration>,
    /// `partition.expiration-strategy` is `update-time`, else `values-time`.
    pub partition_by_update_time: bool,
    /// `partition.timestamp-pattern`
    pub partition_pattern: Option<String>,
    /// `partition.timestamp-formatter`
    pub partition_formatter: Option<String>,
    /// `partition.expiration-max-num`
    pub partition_expire_max: usize,
    /// `partition.expiration-batch-size`: most partitions dropped by one commit.
    pub partition_expire_batch: usize,
    /// `partition.expiration-check-interval`
    pub partition_check_interval: Duration,
    /// `end-input.check-partition-expire`: batch commits look for expired partitions whatever the interval.
    pub partition_check_at_end: bool,
    /// `partition.timestamp-format.strict`: values that are no time are an error.
    pub partition_time_strict: bool,
    /// `write-only`: nothing is looked after when committing.
    pub write_only: bool,
}

/// How many of something are kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// At least this many, whatever their age.
    pub count_min: i64,
    /// At most this many.
    pub count_max: i64,
    /// Those younger than this are kept, as long as `count_max` allows.
    pub time: Duration,
}

impl RetentionOptions {
    /// Reads them from a table's options.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value, naming the key.
    pub fn new(options: &CoreOptions) -> Result<Self> {
        let o = Reader { map: options.map() };
        let snapshots = Retained {
            count_min: o.number("snapshot.num-retained.min", 10, 1)?,
            count_max: o.number("snapshot.num-retained.max", COUNT_UNLIMITED, 1)?,
            time: o.duration("snapshot.time-retained")?.unwrap_or(HOUR),
        };
        let changelogs = Retained {
            count_min: o.number("changelog.num-retained.min", snapshots.count_min, 1)?,
            count_max: o.number("changelog.num-retained.max", snapshots.count_max, 1)?,
            time: o
                .duration("changelog.time-retained")?
                .unwrap_or(snapshots.time),
        };
        let partition_expire_max: usize = o.number("partition.expiration-max-num", 100, 1)?;
        let batch_default = i64::try_from(partition_expire_max).unwrap_or(i64::MAX);
        let retention = Self {
            snapshots,
            changelogs,
            expire_limit: o.number("snapshot.expire.limit", 50, 1)?,
            clean_empty_folders: o.bool("snapshot.clean-empty-directories", false)?
                || o.bool("snapshot.expire.clean-empty-directories", false)?,
            consumers_keep_changelogs_only: o.bool("consumer.changelog-only", false)?,
            consumer_expiration: o.duration("consumer.expiration-time")?,
            tag_time_retained: o.duration("tag.default-time-retained")?,
            tags_expire: o.bool("tag.time-expire-enabled", true)?,
            partition_expiration: o.duration("partition.expiration-time")?,
            partition_by_update_time: o.one_of(
                "partition.expiration-strategy",
                false,
                &[("values-time", false), ("update-time", true)],
            )?,
            partition_pattern: o.text("partition.timestamp-pattern"),
            partition_formatter: o.text("partition.timestamp-formatter"),
            partition_expire_max,
            partition_expire_batch: o.number(
                "partition.expiration-batch-size",
                batch_default,
                1,
            )?,
            partition_check_interval: o
                .duration("partition.expiration-check-interval")?
                .unwrap_or(HOUR),
            partition_check_at_end: o.bool("end-input.check-partition-expire", false)?,
            partition_time_strict: o.bool("partition.timestamp-format.strict", false)?,
            write_only: o.bool("write-only", false)?,
        };
        retention.validate()?;
        Ok(retention)
    }

    /// Whether changelogs outlive their snapshots.
    pub fn changelog_is_decoupled(&self) -> bool {
        self.changelogs.count_max > self.snapshots.count_max
            || self.changelogs.count_min > self.snapshots.count_min
            || self.changelogs.time > self.snapshots.time
    }

    fn validate(&self) -> Result<()> {
        for (key, kept) in [
            ("snapshot.num-retained.min", self.snapshots),
            ("changelog.num-retained.min", self.changelogs),
        ] {
            if kept.count_min > kept.count_max {
                return Err(Error::invalid(format!(
                    "minimum {} is larger than the maximum {}",
                    kept.count_min, kept.count_max
                ))
                .with("option", key));
            }
        }
        Ok(())
    }
}
