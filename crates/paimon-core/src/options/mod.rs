//! Table options: parsed once when a table is opened, typed below.
//!
//! Source: `CoreOptions`. Unknown keys are kept untouched; keys that would change what a read returns and that this
//! engine does not support are refused by name.

mod parse;
mod partition_time;
mod retention;
mod scan_mode;
mod secret;
mod streaming;
mod tagging;
mod types;

pub use secret::{is_secret_key, redacted};

use std::time::Duration;

use indexmap::IndexMap;

pub use parse::{parse_bool, parse_bytes, parse_duration_ms, parse_i64};
pub(crate) use partition_time::PartitionTime;
pub use retention::{Retained, RetentionOptions};
pub(crate) use scan_mode::{POINTS, check_scan_mode};
pub(crate) use streaming::folding_engine;
pub use streaming::{ConsumerMode, StreamingOptions};
pub use tagging::{TagCreation, TagFormat, TagPeriod, TaggingOptions};
pub(crate) use types::check_types;

use crate::error::{Error, Result};
use crate::spec::TableSchema;

/// How the records of one key are merged (option `merge-engine`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MergeEngine {
    /// The last record wins.
    Deduplicate,
    /// Non-null columns of later records overwrite.
    PartialUpdate,
    /// Every column has an aggregate function.
    Aggregation,
    /// The first record wins.
    FirstRow,
}

/// Who produces changelog files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangelogProducer {
    /// Nobody.
    None,
    /// The write: its input.
    Input,
    /// Full compaction.
    FullCompaction,
    /// Lookup compaction.
    Lookup,
}

/// The typed options a read needs.
#[derive(Debug, Clone)]
pub struct CoreOptions {
    map: IndexMap<String, String>,
    /// `bucket`
    pub bucket: i32,
    /// `merge-engine`
    pub merge_engine: MergeEngine,
    /// `changelog-producer`
    pub changelog_producer: ChangelogProducer,
    /// `sequence.field`
    pub sequence_fields: Vec<String>,
    /// `sequence.field.sort-order` is descending
    pub sequence_descending: bool,
    /// `sequence.snapshot-ordering`
    pub snapshot_ordering: bool,
    /// `ignore-delete`
    pub ignore_delete: bool,
    /// `deletion-vectors.enabled`
    pub deletion_vectors: bool,
    /// `deletion-vectors.merge-on-read`
    pub deletion_vectors_merge_on_read: bool,
    /// `force-lookup`
    pub force_lookup: bool,
    /// `row-tracking.enabled`
    pub row_tracking: bool,
    /// `data-evolution.enabled`
    pub data_evolution: bool,
    /// `data-file.path-directory`
    pub data_file_directory: Option<String>,
    /// `partition.default-name`
    pub partition_default_name: String,
    /// `partition.legacy-name`
    pub partition_legacy_name: bool,
    /// `source.split.target-size`, bytes
    pub split_target_size: u64,
    /// `source.split.open-file-cost`, bytes
    pub split_open_file_cost: u64,
    /// `scan.ignore-corrupt-files`
    pub ignore_corrupt_files: bool,
    /// `scan.ignore-lost-files`
    pub ignore_lost_files: bool,
    /// `file-index.read.enabled`
    pub file_index_read: bool,
}

/// Options that are off unless set to `true` and that this engine cannot honour when reading.
const UNSUPPORTED_SWITCHES: &[&str] = &[
    "chain-table.enabled",
    "query-auth.enabled",
    "pk-clustering-override",
    "postpone.merge-on-read",
];

/// Options that this engine cannot honour when reading, whatever their value.
const UNSUPPORTED_KEYS: &[&str] = &[
    "scan.plan-auto-tag-for-read.time-retained",
    "scan.fallback-snapshot-branch",
    "scan.fallback-delta-branch",
];

impl CoreOptions {
    /// Options of a schema with dynamic options on top.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value, `Unsupported` for an option this engine cannot honour; both name the key.
    pub fn new(schema: &TableSchema) -> Result<Self> {
        let map = schema.options.clone();
        let o = Reader { map: &map };
        o.refuse_unsupported()?;
        let options = Self {
            bucket: o.int("bucket", -1)?,
            merge_engine: o.merge_engine()?,
            changelog_producer: o.changelog_producer()?,
            sequence_fields: o.list("sequence.field"),
            sequence_descending: o.sort_order()?,
            snapshot_ordering: o.bool("sequence.snapshot-ordering", false)?,
            ignore_delete: o.ignore_delete()?,
            deletion_vectors: o.bool("deletion-vectors.enabled", false)?,
            deletion_vectors_merge_on_read: o.bool("deletion-vectors.merge-on-read", false)?,
            force_lookup: o.bool("force-lookup", false)?,
            row_tracking: o.bool("row-tracking.enabled", false)?,
            data_evolution: o.bool("data-evolution.enabled", false)?,
            data_file_directory: o.text("data-file.path-directory"),
            partition_default_name: o
                .text("partition.default-name")
                .unwrap_or_else(|| "__DEFAULT_PARTITION__".into()),
            partition_legacy_name: o.bool("partition.legacy-name", true)?,
            split_target_size: o.bytes("source.split.target-size", 128 << 20)?,
            split_open_file_cost: o.bytes("source.split.open-file-cost", 4 << 20)?,
            ignore_corrupt_files: o.bool("scan.ignore-corrupt-files", false)?,
            ignore_lost_files: o.bool("scan.ignore-lost-files", false)?,
            file_index_read: o.bool("file-index.read.enabled", true)?,
            map,
        };
        options.validate(schema)?;
        Ok(options)
    }

    fn validate(&self, schema: &TableSchema) -> Result<()> {
        for field in &self.sequence_fields {
            if schema.has_primary_key() && schema.field(field).is_none() {
                return Err(Error::invalid(format!(
                    "`sequence.field` names {field:?}, which is not a column"
                ))
                .with("option", "sequence.field"));
            }
        }
        if self.merge_engine == MergeEngine::FirstRow
            && schema.has_primary_key()
            && !self.sequence_fields.is_empty()
        {
            return Err(Error::invalid(
                "`sequence.field` does not go with the first-row merge engine",
            )
            .with("option", "sequence.field"));
        }
        if self.changelog_producer != ChangelogProducer::None && !schema.has_primary_key() {
            return Err(Error::invalid("`changelog-producer` needs a primary key")
                .with("option", "changelog-producer"));
        }
        if self.data_evolution && !self.row_tracking {
            return Err(Error::invalid(
                "`data-evolution.enabled` needs `row-tracking.enabled` = true",
            )
            .with("option", "data-evolution.enabled"));
        }
        Ok(())
    }

    /// Value of a key as stored.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.map.get(key).map(String::as_str)
    }

    /// All options as stored.
    pub fn map(&self) -> &IndexMap<String, String> {
        &self.map
    }

    /// Whether merges follow the lookup rule (`LookupStrategy.needLookup`).
    pub fn need_lookup(&self) -> bool {
        self.changelog_producer == ChangelogProducer::Lookup
            || self.deletion_vectors
            || self.merge_engine == MergeEngine::FirstRow
            || self.force_lookup
    }

    /// Whether batch scans of a primary-key table leave out level 0 (`CoreOptions.batchScanSkipLevel0`).
    pub fn batch_scan_skips_level0(&self) -> bool {
        (self.deletion_vectors && !self.deletion_vectors_merge_on_read)
            || self.merge_engine == MergeEngine::FirstRow
    }

    /// Columns hashed to a bucket: `bucket-key`, else the trimmed primary key.
    pub fn bucket_keys(&self, schema: &TableSchema) -> Vec<String> {
        match self.get("bucket-key").filter(|k| !k.trim().is_empty()) {
            Some(keys) => keys.split(',').map(str::to_string).collect(),
            None => schema.trimmed_primary_keys(),
        }
    }
}

struct Reader<'a> {
    map: &'a IndexMap<String, String>,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.map.get(key).cloned()
    }

    fn list(&self, key: &str) -> Vec<String> {
        self.map
            .get(key)
            .map(|v| v.split(',').map(|s| s.trim().to_string()).collect())
            .unwrap_or_default()
    }

    fn bool(&self, key: &'static str, default: bool) -> Result<bool> {
        self.map.get(key).map_or(Ok(default), |v| {
            parse_bool(v).map_err(|e| e.with("option", key))
        })
    }

    fn int(&self, key: &'static str, default: i32) -> Result<i32> {
        let Some(text) = self.map.get(key) else {
            return Ok(default);
        };
        let wide = parse_i64(text).map_err(|e| e.with("option", key))?;
        i32::try_from(wide)
            .map_err(|_| Error::invalid(format!("{wide} does not fit an int")).with("option", key))
    }

    /// An integer that is at least `least`.
    fn number<T: TryFrom<i64>>(&self, key: &'static str, default: i64, least: i64) -> Result<T> {
        let wide = match self.map.get(key) {
            Some(text) => parse_i64(text).map_err(|e| e.with("option", key))?,
            None => default,
        };
        let narrow = T::try_from(wide).ok().filter(|_| wide >= least);
        narrow.ok_or_else(|| {
            Error::invalid(format!(
                "expected an integer of at least {least}, found {wide}"
            ))
            .with("option", key)
        })
    }

    fn duration(&self, key: &'static str) -> Result<Option<Duration>> {
        let millis = self.map.get(key).map(|v| parse_duration_ms(v)).transpose();
        let millis = millis.map_err(|e| e.with("option", key))?;
        Ok(millis.map(Duration::from_millis))
    }

    fn bytes(&self, key: &'static str, default: u64) -> Result<u64> {
        self.map.get(key).map_or(Ok(default), |v| {
            parse_bytes(v).map_err(|e| e.with("option", key))
        })
    }

    fn one_of<T: Copy>(&self, key: &'static str, default: T, all: &[(&str, T)]) -> Result<T> {
        let Some(text) = self.map.get(key) else {
            return Ok(default);
        };
        let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            Error::invalid(format!(
                "expected one of {}, found {text:?}",
                names.join(", ")
            ))
            .with("option", key)
        })
    }

    fn merge_engine(&self) -> Result<MergeEngine> {
        use MergeEngine::*;
        self.one_of(
            "merge-engine",
            Deduplicate,
            &[
                ("deduplicate", Deduplicate),
                ("partial-update", PartialUpdate),
                ("aggregation", Aggregation),
                ("first-row", FirstRow),
            ],
        )
    }

    fn changelog_producer(&self) -> Result<ChangelogProducer> {
        use ChangelogProducer::*;
        self.one_of(
            "changelog-producer",
            None,
            &[
                ("none", None),
                ("input", Input),
                ("full-compaction", FullCompaction),
                ("lookup", Lookup),
            ],
        )
    }

    fn sort_order(&self) -> Result<bool> {
        self.one_of(
            "sequence.field.sort-order",
            false,
            &[("ascending", false), ("descending", true)],
        )
    }

    fn ignore_delete(&self) -> Result<bool> {
        for key in [
            "ignore-delete",
            "first-row.ignore-delete",
            "deduplicate.ignore-delete",
            "partial-update.ignore-delete",
        ] {
            if self.map.contains_key(key) {
                return self.bool(key, false);
            }
        }
        Ok(false)
    }

    fn refuse_unsupported(&self) -> Result<()> {
        for key in UNSUPPORTED_SWITCHES {
            if self.bool(key, false)? {
                return Err(Error::unsupported(format!(
                    "tables with option `{key}` = true are not supported"
                ))
                .with("option", key));
            }
        }
        for key in UNSUPPORTED_KEYS {
            if self.map.contains_key(*key) {
                return Err(
                    Error::unsupported(format!("option `{key}` is not supported"))
                        .with("option", key),
                );
            }
        }
        let kind = self.text("type").unwrap_or_else(|| "table".into());
        if kind != "table" && kind != "materialized-table" {
            return Err(Error::unsupported(format!(
                "tables of type {kind:?} are not supported, only `table` is"
            ))
            .with("option", "type"));
        }
        Ok(())
    }
}
