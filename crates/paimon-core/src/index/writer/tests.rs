#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::index::{FileIndexResult, evaluate};
use crate::predicate::{Leaf, Predicate, PredicateOp};
use crate::spec::{DataType, Datum, TypeKind};
use crate::write::testing::{TYPES, batch, fields};

fn options(pairs: &[(&str, &str)]) -> IndexMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
        .collect()
}

fn build(
    types: &[&str],
    pairs: &[(&str, &str)],
    rows: usize,
) -> (Vec<DataField>, RecordBatch, Bytes) {
    let fields = fields(types, 0);
    let rows = batch(&fields, rows);
    let mut writer = FileIndexWriter::new(&fields, &options(pairs))
        .unwrap()
        .unwrap();
    for start in (0..rows.num_rows()).step_by(37) {
        let len = 37.min(rows.num_rows() - start);
        writer.update(&rows.slice(start, len)).unwrap();
    }
    let bytes = writer.finish().unwrap();
    (fields, rows, bytes)
}

fn ask(field: &DataField, op: PredicateOp, literals: Vec<Datum>) -> Predicate {
    Predicate::Leaf(Leaf {
        field_id: field.id,
        column: field.name.clone(),
        data_type: field.data_type.clone(),
        op,
        literals,
    })
}

/// Every value of every type that an index takes is found by it, in exactly its rows where the index knows rows.
#[test]
fn every_value_is_found() {
    for kind in [
        IndexKind::Bloom,
        IndexKind::Bitmap,
        IndexKind::Bsi,
        IndexKind::Range,
    ] {
        for text in TYPES
            .iter()
            .filter(|t| !t.contains('<') && **t != "VARIANT")
        {
            let key = format!("file-index.{}.columns", kind.name());
            if FileIndexWriter::new(&fields(&[text], 0), &options(&[(&key, "c0")])).is_err() {
                continue;
            }
            let small = [
                (key.as_str(), "c0"),
                ("file-index.bloom-filter.c0.items", "200"),
                ("file-index.bitmap.c0.index-block-size", "100"),
                ("file-index.range-bitmap.c0.chunk-size", "50"),
            ];
            let (fields, rows, container) = build(&[text], &small, 150);
            let column = rows.column(0);
            let values: Vec<Option<Datum>> = (0..150)
                .map(|r| {
                    crate::arrow_bridge::datum_at(column.as_ref(), r, &fields[0].data_type).unwrap()
                })
                .collect();
            for (row, value) in values.iter().enumerate() {
                let Some(value) = value else { continue };
                let question = ask(&fields[0], PredicateOp::Eq, vec![value.clone()]);
                let row = u32::try_from(row).unwrap();
                match evaluate(&container, &question, 150).unwrap() {
                    FileIndexResult::Keep => {}
                    FileIndexResult::Rows(found) => {
                        assert!(found.contains(row), "{kind:?} {text} {row}")
                    }
                    FileIndexResult::Skip => panic!("{kind:?} {text} lost {value:?}"),
                }
            }
            if kind == IndexKind::Bloom {
                continue;
            }
            let nulls = ask(&fields[0], PredicateOp::IsNull, vec![]);
            let FileIndexResult::Rows(found) = evaluate(&container, &nulls, 150).unwrap() else {
                panic!("{kind:?} {text} does not know nulls");
            };
            let expected: Vec<u32> = (0u32..150)
                .filter(|r| values[usize::try_from(*r).unwrap()].is_none())
                .collect();
            assert_eq!(
                found.iter().collect::<Vec<_>>(),
                expected,
                "{kind:?} {text}"
            );
        }
    }
}

#[test]
fn javas_worked_container_comes_out() {
    let fields = fields(&["INT", "STRING"], 0);
    let mut fields = fields;
    fields[0].name = "a".into();
    fields[1].name = "b".into();
    let columns: Vec<arrow_array::ArrayRef> = vec![
        std::sync::Arc::new(arrow_array::Int32Array::from(vec![1, 2])),
        std::sync::Arc::new(arrow_array::StringViewArray::from(vec![Some("x"), None])),
    ];
    let rows = RecordBatch::try_new(crate::arrow_bridge::arrow_schema(&fields), columns).unwrap();
    let pairs = [
        ("file-index.bloom-filter.columns", "a"),
        ("file-index.bloom-filter.a.items", "10"),
        ("file-index.bitmap.columns", "b"),
    ];
    let mut writer = FileIndexWriter::new(&fields, &options(&pairs))
        .unwrap()
        .unwrap();
    writer.update(&rows).unwrap();
    let expected = "00054e4ed01a35ae000000010000004c00000002\
        00016100000001000c626c6f6f6d2d66696c7465720000004c0000000a\
        00016200000001 00066269746d61700000005600000034 00000000\
        00000003882001404000\
        02000000020000000101fffffffe00000012000000010000000178000000000000001100000001\
        0000000178ffffffffffffffff"
        .replace(' ', "");
    assert_eq!(hex::encode(writer.finish().unwrap()), expected);
}

#[test]
fn keys_of_maps_have_their_own_index() {
    let pairs = [
        ("file-index.bitmap.columns", "c0[a],c0[nobody]"),
        ("file-index.bloom-filter.columns", "c1"),
        ("file-index.bloom-filter.c1.items", "100"),
    ];
    let (fields, _, container) = build(&["MAP<STRING, INT>", "STRING"], &pairs, 30);
    let mut field = DataField::new(0, "c0[a]", DataType::nullable(TypeKind::Int));
    let one = |field: &DataField, v| {
        evaluate(
            &container,
            &ask(field, PredicateOp::Eq, vec![Datum::Int(v)]),
            30,
        )
        .unwrap()
    };
    assert!(
        matches!(one(&field, 1), FileIndexResult::Rows(rows) if rows.contains(0) && !rows.contains(1))
    );
    assert_eq!(one(&field, 2), FileIndexResult::Skip);
    field.name = "c0[nobody]".into();
    assert_eq!(one(&field, 1), FileIndexResult::Skip);
    let text = ask(
        &fields[1],
        PredicateOp::Eq,
        vec![Datum::String("nowhere".into())],
    );
    assert_eq!(
        evaluate(&container, &text, 30).unwrap(),
        FileIndexResult::Skip
    );
}

#[test]
fn what_cannot_be_indexed_is_refused_by_name() {
    let fields = fields(&["INT", "DOUBLE", "ARRAY<INT>", "DECIMAL(38, 0)"], 0);
    for (key, value) in [
        ("file-index.bitmap.columns", "c2"),
        ("file-index.bitmap.columns", "missing"),
        ("file-index.bitmap.columns", "c0[k]"),
        ("file-index.bsi.columns", "c1"),
        ("file-index.range-bitmap.columns", "c3"),
        ("file-index.magic.columns", "c0"),
    ] {
        let error = FileIndexWriter::new(&fields, &options(&[(key, value)]))
            .err()
            .unwrap();
        assert!(error.to_string().contains(key), "{error}");
    }
    let other = options(&[("file-index.in-manifest-threshold", "1 b")]);
    assert!(FileIndexWriter::new(&fields, &other).unwrap().is_none());
    let version = options(&[
        ("file-index.bitmap.columns", "c0"),
        ("file-index.bitmap.c0.version", "1"),
    ]);
    assert!(FileIndexWriter::new(&fields, &version).is_err());
}
