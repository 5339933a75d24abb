//! `collect` (`FieldCollectAgg`): lists joined, optionally as sets.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_schema::DataType as ArrowType;
use arrow_select::take::take;

use super::super::ops::FoldPlan;
use super::super::options::FieldOptions;
use super::super::rows::Column;
use super::elements::{ElementFold, Elements, KeyIds, Lists, Positions, end_of, fold_lists};
use super::{FieldAggregator, unexpected_type};
use crate::Result;
use crate::spec::DataType;

/// Joins lists.
#[derive(Debug)]
pub(super) struct Collect {
    distinct: bool,
    /// Whether Java keeps the accumulator as it is and only adds new elements; else it makes one set of both.
    keeps_accumulator: bool,
}

impl Collect {
    pub(super) fn new(element: &DataType, options: &FieldOptions) -> Result<Self> {
        Ok(Self {
            distinct: options.boolean("distinct")?,
            keeps_accumulator: element.kind.is_nested() || element.kind.is_binary(),
        })
    }
}

impl FieldAggregator for Collect {
    fn retracts(&self) -> bool {
        true
    }

    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        let (Some(list), ArrowType::List(field)) =
            (column.as_list_opt::<i32>(), column.data_type())
        else {
            return Err(unexpected_type(column.data_type()));
        };
        let lists = Lists::new(list.value_offsets(), list.nulls(), list.values().len())?;
        let compares = self.distinct || plan.has_retract();
        let keys = compares
            .then(|| KeyIds::new(std::slice::from_ref(list.values())))
            .transpose()?;
        let mut fold = CollectFold {
            keeps_accumulator: self.keeps_accumulator,
            distinct: self.distinct,
            known: keys.map(|keys| (Positions::new(&keys), keys)),
        };
        let folded = fold_lists(&lists, plan, &mut fold)?;
        let values = take(list.values(), &folded.indices(), None)?;
        Ok(Arc::new(ListArray::try_new(
            field.clone(),
            folded.offsets,
            values,
            folded.nulls,
        )?))
    }
}

struct CollectFold {
    keeps_accumulator: bool,
    distinct: bool,
    /// Only when elements are compared.
    known: Option<(Positions, KeyIds)>,
}

impl ElementFold for CollectFold {
    fn agg(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        let Some((positions, keys)) = self.known.as_mut().filter(|_| self.distinct) else {
            if let Some(input) = input {
                acc.present = true;
                acc.ids.extend_from_slice(input);
            }
            return Ok(());
        };
        if !acc.present && input.is_none() {
            return Ok(());
        }
        acc.present = true;
        if acc.indexed == 0 || acc.indexed != positions.generation() {
            acc.indexed = positions.clear();
            let keep = self.keeps_accumulator;
            acc.ids.retain(|id| {
                let key = keys.of(*id);
                let known = positions.get(key).is_some();
                positions.set(key, 0);
                keep || !known
            });
        }
        for id in input.unwrap_or_default() {
            let key = keys.of(*id);
            if positions.get(key).is_none() {
                positions.set(key, 0);
                acc.ids.push(*id);
            }
        }
        Ok(())
    }

    fn agg_reversed(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        self.agg(acc, input)
    }

    fn retract(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        let (Some(input), Some((counts, keys))) = (input, self.known.as_mut()) else {
            return Ok(());
        };
        if input.is_empty() || !acc.present {
            return Ok(());
        }
        acc.indexed = 0;
        counts.clear();
        for id in input {
            let key = keys.of(*id);
            counts.set(key, counts.get(key).unwrap_or(0) + 1);
        }
        acc.ids.retain(|id| {
            let key = keys.of(*id);
            match counts.get(key) {
                None | Some(0) => true,
                Some(count) => {
                    counts.set(key, count - 1);
                    false
                }
            }
        });
        Ok(())
    }
}

/// Keys of elements and where the accumulator holds them: a map by key over element numbers.
pub(super) struct KeyedElements {
    pub keys: KeyIds,
    positions: Positions,
}

impl KeyedElements {
    pub(super) fn new(keys: KeyIds) -> Self {
        let positions = Positions::new(&keys);
        Self { keys, positions }
    }

    /// Whether the positions describe this accumulator.
    pub(super) fn describes(&self, acc: &Elements) -> bool {
        acc.indexed != 0 && acc.indexed == self.positions.generation()
    }

    /// Starts with an empty accumulator; returns what it held.
    pub(super) fn restart(&mut self, acc: &mut Elements) -> Vec<u32> {
        acc.indexed = self.positions.clear();
        std::mem::take(&mut acc.ids)
    }

    /// Position and element that has the same key.
    pub(super) fn find(&self, acc: &Elements, id: u32) -> Option<(usize, u32)> {
        let position = super::super::ops::row_of(self.positions.get(self.keys.of(id))?);
        Some((position, acc.ids[position]))
    }

    /// Appends an element with a new key.
    pub(super) fn push(&mut self, acc: &mut Elements, id: u32) {
        self.positions.set(self.keys.of(id), end_of(&acc.ids));
        acc.ids.push(id);
    }

    /// Removes the accumulated elements whose key is one of `input`'s.
    pub(super) fn remove(&mut self, acc: &mut Elements, input: impl Iterator<Item = u32>) {
        acc.indexed = 0;
        self.positions.clear();
        for id in input {
            self.positions.set(self.keys.of(id), 0);
        }
        let (keys, positions) = (&self.keys, &self.positions);
        acc.ids.retain(|id| positions.get(keys.of(*id)).is_none());
    }
}
