//! Values as text, as Java prints and casts them.
//!
//! Source: `CastExecutors` (`*ToStringCastRule`), `DateTimeUtils`, and the `toString` of Java's number and time types.

pub(crate) mod java_float;

use std::fmt::Write;

use super::{DataType, Datum, TypeKind};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// Paimon's cast to STRING. Zoned timestamps print as UTC wall clock; binary is read as UTF-8 (broken parts become
/// the replacement character).
pub fn datum_to_text(datum: &Datum, data_type: &DataType) -> String {
    match datum {
        Datum::Date(days) => date_text(i64::from(*days)),
        Datum::Time(millis) => {
            let precision = match &data_type.kind {
                TypeKind::Time(p) => *p,
                _ => 3,
            };
            time_text(i64::from(*millis), precision)
        }
        Datum::Timestamp { millis, nanos } => {
            let precision = match &data_type.kind {
                TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => usize::from(*p),
                _ => 6,
            };
            timestamp_text(*millis, *nanos, precision)
        }
        other => datum_to_legacy_text(other),
    }
}

/// Java's `toString` of the internal value: days for DATE, milliseconds for TIME, `LocalDateTime` for timestamps.
pub fn datum_to_legacy_text(datum: &Datum) -> String {
    match datum {
        Datum::Boolean(v) => v.to_string(),
        Datum::TinyInt(v) => v.to_string(),
        Datum::SmallInt(v) => v.to_string(),
        Datum::Int(v) | Datum::Date(v) | Datum::Time(v) => v.to_string(),
        Datum::BigInt(v) => v.to_string(),
        Datum::Float(v) => printed(|out| java_float::write_float(*v, out)),
        Datum::Double(v) => printed(|out| java_float::write_double(*v, out)),
        Datum::Decimal { unscaled, scale } => decimal_text(*unscaled, *scale),
        Datum::String(v) => v.clone(),
        Datum::Bytes(v) => String::from_utf8_lossy(v).into_owned(),
        Datum::Timestamp { millis, nanos } => local_date_time_text(*millis, *nanos),
    }
}

fn printed(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    write(&mut out);
    out
}

/// `BigDecimal.toPlainString`.
fn decimal_text(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{fraction}")
}

/// `yyyy-MM-dd`.
fn date_text(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `HH:mm:ss` and, from precision 1, at least one digit of fraction without trailing zeros.
fn time_text(millis: i64, precision: u8) -> String {
    let millis = millis.rem_euclid(MILLIS_PER_DAY);
    let mut out = clock_text(millis / 1000);
    if precision > 0 {
        let fraction = format!("{:03}", millis % 1000);
        let fraction = &fraction[..usize::from(precision).min(3)];
        let trimmed = fraction.trim_end_matches('0');
        out.push('.');
        out.push_str(if trimmed.is_empty() { "0" } else { trimmed });
    }
    out
}

fn clock_text(seconds: i64) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Days, second of the day and nanosecond of the second.
fn split(millis: i64, nanos: i32) -> (i64, i64, i64) {
    let day_millis = millis.rem_euclid(MILLIS_PER_DAY);
    (
        millis.div_euclid(MILLIS_PER_DAY),
        day_millis / 1000,
        day_millis % 1000 * 1_000_000 + i64::from(nanos),
    )
}

/// `yyyy-MM-dd HH:mm:ss` and at least `precision` digits of fraction.
fn timestamp_text(millis: i64, nanos: i32, precision: usize) -> String {
    let (days, seconds, nanos) = split(millis, nanos);
    let mut out = format!("{} {}", date_text(days), clock_text(seconds));
    let mut fraction = format!("{nanos:09}");
    while fraction.len() > precision && fraction.ends_with('0') {
        fraction.pop();
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(&fraction);
    }
    out
}

/// `LocalDateTime.toString`: seconds only when they or the fraction are not zero, fraction of 3, 6 or 9 digits.
fn local_date_time_text(millis: i64, nanos: i32) -> String {
    let (days, seconds, nanos) = split(millis, nanos);
    let (year, month, day) = civil(days);
    let mut out = match year {
        10_000.. => format!("+{year}"),
        0..10_000 => format!("{year:04}"),
        _ => format!("-{:04}", -year),
    };
    // writing to a String cannot fail
    let _ = write!(out, "-{month:02}-{day:02}T");
    let clock = clock_text(seconds);
    if seconds % 60 == 0 && nanos == 0 {
        out.push_str(&clock[..5]);
        return out;
    }
    out.push_str(&clock);
    let _ = match nanos {
        0 => Ok(()),
        n if n % 1_000_000 == 0 => write!(out, ".{:03}", n / 1_000_000),
        n if n % 1000 == 0 => write!(out, ".{:06}", n / 1000),
        n => write!(out, ".{n:09}"),
    };
    out
}

/// Year, month and day of a day number of the proleptic Gregorian calendar (any `i64` from milliseconds or days).
fn civil(days: i64) -> (i64, i64, i64) {
    // shift the epoch to 0000-03-01, the start of a 400-year era
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_java_does() {
        let double = |v: f64| datum_to_legacy_text(&Datum::Double(v));
        // paths of FLOAT and DOUBLE partitions hold these texts
        assert_eq!(double(f64::from_bits(1)), "4.9E-324");
        assert_eq!(double(2e-3), "0.002");
        assert_eq!(double(1e23), "1.0E23");
        let smallest = Datum::Float(f32::from_bits(1));
        assert_eq!(datum_to_legacy_text(&smallest), "1.4E-45");
        assert_eq!(datum_to_legacy_text(&Datum::Float(0.1)), "0.1");
        assert_eq!(datum_to_legacy_text(&Datum::Float(3.4e38)), "3.4E38");
    }

    #[test]
    fn dates_and_times_print_as_java_does() {
        assert_eq!(date_text(0), "1970-01-01");
        assert_eq!(date_text(-1), "1969-12-31");
        assert_eq!(date_text(-719_162), "0001-01-01");
        assert_eq!(date_text(2_932_896), "9999-12-31");
        assert_eq!(time_text(3_600_000, 3), "01:00:00.0");
        assert_eq!(time_text(120, 3), "00:00:00.12");
        assert_eq!(time_text(-1, 0), "23:59:59");
        assert_eq!(timestamp_text(-1, 999_000, 6), "1969-12-31 23:59:59.999999");
        assert_eq!(timestamp_text(0, 1, 3), "1970-01-01 00:00:00.000000001");
        assert_eq!(timestamp_text(0, 0, 0), "1970-01-01 00:00:00");
        assert_eq!(
            local_date_time_text(1000, 1),
            "1970-01-01T00:00:01.000000001"
        );
        assert_eq!(local_date_time_text(0, 1000), "1970-01-01T00:00:00.000001");
        assert_eq!(
            local_date_time_text(253_402_300_800_000, 0),
            "+10000-01-01T00:00"
        );
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(5, 0), "5");
        // extremes must not overflow
        local_date_time_text(i64::MIN, 0);
        local_date_time_text(i64::MAX, 0);
    }
}
