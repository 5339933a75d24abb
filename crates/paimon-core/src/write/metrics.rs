//! What writes and the compactions behind them spent. Source: `WriterMetrics`, `CompactionMetrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counters of one or more writes; shared by all of their tasks.
#[derive(Debug, Default)]
pub struct WriteMetrics {
    /// Buffers of primary-key tables written as files.
    pub flushes: Stage,
    /// Buffers of primary-key tables moved to local disk.
    pub spills: Stage,
    /// Compactions after commits.
    pub compactions: Stage,
    spilled_bytes: AtomicU64,
}

/// How often something was done, and how long that took.
#[derive(Debug, Default)]
pub struct Stage {
    count: AtomicU64,
    nanos: AtomicU64,
}

impl Stage {
    /// How often.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// The time of all together; what ran at the same time counts twice.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Acquire))
    }

    /// Counts what `work` does, however it ends.
    pub(crate) async fn measure<T>(&self, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let done = work.await;
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::AcqRel);
        self.count.fetch_add(1, Ordering::AcqRel);
        done
    }
}

impl WriteMetrics {
    /// Bytes that went to local disk, compressed.
    pub fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes.load(Ordering::Acquire)
    }

    pub(super) fn add_spilled(&self, bytes: u64) {
        self.spilled_bytes.fetch_add(bytes, Ordering::AcqRel);
    }
}
