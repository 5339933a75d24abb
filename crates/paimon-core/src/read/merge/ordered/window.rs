//! One window of an ordered merge: the order of its rows, what becomes of shared keys, and the batches it gives.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int8Array, Int64Array, RecordBatch};
use arrow_select::filter::{filter, filter_record_batch};
use arrow_select::interleave::interleave;

use super::changes::{Change, ChangelogMoment, told};
use super::run::{Run, RunBlock};
use super::{Merged, Merger, OrderedBatch, Role};
use crate::error::{Error, Result};
use crate::mergetree::KeyBlock;
use crate::mergetree::function::{MergeFunction, MergeInput, MergeRows, Place};
use crate::read::merge::section::Resolution;
use crate::spec::is_retract;

/// A stretch of consecutive rows of one block passes as a slice when it has so many rows.
const SLICE_ROWS: usize = 1024;

/// The rows of a window; places are (active run, row of its block).
pub(super) enum Window {
    /// Rows of one run alone.
    Alone(usize, Range<usize>),
    /// Rows in key order, oldest run first within a key; `groups` are the positions where a key begins, and the end.
    Shared {
        rows: Vec<Place>,
        groups: Vec<usize>,
    },
}

/// Rows that a result is gathered from.
pub(super) struct Source {
    pub(super) values: Vec<ArrayRef>,
    pub(super) sequence: Int64Array,
    pub(super) kinds: Int8Array,
}

impl Source {
    fn of(block: &RunBlock) -> Self {
        Self {
            values: block.values.clone(),
            sequence: block.sequence.clone(),
            kinds: block.kinds.clone(),
        }
    }
}

impl Merger {
    /// Takes the next window: everything up to the smallest last key of the current blocks.
    pub(super) fn window(&mut self, active: &[usize]) -> Result<()> {
        let blocks: Vec<&RunBlock> = active
            .iter()
            .filter_map(|r| self.runs[*r].current.as_ref())
            .collect();
        let offsets: Vec<usize> = active.iter().map(|r| self.runs[*r].offset).collect();
        let (ends, window) = cut(&blocks, &offsets);
        let mut sources: Vec<Source> = blocks.into_iter().map(Source::of).collect();
        match window {
            Window::Alone(slot, range) => self.alone(active[slot], (slot, range), &mut sources)?,
            Window::Shared { rows, groups } => {
                self.shared(active, &mut sources, &rows, &groups)?;
            }
        }
        for (r, end) in active.iter().zip(ends) {
            self.runs[*r].offset = end;
        }
        Ok(())
    }

    /// Rows of one run, whose keys no other run has.
    fn alone(
        &mut self,
        run: usize,
        (slot, range): (usize, Range<usize>),
        sources: &mut Vec<Source>,
    ) -> Result<()> {
        let (role, level) = (self.runs[run].role, self.runs[run].level);
        if role == Role::Below {
            return Ok(());
        }
        let is_new = match self.changelog.as_ref().map(|c| c.moment) {
            None => false,
            Some(ChangelogMoment::Lookup) => level == 0,
            Some(ChangelogMoment::FullCompaction { top_level }) => level != top_level,
        };
        if is_new || self.folds_single() {
            let active: Vec<usize> = (0..=slot).map(|_| run).collect();
            let rows: Vec<Place> = range.clone().map(|row| (slot, row)).collect();
            let groups: Vec<usize> = (0..=rows.len()).collect();
            return self.shared(&active, sources, &rows, &groups);
        }
        self.pass(&sources[slot], range)
    }

    /// Whether a record alone in its key just moves to the result.
    fn is_plain(&self, run: &Run) -> bool {
        run.role == Role::Merged && self.changelog.is_none() && !self.folds_single()
    }

    /// Whether a record alone goes through the merge function, too.
    fn folds_single(&self) -> bool {
        self.folds_single && self.rules.resolution == Resolution::Fold
    }

    /// Rows of keys that several runs may have: the result, and what it changes.
    fn shared(
        &mut self,
        active: &[usize],
        sources: &mut Vec<Source>,
        rows: &[Place],
        groups: &[usize],
    ) -> Result<()> {
        let (places, changes) = self.resolve(active, sources, rows, groups)?;
        self.emit(sources, &places)?;
        if let Some(rules) = self.changelog.as_ref().filter(|_| !changes.is_empty()) {
            let keep_kind = self.rules.resolution == Resolution::First;
            let (values, sequence, kinds) = told(rules, keep_kind, sources, &changes)?;
            if !sequence.is_empty() {
                self.ready.push_back(Merged::Changelog(OrderedBatch {
                    values: self.batch(values)?,
                    sequence,
                    kinds,
                }));
            }
        }
        Ok(())
    }

    /// The rows that the window gives, and the changes to tell. Folded rows become one more source.
    fn resolve(
        &self,
        active: &[usize],
        sources: &mut Vec<Source>,
        rows: &[Place],
        groups: &[usize],
    ) -> Result<(Vec<Place>, Vec<Change>)> {
        let folded_source = sources.len();
        let mut places = Vec::with_capacity(groups.len());
        let mut changes = Vec::new();
        let mut fold = Fold::default();
        let mut members = Vec::new();
        for bounds in groups.windows(2) {
            if let [only] = rows[bounds[0]..bounds[1]]
                && self.is_plain(&self.runs[active[only.0]])
            {
                places.push(only);
                continue;
            }
            members.clear();
            members.extend_from_slice(&rows[bounds[0]..bounds[1]]);
            let Some(key) = self.key(active, &mut members) else {
                continue;
            };
            let after = match self.rules.resolution {
                Resolution::Latest => members.last().copied(),
                Resolution::First => members.first().copied().filter(|_| !key.known_below),
                Resolution::Fold if members.len() == 1 && !self.folds_single => {
                    members.first().copied()
                }
                Resolution::Fold => Some((folded_source, fold.push(&members))),
            };
            places.extend(after);
            if key.told {
                let before = key.before;
                changes.push(Change { before, after });
            }
        }
        if let Some(function) = &self.function
            && fold.groups() > 0
        {
            let (source, keep) = fold.run(self, sources, function.as_ref())?;
            sources.push(source);
            if let Some(keep) = keep {
                let exists = |(s, g): &Place| *s != folded_source || keep.value(*g);
                places.retain(exists);
                for change in &mut changes {
                    change.after = change.after.filter(exists);
                }
            }
        }
        Ok((places, changes))
    }

    /// Brings the records of a key into the order in which they are merged; `None` when none of them moves.
    fn key(&self, active: &[usize], members: &mut Vec<Place>) -> Option<Key> {
        let run = |m: &Place| &self.runs[active[m.0]];
        if members.iter().all(|m| run(m).role == Role::Below) {
            return None;
        }
        let is_new = members.iter().any(|m| run(m).level == 0);
        if !is_new {
            members.retain(|m| run(m).role == Role::Merged);
        }
        let deeper = members.iter().filter(|m| run(m).level > 0);
        let newest = deeper.min_by_key(|m| run(m).level).copied();
        let (told, before) = match self.changelog.as_ref().map(|c| c.moment) {
            None => (false, None),
            Some(ChangelogMoment::Lookup) => (is_new, newest),
            Some(ChangelogMoment::FullCompaction { top_level }) => {
                let top = members.iter().find(|m| run(m).level == top_level);
                (members.len() > 1 || top.is_none(), top.copied())
            }
        };
        let first = self.rules.resolution == Resolution::First;
        let known_below = first && newest.is_some_and(|m| run(&m).role == Role::Below);
        self.order(active, members);
        Some(Key {
            // a row that was there before is no news
            told: told && !(first && newest.is_some()),
            before,
            known_below,
        })
    }

    /// Applies the lookup rule, and the order of records where that of their runs does not say it.
    fn order(&self, active: &[usize], members: &mut Vec<Place>) {
        if self.rules.lookup {
            let level = |m: &Place| self.runs[active[m.0]].level;
            let newest = members.iter().map(level).filter(|l| *l > 0).min();
            members.retain(|m| level(m) == 0 || Some(level(m)) == newest);
        }
        if !self.ordered || members.len() < 2 {
            return;
        }
        let age = |m: &Place| {
            let block = self.runs[active[m.0]].current.as_ref()?;
            Some(block.order.as_ref()?.row(m.1))
        };
        members.sort_by(|a, b| match (age(a), age(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        });
    }

    /// Gives the picked rows: long stretches of one block as slices, the others gathered.
    fn emit(&mut self, sources: &[Source], places: &[Place]) -> Result<()> {
        let kept: Vec<Place> = match self.keep_deletes {
            true => places.to_vec(),
            false => {
                let add = |p: &&Place| !is_retract(sources[p.0].kinds.value(p.1));
                places.iter().filter(add).copied().collect()
            }
        };
        let mut gathered = 0;
        let mut start = 0;
        while start < kept.len() {
            let (source, first) = kept[start];
            let follows = |(i, p): &(usize, &Place)| **p == (source, first + i);
            let rows = kept[start..].iter().enumerate().take_while(follows).count();
            if rows >= SLICE_ROWS {
                self.gather(sources, &kept[gathered..start])?;
                self.pass(&sources[source], first..first + rows)?;
                gathered = start + rows;
            }
            start += rows;
        }
        self.gather(sources, &kept[gathered..])
    }

    fn gather(&mut self, sources: &[Source], places: &[Place]) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let (values, sequence, kinds) = gathered(sources, places)?;
        self.give(values, sequence, kinds)
    }

    /// Gives a range of rows as slices, without the deletes that do not stay.
    fn pass(&mut self, source: &Source, range: Range<usize>) -> Result<()> {
        let slice = |a: &ArrayRef| a.slice(range.start, range.len());
        let values: Vec<ArrayRef> = source.values.iter().map(slice).collect();
        let sequence = source.sequence.slice(range.start, range.len());
        let kinds = source.kinds.slice(range.start, range.len());
        if self.keep_deletes || !kinds.values().iter().any(|k| is_retract(*k)) {
            return self.give(values, sequence, kinds);
        }
        let adds: BooleanArray = kinds
            .values()
            .iter()
            .map(|k| Some(!is_retract(*k)))
            .collect();
        let batch = filter_record_batch(&self.batch(values)?, &adds)?;
        let sequence = filter(&sequence, &adds)?
            .as_primitive::<Int64Type>()
            .clone();
        let kinds = filter(&kinds, &adds)?.as_primitive::<Int8Type>().clone();
        self.give(batch.columns().to_vec(), sequence, kinds)
    }

    fn give(
        &mut self,
        values: Vec<ArrayRef>,
        sequence: Int64Array,
        kinds: Int8Array,
    ) -> Result<()> {
        if !sequence.is_empty() {
            self.ready.push_back(Merged::Rows(OrderedBatch {
                values: self.batch(values)?,
                sequence,
                kinds,
            }));
        }
        Ok(())
    }

    fn batch(&self, values: Vec<ArrayRef>) -> Result<RecordBatch> {
        RecordBatch::try_new(self.schema.clone(), values).map_err(|e| {
            Error::damaged("rows of a data file do not fit the table's columns").with_source(e)
        })
    }
}

/// What is known of a key whose records are merged.
struct Key {
    /// Whether its change is told.
    told: bool,
    /// The record that readers saw before.
    before: Option<Place>,
    /// A row that stays below hides the new one (first-row).
    known_below: bool,
}

/// Where the window ends in each block, and its rows.
pub(super) fn cut(blocks: &[&RunBlock], offsets: &[usize]) -> (Vec<usize>, Window) {
    let mut numbers: Vec<&[u64]> = Vec::new();
    let mut wide: Vec<&[u128]> = Vec::new();
    let mut bytes: Vec<Vec<&[u8]>> = Vec::new();
    for (block, from) in blocks.iter().zip(offsets) {
        match &block.keys {
            KeyBlock::U64(keys) => numbers.push(&keys[*from..]),
            KeyBlock::U128(keys) => wide.push(&keys[*from..]),
            KeyBlock::Rows(rows) => bytes.push(
                (*from..rows.num_rows())
                    .map(|i| rows.row(i).data())
                    .collect(),
            ),
        }
    }
    if !numbers.is_empty() {
        cut_keys(&numbers, offsets)
    } else if !wide.is_empty() {
        cut_keys(&wide, offsets)
    } else {
        let keys: Vec<&[&[u8]]> = bytes.iter().map(Vec::as_slice).collect();
        cut_keys(&keys, offsets)
    }
}

/// [`cut`] of keys that no window has taken; the first of each block lies at its offset.
fn cut_keys<K: Copy + Ord>(keys: &[&[K]], offsets: &[usize]) -> (Vec<usize>, Window) {
    let bound = keys.iter().filter_map(|k| k.last()).min();
    let ends: Vec<usize> = keys
        .iter()
        .zip(offsets)
        .map(|(keys, from)| match bound {
            Some(bound) => from + keys.partition_point(|k| k <= bound),
            None => from + keys.len(),
        })
        .collect();
    let ranges = offsets.iter().zip(&ends).enumerate();
    let filled: Vec<(usize, Range<usize>)> = ranges
        .filter(|(_, (from, end))| from < end)
        .map(|(slot, (from, end))| (slot, *from..*end))
        .collect();
    if let [(slot, range)] = filled.as_slice() {
        return (ends, Window::Alone(*slot, range.clone()));
    }
    let mut rows: Vec<(K, Place)> = Vec::new();
    for (slot, range) in filled {
        let first = range.start;
        rows.extend(range.map(|i| (keys[slot][i - first], (slot, i))));
    }
    // stable: the oldest run stays first within a key; the sort finds the sorted runs and merges them
    rows.sort_by_key(|row| row.0);
    let mut groups: Vec<usize> = (0..rows.len())
        .filter(|i| *i == 0 || rows[i - 1].0 != rows[*i].0)
        .collect();
    groups.push(rows.len());
    let rows = rows.into_iter().map(|(_, place)| place).collect();
    (ends, Window::Shared { rows, groups })
}

/// The groups of a window that a merge function folds.
#[derive(Default)]
struct Fold {
    members: Vec<Place>,
    offsets: Vec<usize>,
}

impl Fold {
    fn groups(&self) -> usize {
        self.offsets.len()
    }

    /// Adds a group and returns its number.
    fn push(&mut self, members: &[Place]) -> usize {
        self.offsets.push(self.members.len());
        self.members.extend_from_slice(members);
        self.offsets.len() - 1
    }

    /// One row per group, and which groups have a result (`None`: all).
    fn run(
        mut self,
        merger: &Merger,
        sources: &[Source],
        function: &dyn MergeFunction,
    ) -> Result<(Source, Option<arrow_buffer::BooleanBuffer>)> {
        self.offsets.push(self.members.len());
        let values: Vec<&[ArrayRef]> = sources.iter().map(|s| s.values.as_slice()).collect();
        let kind = |(s, row): &Place| sources[*s].kinds.value(*row);
        let output = function.merge(&MergeInput {
            rows: &MergeRows::scattered(merger.schema.clone(), &values, &self.members)?,
            kinds: &self.members.iter().map(kind).collect::<Vec<_>>(),
            offsets: &self.offsets,
        })?;
        let last = output.last_row.iter().map(|last| {
            let (source, row) = self.members[*last];
            sources[source].sequence.value(row)
        });
        let source = Source {
            values: output.rows.columns().to_vec(),
            sequence: last.collect::<Vec<_>>().into(),
            kinds: output.kinds.into(),
        };
        Ok((source, output.keep))
    }
}

/// The rows of places, column by column.
pub(super) fn gathered(
    sources: &[Source],
    places: &[Place],
) -> Result<(Vec<ArrayRef>, Int64Array, Int8Array)> {
    let columns = sources.first().map_or(0, |s| s.values.len());
    let values = (0..columns)
        .map(|c| {
            let arrays: Vec<&dyn Array> = sources.iter().map(|s| s.values[c].as_ref()).collect();
            interleave(&arrays, places)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let sequence = places
        .iter()
        .map(|(s, row)| sources[*s].sequence.value(*row));
    let kinds = places.iter().map(|(s, row)| sources[*s].kinds.value(*row));
    Ok((
        values,
        sequence.collect::<Vec<_>>().into(),
        kinds.collect::<Vec<_>>().into(),
    ))
}
