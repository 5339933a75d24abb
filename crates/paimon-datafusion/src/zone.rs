//! Times without zone and instants, in the zone of a session: arrays of them, and a function for plans.
//!
//! Arrow's casts fail for a time that clocks show twice or never; Java takes the first of the two, or goes as far on as
//! the clocks do ([`paimon_core::arrow_bridge::zone`]).

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, new_null_array};
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::compute::{CastOptions, cast_with_options, concat, try_unary};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use chrono::{DateTime, FixedOffset, Utc};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use paimon_core::arrow_bridge::zone::{instant_of, wall_clock};
use paimon_core::{Error, Result};

use crate::error::to_datafusion;

const SECONDS_PER_HOUR: i32 = 3600;

/// A zone by its name.
///
/// # Errors
/// `InvalidInput` for a name that is none.
pub(crate) fn zone_named(name: &str) -> Result<Tz> {
    name.parse()
        .map_err(|e| Error::invalid(format!("unknown time zone {name:?}")).with_source(e))
}

/// The instant that a text means; `None` when it is no timestamp. Without a zone of its own it is a time in `zone`.
pub(crate) fn instant_of_text(text: &str, zone: &Tz) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let utc = string_to_datetime(&Utc, text).ok()?;
    let east = FixedOffset::east_opt(SECONDS_PER_HOUR)?;
    // what is the same instant in two zones brings its own
    let names_zone = string_to_datetime(&east, text).is_ok_and(|east| east == utc);
    match names_zone {
        true => Some(utc),
        false => instant_of(utc.naive_utc(), zone),
    }
}

/// What clocks of a zone show at instants, in the same unit.
///
/// # Errors
/// `InvalidInput` for an instant outside of the calendar.
pub(crate) fn wall_clocks(array: &ArrayRef, unit: TimeUnit, zone: &Tz) -> Result<ArrayRef> {
    shifted(array, unit, &DataType::Timestamp(unit, None), |seconds| {
        let instant = DateTime::from_timestamp(seconds, 0)?;
        Some(wall_clock(instant, zone)?.and_utc().timestamp())
    })
}

/// The instants at which clocks of a zone show dates, times or texts, in this unit and with the zone UTC.
///
/// # Errors
/// `InvalidInput` for a text that is no timestamp, a time outside of the calendar or another type.
pub(crate) fn instants(array: &ArrayRef, unit: TimeUnit, zone: &Tz) -> Result<ArrayRef> {
    let target = DataType::Timestamp(unit, Some("UTC".into()));
    match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            return of_texts(array, &target, zone);
        }
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None) => {}
        other => return Err(Error::invalid(format!("{other} is no time"))),
    }
    let local = strict_cast(array, &DataType::Timestamp(unit, None))?;
    shifted(&local, unit, &target, |seconds| {
        let local = DateTime::from_timestamp(seconds, 0)?.naive_utc();
        Some(instant_of(local, zone)?.timestamp())
    })
}

fn of_texts(array: &ArrayRef, target: &DataType, zone: &Tz) -> Result<ArrayRef> {
    let texts = strict_cast(array, &DataType::Utf8View)?;
    let parse = |text: &str| {
        let instant = instant_of_text(text, zone)?;
        let nanos = i128::from(instant.timestamp()) * 1_000_000_000
            + i128::from(instant.timestamp_subsec_nanos());
        let DataType::Timestamp(unit, _) = target else {
            return None;
        };
        i64::try_from(nanos.div_euclid(1_000_000_000 / i128::from(per_second(*unit)))).ok()
    };
    let values = texts.as_string_view().iter().map(|text| {
        let Some(text) = text else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| {
            Error::invalid(format!("{text:?} is no timestamp, or lies too far away"))
        })
    });
    let values: Int64Array = values.collect::<Result<_>>()?;
    let values: ArrayRef = Arc::new(values);
    strict_cast(&values, target)
}

/// Timestamps whose seconds are changed; what is left of a second stays.
fn shifted(
    array: &ArrayRef,
    unit: TimeUnit,
    target: &DataType,
    shift: impl Fn(i64) -> Option<i64>,
) -> Result<ArrayRef> {
    let per_second = per_second(unit);
    let moved = |value: i64| {
        let seconds = value.div_euclid(per_second);
        let by = shift(seconds)?.checked_sub(seconds)?;
        value.checked_add(by.checked_mul(per_second)?)
    };
    let raw = strict_cast(array, &DataType::Int64)?;
    let values: Int64Array = try_unary(raw.as_primitive::<Int64Type>(), |value| {
        moved(value).ok_or_else(|| {
            ArrowError::ComputeError(format!("time {value} is outside of the calendar"))
        })
    })
    .map_err(|e: ArrowError| Error::invalid("no time of day").with_source(e))?;
    let values: ArrayRef = Arc::new(values);
    strict_cast(&values, target)
}

/// Arrow's cast where every value must fit.
fn strict_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options).map_err(unfit)
}

fn unfit(error: ArrowError) -> Error {
    Error::invalid("a value is no time").with_source(error)
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// A cast between times without zone and instants, in a session of some zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ZoneCast {
    zone: String,
    target: DataType,
    lenient: bool,
    signature: Signature,
}

impl ZoneCast {
    /// Name of the function in plans.
    pub const NAME: &str = "paimon_zone_cast";

    /// A cast to a TIMESTAMP with zone (from texts, dates and times without one) or without (from instants).
    pub fn new(zone: &str, target: DataType) -> Self {
        Self {
            zone: zone.to_string(),
            target,
            lenient: false,
            signature: Signature::any(1, Volatility::Immutable),
        }
    }

    /// The same, NULL for what cannot be cast.
    #[must_use]
    pub fn lenient(mut self, lenient: bool) -> Self {
        self.lenient = lenient;
        self
    }

    /// Whether what cannot be cast is NULL.
    pub fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// Time zone of the session.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The type of the result.
    pub fn target(&self) -> &DataType {
        &self.target
    }

    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match self.cast_all(array) {
            Err(_) if self.lenient => self.cast_each(array),
            result => result,
        }
    }

    fn cast_each(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let null = new_null_array(&self.target, 1);
        let one = |row| {
            let cast = self.cast_all(&array.slice(row, 1));
            cast.unwrap_or_else(|_| Arc::clone(&null))
        };
        let values: Vec<ArrayRef> = (0..array.len()).map(one).collect();
        let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
        concat(&values).map_err(unfit)
    }

    fn cast_all(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let zone = zone_named(&self.zone)?;
        let moved = match (array.data_type(), &self.target) {
            (DataType::Timestamp(unit, Some(_)), DataType::Timestamp(_, None)) => {
                wall_clocks(array, *unit, &zone)?
            }
            (_, DataType::Timestamp(unit, Some(_))) => instants(array, *unit, &zone)?,
            (from, to) => {
                return Err(Error::internal(format!(
                    "no zone lies between {from} and {to}"
                )));
            }
        };
        strict_cast(&moved, &self.target)
    }
}

impl ScalarUDFImpl for ZoneCast {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(self.target.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        match args.args.into_iter().next() {
            Some(ColumnarValue::Array(array)) => {
                let cast = self.cast(&array).map_err(to_datafusion)?;
                Ok(ColumnarValue::Array(cast))
            }
            Some(ColumnarValue::Scalar(value)) => {
                let cast = self.cast(&value.to_array()?).map_err(to_datafusion)?;
                ScalarValue::try_from_array(&cast, 0).map(ColumnarValue::Scalar)
            }
            None => Err(DataFusionError::Internal("a value is expected".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{
        Date32Array, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    };

    use super::*;

    #[test]
    fn texts_are_local_times_unless_they_name_a_zone() {
        let berlin = zone_named("Europe/Berlin").unwrap();
        for (text, instant) in [
            ("2024-07-01 12:00:00", Some("2024-07-01T10:00:00+00:00")),
            (
                "2024-07-01T12:00:00.5Z",
                Some("2024-07-01T12:00:00.500+00:00"),
            ),
            (
                "2024-07-01 12:00:00+01:00",
                Some("2024-07-01T11:00:00+00:00"),
            ),
            ("2024-10-27 02:30:00", Some("2024-10-27T00:30:00+00:00")),
            ("2024-03-31 02:30:00", Some("2024-03-31T01:30:00+00:00")),
            ("2024-07-01", Some("2024-06-30T22:00:00+00:00")),
            ("2024-02-30 00:00:00", None),
            ("noon", None),
        ] {
            let found = instant_of_text(text, &berlin).map(|at| at.to_rfc3339());
            assert_eq!(found.as_deref(), instant, "{text}");
        }
        assert!(zone_named("Europe/Nowhere").is_err());
    }

    #[test]
    fn fractions_and_nulls_stay() {
        let berlin = zone_named("Europe/Berlin").unwrap();
        // 1969-12-31 23:59:59.999999
        let values =
            TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1_719_835_200_000_001)]);
        let local: ArrayRef = Arc::new(values.clone());
        let found = instants(&local, TimeUnit::Microsecond, &berlin).unwrap();
        let expected = TimestampMicrosecondArray::from(vec![
            Some(-3_600_000_001),
            None,
            Some(1_719_828_000_000_001),
        ])
        .with_timezone("UTC");
        assert_eq!(found.as_ref(), &expected as &dyn Array);
        let back = wall_clocks(&found, TimeUnit::Microsecond, &berlin).unwrap();
        assert_eq!(back.as_ref(), &values as &dyn Array);
    }

    #[test]
    fn texts_that_are_no_times_are_errors() {
        let utc = zone_named("UTC").unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["2024-13-01"]));
        let error = instants(&texts, TimeUnit::Second, &utc).unwrap_err();
        assert!(error.to_string().contains("2024-13-01"), "{error}");
        let far: ArrayRef = Arc::new(StringArray::from(vec!["9999-01-01 00:00:00"]));
        assert!(instants(&far, TimeUnit::Nanosecond, &utc).is_err());
        assert!(instants(&far, TimeUnit::Microsecond, &utc).is_ok());
    }

    #[test]
    fn what_does_not_fit_is_an_error_or_null_when_asked_for() {
        let far: ArrayRef = Arc::new(Date32Array::from(vec![19_905, 2_932_532]));
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let cast = ZoneCast::new("Europe/Berlin", nanos);
        assert!(cast.cast(&far).is_err());
        let micros = TimestampMicrosecondArray::from(vec![253_370_764_800_000_000]);
        let micros: ArrayRef = Arc::new(micros);
        assert!(cast.cast(&micros).is_err());
        let found = cast.lenient(true).cast(&far).unwrap();
        let expected = TimestampNanosecondArray::from(vec![Some(1_719_784_800_000_000_000), None]);
        assert_eq!(found.as_ref(), &expected.with_timezone("UTC") as &dyn Array);
    }
}
