//! DATE, TIME and both kinds of TIMESTAMP.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::{try_unary, unary};
use arrow::datatypes::{DataType as ArrowType, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use chrono::{DateTime, Offset, TimeZone};
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::{DataType, TypeKind};
use paimon_core::{Error, Result};

use super::{arrow_cast, from_text, is_text, refused};

pub(super) fn assign(array: &ArrayRef, to: &DataType, zone: &str) -> Result<ArrayRef> {
    let target = arrow_type(to);
    let from = array.data_type().clone();
    let assigned = match (&from, &to.kind) {
        (ArrowType::Timestamp(unit, Some(_)), TypeKind::Date | TypeKind::Timestamp(_)) => {
            arrow_cast(&wall_clock(array, *unit, zone)?, &target)?
        }
        (_, TypeKind::LocalZonedTimestamp(_)) => instant(array, to, zone)?,
        // Paimon's cast would take 25:00
        (f, TypeKind::Time(_)) if is_text(f) => arrow_cast(array, &target)?,
        (f, TypeKind::Date | TypeKind::Timestamp(_)) if is_text(f) => from_text(array, to)?,
        (ArrowType::Time32(_) | ArrowType::Time64(_), TypeKind::Time(_)) => {
            arrow_cast(array, &target)?
        }
        (
            ArrowType::Date32 | ArrowType::Date64 | ArrowType::Timestamp(..),
            TypeKind::Date | TypeKind::Timestamp(_),
        ) => arrow_cast(array, &target)?,
        _ => return Err(refused(&from, to)),
    };
    match &to.kind {
        TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => cut(&assigned, *p),
        _ => Ok(assigned),
    }
}

/// What clocks of a zone show at instants.
pub(super) fn wall_clock(array: &ArrayRef, unit: TimeUnit, zone: &str) -> Result<ArrayRef> {
    let zone: Tz = zone
        .parse()
        .map_err(|e| Error::invalid(format!("unknown time zone {zone:?}")).with_source(e))?;
    let per_second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let shifted = |instant: i64| {
        let utc = DateTime::from_timestamp(instant.div_euclid(per_second), 0)?;
        let offset = zone.offset_from_utc_datetime(&utc.naive_utc()).fix();
        instant.checked_add(i64::from(offset.local_minus_utc()).checked_mul(per_second)?)
    };
    let raw = arrow_cast(array, &ArrowType::Int64)?;
    let walls: Int64Array = try_unary(raw.as_primitive::<Int64Type>(), |instant| {
        shifted(instant).ok_or_else(|| {
            ArrowError::ComputeError(format!("instant {instant} is outside of the calendar"))
        })
    })
    .map_err(|e: ArrowError| Error::invalid("no time of day").with_source(e))?;
    let walls: ArrayRef = Arc::new(walls);
    arrow_cast(&walls, &ArrowType::Timestamp(unit, None))
}

/// Instants: dates, times without zone and texts without one are read in the session's zone.
fn instant(array: &ArrayRef, to: &DataType, zone: &str) -> Result<ArrayRef> {
    let target = arrow_type(to);
    let ArrowType::Timestamp(unit, _) = &target else {
        return Err(refused(array.data_type(), to));
    };
    let zoned = ArrowType::Timestamp(*unit, Some(zone.into()));
    let local = match array.data_type() {
        ArrowType::Timestamp(_, Some(_)) => array.clone(),
        ArrowType::Timestamp(_, None) => arrow_cast(array, &zoned)?,
        ArrowType::Date32 | ArrowType::Date64 => {
            let midnight = arrow_cast(array, &ArrowType::Timestamp(*unit, None))?;
            arrow_cast(&midnight, &zoned)?
        }
        from if is_text(from) => arrow_cast(array, &zoned)?,
        from => return Err(refused(from, to)),
    };
    arrow_cast(&local, &target)
}

/// Cuts digits beyond a precision that its Arrow unit still has.
fn cut(array: &ArrayRef, precision: u8) -> Result<ArrayRef> {
    let digits = match precision {
        0..=3 => 3 - precision,
        4..=6 => 6 - precision,
        _ => 9u8.saturating_sub(precision),
    };
    if digits == 0 {
        return Ok(array.clone());
    }
    let step = 10i64.pow(u32::from(digits));
    let raw = arrow_cast(array, &ArrowType::Int64)?;
    let cut: Int64Array = unary(raw.as_primitive::<Int64Type>(), |v| v - v.rem_euclid(step));
    let cut: ArrayRef = Arc::new(cut);
    arrow_cast(&cut, array.data_type())
}
