//! Rows of one bucket sorted by key, user sequence and arrival, and merged per key.
//!
//! Source: `SortBufferWriteBuffer`. A single fixed-width key sorts as integers, other keys by the first bytes that tell
//! them apart and then by all of them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int8Array, Int64Array, RecordBatch, UInt32Array};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::SortOptions;
use arrow_select::concat::{concat, concat_batches};
use arrow_select::interleave::interleave;
use arrow_select::take::{take, take_record_batch};

use super::memory::{batch_memory, gather_views};
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::mergetree::function::{MergeFunction, MergeInput, MergeRows, Place};
use crate::mergetree::{KeyBlock, KeyEncoder};
use crate::spec::DataField;
use crate::write::file::rows::KeyValueBatch;

/// Small batches are joined until they have this many rows.
const ROWS_PER_BATCH: usize = 32 << 10;

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

fn gather<'a>(
    batches: impl Iterator<Item = &'a RecordBatch>,
    places: &[(usize, usize)],
) -> Result<RecordBatch> {
    let batches: Vec<&RecordBatch> = batches.collect();
    let first = batches
        .first()
        .ok_or_else(|| Error::internal("no rows to gather"))?;
    let columns = (0..first.num_columns())
        .map(|c| {
            let arrays: Vec<&dyn Array> = batches.iter().map(|b| b.column(c).as_ref()).collect();
            interleave(&arrays, places)
        })
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    Ok(RecordBatch::try_new(first.schema(), columns)?)
}

fn join_small(batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let mut out: Vec<RecordBatch> = Vec::new();
    let mut open: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    for batch in batches.into_iter().filter(|b| b.num_rows() > 0) {
        rows += batch.num_rows();
        open.push(batch);
        if rows >= ROWS_PER_BATCH {
            out.push(join(std::mem::take(&mut open))?);
            rows = 0;
        }
    }
    if !open.is_empty() {
        out.push(join(open)?);
    }
    Ok(out)
}

fn join(mut batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    match batches.as_slice() {
        [_] => Ok(batches.swap_remove(0)),
        [first, ..] => gather_views(&concat_batches(&first.schema(), &batches)?),
        [] => Err(Error::internal("no batches to join")),
    }
}

/// Arrival positions sorted by key and arrival, and where the keys change.
fn sort_by_key(batches: &[RecordBatch], spec: &SortSpec) -> Result<(Vec<u32>, Vec<usize>)> {
    if batches.is_empty() {
        return Ok((Vec::new(), vec![0]));
    }
    let columns = spec
        .keys
        .iter()
        .map(|i| {
            let parts: Vec<&dyn Array> = batches.iter().map(|b| b.column(*i).as_ref()).collect();
            concat(&parts)
        })
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    Ok(match spec.key_encoder()?.encode(&columns)? {
        KeyBlock::U64(keys) => sort_numbers(keys),
        KeyBlock::U128(keys) => sort_numbers(keys),
        KeyBlock::Rows(rows) => sort_bytes(&rows),
    })
}

fn sort_numbers<K: Ord + Copy>(keys: Vec<K>) -> (Vec<u32>, Vec<usize>) {
    let mut pairs: Vec<(K, u32)> = keys
        .into_iter()
        .enumerate()
        .map(|(row, key)| (key, row_id(row)))
        .collect();
    // finds runs that are sorted already
    pairs.sort();
    let groups = boundaries(pairs.len(), |i| pairs[i - 1].0 != pairs[i].0);
    (pairs.into_iter().map(|(_, row)| row).collect(), groups)
}

fn sort_bytes(rows: &Rows) -> (Vec<u32>, Vec<usize>) {
    let key = |row: u32| rows.row(index(row)).data();
    let count = rows.num_rows();
    let shared = shared_prefix(rows);
    let head = |bytes: &[u8]| {
        let mut first = [0; 8];
        let rest = &bytes[shared.min(bytes.len())..];
        let len = rest.len().min(8);
        first[..len].copy_from_slice(&rest[..len]);
        u64::from_be_bytes(first)
    };
    let mut pairs: Vec<(u64, u32)> = (0..count)
        .map(|row| (head(rows.row(row).data()), row_id(row)))
        .collect();
    pairs.sort_by(|a, b| {
        (a.0.cmp(&b.0))
            .then_with(|| key(a.1).cmp(key(b.1)))
            .then_with(|| a.1.cmp(&b.1))
    });
    let groups = boundaries(count, |i| {
        pairs[i - 1].0 != pairs[i].0 || key(pairs[i - 1].1) != key(pairs[i].1)
    });
    (pairs.into_iter().map(|(_, row)| row).collect(), groups)
}

/// Bytes that all keys begin with.
fn shared_prefix(rows: &Rows) -> usize {
    if rows.num_rows() == 0 {
        return 0;
    }
    let first = rows.row(0);
    let first = first.data();
    (1..rows.num_rows()).fold(first.len(), |shared, row| {
        let bytes = rows.row(row);
        let same = first[..shared].iter().zip(bytes.data());
        same.take_while(|(a, b)| a == b).count()
    })
}

/// 0, every position where `starts` says that a new key begins, and the end.
fn boundaries(count: usize, starts: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut groups = vec![0];
    if count > 0 {
        groups.extend((1..count).filter(|i| starts(*i)));
        groups.push(count);
    }
    groups
}

/// Orders the rows of each key by the sequence fields; ties stay in order of arrival.
fn sort_groups(
    batches: &[RecordBatch],
    starts: &[usize],
    spec: &SortSpec,
    order: &mut [u32],
    groups: &[usize],
) -> Result<()> {
    let options = SortOptions {
        descending: spec.descending,
        // a null loses in either order
        nulls_first: true,
    };
    let fields = spec
        .sequence
        .iter()
        .map(|i| SortField::new_with_options(arrow_type(&spec.fields[*i].data_type), options))
        .collect();
    let converter = RowConverter::new(fields).map_err(|e| {
        Error::unsupported("sequence field of a type that cannot be compared")
            .with("option", "sequence.field")
            .with_source(e)
    })?;
    let rows: Vec<Arc<Rows>> = batches
        .iter()
        .map(|batch| {
            let columns: Vec<ArrayRef> = spec
                .sequence
                .iter()
                .map(|i| batch.column(*i).clone())
                .collect();
            Ok(Arc::new(converter.convert_columns(&columns)?))
        })
        .collect::<Result<_>>()?;
    let sequence = |row: u32| {
        let (batch, row) = place(starts, index(row));
        rows[batch].row(row)
    };
    for bounds in groups.windows(2).filter(|w| w[1] - w[0] > 1) {
        order[bounds[0]..bounds[1]]
            .sort_unstable_by(|a, b| sequence(*a).cmp(&sequence(*b)).then_with(|| a.cmp(b)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
