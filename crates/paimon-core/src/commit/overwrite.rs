//! Replacing the files of partitions.
//!
//! Source: `OverwriteChangesProvider`, `FileStoreCommitImpl.overwritePartition`.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::changes::Changes;
use super::checks::conflict::compare_keys;
use crate::error::{Error, ErrorKind, Result};
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

/// The files that an overwrite stands for: all that it removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Names of data files.
    pub files: BTreeSet<String>,
    /// Names of index files.
    pub index_files: BTreeSet<String>,
}

impl Replaced {
    /// # Errors
    /// `CommitConflict` when the changes remove other files.
    pub(super) fn check(&self, changes: &Changes) -> Result<()> {
        let files = changes.entries.iter();
        let files = files.filter(|e| e.kind == FileKind::Delete);
        let index = changes.index.iter();
        let index = index.filter(|e| e.kind == FileKind::Delete);
        let removed = Self {
            files: files.map(|e| e.file.file_name.clone()).collect(),
            index_files: index.map(|e| e.file_name.clone()).collect(),
        };
        match *self == removed {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::CommitConflict,
                "files to be replaced were changed by another commit",
            )),
        }
    }
}

/// The partitions an overwrite removes, resolved against the new files.
#[derive(Debug)]
pub(super) enum Target {
    All,
    Partitions(HashSet<Bytes>),
    Specs(Vec<Vec<(usize, Option<Datum>)>>),
    /// Those of another target whose files all were written before a time: local milliseconds read as UTC.
    Idle(Box<Target>, i64),
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
            Target::Idle(inner, _) => inner.holds(partition, fields)?,
            Target::Specs(specs) => {
                let values = partition_values(partition, fields)?;
                specs
                    .iter()
                    .any(|spec| spec.iter().all(|(at, value)| values[*at] == *value))
            }
        })
    }

    /// What this is when these files are live: `Idle` partitions by name.
    fn resolved(&self, live: &[ManifestEntry], fields: &[DataField]) -> Result<Option<Self>> {
        let Target::Idle(inner, before_ms) = self else {
            return Ok(None);
        };
        let mut idle = HashMap::new();
        for entry in live {
            let old = entry.file.creation_time.is_some_and(|ms| ms < *before_ms);
            *idle.entry(&entry.partition).or_insert(true) &= old;
        }
        let mut partitions = HashSet::new();
        for (partition, _) in idle.into_iter().filter(|(_, idle)| *idle) {
            if inner.holds(partition, fields)? {
                partitions.insert(partition.clone());
            }
        }
        Ok(Some(Target::Partitions(partitions)))
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
    let resolved = target.resolved(&live, fields)?;
    let target = resolved.as_ref().unwrap_or(target);
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
        Arc::make_mut(&mut entry.file).level = level_max;
    }
    Ok(())
}
