#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::ErrorKind;
use crate::predicate::evaluate_batch;
use crate::predicate::random::RandomTable;
use crate::spec::{DataField, DataType, Datum, TypeKind};

/// Columns a INT {1, 2} with a bloom filter and b STRING {'x', null} with a bitmap, written by Java.
const CONTAINER: &str = "00054e4ed01a35ae000000010000004c00000002\
    00016100000001000c626c6f6f6d2d66696c7465720000004c0000000a\
    00016200000001000662 69746d61700000005600000034\
    00000000\
    00000003882001404000\
    02000000020000000101fffffffe00000012000000010000000178000000000000001 1\
    00000001000000 0178ffffffffffffffff";

fn container() -> Bytes {
    hex::decode(CONTAINER.replace(' ', "")).unwrap().into()
}

fn leaf(name: &str, kind: TypeKind, op: PredicateOp, literals: Vec<Datum>) -> Predicate {
    let field = DataField::new(0, name, DataType::nullable(kind));
    Predicate::leaf(&field, op, literals.into_iter().map(Some).collect()).unwrap()
}

fn on_a(v: i32) -> Predicate {
    leaf("a", TypeKind::Int, PredicateOp::Eq, vec![Datum::Int(v)])
}

fn on_b(op: PredicateOp, literals: &[&str]) -> Predicate {
    let literals = literals.iter().map(|l| Datum::String((*l).into()));
    leaf("b", TypeKind::VarChar(9), op, literals.collect())
}

fn rows(rows: &[u32]) -> FileIndexResult {
    FileIndexResult::of_rows(rows.iter().copied().collect())
}

#[test]
fn javas_container_answers() {
    let ask = |predicate: &Predicate| evaluate(&container(), predicate, 2).unwrap();
    use PredicateOp as Op;
    assert_eq!(container().len(), 138);
    assert_eq!(ask(&on_a(1)), FileIndexResult::Keep);
    assert_eq!(ask(&on_a(77)), FileIndexResult::Skip);
    assert_eq!(ask(&on_b(Op::Eq, &["x"])), rows(&[0]));
    assert_eq!(ask(&on_b(Op::Eq, &["y"])), FileIndexResult::Skip);
    assert_eq!(ask(&on_b(Op::NotEq, &["x"])), FileIndexResult::Skip);
    assert_eq!(ask(&on_b(Op::NotEq, &["y"])), rows(&[0]));
    assert_eq!(ask(&on_b(Op::In, &["a", "x"])), rows(&[0]));
    assert_eq!(ask(&on_b(Op::NotIn, &["a", "y"])), rows(&[0]));
    assert_eq!(ask(&on_b(Op::IsNull, &[])), rows(&[1]));
    assert_eq!(ask(&on_b(Op::IsNotNull, &[])), rows(&[0]));
    assert_eq!(ask(&on_b(Op::Lt, &["b"])), FileIndexResult::Keep);
    assert_eq!(ask(&on_b(Op::StartsWith, &["z"])), FileIndexResult::Keep);
    let other = leaf("c", TypeKind::Int, Op::Eq, vec![Datum::Int(1)]);
    assert_eq!(ask(&other), FileIndexResult::Keep);
}

#[test]
fn answers_combine_without_losing_rows() {
    let ask = |predicate: &Predicate| evaluate(&container(), predicate, 2).unwrap();
    let x = on_b(PredicateOp::Eq, &["x"]);
    let null = on_b(PredicateOp::IsNull, &[]);
    let unknown = leaf("c", TypeKind::Int, PredicateOp::IsNull, vec![]);
    assert_eq!(
        ask(&Predicate::and([x.clone(), null.clone()])),
        FileIndexResult::Skip
    );
    assert_eq!(ask(&Predicate::or([x.clone(), null])), rows(&[0, 1]));
    assert_eq!(ask(&Predicate::or([x.clone(), on_a(77)])), rows(&[0]));
    assert_eq!(
        ask(&Predicate::or([x.clone(), unknown.clone()])),
        FileIndexResult::Keep
    );
    assert_eq!(ask(&Predicate::and([x, unknown])), rows(&[0]));
}

#[test]
fn damage_is_noticed() {
    let x = on_b(PredicateOp::Eq, &["x"]);
    let good = container();
    assert_eq!(
        evaluate(&good, &x, 3).unwrap_err().kind(),
        ErrorKind::Damaged
    );
    for end in 0..good.len() {
        // the last bytes are an unused length
        let result = evaluate(&good.slice(..end), &x, 2);
        assert!(result.is_err(), "cut at {end}");
    }
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        evaluate(&bytes.into(), &x, 2)
    };
    assert_eq!(with(0, 1).unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(with(11, 2).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(with(86, 3).unwrap_err().kind(), ErrorKind::Unsupported);
    // the single row of 'x' moves to 5
    assert_eq!(with(133, 0xfa).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn an_index_without_content_has_no_values() {
    let entry = |start: i32| {
        let mut bytes = container()[..16].to_vec();
        bytes.extend_from_slice(&1i32.to_be_bytes());
        utf(&mut bytes, "m[k]");
        bytes.extend_from_slice(&1i32.to_be_bytes());
        utf(&mut bytes, "bloom-filter");
        bytes.extend_from_slice(&start.to_be_bytes());
        bytes.extend_from_slice(&0i32.to_be_bytes());
        let length = u8::try_from(bytes.len()).unwrap();
        bytes[15] = length;
        Bytes::from(bytes)
    };
    let on = |op, literals| leaf("m[k]", TypeKind::Int, op, literals);
    let equal = on(PredicateOp::Eq, vec![Datum::Int(1)]);
    assert_eq!(
        evaluate(&entry(-1), &equal, 5).unwrap(),
        FileIndexResult::Skip
    );
    let null = on(PredicateOp::IsNull, vec![]);
    assert_eq!(
        evaluate(&entry(-1), &null, 5).unwrap(),
        FileIndexResult::Keep
    );
    assert!(evaluate(&entry(-2), &equal, 5).is_err());
    assert!(evaluate(&entry(1000), &equal, 5).is_err());
}

#[test]
fn timestamps_finer_than_the_index_keep_their_neighbours() {
    // one row at microsecond 1
    let mut body = vec![1, 0, 0, 0, 1, 0, 0, 0, 1, 0];
    body.extend_from_slice(&1i64.to_be_bytes());
    body.extend_from_slice(&(-1i32).to_be_bytes());
    let file = assemble(&[("t".to_string(), "bitmap", body)]);
    let ask = |op, nanos| {
        let literal = Datum::Timestamp { millis: 0, nanos };
        let predicate = leaf("t", TypeKind::Timestamp(9), op, vec![literal]);
        evaluate(&file, &predicate, 1).unwrap()
    };
    assert_eq!(ask(PredicateOp::Eq, 1_500), rows(&[0]));
    assert_eq!(ask(PredicateOp::Eq, 2_500), FileIndexResult::Skip);
    assert_eq!(ask(PredicateOp::NotEq, 1_500), FileIndexResult::Keep);
}

fn utf(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn int(out: &mut Vec<u8>, v: usize) {
    out.extend_from_slice(&i32::try_from(v).unwrap().to_be_bytes());
}

/// A container of (column, type, body).
fn assemble(indexes: &[(String, &str, Vec<u8>)]) -> Bytes {
    let head_length = 20
        + 4
        + indexes
            .iter()
            .map(|(c, t, _)| c.len() + t.len() + 16)
            .sum::<usize>();
    let mut head = container()[..12].to_vec();
    int(&mut head, head_length);
    int(&mut head, indexes.len());
    let mut body = Vec::new();
    for (column, index_type, bytes) in indexes {
        utf(&mut head, column);
        int(&mut head, 1);
        utf(&mut head, index_type);
        int(&mut head, head_length + body.len());
        int(&mut head, bytes.len());
        body.extend_from_slice(bytes);
    }
    int(&mut head, 0);
    assert_eq!(head.len(), head_length);
    head.extend(body);
    head.into()
}

fn encode_key(datum: &Datum) -> Vec<u8> {
    match datum {
        Datum::Int(v) => v.to_be_bytes().to_vec(),
        Datum::Double(v) => v.to_be_bytes().to_vec(),
        Datum::Boolean(v) => vec![u8::from(*v)],
        Datum::String(v) => {
            let mut out = Vec::new();
            int(&mut out, v.len());
            out.extend_from_slice(v.as_bytes());
            out
        }
        other => number(other).to_be_bytes().to_vec(),
    }
}

fn number(datum: &Datum) -> i64 {
    match datum {
        Datum::Int(v) => i64::from(*v),
        Datum::Timestamp { millis, nanos } => millis * 1000 + i64::from(*nanos) / 1000,
        Datum::Decimal { unscaled, .. } => i64::try_from(*unscaled).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn roaring(rows: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bitmap: RoaringBitmap = rows.into_iter().collect();
    bitmap.optimize();
    bitmap.serialize_into(&mut out).unwrap();
    out
}

/// Values in index order with their rows, and the rows of nulls. NaNs are one value, as in Java.
fn postings(column: &[Option<Datum>]) -> (Vec<(Datum, Vec<u32>)>, Vec<u32>) {
    let mut nulls = Vec::new();
    let mut values: BTreeMap<usize, (Datum, Vec<u32>)> = BTreeMap::new();
    let canonical = |datum: &Datum| match datum {
        Datum::Double(v) if v.is_nan() => Datum::Double(f64::from_bits(0x7ff8_0000_0000_0000)),
        other => other.clone(),
    };
    let mut sorted: Vec<Datum> = column.iter().flatten().map(canonical).collect();
    sorted.sort_by(|a, b| a.compare(b).unwrap());
    for (row, datum) in column.iter().enumerate() {
        let row = u32::try_from(row).unwrap();
        match datum.as_ref().map(canonical) {
            None => nulls.push(row),
            Some(datum) => {
                let rank =
                    sorted.partition_point(|d| d.compare(&datum) == Some(std::cmp::Ordering::Less));
                values
                    .entry(rank)
                    .or_insert((datum, Vec::new()))
                    .1
                    .push(row);
            }
        }
    }
    (values.into_values().collect(), nulls)
}

fn place_rows(body: &mut Vec<u8>, rows: &[u32]) -> (i32, i32) {
    if let [row] = rows {
        return (-1 - i32::try_from(*row).unwrap(), -1);
    }
    let start = body.len();
    body.extend(roaring(rows.iter().copied()));
    (
        i32::try_from(start).unwrap(),
        i32::try_from(body.len() - start).unwrap(),
    )
}

/// Bitmap index with `per_block` entries in a block; 0 writes version 1.
fn bitmap_body(column: &[Option<Datum>], per_block: usize) -> Vec<u8> {
    let (values, nulls) = postings(column);
    let mut out = vec![if per_block == 0 { 1 } else { 2 }];
    int(&mut out, column.len());
    int(&mut out, values.len());
    out.push(u8::from(!nulls.is_empty()));
    let mut body = Vec::new();
    if !nulls.is_empty() {
        let (offset, length) = place_rows(&mut body, &nulls);
        out.extend_from_slice(&offset.to_be_bytes());
        if per_block > 0 {
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    if per_block == 0 {
        for (value, rows) in &values {
            out.extend(encode_key(value));
            out.extend_from_slice(&place_rows(&mut body, rows).0.to_be_bytes());
        }
        out.extend(body);
        return out;
    }
    let mut blocks = Vec::new();
    int(&mut out, values.len().div_ceil(per_block));
    for chunk in values.chunks(per_block) {
        out.extend(encode_key(&chunk[0].0));
        int(&mut out, blocks.len());
        int(&mut blocks, chunk.len());
        for (value, rows) in chunk {
            let (offset, length) = place_rows(&mut body, rows);
            blocks.extend(encode_key(value));
            blocks.extend_from_slice(&offset.to_be_bytes());
            blocks.extend_from_slice(&length.to_be_bytes());
        }
    }
    int(&mut out, blocks.len());
    out.extend(blocks);
    out.extend(body);
    out
}

fn slices_of(numbers: &[(u32, u64)]) -> Vec<Vec<u8>> {
    let max = numbers.iter().map(|(_, v)| *v).max().unwrap_or(0);
    let digits = (64 - max.leading_zeros()).max(1);
    (0..digits)
        .map(|d| {
            roaring(
                numbers
                    .iter()
                    .filter(|(_, v)| v >> d & 1 == 1)
                    .map(|(r, _)| *r),
            )
        })
        .collect()
}

fn bsi_body(column: &[Option<Datum>]) -> Vec<u8> {
    let numbers = column.iter().enumerate().filter_map(|(row, datum)| {
        let row = u32::try_from(row).unwrap();
        datum.as_ref().map(|d| (row, number(d)))
    });
    let (negative, positive): (Vec<_>, Vec<_>) = numbers.partition(|(_, v)| *v < 0);
    let mut out = vec![1];
    int(&mut out, column.len());
    for half in [positive, negative] {
        out.push(u8::from(!half.is_empty()));
        if half.is_empty() {
            continue;
        }
        let half: Vec<(u32, u64)> = half.iter().map(|(r, v)| (*r, v.unsigned_abs())).collect();
        out.push(1);
        out.extend_from_slice(&[0; 16]);
        out.extend(roaring(half.iter().map(|(r, _)| *r)));
        let slices = slices_of(&half);
        int(&mut out, slices.len());
        out.extend(slices.concat());
    }
    out
}

/// Range bitmap with `per_chunk` keys in a chunk.
fn range_body(column: &[Option<Datum>], per_chunk: usize) -> Vec<u8> {
    let (values, _) = postings(column);
    let mut head = vec![1];
    int(&mut head, column.len());
    int(&mut head, values.len());
    if let (Some(first), Some(last)) = (values.first(), values.last()) {
        head.extend(encode_key(&first.0));
        head.extend(encode_key(&last.0));
    }
    let dictionary = dictionary_body(&values, per_chunk);
    int(&mut head, dictionary.len());
    let mut codes: Vec<(u32, u64)> = Vec::new();
    for (code, (_, rows)) in values.iter().enumerate() {
        codes.extend(rows.iter().map(|row| (*row, code as u64)));
    }
    let existing = roaring(codes.iter().map(|(row, _)| *row));
    let slices = slices_of(&codes);
    let mut slices_head = vec![1, u8::try_from(slices.len()).unwrap()];
    int(&mut slices_head, existing.len());
    int(&mut slices_head, slices.len() * 8);
    let mut offset = 0;
    for slice in &slices {
        int(&mut slices_head, offset);
        int(&mut slices_head, slice.len());
        offset += slice.len();
    }
    let mut out = Vec::new();
    int(&mut out, head.len());
    out.extend(head);
    out.extend(dictionary);
    int(&mut out, slices_head.len());
    out.extend(slices_head);
    out.extend(existing);
    out.extend(slices.concat());
    out
}

fn dictionary_body(values: &[(Datum, Vec<u32>)], per_chunk: usize) -> Vec<u8> {
    let (mut offsets, mut chunks, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for (at, chunk) in values.chunks(per_chunk).enumerate() {
        int(&mut offsets, chunks.len());
        chunks.push(1);
        chunks.extend(encode_key(&chunk[0].0));
        int(&mut chunks, at * per_chunk);
        int(&mut chunks, keys.len());
        int(&mut chunks, chunk.len() - 1);
        let encoded: Vec<Vec<u8>> = chunk[1..].iter().map(|(v, _)| encode_key(v)).collect();
        let length: usize = encoded.iter().map(Vec::len).sum();
        if matches!(chunk[0].0, Datum::String(_)) {
            int(&mut chunks, encoded.len() * 4);
            int(&mut chunks, length);
            let mut offset = 0;
            for key in &encoded {
                int(&mut keys, offset);
                offset += key.len();
            }
        } else {
            int(&mut chunks, length);
            int(&mut chunks, encode_key(&chunk[0].0).len());
        }
        keys.extend(encoded.concat());
    }
    let mut out = Vec::new();
    int(&mut out, 13);
    out.push(1);
    int(&mut out, values.len().div_ceil(per_chunk));
    int(&mut out, offsets.len());
    int(&mut out, chunks.len());
    out.extend(offsets);
    out.extend(chunks);
    out.extend(keys);
    out
}

fn random_container(rng: &mut StdRng, table: &RandomTable) -> Bytes {
    let mut indexes = Vec::new();
    for (field, column) in table.fields.iter().zip(&table.columns) {
        let kind = &field.data_type.kind;
        let numeric = matches!(
            kind,
            TypeKind::Int | TypeKind::Timestamp(_) | TypeKind::Decimal { .. }
        );
        let (index_type, body) = match rng.random_range(0..4) {
            0 if !matches!(kind, TypeKind::Decimal { .. }) => {
                ("bitmap", bitmap_body(column, rng.random_range(0..3)))
            }
            1 if numeric => ("bsi", bsi_body(column)),
            2 => ("range-bitmap", range_body(column, rng.random_range(1..4))),
            _ => continue,
        };
        indexes.push((field.name.clone(), index_type, body));
    }
    assemble(&indexes)
}

#[test]
fn random_predicates_never_lose_a_row() {
    let seeds = match std::env::var("PAIMON_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..300).collect::<Vec<u64>>(),
    };
    let mut narrowed = 0;
    for seed in seeds {
        println!("PAIMON_TEST_SEED={seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let table = RandomTable::new(&mut rng);
        let container = random_container(&mut rng, &table);
        let count = table.batch.num_rows();
        for _ in 0..30 {
            let predicate = table.predicate(&mut rng, 2);
            let kept = evaluate_batch(&predicate, &table.batch).unwrap();
            let answer = evaluate(&container, &predicate, count as u64).unwrap();
            let holds = |row: usize| match &answer {
                FileIndexResult::Keep => true,
                FileIndexResult::Skip => false,
                FileIndexResult::Rows(rows) => rows.contains(u32::try_from(row).unwrap()),
            };
            narrowed += usize::from(answer != FileIndexResult::Keep);
            assert!(
                (0..count).all(|row| !kept.value(row) || holds(row)),
                "{predicate:?} over {:?}: {answer:?}",
                table.columns
            );
        }
    }
    println!("{narrowed} predicates were narrowed");
}

#[test]
fn random_damage_never_panics() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let table = RandomTable::new(&mut rng);
        let mut bytes = random_container(&mut rng, &table).to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        let bytes = Bytes::from(bytes);
        for _ in 0..10 {
            let predicate = table.predicate(&mut rng, 1);
            let _ = evaluate(&bytes, &predicate, table.batch.num_rows() as u64);
        }
    }
}
