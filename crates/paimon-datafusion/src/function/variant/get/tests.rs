#![allow(clippy::unwrap_used)]
use arrow::util::display::array_value_to_string;

use super::super::read::variant_of;
use super::*;

fn get(text: &str, path: &str, to: &str, strict: bool) -> Result<String> {
    let (metadata, value) = variant_of(text)?;
    let conversion = Conversion {
        strict,
        zone: "UTC".parse().unwrap(),
    };
    let found = Path::parse(path)?.find(Variant::try_new(&metadata, &value).unwrap());
    // beside a null and the value of another type
    let values = [None, found, Some(Variant::Null)];
    let to = with_nulls(data_type_of(to)?);
    let column = conversion.column(&values, &to)?;
    assert_eq!(column.data_type(), &arrow_type(&to));
    assert!(column.is_null(0) && column.is_null(2));
    Ok(array_value_to_string(&column, 1)?)
}

const TEXT: &str = r#"{
    "i": 300, "d": 1.75, "f": 1e10, "s": "12", "t": "2024-01-02", "b": true, "n": null,
    "l": [1, "2", null], "o": {"x": 1, "y": [true]}, "max": 9223372036854775807
}"#;

#[test]
fn values_become_those_of_the_type() {
    for (path, to, wanted) in [
        ("$.i", "INT", "300"),
        ("$.i", "STRING", "300"),
        ("$.i", "DECIMAL(10, 2)", "300.00"),
        ("$.i", "DOUBLE", "300.0"),
        ("$.d", "INT", "1"),
        ("$.d", "STRING", "1.75"),
        ("$.d", "DECIMAL(5, 1)", "1.8"),
        ("$.f", "BIGINT", "10000000000"),
        ("$.s", "SMALLINT", "12"),
        ("$.t", "DATE", "2024-01-02"),
        ("$.t", "TIMESTAMP(3)", "2024-01-02T00:00:00"),
        ("$.b", "STRING", "true"),
        ("$.b", "INT", "1"),
        ("$.l", "ARRAY<INT>", "[1, 2, ]"),
        ("$.l", "ARRAY<STRING>", "[1, 2, ]"),
        ("$.l[1]", "STRING", "2"),
        ("$.l", "STRING", "[1,\"2\",null]"),
        ("$.o", "MAP<STRING, STRING>", "{x: 1, y: [true]}"),
        (
            "$.o",
            "STRUCT<y: ARRAY<BOOLEAN>, z: INT>",
            "{y: [true], z: }",
        ),
        ("$.o.y[0]", "BOOLEAN", "true"),
        ("$.nowhere", "INT", ""),
        ("$.i.x", "INT", ""),
        ("$.l[7]", "INT", ""),
        ("$.n", "STRING", ""),
    ] {
        assert_eq!(get(TEXT, path, to, true).unwrap(), wanted, "{path} {to}");
        assert_eq!(get(TEXT, path, to, false).unwrap(), wanted, "{path} {to}");
    }
}

#[test]
fn nulls_are_in_types_that_forbid_them() {
    for (path, to, wanted) in [
        ("$.l", "ARRAY<INT NOT NULL>", "[1, 2, ]"),
        (
            "$.o",
            "STRUCT<y: ARRAY<BOOLEAN NOT NULL> NOT NULL, z: INT NOT NULL>",
            "{y: [true], z: }",
        ),
        ("$", "MAP<STRING, INT NOT NULL>", "{i: 1, n: }"),
        ("$", "STRUCT<l: ARRAY<STRUCT<x: INT NOT NULL>>>", "{l: }"),
    ] {
        let text = match path {
            "$" => r#"{"i": 1, "n": null}"#,
            _ => TEXT,
        };
        assert_eq!(get(text, path, to, true).unwrap(), wanted, "{path} {to}");
        assert_eq!(get(text, path, to, false).unwrap(), wanted, "{path} {to}");
    }
    let rows = "ARRAY<STRUCT<x: INT NOT NULL> NOT NULL>";
    assert_eq!(get(TEXT, "$.l", rows, false).unwrap(), "[, , ]");
}

#[test]
fn values_that_are_none_are_errors_or_null() {
    for (path, to) in [
        ("$.i", "TINYINT"),
        ("$.max", "INT"),
        ("$.f", "INT"),
        ("$.t", "INT"),
        ("$.b", "DATE"),
        ("$.o", "INT"),
        ("$.i", "ARRAY<INT>"),
        ("$.l", "ARRAY<ARRAY<INT>>"),
        ("$.l", "MAP<STRING, INT>"),
        ("$.s", "ROW<a INT>"),
    ] {
        let error = get(TEXT, path, to, true).unwrap_err().to_string();
        assert!(error.contains("of a VARIANT is no"), "{path} {to}: {error}");
        assert!(get(TEXT, path, to, false).is_ok(), "{path} {to}");
    }
    let list = get(TEXT, "$.l", "ARRAY<ARRAY<INT>>", false).unwrap();
    assert_eq!(list, "[, , ]");
}

#[test]
fn a_value_cut_out_is_a_variant_of_its_own() {
    let (metadata, value) = variant_of(TEXT).unwrap();
    let whole = Variant::try_new(&metadata, &value).unwrap();
    let cut = Path::parse("$.o").unwrap().find(whole).unwrap();
    let (metadata, value) = encoded(&cut);
    let cut = Variant::try_new(&metadata, &value).unwrap();
    let zone: Tz = "UTC".parse().unwrap();
    assert_eq!(json(&cut, &zone), r#"{"x":1,"y":[true]}"#);
    assert!(metadata.len() < TEXT.len());
}

#[test]
fn types_without_values_are_refused() {
    for name in [
        "TIME",
        "BLOB",
        "MULTISET<INT>",
        "MAP<INT, INT>",
        "ARRAY<TIME>",
    ] {
        assert!(!has_values(&data_type_of(name).unwrap()), "{name}");
    }
    assert!(data_type_of("INT x").is_err());
    assert!(data_type_of("nonsense").is_err());
}
