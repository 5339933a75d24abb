//! Between instants and what clocks of a zone show, in epoch milliseconds.
//!
//! Source: `DateTimeUtils.timestampToTimestampWithLocalZone`, `timestampWithLocalZoneToTimestamp`. Times outside of the
//! calendar, a quarter of a million years away, are those of UTC.

use arrow_array::timezone::Tz;
use chrono::DateTime;

use crate::arrow_bridge::zone::{instant_of, wall_clock};

/// The instant at which clocks of the zone show a time.
pub(super) fn instant_millis(shown: i64, zone: Tz) -> i64 {
    let local = DateTime::from_timestamp_millis(shown).map(|at| at.naive_utc());
    let instant = local.and_then(|local| instant_of(local, &zone));
    instant.map_or(shown, |at| at.timestamp_millis())
}

/// What clocks of the zone show at an instant.
pub(super) fn clock_millis(instant: i64, zone: Tz) -> i64 {
    let shown = DateTime::from_timestamp_millis(instant).and_then(|at| wall_clock(at, &zone));
    shown.map_or(instant, |at| at.and_utc().timestamp_millis())
}
