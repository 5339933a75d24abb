//! Pruning never changes an answer: a filtered read gives the rows of a whole read that match.
//!
//! Random filters over golden tables, their literals taken from the tables' own rows, against evaluation after a read
//! without any filter: partitions, buckets, statistics, file indexes, page indexes and key merges all take part.

use std::collections::HashMap;
use std::path::Path;

use arrow_array::RecordBatch;
use paimon_core::arrow_bridge::datum_at;
use paimon_core::io::FileIo;
use paimon_core::predicate::{Predicate, PredicateOp, evaluate_batch};
use paimon_core::spec::{DataField, Datum, TypeKind};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::commit::{in_memory, partitioned, written};
use crate::golden::catalogue;

/// Filters per table.
const FILTERS: u64 = 10;

async fn open(folder: &Path) -> Option<Table> {
    let location = folder.to_str().unwrap();
    let io = FileIo::for_location(location).unwrap();
    Table::open(io, location, "t").await.ok()
}

fn comparable(field: &DataField) -> bool {
    !field.data_type.kind.is_nested() && !matches!(field.data_type.kind, TypeKind::Blob)
}

/// A value of the column, mostly one that is there.
fn literal(rng: &mut StdRng, batches: &[RecordBatch], field: &DataField) -> Option<Datum> {
    let batch = batches.choose(rng)?;
    let column = batch.column_by_name(&field.name)?;
    let row = rng.random_range(0..batch.num_rows().max(1));
    let datum = datum_at(column, row, &field.data_type).ok()??;
    Some(match datum {
        Datum::Int(v) if rng.random_bool(0.3) => Datum::Int(v.wrapping_add(1)),
        Datum::BigInt(v) if rng.random_bool(0.3) => Datum::BigInt(v.wrapping_sub(1)),
        Datum::String(v) if rng.random_bool(0.3) => Datum::String(format!("{v}a")),
        other => other,
    })
}

fn leaf(rng: &mut StdRng, batches: &[RecordBatch], fields: &[DataField]) -> Option<Predicate> {
    use PredicateOp::{
        Contains, EndsWith, Eq, Gt, GtEq, In, IsNotNull, IsNull, Lt, LtEq, NotEq, NotIn, StartsWith,
    };
    let field = fields.choose(rng)?;
    let mut ops = vec![
        Eq, Eq, Eq, NotEq, Lt, LtEq, Gt, GtEq, IsNull, IsNotNull, In, In, NotIn,
    ];
    if matches!(
        field.data_type.kind,
        TypeKind::VarChar(_) | TypeKind::Char(_)
    ) {
        ops.extend([StartsWith, EndsWith, Contains]);
    }
    let op = *ops.choose(rng)?;
    let count = match op {
        IsNull | IsNotNull => 0,
        In | NotIn => rng.random_range(1..4),
        _ => 1,
    };
    let literals: Option<Vec<_>> = (0..count)
        .map(|_| literal(rng, batches, field).map(Some))
        .collect();
    Predicate::leaf(field, op, literals?).ok()
}

fn filter(rng: &mut StdRng, batches: &[RecordBatch], fields: &[DataField]) -> Predicate {
    let count = rng.random_range(1..4);
    let leaves: Vec<Predicate> = (0..count)
        .filter_map(|_| leaf(rng, batches, fields))
        .collect();
    if rng.random_bool(0.6) {
        Predicate::and(leaves)
    } else {
        Predicate::or(leaves)
    }
}

/// The rows as texts, sorted.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            rows.push(format!("{:?}", batch.slice(row, 1).columns()));
        }
    }
    rows.sort();
    rows
}

async fn check(name: &str, table: &Table, seed: u64) -> usize {
    let Ok(all) = table.read_builder().collect().await else {
        return 0;
    };
    let fields: Vec<DataField> = table
        .schema()
        .fields
        .iter()
        .filter(|f| comparable(f))
        .cloned()
        .collect();
    let mut checked = 0;
    for n in 0..FILTERS {
        let seed = seed * 1000 + n;
        let mut rng = StdRng::seed_from_u64(seed);
        let filter = filter(&mut rng, &all, &fields);
        let mut expected = Vec::new();
        for batch in &all {
            let mask = evaluate_batch(&filter, batch).unwrap();
            expected.push(arrow_select::filter::filter_record_batch(batch, &mask).unwrap());
        }
        let expected = texts(&expected);
        for index_read in ["true", "false"] {
            let options = HashMap::from([("file-index.read.enabled".into(), index_read.into())]);
            let table = table.with_options(&options).await.unwrap();
            let found = table.read_builder().with_filter(filter.clone());
            let found = found.collect().await.unwrap();
            assert_eq!(
                texts(&found),
                expected,
                "{name}, seed {seed}, indexes {index_read}: {filter:?}"
            );
        }
        checked += 1;
    }
    checked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filtered_reads_give_the_matching_rows_of_whole_reads() {
    let mut checked = 0;
    let mut names: Vec<String> = std::fs::read_dir(catalogue())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| !n.starts_with("bad-") && !n.starts_with("big-"))
        .collect();
    names.sort();
    let root = catalogue().canonicalize().unwrap();
    for (seed, name) in (1u64..).zip(&names) {
        if let Some(table) = open(&root.join(name).join("table")).await {
            checked += check(name, &table, seed).await;
        }
    }
    assert!(checked > 1200, "only {checked} filters were checked");
}

#[tokio::test]
async fn what_planning_leaves_out_is_counted_by_level() {
    let table = in_memory(&partitioned()).await;
    let add = async |parts: &[(&[i32], i32)]| {
        let mut messages = Vec::new();
        for (ids, partition) in parts {
            messages.extend(written(&table, ids, *partition).await);
        }
        let commit = table.new_commit();
        commit
            .commit(BATCH_COMMIT_IDENTIFIER, messages)
            .await
            .unwrap();
    };
    add(&[(&[0, 1, 2], 0)]).await;
    add(&[(&[10, 11], 0)]).await;
    table.new_compact().full(true).commit().await.unwrap();
    add(&[(&[20], 1), (&[30], 0)]).await;
    let leaf = |column: &str, value| {
        let field = table.schema().field(column).unwrap();
        Predicate::leaf(field, PredicateOp::Eq, vec![Some(Datum::Int(value))]).unwrap()
    };
    let by_id = leaf("id", 30);
    let by_both = Predicate::and([leaf("p", 0), leaf("id", 30)]);
    // the two files that the compaction replaced count nowhere
    for (filter, of_other_buckets, without_match) in [(by_id, 0, 2), (by_both, 1, 1)] {
        let builder = table.read_builder().with_filter(filter);
        let counts = builder.plan().await.unwrap().counts;
        assert_eq!(counts.scan.entries_left_out, of_other_buckets);
        assert_eq!(counts.scan.entries, 3 - of_other_buckets);
        assert_eq!(counts.scan.files_left_out, without_match);
        assert_eq!(
            (counts.files_pruned_by_stats, counts.files),
            (without_match, 1)
        );
    }
}
