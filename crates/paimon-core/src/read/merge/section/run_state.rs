//! Progress through one run of a key merge.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer};
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
                    self.current = Some(block?);
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
        let dropped = block.retract.as_deref().filter(|_| !rules.keep_deletes);
        let keep = pack_unset(
            &[
                Some(&block.dead),
                (!block.fold.is_empty()).then_some(&block.fold),
                dropped,
            ],
            block.keys.len(),
        );
        let fold = (rules.resolution == Resolution::Fold).then(|| fold_bits(&block));
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

/// Which keys are folded.
fn fold_bits(block: &Block) -> BooleanBuffer {
    if block.fold.is_empty() {
        return BooleanBuffer::new_unset(block.keys.len());
    }
    let dead_or_alone: Vec<u8> = block
        .dead
        .iter()
        .zip(&block.fold)
        .map(|(dead, fold)| dead | (fold ^ 1))
        .collect();
    pack_unset(&[Some(&dead_or_alone)], block.keys.len())
}

/// One bit per position, set where all flags (bytes of 0 or 1) are 0.
fn pack_unset(flags: &[Option<&[u8]>], len: usize) -> BooleanBuffer {
    let given: Vec<&[u8]> = flags.iter().filter_map(|f| *f).collect();
    let mut bits = vec![0u8; len.div_ceil(8)];
    for (i, byte) in bits.iter_mut().enumerate() {
        let (start, end) = (i * 8, (i * 8 + 8).min(len));
        let set = given.iter().fold(0, |all, f| all | gather(&f[start..end]));
        *byte = !set;
    }
    BooleanBuffer::new(Buffer::from_vec(bits), 0, len)
}

/// The lowest bits of up to eight bytes, the first one lowest.
fn gather(bytes: &[u8]) -> u8 {
    match <[u8; 8]>::try_from(bytes) {
        // the product has bit 0 of byte i as its bit 56 + i
        Ok(eight) => {
            let product = u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080);
            product.to_le_bytes()[7]
        }
        Err(_) => (0..)
            .zip(bytes)
            .fold(0, |all, (i, b): (u32, &u8)| all | (b << i)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_where_no_flag_is() {
        for len in [0usize, 1, 7, 8, 9, 16, 67] {
            let a: Vec<u8> = (0..len).map(|i| u8::from(i % 3 == 0)).collect();
            let b: Vec<u8> = (0..len).map(|i| u8::from(i % 5 == 1)).collect();
            let packed = pack_unset(&[Some(&a), None, Some(&b)], len);
            let expected = BooleanBuffer::collect_bool(len, |i| a[i] == 0 && b[i] == 0);
            assert_eq!(packed, expected, "{len} flags");
        }
    }
}
