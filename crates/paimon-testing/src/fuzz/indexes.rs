//! Deletion vectors and file indexes.

use bytes::Bytes;
use paimon_core::deletionvectors::{
    DeletionVectorVersion, decode_deletion_vector, encode_deletion_vectors,
};
use paimon_core::index::{FileIndexResult, evaluate};
use paimon_core::predicate::{Predicate, PredicateOp};
use paimon_core::spec::{DataField, DataType, Datum, DeletionVectorMeta, TypeKind};

use super::accepted;

/// The content of a deletion vector, framed with the right size and checksum, and the same bytes as they are.
pub fn deletion_vector(data: &[u8]) {
    let Ok(size) = i32::try_from(data.len()) else {
        return;
    };
    let mut framed = size.to_be_bytes().to_vec();
    framed.extend_from_slice(data);
    framed.extend_from_slice(&crc32fast::hash(data).to_be_bytes());
    for bytes in [Bytes::from(framed), Bytes::copy_from_slice(data)] {
        // the length of one layout, then of the other
        for length in [size, size.saturating_add(8)] {
            vector(&bytes, length);
        }
    }
}

fn vector(bytes: &Bytes, length: i32) {
    let meta = DeletionVectorMeta {
        data_file_name: "data-0".into(),
        offset: 1,
        length,
        cardinality: None,
    };
    let Some(vector) = accepted(decode_deletion_vector(bytes, &meta, "index-0")) else {
        return;
    };
    let _ = vector.check_row_count(1000);
    let _ = vector.to_selection(1000);
    for version in [DeletionVectorVersion::V1, DeletionVectorVersion::V2] {
        let one = vec![("data-0".to_string(), vector.clone())];
        let Some((file, metas)) = accepted(encode_deletion_vectors(one, version)) else {
            continue;
        };
        let bytes = Bytes::from(file).slice(1..);
        let again = accepted(decode_deletion_vector(&bytes, &metas[0], "index-1"));
        assert_eq!(again.as_ref(), Some(&vector), "as {version:?}");
        assert_eq!(
            u64::try_from(metas[0].cardinality.unwrap_or(-1)),
            Ok(vector.cardinality())
        );
    }
}

/// Types of indexed columns; the first byte of an index's input chooses one.
pub(super) fn indexed_types() -> Vec<(DataType, Datum)> {
    let decimal = TypeKind::Decimal {
        precision: 10,
        scale: 2,
    };
    let (unscaled, scale) = (10_000, 2);
    [
        (TypeKind::Int, Datum::Int(5)),
        (TypeKind::VarChar(20), Datum::String("b".into())),
        (TypeKind::BigInt, Datum::BigInt(5)),
        (TypeKind::Boolean, Datum::Boolean(true)),
        (TypeKind::TinyInt, Datum::TinyInt(5)),
        (TypeKind::SmallInt, Datum::SmallInt(5)),
        (TypeKind::Float, Datum::Float(0.5)),
        (TypeKind::Double, Datum::Double(0.5)),
        (decimal, Datum::Decimal { unscaled, scale }),
        (TypeKind::Date, Datum::Date(19_000)),
        (
            TypeKind::Timestamp(3),
            Datum::Timestamp {
                millis: 0,
                nanos: 0,
            },
        ),
        (TypeKind::VarBinary(8), Datum::Bytes(vec![1])),
    ]
    .into_iter()
    .map(|(kind, datum)| (DataType::nullable(kind), datum))
    .collect()
}

/// Asks an index every kind of question.
fn ask(container: &Bytes, column: &str, (data_type, datum): &(DataType, Datum), rows: u64) {
    let field = DataField::new(0, column, data_type.clone());
    let one = vec![Some(datum.clone())];
    let questions = [
        (PredicateOp::Eq, one.clone()),
        (PredicateOp::NotEq, one.clone()),
        (PredicateOp::Lt, one.clone()),
        (PredicateOp::LtEq, one.clone()),
        (PredicateOp::Gt, one.clone()),
        (PredicateOp::GtEq, one.clone()),
        (PredicateOp::In, [one.clone(), one.clone()].concat()),
        (PredicateOp::NotIn, [one.clone(), one].concat()),
        (PredicateOp::IsNull, Vec::new()),
        (PredicateOp::IsNotNull, Vec::new()),
    ];
    for (op, literals) in questions {
        let Some(question) = accepted(Predicate::leaf(&field, op, literals)) else {
            continue;
        };
        if let Some(FileIndexResult::Rows(found)) = accepted(evaluate(container, &question, rows)) {
            assert!(!found.is_empty(), "{op:?} finds an empty set");
            let last = found.max().map_or(0, u64::from);
            assert!(last < rows, "{op:?} finds row {last} of {rows}");
        }
    }
}

/// A container of file indexes; its columns are asked for as `f_int`, `a`, ...
pub fn file_index(data: &[u8]) {
    let container = Bytes::copy_from_slice(data);
    let types = indexed_types();
    for (column, data_type) in [
        ("f_int", &types[0]),
        ("f_string", &types[1]),
        ("id", &types[0]),
    ] {
        ask(&container, column, data_type, 10);
    }
}

/// A bloom filter: type, two bytes of row count, content.
pub fn bloom_filter(data: &[u8]) {
    index("bloom-filter", data);
}

/// A bitmap index: type, two bytes of row count, content.
pub fn bitmap_index(data: &[u8]) {
    index("bitmap", data);
}

/// A bit-sliced index: type, two bytes of row count, content.
pub fn bsi_index(data: &[u8]) {
    index("bsi", data);
}

/// A range bitmap: type, two bytes of row count, content.
pub fn range_bitmap(data: &[u8]) {
    index("range-bitmap", data);
}

fn index(index_type: &str, data: &[u8]) {
    let Some(([kind, low, high], body)) = data.split_first_chunk::<3>() else {
        return;
    };
    let types = indexed_types();
    let data_type = &types[usize::from(*kind) % types.len()];
    let rows = u64::from(u16::from_le_bytes([*low, *high]));
    if let Some(container) = container(index_type, body) {
        ask(&container, "c", data_type, rows);
    }
}

/// A container of one index of column `c`; `None` for a body that is too large.
fn container(index_type: &str, body: &[u8]) -> Option<Bytes> {
    const MAGIC: i64 = 1_493_475_289_347_502;
    let mut entries = 1i32.to_be_bytes().to_vec();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    text(&mut entries, "c");
    entries.extend_from_slice(&1i32.to_be_bytes());
    text(&mut entries, index_type);
    // magic, version, head length; entries; start, length, redundant length
    let head = i32::try_from(8 + 4 + 4 + entries.len() + 4 + 4 + 4).ok()?;
    let mut out = MAGIC.to_be_bytes().to_vec();
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&head.to_be_bytes());
    out.extend_from_slice(&entries);
    out.extend_from_slice(&head.to_be_bytes());
    out.extend_from_slice(&i32::try_from(body.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&0i32.to_be_bytes());
    out.extend_from_slice(body);
    Some(out.into())
}
