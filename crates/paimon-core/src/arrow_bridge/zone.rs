//! Local times and instants, by the rules of Java's `LocalDateTime.atZone`.

use arrow_array::timezone::Tz;
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};

use crate::error::{Error, Result};

/// Hours before a local time that does not exist at which clocks showed the time that they were set from. No zone skips
/// more than a day.
const BEFORE_GAP: [i64; 6] = [1, 2, 3, 6, 12, 25];

/// The zone of this process: that of the environment variable `TZ`, else UTC.
///
/// Java uses `TimeZone.getDefault()`.
///
/// # Errors
/// Never.
pub fn process_zone() -> Result<Tz> {
    let named = std::env::var("TZ").ok();
    let zone = named.and_then(|name| name.trim_start_matches(':').parse().ok());
    zone.map_or_else(
        || "+00:00".parse().map_err(|_| Error::internal("no UTC")),
        Ok,
    )
}

/// The instant at which clocks of a zone show a time; `None` outside of the calendar.
///
/// A time that clocks show twice is the first one. A time that they skip is as much later as they are set forward.
pub fn instant_of(local: NaiveDateTime, zone: &Tz) -> Option<DateTime<Utc>> {
    let seen = |at: NaiveDateTime| zone.offset_from_local_datetime(&at).earliest();
    let offset = seen(local).or_else(|| {
        let earlier = |hours: &i64| local.checked_sub_signed(TimeDelta::hours(*hours));
        BEFORE_GAP.iter().filter_map(earlier).find_map(seen)
    })?;
    let shift = TimeDelta::seconds(i64::from(offset.fix().local_minus_utc()));
    Some(local.checked_sub_signed(shift)?.and_utc())
}

/// What clocks of a zone show at an instant; `None` outside of the calendar.
pub fn wall_clock(instant: DateTime<Utc>, zone: &Tz) -> Option<NaiveDateTime> {
    let utc = instant.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    utc.checked_add_offset(offset)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(zone: &str, local: &str) -> String {
        let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").unwrap();
        let instant = instant_of(local, &zone.parse().unwrap()).unwrap();
        instant.format("%Y-%m-%d %H:%M").to_string()
    }

    #[test]
    fn times_that_clocks_show_twice_or_never_are_those_of_java() {
        for (zone, local, instant) in [
            ("Europe/Berlin", "2024-07-01 12:00", "2024-07-01 10:00"),
            ("Europe/Berlin", "2024-10-27 02:30", "2024-10-27 00:30"),
            ("Europe/Berlin", "2024-10-27 03:00", "2024-10-27 02:00"),
            ("Europe/Berlin", "2024-03-31 02:30", "2024-03-31 01:30"),
            ("America/New_York", "2024-03-10 02:15", "2024-03-10 07:15"),
            (
                "Australia/Lord_Howe",
                "2024-10-06 02:10",
                "2024-10-05 15:40",
            ),
            // the day that Samoa left out
            ("Pacific/Apia", "2011-12-30 05:00", "2011-12-30 15:00"),
            ("+05:30", "2024-01-01 00:00", "2023-12-31 18:30"),
        ] {
            assert_eq!(at(zone, local), instant, "{local} in {zone}");
        }
    }

    #[test]
    fn clocks_show_the_time_of_their_zone() {
        let instant = DateTime::from_timestamp(1_719_828_000, 0).unwrap();
        let shown = wall_clock(instant, &"Europe/Berlin".parse().unwrap()).unwrap();
        assert_eq!(shown.to_string(), "2024-07-01 12:00:00");
        assert!(wall_clock(DateTime::<Utc>::MAX_UTC, &"+01:00".parse().unwrap()).is_none());
    }
}
