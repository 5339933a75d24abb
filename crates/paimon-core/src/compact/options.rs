//! The options that compaction looks at, typed.

use crate::deletionvectors::DeletionVectorVersion;
use crate::error::{Error, Result};
use crate::mergetree::{EarlyFullCompaction, OffPeak, UniversalCompaction};
use crate::options::{CoreOptions, parse_bool, parse_bytes, parse_duration_ms, parse_i64};

/// Options of compactions, checked once.
#[derive(Debug, Clone)]
pub(super) struct CompactOptions {
    /// When and what to merge.
    pub universal: UniversalCompaction,
    /// `compaction.force-up-level-0`
    pub force_level0: bool,
    /// Lookup compactions wait until so many files are in level 0 (`lookup-compact` = gentle); `None`: they never wait.
    pub lookup_interval: Option<u32>,
    /// `num-levels`
    pub levels: usize,
    /// Files below this size are rewritten with their neighbours, bytes.
    pub small_file_size: u64,
    /// `compaction.force-rewrite-all-files`
    pub rewrite_all: bool,
    /// `compaction.min.file-num`
    pub min_files: usize,
    /// `compaction.delete-ratio-threshold`
    pub delete_ratio: f64,
    /// `compaction.file-num-limit`
    pub file_limit: usize,
    /// `target-file-size`, bytes
    pub target_file_size: u64,
    /// `source.split.open-file-cost`, bytes
    pub open_file_cost: u64,
    /// Of deletion vectors that are written (`deletion-vectors.bitmap64`).
    pub vector_version: DeletionVectorVersion,
}

impl CompactOptions {
    /// Options of a table whose files have a target size.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value, naming the key.
    pub(super) fn new(options: &CoreOptions, target_file_size: u64) -> Result<Self> {
        let o = Reader { options };
        let trigger = o.count("num-sorted-run.compaction-trigger", 5)?.max(1);
        let small_ratio = o.ratio("compaction.small-file-ratio", 0.7)?;
        Ok(Self {
            universal: UniversalCompaction {
                max_size_amplification: o
                    .number("compaction.max-size-amplification-percent", 200)?,
                size_ratio: o.number("compaction.size-ratio", 1)?,
                trigger,
                early_full: EarlyFullCompaction {
                    interval_ms: o.parsed("compaction.optimization-interval", parse_duration_ms)?,
                    total_size: o.parsed("compaction.total-size-threshold", parse_bytes)?,
                    incremental_size: o
                        .parsed("compaction.incremental-size-threshold", parse_bytes)?,
                },
                off_peak: o.off_peak()?,
            },
            force_level0: o.bool("compaction.force-up-level-0")?,
            lookup_interval: o.lookup_interval(trigger)?,
            levels: o.count("num-levels", trigger.saturating_add(1))?,
            small_file_size: share(target_file_size, small_ratio),
            rewrite_all: o.bool("compaction.force-rewrite-all-files")?,
            min_files: o.count("compaction.min.file-num", 5)?.max(2),
            delete_ratio: o.ratio("compaction.delete-ratio-threshold", 0.2)?,
            file_limit: o.count("compaction.file-num-limit", 100_000)?,
            target_file_size,
            open_file_cost: options.split_open_file_cost,
            vector_version: match o.bool("deletion-vectors.bitmap64")? {
                true => DeletionVectorVersion::V2,
                false => DeletionVectorVersion::V1,
            },
        })
    }
}

/// A part of a size. Exact to a thousandth.
fn share(size: u64, ratio: f64) -> u64 {
    let thousandths = (0..=1000u64).rev().find(|n| {
        let n = u32::try_from(*n).unwrap_or(0);
        f64::from(n) <= ratio * 1000.0 + 0.5
    });
    let part = u128::from(size) * u128::from(thousandths.unwrap_or(0)) / 1000;
    u64::try_from(part).unwrap_or(u64::MAX)
}

struct Reader<'a> {
    options: &'a CoreOptions,
}

impl Reader<'_> {
    fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
        let value = self.options.get(key).map(parse).transpose();
        value.map_err(|e| e.with("option", key))
    }

    fn bool(&self, key: &str) -> Result<bool> {
        Ok(self.parsed(key, parse_bool)?.unwrap_or(false))
    }

    fn number(&self, key: &str, default: u64) -> Result<u64> {
        let parse = |text: &str| {
            let n = parse_i64(text)?;
            u64::try_from(n).map_err(|_| Error::invalid(format!("expected 0 or more, found {n}")))
        };
        Ok(self.parsed(key, parse)?.unwrap_or(default))
    }

    fn count(&self, key: &str, default: usize) -> Result<usize> {
        let default = u64::try_from(default).unwrap_or(u64::MAX);
        Ok(usize::try_from(self.number(key, default)?).unwrap_or(usize::MAX))
    }

    fn ratio(&self, key: &str, default: f64) -> Result<f64> {
        let parse = |text: &str| {
            let ratio = text.trim().parse().ok();
            ratio.filter(|r| (0.0..=1.0).contains(r)).ok_or_else(|| {
                Error::invalid(format!("expected a number from 0 to 1, found {text:?}"))
            })
        };
        Ok(self.parsed(key, parse)?.unwrap_or(default))
    }

    fn hour(&self, key: &str) -> Result<Option<u32>> {
        let parse = |text: &str| match parse_i64(text)? {
            -1 => Ok(None),
            n => u32::try_from(n)
                .ok()
                .filter(|n| *n < 24)
                .map(Some)
                .ok_or_else(|| Error::invalid(format!("expected -1 or an hour, found {n}"))),
        };
        Ok(self.parsed(key, parse)?.flatten())
    }

    fn lookup_interval(&self, trigger: usize) -> Result<Option<u32>> {
        const MODE: &str = "lookup-compact";
        let mode = self.options.get(MODE).unwrap_or("radical");
        match mode.to_ascii_lowercase().as_str() {
            "radical" => Ok(None),
            "gentle" => {
                let double = trigger.saturating_mul(2);
                let interval = self.count("lookup-compact.max-interval", double)?;
                Ok(Some(
                    u32::try_from(interval.max(trigger)).unwrap_or(u32::MAX),
                ))
            }
            _ => Err(
                Error::invalid(format!("expected radical or gentle, found {mode:?}"))
                    .with("option", MODE),
            ),
        }
    }

    fn off_peak(&self) -> Result<Option<OffPeak>> {
        let start = self.hour("compaction.offpeak.start.hour")?;
        let end = self.hour("compaction.offpeak.end.hour")?;
        let ratio = self.number("compaction.offpeak-ratio", 0)?;
        Ok(match (start, end) {
            (Some(start), Some(end)) if start != end => Some(OffPeak { start, end, ratio }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::write::testing::schema;

    fn options(pairs: &[(&str, &str)]) -> Result<CompactOptions> {
        let schema = schema(&["INT NOT NULL"], &[], &["c0"], pairs);
        CompactOptions::new(&CoreOptions::new(&schema)?, 1000)
    }

    #[test]
    fn defaults_are_javas() {
        let o = options(&[]).unwrap();
        assert_eq!((o.levels, o.universal.trigger), (6, 5));
        assert_eq!(o.universal.max_size_amplification, 200);
        assert_eq!((o.small_file_size, o.min_files), (700, 5));
        assert!(o.universal.off_peak.is_none());
    }

    #[test]
    fn levels_follow_the_trigger() {
        let o = options(&[("num-sorted-run.compaction-trigger", "9")]).unwrap();
        assert_eq!((o.levels, o.universal.trigger), (10, 9));
    }

    #[test]
    fn wrong_values_are_named() {
        for (key, value) in [
            ("compaction.small-file-ratio", "2"),
            ("compaction.size-ratio", "-1"),
            ("compaction.offpeak.start.hour", "24"),
            ("num-levels", "many"),
        ] {
            let error = options(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{key}: {error}");
        }
    }
}
