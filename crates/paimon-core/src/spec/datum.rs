//! One value of a primitive type, owned.

use std::cmp::Ordering;

/// A non-null primitive value. Null is `Option::<Datum>::None`.
///
/// Timestamps are epoch milliseconds plus nanoseconds within the millisecond (0..=999_999, never negative);
/// for TIMESTAMP the epoch is that of the wall clock read as UTC.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// BOOLEAN
    Boolean(bool),
    /// TINYINT
    TinyInt(i8),
    /// SMALLINT
    SmallInt(i16),
    /// INT
    Int(i32),
    /// BIGINT
    BigInt(i64),
    /// FLOAT
    Float(f32),
    /// DOUBLE
    Double(f64),
    /// DECIMAL: unscaled value and scale
    Decimal {
        /// value times ten to the power of `scale`
        unscaled: i128,
        /// digits after the point
        scale: u8,
    },
    /// CHAR, VARCHAR
    String(String),
    /// BINARY, VARBINARY, BLOB
    Bytes(Vec<u8>),
    /// DATE: days since 1970-01-01
    Date(i32),
    /// TIME: milliseconds of the day
    Time(i32),
    /// TIMESTAMP and TIMESTAMP WITH LOCAL TIME ZONE
    Timestamp {
        /// epoch milliseconds
        millis: i64,
        /// nanoseconds within the millisecond
        nanos: i32,
    },
}

impl Datum {
    /// Order of two values of one type; `None` for different types. Floats order as Java's `Double.compare`
    /// (-0.0 < 0.0, NaN largest), bytes as unsigned.
    pub fn compare(&self, other: &Datum) -> Option<Ordering> {
        use Datum::*;
        Some(match (self, other) {
            (Boolean(a), Boolean(b)) => a.cmp(b),
            (TinyInt(a), TinyInt(b)) => a.cmp(b),
            (SmallInt(a), SmallInt(b)) => a.cmp(b),
            (Int(a), Int(b)) | (Date(a), Date(b)) | (Time(a), Time(b)) => a.cmp(b),
            (BigInt(a), BigInt(b)) => a.cmp(b),
            (Float(a), Float(b)) => a.total_cmp(b),
            (Double(a), Double(b)) => a.total_cmp(b),
            (
                Decimal {
                    unscaled: a,
                    scale: sa,
                },
                Decimal {
                    unscaled: b,
                    scale: sb,
                },
            ) => compare_decimals(*a, *sa, *b, *sb),
            (String(a), String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Bytes(a), Bytes(b)) => a.cmp(b),
            (
                Timestamp {
                    millis: a,
                    nanos: na,
                },
                Timestamp {
                    millis: b,
                    nanos: nb,
                },
            ) => (a, na).cmp(&(b, nb)),
            _ => return None,
        })
    }
}

fn compare_decimals(a: i128, scale_a: u8, b: i128, scale_b: u8) -> Ordering {
    if scale_a == scale_b {
        return a.cmp(&b);
    }
    let (low, high, swap) = if scale_a < scale_b {
        ((a, scale_a), (b, scale_b), false)
    } else {
        ((b, scale_b), (a, scale_a), true)
    };
    let factor = 10i128.checked_pow(u32::from(high.1 - low.1));
    let order = match factor.and_then(|f| low.0.checked_mul(f)) {
        Some(scaled) => scaled.cmp(&high.0),
        // more than 38 digits once scaled up: the sign decides
        None => low.0.cmp(&0),
    };
    if swap { order.reverse() } else { order }
}
