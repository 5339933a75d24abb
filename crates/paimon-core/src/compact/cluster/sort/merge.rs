//! The merge of sorted runs.
//!
//! Window by window: a window ends with the smallest last key of the runs' current blocks, so that memory follows the
//! number of runs and not their length.

use std::cmp::Ordering;

use arrow_array::{Array, BinaryArray};

use super::arranged::Arranged;
use super::{KeyedRows, Run};
use crate::error::Result;
use crate::write::RunReader;

/// A merge under way.
pub(in crate::compact::cluster) struct Merge {
    sources: Vec<Source>,
    window: Option<Arranged>,
}

/// Progress through one run.
struct Source {
    reader: RunReader<KeyedRows>,
    /// What is left of the current block, never empty.
    block: KeyedRows,
}

impl Merge {
    /// A merge of runs, all of which it opens.
    ///
    /// # Errors
    /// `Io` when the disk fails.
    pub fn new(runs: Vec<Run>) -> Result<Self> {
        let mut sources = Vec::with_capacity(runs.len());
        for run in runs {
            let mut reader = run.open()?;
            if let Some(block) = reader.next()? {
                sources.push(Source { reader, block });
            }
        }
        Ok(Self {
            sources,
            window: None,
        })
    }

    /// The next rows in the order of their keys, `rows` at most; `None` at the end.
    ///
    /// # Errors
    /// `Io` when the disk fails.
    pub fn next_keyed(&mut self, rows: usize) -> Result<Option<KeyedRows>> {
        loop {
            if let Some(window) = &mut self.window
                && let Some(next) = window.next_keyed(rows)?
            {
                return Ok(Some(next));
            }
            self.window = None;
            let Some(bound) = self.bound() else {
                return Ok(None);
            };
            let pieces = self.pieces(&bound)?;
            self.window = Some(Arranged::new(pieces)?);
        }
    }

    /// The smallest last key of the current blocks; `None` without any.
    fn bound(&self) -> Option<Vec<u8>> {
        let last = |s: &Source| s.block.keys.len().checked_sub(1);
        let lasts = self
            .sources
            .iter()
            .filter_map(|s| Some(s.block.keys.value(last(s)?)));
        lasts.min().map(<[u8]>::to_vec)
    }

    /// Takes all rows up to `bound` out of the current blocks. A block that ends there gives way to the next one, whose
    /// rows are not smaller.
    fn pieces(&mut self, bound: &[u8]) -> Result<Vec<KeyedRows>> {
        let mut pieces = Vec::with_capacity(self.sources.len());
        let mut sources = Vec::with_capacity(self.sources.len());
        for mut source in self.sources.drain(..) {
            let rows = source.block.rows.num_rows();
            let end = first_above(&source.block.keys, bound);
            if end > 0 {
                pieces.push(source.block.slice(0, end));
            }
            if end < rows {
                source.block = source.block.slice(end, rows - end);
                sources.push(source);
            } else if let Some(block) = source.reader.next()? {
                source.block = block;
                sources.push(source);
            }
        }
        self.sources = sources;
        Ok(pieces)
    }
}

/// The first position whose key is above `bound`, in ascending keys.
fn first_above(keys: &BinaryArray, bound: &[u8]) -> usize {
    let (mut from, mut to) = (0, keys.len());
    while from < to {
        let middle = from.midpoint(to);
        if keys.value(middle).cmp(bound) == Ordering::Greater {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}
