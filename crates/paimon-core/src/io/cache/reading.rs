//! One read of ranges through the cache: what is kept, what others fetch, what is left to fetch.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, Result};

use super::blocks::Block;
use super::claims::Claimed;
use super::counters::CacheUsage;
use super::store::CachedStore;

/// Requests of one read at a time.
const PARALLEL_REQUESTS: usize = 10;
/// Missing blocks with at most so many bytes between them are fetched at once: a request costs more than these bytes.
const GAP_BYTES: u64 = 1 << 20;

/// One read of ranges of a file.
pub(super) struct Reading<'a> {
    store: &'a CachedStore,
    location: &'a Path,
    path: Arc<str>,
    /// Blocks at hand, by number.
    held: BTreeMap<u64, Block>,
    usage: CacheUsage,
}

impl<'a> Reading<'a> {
    pub(super) fn new(store: &'a CachedStore, location: &'a Path) -> Self {
        Self {
            store,
            location,
            path: location.as_ref().into(),
            held: BTreeMap::new(),
            usage: CacheUsage::default(),
        }
    }

    pub(super) fn usage(&self) -> &CacheUsage {
        &self.usage
    }

    /// Bytes of the file, once a block is at hand.
    pub(super) fn file_size(&self) -> Option<u64> {
        self.held.values().next().map(|block| block.file_size)
    }

    /// Gets hold of every block that the ranges touch.
    pub(super) async fn hold(&mut self, ranges: &[Range<u64>]) -> Result<()> {
        let store = self.store;
        let size = store.shared.block_bytes;
        let mut wanted: BTreeSet<u64> = ranges
            .iter()
            .flat_map(|r| r.start / size..r.end.div_ceil(size))
            .collect();
        loop {
            self.look_up(&wanted).await;
            self.forget_what_is_not_there(&mut wanted);
            let missing: Vec<u64> = self.missing(&wanted).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let (mut claims, mut others) = (Vec::new(), Vec::new());
            for index in missing {
                let key = store.key(&self.path, index);
                match store.shared.claims.claim(key) {
                    Claimed::Own(claim) => claims.push(claim),
                    Claimed::Other(waiting) => others.push(waiting),
                }
            }
            let own: BTreeSet<u64> = claims.iter().map(|claim| claim.index()).collect();
            // another reader may have brought them before they were claimed
            self.look_up(&own).await;
            let own: Vec<u64> = self.missing(&own).collect();
            self.fetch(&own).await?;
            self.forget_what_is_not_there(&mut wanted);
            drop(claims);
            for mut waiting in others {
                // an error says that the other reader is done, which is what is waited for
                while waiting.changed().await.is_ok() {}
            }
        }
    }

    fn missing<'b>(&'b self, wanted: &'b BTreeSet<u64>) -> impl Iterator<Item = u64> + 'b {
        let missing = wanted.iter().filter(move |i| !self.held.contains_key(i));
        missing.copied()
    }

    /// Leaves out blocks behind the end of the file, once its size is known.
    fn forget_what_is_not_there(&self, wanted: &mut BTreeSet<u64>) {
        if let Some(file_size) = self.file_size() {
            let size = self.store.shared.block_bytes;
            wanted.retain(|index| index * size < file_size);
        }
    }

    /// Takes what is kept.
    async fn look_up(&mut self, wanted: &BTreeSet<u64>) {
        let store = self.store;
        let reads: Vec<_> = self
            .missing(wanted)
            .map(|index| (index, store.key(&self.path, index)))
            .map(|(index, key)| async move { (index, store.shared.storage.get(&key).await) })
            .collect();
        let mut reads = futures::stream::iter(reads).buffered(PARALLEL_REQUESTS);
        while let Some((index, block)) = reads.next().await {
            let Some(block) = block.filter(|b| b.bytes.len() as u64 == store.length(index, b))
            else {
                continue;
            };
            self.usage.hits += 1;
            self.usage.hit_bytes += block.bytes.len() as u64;
            self.held.insert(index, block);
        }
    }

    /// Fetches blocks, keeps them and holds them.
    async fn fetch(&mut self, indexes: &[u64]) -> Result<()> {
        let (store, location) = (self.store, self.location);
        let runs = runs(indexes, GAP_BYTES / store.shared.block_bytes);
        self.usage.misses += indexes.len() as u64;
        self.usage.requests += runs.len() as u64;
        let requests: Vec<_> = runs
            .into_iter()
            .map(|run| store.fetch(location, run))
            .collect();
        let mut fetched = futures::stream::iter(requests).buffer_unordered(PARALLEL_REQUESTS);
        while let Some(blocks) = fetched.try_next().await? {
            for (index, block) in blocks {
                self.usage.fetched_bytes += block.bytes.len() as u64;
                let key = store.key(&self.path, index);
                store.shared.storage.put(key, block.clone()).await;
                self.held.insert(index, block);
            }
        }
        Ok(())
    }

    /// The bytes of a range, cut at the end of the file.
    pub(super) fn part(&self, range: &Range<u64>) -> Bytes {
        let size = self.store.shared.block_bytes;
        let mut pieces = (range.start / size..range.end.div_ceil(size)).filter_map(|index| {
            let block = self.held.get(&index)?;
            let at = |offset: u64| {
                let within = offset.saturating_sub(index * size);
                usize::try_from(within).map_or(block.bytes.len(), |at| at.min(block.bytes.len()))
            };
            Some(block.bytes.slice(at(range.start)..at(range.end)))
        });
        let first = pieces.next().unwrap_or_default();
        if first.len() as u64 == range.end - range.start {
            return first;
        }
        let length = usize::try_from(range.end - range.start).unwrap_or(0);
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&first);
        pieces.for_each(|piece| whole.extend_from_slice(&piece));
        whole.freeze()
    }
}

impl CachedStore {
    /// Bytes that a block of a file must have.
    fn length(&self, index: u64, block: &Block) -> u64 {
        let start = index.saturating_mul(self.shared.block_bytes);
        let left = block.file_size.saturating_sub(start);
        left.min(self.shared.block_bytes)
    }

    /// Fetches neighbouring blocks with one request.
    async fn fetch(&self, location: &Path, run: Range<u64>) -> Result<Vec<(u64, Block)>> {
        let size = self.shared.block_bytes;
        let options = GetOptions {
            range: Some(GetRange::Bounded(run.start * size..run.end * size)),
            ..GetOptions::default()
        };
        let got = self.inner.get_opts(location, options).await?;
        let file_size = got.meta.size;
        let expected = (run.end * size)
            .min(file_size)
            .saturating_sub(run.start * size);
        let bytes = got.bytes().await?;
        if bytes.len() as u64 != expected {
            return Err(Error::Generic {
                store: "cache",
                source: format!(
                    "expected {expected} bytes of {location}, got {}",
                    bytes.len()
                )
                .into(),
            });
        }
        let step = usize::try_from(size).unwrap_or(usize::MAX);
        // copies, so that a block that stays does not keep the whole answer
        let blocks = bytes.chunks(step).map(|chunk| Block {
            file_size,
            bytes: Bytes::copy_from_slice(chunk),
        });
        Ok((run.start..run.end).zip(blocks).collect())
    }
}

/// Ascending numbers as ranges; those with at most `gap` missing between them are joined.
fn runs(indexes: &[u64], gap: u64) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some(last) if index - last.end <= gap => last.end = index + 1,
            _ => runs.push(*index..index + 1),
        }
    }
    runs
}
