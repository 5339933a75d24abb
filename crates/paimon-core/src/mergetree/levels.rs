//! The files of one bucket as an LSM tree.
//!
//! ```text
//! level 0   one sorted run per file, newest first
//! level 1   one sorted run: files with disjoint key ranges in key order
//! ..
//! level n   the oldest rows
//! ```
//! Source: `Levels`, `LevelSortedRun`.

use std::cmp::Ordering;

use super::interval::KeyInterval;
use super::universal::RunSize;
use crate::spec::DataFileMeta;

/// A data file with a key range.
pub trait TreeFile: KeyInterval {
    /// What a manifest says about it.
    fn meta(&self) -> &DataFileMeta;
}

/// Files with disjoint key ranges of one level.
#[derive(Debug, Clone)]
pub struct LevelSortedRun<F> {
    /// LSM level.
    pub level: i32,
    /// Files in key order; one in level 0.
    pub files: Vec<F>,
}

impl<F: TreeFile> LevelSortedRun<F> {
    /// Level and bytes of the run, all that picking looks at.
    pub fn size(&self) -> RunSize {
        let bytes = |f: &F| u64::try_from(f.meta().file_size).unwrap_or(0);
        RunSize {
            level: self.level,
            bytes: self.files.iter().map(bytes).sum(),
        }
    }
}

/// The files of one bucket by level.
#[derive(Debug, Clone)]
pub struct Levels<F> {
    /// Newest first.
    level0: Vec<F>,
    /// Level 1 and up, each in key order.
    deeper: Vec<Vec<F>>,
}

impl<F: TreeFile> Levels<F> {
    /// Sorts files into at least `count` levels (at least two), more when a file lies deeper.
    pub fn new(files: Vec<F>, count: usize) -> Self {
        let highest = files.iter().map(|f| level_of(f)).max().unwrap_or(0);
        let mut deeper: Vec<Vec<F>> = Vec::new();
        deeper.resize_with(count.max(2).max(highest + 1) - 1, Vec::new);
        let mut level0 = Vec::new();
        for file in files {
            match level_of(&file).checked_sub(1) {
                None => level0.push(file),
                Some(i) => deeper[i].push(file),
            }
        }
        level0.sort_by(|a, b| newest_first(a.meta(), b.meta()));
        for level in &mut deeper {
            level.sort_by(F::compare_min);
        }
        Self { level0, deeper }
    }

    /// The deepest level there may be.
    pub fn max_level(&self) -> i32 {
        i32::try_from(self.deeper.len()).unwrap_or(i32::MAX)
    }

    /// The deepest level with files; `None` without files.
    pub fn highest_non_empty(&self) -> Option<i32> {
        let deep = self.deeper.iter().rposition(|files| !files.is_empty());
        match deep {
            Some(i) => Some(i32::try_from(i + 1).unwrap_or(i32::MAX)),
            None => (!self.level0.is_empty()).then_some(0),
        }
    }

    /// All sorted runs: level-0 files from the newest to the oldest, then the levels with files from 1 on.
    pub fn into_runs(self) -> Vec<LevelSortedRun<F>> {
        let newest = self.level0.into_iter().map(|file| LevelSortedRun {
            level: 0,
            files: vec![file],
        });
        let older = (1..)
            .zip(self.deeper)
            .filter(|(_, files)| !files.is_empty());
        newest
            .chain(older.map(|(level, files)| LevelSortedRun { level, files }))
            .collect()
    }
}

fn level_of<F: TreeFile>(file: &F) -> usize {
    usize::try_from(file.meta().level).unwrap_or(0)
}

/// Order of two level-0 files: larger sequence numbers first; the rest makes it total.
fn newest_first(a: &DataFileMeta, b: &DataFileMeta) -> Ordering {
    (b.max_sequence_number.cmp(&a.max_sequence_number))
        .then_with(|| a.min_sequence_number.cmp(&b.min_sequence_number))
        .then_with(|| a.creation_time.cmp(&b.creation_time))
        .then_with(|| a.file_name.cmp(&b.file_name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;
    use crate::spec::SimpleStats;

    #[derive(Debug)]
    struct File {
        meta: DataFileMeta,
        range: (i32, i32),
    }

    impl KeyInterval for File {
        fn compare_min(&self, other: &Self) -> Ordering {
            self.range.0.cmp(&other.range.0)
        }
        fn compare_min_to_max(&self, other: &Self) -> Ordering {
            self.range.0.cmp(&other.range.1)
        }
        fn compare_max(&self, other: &Self) -> Ordering {
            self.range.1.cmp(&other.range.1)
        }
    }

    impl TreeFile for File {
        fn meta(&self) -> &DataFileMeta {
            &self.meta
        }
    }

    fn file(name: &str, level: i32, sequence: (i64, i64), range: (i32, i32)) -> File {
        let stats = SimpleStats {
            min_values: Bytes::new(),
            max_values: Bytes::new(),
            null_counts: None,
        };
        File {
            range,
            meta: DataFileMeta {
                file_name: name.to_string(),
                file_size: 10,
                row_count: 1,
                min_key: Bytes::new(),
                max_key: Bytes::new(),
                key_stats: stats.clone(),
                value_stats: stats,
                min_sequence_number: sequence.0,
                max_sequence_number: sequence.1,
                schema_id: 0,
                level,
                extra_files: Vec::new(),
                creation_time: None,
                delete_row_count: None,
                embedded_index: None,
                file_source: None,
                value_stats_cols: None,
                external_path: None,
                first_row_id: None,
                write_cols: None,
                write_cols_sequences: None,
            },
        }
    }

    fn names(runs: &[LevelSortedRun<File>]) -> Vec<(i32, Vec<&str>)> {
        let name = |f: &File| f.meta.file_name.clone();
        let leak = |f: &File| -> &'static str { name(f).leak() };
        runs.iter()
            .map(|r| (r.level, r.files.iter().map(leak).collect()))
            .collect()
    }

    #[test]
    fn runs_go_from_the_newest_to_the_deepest() {
        let files = vec![
            file("deep-b", 5, (0, 1), (10, 20)),
            file("old", 0, (4, 5), (0, 9)),
            file("deep-a", 5, (2, 3), (0, 9)),
            file("new", 0, (6, 9), (0, 9)),
            file("tie", 0, (5, 9), (0, 9)),
            file("middle", 2, (1, 3), (0, 9)),
        ];
        let levels = Levels::new(files, 6);
        assert_eq!(
            (levels.max_level(), levels.highest_non_empty()),
            (5, Some(5))
        );
        let runs = levels.into_runs();
        assert_eq!(
            names(&runs),
            [
                (0, vec!["tie"]),
                (0, vec!["new"]),
                (0, vec!["old"]),
                (2, vec!["middle"]),
                (5, vec!["deep-a", "deep-b"]),
            ]
        );
        assert_eq!(runs[4].size().bytes, 20);
    }

    #[test]
    fn a_file_below_the_configured_levels_adds_levels() {
        let levels = Levels::new(vec![file("a", 7, (0, 0), (0, 0))], 3);
        assert_eq!(levels.max_level(), 7);
        let none: Levels<File> = Levels::new(Vec::new(), 1);
        assert_eq!((none.max_level(), none.highest_non_empty()), (1, None));
        let one = Levels::new(vec![file("a", 0, (0, 0), (0, 0))], 6);
        assert_eq!(one.highest_non_empty(), Some(0));
    }
}
