//! What a cache answered and what it had to ask the store for.

use std::sync::atomic::{AtomicU64, Ordering};

/// Reads by where their bytes came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Blocks or files that were there.
    pub hits: u64,
    /// Bytes of these.
    pub hit_bytes: u64,
    /// Blocks or files that were not.
    pub misses: u64,
    /// Bytes fetched from the store for them.
    pub fetched_bytes: u64,
    /// Requests that fetched them.
    pub requests: u64,
}

/// Hears of the reads of one scan.
pub trait CacheObserver: std::fmt::Debug + Send + Sync {
    /// One read was answered.
    fn record(&self, usage: &CacheUsage);
}

/// The sum of what was recorded.
#[derive(Debug, Default)]
pub(super) struct CacheCounters {
    hits: AtomicU64,
    hit_bytes: AtomicU64,
    misses: AtomicU64,
    fetched_bytes: AtomicU64,
    requests: AtomicU64,
}

impl CacheCounters {
    pub(super) fn usage(&self) -> CacheUsage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheUsage {
            hits: read(&self.hits),
            hit_bytes: read(&self.hit_bytes),
            misses: read(&self.misses),
            fetched_bytes: read(&self.fetched_bytes),
            requests: read(&self.requests),
        }
    }
}

impl CacheObserver for CacheCounters {
    fn record(&self, usage: &CacheUsage) {
        let add = |counter: &AtomicU64, more| counter.fetch_add(more, Ordering::Relaxed);
        add(&self.hits, usage.hits);
        add(&self.hit_bytes, usage.hit_bytes);
        add(&self.misses, usage.misses);
        add(&self.fetched_bytes, usage.fetched_bytes);
        add(&self.requests, usage.requests);
    }
}
