//! Literals in the units of a column.
//!
//! A column of milliseconds compared with a literal of microseconds, or a literal beyond the nanosecond range of
//! `i64`, must still compare exactly: a literal lies on a column value, between two, or outside of all.

use crate::predicate::PredicateOp;

/// Where a literal lies among the values a column can hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place<T> {
    /// It is this value.
    At(T),
    /// Above this value and below the next.
    After(T),
    /// Below all.
    Below,
    /// Above all.
    Above,
}

/// A comparison in column units that gives the same answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Test<T> {
    /// Compare with this value.
    Compare(PredicateOp, T),
    /// True for every value that is not null.
    All,
    /// True for none.
    None,
}

/// Rewrites `value op literal` for a literal at `place`.
pub(super) fn test<T>(op: PredicateOp, place: Place<T>) -> Test<T> {
    use PredicateOp as Op;
    match (op, place) {
        (op, Place::At(value)) => Test::Compare(op, value),
        (Op::NotEq, _) => Test::All,
        (Op::Lt | Op::LtEq, Place::After(value)) => Test::Compare(Op::LtEq, value),
        (Op::Gt | Op::GtEq, Place::After(value)) => Test::Compare(Op::Gt, value),
        (Op::Lt | Op::LtEq, Place::Above) | (Op::Gt | Op::GtEq, Place::Below) => Test::All,
        _ => Test::None,
    }
}

/// Place of `literal / unit` among the values of `T`; `unit` is positive.
pub(super) fn place<T: TryFrom<i128>>(literal: i128, unit: i128) -> Place<T> {
    let floor = literal.div_euclid(unit);
    match T::try_from(floor) {
        Ok(value) if literal.rem_euclid(unit) == 0 => Place::At(value),
        Ok(value) => Place::After(value),
        Err(_) if floor < 0 => Place::Below,
        Err(_) => Place::Above,
    }
}

/// Place of a decimal literal among unscaled values of another scale.
pub(super) fn decimal_place(unscaled: i128, scale: i16, column_scale: i16) -> Place<i128> {
    let shift = u32::from((column_scale - scale).unsigned_abs());
    let Some(factor) = 10i128.checked_pow(shift) else {
        return match unscaled {
            0 => Place::At(0),
            // smaller than one unit of the column, or larger than every value
            v if column_scale < scale => Place::After(if v < 0 { -1 } else { 0 }),
            v if v < 0 => Place::Below,
            _ => Place::Above,
        };
    };
    if column_scale < scale {
        return place(unscaled, factor);
    }
    match unscaled.checked_mul(factor) {
        Some(value) => Place::At(value),
        None if unscaled < 0 => Place::Below,
        None => Place::Above,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_between_values_compare_exactly() {
        assert_eq!(place::<i64>(-1, 1000), Place::After(-1));
        assert_eq!(place::<i64>(2000, 1000), Place::At(2));
        assert_eq!(place::<i64>(i128::from(i64::MAX) * 2, 1), Place::Above);
        assert_eq!(place::<i64>(i128::from(i64::MIN) * 2, 1), Place::Below);
        assert_eq!(decimal_place(15, 1, 0), Place::After(1));
        assert_eq!(decimal_place(-15, 1, 0), Place::After(-2));
        assert_eq!(decimal_place(15, 1, 3), Place::At(1500));
        assert_eq!(decimal_place(i128::MAX, 0, 1), Place::Above);
        assert_eq!(decimal_place(-1, 100, 0), Place::After(-1));
        let op = |op| test(op, Place::After(1));
        assert_eq!(op(PredicateOp::Lt), Test::Compare(PredicateOp::LtEq, 1));
        assert_eq!(op(PredicateOp::GtEq), Test::Compare(PredicateOp::Gt, 1));
        assert_eq!(op(PredicateOp::Eq), Test::None);
        assert_eq!(op(PredicateOp::NotEq), Test::All);
    }
}
