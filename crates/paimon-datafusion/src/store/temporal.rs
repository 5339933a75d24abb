//! DATE, TIME and both kinds of TIMESTAMP.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::unary;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use chrono::NaiveDate;
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::{DataType, TypeKind};
use paimon_core::{Error, Result};

use super::{arrow_cast, from_text, is_text, refused};
use crate::zone::{instants, wall_clocks, zone_named};

pub(super) fn assign(array: &ArrayRef, to: &DataType, zone: &str) -> Result<ArrayRef> {
    let target = arrow_type(to);
    let from = array.data_type().clone();
    let assigned = match (&from, &to.kind) {
        (ArrowType::Timestamp(unit, Some(_)), TypeKind::Date | TypeKind::Timestamp(_)) => {
            arrow_cast(&wall_clocks(array, *unit, &zone_named(zone)?)?, &target)?
        }
        (_, TypeKind::LocalZonedTimestamp(_)) => instant(array, to, zone)?,
        // Paimon's cast would take 25:00
        (f, TypeKind::Time(_)) if is_text(f) => arrow_cast(array, &target)?,
        (f, TypeKind::Date | TypeKind::Timestamp(_)) if is_text(f) => {
            check_days(array)?;
            from_text(array, to)?
        }
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

/// Days that no calendar has are errors: Paimon's cast would take the last day of the month.
///
/// # Errors
/// `InvalidInput` naming the text.
fn check_days(array: &ArrayRef) -> Result<()> {
    let texts = arrow_cast(array, &ArrowType::Utf8View)?;
    match texts
        .as_string_view()
        .iter()
        .flatten()
        .find(|text| is_no_day(text))
    {
        None => Ok(()),
        Some(text) => Err(Error::invalid(format!("the calendar has no day {text:?}"))),
    }
}

/// Whether a text begins with year, month and day that name no day.
fn is_no_day(text: &str) -> bool {
    let day = text.trim().split([' ', 'T']).next().unwrap_or_default();
    let mut parts = day.splitn(3, '-');
    let mut next = || parts.next().and_then(|part| part.parse::<i32>().ok());
    let (Some(year), Some(month), Some(day)) = (next(), next(), next()) else {
        return false;
    };
    let (Ok(month), Ok(day)) = (u32::try_from(month), u32::try_from(day)) else {
        return false;
    };
    NaiveDate::from_ymd_opt(year, month, day).is_none()
}

/// Instants: dates, times without zone and texts without one are read in the session's zone.
fn instant(array: &ArrayRef, to: &DataType, zone: &str) -> Result<ArrayRef> {
    let target = arrow_type(to);
    let ArrowType::Timestamp(unit, _) = &target else {
        return Err(refused(array.data_type(), to));
    };
    match array.data_type() {
        ArrowType::Timestamp(_, Some(_)) => arrow_cast(array, &target),
        ArrowType::Timestamp(_, None) | ArrowType::Date32 | ArrowType::Date64 => {
            instants(array, *unit, &zone_named(zone)?)
        }
        from if is_text(from) => instants(array, *unit, &zone_named(zone)?),
        from => Err(refused(from, to)),
    }
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
