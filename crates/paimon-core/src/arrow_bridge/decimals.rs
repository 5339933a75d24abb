//! Digits of decimals. Arrow does not keep values within the precision of their type.

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType as ArrowType;

use crate::error::{Error, Result};

/// The largest unscaled value of a precision.
pub(crate) fn declared_max(precision: u8) -> i128 {
    10i128
        .checked_pow(precision.into())
        .map_or(i128::MAX, |power| power - 1)
}

/// Checks that decimals, nested ones too, are not beyond the largest unscaled value of their precision.
///
/// # Errors
/// `InvalidInput` naming the value.
pub(crate) fn check_decimals(array: &ArrayRef, max: fn(u8) -> i128) -> Result<()> {
    match array.data_type() {
        ArrowType::Decimal128(precision, scale) => {
            let max = max(*precision).unsigned_abs();
            let values = array.as_primitive::<Decimal128Type>().iter().flatten();
            match values.into_iter().find(|v| v.unsigned_abs() > max) {
                None => Ok(()),
                Some(value) => Err(Error::invalid(format!(
                    "decimal has more digits than its type DECIMAL({precision}, {scale}): {value}e-{scale}"
                ))),
            }
        }
        ArrowType::List(_) => check_decimals(array.as_list::<i32>().values(), max),
        ArrowType::FixedSizeList(..) => check_decimals(array.as_fixed_size_list().values(), max),
        ArrowType::Map(..) => {
            let map = array.as_map();
            check_decimals(map.keys(), max)?;
            check_decimals(map.values(), max)
        }
        ArrowType::Struct(_) => array
            .as_struct()
            .columns()
            .iter()
            .try_for_each(|column| check_decimals(column, max)),
        _ => Ok(()),
    }
}
