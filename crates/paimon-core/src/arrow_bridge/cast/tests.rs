//! Casts against what Java answers: `java_casts.tsv` has one line per value, `from`, `to`, value, result.
//!
//! Values: floats as hexadecimal bits after `b`, bytes as hexadecimal after `x`, timestamps as
//! `epoch milliseconds|nanoseconds`; `!error` where Java throws, `unsupported` where it has no cast.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;

use super::temporal::{TimestampBuilder, Timestamps};
use super::*;
use crate::ErrorKind;
use crate::spec::{DataField, MAX_LENGTH};

fn zone(name: &str) -> Tz {
    name.parse().unwrap()
}

fn cast_utc(array: &ArrayRef, from: &DataType, to: &DataType) -> Result<ArrayRef> {
    cast_in_zone(array, from, to, zone("UTC"))
}

fn data_type(text: &str) -> DataType {
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    let (inner, zone) = rest.split_once(')').unwrap_or(("", ""));
    let numbers: Vec<u32> = inner.split(", ").filter_map(|n| n.parse().ok()).collect();
    let at = |i: usize| u8::try_from(numbers[i]).unwrap();
    DataType::nullable(match name {
        "BOOLEAN" => TypeKind::Boolean,
        "TINYINT" => TypeKind::TinyInt,
        "SMALLINT" => TypeKind::SmallInt,
        "INT" => TypeKind::Int,
        "BIGINT" => TypeKind::BigInt,
        "FLOAT" => TypeKind::Float,
        "DOUBLE" => TypeKind::Double,
        "STRING" => TypeKind::VarChar(MAX_LENGTH),
        "BYTES" => TypeKind::VarBinary(MAX_LENGTH),
        "DATE" => TypeKind::Date,
        "DECIMAL" => TypeKind::Decimal {
            precision: at(0),
            scale: at(1),
        },
        "CHAR" => TypeKind::Char(numbers[0]),
        "VARCHAR" => TypeKind::VarChar(numbers[0]),
        "BINARY" => TypeKind::Binary(numbers[0]),
        "VARBINARY" => TypeKind::VarBinary(numbers[0]),
        "TIME" => TypeKind::Time(at(0)),
        "TIMESTAMP" if zone.is_empty() => TypeKind::Timestamp(at(0)),
        "TIMESTAMP" => TypeKind::LocalZonedTimestamp(at(0)),
        other => panic!("type {other}"),
    })
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(&text[1..]).unwrap()
}

fn bits(text: &str) -> u64 {
    u64::from_str_radix(&text[1..], 16).unwrap()
}

fn array(texts: &[&str], t: &DataType) -> ArrayRef {
    macro_rules! primitive {
        ($arrow:ty) => {
            Arc::new(PrimitiveArray::<$arrow>::from_iter_values(
                texts.iter().map(|s| s.parse().unwrap()),
            ))
        };
    }
    match &t.kind {
        TypeKind::Boolean => Arc::new(BooleanArray::from_iter(
            texts.iter().map(|s| Some(*s == "true")),
        )),
        TypeKind::TinyInt => primitive!(Int8Type),
        TypeKind::SmallInt => primitive!(Int16Type),
        TypeKind::Int => primitive!(Int32Type),
        TypeKind::BigInt => primitive!(Int64Type),
        TypeKind::Date => primitive!(Date32Type),
        TypeKind::Time(_) => primitive!(Time32MillisecondType),
        TypeKind::Float => Arc::new(Float32Array::from_iter_values(
            texts
                .iter()
                .map(|s| f32::from_bits(u32::try_from(bits(s)).unwrap())),
        )),
        TypeKind::Double => Arc::new(Float64Array::from_iter_values(
            texts.iter().map(|s| f64::from_bits(bits(s))),
        )),
        TypeKind::Decimal { precision, scale } => {
            let values = texts
                .iter()
                .map(|s| decimal::parse(s, *precision, *scale).unwrap().unwrap());
            let values = Decimal128Array::from_iter_values(values);
            numeric::decimal_array(values, *precision, *scale).unwrap()
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => {
            Arc::new(StringViewArray::from_iter_values(texts))
        }
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => Arc::new(
            BinaryViewArray::from_iter_values(texts.iter().map(|s| unhex(s))),
        ),
        _ => {
            let mut builder = TimestampBuilder::new(t, 1).unwrap();
            for text in texts {
                let (millis, nanos) = text.split_once('|').unwrap();
                builder
                    .append(millis.parse().unwrap(), nanos.parse().unwrap())
                    .unwrap();
            }
            builder.finish().unwrap()
        }
    }
}

fn show(array: &ArrayRef, row: usize, t: &DataType) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    match &t.kind {
        TypeKind::Boolean => array.as_boolean().value(row).to_string(),
        TypeKind::TinyInt => array.as_primitive::<Int8Type>().value(row).to_string(),
        TypeKind::SmallInt => array.as_primitive::<Int16Type>().value(row).to_string(),
        TypeKind::Int => array.as_primitive::<Int32Type>().value(row).to_string(),
        TypeKind::BigInt => array.as_primitive::<Int64Type>().value(row).to_string(),
        TypeKind::Date => array.as_primitive::<Date32Type>().value(row).to_string(),
        TypeKind::Time(_) => array
            .as_primitive::<Time32MillisecondType>()
            .value(row)
            .to_string(),
        TypeKind::Float => {
            let value = array.as_primitive::<Float32Type>().value(row);
            format!("b{:x}", value.to_bits())
        }
        TypeKind::Double => {
            let value = array.as_primitive::<Float64Type>().value(row);
            format!("b{:x}", value.to_bits())
        }
        TypeKind::Decimal { scale, .. } => {
            let mut out = String::new();
            decimal::write(
                array.as_primitive::<Decimal128Type>().value(row),
                *scale,
                &mut out,
            );
            out
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => array.as_string_view().value(row).to_owned(),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
            format!("x{}", hex::encode(array.as_binary_view().value(row)))
        }
        _ => {
            let (millis, nanos) = Timestamps::new(array, t).unwrap().value(row).unwrap();
            format!("{millis}|{nanos}")
        }
    }
}

#[test]
fn every_pair_answers_as_java() {
    let mut pairs: BTreeMap<(&str, &str), Vec<(&str, &str)>> = BTreeMap::new();
    for line in include_str!("java_casts.tsv").lines() {
        let [from, to, value, result] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("bad line {line}");
        };
        pairs.entry((from, to)).or_default().push((value, result));
    }
    let mut wrong = Vec::new();
    for ((from, to), cases) in &pairs {
        let (f, t) = (data_type(from), data_type(to));
        if cases[0].1 == "unsupported" {
            let empty = new_empty_array(&arrow_type(&f));
            let error = cast_utc(&empty, &f, &t).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{from} to {to}");
            assert_eq!(error.message(), format!("no cast from {from} to {to}"));
            continue;
        }
        let (failing, passing): (Vec<_>, Vec<_>) = cases.iter().partition(|c| c.1 == "!error");
        for (value, _) in failing {
            if let Ok(result) = cast_utc(&array(&[value], &f), &f, &t) {
                wrong.push(format!(
                    "{from} to {to}: {value:?} gave {:?}, not an error",
                    show(&result, 0, &t)
                ));
            }
        }
        for (value, expected) in &passing {
            match cast_utc(&array(&[value], &f), &f, &t) {
                Ok(result) => {
                    assert_eq!(result.data_type(), &arrow_type(&t));
                    let found = show(&result, 0, &t);
                    if found != *expected {
                        wrong.push(format!(
                            "{from} to {to}: {value:?} gave {found:?}, not {expected:?}"
                        ));
                    }
                }
                Err(e) => wrong.push(format!(
                    "{from} to {to}: {value:?} gave {e}, not {expected:?}"
                )),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn one_cast(text: Option<&str>, to: &DataType) -> Result<ArrayRef> {
    let strings: ArrayRef = Arc::new(StringViewArray::from(vec![text]));
    cast_utc(&strings, &DataType::string(), to)
}

fn back(array: &ArrayRef, from: &DataType) -> Option<String> {
    let texts = cast_utc(array, from, &DataType::string()).unwrap();
    let texts = texts.as_string_view();
    texts.is_valid(0).then(|| texts.value(0).to_owned())
}

#[test]
fn collections_go_to_text_and_back() {
    let int = DataType::nullable(TypeKind::Int);
    let list = DataType::nullable(TypeKind::Array(Box::new(int.clone())));
    let map = DataType::nullable(TypeKind::Map(
        Box::new(DataType::string().with_nullable(false)),
        Box::new(list.clone()),
    ));
    let row = DataType::nullable(TypeKind::Row(vec![
        DataField::new(1, "a", int.clone()),
        DataField::new(2, "b", DataType::nullable(TypeKind::Double)),
        DataField::new(3, "c", map.clone()),
    ]));
    for (text, t, expected) in [
        ("[1, null,3]", &list, Some("[1, null, 3]")),
        ("ARRAY(7)", &list, Some("[7]")),
        ("[]", &list, Some("[]")),
        (
            "{a -> [1, 2], b -> null}",
            &map,
            Some("{a -> [1, 2], b -> null}"),
        ),
        ("MAP(a, [1])", &map, Some("{a -> [1]}")),
        ("{}", &map, Some("{}")),
        ("NULL", &map, None),
        ("{1, 2, {x -> []}}", &row, Some("{1, 2.0, {x -> []}}")),
        (
            "STRUCT(null, 1e10, null)",
            &row,
            Some("{null, 1.0E10, null}"),
        ),
        ("{}", &row, Some("{null, null, null}")),
    ] {
        let parsed = one_cast(Some(text), t).unwrap();
        assert_eq!(parsed.data_type(), &arrow_type(t));
        assert_eq!(back(&parsed, t).as_deref(), expected, "{text}");
    }
    assert_eq!(back(&one_cast(None, &row).unwrap(), &row), None);
    for (text, t) in [
        ("1, 2", &list),
        ("[x]", &list),
        ("{a}", &map),
        ("{1, 2}", &row),
    ] {
        let error = one_cast(Some(text), t).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
    }
}

#[test]
fn nested_text_ignores_the_length_of_the_target() {
    let list = DataType::nullable(TypeKind::Array(Box::new(DataType::nullable(TypeKind::Int))));
    let values = one_cast(Some("[1, 2, 3]"), &list).unwrap();
    let cut = cast_utc(&values, &list, &DataType::nullable(TypeKind::VarChar(2))).unwrap();
    assert_eq!(cut.as_string_view().value(0), "[1, 2, 3]");
}

#[test]
fn types_without_a_text_form_are_named() {
    let from = DataType::nullable(TypeKind::Multiset(Box::new(DataType::string())));
    let list = DataType::nullable(TypeKind::Array(Box::new(from.clone())));
    for t in [&from, &list] {
        let error = cast_utc(&new_empty_array(&arrow_type(t)), t, &DataType::string())
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.message(), "no cast from MULTISET<STRING> to STRING");
    }
}

#[test]
fn nulls_stay_null_and_equal_types_are_untouched() {
    let from = DataType::nullable(TypeKind::Int);
    let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    for to in [
        "BIGINT",
        "STRING",
        "DECIMAL(3, 1)",
        "BOOLEAN",
        "TIMESTAMP(3)",
        "CHAR(4)",
    ] {
        let t = data_type(to);
        let result = cast_utc(&values, &from, &t).unwrap();
        assert!(result.is_valid(0) && result.is_null(1), "{to}");
    }
    let same = cast_utc(&values, &from, &from.with_nullable(false)).unwrap();
    assert!(Arc::ptr_eq(&same, &values));
}

#[test]
fn instants_and_clocks_differ_by_the_zone() {
    // 2024-07-01 and 2024-10-27 in Berlin: two hours ahead of UTC, and the night in which 02:30 is shown twice
    let (noon, night) = ("1719828000000|5000", "1729989000000|0");
    for (from, to, value, expected) in [
        (
            "TIMESTAMP(6)",
            "TIMESTAMP(6) LTZ",
            "1719835200000|5000",
            noon,
        ),
        (
            "TIMESTAMP(6) LTZ",
            "TIMESTAMP(6)",
            noon,
            "1719835200000|5000",
        ),
        ("TIMESTAMP(3)", "TIMESTAMP(3) LTZ", "1729996200000|0", night),
        (
            "TIMESTAMP(6) LTZ",
            "STRING",
            noon,
            "2024-07-01 12:00:00.000005",
        ),
        ("STRING", "TIMESTAMP(3) LTZ", "2024-10-27 02:30:00", night),
        (
            "STRING",
            "TIMESTAMP(3)",
            "2024-10-27 02:30:00",
            "1729996200000|0",
        ),
        ("DATE", "TIMESTAMP(3) LTZ", "19905", "1719784800000|0"),
        ("TIMESTAMP(3) LTZ", "DATE", "1719784800000|0", "19905"),
        ("TIMESTAMP(3) LTZ", "TIME(3)", "1719784800001|0", "1"),
        ("TIME(3)", "TIMESTAMP(3) LTZ", "1", "1|0"),
        ("INT", "TIMESTAMP(0) LTZ", "1719784800", "1719792000000|0"),
        (
            "TIMESTAMP(3) LTZ",
            "BIGINT",
            "1719784800000|0",
            "1719784800",
        ),
    ] {
        let (f, t) = (data_type(from), data_type(to));
        let cast = cast_in_zone(&array(&[value], &f), &f, &t, zone("Europe/Berlin")).unwrap();
        assert_eq!(show(&cast, 0, &t), expected, "{value}: {from} to {to}");
    }
}

#[test]
fn nested_texts_of_instants_are_those_of_the_zone() {
    let list = DataType::nullable(TypeKind::Array(Box::new(data_type("TIMESTAMP(0) LTZ"))));
    let text = "[2024-07-01 12:00:00, null]";
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec![text]));
    let berlin = zone("Europe/Berlin");
    let values = cast_in_zone(&texts, &DataType::string(), &list, berlin).unwrap();
    let back = cast_in_zone(&values, &list, &DataType::string(), berlin).unwrap();
    assert_eq!(back.as_string_view().value(0), text);
    let utc = cast_utc(&values, &list, &DataType::string()).unwrap();
    assert_eq!(utc.as_string_view().value(0), "[2024-07-01 10:00:00, null]");
}
