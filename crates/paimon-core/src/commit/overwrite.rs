//! Replacing the files of partitions.
//!
//! Source: `OverwriteChangesProvider`, `FileStoreCommitImpl.overwritePartition`.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::changes::Changes;
use super::conflict::compare_keys;
use crate::error::{Error, Result};
use crate::manifest::partition_values;
use crate::spec::{DataField, Datum, FileKind, IndexManifestEntry, ManifestEntry, datum_to_text};

/// What an overwrite removes.
#[derive(Debug, Clone, PartialEq)]
pub enum Overwrite {
    /// The partitions that new files are in; nothing when there are none. In a table without partitions everything.
    Dynamic,
    /// The partitions with these values (some or all of the partition columns; empty is the whole table). New files
    /// must be in them.
    Static(Vec<(String, Option<Datum>)>),
    /// The partitions that match any of these.
    AnyOf(Vec<Vec<(String, Option<Datum>)>>),
}

/// The partitions an overwrite removes, resolved against the new files.
#[derive(Debug)]
pub(super) enum Target {
    All,
    Partitions(HashSet<Bytes>),
    Specs(Vec<Vec<(usize, Option<Datum>)>>),
}

impl Target {
    /// # Errors
    /// `InvalidInput` for a column that is no partition column.
    pub(super) fn new(
        overwrite: &Overwrite,
        fields: &[DataField],
        new_files: &[ManifestEntry],
    ) -> Result<Self> {
        let spec = |pairs: &[(String, Option<Datum>)]| {
            pairs
                .iter()
                .map(|(name, value)| {
                    let at = fields.iter().position(|f| f.name == *name);
                    at.map(|at| (at, value.clone())).ok_or_else(|| {
                        Error::invalid(format!("{name:?} is not a partition column"))
                    })
                })
                .collect::<Result<Vec<_>>>()
        };
        Ok(match overwrite {
            Overwrite::Dynamic if !fields.is_empty() => {
                Target::Partitions(new_files.iter().map(|e| e.partition.clone()).collect())
            }
            Overwrite::Dynamic => Target::All,
            Overwrite::Static(pairs) if pairs.is_empty() => Target::All,
            Overwrite::Static(pairs) => Target::Specs(vec![spec(pairs)?]),
            Overwrite::AnyOf(all) => {
                Target::Specs(all.iter().map(|p| spec(p)).collect::<Result<_>>()?)
            }
        })
    }

    /// Whether a partition is removed.
    pub(super) fn holds(&self, partition: &Bytes, fields: &[DataField]) -> Result<bool> {
        Ok(match self {
            Target::All => true,
            Target::Partitions(known) => known.contains(partition),
            Target::Specs(specs) => {
                let values = partition_values(partition, fields)?;
                specs
                    .iter()
                    .any(|spec| spec.iter().all(|(at, value)| values[*at] == *value))
            }
        })
    }

    /// New files must be in what is overwritten.
    pub(super) fn check(&self, new_files: &[ManifestEntry], fields: &[DataField]) -> Result<()> {
        for entry in new_files {
            if !self.holds(&entry.partition, fields)? {
                let values = partition_values(&entry.partition, fields)?;
                return Err(Error::invalid(
                    "rows to write are in a partition that is not overwritten",
                )
                .with("partition", shown(fields, &values)));
            }
        }
        Ok(())
    }
}

/// `p=1/q=a`, for messages.
fn shown(fields: &[DataField], values: &[Option<Datum>]) -> String {
    let parts = fields.iter().zip(values).map(|(field, value)| {
        let text = match value {
            Some(value) => datum_to_text(value, &field.data_type),
            None => "NULL".to_string(),
        };
        format!("{}={text}", field.name)
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The changes of an overwrite, given what is live.
pub(super) fn changes(
    target: &Target,
    fields: &[DataField],
    live: Vec<ManifestEntry>,
    live_index: Vec<IndexManifestEntry>,
    new: &Changes,
    postpone: bool,
) -> Result<Changes> {
    let mut out = Changes::default();
    for entry in live {
        if (postpone || entry.bucket >= 0) && target.holds(&entry.partition, fields)? {
            out.entries.push(ManifestEntry {
                kind: FileKind::Delete,
                ..entry
            });
        }
    }
    for entry in live_index {
        if target.holds(&entry.partition, fields)? {
            out.index.push(IndexManifestEntry {
                kind: FileKind::Delete,
                ..entry
            });
        }
    }
    out.entries.extend(new.entries.iter().cloned());
    out.index.extend(new.index.iter().cloned());
    Ok(out)
}

/// Lifts new level-0 files to the highest level where those of each bucket are in real buckets and disjoint: nothing
/// else is left in their partitions. Source: `overwrite-upgrade`.
pub(super) fn upgrade(
    entries: &mut [ManifestEntry],
    key_fields: &[DataField],
    level_max: i32,
) -> Result<()> {
    if entries.iter().any(|e| e.file.level != 0 || e.bucket < 0) {
        return Ok(());
    }
    let mut buckets: HashMap<(&Bytes, i32), Vec<&ManifestEntry>> = HashMap::new();
    for entry in entries.iter() {
        buckets
            .entry((&entry.partition, entry.bucket))
            .or_default()
            .push(entry);
    }
    for files in buckets.values() {
        for (i, a) in files.iter().enumerate() {
            for b in &files[i + 1..] {
                let before = compare_keys(&a.file.max_key, &b.file.min_key, key_fields)?;
                let after = compare_keys(&b.file.max_key, &a.file.min_key, key_fields)?;
                if before != Ordering::Less && after != Ordering::Less {
                    return Ok(());
                }
            }
        }
    }
    for entry in entries {
        entry.file.level = level_max;
    }
    Ok(())
}
