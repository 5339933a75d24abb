//! Who fetches which block: readers that miss the same one wait for the first of them.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::blocks::BlockKey;

/// Blocks that are being fetched.
#[derive(Debug, Default)]
pub(super) struct Claims {
    fetching: Mutex<HashMap<BlockKey, watch::Receiver<()>>>,
}

/// The right to fetch a block, and the duty: others wait until it is dropped.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    key: BlockKey,
    /// Closed when dropped, which wakes all who wait.
    _done: watch::Sender<()>,
}

/// Who fetches a block.
pub(super) enum Claimed<'a> {
    /// The caller.
    Own(Claim<'a>),
    /// Somebody else: the channel closes when they are done.
    Other(watch::Receiver<()>),
}

impl Claims {
    pub(super) fn claim(&self, key: BlockKey) -> Claimed<'_> {
        let mut fetching = self.fetching.lock();
        if let Some(other) = fetching.get(&key) {
            return Claimed::Other(other.clone());
        }
        let (done, waiting) = watch::channel(());
        fetching.insert(key.clone(), waiting);
        Claimed::Own(Claim {
            claims: self,
            key,
            _done: done,
        })
    }
}

impl Claim<'_> {
    /// Number of the block.
    pub(super) fn index(&self) -> u64 {
        self.key.index
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.fetching.lock().remove(&self.key);
    }
}
