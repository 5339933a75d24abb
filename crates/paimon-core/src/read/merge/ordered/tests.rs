#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow_array::{Int32Array, RecordBatch, StringViewArray};
use arrow_row::{RowConverter, SortField};
use arrow_select::concat::concat_batches;
use futures::TryStreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::arrow_bridge::arrow_schema;
use crate::io::FileIo;
use crate::read::split::{DataSplit, SplitKind};
use crate::read::{PlanRequest, SplitRead, plan};
use crate::table::Table;
use crate::write::testing::schema;

/// A table with `commits` level-0 files of random rows.
async fn table(folder: &str, seed: u64, options: &[(&str, &str)], text_keys: bool) -> Table {
    let key = if text_keys {
        "STRING NOT NULL"
    } else {
        "INT NOT NULL"
    };
    let mut all = vec![("bucket", "1"), ("write-only", "true")];
    all.extend_from_slice(options);
    let schema = schema(&[key, "INT", "INT"], &[], &["c0"], &all);
    std::fs::create_dir_all(format!("{folder}/schema")).unwrap();
    let text = serde_json::to_vec(&schema).unwrap();
    std::fs::write(format!("{folder}/schema/schema-0"), text).unwrap();
    let io = FileIo::for_location(folder).unwrap();
    let table = Table::open(io, folder, "t").await.unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut write = table.new_write().unwrap();
    for commit in 0..rng.random_range(2..6) {
        let rows = [3, 300, 20_000][rng.random_range(0..3)];
        let keys: Vec<i32> = (0..rows).map(|_| rng.random_range(0..40_000)).collect();
        let number = |rng: &mut StdRng| rng.random_bool(0.8).then(|| rng.random_range(0..50));
        let numbers = |rng: &mut StdRng| -> Int32Array { (0..rows).map(|_| number(rng)).collect() };
        let keys: arrow_array::ArrayRef = if text_keys {
            let texts = keys.iter().map(|k| Some(format!("key {k}")));
            Arc::new(texts.collect::<StringViewArray>())
        } else {
            Arc::new(Int32Array::from(keys))
        };
        let columns = vec![
            keys,
            Arc::new(numbers(&mut rng)),
            Arc::new(numbers(&mut rng)),
        ];
        let batch = RecordBatch::try_new(arrow_schema(&schema.fields), columns).unwrap();
        let retracts = table.options().merge_engine == crate::options::MergeEngine::Deduplicate;
        let kind = |rng: &mut StdRng| {
            if retracts && rng.random_bool(0.2) {
                3
            } else {
                0
            }
        };
        let kinds: Int8Array = (0..rows).map(|_| Some(kind(&mut rng))).collect();
        write.write_with_kinds(&batch, &kinds).await.unwrap();
        let messages = write.prepare_commit().await.unwrap();
        table.new_commit().commit(commit, messages).await.unwrap();
    }
    table
}

async fn sections(table: &Table) -> Vec<(DataSplit, Section)> {
    let splits = plan(table, &PlanRequest::default()).await.unwrap().splits;
    let mut all = Vec::new();
    for split in splits {
        let SplitKind::Merge(sections) = &split.kind else {
            panic!("level-0 files are merged");
        };
        all.extend(sections.iter().map(|s| (split.clone(), s.clone())));
    }
    all
}

async fn ordered(table: &Table, split: &DataSplit, section: &Section, keep: bool) -> RecordBatch {
    let merge = OrderedMerge {
        table: table.clone(),
        partition: split.partition.clone(),
        section: section.clone(),
        keep_deletes: keep,
        below: Vec::new(),
        changelog: None,
        folds_single: false,
    };
    let merged: Vec<Merged> = merge.stream().unwrap().try_collect().await.unwrap();
    let rows = |merged| match merged {
        Merged::Rows(batch) => batch,
        Merged::Changelog(_) => panic!("no changelog was asked for"),
    };
    let batches: Vec<OrderedBatch> = merged.into_iter().map(rows).collect();
    for batch in &batches {
        assert_eq!(batch.sequence.len(), batch.values.num_rows());
        assert_eq!(batch.kinds.len(), batch.values.num_rows());
    }
    let values: Vec<&RecordBatch> = batches.iter().map(|b| &b.values).collect();
    concat_batches(&table.arrow_schema(), values).unwrap()
}

/// Rows as bytes that compare like the rows.
fn encoded(batch: &RecordBatch) -> Vec<Vec<u8>> {
    let fields = batch.schema();
    let fields = fields.fields().iter();
    let converter = RowConverter::new(
        fields
            .map(|f| SortField::new(f.data_type().clone()))
            .collect(),
    )
    .unwrap();
    let rows = converter.convert_columns(batch.columns()).unwrap();
    rows.iter().map(|r| r.data().to_vec()).collect()
}

async fn check(seed: u64, options: &[(&str, &str)], text_keys: bool) {
    let temp = tempfile::tempdir().unwrap();
    let table = table(temp.path().to_str().unwrap(), seed, options, text_keys).await;
    for (split, section) in sections(&table).await {
        let found = encoded(&ordered(&table, &split, &section, false).await);
        assert!(found.is_sorted(), "seed {seed} {options:?}");
        let mut alone = split.clone();
        alone.kind = SplitKind::Merge(vec![section]);
        let read = SplitRead::new(&table, table.schema().fields.clone());
        let batches: Vec<RecordBatch> = read.read(&alone).unwrap().try_collect().await.unwrap();
        let mut expected = encoded(&concat_batches(&table.arrow_schema(), &batches).unwrap());
        expected.sort();
        assert!(found == expected, "seed {seed} {options:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ordered_rows_are_those_of_an_unordered_read() {
    let engines: [&[(&str, &str)]; 5] = [
        &[],
        &[("sequence.field", "c1")],
        &[("merge-engine", "partial-update"), ("sequence.field", "c2")],
        &[("merge-engine", "partial-update")],
        &[
            ("merge-engine", "aggregation"),
            ("fields.default-aggregate-function", "sum"),
        ],
    ];
    for (n, options) in engines.into_iter().enumerate() {
        for round in 0..4 {
            let seed = u64::try_from(n * 10 + round).unwrap();
            check(seed, options, round % 2 == 1).await;
        }
    }
}

#[tokio::test]
async fn deletes_stay_when_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let table = table(temp.path().to_str().unwrap(), 7, &[], false).await;
    let (mut kept, mut dropped) = (0, 0);
    for (split, section) in sections(&table).await {
        kept += ordered(&table, &split, &section, true).await.num_rows();
        dropped += ordered(&table, &split, &section, false).await.num_rows();
    }
    assert!(kept > dropped && dropped > 0, "{kept} rows, {dropped} adds");
}
