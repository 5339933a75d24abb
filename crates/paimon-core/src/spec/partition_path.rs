//! Partition folders: values to text, escaping.
//!
//! Source: `PartitionPathUtils`, `InternalRowPartitionComputer`, `CastExecutors`. A folder is
//! `escape(key) = escape(value)` per partition key, joined by `/`.

use std::fmt::Write;

use super::datum_text::{datum_to_legacy_text, datum_to_text};
use super::{DataType, Datum};

/// Folder of a partition: `k1=v1/k2=v2` in partition-key order, no slash at the end; empty without keys.
///
/// `default_name` stands for null and for blank strings. `legacy` is option `partition.legacy-name`: Java's
/// `toString` of the internal value instead of a cast to STRING.
pub fn partition_path(
    keys: &[(String, Option<Datum>, DataType)],
    default_name: &str,
    legacy: bool,
) -> String {
    let parts: Vec<String> = keys
        .iter()
        .map(|(key, value, data_type)| {
            let text = partition_value_text(value.as_ref(), data_type, default_name, legacy);
            format!("{}={}", escape(key), escape(&text))
        })
        .collect();
    parts.join("/")
}

/// Text of one partition value before escaping; `default_name` for null and blank strings.
pub fn partition_value_text(
    value: Option<&Datum>,
    data_type: &DataType,
    default_name: &str,
    legacy: bool,
) -> String {
    let text = match value {
        None => return default_name.to_string(),
        Some(value) if legacy => datum_to_legacy_text(value),
        Some(value) => datum_to_text(value, data_type),
    };
    if text.chars().all(is_java_whitespace) {
        return default_name.to_string();
    }
    text
}

/// `Character.isWhitespace`, which differs from Unicode's property in five places.
fn is_java_whitespace(c: char) -> bool {
    match c {
        '\u{1c}'..='\u{1f}' => true,
        '\u{85}' | '\u{a0}' | '\u{2007}' | '\u{202f}' => false,
        other => other.is_whitespace(),
    }
}

/// Escapes a partition key or value for a folder name: `%` and two upper-case hexadecimal digits for control
/// characters and `" # % ' * / : = ? \ { } [ ] ^`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if needs_escape(c) {
            // writing to a String cannot fail
            let _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn needs_escape(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}')
        || matches!(
            c,
            '"' | '#'
                | '%'
                | '\''
                | '*'
                | '/'
                | ':'
                | '='
                | '?'
                | '\\'
                | '{'
                | '}'
                | '['
                | ']'
                | '^'
        )
}

/// Reverses [`escape`]: `%XX` in either case becomes that character; a `%` without two digits stays.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match hex_byte(rest.as_bytes()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[2..];
            }
            None => out.push('%'),
        }
    }
    out.push_str(rest);
    out
}

fn hex_byte(bytes: &[u8]) -> Option<u8> {
    let digit = |b: &u8| {
        char::from(*b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    Some(digit(bytes.first()?)? << 4 | digit(bytes.get(1)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TypeKind;

    const DEFAULT: &str = "__DEFAULT_PARTITION__";

    fn both(value: Datum, kind: TypeKind) -> (String, String) {
        let keys = [("k".to_string(), Some(value), DataType::nullable(kind))];
        let path = |legacy| partition_path(&keys, DEFAULT, legacy)[2..].to_string();
        (path(true), path(false))
    }

    fn check(value: Datum, kind: TypeKind, legacy: &str, modern: &str) {
        assert_eq!(both(value, kind), (legacy.to_string(), modern.to_string()));
    }

    #[test]
    fn values_are_named_as_java_does() {
        check(Datum::Int(-5), TypeKind::Int, "-5", "-5");
        check(Datum::BigInt(7), TypeKind::BigInt, "7", "7");
        check(Datum::TinyInt(3), TypeKind::TinyInt, "3", "3");
        check(Datum::Boolean(true), TypeKind::Boolean, "true", "true");
        check(Datum::Date(19_857), TypeKind::Date, "19857", "2024-05-14");
        check(
            Datum::Time(3_600_000),
            TypeKind::Time(0),
            "3600000",
            "01%3A00%3A00",
        );
        check(
            Datum::Time(3_600_123),
            TypeKind::Time(3),
            "3600123",
            "01%3A00%3A00.123",
        );
        check(Datum::Float(1.5), TypeKind::Float, "1.5", "1.5");
        check(Datum::Double(1e10), TypeKind::Double, "1.0E10", "1.0E10");
        check(Datum::Double(1.0), TypeKind::Double, "1.0", "1.0");
        let decimal = Datum::Decimal {
            unscaled: 1200,
            scale: 2,
        };
        let kind = TypeKind::Decimal {
            precision: 10,
            scale: 2,
        };
        check(decimal, kind, "12.00", "12.00");
        check(
            Datum::String("a b/c:d=e%f?é{}".into()),
            TypeKind::VarChar(20),
            "a b%2Fc%3Ad%3De%25f%3Fé%7B%7D",
            "a b%2Fc%3Ad%3De%25f%3Fé%7B%7D",
        );
        check(Datum::String("ab".into()), TypeKind::Char(5), "ab", "ab");
    }

    #[test]
    fn timestamps_are_named_as_java_does() {
        let stamp = |millis, nanos| Datum::Timestamp { millis, nanos };
        for kind in [TypeKind::Timestamp(3), TypeKind::LocalZonedTimestamp(3)] {
            check(
                stamp(1_700_000_000_123, 0),
                kind.clone(),
                "2023-11-14T22%3A13%3A20.123",
                "2023-11-14 22%3A13%3A20.123",
            );
            check(
                stamp(1_700_000_000_000, 0),
                kind.clone(),
                "2023-11-14T22%3A13%3A20",
                "2023-11-14 22%3A13%3A20.000",
            );
            check(
                stamp(1_699_920_000_000, 0),
                kind,
                "2023-11-14T00%3A00",
                "2023-11-14 00%3A00%3A00.000",
            );
        }
        check(
            stamp(1_700_000_000_123, 456_000),
            TypeKind::Timestamp(6),
            "2023-11-14T22%3A13%3A20.123456",
            "2023-11-14 22%3A13%3A20.123456",
        );
    }

    #[test]
    fn null_and_blank_strings_take_the_default_name() {
        let path = |value: Option<&str>| {
            let value = value.map(|v| Datum::String(v.into()));
            partition_path(&[("dt".into(), value, DataType::string())], DEFAULT, true)
        };
        for value in [None, Some(""), Some(" \t\u{1f}\u{2003}")] {
            assert_eq!(path(value), "dt=__DEFAULT_PARTITION__");
        }
        assert_eq!(path(Some("\u{a0}")), "dt=\u{a0}");
        let two = [
            ("a/b".to_string(), Some(Datum::Int(1)), DataType::string()),
            ("c".to_string(), None, DataType::string()),
        ];
        assert_eq!(
            partition_path(&two, DEFAULT, true),
            "a%2Fb=1/c=__DEFAULT_PARTITION__"
        );
        assert_eq!(partition_path(&[], DEFAULT, true), "");
    }

    #[test]
    fn escaping_reverses() {
        assert_eq!(escape("\0\n\u{7f}\"#%'*/:=?\\{}[]^").len(), 18 * 3);
        let plain = " +,&<>|;@~é\u{80}日本";
        assert_eq!(escape(plain), plain);
        let all: String = (0u8..=255).map(char::from).collect();
        assert_eq!(unescape(&escape(&all)), all);
        assert_eq!(unescape("a%2fb%2Fc%zz%4%"), "a/b/c%zz%4%");
        assert_eq!(unescape("%é1%+1"), "%é1%+1");
    }
}
