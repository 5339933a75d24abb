//! Periods that tags stand for, and their names. Source: `TagPeriodHandler`.

use std::str::FromStr;

use arrow_array::timezone::Tz;
use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};

use crate::error::{Error, Result};
use crate::options::{TagFormat, TagPeriod, TaggingOptions};

/// Periods of one length and format of names. Times are local, milliseconds read as UTC.
#[derive(Debug)]
pub(crate) struct Periods {
    /// Milliseconds.
    pub(super) length: i64,
    /// In `chrono`'s notation.
    format: &'static str,
    daily: bool,
}

impl Periods {
    /// The periods that options speak of.
    pub(crate) fn new(options: &TaggingOptions) -> Self {
        let daily = options.period == TagPeriod::Daily;
        let format = match (options.period, options.format) {
            (TagPeriod::Free(_), _) => "%Y%m%d%H%M",
            (TagPeriod::Daily, TagFormat::WithDashes) => "%Y-%m-%d",
            (TagPeriod::Daily, _) => "%Y%m%d",
            (_, TagFormat::WithDashes) => "%Y-%m-%d %H",
            (_, TagFormat::WithoutDashes) => "%Y%m%d %H",
            (_, TagFormat::WithoutDashesAndSpaces) => "%Y%m%d%H",
        };
        let length = options.period.length().as_millis();
        Self {
            length: i64::try_from(length).unwrap_or(i64::MAX),
            format,
            daily,
        }
    }

    /// Start of the last period that was over at a time.
    pub(super) fn last_over(&self, local_ms: i64) -> i64 {
        local_ms
            .div_euclid(self.length)
            .saturating_mul(self.length)
            .saturating_sub(self.length)
    }

    /// Name of the tag of the period that begins at a time.
    ///
    /// # Errors
    /// `InvalidInput` for a time that is out of range.
    pub(super) fn name(&self, start_ms: i64) -> Result<String> {
        let start = DateTime::from_timestamp_millis(start_ms)
            .ok_or_else(|| Error::invalid(format!("time {start_ms} is out of range")))?;
        Ok(start.format(self.format).to_string())
    }

    /// Start of the period that a tag is named after; `None` for other tags.
    pub(crate) fn start(&self, name: &str) -> Option<i64> {
        let time = if self.daily {
            let date = NaiveDate::parse_from_str(name, self.format).ok()?;
            date.and_time(NaiveTime::MIN)
        } else if self.format.ends_with("%H") {
            // an hour alone is no time of day to the parser
            let with_minutes = format!("{}:%M", self.format);
            NaiveDateTime::parse_from_str(&format!("{name}:00"), &with_minutes).ok()?
        } else {
            NaiveDateTime::parse_from_str(name, self.format).ok()?
        };
        let start = time.and_utc().timestamp_millis();
        // names as they would be given, not merely readable ones
        (self.name(start).ok()? == name).then_some(start)
    }
}

/// A zone in which snapshots have a local time.
#[derive(Debug)]
pub(super) enum Zone {
    System,
    Named(Tz),
}

impl Zone {
    /// # Errors
    /// `InvalidInput` naming the option for an unknown zone.
    pub(super) fn new(name: Option<&str>, option: &'static str) -> Result<Self> {
        let Some(name) = name else {
            return Ok(Zone::System);
        };
        let text = match name {
            "Z" | "UTC" | "GMT" => "+00:00",
            other => other,
        };
        match Tz::from_str(text) {
            Ok(zone) => Ok(Zone::Named(zone)),
            Err(_) => Err(Error::invalid(format!(
                "expected a time zone such as Europe/Berlin or +01:00, found {name:?}"
            ))
            .with("option", option)),
        }
    }

    /// The wall clock, milliseconds read as UTC; `None` for a time that is out of range.
    pub(super) fn local_ms(&self, epoch_ms: i64) -> Option<i64> {
        let utc = DateTime::from_timestamp_millis(epoch_ms)?.naive_utc();
        let offset = match self {
            Zone::System => Local.offset_from_utc_datetime(&utc).fix(),
            Zone::Named(zone) => zone.offset_from_utc_datetime(&utc).fix(),
        };
        epoch_ms.checked_add(i64::from(offset.local_minus_utc()) * 1000)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::time::Duration;

    use super::*;
    use crate::options::TagCreation;

    fn periods(period: TagPeriod, format: TagFormat) -> Periods {
        Periods::new(&TaggingOptions {
            creation: TagCreation::ProcessTime,
            period,
            format,
            delay: Duration::ZERO,
            completes: false,
            count_max: None,
            process_zone: None,
            watermark_zone: "UTC".into(),
            batch_name: None,
        })
    }

    #[test]
    fn names_and_the_periods_they_stand_for() {
        use TagFormat::*;
        let quarter = TagPeriod::Free(Duration::from_secs(900));
        for (period, format, expected) in [
            (TagPeriod::Daily, WithDashes, "2024-01-30"),
            (TagPeriod::Daily, WithoutDashes, "20240130"),
            (TagPeriod::Daily, WithoutDashesAndSpaces, "20240130"),
            (TagPeriod::Hourly, WithDashes, "2024-01-31 06"),
            (TagPeriod::Hourly, WithoutDashes, "20240131 06"),
            (TagPeriod::Hourly, WithoutDashesAndSpaces, "2024013106"),
            (TagPeriod::TwoHours, WithDashes, "2024-01-31 04"),
            (quarter, WithDashes, "202401310715"),
        ] {
            let periods = periods(period, format);
            // 2024-01-31 07:30:05
            let start = periods.last_over(1_706_686_205_000);
            let name = periods.name(start).unwrap();
            assert_eq!(name, expected);
            assert_eq!(periods.start(&name), Some(start), "{name}");
            for other in ["v1", "2024-1-31", "", "2024"] {
                assert_eq!(periods.start(other), None, "{other}");
            }
        }
    }

    #[test]
    fn zones() {
        let berlin = Zone::new(Some("+01:00"), "o").unwrap();
        assert_eq!(berlin.local_ms(0), Some(3_600_000));
        assert_eq!(Zone::new(Some("UTC"), "o").unwrap().local_ms(5), Some(5));
        assert!(Zone::new(Some("Moon/Crater"), "o").is_err());
    }
}
