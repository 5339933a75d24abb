use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_buffer::BooleanBuffer;
use parquet::file::properties::WriterProperties;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::{field, file_bytes, read, request, stored};
use crate::format::{FileReadRequest, POSITION_COLUMN};
use crate::predicate::{Leaf, Predicate, PredicateOp};
use crate::selection::FileSelection;
use crate::spec::{DataField, DataType, Datum, MAX_LENGTH, TypeKind};

const ROWS: usize = 30_000;

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(13_000))
        .set_data_page_row_count_limit(500)
        .set_write_batch_size(100)
        .set_dictionary_enabled(false)
        .build();
    file_bytes(&rows(), properties)
});

fn text(i: usize) -> Option<String> {
    (!i.is_multiple_of(7)).then(|| format!("value {i} {}", "x".repeat(i % 40)))
}

fn rows() -> RecordBatch {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for i in 0..ROWS {
        for j in 0..i % 4 {
            lists.values().append_value(format!("{i}/{j}"));
        }
        lists.append(!i.is_multiple_of(5));
    }
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (
            "id",
            Arc::new(Int64Array::from_iter_values(0..ROWS as i64)),
            false,
        ),
        (
            "mixed",
            Arc::new(Int32Array::from_iter_values(
                (0..ROWS).map(|i| (i * 7919 % 1000) as i32),
            )),
            true,
        ),
        (
            "text",
            Arc::new(StringArray::from_iter((0..ROWS).map(text))),
            true,
        ),
        ("list", Arc::new(lists.finish()), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn fields() -> Vec<DataField> {
    let string = TypeKind::VarChar(MAX_LENGTH);
    vec![
        field("text", string.clone()),
        field("id", TypeKind::BigInt),
        field(
            "list",
            TypeKind::Array(Box::new(DataType::nullable(string))),
        ),
        field("mixed", TypeKind::Int),
    ]
}

async fn all(wanted: impl FnOnce(&mut FileReadRequest)) -> FileReadRequest {
    let file = stored(BYTES.clone()).await;
    let mut request = request(&file, fields());
    request.with_position = true;
    wanted(&mut request);
    request
}

/// Ids read, after checking every other column and the positions against them.
async fn ids(request: FileReadRequest) -> Vec<usize> {
    let batch_size = request.batch_size;
    let mut ids = Vec::new();
    for batch in read(request).await.unwrap() {
        assert!(batch.num_rows() > 0 && batch.num_rows() <= batch_size);
        let id = batch["id"].as_primitive::<Int64Type>();
        assert_eq!(batch[POSITION_COLUMN].as_primitive::<Int64Type>(), id);
        let texts = batch["text"].as_string_view();
        let lists = batch["list"].as_list::<i32>();
        let mixed = batch["mixed"].as_primitive::<Int32Type>();
        for row in 0..batch.num_rows() {
            let i = usize::try_from(id.value(row)).unwrap();
            let value = texts.is_valid(row).then(|| texts.value(row).to_string());
            assert_eq!(value, text(i));
            assert_eq!(mixed.value(row), (i * 7919 % 1000) as i32);
            assert_eq!(lists.is_null(row), i.is_multiple_of(5));
            if lists.is_valid(row) {
                let list = lists.value(row);
                let values: Vec<_> = list.as_string_view().iter().flatten().collect();
                let wanted: Vec<_> = (0..i % 4).map(|j| format!("{i}/{j}")).collect();
                assert_eq!(values, wanted);
            }
            ids.push(i);
        }
    }
    ids
}

fn random_bits(density: f64, stretch: usize) -> BooleanBuffer {
    let mut random = StdRng::seed_from_u64(7);
    let mut bits = Vec::with_capacity(ROWS);
    while bits.len() < ROWS {
        let keep = random.random_bool(density);
        let length = random.random_range(1..=stretch);
        bits.extend(std::iter::repeat_n(keep, length.min(ROWS - bits.len())));
    }
    BooleanBuffer::from(bits)
}

#[rstest]
#[tokio::test]
async fn selected_rows_in_range_are_read_with_their_positions(
    #[values(0.0, 0.0005, 0.005, 0.03, 0.3, 0.8, 0.99, 1.0)] density: f64,
    #[values(1, 40, 900)] stretch: usize,
    #[values(0..ROWS as u64, 12_345..12_346, 700..26_111, 29_990..90_000)] range: Range<u64>,
) {
    let bits = random_bits(density, stretch);
    let wanted: Vec<usize> = (0..ROWS)
        .filter(|i| bits.value(*i) && range.contains(&(*i as u64)))
        .collect();
    let request = all(|r| {
        r.selection = Some(Arc::new(FileSelection::new(bits)));
        r.row_range = Some(range);
    })
    .await;
    assert_eq!(ids(request).await, wanted);
}

#[tokio::test]
async fn whole_file_is_read_in_order() {
    let wanted: Vec<usize> = (0..ROWS).collect();
    assert_eq!(ids(all(|_| {}).await).await, wanted);
    assert_eq!(ids(all(|r| r.batch_size = 100_000).await).await, wanted);
}

#[tokio::test]
async fn without_columns_rows_are_counted_and_numbered() {
    let mut bits = vec![false; ROWS];
    bits[3] = true;
    bits[20_000] = true;
    let request = all(|r| {
        r.fields = vec![field("absent", TypeKind::Int)];
        r.selection = Some(Arc::new(FileSelection::new(bits.into())));
    })
    .await;
    let batches = read(request).await.unwrap();
    let positions: Vec<i64> = batches
        .iter()
        .flat_map(|b| {
            b[POSITION_COLUMN]
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    assert_eq!(positions, [3, 20_000]);
    assert!(
        batches
            .iter()
            .all(|b| b["absent"].null_count() == b.num_rows())
    );
    let request = all(|r| {
        r.fields.clear();
        r.with_position = false;
    })
    .await;
    let rows: usize = read(request)
        .await
        .unwrap()
        .iter()
        .map(|b| b.num_rows())
        .sum();
    assert_eq!(rows, ROWS);
}

#[tokio::test]
async fn selection_of_another_length_is_damage() {
    let request = all(|r| r.selection = Some(Arc::new(FileSelection::all(ROWS - 1)))).await;
    let error = read(request).await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Damaged);
    assert!(error.message().contains("29999"), "{error}");
}

fn leaf(column: &str, kind: TypeKind, op: PredicateOp, literals: Vec<Datum>) -> Predicate {
    Predicate::Leaf(Leaf {
        field_id: 0,
        column: column.into(),
        data_type: DataType::nullable(kind),
        op,
        literals,
    })
}

fn id(op: PredicateOp, value: i64) -> Predicate {
    leaf("id", TypeKind::BigInt, op, vec![Datum::BigInt(value)])
}

#[tokio::test]
async fn predicate_prunes_row_groups_and_pages_but_no_matching_row() {
    let string = TypeKind::VarChar(MAX_LENGTH);
    let cases: Vec<(Predicate, Vec<usize>, usize)> = vec![
        (id(PredicateOp::Eq, 777), vec![777], 500),
        (id(PredicateOp::Lt, 10), (0..10).collect(), 500),
        (id(PredicateOp::GtEq, 29_999), vec![29_999], 500),
        (
            Predicate::And(vec![
                id(PredicateOp::Gt, 12_990),
                id(PredicateOp::LtEq, 13_010),
            ]),
            (12_991..=13_010).collect(),
            1_000,
        ),
        (
            Predicate::Or(vec![id(PredicateOp::Eq, 1), id(PredicateOp::Eq, 25_000)]),
            vec![1, 25_000],
            1_000,
        ),
        (id(PredicateOp::Gt, 1_000_000), vec![], 0),
        (
            leaf("id", TypeKind::BigInt, PredicateOp::IsNull, vec![]),
            vec![],
            0,
        ),
        (Predicate::AlwaysFalse, vec![], 0),
        (
            leaf(
                "text",
                string,
                PredicateOp::Eq,
                vec![Datum::String("absent".into())],
            ),
            vec![],
            0,
        ),
        (
            leaf(
                "absent",
                TypeKind::Int,
                PredicateOp::Eq,
                vec![Datum::Int(1)],
            ),
            vec![],
            ROWS,
        ),
        (
            leaf(
                "mixed",
                TypeKind::Int,
                PredicateOp::Eq,
                vec![Datum::Int(17)],
            ),
            (0..ROWS).filter(|i| i * 7919 % 1000 == 17).collect(),
            ROWS,
        ),
    ];
    for (predicate, wanted, at_most) in cases {
        let shown = format!("{predicate:?}");
        let got = ids(all(|r| r.predicate = Some(predicate)).await).await;
        assert!(got.len() <= at_most, "{} rows for {shown}", got.len());
        assert!(
            wanted.iter().all(|i| got.binary_search(i).is_ok()),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn dropping_a_stream_early_is_harmless() {
    use futures::StreamExt;
    let mut stream = super::super::read_parquet(all(|_| {}).await).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
}
