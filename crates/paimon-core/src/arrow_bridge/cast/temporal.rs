//! Casts among DATE, TIME and the two timestamp types, and from epoch seconds.
//!
//! Source: `TimestampTo*CastRule`, `DateToTimestampCastRule`, `TimeToTimestampCastRule`,
//! `NumericPrimitiveToTimestamp`. TIMESTAMP WITH LOCAL TIME ZONE is an instant, the others are what clocks show.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::timezone::Tz;
use arrow_array::types::{
    Date32Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{
    Array, ArrayRef, Date32Array, Int64Array, PrimitiveArray, Time32MillisecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::datetime::MILLIS_PER_DAY;
use super::local::{clock_millis, instant_millis};
use super::{arrow_type, down, unsupported};
use crate::error::{Error, Result};
use crate::spec::{DataType, TypeKind};

/// Casts to DATE, TIME, TIMESTAMP or TIMESTAMP WITH LOCAL TIME ZONE; `None` when the pair is not castable.
pub(super) fn to_temporal(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
    zone: Tz,
) -> Result<Option<ArrayRef>> {
    let from_timestamp = from.kind.is_timestamp();
    let to_instant = is_instant(to);
    Ok(match (&from.kind, &to.kind) {
        (_, TypeKind::Date) if from_timestamp => Some(to_date(array, from, zone)?),
        (_, TypeKind::Time(_)) if from_timestamp => Some(to_time(array, from, zone)?),
        (_, target) if !target.is_timestamp() => None,
        (TypeKind::Date, _) => {
            let days = down::<Date32Array>(array, from)?;
            let millis = days
                .iter()
                .map(|d| d.map(|d| i64::from(d) * MILLIS_PER_DAY))
                .map(|m| {
                    m.map(|m| {
                        if to_instant {
                            instant_millis(m, zone)
                        } else {
                            m
                        }
                    })
                });
            Some(from_millis(millis, to)?)
        }
        // Java goes to the zone and back: a time of day is one of UTC
        (TypeKind::Time(_), _) => {
            let times = down::<Time32MillisecondArray>(array, from)?;
            Some(from_millis(times.iter().map(|t| t.map(i64::from)), to)?)
        }
        (TypeKind::Int | TypeKind::BigInt, _) => {
            let wide = arrow_cast::cast(array, &ArrowType::Int64)?;
            let seconds = down::<Int64Array>(&wide, from)?;
            // what clocks show is taken for the instant, as in Java
            let shown = |m| if to_instant { clock_millis(m, zone) } else { m };
            let millis = seconds
                .iter()
                .map(|s| s.map(|s| shown(s.wrapping_mul(1000))));
            Some(from_millis(millis, to)?)
        }
        _ if from_timestamp => Some(to_timestamp(array, from, to, zone)?),
        _ => None,
    })
}

/// Whole seconds of timestamps, towards zero.
pub(super) fn epoch_seconds(array: &ArrayRef, from: &DataType) -> Result<Int64Array> {
    let timestamps = Timestamps::new(array, from)?;
    Ok(timestamps.map(|millis, _| Some(millis / 1000)))
}

fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type.kind, TypeKind::LocalZonedTimestamp(_))
}

fn to_date(array: &ArrayRef, from: &DataType, zone: Tz) -> Result<ArrayRef> {
    let timestamps = Timestamps::new(array, from)?;
    let instant = is_instant(from);
    let days: PrimitiveArray<Date32Type> = timestamps.map(|millis, _| {
        // up to release 2.0 Java divides wall clocks towards zero: the day before 1970 becomes 1970-01-01
        let days = if instant {
            clock_millis(millis, zone).div_euclid(MILLIS_PER_DAY)
        } else {
            millis / MILLIS_PER_DAY
        };
        i32::try_from(days).ok()
    });
    Ok(Arc::new(days))
}

fn to_time(array: &ArrayRef, from: &DataType, zone: Tz) -> Result<ArrayRef> {
    let timestamps = Timestamps::new(array, from)?;
    let instant = is_instant(from);
    let times: PrimitiveArray<Time32MillisecondType> = timestamps.map(|millis, _| {
        let shown = if instant {
            clock_millis(millis, zone)
        } else {
            millis
        };
        i32::try_from(shown.rem_euclid(MILLIS_PER_DAY)).ok()
    });
    Ok(Arc::new(times))
}

fn to_timestamp(array: &ArrayRef, from: &DataType, to: &DataType, zone: Tz) -> Result<ArrayRef> {
    let (Some(old), Some(new)) = (precision(&from.kind), precision(&to.kind)) else {
        return Err(unsupported(from, to));
    };
    let timestamps = Timestamps::new(array, from)?;
    let moved = |millis| match (is_instant(from), is_instant(to)) {
        (false, true) => instant_millis(millis, zone),
        (true, false) => clock_millis(millis, zone),
        _ => millis,
    };
    let mut builder = TimestampBuilder::new(to, array.len())?;
    for row in 0..array.len() {
        match timestamps.value(row).map(|(m, n)| (moved(m), n)) {
            Some((millis, nanos)) if new < old => {
                let (millis, nanos) = truncate(millis, nanos, new);
                builder.append(millis, nanos)?;
            }
            Some((millis, nanos)) => builder.append(millis, nanos)?,
            None => builder.append_null(),
        }
    }
    builder.finish()
}

/// Drops digits as `DateTimeUtils.truncate`: milliseconds towards zero (so that before 1970 precisions under 3 round
/// up), nanoseconds down.
fn truncate(millis: i64, nanos: i32, precision: u8) -> (i64, i32) {
    if precision <= 3 {
        let unit = 10i64.pow(3 - u32::from(precision));
        if nanos == 0 && millis.rem_euclid(unit) == 0 {
            return (millis, nanos);
        }
        (millis / unit * unit, 0)
    } else {
        let unit = 10i32.pow(9 - u32::from(precision.min(9)));
        (millis, nanos / unit * unit)
    }
}

fn from_millis(values: impl Iterator<Item = Option<i64>>, to: &DataType) -> Result<ArrayRef> {
    let mut builder = TimestampBuilder::new(to, values.size_hint().0)?;
    for value in values {
        match value {
            Some(millis) => builder.append(millis, 0)?,
            None => builder.append_null(),
        }
    }
    builder.finish()
}

/// Precision of a timestamp type.
pub(super) fn precision(kind: &TypeKind) -> Option<u8> {
    match kind {
        TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => Some(*p),
        _ => None,
    }
}

/// Reads timestamp arrays of any unit as epoch milliseconds and nanoseconds within the millisecond.
pub(crate) struct Timestamps<'a> {
    values: &'a [i64],
    nulls: Option<&'a NullBuffer>,
    unit: TimeUnit,
}

impl<'a> Timestamps<'a> {
    /// Of an array of [`arrow_type`]`(data_type)`.
    pub(crate) fn new(array: &'a dyn Array, data_type: &DataType) -> Result<Self> {
        let unit = match array.data_type() {
            ArrowType::Timestamp(unit, _) => *unit,
            _ => TimeUnit::Second,
        };
        let values: &[i64] = match unit {
            TimeUnit::Millisecond => down::<TimestampMillisecondArray>(array, data_type)?.values(),
            TimeUnit::Microsecond => down::<TimestampMicrosecondArray>(array, data_type)?.values(),
            TimeUnit::Nanosecond => down::<TimestampNanosecondArray>(array, data_type)?.values(),
            TimeUnit::Second => {
                return Err(Error::internal(format!(
                    "expected a timestamp array for {data_type}, found {}",
                    array.data_type()
                )));
            }
        };
        Ok(Self {
            values,
            nulls: array.nulls(),
            unit,
        })
    }

    /// Value of a row; `None` for null and beyond the end.
    pub(crate) fn value(&self, row: usize) -> Option<(i64, i32)> {
        if self.nulls.is_some_and(|n| n.is_null(row)) {
            return None;
        }
        self.values.get(row).map(|v| split(*v, self.unit))
    }

    fn map<T: arrow_array::ArrowPrimitiveType>(
        &self,
        f: impl Fn(i64, i32) -> Option<T::Native>,
    ) -> PrimitiveArray<T> {
        (0..self.values.len())
            .map(|row| self.value(row).and_then(|(m, n)| f(m, n)))
            .collect()
    }
}

fn split(value: i64, unit: TimeUnit) -> (i64, i32) {
    let (per_milli, nanos_per_unit) = match unit {
        TimeUnit::Microsecond => (1_000, 1_000),
        TimeUnit::Nanosecond => (1_000_000, 1),
        _ => return (value, 0),
    };
    let nanos = value.rem_euclid(per_milli) * nanos_per_unit;
    (
        value.div_euclid(per_milli),
        i32::try_from(nanos).unwrap_or(0),
    )
}

/// Builds the Arrow array of a timestamp type.
pub(crate) struct TimestampBuilder<'a> {
    data_type: &'a DataType,
    unit: TimeUnit,
    values: Vec<i64>,
    validity: BooleanBufferBuilder,
}

impl<'a> TimestampBuilder<'a> {
    /// For TIMESTAMP or TIMESTAMP WITH LOCAL TIME ZONE.
    pub(crate) fn new(data_type: &'a DataType, capacity: usize) -> Result<Self> {
        let ArrowType::Timestamp(unit, _) = arrow_type(data_type) else {
            return Err(Error::internal(format!(
                "{data_type} is not a timestamp type"
            )));
        };
        Ok(Self {
            data_type,
            unit,
            values: Vec::with_capacity(capacity),
            validity: BooleanBufferBuilder::new(capacity),
        })
    }

    /// Adds a value.
    ///
    /// # Errors
    /// `Unsupported` when 64 bits of the Arrow unit cannot hold it (nanoseconds: years 1677 to 2262).
    pub(crate) fn append(&mut self, millis: i64, nanos: i32) -> Result<()> {
        let value = match self.unit {
            TimeUnit::Microsecond => millis
                .checked_mul(1_000)
                .and_then(|v| v.checked_add(i64::from(nanos / 1_000))),
            TimeUnit::Nanosecond => {
                let wide = i128::from(millis) * 1_000_000 + i128::from(nanos);
                i64::try_from(wide).ok()
            }
            _ => Some(millis),
        };
        let value = value.ok_or_else(|| {
            Error::unsupported(format!(
                "timestamp of {millis} epoch milliseconds is outside the range of {}",
                self.data_type
            ))
        })?;
        self.values.push(value);
        self.validity.append(true);
        Ok(())
    }

    /// Adds a null.
    pub(crate) fn append_null(&mut self) {
        self.values.push(0);
        self.validity.append(false);
    }

    /// The array.
    pub(crate) fn finish(mut self) -> Result<ArrayRef> {
        let nulls = Some(NullBuffer::new(self.validity.finish())).filter(|n| n.null_count() > 0);
        let zone = matches!(self.data_type.kind, TypeKind::LocalZonedTimestamp(_)).then_some("UTC");
        let values = self.values.into();
        Ok(match self.unit {
            TimeUnit::Microsecond => Arc::new(
                PrimitiveArray::<TimestampMicrosecondType>::try_new(values, nulls)?
                    .with_timezone_opt(zone),
            ),
            TimeUnit::Nanosecond => Arc::new(
                PrimitiveArray::<TimestampNanosecondType>::try_new(values, nulls)?
                    .with_timezone_opt(zone),
            ),
            _ => Arc::new(
                PrimitiveArray::<TimestampMillisecondType>::try_new(values, nulls)?
                    .with_timezone_opt(zone),
            ),
        })
    }
}
