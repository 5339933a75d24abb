//! Rows of one bucket sorted by key, user sequence and arrival, and merged per key.
//!
//! Source: `SortBufferWriteBuffer`.

mod gather;
mod order;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, Int64Array, RecordBatch, UInt32Array};
use arrow_select::concat::concat;
use arrow_select::take::{take, take_record_batch};

use self::gather::{ROWS_PER_BATCH, gather, join, join_small};
use self::order::{sort_by_key, sort_groups};
use super::memory::batch_memory;
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::mergetree::KeyEncoder;
use crate::mergetree::function::{MergeFunction, MergeInput, MergeRows, Place};
use crate::spec::DataField;
use crate::write::file::rows::KeyValueBatch;

/// Rows of more bytes are not put into one array per column: offsets of nested columns might not reach that far.
const ARRANGED_BYTES_MAX: usize = 1 << 30;

/// What to sort by: positions among the table's columns.
#[derive(Debug, Clone)]
pub(in crate::write) struct SortSpec {
    /// The table's columns.
    pub fields: Vec<DataField>,
    /// Trimmed primary key.
    pub keys: Vec<usize>,
    /// `sequence.field`
    pub sequence: Vec<usize>,
    /// `sequence.field.sort-order` is descending.
    pub descending: bool,
}

impl SortSpec {
    /// What makes comparable keys of the key columns.
    ///
    /// # Errors
    /// `Unsupported` for keys that cannot be compared.
    pub fn key_encoder(&self) -> Result<KeyEncoder> {
        let types: Vec<_> = self
            .keys
            .iter()
            .map(|i| arrow_type(&self.fields[*i].data_type))
            .collect();
        let nullable = self.keys.iter().any(|i| self.fields[*i].data_type.nullable);
        KeyEncoder::new(&types, nullable)
    }
}

/// Rows in the order of arrival, with their kinds.
#[derive(Debug, Default)]
pub(in crate::write) struct BufferedRows {
    pub batches: Vec<RecordBatch>,
    pub kinds: Vec<Int8Array>,
    /// Batches at the end that are not joined yet, and their rows.
    small: (usize, usize),
}

impl BufferedRows {
    /// Appends rows. Small batches become large ones as they come: thousands of small arrays that live until the flush
    /// leave holes in the heap that nothing else fits into.
    ///
    /// # Errors
    /// `Internal` when the batches have different columns.
    pub fn push(&mut self, values: RecordBatch, kinds: Int8Array) -> Result<()> {
        self.small.0 += 1;
        self.small.1 += values.num_rows();
        self.batches.push(values);
        self.kinds.push(kinds);
        if self.small.1 >= ROWS_PER_BATCH {
            let small = self.batches.split_off(self.batches.len() - self.small.0);
            self.batches.push(join(small)?);
            self.small = (0, 0);
        }
        Ok(())
    }
}

/// Sorted rows of one flush.
pub(in crate::write) struct SortedRows {
    batches: Vec<RecordBatch>,
    /// Arrival position of the first row of each batch.
    starts: Vec<usize>,
    kinds: Vec<i8>,
    /// Arrival positions in sorted order.
    order: Vec<u32>,
    /// n + 1 positions in `order`: rows of key g are `groups[g]..groups[g + 1]`.
    groups: Vec<usize>,
    sequence: Sequence,
}

/// Sequence numbers by arrival position.
enum Sequence {
    /// Rows were numbered as they came.
    From(i64),
    Given(Vec<i64>),
}

impl SortedRows {
    /// Sorts rows; the first has the sequence number `first_sequence`.
    ///
    /// # Errors
    /// `InvalidInput` for a null in a NOT NULL key, `Unsupported` for keys that cannot be compared.
    pub fn new(rows: BufferedRows, spec: &SortSpec, first_sequence: i64) -> Result<Self> {
        let kinds = rows
            .kinds
            .iter()
            .flat_map(|k| k.values().to_vec())
            .collect();
        let batches = join_small(rows.batches)?;
        Self::sort(batches, kinds, Sequence::From(first_sequence), spec)
    }

    /// Merges rows of sorted runs, oldest run first. A run's rows of one key are in merge order.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_runs(runs: Vec<KeyValueBatch>, spec: &SortSpec) -> Result<Self> {
        let mut kinds = Vec::new();
        let mut sequence = Vec::new();
        for run in &runs {
            kinds.extend_from_slice(run.kinds.values());
            sequence.extend_from_slice(run.sequence.values());
        }
        let batches = runs.into_iter().map(|run| run.values).collect();
        Self::sort(batches, kinds, Sequence::Given(sequence), spec)
    }

    fn sort(
        batches: Vec<RecordBatch>,
        kinds: Vec<i8>,
        sequence: Sequence,
        spec: &SortSpec,
    ) -> Result<Self> {
        let mut starts = Vec::with_capacity(batches.len());
        let mut count = 0;
        for batch in &batches {
            starts.push(count);
            count += batch.num_rows();
        }
        if kinds.len() != count || u32::try_from(count).is_err() {
            return Err(Error::internal(format!(
                "{count} buffered rows have {} row kinds",
                kinds.len()
            )));
        }
        let (mut order, groups) = sort_by_key(&batches, spec)?;
        if !spec.sequence.is_empty() {
            sort_groups(&batches, &starts, spec, &mut order, &groups)?;
        }
        Ok(Self {
            batches,
            starts,
            kinds,
            order,
            groups,
            sequence,
        })
    }

    /// The same rows, all of them or the newest of each key, lying one after the other in sorted order, so that ranges
    /// of them are slices. Columns are rearranged one at a time: beside the rows there is one more column in memory.
    ///
    /// # Errors
    /// `Internal` when Arrow fails.
    pub fn arranged(self, newest_only: bool) -> Result<Self> {
        let Some(schema) = self.batches.first().map(RecordBatch::schema) else {
            return Ok(self);
        };
        if self.batches.iter().map(batch_memory).sum::<usize>() > ARRANGED_BYTES_MAX {
            return Ok(self);
        }
        let rows = match newest_only {
            true => self
                .groups
                .windows(2)
                .map(|w| self.order[w[1] - 1])
                .collect(),
            false => self.order.clone(),
        };
        let sequence = rows.iter().map(|r| self.sequence(index(*r))).collect();
        let kinds = rows.iter().map(|r| self.kinds[index(*r)]).collect();
        let order: Vec<u32> = (0..row_id(rows.len())).collect();
        let positions = (rows != order).then(|| UInt32Array::from(rows));
        let columns = columns_of(self.batches)
            .into_iter()
            .map(|parts| rearrange(parts, positions.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            batches: vec![RecordBatch::try_new(schema, columns)?],
            starts: vec![0],
            kinds,
            groups: match newest_only {
                true => (0..=order.len()).collect(),
                false => self.groups,
            },
            order,
            sequence: Sequence::Given(sequence),
        })
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.order.len()
    }

    /// Number of distinct keys.
    pub fn num_keys(&self) -> usize {
        self.groups.len() - 1
    }

    /// Sorted positions of the rows of these keys.
    pub fn rows_of(&self, keys: Range<usize>) -> Range<usize> {
        self.groups[keys.start]..self.groups[keys.end]
    }

    /// Keys from `first` on that have `rows` rows together, at least one.
    pub fn keys_with(&self, first: usize, rows: usize) -> Range<usize> {
        let end = self.groups[first].saturating_add(rows);
        let fitting = self.groups.partition_point(|start| *start <= end) - 1;
        first..fitting.clamp(first + 1, self.num_keys())
    }

    /// Unmerged rows at sorted positions.
    ///
    /// # Errors
    /// `Internal` when Arrow fails.
    pub fn raw(&self, positions: Range<usize>) -> Result<KeyValueBatch> {
        let rows: Vec<usize> = self.order[positions].iter().map(|r| index(*r)).collect();
        self.pick(&rows)
    }

    /// The newest row of each of these keys.
    ///
    /// # Errors
    /// `Internal` when Arrow fails.
    pub fn newest(&self, keys: Range<usize>) -> Result<KeyValueBatch> {
        let rows: Vec<usize> = keys
            .map(|g| index(self.order[self.groups[g + 1] - 1]))
            .collect();
        self.pick(&rows)
    }

    /// The rows of these keys, merged; a key with one row passes as it is.
    ///
    /// # Errors
    /// Those of the merge function.
    pub fn merged(
        &self,
        keys: Range<usize>,
        function: &dyn MergeFunction,
    ) -> Result<KeyValueBatch> {
        let sizes = |g: usize| self.groups[g + 1] - self.groups[g];
        let mut members: Vec<usize> = Vec::new();
        let mut offsets = vec![0];
        for g in keys.clone().filter(|g| sizes(*g) > 1) {
            let rows = &self.order[self.groups[g]..self.groups[g + 1]];
            members.extend(rows.iter().map(|r| index(*r)));
            offsets.push(members.len());
        }
        let Some(first) = self.batches.first().filter(|_| !members.is_empty()) else {
            return self.newest(keys);
        };
        let sources: Vec<&[ArrayRef]> = self.batches.iter().map(RecordBatch::columns).collect();
        let lie: Vec<Place> = members.iter().map(|row| self.place(*row)).collect();
        let output = function.merge(&MergeInput {
            rows: &MergeRows::scattered(first.schema(), &sources, &lie)?,
            kinds: &members
                .iter()
                .map(|row| self.kinds[*row])
                .collect::<Vec<_>>(),
            offsets: &offsets,
        })?;
        let merged = self.batches.len();
        let mut places = Vec::with_capacity(keys.len());
        let mut sequence = Vec::with_capacity(keys.len());
        let mut kinds = Vec::with_capacity(keys.len());
        let mut folded = 0;
        for g in keys {
            if sizes(g) == 1 {
                let row = index(self.order[self.groups[g]]);
                places.push(self.place(row));
                sequence.push(self.sequence(row));
                kinds.push(self.kinds[row]);
                continue;
            }
            if output.keep.as_ref().is_none_or(|k| k.value(folded)) {
                places.push((merged, folded));
                sequence.push(self.sequence(members[output.last_row[folded]]));
                kinds.push(output.kinds[folded]);
            }
            folded += 1;
        }
        let values = gather(self.batches.iter().chain([&output.rows]), &places)?;
        Ok(KeyValueBatch {
            values,
            sequence: Int64Array::from(sequence),
            kinds: Int8Array::from(kinds),
        })
    }

    /// Rows by arrival position.
    fn pick(&self, rows: &[usize]) -> Result<KeyValueBatch> {
        if let Some(rows) = self.slice(rows) {
            return Ok(rows);
        }
        let values = match self.batches.as_slice() {
            [one] => take_record_batch(
                one,
                &rows.iter().map(|r| row_id(*r)).collect::<UInt32Array>(),
            )?,
            several => {
                let places: Vec<_> = rows.iter().map(|r| self.place(*r)).collect();
                gather(several.iter(), &places)?
            }
        };
        Ok(KeyValueBatch {
            values,
            sequence: rows
                .iter()
                .map(|r| self.sequence(*r))
                .collect::<Vec<_>>()
                .into(),
            kinds: rows
                .iter()
                .map(|r| self.kinds[*r])
                .collect::<Vec<_>>()
                .into(),
        })
    }

    /// The same without copying, where the rows follow each other in one batch.
    fn slice(&self, rows: &[usize]) -> Option<KeyValueBatch> {
        let (first, last) = (*rows.first()?, *rows.last()?);
        let (batch, start) = self.place(first);
        let batch = self.batches.get(batch)?;
        let follow = rows.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        if !follow || start + rows.len() > batch.num_rows() {
            return None;
        }
        let sequence = (first..=last).map(|row| self.sequence(row));
        Some(KeyValueBatch {
            values: batch.slice(start, rows.len()),
            sequence: sequence.collect::<Vec<_>>().into(),
            kinds: self.kinds[first..=last].to_vec().into(),
        })
    }

    fn place(&self, row: usize) -> (usize, usize) {
        place(&self.starts, row)
    }

    fn sequence(&self, row: usize) -> i64 {
        match &self.sequence {
            Sequence::From(first) => {
                first.saturating_add_unsigned(u64::try_from(row).unwrap_or(u64::MAX))
            }
            Sequence::Given(numbers) => numbers[row],
        }
    }
}

/// The arrays of each column.
fn columns_of(batches: Vec<RecordBatch>) -> Vec<Vec<ArrayRef>> {
    let count = batches.first().map_or(0, RecordBatch::num_columns);
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::with_capacity(batches.len()); count];
    for batch in batches {
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            column.push(Arc::clone(array));
        }
    }
    columns
}

/// A column in one array, its values at these positions, or all in order.
fn rearrange(parts: Vec<ArrayRef>, positions: Option<&UInt32Array>) -> Result<ArrayRef> {
    let whole = match parts.as_slice() {
        [one] => Arc::clone(one),
        several => concat(&several.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
    };
    drop(parts);
    Ok(match positions {
        Some(positions) => take(&whole, positions, None)?,
        None => whole,
    })
}

fn index(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

fn row_id(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// Batch and row of an arrival position.
fn place(starts: &[usize], row: usize) -> (usize, usize) {
    let batch = starts.partition_point(|s| *s <= row).saturating_sub(1);
    (batch, row - starts.get(batch).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests;
