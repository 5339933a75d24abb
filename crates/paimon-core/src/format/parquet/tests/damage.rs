use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{field, file_bytes, read, request, stored};
use crate::error::ErrorKind;
use crate::predicate::{Leaf, Predicate, PredicateOp};
use crate::selection::FileSelection;
use crate::spec::{DataField, DataType, Datum, MAX_LENGTH, TypeKind};

fn file() -> Vec<u8> {
    let rows = 3_000;
    let mut lists = ListBuilder::new(Int32Builder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for i in 0..rows {
        lists.values().append_option((i % 3 > 0).then_some(i));
        lists.append(i % 11 > 0);
        maps.keys().append_value(format!("k{}", i % 5));
        maps.values().append_value(i);
        maps.append(i % 4 > 0).unwrap();
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(Int64Array::from_iter_values(0..i64::from(rows))),
        ),
        (
            "text",
            Arc::new(StringArray::from_iter(
                (0..rows).map(|i| (i % 9 > 0).then(|| format!("t{}", i % 50))),
            )),
        ),
        ("list", Arc::new(lists.finish())),
        ("map", Arc::new(maps.finish())),
    ];
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
        .set_max_row_group_row_count(Some(2_000))
        .set_data_page_row_count_limit(300)
        .set_write_batch_size(100)
        .build();
    file_bytes(&RecordBatch::try_from_iter(columns).unwrap(), properties)
}

fn fields() -> Vec<DataField> {
    let int = DataType::nullable(TypeKind::Int);
    let key = DataType::not_null(TypeKind::VarChar(MAX_LENGTH));
    vec![
        field("id", TypeKind::BigInt),
        field("text", TypeKind::VarChar(MAX_LENGTH)),
        field("list", TypeKind::Array(Box::new(int.clone()))),
        field("map", TypeKind::Map(Box::new(key), Box::new(int))),
    ]
}

fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    match random.random_range(0..10) {
        0 => bytes.truncate(random.random_range(0..bytes.len())),
        1 => {
            let at = random.random_range(0..bytes.len());
            bytes.insert(at, random.random());
        }
        _ => {
            // every other change hits the footer or the page indexes
            let from = if random.random_bool(0.5) {
                bytes.len() * 3 / 4
            } else {
                0
            };
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(from..bytes.len());
                bytes[at] = random.random();
            }
        }
    }
}

#[tokio::test]
async fn mutated_files_give_rows_or_a_typed_error_that_names_the_file() {
    let seed = 42;
    let mut random = StdRng::seed_from_u64(seed);
    let good = file();
    let predicate = Predicate::Leaf(Leaf {
        field_id: 0,
        column: "id".into(),
        data_type: DataType::nullable(TypeKind::BigInt),
        op: PredicateOp::Gt,
        literals: vec![Datum::BigInt(700)],
    });
    let mut failed = 0;
    for round in 0..1_000 {
        let mut bytes = good.clone();
        mutate(&mut bytes, &mut random);
        let file = stored(bytes).await;
        let mut request = request(&file, fields());
        if round % 3 == 0 {
            let kept = (0..3_000).filter(|i| i % 7 < 2);
            request.selection = Some(Arc::new(FileSelection::only(3_000, kept)));
        }
        if round % 3 == 1 {
            request.predicate = Some(predicate.clone());
        }
        if let Err(error) = read(request).await {
            failed += 1;
            let typed = matches!(
                error.kind(),
                ErrorKind::Damaged | ErrorKind::Unsupported | ErrorKind::ResourceExhausted
            );
            assert!(typed, "seed {seed}, round {round}: {error:?}");
            assert!(error.to_string().contains("data-0.parquet"), "{error}");
        }
    }
    assert!(failed > 300, "only {failed} of 1000 mutations were noticed");
}

#[tokio::test]
async fn files_that_are_not_parquet_are_damage() {
    let good = file();
    let half = good[..good.len() / 2].to_vec();
    let mut long_footer = good.clone();
    let at = long_footer.len() - 8;
    long_footer[at..at + 4].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    for (bytes, kind) in [
        (vec![], ErrorKind::Damaged),
        (b"PAR1PAR1".to_vec(), ErrorKind::Damaged),
        (half, ErrorKind::Damaged),
        (vec![0; 4096], ErrorKind::Damaged),
        (long_footer, ErrorKind::ResourceExhausted),
    ] {
        let file = stored(bytes).await;
        let error = read(request(&file, fields())).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}
