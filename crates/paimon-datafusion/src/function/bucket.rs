//! `sys.bucket(n, key, ..)`, `sys.mod_bucket`, `sys.hive_bucket`: the bucket that a table of `n` buckets has for a key.
//!
//! The types of the keys count as those of columns: an INT and a BIGINT of one value may lie in different buckets. Source:
//! `BucketFunction` of Paimon's Spark connector.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array};
use arrow::datatypes::DataType as ArrowType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use paimon_core::arrow_bridge::{arrow_type, datum_at, paimon_type};
use paimon_core::spec::{BucketFunction, DataType};

use super::{columns, down, lost, misused, result};
use crate::error::to_datafusion;

const NAMES: &[(&str, BucketFunction)] = &[
    ("sys.bucket", BucketFunction::Default),
    ("sys.mod_bucket", BucketFunction::Mod),
    ("sys.hive_bucket", BucketFunction::Hive),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let functions = NAMES.iter().map(|(name, function)| Bucket {
        name,
        function: *function,
        signature: Signature::user_defined(Volatility::Immutable),
    });
    functions.map(ScalarUDF::new_from_impl).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bucket {
    name: &'static str,
    function: BucketFunction,
    signature: Signature,
}

impl Bucket {
    fn buckets(&self, totals: &Int32Array, keys: &[ArrayRef]) -> Result<Int32Array> {
        let types: Vec<DataType> = keys.iter().map(key_type).collect::<Result<_>>()?;
        let bucket = |row: usize| {
            if totals.is_null(row) {
                return Err(DataFusionError::Execution(format!(
                    "{}: the number of buckets is null",
                    self.name
                )));
            }
            let values = keys.iter().zip(&types).map(|(key, data_type)| {
                let value = datum_at(key.as_ref(), row, data_type)?;
                Ok((value, data_type.clone()))
            });
            let key: paimon_core::Result<Vec<_>> = values.collect();
            let bucket = key.and_then(|key| self.function.bucket(&key, totals.value(row)));
            bucket.map_err(|e| to_datafusion(e.with("function", self.name)))
        };
        (0..totals.len()).map(bucket).collect()
    }
}

fn key_type(key: &ArrayRef) -> Result<DataType> {
    paimon_type(key.data_type()).map_err(to_datafusion)
}

impl ScalarUDFImpl for Bucket {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[ArrowType]) -> Result<Vec<ArrowType>> {
        let keys = match given {
            [total, keys @ ..] if total.is_integer() && !keys.is_empty() => keys,
            _ => {
                let takes = "the number of buckets and the columns of the bucket key";
                return Err(misused(self.name, takes, given));
            }
        };
        let keys = keys.iter().map(|key| {
            let column = paimon_type(key).map_err(to_datafusion)?;
            match column.kind.is_nested() {
                true => Err(misused(self.name, "single values as bucket key", given)),
                false => Ok(arrow_type(&column)),
            }
        });
        let total = std::iter::once(Ok(ArrowType::Int32));
        total.chain(keys).collect()
    }

    fn return_type(&self, _arguments: &[ArrowType]) -> Result<ArrowType> {
        Ok(ArrowType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (columns, constant) = columns(args.args, args.number_rows)?;
        let (totals, keys) = columns.split_first().ok_or_else(|| lost("the number"))?;
        let buckets = self.buckets(down(totals)?, keys)?;
        result(Arc::new(buckets), constant)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{Int64Array, StringViewArray};

    use super::*;

    fn bucket(name: usize, total: i32, keys: &[ArrayRef]) -> Result<Vec<i32>> {
        let (name, function) = NAMES[name];
        let signature = Signature::user_defined(Volatility::Immutable);
        let bucket = Bucket {
            name,
            function,
            signature,
        };
        let totals = Int32Array::from(vec![total; keys[0].len()]);
        Ok(bucket.buckets(&totals, keys)?.values().to_vec())
    }

    #[test]
    fn buckets_are_those_of_tables() {
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, -3]));
        let longs: ArrayRef = Arc::new(Int64Array::from(vec![17, -3, 5]));
        assert_eq!(bucket(1, 5, &[longs]).unwrap(), [2, 2, 0]);
        assert_eq!(
            bucket(2, 4, std::slice::from_ref(&ints)).unwrap(),
            [1, 2, 1]
        );
        // a row with the hash that the binary row has
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("a")]));
        let both = bucket(0, 7, &[ints, texts]).unwrap();
        let key = |id: i32, text: Option<&str>| {
            use paimon_core::spec::{Datum, TypeKind};
            let text = text.map(|t| Datum::String(t.to_string()));
            vec![
                (Some(Datum::Int(id)), DataType::nullable(TypeKind::Int)),
                (text, paimon_type(&ArrowType::Utf8View).unwrap()),
            ]
        };
        let wanted = [key(1, Some("a")), key(2, None), key(-3, Some("a"))];
        let wanted = wanted.map(|key| BucketFunction::Default.bucket(&key, 7).unwrap());
        assert_eq!(both, wanted);
    }

    #[test]
    fn numbers_of_buckets_are_positive() {
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(bucket(0, 0, std::slice::from_ref(&ints)).is_err());
        assert!(bucket(0, -2, &[ints]).is_err());
    }
}
