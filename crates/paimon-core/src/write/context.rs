//! What a writer takes from outside: time, unique names, memory, cores.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::Local;
use uuid::Uuid;

use super::WriteMetrics;

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds of the local wall clock, read as if it were UTC: what `_CREATION_TIME` of a data file holds.
    fn local_ms(&self) -> i64;

    /// Milliseconds since the epoch: what `timeMillis` of a snapshot holds.
    fn epoch_ms(&self) -> i64;
}

/// Makes names that nobody else uses.
pub trait IdSource: Send + Sync + fmt::Debug {
    /// A fresh id.
    fn uuid(&self) -> Uuid;
}

/// Memory that writers share.
///
/// A query engine's memory pool fits behind it.
pub trait MemoryBudget: Send + Sync + fmt::Debug {
    /// Takes `bytes` if they are there.
    fn try_grow(&self, bytes: usize) -> bool;
    /// Takes `bytes` even if they are not: work that cannot be made smaller.
    fn grow(&self, bytes: usize);
    /// Gives `bytes` back.
    fn shrink(&self, bytes: usize);
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that supplies the time"
)]
impl Clock for SystemClock {
    fn local_ms(&self) -> i64 {
        Local::now().naive_local().and_utc().timestamp_millis()
    }

    fn epoch_ms(&self) -> i64 {
        Local::now().timestamp_millis()
    }
}

/// Random ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that supplies names"
)]
impl IdSource for RandomIds {
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// A fixed number of bytes.
#[derive(Debug)]
pub struct FixedBudget {
    limit: usize,
    used: AtomicUsize,
}

impl FixedBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            used: AtomicUsize::new(0),
        }
    }

    /// Bytes taken.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }
}

impl MemoryBudget for FixedBudget {
    fn try_grow(&self, bytes: usize) -> bool {
        let add = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add)
            .is_ok()
    }

    fn grow(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::AcqRel);
    }

    fn shrink(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<dyn MemoryBudget>,
    bytes: usize,
}

impl Reservation {
    /// Nothing taken yet.
    pub fn new(budget: Arc<dyn MemoryBudget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more if it is there.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        let taken = self.budget.try_grow(bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    /// Takes more even if it is not there.
    pub fn grow(&mut self, bytes: usize) {
        self.budget.grow(bytes);
        self.bytes += bytes;
    }

    /// Gives everything back but `bytes`; does nothing when fewer are taken.
    pub fn shrink_to(&mut self, bytes: usize) {
        if bytes < self.bytes {
            self.budget.shrink(self.bytes - bytes);
            self.bytes = bytes;
        }
    }

    /// Everything taken, as a reservation of its own.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let bytes = std::mem::take(&mut self.bytes);
        Self {
            budget: Arc::clone(&self.budget),
            bytes,
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// Time, names, memory and cores of a table write.
#[derive(Debug, Clone)]
pub struct WriteContext {
    /// Creation times.
    pub clock: Arc<dyn Clock>,
    /// File names.
    pub ids: Arc<dyn IdSource>,
    /// Memory of buffers and open files.
    pub memory: Arc<dyn MemoryBudget>,
    /// Buckets encoded at a time, at least one.
    pub parallelism: usize,
    /// Local folder in which buffered rows are spilled, in a folder of their own.
    pub spill_folder: PathBuf,
    /// What the write spends.
    pub metrics: Arc<WriteMetrics>,
}

impl WriteContext {
    /// The system's clock, random names, `memory` bytes, all cores and the system's folder for temporary files.
    pub fn with_memory(memory: u64) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            memory: Arc::new(FixedBudget::new(memory)),
            parallelism: std::thread::available_parallelism().map_or(2, usize::from),
            spill_folder: std::env::temp_dir(),
            metrics: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_give_back_what_they_took() {
        let budget = Arc::new(FixedBudget::new(100));
        let mut a = Reservation::new(budget.clone());
        let mut b = Reservation::new(budget.clone());
        assert!(a.try_grow(60) && !b.try_grow(41) && b.try_grow(40));
        let moved = a.take();
        assert_eq!((a.bytes(), moved.bytes(), budget.used()), (0, 60, 100));
        drop(moved);
        b.grow(100);
        assert_eq!(budget.used(), 140);
        b.shrink_to(10);
        drop(a);
        assert_eq!(budget.used(), 10);
        drop(b);
        assert_eq!(budget.used(), 0);
    }
}
