//! `merge_map` and `merge_map_with_keytime` (`FieldMergeMapAgg`, `FieldMergeMapWithKeyTimeAgg`).
//!
//! Java's result is a hash map: the order of entries is not defined. Here entries keep their place.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, MapArray, StringViewArray};
use arrow_schema::DataType as ArrowType;
use arrow_select::take::take;

use super::super::ops::{FoldPlan, row_of};
use super::super::options::FieldOptions;
use super::super::rows::Column;
use super::collect::KeyedElements;
use super::elements::{ElementFold, Elements, KeyIds, Lists, fold_lists};
use super::{FieldAggregator, unexpected_type};
use crate::spec::{DataType, TypeKind};
use crate::{Error, Result};

/// Union of maps, newer entries win; a retract removes keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct MergeMap;

/// Union of maps where the entry with the greatest time field wins.
#[derive(Debug)]
pub(super) struct MergeMapWithKeyTime {
    time_field: usize,
}

impl MergeMapWithKeyTime {
    pub(super) fn new(value: &DataType, options: &FieldOptions) -> Result<Self> {
        let TypeKind::Row(fields) = &value.kind else {
            return Err(Error::invalid(format!(
                "merge_map_with_keytime of field '{}' needs MAP values of type ROW, found {value}",
                options.field
            )));
        };
        if fields.len() < 2 {
            return Err(Error::invalid(format!(
                "merge_map_with_keytime of field '{}' needs a ROW of 2 fields or more, found {}",
                options.field,
                fields.len()
            )));
        }
        let key = options.key("ts-field");
        let time_field = match options.get("ts-field") {
            None => fields.len() - 1,
            Some(name) => fields.iter().position(|f| f.name == name).ok_or_else(|| {
                Error::invalid(format!("option '{key}': the ROW has no field '{name}'"))
                    .with("option", &key)
            })?,
        };
        let time = &fields[time_field];
        if !time.data_type.kind.is_string() {
            return Err(Error::unsupported(format!(
                "merge_map_with_keytime of field '{}' compares its time field '{}' as STRING, found {}",
                options.field, time.name, time.data_type
            ))
            .with("option", key));
        }
        Ok(Self { time_field })
    }
}

impl FieldAggregator for MergeMap {
    fn retracts(&self) -> bool {
        true
    }

    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        let map = as_map(column)?;
        let keys = KeyIds::new(std::slice::from_ref(map.keys()))?;
        let mut fold = MapFold(KeyedElements::new(keys));
        fold_map(map, plan, &mut fold)
    }
}

impl FieldAggregator for MergeMapWithKeyTime {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        let map = as_map(column)?;
        let values = map.values();
        let time = values
            .as_struct_opt()
            .and_then(|s| s.columns().get(self.time_field))
            .and_then(|c| c.as_string_view_opt());
        let Some(time) = time else {
            return Err(unexpected_type(column.data_type()));
        };
        let keys = KeyIds::new(std::slice::from_ref(map.keys()))?;
        let mut fold = KeyTimeFold {
            entries: KeyedElements::new(keys),
            values: values.as_ref(),
            time,
        };
        fold_map(map, plan, &mut fold)
    }
}

fn as_map(column: &ArrayRef) -> Result<&MapArray> {
    column
        .as_map_opt()
        .ok_or_else(|| unexpected_type(column.data_type()))
}

fn fold_map(map: &MapArray, plan: &FoldPlan, fold: &mut impl ElementFold) -> Result<ArrayRef> {
    let ArrowType::Map(field, ordered) = map.data_type() else {
        return Err(Error::internal("a map array without map type"));
    };
    let lists = Lists::new(map.value_offsets(), map.nulls(), map.entries().len())?;
    let folded = fold_lists(&lists, plan, fold)?;
    let entries = take(map.entries(), &folded.indices(), None)?;
    Ok(Arc::new(MapArray::try_new(
        field.clone(),
        folded.offsets,
        entries.as_struct().clone(),
        folded.nulls,
        *ordered,
    )?))
}

/// Makes the entries of a map findable; of two entries with one key the later stays.
fn index(entries: &mut KeyedElements, acc: &mut Elements) {
    if entries.describes(acc) {
        return;
    }
    for id in entries.restart(acc) {
        put(entries, acc, id);
    }
}

fn put(entries: &mut KeyedElements, acc: &mut Elements, id: u32) {
    match entries.find(acc, id) {
        Some((position, _)) => acc.ids[position] = id,
        None => entries.push(acc, id),
    }
}

struct MapFold(KeyedElements);

impl ElementFold for MapFold {
    fn agg(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        if !acc.present {
            acc.set(input);
            return Ok(());
        }
        let Some(input) = input else { return Ok(()) };
        index(&mut self.0, acc);
        for id in input {
            put(&mut self.0, acc, *id);
        }
        Ok(())
    }

    fn retract(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        if let (true, Some(input)) = (acc.present, input)
            && !input.is_empty()
        {
            self.0.remove(acc, input.iter().copied());
        }
        Ok(())
    }
}

struct KeyTimeFold<'a> {
    entries: KeyedElements,
    values: &'a dyn Array,
    time: &'a StringViewArray,
}

impl KeyTimeFold<'_> {
    /// Whether an entry has a value and a time.
    fn is_timed(&self, id: u32) -> bool {
        self.values.is_valid(row_of(id)) && self.time.is_valid(row_of(id))
    }

    fn newer(&self, id: u32, than: u32) -> bool {
        let (a, b) = (self.time.value(row_of(id)), self.time.value(row_of(than)));
        java_text_cmp(a, b) == Ordering::Greater
    }
}

impl ElementFold for KeyTimeFold<'_> {
    fn agg(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        if !acc.present {
            acc.set(input);
            return Ok(());
        }
        let Some(input) = input else { return Ok(()) };
        index(&mut self.entries, acc);
        for id in input {
            let found = self.entries.find(acc, *id);
            if self.values.is_null(row_of(*id)) {
                if found.is_some() {
                    self.entries.remove(acc, std::iter::once(*id));
                    index(&mut self.entries, acc);
                }
                continue;
            }
            if !self.is_timed(*id) {
                continue;
            }
            match found {
                None => self.entries.push(acc, *id),
                Some((position, old)) if !self.is_timed(old) || self.newer(*id, old) => {
                    acc.ids[position] = *id;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn retract(&mut self, _acc: &mut Elements, _input: Option<&[u32]>) -> Result<()> {
        // refused before the fold starts
        Ok(())
    }
}

/// `String.compareTo`: by UTF-16 units, which differs from code points beside the surrogates.
fn java_text_cmp(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}
