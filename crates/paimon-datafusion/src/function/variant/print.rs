//! Variants as JSON text.
//!
//! Source: `GenericVariant.toJson`.

use std::fmt::Write;

use arrow::array::timezone::Tz;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDateTime, NaiveTime, Offset, Timelike, Utc};
use paimon_core::spec::{DataType, Datum, TypeKind, datum_to_text};
use parquet_variant::Variant;

/// JSON text; points in time as wall clock of the zone with its offset.
pub(super) fn json(variant: &Variant<'_, '_>, zone: &Tz) -> String {
    let mut out = String::new();
    write(variant, zone, &mut out);
    out
}

fn write(variant: &Variant<'_, '_>, zone: &Tz, out: &mut String) {
    match variant {
        Variant::Null => out.push_str("null"),
        Variant::String(text) => quoted(text, out),
        Variant::ShortString(text) => quoted(text.as_str(), out),
        Variant::Object(object) => {
            out.push('{');
            for (i, (name, value)) in object.iter().enumerate() {
                comma(i, out);
                quoted(name, out);
                out.push(':');
                write(&value, zone, out);
            }
            out.push('}');
        }
        Variant::List(list) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                comma(i, out);
                write(&value, zone, out);
            }
            out.push(']');
        }
        number if is_bare(number) => out.push_str(&plain(number, zone)),
        other => quoted(&plain(other, zone), out),
    }
}

fn comma(i: usize, out: &mut String) {
    if i > 0 {
        out.push(',');
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Whether JSON has the value without quotes.
fn is_bare(variant: &Variant<'_, '_>) -> bool {
    match variant {
        Variant::Float(v) => v.is_finite(),
        Variant::Double(v) => v.is_finite(),
        Variant::BooleanTrue
        | Variant::BooleanFalse
        | Variant::Int8(_)
        | Variant::Int16(_)
        | Variant::Int32(_)
        | Variant::Int64(_)
        | Variant::Decimal4(_)
        | Variant::Decimal8(_)
        | Variant::Decimal16(_) => true,
        _ => false,
    }
}

/// The text of a single value.
pub(super) fn plain(variant: &Variant<'_, '_>, zone: &Tz) -> String {
    match variant {
        Variant::Null => "null".to_string(),
        Variant::BooleanTrue => "true".to_string(),
        Variant::BooleanFalse => "false".to_string(),
        Variant::Int8(v) => v.to_string(),
        Variant::Int16(v) => v.to_string(),
        Variant::Int32(v) => v.to_string(),
        Variant::Int64(v) => v.to_string(),
        Variant::Float(v) => of_datum(&Datum::Float(*v), TypeKind::Float),
        Variant::Double(v) => of_datum(&Datum::Double(*v), TypeKind::Double),
        Variant::Decimal4(v) => decimal(i128::from(v.integer()), v.scale()),
        Variant::Decimal8(v) => decimal(i128::from(v.integer()), v.scale()),
        Variant::Decimal16(v) => decimal(v.integer(), v.scale()),
        Variant::Date(date) => date.to_string(),
        Variant::TimestampMicros(at) | Variant::TimestampNanos(at) => instant(*at, zone),
        Variant::TimestampNtzMicros(at) | Variant::TimestampNtzNanos(at) => wall_clock(*at),
        Variant::Time(time) => clock(*time),
        Variant::Binary(bytes) => STANDARD.encode(bytes),
        Variant::Uuid(uuid) => uuid.to_string(),
        Variant::String(text) => (*text).to_string(),
        Variant::ShortString(text) => text.as_str().to_string(),
        Variant::Object(_) | Variant::List(_) => json(variant, zone),
    }
}

fn of_datum(datum: &Datum, kind: TypeKind) -> String {
    datum_to_text(datum, &DataType::nullable(kind))
}

/// A decimal without zeros at the end of its fraction, as Java reads them.
pub(super) fn stripped(mut unscaled: i128, mut scale: u8) -> (i128, u8) {
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    (unscaled, scale)
}

fn decimal(unscaled: i128, scale: u8) -> String {
    let (unscaled, scale) = stripped(unscaled, scale);
    let kind = TypeKind::Decimal {
        precision: 38,
        scale,
    };
    of_datum(&Datum::Decimal { unscaled, scale }, kind)
}

/// Wall clock of the zone with its offset; that of UTC where the zone's own is beyond the years that chrono knows.
fn instant(at: DateTime<Utc>, zone: &Tz) -> String {
    let local = at.with_timezone(zone);
    match at.naive_utc().checked_add_offset(local.offset().fix()) {
        Some(wall) => format!("{}{}", wall_clock(wall), local.format("%:z")),
        None => format!("{}+00:00", wall_clock(at.naive_utc())),
    }
}

fn wall_clock(at: NaiveDateTime) -> String {
    format!("{} {}", at.date(), clock(at.time()))
}

/// Hours to seconds, and the digits that are needed behind the point.
fn clock(time: NaiveTime) -> String {
    let mut text = time.format("%H:%M:%S").to_string();
    let nanos = time.nanosecond();
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        // a text takes whatever is written
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use parquet_variant::{VariantDecimal4, VariantDecimal16};

    use super::*;

    #[test]
    fn values_are_printed_as_java_does() {
        let zone: Tz = "+05:30".parse().unwrap();
        let at = DateTime::from_timestamp_micros(1_500_000).unwrap();
        let decimal = VariantDecimal4::try_new(-50, 2).unwrap();
        let wide = VariantDecimal16::try_new(7, 0).unwrap();
        let cases: &[(Variant<'_, '_>, &str)] = &[
            (Variant::Null, "null"),
            (Variant::Int8(-1), "-1"),
            (Variant::Double(1e10), "1.0E10"),
            (Variant::Double(f64::NAN), "\"NaN\""),
            (Variant::Float(0.1), "0.1"),
            (Variant::Decimal4(decimal), "-0.5"),
            (Variant::Decimal16(wide), "7"),
            (Variant::from("a\"\n"), "\"a\\\"\\n\""),
            (Variant::Binary(b"ab"), "\"YWI=\""),
            (
                Variant::TimestampMicros(at),
                "\"1970-01-01 05:30:01.5+05:30\"",
            ),
            (
                Variant::TimestampNtzMicros(at.naive_utc()),
                "\"1970-01-01 00:00:01.5\"",
            ),
            (Variant::Date(at.date_naive()), "\"1970-01-01\""),
        ];
        for (variant, wanted) in cases {
            assert_eq!(json(variant, &zone), *wanted);
        }
    }

    #[test]
    fn the_first_and_the_last_instant_are_printed_in_every_zone() {
        let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        for (at, zone, wanted) in [
            (first, "+05:30", "-262143-01-01 05:30:00+05:30"),
            (first, "-08:00", "-262143-01-01 00:00:00+00:00"),
            (last, "-08:00", "+262142-12-31 15:59:59.999999999-08:00"),
            (last, "+05:30", "+262142-12-31 23:59:59.999999999+00:00"),
        ] {
            let zone: Tz = zone.parse().unwrap();
            assert_eq!(plain(&Variant::TimestampMicros(at), &zone), wanted);
            assert_eq!(plain(&Variant::TimestampNanos(at), &zone), wanted);
        }
        let zone: Tz = "UTC".parse().unwrap();
        let local = Variant::TimestampNtzMicros(first.naive_utc());
        assert_eq!(plain(&local, &zone), "-262143-01-01 00:00:00");
    }
}
