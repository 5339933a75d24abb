//! Data files of a primary-key table with their key ranges, and the sorted runs they form.

use std::cmp::Ordering;

use crate::error::Result;
use crate::mergetree::{KeyInterval, TreeFile};
use crate::read::split::{Section, SortedRun, SplitFile};
use crate::spec::{BinaryRow, DataField, DataFileMeta, Datum};

/// A file with its decoded key bounds.
#[derive(Debug, Clone)]
pub(crate) struct KeyedFile {
    pub(crate) file: SplitFile,
    min: Vec<Option<Datum>>,
    max: Vec<Option<Datum>>,
}

impl KeyedFile {
    /// Decodes the bounds of a file whose keys have these columns.
    ///
    /// # Errors
    /// `Damaged` naming the file.
    pub(crate) fn new(file: SplitFile, key_fields: &[DataField]) -> Result<Self> {
        let key = |bytes, what| -> Result<Vec<Option<Datum>>> {
            let row = BinaryRow::from_serialized(bytes, what)?;
            (0..key_fields.len())
                .map(|i| row.get(i, &key_fields[i].data_type))
                .collect()
        };
        let named = |e: crate::Error| e.with_default("path", &file.path);
        Ok(Self {
            min: key(&file.meta.min_key, "minimum key").map_err(named)?,
            max: key(&file.meta.max_key, "maximum key").map_err(named)?,
            file,
        })
    }

    /// Smallest and largest value of the first key column in some files; `None` where there may be nulls.
    pub(crate) fn first_key_range(files: &[&Self]) -> Option<(Datum, Datum)> {
        let min = files.iter().min_by(|a, b| a.compare_min(b))?;
        let max = files.iter().max_by(|a, b| a.compare_max(b))?;
        let first = |key: &[Option<Datum>]| key.first().cloned().flatten();
        first(&min.min).zip(first(&max.max))
    }
}

impl KeyInterval for KeyedFile {
    fn compare_min(&self, other: &Self) -> Ordering {
        compare_keys(&self.min, &other.min)
    }
    fn compare_min_to_max(&self, other: &Self) -> Ordering {
        compare_keys(&self.min, &other.max)
    }
    fn compare_max(&self, other: &Self) -> Ordering {
        compare_keys(&self.max, &other.max)
    }
}

impl TreeFile for KeyedFile {
    fn meta(&self) -> &DataFileMeta {
        &self.file.meta
    }
}

/// Order of two keys, nulls first.
fn compare_keys(a: &[Option<Datum>], b: &[Option<Datum>]) -> Ordering {
    for (x, y) in a.iter().zip(b) {
        let order = match (x, y) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => x.compare(y).unwrap_or(Ordering::Equal),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Runs of a section from oldest to newest: levels from the deepest, then level-0 files by sequence.
pub(crate) fn section_of(files: Vec<KeyedFile>) -> Section {
    let mut runs: Vec<(SortedRun, Vec<KeyedFile>)> = Vec::new();
    let (mut level0, mut deeper): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|f| f.file.meta.level == 0);
    deeper
        .sort_by(|a, b| (b.file.meta.level.cmp(&a.file.meta.level)).then_with(|| a.compare_min(b)));
    for keyed in deeper {
        let level = keyed.file.meta.level;
        match runs.last_mut() {
            Some((run, files)) if run.level == level => files.push(keyed),
            _ => runs.push((empty_run(level), vec![keyed])),
        }
    }
    level0.sort_by_key(|f| {
        (
            f.file.meta.max_sequence_number,
            f.file.meta.min_sequence_number,
            f.file.meta.creation_time,
        )
    });
    runs.extend(level0.into_iter().map(|keyed| (empty_run(0), vec![keyed])));
    let runs = runs.into_iter().map(|(mut run, files)| {
        run.files = files.into_iter().map(|k| k.file).collect();
        run
    });
    Section {
        runs: runs.collect(),
    }
}

fn empty_run(level: i32) -> SortedRun {
    SortedRun {
        level,
        files: Vec::new(),
    }
}
