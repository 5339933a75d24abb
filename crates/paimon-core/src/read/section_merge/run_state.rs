//! Progress through one run of a key merge.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use tokio::sync::mpsc;

use super::block::Block;
use super::rules::{MergeRules, Resolution};
use super::source::RunSource;
use crate::error::Result;
use crate::read::split::SortedRun;

/// Progress through one run.
pub(super) struct RunState {
    pub(super) level: i32,
    blocks: mpsc::Receiver<Result<Block>>,
    pub(super) current: Option<Block>,
    /// First key of the current block that no window has taken.
    pub(super) offset: usize,
    pub(super) files: Vec<FileBits>,
}

/// Outcome bits of one file, filled in row order.
pub(super) struct FileBits {
    pub(super) keep: BooleanBufferBuilder,
    pub(super) fold: BooleanBufferBuilder,
}

impl RunState {
    pub(super) fn start(source: RunSource, run: &SortedRun) -> Self {
        let (sender, blocks) = mpsc::channel(2);
        tokio::spawn(source.send_all(sender));
        Self {
            level: run.level,
            blocks,
            current: None,
            offset: 0,
            files: run
                .files
                .iter()
                .map(|_| FileBits {
                    keep: BooleanBufferBuilder::new(0),
                    fold: BooleanBufferBuilder::new(0),
                })
                .collect(),
        }
    }

    /// Makes sure that the current block has keys left; false at the end of the run.
    pub(super) async fn fill(&mut self, rules: &MergeRules) -> Result<bool> {
        loop {
            if let Some(block) = &self.current {
                if self.offset < block.keys.len() {
                    return Ok(true);
                }
                self.close(rules);
            }
            match self.blocks.recv().await {
                None => return Ok(false),
                Some(block) => {
                    let block = block?;
                    block.check_sorted()?;
                    self.current = Some(block);
                    self.offset = 0;
                }
            }
        }
    }

    /// Writes the outcome of the current block to its file's bits.
    pub(super) fn close(&mut self, rules: &MergeRules) {
        let Some(block) = self.current.take() else {
            return;
        };
        let Some(bits) = self.files.get_mut(block.file) else {
            return;
        };
        let n = block.keys.len();
        let folded = |i: usize| block.fold.get(i).is_some_and(|f| *f == 1);
        let dropped =
            |i: usize| !rules.keep_deletes && block.retract.as_ref().is_some_and(|r| r[i] == 1);
        let keep =
            BooleanBuffer::collect_bool(n, |i| block.dead[i] == 0 && !folded(i) && !dropped(i));
        let fold = (rules.resolution == Resolution::Fold)
            .then(|| BooleanBuffer::collect_bool(n, |i| block.dead[i] == 0 && folded(i)));
        match &block.live {
            None => {
                bits.keep.append_buffer(&keep);
                if let Some(fold) = fold {
                    bits.fold.append_buffer(&fold);
                }
            }
            Some(live) => {
                append_spread(&mut bits.keep, &keep, live, block.rows);
                if let Some(fold) = fold {
                    append_spread(&mut bits.fold, &fold, live, block.rows);
                }
            }
        }
    }
}

/// Appends `rows` bits, those at `positions` taken from `bits`, the others unset.
fn append_spread(
    out: &mut BooleanBufferBuilder,
    bits: &BooleanBuffer,
    positions: &[u32],
    rows: usize,
) {
    let start = out.len();
    out.append_n(rows, false);
    for (i, position) in positions.iter().enumerate() {
        if bits.value(i) {
            out.set_bit(start + *position as usize, true);
        }
    }
}
