//! The time that partition values stand for. Source: `PartitionTimeExtractor`.

mod pattern;

use chrono::{Days, Duration, NaiveDate, NaiveDateTime, NaiveTime};

use self::pattern::TimePattern;
use crate::error::Result;

/// Reads times out of partition values.
#[derive(Debug)]
pub(crate) struct PartitionTime {
    /// `partition.timestamp-pattern`: text with `$column` for values; the first value alone by default.
    text: Option<String>,
    /// `partition.timestamp-formatter`; `yyyy-MM-dd HH:mm:ss` and `yyyy-MM-dd` by default.
    format: Option<TimePattern>,
}

impl PartitionTime {
    /// # Errors
    /// `Unsupported` naming the option for a format with other fields than dates and times of day.
    pub(crate) fn new(text: Option<String>, format: Option<&str>) -> Result<Self> {
        let format = format.map(TimePattern::parse).transpose();
        Ok(Self {
            text,
            format: format.map_err(|e| e.with("option", "partition.timestamp-formatter"))?,
        })
    }

    /// The local time, milliseconds read as UTC, of the values of columns; `None` when there is none in them.
    pub(crate) fn of(&self, values: &[(&str, Option<String>)]) -> Option<i64> {
        let text = match &self.text {
            None => values.first()?.1.clone()?,
            Some(pattern) => {
                let mut text = pattern.clone();
                for (name, value) in values {
                    text = text.replace(&format!("${name}"), value.as_deref()?);
                }
                text
            }
        };
        let time = match &self.format {
            Some(format) => format.read(&text),
            None => lenient(&text),
        };
        time.map(|t| t.and_utc().timestamp_millis())
    }
}

/// `2024-1-31` and `2024-1-31 1:02:03.5`; months and days that a year does not have run on into the next.
fn lenient(text: &str) -> Option<NaiveDateTime> {
    let (date, clock) = match text.split_once(' ') {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let (sign, unsigned) = match date.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, date),
    };
    let mut parts = unsigned.split('-');
    let year = i32::try_from(digits(parts.next()?, 10)?).ok()?;
    let (month, day) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() {
        return None;
    }
    let date = rolled(sign * year, i64::try_from(month).ok()?, day)?;
    let start = date.and_time(NaiveTime::MIN);
    match clock {
        Some(clock) => start.checked_add_signed(time_of_day(clock)?),
        None => Some(start),
    }
}

/// `H:m:s[.fraction]`.
fn time_of_day(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let (hours, minutes) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let seconds = parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    let (seconds, fraction) = match seconds.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (seconds, None),
    };
    let seconds = digits(seconds, 2)?;
    let nanos = match fraction {
        Some(fraction) => {
            digits(fraction, 9)?;
            digits(&format!("{fraction:0<9}"), 9)?
        }
        None => 0,
    };
    let whole = i64::try_from(hours * 3600 + minutes * 60 + seconds).ok()?;
    Some(Duration::seconds(whole) + Duration::nanoseconds(i64::try_from(nanos).ok()?))
}

fn rolled(year: i32, month: i64, day: u64) -> Option<NaiveDate> {
    let months = i64::from(year) * 12 + month - 1;
    let year = i32::try_from(months.div_euclid(12)).ok()?;
    let month = u32::try_from(months.rem_euclid(12) + 1).ok()?;
    let first = NaiveDate::from_ymd_opt(year, month, 1)?;
    match day.checked_sub(1) {
        Some(days) => first.checked_add_days(Days::new(days)),
        None => first.pred_opt(),
    }
}

/// One to `most` digits and nothing else.
fn digits(text: &str, most: usize) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn time(text: Option<&str>, format: Option<&str>, values: &[(&str, &str)]) -> Option<String> {
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (*name, Some((*value).to_string())))
            .collect();
        let reader = PartitionTime::new(text.map(str::to_string), format).unwrap();
        let ms = reader.of(&values)?;
        let time = chrono::DateTime::from_timestamp_millis(ms).unwrap();
        Some(time.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
    }

    #[test]
    fn dates_and_times_are_read_leniently_by_default() {
        for (value, expected) in [
            ("2024-01-31", Some("2024-01-31 00:00:00.000")),
            ("2024-1-3", Some("2024-01-03 00:00:00.000")),
            ("2024-01-31 4:05:06", Some("2024-01-31 04:05:06.000")),
            ("2024-01-31 04:05:06.25", Some("2024-01-31 04:05:06.250")),
            ("2024-02-30", Some("2024-03-01 00:00:00.000")),
            ("2024-13-01", Some("2025-01-01 00:00:00.000")),
            ("2024-01-00", Some("2023-12-31 00:00:00.000")),
            ("2024-01-31 25:00:00", Some("2024-02-01 01:00:00.000")),
            ("20240131", None),
            ("2024-01-31 04", None),
            ("2024-01-31T04:05:06", None),
            ("2024-01-311", None),
            ("19753", None),
            ("", None),
            ("a-b-c", None),
        ] {
            let found = time(None, None, &[("dt", value), ("h", "x")]);
            assert_eq!(found.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn columns_are_put_into_the_pattern() {
        let values = [("dt", "20240131"), ("hh", "7")];
        let found = time(Some("$dt $hh:00"), Some("yyyyMMdd H:mm"), &values);
        assert_eq!(found.as_deref(), Some("2024-01-31 07:00:00.000"));
        let parts = [("y", "2024"), ("m", "2"), ("d", "3")];
        let found = time(Some("$y-$m-$d"), None, &parts);
        assert_eq!(found.as_deref(), Some("2024-02-03 00:00:00.000"));
    }

    #[test]
    fn null_is_no_time() {
        let reader = PartitionTime::new(None, None).unwrap();
        assert_eq!(reader.of(&[("dt", None)]), None);
        let reader = PartitionTime::new(Some("$dt".into()), None).unwrap();
        let values = [("dt", Some("2024-01-01".to_string())), ("h", None)];
        assert_eq!(reader.of(&values), None);
    }
}
