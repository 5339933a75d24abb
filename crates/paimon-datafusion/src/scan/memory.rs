//! The session's memory pool as the limit of a scan.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use paimon_core::read::{ReadMemory, SplitFile};

/// Part of a limited pool that all partitions of a scan may take together; the rest is for other scans and the operators
/// above.
const SHARE_OF_POOL: u64 = 4;

/// Least memory that a partition of a scan begins with.
const LEAST_BYTES: u64 = 256 << 10;

/// Most memory of a partition: beyond it steps do not grow.
const MOST_BYTES: u64 = 64 << 20;

/// Bytes in memory for a byte of a file: what is fetched and what is decoded of it.
const HELD_PER_BYTE: u64 = 4;

/// Bytes of a row group that writers do not exceed by default, compressed.
const ROW_GROUP_BYTES: u64 = 128 << 20;

/// Memory that one partition of a scan reserved, given back when dropped.
pub(super) struct ScanMemory {
    /// What the readers may hold.
    pub(super) bytes: ReadMemory,
    _reservation: Option<MemoryReservation>,
}

impl ScanMemory {
    /// Reserves a partition's share of the pool, less for small files (of `file_bytes`) and when others took
    /// it already. Without a limit nothing is reserved.
    ///
    /// # Errors
    /// `ResourcesExhausted` when there is not even the least.
    pub(super) fn reserve(
        context: &TaskContext,
        table: &str,
        partitions: usize,
        file_bytes: u64,
    ) -> Result<Self> {
        let pool = context.memory_pool();
        let Some(limit) = limit(pool) else {
            return Ok(Self {
                bytes: ReadMemory::UNLIMITED,
                _reservation: None,
            });
        };
        let consumer = MemoryConsumer::new(format!("PaimonScan[{table}]"));
        let reservation = consumer.register(pool);
        let partitions = u64::try_from(partitions).unwrap_or(u64::MAX).max(1);
        let needed = file_bytes.saturating_mul(HELD_PER_BYTE).min(MOST_BYTES);
        let mut bytes = (limit / SHARE_OF_POOL / partitions)
            .min(needed)
            .max(LEAST_BYTES);
        while let Err(error) = reservation.try_grow(size(bytes)?) {
            if bytes <= LEAST_BYTES {
                return Err(error);
            }
            bytes = (bytes / 2).max(LEAST_BYTES);
        }
        Ok(Self {
            bytes: ReadMemory::new(bytes),
            _reservation: Some(reservation),
        })
    }
}

/// Whether DataFusion's source, which holds the wanted columns of a whole row group, fits into the session's memory.
pub(super) fn holds_row_groups<'a>(
    pool: &Arc<dyn MemoryPool>,
    files: impl Iterator<Item = &'a SplitFile>,
    (columns, of): (usize, usize),
    partitions: usize,
) -> bool {
    let Some(limit) = limit(pool) else {
        return true;
    };
    let largest = files.map(|f| u64::try_from(f.meta.file_size).unwrap_or(u64::MAX));
    let group = largest.max().unwrap_or(0).min(ROW_GROUP_BYTES);
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let wanted = group.saturating_mul(number(columns)) / number(of).max(1);
    wanted.saturating_mul(number(partitions)) <= limit / 2
}

fn limit(pool: &Arc<dyn MemoryPool>) -> Option<u64> {
    match pool.memory_limit() {
        MemoryLimit::Finite(bytes) => u64::try_from(bytes).ok(),
        MemoryLimit::Infinite | MemoryLimit::Unknown => None,
    }
}

fn size(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).map_err(|e| DataFusionError::External(Box::new(e)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    use super::*;

    fn context(bytes: usize) -> TaskContext {
        let pool = Arc::new(GreedyMemoryPool::new(bytes));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool);
        TaskContext::default().with_runtime(runtime.build_arc().unwrap())
    }

    #[test]
    fn partitions_take_a_part_of_the_pool_and_give_it_back() {
        let context = context(64 << 20);
        let one = ScanMemory::reserve(&context, "t", 2, 1 << 30).unwrap();
        assert_eq!(one.bytes, ReadMemory::new(8 << 20));
        let two = ScanMemory::reserve(&context, "t", 2, 1 << 30).unwrap();
        assert_eq!(context.memory_pool().reserved(), 16 << 20);
        drop((one, two));
        assert_eq!(context.memory_pool().reserved(), 0);
    }

    #[test]
    fn small_files_take_little_and_large_pools_are_left_to_others() {
        let context = context(8 << 30);
        let small = ScanMemory::reserve(&context, "t", 2, 1 << 20).unwrap();
        assert_eq!(small.bytes, ReadMemory::new(4 << 20));
        let large = ScanMemory::reserve(&context, "t", 2, u64::MAX).unwrap();
        assert_eq!(large.bytes, ReadMemory::new(MOST_BYTES));
        let none = ScanMemory::reserve(&context, "t", 2, 0).unwrap();
        assert_eq!(none.bytes, ReadMemory::new(LEAST_BYTES));
    }

    #[test]
    fn scans_begin_with_less_when_others_hold_the_pool() {
        let context = context(64 << 20);
        let sort = MemoryConsumer::new("sort").register(context.memory_pool());
        sort.grow(60 << 20);
        let scan = ScanMemory::reserve(&context, "t", 1, 1 << 30).unwrap();
        assert_eq!(scan.bytes, ReadMemory::new(4 << 20));
        sort.grow((4 << 20) - 1);
        let error = ScanMemory::reserve(&context, "t", 1, 1 << 30)
            .err()
            .unwrap();
        assert!(error.to_string().contains("PaimonScan[t]"), "{error}");
    }

    #[test]
    fn without_a_limit_nothing_is_reserved() {
        let context = TaskContext::default();
        let scan = ScanMemory::reserve(&context, "t", 4, 1 << 30).unwrap();
        assert_eq!(scan.bytes, ReadMemory::UNLIMITED);
        assert_eq!(context.memory_pool().reserved(), 0);
    }
}
