//! The streaming merge of a bucket's runs.
//!
//! Window by window: a window ends with the smallest last key of the runs' current blocks, so that memory follows the
//! number of runs and not their length. A key's rows lie in one block of each run, so a window has all of them.

use std::sync::Arc;

use arrow_row::Rows;

use super::run::RunReader;
use super::{SpilledRun, rows_per_block};
use crate::error::Result;
use crate::mergetree::{KeyBlock, KeyEncoder};
use crate::write::buffer::flush::KeyValueSettings;
use crate::write::buffer::sort_buffer::SortedRows;
use crate::write::file::rows::KeyValueBatch;

/// Rows per key from which on merging before spilling pays for engines that fold.
const ROWS_PER_KEY: usize = 2;

/// Rows given at a time, about.
const ROWS_PER_STEP: usize = 8192;

/// What becomes of rows that are put into a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::write) enum Form {
    /// All of them stay.
    Raw,
    /// Each key's are merged, as a flush would.
    Merged,
}

impl Form {
    /// Rows that become the changelog stay as they are; of others only the newest of a key matters, or they are folded
    /// where that makes the run much shorter.
    pub fn of(settings: &KeyValueSettings, rows: &SortedRows) -> Self {
        let many = rows.num_rows() >= rows.num_keys().saturating_mul(ROWS_PER_KEY);
        match (&settings.changelog, &settings.function) {
            (Some(_), _) => Self::Raw,
            (None, Some(_)) if !many => Self::Raw,
            _ => Self::Merged,
        }
    }
}

/// Blocks of sorted rows, each of whole keys.
pub(in crate::write) struct Blocks {
    rows: SortedRows,
    form: Form,
    block_rows: usize,
    next_key: usize,
}

impl Blocks {
    /// All of `rows`, which take `bytes` bytes.
    ///
    /// # Errors
    /// `Internal` when Arrow fails.
    pub fn new(settings: &KeyValueSettings, rows: SortedRows, bytes: usize) -> Result<Self> {
        let form = Form::of(settings, &rows);
        Ok(Self {
            form,
            block_rows: rows_per_block(rows.num_rows(), bytes),
            rows: settings.arrange(rows, form == Form::Raw)?,
            next_key: 0,
        })
    }

    /// The next block, never without rows.
    ///
    /// # Errors
    /// Those of the merge function.
    pub fn next(&mut self, settings: &KeyValueSettings) -> Result<Option<KeyValueBatch>> {
        while self.next_key < self.rows.num_keys() {
            let keys = self.rows.keys_with(self.next_key, self.block_rows);
            self.next_key = keys.end;
            let block = match self.form {
                Form::Raw => self.rows.raw(self.rows.rows_of(keys))?,
                Form::Merged => settings.merge(&self.rows, keys)?,
            };
            if block.values.num_rows() > 0 {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }
}

/// The next rows of a flush.
pub(in crate::write) struct Merged {
    /// As they were put in, for the changelog.
    pub raw: Option<KeyValueBatch>,
    /// Merged per key.
    pub data: Option<KeyValueBatch>,
}

/// A merge of the runs of one bucket under way.
pub(in crate::write) struct RunMerge {
    settings: Arc<KeyValueSettings>,
    encoder: KeyEncoder,
    /// Oldest first.
    runs: Vec<Run>,
    /// Rows of the current window, and the first key that was not given yet.
    window: Option<(SortedRows, usize)>,
}

/// Progress through one run.
struct Run {
    source: Source,
    current: Option<Block>,
}

enum Source {
    Disk(Box<RunReader<KeyValueBatch>>),
    Memory(Blocks),
}

/// A block, and how much of it earlier windows have taken.
struct Block {
    rows: KeyValueBatch,
    keys: KeyBlock,
    offset: usize,
}

impl RunMerge {
    /// A merge of spilled runs, oldest first, and of rows in memory that are newer.
    ///
    /// # Errors
    /// `Io` when a run cannot be opened, `Unsupported` for keys that cannot be compared.
    pub fn new(
        settings: Arc<KeyValueSettings>,
        spilled: Vec<SpilledRun<KeyValueBatch>>,
        memory: Option<Blocks>,
    ) -> Result<Self> {
        let mut sources = Vec::with_capacity(spilled.len() + 1);
        for run in spilled {
            sources.push(Source::Disk(Box::new(run.open()?)));
        }
        sources.extend(memory.map(Source::Memory));
        let run = |source| Run {
            source,
            current: None,
        };
        Ok(Self {
            encoder: settings.sort.key_encoder()?,
            settings,
            runs: sources.into_iter().map(run).collect(),
            window: None,
        })
    }

    /// The next rows in key order; `None` at the end.
    ///
    /// # Errors
    /// Those of the disk and of the merge function.
    pub fn next(&mut self) -> Result<Option<Merged>> {
        loop {
            if let Some((rows, first)) = &mut self.window
                && *first < rows.num_keys()
            {
                let keys = rows.keys_with(*first, ROWS_PER_STEP);
                *first = keys.end;
                let raw = match self.settings.changelog {
                    Some(_) => Some(rows.raw(rows.rows_of(keys.clone()))?),
                    None => None,
                };
                let data = self.settings.merge(rows, keys)?;
                return Ok(Some(Merged {
                    raw,
                    data: Some(data),
                }));
            }
            self.window = None;
            let mut live = Vec::with_capacity(self.runs.len());
            for run in self.runs.drain(..) {
                live.extend(run.filled(&self.settings, &self.encoder)?);
            }
            self.runs = live;
            if self.runs.is_empty() {
                return Ok(None);
            }
            self.window = Some((self.next_window()?, 0));
        }
    }

    /// Everything up to the smallest last key of the current blocks.
    fn next_window(&mut self) -> Result<SortedRows> {
        let current = self.runs.iter_mut().filter_map(|run| run.current.as_mut());
        let blocks: Vec<&mut Block> = current.collect();
        let ends = window_ends(&blocks);
        let mut pieces = Vec::with_capacity(blocks.len());
        for (block, end) in blocks.into_iter().zip(ends) {
            if end > block.offset {
                pieces.push(block.rows.slice(block.offset, end - block.offset));
                block.offset = end;
            }
        }
        let rows = SortedRows::of_runs(pieces, &self.settings.sort)?;
        self.settings.arrange(rows, false)
    }
}

impl Run {
    /// The run with rows in its current block; `None` at its end.
    fn filled(mut self, settings: &KeyValueSettings, encoder: &KeyEncoder) -> Result<Option<Self>> {
        if let Some(block) = &self.current
            && block.offset < block.keys.len()
        {
            return Ok(Some(self));
        }
        let rows = match &mut self.source {
            Source::Disk(reader) => reader.next()?,
            Source::Memory(blocks) => blocks.next(settings)?,
        };
        let Some(rows) = rows else {
            return Ok(None);
        };
        let keys = settings.sort.keys.iter();
        let keys: Vec<_> = keys.map(|i| rows.values.column(*i).clone()).collect();
        self.current = Some(Block {
            keys: encoder.encode(&keys)?,
            rows,
            offset: 0,
        });
        Ok(Some(self))
    }
}

/// Where the window ends in each block.
fn window_ends(blocks: &[&mut Block]) -> Vec<usize> {
    let mut numbers: Vec<&[u64]> = Vec::new();
    let mut wide: Vec<&[u128]> = Vec::new();
    let mut bytes: Vec<&Rows> = Vec::new();
    for block in blocks {
        match &block.keys {
            KeyBlock::U64(keys) => numbers.push(keys),
            KeyBlock::U128(keys) => wide.push(keys),
            KeyBlock::Rows(rows) => bytes.push(rows),
        }
    }
    if !numbers.is_empty() {
        slice_ends(&numbers)
    } else if !wide.is_empty() {
        slice_ends(&wide)
    } else {
        row_ends(&bytes)
    }
}

fn slice_ends<K: Ord>(blocks: &[&[K]]) -> Vec<usize> {
    let bound = blocks.iter().filter_map(|keys| keys.last()).min();
    let end = |keys: &&[K]| match bound {
        Some(bound) => keys.partition_point(|key| key <= bound),
        None => keys.len(),
    };
    blocks.iter().map(end).collect()
}

fn row_ends(blocks: &[&Rows]) -> Vec<usize> {
    let last = |rows: &&Rows| rows.num_rows().checked_sub(1);
    let bounds = blocks.iter().filter_map(|rows| Some((*rows, last(rows)?)));
    let Some((holder, at)) = bounds.min_by(|(a, i), (b, j)| a.row(*i).cmp(&b.row(*j))) else {
        return vec![0; blocks.len()];
    };
    let bound = holder.row(at);
    blocks
        .iter()
        .map(|rows| first_above(rows.num_rows(), |i| rows.row(i) <= bound))
        .collect()
}

/// The first of `count` positions for which `below` is false; it is true for all before.
fn first_above(count: usize, below: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (0, count);
    while from < to {
        let middle = from.midpoint(to);
        if below(middle) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from
}
