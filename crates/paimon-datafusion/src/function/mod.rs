//! Paimon's scalar functions: buckets, descriptors of blobs, values of VARIANT columns.
//!
//! All are registered in every session under their full name, such as `sys.bucket`. Source: the pages "SQL Functions" and
//! "Variant" of Paimon's documentation, `PaimonFunctions`.

mod absent;
mod bucket;
mod descriptor;
mod variant;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType as ArrowType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF};
use datafusion::scalar::ScalarValue;

/// All functions.
pub(crate) fn all() -> Vec<ScalarUDF> {
    let mut all = bucket::functions();
    all.extend(descriptor::functions());
    all.extend(variant::functions());
    all.extend(absent::functions());
    all
}

/// What a function gives: one value where all arguments were constants.
fn result(array: ArrayRef, constant: bool) -> Result<ColumnarValue> {
    match constant {
        true => ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar),
        false => Ok(ColumnarValue::Array(array)),
    }
}

/// The arguments as columns of as many rows as the result has, and whether all are constants.
fn columns(args: Vec<ColumnarValue>, rows: usize) -> Result<(Vec<ArrayRef>, bool)> {
    let constant = args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { rows };
    let columns = args.into_iter().map(|a| a.into_array(rows));
    Ok((columns.collect::<Result<_>>()?, constant))
}

/// The type of the only argument of a function, which must be `wanted` or null.
fn only(
    function: &str,
    given: &[ArrowType],
    wanted: &ArrowType,
    fits: impl Fn(&ArrowType) -> bool,
    what: &str,
) -> Result<Vec<ArrowType>> {
    match given {
        [one] if fits(one) || one.is_null() => Ok(vec![wanted.clone()]),
        _ => Err(misused(function, what, given)),
    }
}

fn is_text(data_type: &ArrowType) -> bool {
    use ArrowType::{LargeUtf8, Utf8, Utf8View};
    matches!(data_type, Utf8 | LargeUtf8 | Utf8View)
}

fn is_binary(data_type: &ArrowType) -> bool {
    use ArrowType::{Binary, BinaryView, LargeBinary};
    matches!(data_type, Binary | LargeBinary | BinaryView)
}

fn misused(function: &str, takes: &str, given: &[ArrowType]) -> DataFusionError {
    let given: Vec<String> = given.iter().map(ToString::to_string).collect();
    DataFusionError::Plan(format!(
        "{function} takes {takes}, found ({})",
        given.join(", ")
    ))
}

/// The only column of a function.
fn first(mut columns: Vec<ArrayRef>) -> Result<ArrayRef> {
    match columns.is_empty() {
        false => Ok(columns.swap_remove(0)),
        true => Err(lost("an argument")),
    }
}

/// A column as its concrete type.
fn down<T: Array + 'static>(array: &ArrayRef) -> Result<&T> {
    array.as_any().downcast_ref().ok_or_else(|| lost("a type"))
}

fn lost(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("a function was called without {what} it asked for"))
}
