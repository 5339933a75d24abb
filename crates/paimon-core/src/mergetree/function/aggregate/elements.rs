//! Folding lists and maps by the positions of their elements.
//!
//! An accumulator is a list of element numbers in the flattened child column. Functions only move numbers; values are
//! taken once at the end. Elements are compared by dense key numbers: equal elements (or keys) share one.

use std::collections::HashMap;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_row::{RowConverter, SortField};

use super::super::ops::{FoldPlan, Op};
use crate::{Error, ErrorKind, Result};

/// An accumulator: null, or the numbers of its elements in order.
#[derive(Debug, Default)]
pub(super) struct Elements {
    pub present: bool,
    pub ids: Vec<u32>,
    /// Generation of [`Positions`] that describes `ids`, 0 if none does.
    pub indexed: u32,
}

impl Elements {
    /// Null or a copy of an input.
    pub(super) fn set(&mut self, input: Option<&[u32]>) {
        self.indexed = 0;
        self.ids.clear();
        self.present = input.is_some();
        self.ids.extend_from_slice(input.unwrap_or_default());
    }

    /// The elements, `None` for null.
    pub(super) fn get(&self) -> Option<&[u32]> {
        self.present.then_some(self.ids.as_slice())
    }
}

/// A fold over lists of elements.
pub(super) trait ElementFold {
    /// acc = agg(acc, input).
    fn agg(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()>;

    /// acc = retract(acc, input).
    fn retract(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()>;

    /// acc = agg(input, acc).
    fn agg_reversed(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        let newer = std::mem::take(acc);
        acc.set(input);
        self.agg(acc, newer.get())
    }
}

/// Where the elements of each row lie in the child column.
pub(super) struct Lists<'a> {
    offsets: &'a [i32],
    nulls: Option<&'a NullBuffer>,
    identity: Vec<u32>,
}

impl<'a> Lists<'a> {
    pub(super) fn new(
        offsets: &'a [i32],
        nulls: Option<&'a NullBuffer>,
        elements: usize,
    ) -> Result<Self> {
        let elements = u32::try_from(elements).map_err(|_| too_many())?;
        Ok(Self {
            offsets,
            nulls,
            identity: (0..elements).collect(),
        })
    }

    fn get(&self, row: usize) -> Option<&[u32]> {
        if self.nulls.is_some_and(|n| n.is_null(row)) {
            return None;
        }
        let start = usize::try_from(self.offsets[row]).ok()?;
        let end = usize::try_from(self.offsets[row + 1]).ok()?;
        self.identity.get(start..end)
    }
}

/// Folded lists: element numbers, and how they are cut into groups.
pub(super) struct FoldedLists {
    pub ids: Vec<u32>,
    pub offsets: OffsetBuffer<i32>,
    pub nulls: Option<NullBuffer>,
}

impl FoldedLists {
    /// Numbers as indices for `take`.
    pub(super) fn indices(&self) -> UInt32Array {
        UInt32Array::new(ScalarBuffer::from(self.ids.clone()), None)
    }
}

/// Folds all groups.
pub(super) fn fold_lists(
    lists: &Lists,
    plan: &FoldPlan,
    fold: &mut impl ElementFold,
) -> Result<FoldedLists> {
    let mut ids: Vec<u32> = Vec::new();
    let mut ends: Vec<i32> = vec![0];
    let mut valid = Vec::with_capacity(plan.num_groups());
    let mut acc = Elements::default();
    for rows in plan.groups() {
        acc.set(None);
        for row in rows {
            let input = lists.get(row);
            match plan.op(row) {
                Op::Skip => {}
                Op::Agg => fold.agg(&mut acc, input)?,
                Op::AggReversed => fold.agg_reversed(&mut acc, input)?,
                Op::Retract | Op::RetractOld => fold.retract(&mut acc, input)?,
                Op::Set => acc.set(input),
                Op::SetRetract => {
                    acc.set(input);
                    fold.retract(&mut acc, input)?;
                }
            }
        }
        valid.push(acc.present);
        ids.extend_from_slice(acc.get().unwrap_or_default());
        ends.push(i32::try_from(ids.len()).map_err(|_| too_many())?);
    }
    Ok(FoldedLists {
        ids,
        offsets: OffsetBuffer::new(ScalarBuffer::from(ends)),
        nulls: valid.contains(&false).then(|| NullBuffer::from(valid)),
    })
}

fn too_many() -> Error {
    Error::new(
        ErrorKind::ResourceExhausted,
        "the lists of one batch have too many elements to merge",
    )
}

/// Dense numbers of equal values.
#[derive(Debug)]
pub(super) struct KeyIds {
    ids: Vec<u32>,
    distinct: usize,
}

impl KeyIds {
    /// Numbers the rows of `columns`; rows are equal when all columns are, nulls and NaNs included.
    pub(super) fn new(columns: &[ArrayRef]) -> Result<Self> {
        let fields = columns
            .iter()
            .map(|c| SortField::new(c.data_type().clone()))
            .collect();
        let rows = RowConverter::new(fields)?.convert_columns(columns)?;
        let mut known: HashMap<&[u8], u32> = HashMap::new();
        let mut ids = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let next = u32::try_from(known.len()).map_err(|_| too_many())?;
            ids.push(*known.entry(rows.row(row).data()).or_insert(next));
        }
        let distinct = known.len();
        Ok(Self { ids, distinct })
    }

    /// Number of the key of an element.
    #[inline]
    pub(super) fn of(&self, element: u32) -> u32 {
        self.ids[super::super::ops::row_of(element)]
    }

    /// Gives a further element the key of an existing one.
    pub(super) fn push_like(&mut self, element: u32) {
        let key = self.of(element);
        self.ids.push(key);
    }
}

/// A map from key number to a number, emptied in O(1).
#[derive(Debug)]
pub(super) struct Positions {
    stamps: Vec<u32>,
    values: Vec<u32>,
    generation: u32,
}

impl Positions {
    pub(super) fn new(keys: &KeyIds) -> Self {
        Self {
            stamps: vec![0; keys.distinct],
            values: vec![0; keys.distinct],
            generation: 0,
        }
    }

    /// Forgets everything; returns the new generation.
    pub(super) fn clear(&mut self) -> u32 {
        if self.generation == u32::MAX {
            self.stamps.fill(0);
            self.generation = 0;
        }
        self.generation += 1;
        self.generation
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    #[inline]
    pub(super) fn get(&self, key: u32) -> Option<u32> {
        let slot = super::super::ops::row_of(key);
        (self.stamps[slot] == self.generation).then(|| self.values[slot])
    }

    #[inline]
    pub(super) fn set(&mut self, key: u32, value: u32) {
        let slot = super::super::ops::row_of(key);
        self.stamps[slot] = self.generation;
        self.values[slot] = value;
    }
}

/// Position of the last pushed element.
#[inline]
pub(super) fn end_of(ids: &[u32]) -> u32 {
    super::super::ops::row_id(ids.len())
}
