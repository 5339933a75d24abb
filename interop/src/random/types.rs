//! Random data types and values of them, in the encoding of [`crate::rows`].

use paimon_core::spec::{DataField, DataType, MAX_LENGTH, TypeKind};
use serde_json::{Value, json};

use crate::numbers::Numbers;

/// Texts with something to trip over: folder names, escapes, patterns, code units beyond the first plane.
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "ab",
    "abc",
    "A",
    " ",
    " a ",
    "a/b",
    "x=y",
    "50%",
    "a_b",
    "\\",
    "'",
    "\"q\"",
    "null",
    "NULL",
    "__DEFAULT_PARTITION__",
    "ä",
    "Straße",
    "日本語",
    "😀",
    "a😀b",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{e000}",
    "é\u{301}",
    "line\nbreak",
    "tab\t",
    "\u{0}",
    "0",
    "-1",
    "1.50",
    "true",
    "2024-01-01",
    "a long text that does not fit into seven bytes, nor into the sixteen that statistics keep of it",
    "a long text that does not fit into seven bytes, nor into the other sixteen",
];
const DATES: &[&str] = &[
    "0001-01-01",
    "1582-10-04",
    "1582-10-15",
    "1899-12-31",
    "1969-12-31",
    "1970-01-01",
    "1970-01-02",
    "2000-02-29",
    "2024-01-01",
    "2024-12-31",
    "9999-12-31",
];
/// Dates that nanoseconds reach.
const NEAR_DATES: &[&str] = &[
    "1700-01-01",
    "1899-12-31",
    "1969-12-31",
    "1970-01-01",
    "2000-02-29",
    "2024-01-01",
    "2200-12-31",
];
const CLOCKS: &[&str] = &["00:00:00", "00:00:01", "11:59:59", "12:34:56", "23:59:59"];
const FRACTIONS: &[&str] = &[
    "000000000",
    "999999999",
    "123456789",
    "500000000",
    "000000001",
    "001000000",
    "000001000",
];
const FLOATS: &[&str] = &[
    "0.0",
    "-0.0",
    "1.0",
    "-1.5",
    "NaN",
    "Infinity",
    "-Infinity",
    "1.0E-40",
    "3.4028235E38",
    "0.1",
    "123456.79",
    "2.0",
];
const DOUBLES: &[&str] = &[
    "0.0",
    "-0.0",
    "1.0",
    "-1.5",
    "NaN",
    "Infinity",
    "-Infinity",
    "4.9E-324",
    "1.7976931348623157E308",
    "0.1",
    "123456.789012345",
    "2.0",
];

fn decimal(numbers: &mut Numbers) -> TypeKind {
    let precision = u8::try_from(1 + numbers.below(38)).unwrap_or(1);
    let precision = *numbers.pick(&[precision, 9, 10, 18, 19, 38, 5]);
    let scale = u8::try_from(numbers.below(u64::from(precision) + 1)).unwrap_or(0);
    TypeKind::Decimal { precision, scale }
}

fn precision(numbers: &mut Numbers) -> u8 {
    *numbers.pick(&[0, 1, 2, 3, 3, 4, 5, 6, 6, 6, 7, 8, 9])
}

fn length(numbers: &mut Numbers) -> u32 {
    *numbers.pick(&[1, 2, 5, 10, 100])
}

/// A type that a primary key, a partition or a sequence field may have.
pub fn key_kind(numbers: &mut Numbers) -> TypeKind {
    match numbers.below(16) {
        0..=3 => TypeKind::Int,
        4 | 5 => TypeKind::BigInt,
        6..=8 => TypeKind::VarChar(MAX_LENGTH),
        9 => TypeKind::Date,
        10 => TypeKind::SmallInt,
        11 => TypeKind::TinyInt,
        12 => decimal(numbers),
        13 => TypeKind::Timestamp(precision(numbers).min(6)),
        14 => TypeKind::Boolean,
        _ => TypeKind::Char(5),
    }
}

/// A type of single values.
pub fn plain_kind(numbers: &mut Numbers) -> TypeKind {
    match numbers.below(24) {
        0..=9 => key_kind(numbers),
        10 => TypeKind::Float,
        11 | 12 => TypeKind::Double,
        13 => decimal(numbers),
        14 => TypeKind::Char(length(numbers)),
        15 => TypeKind::VarChar(length(numbers)),
        16 => TypeKind::Binary(length(numbers)),
        17 => TypeKind::VarBinary(length(numbers)),
        18 => TypeKind::VarBinary(MAX_LENGTH),
        19 => TypeKind::Time(*numbers.pick(&[0, 3, 3, 6, 9])),
        20 | 21 => TypeKind::Timestamp(precision(numbers)),
        22 => TypeKind::LocalZonedTimestamp(precision(numbers)),
        _ => TypeKind::VarChar(MAX_LENGTH),
    }
}

/// A type of any kind; the fields of a row are numbered from `next_id`.
pub fn any_kind(numbers: &mut Numbers, depth: u32, next_id: &mut i32) -> TypeKind {
    if depth == 0 || !numbers.one_in(4) {
        return plain_kind(numbers);
    }
    let mut element = |numbers: &mut Numbers| {
        let kind = any_kind(numbers, depth - 1, next_id);
        Box::new(DataType {
            kind,
            nullable: !numbers.one_in(6),
        })
    };
    match numbers.below(8) {
        0..=2 => TypeKind::Array(element(numbers)),
        3..=4 => {
            let key = Box::new(DataType::not_null(map_key(numbers)));
            TypeKind::Map(key, element(numbers))
        }
        5 => TypeKind::Multiset(Box::new(DataType::not_null(map_key(numbers)))),
        _ => {
            let count = 1 + numbers.below(3);
            let fields = (0..count)
                .map(|i| {
                    let data_type = *element(numbers);
                    (format!("f{i}"), data_type)
                })
                .collect::<Vec<_>>();
            TypeKind::Row(
                fields
                    .into_iter()
                    .map(|(name, t)| DataField::new(take(next_id), name, t))
                    .collect(),
            )
        }
    }
}

fn take(next_id: &mut i32) -> i32 {
    *next_id += 1;
    *next_id - 1
}

/// Avro has no other keys of maps than texts; the other types print in one way only.
fn map_key(numbers: &mut Numbers) -> TypeKind {
    numbers
        .pick(&[
            TypeKind::VarChar(MAX_LENGTH),
            TypeKind::VarChar(MAX_LENGTH),
            TypeKind::Int,
        ])
        .clone()
}

/// A value, sometimes null where the type allows it.
pub fn value(numbers: &mut Numbers, data_type: &DataType) -> Value {
    match data_type.nullable && numbers.one_in(6) {
        true => Value::Null,
        false => present(numbers, &data_type.kind),
    }
}

/// Small whole numbers as texts or numbers of a numeric type: whatever is done with a few of them fits.
pub fn small(numbers: &mut Numbers, kind: &TypeKind) -> Value {
    let number = 1 + numbers.below(3);
    match kind {
        TypeKind::Float | TypeKind::Double => json!(format!("{number}.0")),
        TypeKind::Decimal { scale, .. } => json!(decimal_text(i128::from(number), *scale)),
        _ => json!(number),
    }
}

fn present(numbers: &mut Numbers, kind: &TypeKind) -> Value {
    match kind {
        TypeKind::Boolean => json!(numbers.one_in(2)),
        TypeKind::TinyInt => integer(numbers, i64::from(i8::MIN), i64::from(i8::MAX)),
        TypeKind::SmallInt => integer(numbers, i64::from(i16::MIN), i64::from(i16::MAX)),
        TypeKind::Int => integer(numbers, i64::from(i32::MIN), i64::from(i32::MAX)),
        TypeKind::BigInt => integer(numbers, i64::MIN, i64::MAX),
        TypeKind::Float => json!(numbers.pick(FLOATS)),
        TypeKind::Double => json!(numbers.pick(DOUBLES)),
        TypeKind::Decimal { precision, scale } => {
            let most = 10_i128.pow(u32::from(*precision)) - 1;
            let near = i128::from(numbers.below(200)) - 100;
            let unscaled = *numbers.pick(&[0, 1, -1, most, -most, near, near, most / 3]);
            json!(decimal_text(unscaled.clamp(-most, most), *scale))
        }
        // blanks at the end of a CHAR do not come back from ORC
        TypeKind::Char(length) => json!(text(numbers, *length).trim_end_matches(' ')),
        TypeKind::VarChar(length) => json!(text(numbers, *length)),
        TypeKind::Binary(length) => bytes(numbers, u64::from(*length), true),
        TypeKind::VarBinary(length) => bytes(numbers, u64::from(*length).min(30), false),
        TypeKind::Date => json!(numbers.pick(DATES)),
        TypeKind::Time(_) => json!(format!(
            "{}.{}",
            numbers.pick(CLOCKS),
            numbers.pick(&["000", "001", "999"])
        )),
        TypeKind::Timestamp(precision) => json!(timestamp(numbers, *precision)),
        TypeKind::LocalZonedTimestamp(precision) => {
            json!(format!("{}Z", timestamp(numbers, *precision)))
        }
        TypeKind::Array(element) => (0..numbers.below(4))
            .map(|_| value(numbers, element))
            .collect(),
        TypeKind::Map(key, element) => pairs(numbers, key, |numbers| value(numbers, element)),
        TypeKind::Multiset(element) => {
            pairs(numbers, element, |numbers| json!(1 + numbers.below(3)))
        }
        TypeKind::Row(fields) => fields
            .iter()
            .map(|f| value(numbers, &f.data_type))
            .collect(),
        TypeKind::Variant | TypeKind::Blob | TypeKind::Vector(..) => Value::Null,
    }
}

fn text(numbers: &mut Numbers, length: u32) -> String {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    numbers.pick(TEXTS).chars().take(length).collect()
}

fn integer(numbers: &mut Numbers, least: i64, most: i64) -> Value {
    let near = i64::try_from(numbers.below(12)).unwrap_or(0);
    json!(numbers.pick(&[0, 1, -1, least, most, near, near, near, least + 1]))
}

/// A number with `scale` digits after the point.
fn decimal_text(unscaled: i128, scale: u8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, rest) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    match rest.is_empty() {
        true => format!("{sign}{whole}"),
        false => format!("{sign}{whole}.{rest}"),
    }
}

fn bytes(numbers: &mut Numbers, most: u64, exactly: bool) -> Value {
    let length = if exactly {
        most
    } else {
        numbers.below(most + 1)
    };
    let text: String = (0..length)
        .map(|_| *numbers.pick(&["00", "01", "7f", "80", "ff", "41"]))
        .collect();
    json!(text)
}

fn timestamp(numbers: &mut Numbers, precision: u8) -> String {
    let date = if precision > 6 {
        numbers.pick(NEAR_DATES)
    } else {
        numbers.pick(DATES)
    };
    let digits = usize::from(precision);
    let fraction = &numbers.pick(FRACTIONS)[..digits];
    format!("{date}T{}.{fraction:0<9}", numbers.pick(CLOCKS))
}

fn pairs(
    numbers: &mut Numbers,
    key: &DataType,
    mut of: impl FnMut(&mut Numbers) -> Value,
) -> Value {
    let mut pairs: Vec<(String, Value)> = Vec::new();
    for _ in 0..numbers.below(4) {
        let key = present(numbers, &key.kind);
        let text = key.to_string();
        if pairs.iter().all(|(other, _)| *other != text) {
            pairs.push((text, json!([key, of(numbers)])));
        }
    }
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_all_digits_of_their_scale() {
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(1234, 0), "1234");
        assert_eq!(decimal_text(100, 2), "1.00");
    }
}
