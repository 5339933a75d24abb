#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryViewArray, Date32Array, Decimal128Array, Float32Array, Int64Array,
    RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::random::RandomTable;
use super::*;
use crate::spec::{DataField, TypeKind};

fn field(kind: TypeKind) -> DataField {
    DataField::new(0, "c", DataType::nullable(kind))
}

fn leaf(kind: TypeKind, op: PredicateOp, literals: Vec<Datum>) -> Predicate {
    Predicate::leaf(&field(kind), op, literals.into_iter().map(Some).collect()).unwrap()
}

fn rows(array: ArrayRef, predicate: &Predicate) -> Vec<usize> {
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let kept = evaluate_batch(predicate, &batch).unwrap();
    assert_eq!(kept.nulls(), None);
    (0..kept.len()).filter(|i| kept.value(*i)).collect()
}

fn text(value: &str) -> Datum {
    Datum::String(value.into())
}

/// Seeds of the random tests: `PAIMON_TEST_SEED` reruns one.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("PAIMON_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..count).collect(),
    }
}

#[test]
fn builders_simplify() {
    use PredicateOp as Op;
    let a = leaf(TypeKind::Int, Op::Eq, vec![Datum::Int(1)]);
    let b = leaf(TypeKind::Int, Op::Eq, vec![Datum::Int(2)]);
    assert_eq!(Predicate::and([]), Predicate::AlwaysTrue);
    assert_eq!(Predicate::or([]), Predicate::AlwaysFalse);
    assert_eq!(Predicate::and([a.clone(), Predicate::AlwaysTrue]), a);
    assert_eq!(
        Predicate::and([a.clone(), Predicate::and([b.clone(), a.clone()])]),
        Predicate::And(vec![a.clone(), b.clone(), a.clone()])
    );
    assert_eq!(
        Predicate::or([a.clone(), Predicate::AlwaysTrue]),
        Predicate::AlwaysTrue
    );
    let int = field(TypeKind::Int);
    let build = |op, literals| Predicate::leaf(&int, op, literals).unwrap();
    assert_eq!(build(Op::Eq, vec![None]), Predicate::AlwaysFalse);
    assert_eq!(
        build(Op::NotIn, vec![Some(Datum::Int(1)), None]),
        Predicate::AlwaysFalse
    );
    assert_eq!(build(Op::In, vec![Some(Datum::Int(1)), None]), a);
    assert_eq!(build(Op::In, vec![]), Predicate::AlwaysFalse);
    assert_eq!(build(Op::NotIn, vec![]), Predicate::AlwaysTrue);
    assert!(Predicate::leaf(&int, Op::Eq, vec![]).is_err());
    let string = TypeKind::VarChar(10);
    let like = |pattern| leaf(string.clone(), Op::Like, vec![text(pattern)]);
    for (pattern, op, rest) in [
        ("ab", Op::Eq, "ab"),
        ("ab%", Op::StartsWith, "ab"),
        ("%ab", Op::EndsWith, "ab"),
        ("%ab%", Op::Contains, "ab"),
        ("a%b", Op::Like, "a%b"),
        ("a_%", Op::Like, "a_%"),
        ("a\\%", Op::Like, "a\\%"),
        ("%", Op::EndsWith, ""),
    ] {
        assert_eq!(like(pattern), leaf(string.clone(), op, vec![text(rest)]));
    }
}

#[test]
fn projection_keeps_only_what_columns_can_answer() {
    let a = leaf(TypeKind::Int, PredicateOp::Eq, vec![Datum::Int(1)]);
    let other = DataField::new(1, "d", DataType::nullable(TypeKind::Int));
    let b = Predicate::leaf(&other, PredicateOp::IsNull, vec![]).unwrap();
    let keep = |leaf: &Leaf| leaf.field_id == 0;
    assert_eq!(project(&Predicate::and([a.clone(), b.clone()]), &keep), a);
    assert_eq!(
        project(&Predicate::or([a.clone(), b]), &keep),
        Predicate::AlwaysTrue
    );
    assert_eq!(
        project(&Predicate::AlwaysFalse, &keep),
        Predicate::AlwaysFalse
    );
}

#[test]
fn floats_compare_as_in_spark() {
    let column = || {
        Arc::new(Float32Array::from(vec![
            -0.0,
            0.0,
            1.0,
            f32::NAN,
            -f32::NAN,
        ]))
    };
    let test = |op, v| rows(column(), &leaf(TypeKind::Float, op, vec![Datum::Float(v)]));
    assert_eq!(test(PredicateOp::Eq, 0.0), [0, 1]);
    assert_eq!(test(PredicateOp::Lt, 0.0), [0usize; 0]);
    assert_eq!(test(PredicateOp::GtEq, -0.0), [0, 1, 2, 3, 4]);
    assert_eq!(test(PredicateOp::Gt, 1.0), [3, 4]);
    assert_eq!(test(PredicateOp::Eq, f32::NAN), [3, 4]);
    assert_eq!(test(PredicateOp::Lt, f32::NAN), [0, 1, 2]);
    let list = vec![Datum::Float(-0.0), Datum::Float(f32::NAN)];
    assert_eq!(
        rows(column(), &leaf(TypeKind::Float, PredicateOp::In, list)),
        [0, 1, 3, 4]
    );
}

#[test]
fn timestamps_of_every_unit_compare_exactly() {
    let stamp = |millis, nanos| Datum::Timestamp { millis, nanos };
    let millis = || {
        Arc::new(TimestampMillisecondArray::from(vec![
            Some(-1),
            None,
            Some(0),
        ]))
    };
    let kind = TypeKind::Timestamp(9);
    let test = |op, literal| rows(millis(), &leaf(kind.clone(), op, vec![literal]));
    assert_eq!(test(PredicateOp::Lt, stamp(-1, 1)), [0]);
    assert_eq!(test(PredicateOp::Eq, stamp(-1, 1)), [0usize; 0]);
    assert_eq!(test(PredicateOp::NotEq, stamp(-1, 1)), [0, 2]);
    assert_eq!(test(PredicateOp::GtEq, stamp(-1, 0)), [0, 2]);
    let nanos = || Arc::new(TimestampNanosecondArray::from(vec![i64::MIN, 0, i64::MAX]));
    let test = |op, literal| rows(nanos(), &leaf(kind.clone(), op, vec![literal]));
    // the year 9999 is beyond 64-bit nanoseconds
    assert_eq!(
        test(PredicateOp::Lt, stamp(253_402_300_799_000, 0)),
        [0, 1, 2]
    );
    assert_eq!(
        test(PredicateOp::Gt, stamp(253_402_300_799_000, 0)),
        [0usize; 0]
    );
    assert_eq!(test(PredicateOp::GtEq, stamp(0, 0)), [1, 2]);
}

#[test]
fn decimals_bytes_and_dates_compare() {
    let decimals = || {
        let array = Decimal128Array::from(vec![Some(100), None, Some(150)]);
        Arc::new(array.with_precision_and_scale(10, 2).unwrap())
    };
    let kind = TypeKind::Decimal {
        precision: 10,
        scale: 2,
    };
    let test = |op, unscaled, scale| {
        let literal = Datum::Decimal { unscaled, scale };
        rows(decimals(), &leaf(kind.clone(), op, vec![literal]))
    };
    assert_eq!(test(PredicateOp::Eq, 15, 1), [2]);
    assert_eq!(test(PredicateOp::Gt, 1001, 3), [2]);
    assert_eq!(test(PredicateOp::NotEq, 1001, 3), [0, 2]);
    let bytes = Arc::new(BinaryViewArray::from(vec![
        &[0x7f][..],
        &[0x80],
        &[0x80, 0],
    ]));
    let literal = Datum::Bytes(vec![0x80]);
    let kind = TypeKind::VarBinary(9);
    assert_eq!(
        rows(bytes, &leaf(kind, PredicateOp::GtEq, vec![literal])),
        [1, 2]
    );
    let days = Arc::new(Date32Array::from(vec![-1, 5]));
    let literal = vec![Datum::Date(0)];
    assert_eq!(
        rows(days, &leaf(TypeKind::Date, PredicateOp::Lt, literal)),
        [0]
    );
}

#[test]
fn other_layouts_are_cast_and_wrong_literals_refused() {
    let strings = Arc::new(StringArray::from(vec!["ab", "b"]));
    let kind = TypeKind::VarChar(5);
    let prefix = leaf(kind, PredicateOp::StartsWith, vec![text("a")]);
    assert_eq!(rows(strings, &prefix), [0]);
    let longs: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("c", longs)]).unwrap();
    let wrong = leaf(TypeKind::BigInt, PredicateOp::Eq, vec![text("1")]);
    assert!(evaluate_batch(&wrong, &batch).is_err());
    let other = DataField::new(0, "x", DataType::nullable(TypeKind::Int));
    let missing = Predicate::leaf(&other, PredicateOp::IsNull, vec![]).unwrap();
    assert!(evaluate_batch(&missing, &batch).is_err());
}

#[test]
fn statistics_prune() {
    use PredicateOp as Op;
    let strings = ColumnStats {
        min: Some(text("bb")),
        max: Some(text("d")),
        null_count: Some(0),
    };
    let stats = |stats: &ColumnStats, kind, op, literals| {
        may_match(&leaf(kind, op, literals), &|_| Some(stats.clone()), 10)
    };
    let on_text = |op, literal| stats(&strings, TypeKind::VarChar(9), op, vec![text(literal)]);
    assert!(on_text(Op::Eq, "c"));
    assert!(!on_text(Op::Eq, "a"));
    assert!(!on_text(Op::Gt, "d"));
    assert!(on_text(Op::GtEq, "d"));
    assert!(!on_text(Op::Lt, "bb"));
    assert!(on_text(Op::StartsWith, "b"));
    assert!(on_text(Op::StartsWith, "bbb"));
    assert!(!on_text(Op::StartsWith, "ba"));
    assert!(!on_text(Op::StartsWith, "da"));
    assert!(!on_text(Op::Like, "a%z"));
    assert!(on_text(Op::Like, "%z%y"));
    assert!(on_text(Op::EndsWith, "zz"));
    assert!(!stats(&strings, TypeKind::VarChar(9), Op::IsNull, vec![]));
    let list = vec![text("a"), text("e")];
    assert!(!stats(&strings, TypeKind::VarChar(9), Op::In, list));
    let nulls = ColumnStats {
        null_count: Some(10),
        ..ColumnStats::default()
    };
    assert!(!stats(
        &nulls,
        TypeKind::Int,
        Op::NotEq,
        vec![Datum::Int(1)]
    ));
    assert!(!stats(&nulls, TypeKind::Int, Op::IsNotNull, vec![]));
    assert!(stats(&nulls, TypeKind::Int, Op::IsNull, vec![]));
    let unknown = ColumnStats::default();
    assert!(stats(&unknown, TypeKind::Int, Op::Eq, vec![Datum::Int(1)]));
    let one = ColumnStats {
        min: Some(Datum::Int(1)),
        max: Some(Datum::Int(1)),
        null_count: Some(3),
    };
    assert!(!stats(&one, TypeKind::Int, Op::NotEq, vec![Datum::Int(1)]));
    let literals = vec![Datum::Int(1), Datum::Int(2)];
    assert!(!stats(&one, TypeKind::Int, Op::NotIn, literals));
    let doubles = |min, max| ColumnStats {
        min: Some(Datum::Double(min)),
        max: Some(Datum::Double(max)),
        null_count: Some(0),
    };
    let on_double =
        |bounds: ColumnStats, op, v| stats(&bounds, TypeKind::Double, op, vec![Datum::Double(v)]);
    assert!(on_double(doubles(0.0, 1.0), Op::Eq, -0.0));
    assert!(on_double(doubles(-1.0, -0.0), Op::Eq, 0.0));
    assert!(!on_double(doubles(0.0, 1.0), Op::Eq, 2.0));
    assert!(!on_double(doubles(1.0, 2.0), Op::Lt, 1.0));
    // a NaN may hide above the maximum
    assert!(on_double(doubles(0.0, 1.0), Op::Gt, 2.0));
    assert!(on_double(doubles(0.0, 1.0), Op::Eq, f64::NAN));
    assert!(on_double(doubles(f64::NAN, f64::NAN), Op::Eq, 1.0));
}

/// Statistics as a careless but legal writer makes them: NaN left out or not, text cut to one character.
fn stats_of(column: &[Option<Datum>], skip_nan: bool) -> ColumnStats {
    let mut values: Vec<&Datum> = column.iter().flatten().collect();
    if skip_nan {
        values.retain(|v| !matches!(v, Datum::Double(v) if v.is_nan()));
    }
    values.sort_by(|a, b| a.compare(b).unwrap());
    let cut = |datum: &Datum, last: &str| match datum {
        Datum::String(v) if v.chars().count() > 1 => {
            text(&format!("{}{last}", v.chars().next().unwrap()))
        }
        other => other.clone(),
    };
    ColumnStats {
        min: values.first().map(|v| cut(v, "")),
        max: values.last().map(|v| cut(v, "\u{10ffff}")),
        null_count: Some(column.iter().filter(|v| v.is_none()).count() as i64),
    }
}

#[test]
fn random_predicates_agree_between_rows_batches_and_statistics() {
    for seed in seeds(300) {
        println!("PAIMON_TEST_SEED={seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let table = RandomTable::new(&mut rng);
        let count = table.batch.num_rows();
        for _ in 0..30 {
            let predicate = table.predicate(&mut rng, 2);
            let kept = evaluate_batch(&predicate, &table.batch).unwrap();
            for row in 0..count {
                let value = |id: i32| table.columns[usize::try_from(id).unwrap()][row].clone();
                assert_eq!(
                    matches(&predicate, &value),
                    kept.value(row),
                    "row {row} of {:?}: {predicate:?}",
                    table.columns
                );
            }
            for skip_nan in [false, true] {
                let stats = |id: i32| {
                    let column = &table.columns[usize::try_from(id).unwrap()];
                    Some(stats_of(column, skip_nan))
                };
                assert!(
                    kept.true_count() == 0 || may_match(&predicate, &stats, count as i64),
                    "{predicate:?} over {:?}",
                    table.columns
                );
            }
            let kept_leaves = |leaf: &Leaf| leaf.field_id % 2 == 0;
            let weaker = project(&predicate, &kept_leaves);
            let more = evaluate_batch(&weaker, &table.batch).unwrap();
            assert!((0..count).all(|i| !kept.value(i) || more.value(i)));
        }
    }
}
