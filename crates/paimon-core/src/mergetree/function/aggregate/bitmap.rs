//! `rbm32` and `rbm64` (`FieldRoaringBitmap32Agg`, `FieldRoaringBitmap64Agg`): union of serialized roaring bitmaps, and
//! the fold over binary values that sketches share.

use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use roaring::{RoaringBitmap, RoaringTreemap};

use super::super::ops::{FoldPlan, Op};
use super::super::rows::Column;
use super::{FieldAggregator, roaring64, unexpected_type};
use crate::{Error, Result};

/// Union of binary values. Nulls are skipped; a value that is alone keeps its bytes.
pub(super) trait BinaryUnion {
    /// Decoded value.
    type Value;

    fn decode(&self, bytes: &[u8]) -> Result<Self::Value>;

    /// acc = agg(acc, input).
    fn union(&self, acc: Self::Value, input: Self::Value) -> Result<Self::Value>;

    fn encode(&self, value: Self::Value) -> Result<Vec<u8>>;
}

enum Acc<T> {
    Null,
    /// Row whose bytes were not decoded yet.
    Row(usize),
    Value(T),
}

/// Folds a binary column.
pub(super) fn fold_union<U: BinaryUnion>(
    union: &U,
    column: &ArrayRef,
    plan: &FoldPlan,
) -> Result<ArrayRef> {
    let Some(values) = column.as_binary_view_opt() else {
        return Err(unexpected_type(column.data_type()));
    };
    let decoded = |acc: Acc<U::Value>| match acc {
        Acc::Null => Ok(None),
        Acc::Row(row) => union.decode(values.value(row)).map(Some),
        Acc::Value(value) => Ok(Some(value)),
    };
    let mut out = BinaryViewBuilder::with_capacity(plan.num_groups());
    for rows in plan.groups() {
        let mut acc = Acc::Null;
        for row in rows {
            let valid = values.is_valid(row);
            let op = plan.op(row);
            acc = match op {
                Op::Set if !valid => Acc::Null,
                Op::Set => Acc::Row(row),
                Op::Agg | Op::AggReversed if valid => match decoded(acc)? {
                    None => Acc::Row(row),
                    Some(acc) => {
                        let input = union.decode(values.value(row))?;
                        let pair = match op {
                            Op::Agg => (acc, input),
                            _ => (input, acc),
                        };
                        Acc::Value(union.union(pair.0, pair.1)?)
                    }
                },
                _ => acc,
            };
        }
        match acc {
            Acc::Null => out.append_null(),
            Acc::Row(row) => out.append_value(values.value(row)),
            Acc::Value(value) => out.append_value(union.encode(value)?),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// 32-bit bitmaps in the portable format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rbm32;

impl BinaryUnion for Rbm32 {
    type Value = RoaringBitmap;

    fn decode(&self, bytes: &[u8]) -> Result<RoaringBitmap> {
        RoaringBitmap::deserialize_from(bytes).map_err(|e| {
            Error::damaged("value is no serialized 32-bit roaring bitmap").with_source(e)
        })
    }

    fn union(&self, acc: RoaringBitmap, input: RoaringBitmap) -> Result<RoaringBitmap> {
        Ok(acc | input)
    }

    fn encode(&self, mut value: RoaringBitmap) -> Result<Vec<u8>> {
        value.optimize();
        let mut bytes = Vec::with_capacity(value.serialized_size());
        value
            .serialize_into(&mut bytes)
            .map_err(|e| Error::internal("a bitmap cannot be serialized").with_source(e))?;
        Ok(bytes)
    }
}

impl FieldAggregator for Rbm32 {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        fold_union(self, column, plan)
    }
}

/// 64-bit bitmaps in the format of Java's `Roaring64Bitmap`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rbm64;

impl BinaryUnion for Rbm64 {
    type Value = RoaringTreemap;

    fn decode(&self, bytes: &[u8]) -> Result<RoaringTreemap> {
        roaring64::decode(bytes)
    }

    fn union(&self, acc: RoaringTreemap, input: RoaringTreemap) -> Result<RoaringTreemap> {
        Ok(acc | input)
    }

    fn encode(&self, value: RoaringTreemap) -> Result<Vec<u8>> {
        roaring64::encode(&value)
    }
}

impl FieldAggregator for Rbm64 {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        fold_union(self, column, plan)
    }
}
