//! Casts of single values.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::cast::{no_cast, unlimited};
use crate::error::{Error, Result};
use crate::spec::{DataType, Datum, TypeKind, datum_to_text};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A value as another type; `None` where Java gives null (a decimal that does not fit).
pub(super) fn cast_value(value: Datum, from: &DataType, to: &DataType) -> Result<Option<Datum>> {
    match &to.kind {
        TypeKind::Char(_) | TypeKind::VarChar(_) => Ok(Some(to_text(&value, from, to))),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => to_bytes(value, from, to).map(Some),
        TypeKind::Decimal { precision, scale } => to_decimal(&value, *precision, *scale, from, to),
        TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => {
            to_timestamp(&value, *p, from, to).map(Some)
        }
        TypeKind::Date => to_date(&value, from, to).map(Some),
        TypeKind::Time(_) => to_time(&value, from, to).map(Some),
        TypeKind::Boolean => to_boolean(&value, from, to).map(Some),
        _ => to_number(&value, from, to).map(Some),
    }
}

fn to_text(value: &Datum, from: &DataType, to: &DataType) -> Datum {
    let text = datum_to_text(value, from);
    let (n, pad) = match &to.kind {
        TypeKind::Char(n) => (*n, true),
        TypeKind::VarChar(n) => (*n, false),
        _ => return Datum::String(text),
    };
    if unlimited(n) {
        return Datum::String(text);
    }
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    let count = text.chars().count();
    Datum::String(if count > n {
        text.chars().take(n).collect()
    } else if pad {
        format!("{text}{}", " ".repeat(n - count))
    } else {
        text
    })
}

fn to_bytes(value: Datum, from: &DataType, to: &DataType) -> Result<Datum> {
    let mut bytes = match value {
        Datum::Bytes(bytes) => bytes,
        Datum::String(text) => text.into_bytes(),
        _ => return Err(no_cast(from, to)),
    };
    match &to.kind {
        TypeKind::Binary(n) => bytes.resize(usize::try_from(*n).unwrap_or(usize::MAX), 0),
        TypeKind::VarBinary(n) => bytes.truncate(usize::try_from(*n).unwrap_or(usize::MAX)),
        _ => {}
    }
    Ok(Datum::Bytes(bytes))
}

/// Unscaled digits of a number and how many of them are after the point.
fn parse_decimal(text: &str) -> Option<(i128, i32)> {
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = format!("{whole}{fraction}");
    if !digits.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let unscaled = digits.parse::<i128>().ok()?;
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some((unscaled, scale))
}

/// Brings `unscaled * 10^-from` to another scale, HALF_UP; `None` when it does not fit the precision.
fn rescale(unscaled: i128, from: i32, precision: u8, scale: u8) -> Option<i128> {
    let shift = i32::from(scale) - from;
    let value = if shift >= 0 {
        match 10i128.checked_pow(u32::try_from(shift).ok()?) {
            Some(factor) => unscaled.checked_mul(factor)?,
            None if unscaled == 0 => 0,
            None => return None,
        }
    } else {
        match 10i128.checked_pow(u32::try_from(-shift).ok()?) {
            Some(divisor) => {
                let (quotient, rest) = (unscaled / divisor, unscaled % divisor);
                let up = rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2);
                quotient + if up { unscaled.signum() } else { 0 }
            }
            None => 0,
        }
    };
    let limit = 10i128.checked_pow(u32::from(precision))?;
    (value.abs() < limit).then_some(value)
}

fn to_decimal(
    value: &Datum,
    precision: u8,
    scale: u8,
    from: &DataType,
    to: &DataType,
) -> Result<Option<Datum>> {
    let (unscaled, own) = match value {
        Datum::Decimal { unscaled, scale } => (*unscaled, i32::from(*scale)),
        Datum::TinyInt(v) => (i128::from(*v), 0),
        Datum::SmallInt(v) => (i128::from(*v), 0),
        Datum::Int(v) => (i128::from(*v), 0),
        Datum::BigInt(v) => (i128::from(*v), 0),
        Datum::Boolean(v) => (i128::from(*v), 0),
        Datum::Float(_) | Datum::Double(_) => {
            // BigDecimal.valueOf: the shortest decimal text of the double
            let double = match value {
                Datum::Float(v) => f64::from(*v),
                Datum::Double(v) => *v,
                _ => 0.0,
            };
            match parse_decimal(&format!("{double:e}")) {
                Some(parsed) => parsed,
                None => return Ok(None),
            }
        }
        Datum::String(text) => parse_decimal(text).ok_or_else(|| malformed(text, to))?,
        _ => return Err(no_cast(from, to)),
    };
    Ok(rescale(unscaled, own, precision, scale).map(|unscaled| Datum::Decimal { unscaled, scale }))
}

fn malformed(text: &str, to: &DataType) -> Error {
    Error::invalid(format!("cannot cast {text:?} to {to}"))
}

fn to_number(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum> {
    let integer = |v: i64| integer_as(v, to, from);
    match value {
        Datum::Boolean(v) => integer(i64::from(*v)),
        Datum::TinyInt(v) => integer(i64::from(*v)),
        Datum::SmallInt(v) => integer(i64::from(*v)),
        Datum::Int(v) => integer(i64::from(*v)),
        Datum::BigInt(v) => integer(*v),
        Datum::Float(v) => float_as(f64::from(*v), to, from),
        Datum::Double(v) => float_as(*v, to, from),
        Datum::Decimal { unscaled, scale } => {
            let divisor = 10i128.checked_pow(u32::from(*scale)).unwrap_or(i128::MAX);
            match &to.kind {
                TypeKind::Float | TypeKind::Double => {
                    let text = datum_to_text(value, from);
                    float_as(text.parse().unwrap_or(f64::NAN), to, from)
                }
                _ => integer(wrap_i64(unscaled / divisor)),
            }
        }
        Datum::Timestamp { millis, .. } => integer(millis.div_euclid(1000)),
        Datum::String(text) => number_of_text(text, from, to),
        _ => Err(no_cast(from, to)),
    }
}

#[allow(clippy::cast_possible_truncation)]
fn wrap_i64(v: i128) -> i64 {
    v as i64
}

/// Java's narrowing of integers: the low bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn integer_as(v: i64, to: &DataType, from: &DataType) -> Result<Datum> {
    Ok(match &to.kind {
        TypeKind::TinyInt => Datum::TinyInt(v as i8),
        TypeKind::SmallInt => Datum::SmallInt(v as i16),
        TypeKind::Int => Datum::Int(v as i32),
        TypeKind::BigInt => Datum::BigInt(v),
        TypeKind::Float => Datum::Float(v as f32),
        TypeKind::Double => Datum::Double(v as f64),
        _ => return Err(no_cast(from, to)),
    })
}

/// Java's narrowing of floats: towards zero, saturating at INT or LONG, then the low bits.
#[allow(clippy::cast_possible_truncation)]
fn float_as(v: f64, to: &DataType, from: &DataType) -> Result<Datum> {
    let int = v as i32;
    Ok(match &to.kind {
        TypeKind::TinyInt => Datum::TinyInt(int as i8),
        TypeKind::SmallInt => Datum::SmallInt(int as i16),
        TypeKind::Int => Datum::Int(int),
        TypeKind::BigInt => Datum::BigInt(v as i64),
        TypeKind::Float => Datum::Float(v as f32),
        TypeKind::Double => Datum::Double(v),
        _ => return Err(no_cast(from, to)),
    })
}

fn number_of_text(text: &str, from: &DataType, to: &DataType) -> Result<Datum> {
    let bad = || malformed(text, to);
    let trimmed = text.trim();
    Ok(match &to.kind {
        TypeKind::Float => Datum::Float(trimmed.parse().map_err(|_| bad())?),
        TypeKind::Double => Datum::Double(trimmed.parse().map_err(|_| bad())?),
        TypeKind::TinyInt => Datum::TinyInt(whole(trimmed).ok_or_else(bad)?),
        TypeKind::SmallInt => Datum::SmallInt(whole(trimmed).ok_or_else(bad)?),
        TypeKind::Int => Datum::Int(whole(trimmed).ok_or_else(bad)?),
        TypeKind::BigInt => Datum::BigInt(whole(trimmed).ok_or_else(bad)?),
        _ => return Err(no_cast(from, to)),
    })
}

/// An integer; digits after a point are allowed and dropped.
fn whole<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    T::try_from(digits.parse::<i128>().ok()?).ok()
}

fn to_boolean(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum> {
    Ok(Datum::Boolean(match value {
        Datum::TinyInt(v) => *v != 0,
        Datum::SmallInt(v) => *v != 0,
        Datum::Int(v) => *v != 0,
        Datum::BigInt(v) => *v != 0,
        Datum::String(text) => match text.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "1" => true,
            "f" | "false" | "n" | "no" | "0" => false,
            _ => return Err(malformed(text, to)),
        },
        _ => return Err(no_cast(from, to)),
    }))
}

fn to_timestamp(value: &Datum, precision: u8, from: &DataType, to: &DataType) -> Result<Datum> {
    let (millis, nanos) = match value {
        Datum::Timestamp { millis, nanos } => (*millis, *nanos),
        Datum::Int(v) => (i64::from(*v).saturating_mul(1000), 0),
        Datum::BigInt(v) => (v.saturating_mul(1000), 0),
        Datum::Date(v) => (i64::from(*v) * MILLIS_PER_DAY, 0),
        Datum::Time(v) => (i64::from(*v), 0),
        Datum::String(text) => parse_timestamp(text).ok_or_else(|| malformed(text, to))?,
        _ => return Err(no_cast(from, to)),
    };
    let (millis, nanos) = truncate(millis, nanos, precision);
    Ok(Datum::Timestamp { millis, nanos })
}

/// Drops what a precision does not hold.
fn truncate(millis: i64, nanos: i32, precision: u8) -> (i64, i32) {
    match precision {
        0..=2 => {
            let unit = 10i64.pow(3 - u32::from(precision));
            (millis.div_euclid(unit) * unit, 0)
        }
        3 => (millis, 0),
        4..=8 => {
            let unit = 10i32.pow(9 - u32::from(precision));
            (millis, nanos / unit * unit)
        }
        _ => (millis, nanos),
    }
}

fn parse_timestamp(text: &str) -> Option<(i64, i32)> {
    let text = text.trim();
    let time = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())
        .or_else(|| parse_date(text)?.and_hms_opt(0, 0, 0))?;
    let nanos = i32::try_from(time.nanosecond() % 1_000_000).ok()?;
    Some((time.and_utc().timestamp_millis(), nanos))
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()
}

fn days_of(date: NaiveDate) -> Option<i32> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    i32::try_from(date.signed_duration_since(epoch).num_days()).ok()
}

fn to_date(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum> {
    let days = match value {
        // Java divides towards zero
        Datum::Timestamp { millis, .. } => i32::try_from(millis / MILLIS_PER_DAY).ok(),
        Datum::String(text) => {
            let date = parse_date(text)
                .or_else(|| parse_date(text.trim().split([' ', 'T']).next().unwrap_or_default()));
            date.and_then(days_of)
        }
        _ => return Err(no_cast(from, to)),
    };
    days.map(Datum::Date)
        .ok_or_else(|| malformed(&datum_to_text(value, from), to))
}

fn to_time(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum> {
    let millis = match value {
        Datum::Timestamp { millis, .. } => i32::try_from(millis.rem_euclid(MILLIS_PER_DAY)).ok(),
        Datum::String(text) => ["%H:%M:%S%.f", "%H:%M"]
            .iter()
            .find_map(|f| NaiveTime::parse_from_str(text.trim(), f).ok())
            .and_then(|t| {
                let sub = t.nanosecond() / 1_000_000;
                i32::try_from(t.num_seconds_from_midnight() * 1000 + sub).ok()
            }),
        _ => return Err(no_cast(from, to)),
    };
    millis
        .map(Datum::Time)
        .ok_or_else(|| malformed(&datum_to_text(value, from), to))
}
