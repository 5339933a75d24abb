//! Columns below casts that keep every value and the order of values.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::{Cast, Expr};
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::DataField;

/// The column that an expression reads, if the expression is the column or a lossless cast of it: comparing the
/// expression with a constant is then comparing the column with that constant.
pub(super) fn column_of<'a>(expr: &Expr, fields: &'a [DataField]) -> Option<&'a DataField> {
    match expr {
        Expr::Column(column) => fields.iter().find(|f| f.name == column.name),
        Expr::Alias(alias) => column_of(&alias.expr, fields),
        Expr::Cast(Cast { expr, field }) => {
            let Expr::Column(column) = expr.as_ref() else {
                return None;
            };
            let own = fields.iter().find(|f| f.name == column.name)?;
            is_lossless(&arrow_type(&own.data_type), field.data_type()).then_some(own)
        }
        _ => None,
    }
}

fn is_lossless(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    if from == to {
        return true;
    }
    match (from, to) {
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (Float32, Float64) => true,
        (Decimal128(p, s), Decimal128(to_p, to_s) | Decimal256(to_p, to_s)) => {
            to_s >= s && integer_digits(*to_p, *to_s) >= integer_digits(*p, *s)
        }
        (Int8 | Int16 | Int32 | Int64, Decimal128(p, s) | Decimal256(p, s)) => {
            let digits = match from {
                Int8 => 3,
                Int16 => 5,
                Int32 => 10,
                _ => 19,
            };
            integer_digits(*p, *s) >= digits
        }
        (Utf8View, Utf8 | LargeUtf8) | (BinaryView, Binary | LargeBinary) => true,
        // a cast to nanoseconds fails for far years: the filter is an error there, never true
        (Timestamp(a, zone), Timestamp(b, to_zone)) => {
            zone.is_some() == to_zone.is_some() && rank(*a) <= rank(*b)
        }
        _ => false,
    }
}

fn integer_digits(precision: u8, scale: i8) -> i16 {
    i16::from(precision) - i16::from(scale)
}

fn rank(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}
