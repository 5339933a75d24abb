//! Decoded keys of a stretch of one file.

use arrow_row::Rows;

use crate::error::{Error, Result};
use crate::mergetree::KeyBlock;

/// Decoded rows of one file that a window can be cut from.
pub(super) struct Block {
    pub(super) file: usize,
    pub(super) rows: usize,
    pub(super) keys: KeyBlock,
    /// Physical row within the block of every key, when some rows take no part.
    pub(super) live: Option<Vec<u32>>,
    pub(super) order: Option<Rows>,
    /// 1 for -U and -D, per key.
    pub(super) retract: Option<Vec<u8>>,
    /// Outcome per key.
    pub(super) dead: Vec<u8>,
    pub(super) fold: Vec<u8>,
}

impl Block {
    pub(super) fn keys_u64(&self) -> &[u64] {
        match &self.keys {
            KeyBlock::U64(k) => k,
            _ => &[],
        }
    }

    pub(super) fn keys_u128(&self) -> &[u128] {
        match &self.keys {
            KeyBlock::U128(k) => k,
            _ => &[],
        }
    }

    pub(super) fn keys_bytes(&self) -> Vec<&[u8]> {
        match &self.keys {
            KeyBlock::Rows(rows) => (0..rows.num_rows()).map(|i| rows.row(i).data()).collect(),
            _ => Vec::new(),
        }
    }

    /// Keys of a run must ascend strictly: anything else would make the merge return wrong rows.
    pub(super) fn check_sorted(&self) -> Result<()> {
        let sorted = match &self.keys {
            KeyBlock::U64(k) => ascends(k),
            KeyBlock::U128(k) => ascends(k),
            KeyBlock::Rows(k) => (1..k.num_rows()).all(|i| k.row(i - 1) < k.row(i)),
        };
        if sorted {
            return Ok(());
        }
        Err(Error::damaged(
            "keys of a data file of a primary-key table must ascend, found an equal or smaller key after a larger one",
        ))
    }
}

/// Whether keys ascend strictly. All pairs are looked at, without a branch: files that do not ascend are rare.
fn ascends<K: Ord>(keys: &[K]) -> bool {
    let pairs = keys.iter().zip(keys.get(1..).unwrap_or_default());
    pairs.fold(true, |ascends, (a, b)| ascends & (a < b))
}
