//! Binary rows.

use bytes::Bytes;
use paimon_core::spec::{
    BinaryRow, BinaryRowWriter, DataType, Datum, TypeKind, datum_to_legacy_text, datum_to_text,
    partition_path,
};

use super::accepted;

/// Types that fields of the tested rows take in turn.
fn types() -> Vec<DataType> {
    let decimal = |precision, scale| TypeKind::Decimal { precision, scale };
    [
        TypeKind::Int,
        TypeKind::VarChar(20),
        TypeKind::BigInt,
        TypeKind::Timestamp(9),
        decimal(38, 10),
        TypeKind::Boolean,
        TypeKind::TinyInt,
        TypeKind::SmallInt,
        TypeKind::Float,
        TypeKind::Double,
        decimal(18, 9),
        TypeKind::Date,
        TypeKind::Time(3),
        TypeKind::Timestamp(3),
        TypeKind::LocalZonedTimestamp(6),
        TypeKind::VarBinary(8),
        TypeKind::Char(5),
        TypeKind::Variant,
    ]
    .into_iter()
    .map(DataType::nullable)
    .collect()
}

/// A serialised row; every field is read as some type, written and read again.
pub fn binary_row(data: &[u8]) {
    // the first byte says where in the list of types the row begins
    let (first, data) = data.split_first().unwrap_or((&0, &[]));
    check_row(&Bytes::copy_from_slice(data), usize::from(*first));
}

/// As [`binary_row`], for a row within other metadata.
pub(super) fn read_row(bytes: &Bytes) {
    check_row(bytes, 0);
}

/// Fields of a row that are looked at: a target must be fast.
const FIELDS_MAX: usize = 64;

fn check_row(bytes: &Bytes, first: usize) {
    let Some(row) = accepted(BinaryRow::from_serialized(bytes, "row")) else {
        return;
    };
    assert_eq!(row.to_serialized(), bytes);
    let _ = row.hash_code();
    let types = types();
    let mut values = Vec::new();
    for i in 0..row.arity().min(FIELDS_MAX) {
        let data_type = &types[(first + i) % types.len()];
        let Some(value) = accepted(row.get(i, data_type)) else {
            return;
        };
        values.push((value, data_type.clone()));
    }
    for (value, data_type) in &values {
        if let Some(value) = value {
            let _ = (datum_to_text(value, data_type), datum_to_legacy_text(value));
        }
    }
    let keys: Vec<_> = values
        .iter()
        .map(|(value, data_type)| ("k".to_string(), value.clone(), data_type.clone()))
        .collect();
    for legacy in [false, true] {
        let path = partition_path(&keys, "__DEFAULT_PARTITION__", legacy);
        assert_eq!(path.split('/').count(), keys.len().max(1), "{path}");
    }
    survives(&values);
}

fn survives(values: &[(Option<Datum>, DataType)]) {
    let mut writer = BinaryRowWriter::new(values.len());
    for (value, data_type) in values {
        writer.push(value.as_ref(), data_type);
    }
    let row = writer.finish();
    for (i, (value, data_type)) in values.iter().enumerate() {
        let again = accepted(row.get(i, data_type)).flatten();
        // NaN differs from itself: compare what is printed
        assert_eq!(
            format!("{again:?}"),
            format!("{value:?}"),
            "field {i} of type {data_type}"
        );
    }
}
