//! Options of streaming reads.

use std::time::Duration;

use super::{CoreOptions, MergeEngine, Reader};
use crate::error::{Error, Result};

/// The typed options of a streaming read. Source: `CoreOptions`, `FlinkConnectorOptions`.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamingOptions {
    /// `consumer-id`
    pub consumer: Option<String>,
    /// `consumer.ignore-progress`
    pub ignore_progress: bool,
    /// `consumer.mode`
    pub consumer_mode: ConsumerMode,
    /// `streaming-read-overwrite`
    pub read_overwrite: bool,
    /// `streaming-read-append-overwrite`
    pub read_append_overwrite: bool,
    /// `streaming.read.snapshot.delay`
    pub delay: Option<Duration>,
    /// `scan.bounded.watermark`
    pub bounded_watermark: Option<i64>,
    /// `continuous.discovery-interval`
    pub discovery_interval: Duration,
    /// `full-compaction.delta-commits`
    pub full_compaction_delta_commits: Option<i64>,
    /// Highest level of an LSM tree: `num-levels` - 1.
    pub level_max: i32,
}

/// When the progress of a consumer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerMode {
    /// When the application says that it is done with what it got.
    ExactlyOnce,
    /// When the application asks for what comes after.
    AtLeastOnce,
}

const DISCOVERY_INTERVAL: Duration = Duration::from_secs(10);

impl StreamingOptions {
    /// Reads them from a table's options.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value, `Unsupported` for one this engine cannot honour; both name the key.
    pub fn new(options: &CoreOptions) -> Result<Self> {
        let o = Reader { map: options.map() };
        let trigger: i64 = o.number("num-sorted-run.compaction-trigger", 5, 1)?;
        let levels: i32 = o.number("num-levels", trigger.saturating_add(1), 1)?;
        let streaming = Self {
            consumer: o.text("consumer-id"),
            ignore_progress: o.bool("consumer.ignore-progress", false)?,
            consumer_mode: o.one_of(
                "consumer.mode",
                ConsumerMode::ExactlyOnce,
                &[
                    ("exactly-once", ConsumerMode::ExactlyOnce),
                    ("at-least-once", ConsumerMode::AtLeastOnce),
                ],
            )?,
            read_overwrite: o.bool("streaming-read-overwrite", false)?,
            read_append_overwrite: o.bool("streaming-read-append-overwrite", false)?,
            delay: o.duration("streaming.read.snapshot.delay")?,
            bounded_watermark: o
                .text("scan.bounded.watermark")
                .map(|_| o.number("scan.bounded.watermark", 0, i64::MIN))
                .transpose()?,
            discovery_interval: o
                .duration("continuous.discovery-interval")?
                .unwrap_or(DISCOVERY_INTERVAL),
            full_compaction_delta_commits: o
                .text("full-compaction.delta-commits")
                .map(|_| o.number("full-compaction.delta-commits", 1, 1))
                .transpose()?,
            level_max: levels.max(2) - 1,
        };
        // one plan is held at a time, so that any number of splits is enough
        o.number::<u32>("scan.max-splits-per-task", 10, 1)?;
        streaming.refuse_unsupported(&o)?;
        Ok(streaming)
    }

    fn refuse_unsupported(&self, o: &Reader<'_>) -> Result<()> {
        let others = [
            ("stream-scan-mode", "none"),
            ("streaming-read-mode", "file"),
        ];
        for (key, only) in others {
            if let Some(value) = o.text(key)
                && !value.eq_ignore_ascii_case(only)
            {
                return Err(Error::unsupported(format!(
                    "option `{key}` = {value} is not supported in streaming reads, only {only} is"
                ))
                .with("option", key));
            }
        }
        Ok(())
    }

    /// Whether overwrites are told to readers of a table of this kind.
    pub fn tells_overwrites(&self, primary_key: bool) -> bool {
        match primary_key {
            true => self.read_overwrite,
            false => self.read_append_overwrite,
        }
    }
}

/// Java's name of a merge engine whose written rows are no changes of the table.
pub(crate) fn folding_engine(engine: MergeEngine) -> Option<&'static str> {
    match engine {
        MergeEngine::Deduplicate => None,
        MergeEngine::PartialUpdate => Some("partial-update"),
        MergeEngine::Aggregation => Some("aggregation"),
        MergeEngine::FirstRow => Some("first-row"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::spec::TableSchema;

    fn options(pairs: &[(&str, &str)]) -> Result<StreamingOptions> {
        let mut schema: TableSchema = serde_json::from_str(
            r#"{"version":3,"id":0,"fields":[{"id":0,"name":"a","type":"INT"}],"highestFieldId":0,
                "partitionKeys":[],"primaryKeys":[],"options":{},"timeMillis":0}"#,
        )
        .unwrap();
        for (key, value) in pairs {
            schema.options.insert((*key).into(), (*value).into());
        }
        StreamingOptions::new(&CoreOptions::new(&schema)?)
    }

    #[test]
    fn defaults_are_javas() {
        let o = options(&[]).unwrap();
        assert_eq!(o.discovery_interval, Duration::from_secs(10));
        assert_eq!(o.consumer_mode, ConsumerMode::ExactlyOnce);
        assert_eq!(
            (o.delay, o.bounded_watermark, o.consumer),
            (None, None, None)
        );
    }

    #[test]
    fn values_are_typed() {
        let o = options(&[
            ("continuous.discovery-interval", "1 s"),
            ("scan.bounded.watermark", "-5"),
            ("consumer.mode", "at-least-once"),
            ("streaming.read.snapshot.delay", "2 min"),
        ])
        .unwrap();
        assert_eq!(o.discovery_interval, Duration::from_secs(1));
        assert_eq!(o.bounded_watermark, Some(-5));
        assert_eq!(o.consumer_mode, ConsumerMode::AtLeastOnce);
        assert_eq!(o.delay, Some(Duration::from_secs(120)));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        for (key, value) in [
            ("scan.max-splits-per-task", "0"),
            ("consumer.mode", "never"),
            ("streaming-read-mode", "log"),
            ("stream-scan-mode", "file-monitor"),
        ] {
            let error = options(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
