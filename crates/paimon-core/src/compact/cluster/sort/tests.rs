//! Sorting with little memory gives what sorting everything at once does.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::write::WriteContext;

fn space(folder: &Path, bytes_max: u64) -> Arc<SpillSpace> {
    let context = WriteContext {
        spill_folder: folder.to_path_buf(),
        ..WriteContext::with_memory(0)
    };
    Arc::new(SpillSpace::new(&context, bytes_max, crate::write::SpillCompression::Zstd(1)).unwrap())
}

fn rows(random: &mut StdRng, count: usize) -> KeyedRows {
    let keys: Vec<Vec<u8>> = (0..count)
        .map(|_| {
            let length = random.random_range(0..12);
            (0..length).map(|_| random.random_range(0..3)).collect()
        })
        .collect();
    let texts: Vec<String> = keys.iter().map(|k| format!("{k:?}")).collect();
    let numbers: Int64Array = (0..count).map(|_| Some(random.random::<i64>())).collect();
    let schema = Schema::new(vec![
        Field::new("text", DataType::Utf8View, false),
        Field::new("number", DataType::Int64, false),
    ]);
    let texts = StringViewArray::from_iter_values(texts);
    KeyedRows {
        keys: BinaryArray::from_iter_values(keys),
        rows: RecordBatch::try_new(Arc::new(schema), vec![Arc::new(texts), Arc::new(numbers)])
            .unwrap(),
    }
}

fn list(batch: &RecordBatch) -> Vec<(String, i64)> {
    let texts = batch.column(0).as_string_view().iter();
    let numbers = batch.column(1).as_primitive::<Int64Type>().values();
    texts
        .map(|t| t.unwrap().to_string())
        .zip(numbers.iter().copied())
        .collect()
}

fn key_of(text: &str) -> Vec<u8> {
    text.chars()
        .filter_map(|c| c.to_digit(10))
        .map(|d| u8::try_from(d).unwrap())
        .collect()
}

#[test]
fn rows_come_sorted_and_complete_whatever_the_memory() {
    let seed = 911;
    let mut random = StdRng::seed_from_u64(seed);
    for (memory, runs_max) in [(1 << 30, 128), (400 << 10, 128), (70 << 10, 3), (1, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let space = space(folder.path(), u64::MAX);
        let limits = SortLimits {
            memory,
            runs_max,
            spillable: true,
        };
        let mut sort = ExternalSort::new(&space, limits);
        let mut expected = Vec::new();
        for _ in 0..20 {
            let count = random.random_range(0..800);
            let rows = rows(&mut random, count);
            expected.extend(list(&rows.rows));
            sort.push(rows).unwrap();
        }
        let mut sorted = sort.finish().unwrap();
        let mut found = Vec::new();
        while let Some(batch) = sorted.next().unwrap() {
            assert!(batch.num_rows() > 0 && batch.num_rows() <= ROWS_PER_BATCH);
            found.extend(list(&batch));
        }
        let keys: Vec<Vec<u8>> = found.iter().map(|(text, _)| key_of(text)).collect();
        assert!(keys.is_sorted(), "seed {seed} memory {memory}");
        found.sort();
        expected.sort();
        assert!(found == expected, "seed {seed} memory {memory}");
        assert_eq!(space.files() > 0, memory < 1 << 30, "memory {memory}");
        drop(sorted);
        let left = || {
            std::fs::read_dir(folder.path())
                .unwrap()
                .flatten()
                .collect::<Vec<_>>()
        };
        let runs = left()
            .iter()
            .map(|d| std::fs::read_dir(d.path()).unwrap().count())
            .sum::<usize>();
        assert_eq!(runs, 0, "runs are removed");
        drop(space);
        assert!(left().is_empty(), "the folder is removed");
    }
}

#[test]
fn a_sort_without_rows_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SortLimits {
        memory: 0,
        runs_max: 2,
        spillable: true,
    };
    let sort = ExternalSort::new(&space(folder.path(), 0), limits);
    assert!(sort.finish().unwrap().next().unwrap().is_none());
}

#[test]
fn limits_are_kept_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(5);
    for (spillable, option) in [
        (false, "write-buffer-spillable"),
        (true, "write-buffer-spill.max-disk-size"),
    ] {
        let limits = SortLimits {
            memory: 10,
            runs_max: 2,
            spillable,
        };
        let mut sort = ExternalSort::new(&space(folder.path(), 100), limits);
        sort.push(rows(&mut random, 100)).unwrap();
        let error = sort.push(rows(&mut random, 100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
        assert!(error.to_string().contains(option), "{error}");
        drop(sort);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
