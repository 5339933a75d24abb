//! Primitive columns of the file as their declared type.
//!
//! Only conversions that keep every value are made; a value that does not fit is an error, never another value.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeBinaryArray, PrimitiveArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType as ArrowType, TimeUnit};
use std::sync::Arc;

use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::spec::DataType;

/// How values of a primitive column become those of the declared type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cast {
    /// They are.
    Same,
    /// A checked Arrow cast to this type.
    Kernel(ArrowType),
    /// Epoch values to a timestamp of this type: unit and zone label.
    Timestamp(ArrowType),
    /// INT96 (8 bytes nanoseconds of the day, 4 bytes Julian day) to a timestamp of this type.
    Int96(ArrowType),
}

impl Cast {
    /// The conversion from a file's column, `None` when there is no lossless one.
    pub(super) fn plan(file: &ArrowType, int96: bool, wanted: &DataType) -> Option<Self> {
        let target = arrow_type(wanted);
        if int96 {
            return matches!(target, ArrowType::Timestamp(..)).then_some(Cast::Int96(target));
        }
        if *file == target {
            return Some(Cast::Same);
        }
        if *file == ArrowType::Null {
            return Some(Cast::Kernel(target));
        }
        match (file, &target) {
            (ArrowType::Timestamp(from, _), ArrowType::Timestamp(to, _)) if from <= to => {
                Some(Cast::Timestamp(target))
            }
            // files of other writers: the declared precision says the unit
            (
                ArrowType::Int64,
                ArrowType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, _),
            ) => Some(Cast::Timestamp(target)),
            (from, to) if keeps_values(from, to) => Some(Cast::Kernel(target)),
            _ => None,
        }
    }

    /// Converts an array.
    ///
    /// # Errors
    /// `Damaged` for a value that the declared type cannot hold.
    pub(super) fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Cast::Same => Ok(Arc::clone(array)),
            Cast::Kernel(target) => checked(array, target),
            Cast::Timestamp(target) => timestamp(array, target),
            Cast::Int96(target) => int96(array, target),
        }
    }
}

/// Whether the checked cast keeps every value or fails.
fn keeps_values(from: &ArrowType, to: &ArrowType) -> bool {
    use ArrowType::*;
    match (from, to) {
        // one physical INT32 or INT64 with or without annotation: the checked cast refuses what does not fit
        (Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32, Int8 | Int16 | Int32 | Int64) => true,
        (UInt64, Int64) => true,
        (Int32, Date32 | Time32(TimeUnit::Millisecond)) => true,
        (Float32, Float64) => true,
        (Int8 | Int16 | UInt8 | UInt16, Float32 | Float64) => true,
        (Int32 | UInt32, Float64) => true,
        (Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64, Decimal128(_, s)) => {
            *s >= 0
        }
        (Decimal128(_, a) | Decimal256(_, a), Decimal128(_, b)) => a <= b,
        (Binary | BinaryView | Utf8 | Utf8View | FixedSizeBinary(_), BinaryView) => true,
        (Binary | BinaryView | Utf8, Utf8View) => true,
        _ => false,
    }
}

fn checked(array: &ArrayRef, target: &ArrowType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, target, &options).map_err(|e| unfit(array, target, e))
}

fn unfit(array: &ArrayRef, target: &ArrowType, error: ArrowError) -> Error {
    Error::damaged(format!(
        "a value of type {} does not fit {target}",
        array.data_type()
    ))
    .with_source(error)
}

fn timestamp(array: &ArrayRef, target: &ArrowType) -> Result<ArrayRef> {
    let ArrowType::Timestamp(unit, zone) = target else {
        return Err(Error::internal("timestamp cast to another type"));
    };
    let array = match array.data_type() {
        ArrowType::Timestamp(from, _) => relabel(array, *from, None),
        _ => Arc::clone(array),
    };
    let array = checked(&array, &ArrowType::Timestamp(*unit, None))?;
    Ok(relabel(&array, *unit, zone.clone()))
}

fn relabel(array: &ArrayRef, unit: TimeUnit, zone: Option<Arc<str>>) -> ArrayRef {
    match unit {
        TimeUnit::Millisecond => Arc::new(
            array
                .as_primitive::<TimestampMillisecondType>()
                .clone()
                .with_timezone_opt(zone),
        ),
        TimeUnit::Microsecond => Arc::new(
            array
                .as_primitive::<TimestampMicrosecondType>()
                .clone()
                .with_timezone_opt(zone),
        ),
        TimeUnit::Nanosecond => Arc::new(
            array
                .as_primitive::<TimestampNanosecondType>()
                .clone()
                .with_timezone_opt(zone),
        ),
        TimeUnit::Second => Arc::clone(array),
    }
}

fn int96(array: &ArrayRef, target: &ArrowType) -> Result<ArrayRef> {
    let ArrowType::Timestamp(unit, zone) = target else {
        return Err(Error::internal(
            "INT96 cast to another type than a timestamp",
        ));
    };
    let bytes = array
        .as_fixed_size_binary_opt()
        .filter(|a| a.value_length() == 12)
        .ok_or_else(|| Error::internal("INT96 column was not decoded as 12 bytes"))?;
    Ok(match unit {
        TimeUnit::Nanosecond => {
            let values: TimestampNanosecondArray = int96_values(bytes, target, 1)?;
            Arc::new(values.with_timezone_opt(zone.clone()))
        }
        TimeUnit::Microsecond => {
            let values: TimestampMicrosecondArray = int96_values(bytes, target, 1_000)?;
            Arc::new(values.with_timezone_opt(zone.clone()))
        }
        TimeUnit::Millisecond => {
            let values: TimestampMillisecondArray = int96_values(bytes, target, 1_000_000)?;
            Arc::new(values.with_timezone_opt(zone.clone()))
        }
        TimeUnit::Second => return Err(Error::internal("no Paimon timestamp counts seconds")),
    })
}

fn int96_values<T>(
    bytes: &FixedSizeBinaryArray,
    target: &ArrowType,
    nanos_per_unit: i64,
) -> Result<PrimitiveArray<T>>
where
    T: arrow_array::ArrowPrimitiveType<Native = i64>,
{
    let mut values = Vec::with_capacity(bytes.len());
    for i in 0..bytes.len() {
        if bytes.is_null(i) {
            values.push(0);
            continue;
        }
        let value = int96_epoch(bytes.value(i), nanos_per_unit).ok_or_else(|| {
            Error::unsupported(format!(
                "timestamps of precision above 6 must lie in 1677..2262, found INT96 0x{} for {target}",
                hex(bytes.value(i))
            ))
        })?;
        values.push(value);
    }
    Ok(PrimitiveArray::new(values.into(), bytes.nulls().cloned()))
}

/// Epoch value of 12 bytes of INT96 in units of `nanos_per_unit`, rounded down. Nanoseconds of the day may be
/// negative: Java divides truncating before 1970.
fn int96_epoch(bytes: &[u8], nanos_per_unit: i64) -> Option<i64> {
    const JULIAN_EPOCH_DAY: i64 = 2_440_588;
    const NANOS_PER_DAY: i64 = 86_400_000_000_000;
    let (nanos, day) = bytes.split_first_chunk::<8>()?;
    let nanos = i64::from_le_bytes(*nanos);
    let day = i64::from(i32::from_le_bytes(*day.first_chunk::<4>()?)) - JULIAN_EPOCH_DAY;
    // a range end such as day -106752 overflows before its nanoseconds are added
    let days = i128::from(day) * i128::from(NANOS_PER_DAY / nanos_per_unit);
    i64::try_from(days + i128::from(nanos.div_euclid(nanos_per_unit))).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow_array::{BinaryViewArray, Int32Array, StringViewArray, UInt32Array};

    fn encode(nanos: i64, day: i32) -> Vec<u8> {
        let mut bytes = nanos.to_le_bytes().to_vec();
        bytes.extend(day.to_le_bytes());
        bytes
    }

    #[test]
    fn int96_with_negative_nanos_is_normalised() {
        // 1969-12-31T23:59:59.999123456 as Java writes it: day 0, minus 876544 ns
        assert_eq!(int96_epoch(&encode(-876_544, 2_440_588), 1), Some(-876_544));
        assert_eq!(int96_epoch(&encode(-876_544, 2_440_588), 1_000), Some(-877));
        assert_eq!(
            int96_epoch(&encode(86_399_999_123_456, 2_440_587), 1),
            Some(-876_544)
        );
    }

    #[test]
    fn int96_outside_of_nanoseconds_is_none() {
        // 0001-01-01 and 9999-12-31
        assert_eq!(int96_epoch(&encode(0, 1_721_426), 1), None);
        assert_eq!(int96_epoch(&encode(0, 5_373_484), 1), None);
        assert_eq!(
            int96_epoch(&encode(0, 1_721_426), 1_000),
            Some(-62_135_596_800_000_000)
        );
    }

    #[test]
    fn every_kernel_cast_exists() {
        use crate::spec::{MAX_LENGTH, TypeKind};
        let text = DataType::nullable(TypeKind::VarChar(MAX_LENGTH));
        let bytes: ArrayRef = Arc::new(BinaryViewArray::from_iter_values([
            b"ab".as_slice(),
            b"\xff",
        ]));
        let cast = Cast::plan(bytes.data_type(), false, &text).unwrap();
        assert!(cast.apply(&bytes).is_err());
        let cut = bytes.slice(0, 1);
        assert_eq!(
            cast.apply(&cut).unwrap().as_string_view(),
            &StringViewArray::from(vec!["ab"])
        );
        let fixed: ArrayRef =
            Arc::new(FixedSizeBinaryArray::try_from_iter([[1u8, 2]].iter()).unwrap());
        let binary = DataType::nullable(TypeKind::Binary(2));
        let cast = Cast::plan(fixed.data_type(), false, &binary).unwrap();
        assert_eq!(
            cast.apply(&fixed).unwrap().as_binary_view().value(0),
            [1, 2]
        );
    }

    #[test]
    fn narrowing_fails_on_values_that_do_not_fit() {
        use crate::spec::TypeKind;
        let wide: ArrayRef = Arc::new(Int32Array::from(vec![1, 127]));
        let tiny = DataType::nullable(TypeKind::TinyInt);
        let cast = Cast::plan(wide.data_type(), false, &tiny).unwrap();
        assert!(cast.apply(&wide).is_ok());
        let wide: ArrayRef = Arc::new(Int32Array::from(vec![1, 128]));
        assert!(cast.apply(&wide).is_err());
        let unsigned: ArrayRef = Arc::new(UInt32Array::from(vec![u32::MAX]));
        let big = DataType::nullable(TypeKind::BigInt);
        let cast = Cast::plan(unsigned.data_type(), false, &big).unwrap();
        assert!(cast.apply(&unsigned).is_ok());
        let int = DataType::nullable(TypeKind::Int);
        assert!(Cast::plan(&ArrowType::Int64, false, &int).is_none());
        assert!(Cast::plan(&ArrowType::Utf8View, false, &int).is_none());
    }
}
