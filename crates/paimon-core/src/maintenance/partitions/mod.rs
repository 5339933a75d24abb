//! Dropping partitions whose time is over.
//!
//! Source: `NormalPartitionExpire`, `PartitionValuesTimeExpireStrategy`, `PartitionUpdateTimeExpireStrategy`.

use std::collections::HashMap;

use bytes::Bytes;

use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit};
use crate::error::{Error, Result};
use crate::manifest::{ManifestScan, partition_values};
use crate::options::{PartitionTime, RetentionOptions};
use crate::spec::{DataField, Datum, ManifestEntry, datum_to_legacy_text};
use crate::table::Table;

/// Drops the partitions that are older than `partition.expiration-time`, as the `partition.*` options of the table say.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExpirePartitions {
    /// Only tell which partitions would go.
    pub dry_run: bool,
}

/// A partition that has expired.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpiredPartition {
    /// Values by partition column.
    pub values: Vec<(String, Option<Datum>)>,
    /// The same as text, such as `dt=2024-01-31, h=7`.
    pub name: String,
}

impl ExpirePartitions {
    /// Drops them by OVERWRITE snapshots of at most `partition.expiration-batch-size` partitions. Returns those dropped,
    /// in the order of their values as texts, at most `partition.expiration-max-num`.
    ///
    /// A partition that is written to meanwhile stays when the strategy is `update-time`.
    ///
    /// # Errors
    /// `InvalidInput` for a table without partitions or without `partition.expiration-time`, and with
    /// `partition.timestamp-format.strict` for values that are no time; otherwise as a commit.
    ///
    /// # Cancel safety
    /// A cancelled call may have dropped some of the partitions.
    pub async fn run(
        &self,
        table: &Table,
        context: &CommitContext,
    ) -> Result<Vec<ExpiredPartition>> {
        let options = RetentionOptions::new(table.options())?;
        let expiry = Expiry::new(table, &options, context.clock.local_ms())
            .map_err(|e| e.with_default("table", table.name()))?;
        let expired = expiry.select(table).await?;
        if self.dry_run || expired.is_empty() {
            return Ok(expired);
        }
        let user = context.ids.uuid().to_string();
        let commit = FileStoreCommit::new(table, &user, context.clone())?;
        let batch = options.partition_expire_batch.max(1);
        for (number, partitions) in expired.chunks(batch).enumerate() {
            let partitions = partitions.iter().map(|p| p.values.clone()).collect();
            // one identifier each: a repeated attempt finds its own snapshot by it
            let identifier =
                BATCH_COMMIT_IDENTIFIER.saturating_sub(i64::try_from(number).unwrap_or(0));
            match expiry.by {
                By::Values(_) => commit.drop_partitions(partitions, identifier).await?,
                By::UpdateTime => {
                    commit
                        .drop_idle_partitions(partitions, expiry.before_local_ms, identifier)
                        .await?
                }
            };
        }
        Ok(expired)
    }
}

/// Whether a commit that made the snapshots `made` is to look for expired partitions: always without a check interval,
/// else when it is the first one of an interval, counted from the epoch. Unlike a timer this holds for short-lived
/// processes and for several of them.
///
/// # Errors
/// `Damaged` for a broken snapshot.
pub(super) async fn is_due(
    table: &Table,
    options: &RetentionOptions,
    identifier: i64,
    made: &[i64],
    now_ms: i64,
) -> Result<bool> {
    if options.partition_expiration.is_none() || table.schema().partition_keys.is_empty() {
        return Ok(false);
    }
    let interval = i64::try_from(options.partition_check_interval.as_millis()).unwrap_or(i64::MAX);
    if interval == 0 || (options.partition_check_at_end && identifier == BATCH_COMMIT_IDENTIFIER) {
        return Ok(true);
    }
    let Some(first) = made.first() else {
        return Ok(false);
    };
    let before = table.snapshots().try_get(first - 1).await?;
    let is_new = |ms: i64| ms.div_euclid(interval) != now_ms.div_euclid(interval);
    Ok(before.is_none_or(|s| is_new(s.time_millis)))
}

#[derive(Debug)]
enum By {
    Values(PartitionTime),
    UpdateTime,
}

/// What is expired, and when.
#[derive(Debug)]
struct Expiry {
    by: By,
    /// Local wall clock, milliseconds read as UTC.
    before_local_ms: i64,
    count_max: usize,
    strict: bool,
}

impl Expiry {
    fn new(table: &Table, options: &RetentionOptions, local_now_ms: i64) -> Result<Self> {
        const TIME: &str = "partition.expiration-time";
        let Some(kept) = options.partition_expiration else {
            return Err(
                Error::invalid(format!("expiring partitions needs the option `{TIME}`"))
                    .with("option", TIME),
            );
        };
        if table.schema().partition_keys.is_empty() {
            return Err(Error::invalid(
                "expiring partitions needs a partitioned table",
            ));
        }
        let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        let by = match options.partition_by_update_time {
            true => By::UpdateTime,
            false => By::Values(PartitionTime::new(
                options.partition_pattern.clone(),
                options.partition_formatter.as_deref(),
            )?),
        };
        Ok(Self {
            by,
            before_local_ms: local_now_ms.saturating_sub(kept),
            count_max: options.partition_expire_max,
            strict: options.partition_time_strict,
        })
    }

    /// The expired ones among the partitions that the newest snapshot has files in.
    async fn select(&self, table: &Table) -> Result<Vec<ExpiredPartition>> {
        let Some(snapshot) = table.snapshots().latest().await? else {
            return Ok(Vec::new());
        };
        let fields = table.schema().partition_fields();
        let (entries, _) = live_scan(table).live_files(&snapshot).await?;
        let default_name = &table.options().partition_default_name;
        let mut expired = Vec::new();
        for (partition, written_ms) in last_written(&entries) {
            let values = partition_values(partition, &fields)?;
            if self.is_over(&fields, &values, written_ms)? {
                expired.push(Named::new(&fields, values, default_name));
            }
        }
        expired.sort_by(|a, b| a.sorted_by.cmp(&b.sorted_by));
        expired.truncate(self.count_max);
        Ok(expired.into_iter().map(|n| n.partition).collect())
    }

    fn is_over(
        &self,
        fields: &[DataField],
        values: &[Option<Datum>],
        written_ms: i64,
    ) -> Result<bool> {
        let By::Values(reader) = &self.by else {
            return Ok(self.before_local_ms > written_ms);
        };
        let texts: Vec<(&str, Option<String>)> = fields
            .iter()
            .zip(values)
            .map(|(f, v)| (f.name.as_str(), v.as_ref().map(datum_to_legacy_text)))
            .collect();
        match reader.of(&texts) {
            Some(time) => Ok(self.before_local_ms > time),
            None if self.strict => Err(Error::invalid(format!(
                "the values of a partition are no time: {texts:?}"
            ))
            .with("option", "partition.timestamp-format.strict")),
            None => {
                tracing::warn!(
                    ?texts,
                    "a partition does not expire: its values are no time"
                );
                Ok(false)
            }
        }
    }
}

/// The files of the whole table.
pub(super) fn live_scan(table: &Table) -> ManifestScan {
    table.manifest_scan()
}

/// When the last file of each partition was written, local milliseconds read as UTC.
fn last_written(entries: &[ManifestEntry]) -> HashMap<&Bytes, i64> {
    let mut last = HashMap::new();
    for entry in entries {
        // files of unknown age are new ones
        let written = entry.file.creation_time.unwrap_or(i64::MAX);
        let known = last.entry(&entry.partition).or_insert(written);
        *known = written.max(*known);
    }
    last
}

struct Named {
    partition: ExpiredPartition,
    sorted_by: String,
}

impl Named {
    fn new(fields: &[DataField], values: Vec<Option<Datum>>, default_name: &str) -> Self {
        let text = |value: &Option<Datum>| match value {
            Some(value) => datum_to_legacy_text(value),
            None => default_name.to_string(),
        };
        let texts: Vec<String> = values.iter().map(text).collect();
        let names = fields.iter().map(|f| f.name.clone());
        let pairs: Vec<String> = fields
            .iter()
            .zip(&texts)
            .map(|(field, text)| format!("{}={text}", field.name))
            .collect();
        Self {
            partition: ExpiredPartition {
                values: names.zip(values).collect(),
                name: pairs.join(", "),
            },
            sorted_by: texts.join(","),
        }
    }
}
