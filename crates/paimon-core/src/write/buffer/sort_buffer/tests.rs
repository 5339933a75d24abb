#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, Int32Array, StringViewArray};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::*;
use crate::arrow_bridge::arrow_schema;
use crate::mergetree::function::{MergeEngine, create_merge_function};
use crate::write::testing::schema;

/// (key, sequence field, value, kind)
type Row = (i32, Option<i32>, Option<i32>, i8);

type Found = (String, Option<i32>, Option<i32>, i8, i64);

fn spec(types: &[&str], keys: &[usize], sequence: &[usize], descending: bool) -> SortSpec {
    SortSpec {
        fields: schema(types, &[], &[], &[]).fields,
        keys: keys.to_vec(),
        sequence: sequence.to_vec(),
        descending,
    }
}

/// Column types for a kind of key and how a number becomes such a key.
fn key_column(kind: &str, keys: &[i32]) -> ArrayRef {
    let ints = || Int32Array::from(keys.to_vec());
    match kind {
        "INT NOT NULL" => Arc::new(ints()),
        "BIGINT NOT NULL" => arrow_cast::cast(&ints(), &arrow_schema::DataType::Int64).unwrap(),
        _ => Arc::new(StringViewArray::from_iter_values(
            keys.iter().map(|k| format!("a shared prefix {k:06}")),
        )),
    }
}

fn buffered(spec: &SortSpec, kind: &str, rows: &[Row], cuts: usize) -> BufferedRows {
    let mut out = BufferedRows::default();
    for part in rows.chunks(cuts) {
        let keys: Vec<i32> = part.iter().map(|r| r.0).collect();
        let columns: Vec<ArrayRef> = vec![
            key_column(kind, &keys),
            Arc::new(part.iter().map(|r| r.1).collect::<Int32Array>()),
            Arc::new(part.iter().map(|r| r.2).collect::<Int32Array>()),
        ];
        let values = RecordBatch::try_new(arrow_schema(&spec.fields), columns).unwrap();
        let kinds = part.iter().map(|r| Some(r.3)).collect();
        out.push(values, kinds).unwrap();
    }
    out
}

/// (key text, sequence field, value, kind, sequence number) of every row.
fn rows_of(batch: &KeyValueBatch) -> Vec<Found> {
    let text = arrow_cast::cast(batch.values.column(0), &arrow_schema::DataType::Utf8View).unwrap();
    let ints = |c: usize, i: usize| {
        let column = batch.values.column(c).as_primitive::<Int32Type>();
        column.is_valid(i).then(|| column.value(i))
    };
    (0..batch.values.num_rows())
        .map(|i| {
            let key = text.as_string_view().value(i).to_string();
            let kind = batch.kinds.value(i);
            (key, ints(1, i), ints(2, i), kind, batch.sequence.value(i))
        })
        .collect()
}

fn random_rows(seed: u64, count: usize, keys: i32) -> Vec<Row> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|_| {
            let sequence = random.random_bool(0.8).then(|| random.random_range(0..5));
            let value = random
                .random_bool(0.7)
                .then(|| random.random_range(0..1000));
            (
                random.random_range(0..keys),
                sequence,
                value,
                if random.random_bool(0.2) { 3 } else { 0 },
            )
        })
        .collect()
}

#[rstest]
fn rows_are_sorted_by_key_sequence_and_arrival(
    #[values("INT NOT NULL", "BIGINT NOT NULL", "STRING NOT NULL", "STRING")] kind: &str,
    #[values(None, Some(false), Some(true))] by_sequence: Option<bool>,
    #[values(1, 7, 1000)] cuts: usize,
) {
    let seed = 17;
    let rows = random_rows(seed, 400, 60);
    let sequence: &[usize] = if by_sequence.is_some() { &[1] } else { &[] };
    let descending = by_sequence == Some(true);
    let spec = spec(&[kind, "INT", "INT"], &[0], sequence, descending);
    let sorted = SortedRows::new(buffered(&spec, kind, &rows, cuts), &spec, 1_000).unwrap();
    let mut expected: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
    expected.sort_by_key(|(i, row)| {
        let own = match row.1 {
            _ if by_sequence.is_none() => (0, 0),
            None => (0, 0),
            Some(v) if descending => (1, -v),
            Some(v) => (1, v),
        };
        (row.0, own, *i)
    });
    let found = rows_of(&sorted.raw(0..400).unwrap());
    let sequences: Vec<i64> = found.iter().map(|r| r.4).collect();
    let wanted: Vec<i64> = expected
        .iter()
        .map(|(i, _)| 1_000 + i64::try_from(*i).unwrap())
        .collect();
    assert_eq!(sequences, wanted, "seed {seed}");
    let values: Vec<Option<i32>> = found.iter().map(|r| r.2).collect();
    assert_eq!(
        values,
        expected.iter().map(|(_, r)| r.2).collect::<Vec<_>>()
    );

    let mut newest: BTreeMap<i32, i64> = BTreeMap::new();
    for (i, row) in &expected {
        newest.insert(row.0, 1_000 + i64::try_from(*i).unwrap());
    }
    let winners = sorted.newest(0..sorted.num_keys()).unwrap();
    let winners: Vec<i64> = winners.sequence.values().to_vec();
    assert_eq!(
        winners,
        newest.into_values().collect::<Vec<_>>(),
        "seed {seed}"
    );

    let sort = || SortedRows::new(buffered(&spec, kind, &rows, cuts), &spec, 1_000).unwrap();
    let all = sort().arranged(false).unwrap();
    assert_eq!((all.num_rows(), all.num_keys()), (400, sorted.num_keys()));
    assert_eq!(rows_of(&all.raw(0..400).unwrap()), found);
    assert_eq!(all.newest(3..9).unwrap().sequence.values(), &winners[3..9]);
    let short = sort().arranged(true).unwrap();
    let count = short.num_keys();
    assert_eq!((count, short.num_rows()), (winners.len(), winners.len()));
    for rows in [short.newest(0..count), short.raw(0..count)] {
        assert_eq!(rows.unwrap().sequence.values(), winners.as_slice());
    }
}

#[rstest]
fn merging_in_pieces_is_merging_at_once(#[values(1, 2, 3)] seed: u64) {
    let kind = "INT NOT NULL";
    let spec = spec(&[kind, "INT", "INT"], &[0], &[], false);
    let schema = schema(
        &[kind, "INT", "INT"],
        &[],
        &["c0"],
        &[("partial-update.remove-record-on-delete", "true")],
    );
    let function = create_merge_function(
        MergeEngine::PartialUpdate,
        &spec.fields,
        &schema.primary_keys,
        &schema.options,
    )
    .unwrap();
    let rows = random_rows(seed, 300, 120);
    let sorted = SortedRows::new(buffered(&spec, kind, &rows, 11), &spec, 0).unwrap();
    let whole = sorted
        .merged(0..sorted.num_keys(), function.as_ref())
        .unwrap();
    let mut pieces = Vec::new();
    for g in 0..sorted.num_keys() {
        pieces.extend(rows_of(
            &sorted.merged(g..g + 1, function.as_ref()).unwrap(),
        ));
    }
    assert_eq!(rows_of(&whole), pieces, "seed {seed}");
    let lone: Vec<&Row> = rows
        .iter()
        .filter(|r| rows.iter().filter(|o| o.0 == r.0).count() == 1)
        .collect();
    assert!(!lone.is_empty());
    for row in lone {
        let key = row.0.to_string();
        let found = pieces.iter().find(|p| p.0 == key).unwrap();
        assert_eq!(
            (found.1, found.2, found.3),
            (row.1, row.2, row.3),
            "seed {seed}"
        );
    }
}

#[test]
fn dropped_keys_and_sequences_of_merged_rows() {
    let kind = "INT NOT NULL";
    let spec = spec(&[kind, "INT", "INT"], &[0], &[], false);
    let schema = schema(
        &[kind, "INT", "INT"],
        &[],
        &["c0"],
        &[("ignore-delete", "true")],
    );
    let function = create_merge_function(
        MergeEngine::FirstRow,
        &spec.fields,
        &schema.primary_keys,
        &schema.options,
    )
    .unwrap();
    let rows: Vec<Row> = vec![
        (2, None, Some(1), 0),
        (1, None, Some(2), 3),
        (2, None, Some(3), 0),
        (1, None, Some(4), 3),
        (3, None, Some(5), 2),
    ];
    let sorted = SortedRows::new(buffered(&spec, kind, &rows, 2), &spec, 10).unwrap();
    let merged = sorted.merged(0..3, function.as_ref()).unwrap();
    assert_eq!(
        rows_of(&merged),
        [
            ("2".to_string(), None, Some(1), 0, 10),
            ("3".to_string(), None, Some(5), 2, 14)
        ]
    );
}

#[test]
fn composite_keys_sort_column_by_column() {
    let spec = spec(
        &["BIGINT NOT NULL", "STRING NOT NULL", "INT"],
        &[1, 0],
        &[],
        false,
    );
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![2, 1, -1, 1])),
        Arc::new(StringViewArray::from(vec!["b", "b", "b", "a"])),
        Arc::new(Int32Array::from(vec![0, 1, 2, 3])),
    ];
    let rows = BufferedRows {
        batches: vec![RecordBatch::try_new(arrow_schema(&spec.fields), columns).unwrap()],
        kinds: vec![Int8Array::from(vec![0; 4])],
        ..Default::default()
    };
    let sorted = SortedRows::new(rows, &spec, 0).unwrap();
    assert_eq!((sorted.num_rows(), sorted.num_keys()), (4, 4));
    let found = sorted.raw(0..4).unwrap();
    assert_eq!(found.sequence.values(), &[3, 2, 1, 0]);
    let longs = found.values.column(0).as_primitive::<Int64Type>();
    assert_eq!(longs.values(), &[1, -1, 1, 2]);
}
