//! `hll_sketch` and `theta_sketch` (`FieldHllSketchAgg`, `FieldThetaSketchAgg`): union of Apache DataSketches.

use arrow_array::ArrayRef;
use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::theta::{CompactThetaSketch, ThetaUnionBuilder};

use super::super::ops::FoldPlan;
use super::super::rows::Column;
use super::FieldAggregator;
use super::bitmap::{BinaryUnion, fold_union};
use crate::{Error, Result};

mod updatable;

fn failed(error: datasketches::error::Error) -> Error {
    Error::damaged("value is no serialized sketch of the expected kind").with_source(error)
}

/// HyperLogLog sketches; the result is a compact HLL_4.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hll;

impl BinaryUnion for Hll {
    type Value = HllSketch;

    fn decode(&self, bytes: &[u8]) -> Result<HllSketch> {
        HllSketch::deserialize(bytes).map_err(failed)
    }

    /// Java makes the union from the second sketch: its size is the largest of the result.
    fn union(&self, acc: HllSketch, input: HllSketch) -> Result<HllSketch> {
        let mut union = HllUnion::new(input.lg_config_k()).map_err(failed)?;
        union.update(&input);
        union.update(&acc);
        Ok(union.to_sketch(HllType::Hll4))
    }

    fn encode(&self, value: HllSketch) -> Result<Vec<u8>> {
        Ok(value.serialize())
    }
}

impl FieldAggregator for Hll {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        fold_union(self, column, plan)
    }
}

/// Theta sketches; the result is compact and ordered, of 4096 nominal entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theta;

impl BinaryUnion for Theta {
    type Value = CompactThetaSketch;

    fn decode(&self, bytes: &[u8]) -> Result<CompactThetaSketch> {
        let compact = updatable::compacted(bytes);
        let bytes = compact.as_deref().unwrap_or(bytes);
        CompactThetaSketch::deserialize(bytes).map_err(failed)
    }

    fn union(
        &self,
        acc: CompactThetaSketch,
        input: CompactThetaSketch,
    ) -> Result<CompactThetaSketch> {
        let mut union = ThetaUnionBuilder::default().build().map_err(failed)?;
        union.update(&acc).map_err(failed)?;
        union.update(&input).map_err(failed)?;
        Ok(union.to_sketch(true))
    }

    fn encode(&self, value: CompactThetaSketch) -> Result<Vec<u8>> {
        let mut bytes = value.serialize();
        // sampling probability, which Java sets to 1 where the preamble has room for it
        if let [preamble_longs, _, _, _, _, _, _, _, _, _, _, _, p @ ..] = bytes.as_mut_slice()
            && *preamble_longs & 0x3f > 1
            && let Some(p) = p.first_chunk_mut::<4>()
        {
            *p = 1f32.to_le_bytes();
        }
        Ok(bytes)
    }
}

impl FieldAggregator for Theta {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        fold_union(self, column, plan)
    }
}
