//! The options that commits look at, typed.

use crate::codec::avro::Codec;
use crate::error::{Error, Result};
use crate::options::{CoreOptions, parse_bool, parse_bytes, parse_duration_ms, parse_i64};

/// Options of commits, checked once.
#[derive(Debug, Clone)]
pub(super) struct CommitOptions {
    /// `manifest.target-file-size`, bytes
    pub(super) manifest_target_size: u64,
    /// `manifest.full-compaction-threshold-size`, bytes
    pub(super) full_merge_size: u64,
    /// `manifest.merge-min-count`
    pub(super) merge_min_count: usize,
    /// `manifest.compression`
    pub(super) codec: Codec,
    /// `commit.max-retries`
    pub(super) max_retries: u32,
    /// `commit.timeout`, milliseconds
    pub(super) timeout_ms: Option<u64>,
    /// `commit.min-retry-wait`, milliseconds
    pub(super) retry_wait_min_ms: u64,
    /// `commit.max-retry-wait`, milliseconds
    pub(super) retry_wait_max_ms: u64,
    /// `snapshot.ignore-empty-commit`
    pub(super) ignore_empty: bool,
    /// `dynamic-partition-overwrite`
    pub(super) dynamic_overwrite: bool,
    /// `overwrite-upgrade`
    pub(super) overwrite_upgrade: bool,
    /// `row-tracking.partition-group-on-commit`
    pub(super) groups_row_ids: bool,
    /// Highest level of an LSM tree: `num-levels` - 1.
    pub(super) level_max: i32,
}

/// Options that would change what a commit does and that this engine cannot honour, unless set to `false`.
const UNSUPPORTED_SWITCHES: &[&str] = &[
    "commit.discard-duplicate-files",
    "manifest-sort.enabled",
    "tag.create-success-file",
];

/// The same, whatever their value.
const UNSUPPORTED_KEYS: &[&str] = &[
    "commit.strict-mode.last-safe-snapshot",
    "commit.callbacks",
    "tag.callbacks",
    "write.sequence-number-init-mode",
];

impl CommitOptions {
    /// Options of a table.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value, `Unsupported` for an option this engine cannot honour when committing; both
    /// name the key.
    pub(super) fn new(options: &CoreOptions) -> Result<Self> {
        let o = Reader { options };
        o.refuse_unsupported()?;
        let level = o.number("file.compression.zstd-level", 1)?;
        let trigger = o.number("num-sorted-run.compaction-trigger", 5)?;
        let levels = o.number("num-levels", trigger.saturating_add(1))?.max(2);
        Ok(Self {
            manifest_target_size: o.size("manifest.target-file-size", 8 << 20)?,
            full_merge_size: o.size("manifest.full-compaction-threshold-size", 16 << 20)?,
            merge_min_count: usize::try_from(o.number("manifest.merge-min-count", 30)?)
                .map_err(|_| negative("manifest.merge-min-count"))?,
            codec: o.codec(i32::try_from(level).unwrap_or(1))?,
            max_retries: u32::try_from(o.number("commit.max-retries", 10)?)
                .map_err(|_| negative("commit.max-retries"))?,
            timeout_ms: o.duration("commit.timeout")?,
            retry_wait_min_ms: o.duration("commit.min-retry-wait")?.unwrap_or(10),
            retry_wait_max_ms: o.duration("commit.max-retry-wait")?.unwrap_or(10_000),
            ignore_empty: o.bool("snapshot.ignore-empty-commit", true)?,
            dynamic_overwrite: o.bool("dynamic-partition-overwrite", true)?,
            overwrite_upgrade: o.bool("overwrite-upgrade", true)?,
            groups_row_ids: o.bool("row-tracking.partition-group-on-commit", true)?,
            level_max: i32::try_from(levels - 1).map_err(|_| negative("num-levels"))?,
        })
    }
}

struct Reader<'a> {
    options: &'a CoreOptions,
}

impl Reader<'_> {
    fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
        let value = self.options.get(key).map(parse).transpose();
        value.map_err(|e| e.with("option", key))
    }

    fn bool(&self, key: &str, default: bool) -> Result<bool> {
        Ok(self.parsed(key, parse_bool)?.unwrap_or(default))
    }

    fn size(&self, key: &str, default: u64) -> Result<u64> {
        Ok(self.parsed(key, parse_bytes)?.unwrap_or(default))
    }

    fn number(&self, key: &str, default: i64) -> Result<i64> {
        Ok(self.parsed(key, parse_i64)?.unwrap_or(default))
    }

    fn duration(&self, key: &str) -> Result<Option<u64>> {
        self.parsed(key, parse_duration_ms)
    }

    fn codec(&self, level: i32) -> Result<Codec> {
        let name = self.options.get("manifest.compression").unwrap_or("zstd");
        match name.to_ascii_lowercase().as_str() {
            "zstd" | "zstandard" => Ok(Codec::Zstandard { level }),
            "deflate" => Ok(Codec::Deflate),
            "bzip2" => Ok(Codec::Bzip2),
            "null" => Ok(Codec::Null),
            // Java reads no manifests compressed with snappy
            "snappy" => Err(Error::unsupported(
                "manifests compressed with snappy are not supported: Java cannot read them",
            )
            .with("option", "manifest.compression")),
            other => Err(Error::invalid(format!(
                "expected zstd, deflate, bzip2 or null, found {other:?}"
            ))
            .with("option", "manifest.compression")),
        }
    }

    fn refuse_unsupported(&self) -> Result<()> {
        for key in UNSUPPORTED_SWITCHES {
            if self.bool(key, false)? {
                return Err(refused(key));
            }
        }
        // an option of releases up to 1.4: they read manifests in the format it names
        if self
            .options
            .get("manifest.format")
            .is_some_and(|f| !f.eq_ignore_ascii_case("avro"))
        {
            return Err(refused("manifest.format"));
        }
        match UNSUPPORTED_KEYS
            .iter()
            .find(|key| self.options.get(key).is_some())
        {
            Some(key) => Err(refused(key)),
            None => Ok(()),
        }
    }
}

fn negative(key: &str) -> Error {
    Error::invalid("expected a number that is not negative").with("option", key)
}

fn refused(key: &str) -> Error {
    Error::unsupported(format!("commits with option `{key}` are not supported")).with("option", key)
}
