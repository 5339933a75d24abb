//! `nested_update` and `nested_partial_update` (`FieldNestedUpdateAgg`, `FieldNestedPartialUpdateAgg`): a list of rows as
//! a small table.
//!
//! With a key Java's result is a hash map: the order of rows is not defined. Here rows keep their place.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType as ArrowType, SortOptions};
use arrow_select::take::take;

use super::super::ops::{FoldPlan, NO_ROW, indices, row_id, row_of};
use super::super::rows::Column;
use super::collect::KeyedElements;
use super::elements::{ElementFold, Elements, FoldedLists, KeyIds, Lists, fold_lists};
use super::nested_options::{NestedOptions, NullKeys};
use super::{FieldAggregator, unexpected_type};
use crate::{Error, Result};

/// Appends rows, or with a key replaces them.
#[derive(Debug)]
pub(super) struct NestedUpdate {
    options: NestedOptions,
}

impl NestedUpdate {
    pub(super) fn new(options: NestedOptions) -> Result<Self> {
        Ok(Self { options })
    }
}

/// Overwrites the non-null fields of the row with the same key.
#[derive(Debug)]
pub(super) struct NestedPartialUpdate {
    options: NestedOptions,
}

impl NestedPartialUpdate {
    pub(super) fn new(options: NestedOptions, field: &str) -> Result<Self> {
        if options.key.is_empty() {
            let key = format!("fields.{field}.nested-key");
            return Err(
                Error::invalid(format!("nested_partial_update needs option '{key}'"))
                    .with("option", key),
            );
        }
        Ok(Self { options })
    }
}

/// The parts of a nested column.
struct Nested<'a> {
    list: &'a ListArray,
    rows: &'a StructArray,
}

impl<'a> Nested<'a> {
    fn new(column: &'a ArrayRef) -> Result<Self> {
        let list = column.as_list_opt::<i32>();
        let parts = list.and_then(|list| Some((list, list.values().as_struct_opt()?)));
        let (list, rows) = parts.ok_or_else(|| unexpected_type(column.data_type()))?;
        Ok(Self { list, rows })
    }

    fn lists(&self) -> Result<Lists<'a>> {
        Lists::new(
            self.list.value_offsets(),
            self.list.nulls(),
            self.rows.len(),
        )
    }

    fn columns(&self, positions: &[usize]) -> Result<Vec<ArrayRef>> {
        let column = |i: &usize| self.rows.columns().get(*i).cloned();
        let columns: Option<Vec<ArrayRef>> = positions.iter().map(column).collect();
        columns.ok_or_else(|| Error::internal("a nested row has fewer fields than its type"))
    }

    fn keyed(&self, options: &NestedOptions) -> Result<Keyed<'a>> {
        let columns = self.columns(&options.key)?;
        Ok(Keyed {
            rows: self.rows,
            elements: KeyedElements::new(KeyIds::new(&columns)?),
            columns,
            null_keys: options.null_keys,
        })
    }

    fn build(&self, folded: FoldedLists, values: ArrayRef) -> Result<ArrayRef> {
        let ArrowType::List(field) = self.list.data_type() else {
            return Err(Error::internal("a list array without list type"));
        };
        Ok(Arc::new(ListArray::try_new(
            field.clone(),
            folded.offsets,
            values,
            folded.nulls,
        )?))
    }
}

/// Rows found by key.
struct Keyed<'a> {
    rows: &'a StructArray,
    elements: KeyedElements,
    columns: Vec<ArrayRef>,
    null_keys: NullKeys,
}

impl Keyed<'_> {
    /// Whether an input row takes part: it is not null and its key is accepted.
    fn accepts(&self, id: u32) -> Result<bool> {
        let row = row_of(id);
        if self.rows.is_null(row) {
            return Ok(false);
        }
        if self.null_keys == NullKeys::Merge || self.columns.iter().all(|c| c.is_valid(row)) {
            return Ok(true);
        }
        if self.null_keys == NullKeys::Error {
            return Err(Error::invalid(
                "a nested key contains null values and 'nested-key-null-strategy' is error",
            ));
        }
        Ok(false)
    }
}

impl FieldAggregator for NestedUpdate {
    fn retracts(&self) -> bool {
        true
    }

    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        let nested = Nested::new(column)?;
        let lists = nested.lists()?;
        let limit = self.options.count_limit;
        let folded = if self.options.key.is_empty() {
            let compared = plan
                .has_retract()
                .then(|| KeyIds::new(std::slice::from_ref(nested.list.values())))
                .transpose()?;
            let mut fold = AppendFold {
                rows: nested.rows,
                elements: compared.map(KeyedElements::new),
                limit,
            };
            fold_lists(&lists, plan, &mut fold)?
        } else {
            let mut fold = UpdateFold {
                keyed: nested.keyed(&self.options)?,
                sequence: sequence(&nested.columns(&self.options.sequence)?)?,
                limit,
            };
            fold_lists(&lists, plan, &mut fold)?
        };
        let values = take(nested.list.values(), &folded.indices(), None)?;
        nested.build(folded, values)
    }
}

/// Comparable sequence fields, nulls smallest.
fn sequence(columns: &[ArrayRef]) -> Result<Option<Rows>> {
    if columns.is_empty() {
        return Ok(None);
    }
    let ascending = SortOptions::new(false, true);
    let fields = columns
        .iter()
        .map(|c| SortField::new_with_options(c.data_type().clone(), ascending))
        .collect();
    Ok(Some(RowConverter::new(fields)?.convert_columns(columns)?))
}

/// `nested_update` without key.
struct AppendFold<'a> {
    rows: &'a StructArray,
    /// Only with retracts: whole rows as keys.
    elements: Option<KeyedElements>,
    limit: usize,
}

impl ElementFold for AppendFold<'_> {
    fn agg(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        let Some(input) = input else { return Ok(()) };
        if acc.present && acc.ids.len() >= self.limit {
            return Ok(());
        }
        acc.present = true;
        let room = self.limit.saturating_sub(acc.ids.len());
        let rows = self.rows;
        acc.ids.retain(|id| rows.is_valid(row_of(*id)));
        let valid = input.iter().filter(|id| rows.is_valid(row_of(**id)));
        acc.ids.extend(valid.take(room));
        Ok(())
    }

    fn retract(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        let (true, Some(input), Some(elements)) = (acc.present, input, &mut self.elements) else {
            return Ok(());
        };
        let rows = self.rows;
        acc.ids.retain(|id| rows.is_valid(row_of(*id)));
        let valid = input.iter().filter(|id| rows.is_valid(row_of(**id)));
        elements.remove(acc, valid.copied());
        Ok(())
    }
}

/// `nested_update` with key.
struct UpdateFold<'a> {
    keyed: Keyed<'a>,
    sequence: Option<Rows>,
    limit: usize,
}

impl UpdateFold<'_> {
    fn put(&mut self, acc: &mut Elements, id: u32, limit: usize) -> Result<()> {
        if !self.keyed.accepts(id)? {
            return Ok(());
        }
        let elements = &mut self.keyed.elements;
        match elements.find(acc, id) {
            Some((position, old)) => {
                let older = |s: &Rows| s.row(row_of(id)) < s.row(row_of(old));
                if !self.sequence.as_ref().is_some_and(older) {
                    acc.ids[position] = id;
                }
            }
            None if acc.ids.len() < limit => elements.push(acc, id),
            None => {}
        }
        Ok(())
    }
}

impl ElementFold for UpdateFold<'_> {
    fn agg(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        let Some(input) = input else { return Ok(()) };
        acc.present = true;
        if !self.keyed.elements.describes(acc) {
            for id in self.keyed.elements.restart(acc) {
                self.put(acc, id, usize::MAX)?;
            }
        }
        for id in input {
            self.put(acc, *id, self.limit)?;
        }
        Ok(())
    }

    fn retract(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        let (true, Some(input)) = (acc.present, input) else {
            return Ok(());
        };
        // the last row of a key stays, whatever its sequence
        for id in self.keyed.elements.restart(acc) {
            if self.keyed.accepts(id)? {
                match self.keyed.elements.find(acc, id) {
                    Some((position, _)) => acc.ids[position] = id,
                    None => self.keyed.elements.push(acc, id),
                }
            }
        }
        let mut removed = Vec::with_capacity(input.len());
        for id in input {
            if self.keyed.accepts(*id)? {
                removed.push(*id);
            }
        }
        self.keyed.elements.remove(acc, removed.into_iter());
        Ok(())
    }
}

impl FieldAggregator for NestedPartialUpdate {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        let nested = Nested::new(column)?;
        let lists = nested.lists()?;
        let mut fold = PartialFold {
            keyed: nested.keyed(&self.options)?,
            merged: Vec::new(),
        };
        let folded = fold_lists(&lists, plan, &mut fold)?;
        let values = fold.rows(&folded.ids)?;
        nested.build(folded, values)
    }
}

/// `nested_partial_update`. Element numbers beyond the child column are merged rows.
struct PartialFold<'a> {
    keyed: Keyed<'a>,
    /// Per merged row and field the child row whose value it takes, [`NO_ROW`] for null.
    merged: Vec<u32>,
}

impl PartialFold<'_> {
    fn width(&self) -> usize {
        self.keyed.rows.num_columns()
    }

    /// Start of a merged row in `merged`; `None`: the element is an input row.
    fn merged_row(&self, id: u32) -> Option<usize> {
        Some(row_of(id).checked_sub(self.keyed.rows.len())? * self.width())
    }

    /// The child row that gives a field of an element.
    fn source(&self, id: u32, field: usize) -> u32 {
        match self.merged_row(id) {
            Some(start) => self.merged[start + field],
            None if self.keyed.rows.is_null(row_of(id)) => NO_ROW,
            None => id,
        }
    }

    /// Non-null source of a field.
    fn value(&self, id: u32, field: usize) -> u32 {
        let source = self.source(id, field);
        let null = source == NO_ROW || self.keyed.rows.column(field).is_null(row_of(source));
        if null { NO_ROW } else { source }
    }

    fn put(&mut self, acc: &mut Elements, id: u32) -> Result<()> {
        let merged = self.merged_row(id).is_some();
        if !merged && !self.keyed.accepts(id)? {
            return Ok(());
        }
        let target = match self.keyed.elements.find(acc, id) {
            Some((_, found)) => found,
            None => {
                let new = self.keyed.rows.len() + self.merged.len() / self.width().max(1);
                self.merged.resize(self.merged.len() + self.width(), NO_ROW);
                self.keyed.elements.keys.push_like(id);
                self.keyed.elements.push(acc, row_id(new));
                row_id(new)
            }
        };
        let Some(start) = self.merged_row(target) else {
            return Err(Error::internal("an unmerged row in a merged accumulator"));
        };
        for field in 0..self.width() {
            let value = self.value(id, field);
            if value != NO_ROW {
                self.merged[start + field] = value;
            }
        }
        Ok(())
    }

    /// The rows of the given elements.
    fn rows(&self, ids: &[u32]) -> Result<ArrayRef> {
        let rows = self.keyed.rows;
        let mut columns = Vec::with_capacity(self.width());
        for (field, column) in rows.columns().iter().enumerate() {
            let sources = ids.iter().map(|id| self.source(*id, field)).collect();
            columns.push(take(column, &indices(sources), None)?);
        }
        let is_row = |id: &u32| self.merged_row(*id).is_some() || rows.is_valid(row_of(*id));
        let valid: Vec<bool> = ids.iter().map(is_row).collect();
        let nulls = valid.contains(&false).then(|| valid.into());
        if columns.is_empty() {
            return Ok(Arc::new(StructArray::new_empty_fields(ids.len(), nulls)));
        }
        let fields = rows.fields().clone();
        Ok(Arc::new(StructArray::try_new(fields, columns, nulls)?))
    }
}

impl ElementFold for PartialFold<'_> {
    fn agg(&mut self, acc: &mut Elements, input: Option<&[u32]>) -> Result<()> {
        let Some(input) = input else { return Ok(()) };
        acc.present = true;
        if !self.keyed.elements.describes(acc) {
            for id in self.keyed.elements.restart(acc) {
                self.put(acc, id)?;
            }
        }
        for id in input {
            self.put(acc, *id)?;
        }
        Ok(())
    }

    fn retract(&mut self, _acc: &mut Elements, _input: Option<&[u32]>) -> Result<()> {
        // refused before the fold starts
        Ok(())
    }
}
