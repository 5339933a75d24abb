//! Order of values as SQL sees it.

use std::cmp::Ordering;

use crate::spec::Datum;

/// Order of two values of one type; `None` for different types.
///
/// As [`Datum::compare`], but floats as Spark orders them: -0.0 equals 0.0, every NaN is equal and the largest.
pub fn sql_compare(a: &Datum, b: &Datum) -> Option<Ordering> {
    match (a, b) {
        (Datum::Float(a), Datum::Float(b)) => Some(canonical_f32(*a).total_cmp(&canonical_f32(*b))),
        (Datum::Double(a), Datum::Double(b)) => {
            Some(canonical_f64(*a).total_cmp(&canonical_f64(*b)))
        }
        _ => a.compare(b),
    }
}

/// One zero and one (positive) NaN, so that the total order is SQL's.
pub(super) fn canonical_f32(v: f32) -> f32 {
    if v == 0.0 {
        0.0
    } else if v.is_nan() {
        f32::from_bits(0x7fc0_0000)
    } else {
        v
    }
}

/// As [`canonical_f32`].
pub(super) fn canonical_f64(v: f64) -> f64 {
    if v == 0.0 {
        0.0
    } else if v.is_nan() {
        f64::from_bits(0x7ff8_0000_0000_0000)
    } else {
        v
    }
}
