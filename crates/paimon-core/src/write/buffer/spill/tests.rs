#![allow(clippy::unwrap_used)]
use std::path::Path;
use std::sync::atomic::Ordering;

use arrow_array::{Int8Array, Int64Array};
use rstest::rstest;

use super::*;
use crate::write::testing::{TYPES, assert_same, batch, fields};
use crate::write::{SpillCompression, WriteContext};

fn space(folder: &Path, compression: SpillCompression) -> Arc<SpillSpace> {
    let mut context = WriteContext::with_memory(0);
    context.spill_folder = folder.to_path_buf();
    Arc::new(SpillSpace::new(&context, 1 << 40, compression).unwrap())
}

fn block(types: &[&str], rows: usize) -> KeyValueBatch {
    let count = i64::try_from(rows).unwrap();
    KeyValueBatch {
        values: batch(&fields(types, 0), rows),
        sequence: Int64Array::from_iter_values(7..7 + count),
        kinds: Int8Array::from_iter_values((0..rows).map(|i| i8::from(i % 3 == 0))),
    }
}

#[rstest]
fn rows_of_every_type_come_back(
    #[values(
        SpillCompression::WhenMuch,
        SpillCompression::None,
        SpillCompression::Lz4,
        SpillCompression::Zstd(1)
    )]
    compression: SpillCompression,
) {
    let temp = tempfile::tempdir().unwrap();
    let space = space(temp.path(), compression);
    let all = block(TYPES, 300);
    let mut writer = RunWriter::create(&space, &all.values.schema()).unwrap();
    let parts = [all.slice(0, 100), all.slice(100, 1), all.slice(101, 199)];
    for part in &parts {
        writer.write(part).unwrap();
    }
    let mut reader = writer.finish().unwrap().open().unwrap();
    for part in &parts {
        let found = reader.next().unwrap().unwrap();
        assert_same(&found.values, &part.values);
        assert_eq!(found.values.schema(), part.values.schema());
        assert_eq!(
            (&found.sequence, &found.kinds),
            (&part.sequence, &part.kinds)
        );
    }
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn runs_are_compressed_once_much_is_on_disk() {
    let temp = tempfile::tempdir().unwrap();
    let mut context = WriteContext::with_memory(0);
    context.spill_folder = temp.path().to_path_buf();
    let space = SpillSpace::new(&context, 64 << 10, SpillCompression::WhenMuch).unwrap();
    let space = Arc::new(space);
    let like = block(TYPES, 400).slice(0, 1);
    let rows: Vec<KeyValueBatch> = (0..400).map(|_| like.clone()).collect();
    let run = || {
        let mut writer = RunWriter::create(&space, &like.values.schema()).unwrap();
        let rows = rows.iter().map(|row| &row.values);
        let values = arrow_select::concat::concat_batches(&like.values.schema(), rows).unwrap();
        let count = values.num_rows();
        let all = KeyValueBatch {
            values,
            sequence: Int64Array::from(vec![1; count]),
            kinds: Int8Array::from(vec![0; count]),
        };
        writer.write(&all).unwrap();
        (writer.finish().unwrap(), all)
    };
    let (first, all) = run();
    assert!(first.file_bytes() > 16 << 10, "a quarter of what may be");
    let (second, _) = run();
    assert!(second.file_bytes() < first.file_bytes() / 2);
    for run in [first, second] {
        let rows = run.open().unwrap().next().unwrap().unwrap();
        assert_same(&rows.values, &all.values);
    }
}

#[test]
fn disk_space_is_counted_until_the_run_goes() {
    let temp = tempfile::tempdir().unwrap();
    let space = space(temp.path(), SpillCompression::None);
    let rows = block(&["INT", "STRING"], 1_000);
    let mut writer = RunWriter::create(&space, &rows.values.schema()).unwrap();
    writer.write(&rows).unwrap();
    let run = writer.finish().unwrap();
    let files: Vec<_> = std::fs::read_dir(&space.folder).unwrap().collect();
    let bytes = files[0].as_ref().unwrap().metadata().unwrap().len();
    assert_eq!(
        (files.len(), space.used.load(Ordering::Acquire)),
        (1, bytes)
    );
    drop(run);
    assert_eq!(space.used.load(Ordering::Acquire), 0);
    assert_eq!(std::fs::read_dir(&space.folder).unwrap().count(), 0);
    drop(RunWriter::<KeyValueBatch>::create(&space, &rows.values.schema()).unwrap());
    assert_eq!(std::fs::read_dir(&space.folder).unwrap().count(), 0);
    drop(space);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn a_run_that_lost_rows_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let space = space(temp.path(), SpillCompression::Lz4);
    let rows = block(&["INT", "STRING"], 100);
    let schema = rows.values.schema();
    let mut writer = RunWriter::create(&space, &schema).unwrap();
    writer.write(&rows).unwrap();
    writer.write(&rows).unwrap();
    let run = writer.finish().unwrap();
    let path = std::fs::read_dir(&space.folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 500]).unwrap();
    let mut reader = run.open().unwrap();
    reader.next().unwrap();
    assert!(reader.next().is_err());
}
