//! What is written is read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::{Int64Array, TimestampNanosecondArray};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::*;
use crate::arrow_bridge::arrow_schema;
use crate::format::create_encoder;
use crate::format::testing::{options, round_trip};
use crate::write::testing::{TYPES, assert_same, batch, fields};

/// Types that ORC files have a place for; dates of the timestamps stay within Arrow's nanoseconds.
fn types() -> Vec<&'static str> {
    // one value of the array lies in the second that ORC cannot tell from the next
    let fits = |t: &&str| !matches!(*t, "VARIANT" | "ARRAY<TIMESTAMP(9)>");
    TYPES.iter().copied().filter(fits).collect()
}

/// [`batch`] without its first row, which holds such a timestamp too.
fn rows(fields: &[DataField], count: usize) -> RecordBatch {
    batch(fields, count + 1).slice(1, count)
}

#[rstest]
#[tokio::test]
async fn every_type_comes_back(#[values("zstd", "snappy", "lz4", "zlib", "none")] codec: &str) {
    let fields = fields(&types(), 0);
    let expected = rows(&fields, 3_000);
    let mut options = options("orc", codec);
    let found = round_trip(&fields, &options, &expected).await;
    assert_same(&found, &expected);
    options.block_size = Some(10_000);
    let found = round_trip(&fields, &options, &expected).await;
    assert_same(&found, &expected);
}

#[tokio::test]
async fn a_file_without_rows_is_complete() {
    let fields = fields(&["INT", "ARRAY<INT>"], 0);
    let found = round_trip(&fields, &options("orc", "zstd"), &batch(&fields, 0)).await;
    assert_eq!(found.num_rows(), 0);
}

#[tokio::test]
async fn integers_of_every_shape_come_back() {
    let seed = 20_250_101;
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let fields = fields(&["BIGINT"], 0);
    for _ in 0..60 {
        let mut values: Vec<i64> = Vec::new();
        let target = random.random_range(1..3_000);
        while values.len() < target {
            let base: i64 = random.random::<i64>() >> random.random_range(0..64);
            let count = random.random_range(1..700);
            match random.random_range(0..4) {
                0 => values.extend(std::iter::repeat_n(base, count % 20)),
                1 => values.extend(std::iter::repeat_n(base, count)),
                2 => {
                    let step: i64 = random.random::<i64>() >> random.random_range(0..64);
                    let at =
                        |i: usize| base.wrapping_add(step.wrapping_mul(i64::try_from(i).unwrap()));
                    values.extend((0..count).map(at));
                }
                _ => {
                    let shift = random.random_range(0..64);
                    values.extend((0..count).map(|_| random.random::<i64>() >> shift));
                }
            }
        }
        let array = Arc::new(Int64Array::from(values));
        let expected = RecordBatch::try_new(arrow_schema(&fields), vec![array]).unwrap();
        let found = round_trip(&fields, &options("orc", "none"), &expected).await;
        assert_same(&found, &expected);
    }
}

#[tokio::test]
async fn timestamps_come_back_or_are_refused() {
    let fields = fields(&["TIMESTAMP(9)"], 0);
    let of = |values: Vec<i64>| {
        let array = Arc::new(TimestampNanosecondArray::from(values));
        RecordBatch::try_new(arrow_schema(&fields), vec![array]).unwrap()
    };
    let fine = of(vec![
        0,
        1,
        -1_000_000_000,
        -999_500_000 - 1_000_000_000,
        -1_000_000_000 + 999_999,
        1_420_070_400_000_000_000,
        i64::MIN,
        i64::MAX,
        123_000,
        -123_456_789_123_456_789,
    ]);
    let found = round_trip(&fields, &options("orc", "zstd"), &fine).await;
    assert_same(&found, &fine);
    let mut encoder = create_encoder(&fields, &options("orc", "zstd")).unwrap();
    let error = encoder.write(&of(vec![-1])).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("column = c0"), "{error}");
}

#[test]
fn what_orc_cannot_hold_is_refused_by_name() {
    let refused = |types: &[&str], options: &EncoderOptions| {
        let error = create_encoder(&fields(types, 0), options).err().unwrap();
        assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
        error.to_string()
    };
    let variant = refused(&["INT", "ARRAY<VARIANT>"], &options("orc", "zstd"));
    assert!(
        variant.contains("VARIANT") && variant.contains("column = c1"),
        "{variant}"
    );
    assert!(refused(&["INT"], &options("orc", "gzip")).contains("file.compression"));
    let mut other = options("orc", "zstd");
    other.table.insert("orc.fancy".into(), "1".into());
    assert!(refused(&["INT"], &other).contains("orc.fancy"));
}

#[test]
fn memory_is_bounded_by_a_stripe() {
    let fields = fields(&["BIGINT", "STRING"], 0);
    let rows = batch(&fields, 10_000);
    let mut options = options("orc", "none");
    options.block_size = Some(300_000);
    let mut encoder = OrcEncoder::new(&fields, &options).unwrap();
    let mut size = 0;
    for _ in 0..10 {
        encoder.write(&rows).unwrap();
        let estimate = encoder.estimated_size();
        size += encoder.take_output().concat().len();
        assert!(encoder.memory_size() < 1 << 20);
        assert!(estimate >= to_u64(size));
    }
    encoder.flush().unwrap();
    let rest = Box::new(encoder).finish().unwrap();
    assert!(
        size > 500_000 && rest.len() < 600_000,
        "{} {size}",
        rest.len()
    );
}

#[test]
fn every_node_has_the_id_of_its_field() {
    let fields = fields(
        &["INT", "ARRAY<MAP<INT, ARRAY<INT>>>", "ROW<a CHAR(3)>"],
        21,
    );
    let types = schema::types(&fields).unwrap();
    let ids: Vec<&str> = types
        .iter()
        .flat_map(|t| t.attributes.iter().map(|a| a.value()))
        .collect();
    // the ids that the layout of nested columns gives as its example
    assert_eq!(
        ids,
        [
            "21",
            "22",
            "536893440",
            "536848381",
            "536893441",
            "536893442",
            "23",
            "24"
        ]
    );
    assert_eq!(types[0].field_names, ["c0", "c1", "c2"]);
    assert_eq!(types[0].subtypes, [1, 2, 7]);
    assert_eq!(types[8].maximum_length(), 3);
}
