//! Worked examples per function and rule, and a randomised comparison with a row-wise model of Java's classes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod functions;
mod model;
mod partial_update;
mod random;
mod values;

use std::collections::HashMap;

use arrow_array::{ArrayRef, RecordBatch};

use self::values::{Value, from_array, to_array};
use super::*;
use crate::arrow_bridge::{arrow_schema, arrow_type};
use crate::spec::DataType;

/// A record: kind and values.
type Record = (i8, Vec<Value>);

/// Merged keys: kind, values, position of the last record within the key; `None` for keys without result.
type Merged = Vec<Option<(i8, Vec<Value>, usize)>>;

fn options(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect()
}

fn fields(types: &[(&str, DataType)]) -> Vec<DataField> {
    types
        .iter()
        .zip(0..)
        .map(|((name, data_type), id)| DataField::new(id, *name, data_type.clone()))
        .collect()
}

fn batch(fields: &[DataField], rows: &[&Record]) -> RecordBatch {
    let columns = fields
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let values: Vec<&Value> = rows.iter().map(|(_, row)| &row[i]).collect();
            to_array(&arrow_type(&field.data_type), &values)
        })
        .collect();
    RecordBatch::try_new(arrow_schema(fields), columns).unwrap()
}

/// Merges keys given as lists of records: from one batch, and again with the records scattered over several.
fn merge(
    function: &dyn MergeFunction,
    fields: &[DataField],
    keys: &[Vec<Record>],
) -> Result<Merged> {
    let rows: Vec<&Record> = keys.iter().flatten().collect();
    let whole = batch(fields, &rows);
    let merged = merge_rows(function, &MergeRows::of(&whole), keys);
    let dealt: Vec<RecordBatch> = (0..SOURCES)
        .map(|s| {
            batch(
                fields,
                &rows
                    .iter()
                    .skip(s)
                    .step_by(SOURCES)
                    .copied()
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    let sources: Vec<&[ArrayRef]> = dealt.iter().map(RecordBatch::columns).collect();
    let places: Vec<Place> = (0..rows.len())
        .map(|i| (i % SOURCES, i / SOURCES))
        .collect();
    let scattered = MergeRows::scattered(whole.schema(), &sources, &places).unwrap();
    let again = merge_rows(function, &scattered, keys);
    // as text: NaN is equal to itself, and -0.0 is not 0.0
    let told = |result: &Result<Merged>| match result {
        Ok(keys) => format!("{keys:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(told(&merged), told(&again));
    merged
}

const SOURCES: usize = 3;

fn merge_rows(
    function: &dyn MergeFunction,
    rows: &MergeRows,
    keys: &[Vec<Record>],
) -> Result<Merged> {
    let kinds: Vec<i8> = keys.iter().flatten().map(|(kind, _)| *kind).collect();
    let mut offsets = vec![0];
    for key in keys {
        offsets.push(offsets.last().unwrap() + key.len());
    }
    let output = function.merge(&MergeInput {
        rows,
        kinds: &kinds,
        offsets: &offsets,
    })?;
    assert_eq!(&output.rows.schema(), rows.schema());
    assert_eq!(output.rows.num_rows(), keys.len());
    let row = |g: usize| {
        let kept = output.keep.as_ref().is_none_or(|k| k.value(g));
        let values = output.rows.columns().iter().map(|c| from_array(c, g));
        let last = output.last_row[g] - offsets[g];
        kept.then(|| (output.kinds[g], values.collect(), last))
    };
    Ok((0..keys.len()).map(row).collect())
}

/// Merges one key.
fn merge_one(
    engine: MergeEngine,
    fields: &[DataField],
    pairs: &[(&str, &str)],
    records: &[Record],
) -> Result<Option<(i8, Vec<Value>, usize)>> {
    let function = create_merge_function(engine, fields, &["k".to_string()], &options(pairs))?;
    Ok(merge(function.as_ref(), fields, &[records.to_vec()])?.remove(0))
}

#[test]
fn deduplicate_keeps_the_last_record_whatever_its_kind() {
    let fields = fields(&[("v", DataType::string())]);
    let records = [(0, vec!["a".into()]), (3, vec!["b".into()])];
    let run = |pairs: &[(&str, &str)], records: &[Record]| {
        merge_one(MergeEngine::Deduplicate, &fields, pairs, records).unwrap()
    };
    assert_eq!(run(&[], &records), Some((3, vec!["b".into()], 1)));
    let ignore = [("deduplicate.ignore-delete", "true")];
    assert_eq!(run(&ignore, &records), Some((0, vec!["a".into()], 0)));
    assert_eq!(run(&ignore, &records[1..]), None);
}

#[test]
fn first_row_keeps_the_first_record_and_refuses_deletes() {
    let fields = fields(&[("v", DataType::string())]);
    let records = [
        (3, vec!["x".into()]),
        (2, vec!["a".into()]),
        (0, vec!["b".into()]),
    ];
    let run = |pairs: &[(&str, &str)], records: &[Record]| {
        merge_one(MergeEngine::FirstRow, &fields, pairs, records)
    };
    assert_eq!(
        run(&[], &records[1..]).unwrap(),
        Some((2, vec!["a".into()], 0))
    );
    let error = run(&[], &records).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
    let ignore = [("first-row.ignore-delete", "true")];
    assert_eq!(
        run(&ignore, &records).unwrap(),
        Some((2, vec!["a".into()], 1))
    );
    assert_eq!(run(&ignore, &records[..1]).unwrap(), None);
}

#[test]
fn merge_input_of_a_wrong_shape_is_refused() {
    let fields = fields(&[("v", DataType::string())]);
    let record = (0, vec![Value::Null]);
    let rows = batch(&fields, &[&record, &record]);
    let none = options(&[]);
    let function = create_merge_function(MergeEngine::Deduplicate, &fields, &[], &none).unwrap();
    let run = |kinds: &[i8], offsets: &[usize]| {
        function.merge(&MergeInput {
            rows: &MergeRows::of(&rows),
            kinds,
            offsets,
        })
    };
    assert!(run(&[0, 0], &[0, 2]).is_ok());
    assert!(run(&[0, 0], &[0]).is_ok());
    for (kinds, offsets) in [
        (&[0][..], &[0, 1][..]),
        (&[0, 0], &[]),
        (&[0, 0], &[0, 0, 2]),
        (&[0, 0], &[0, 3]),
        (&[0, 4], &[0, 2]),
    ] {
        assert!(run(kinds, offsets).is_err(), "{kinds:?} {offsets:?}");
    }
}

#[test]
fn places_outside_of_their_sources_are_refused() {
    let fields = fields(&[("v", DataType::string())]);
    let record = (0, vec![Value::Null]);
    let rows = batch(&fields, &[&record, &record]);
    let scattered = |sources: &[&[ArrayRef]], places: &[Place]| {
        MergeRows::scattered(rows.schema(), sources, places).is_ok()
    };
    assert!(scattered(&[rows.columns()], &[(0, 1), (0, 0)]));
    assert!(!scattered(&[rows.columns()], &[(0, 2)]));
    assert!(!scattered(&[rows.columns()], &[(1, 0)]));
    assert!(!scattered(&[&[]], &[]));
}

#[test]
fn no_columns_still_give_one_row_per_key() {
    let none = options(&[]);
    for engine in [MergeEngine::Aggregation, MergeEngine::PartialUpdate] {
        let function = create_merge_function(engine, &[], &[], &none).unwrap();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(3));
        let rows = RecordBatch::try_new_with_options(arrow_schema(&[]), vec![], &options).unwrap();
        let input = MergeInput {
            rows: &MergeRows::of(&rows),
            kinds: &[0, 0, 0],
            offsets: &[0, 1, 3],
        };
        assert_eq!(function.merge(&input).unwrap().rows.num_rows(), 2);
    }
}
