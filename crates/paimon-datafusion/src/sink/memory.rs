//! The engine's memory pool as the budget of a write.

use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use paimon_core::Result;
use paimon_core::table::Table;
use paimon_core::write::{
    FixedBudget, MemoryBudget, RandomIds, SystemClock, WriteContext, WriteOptions,
};

/// What writes to a table take from a task: its pool's memory and its session's cores.
///
/// # Errors
/// As [`WriteOptions::new`].
pub(crate) fn write_context(table: &Table, task: &TaskContext) -> Result<WriteContext> {
    Ok(WriteContext {
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        memory: Arc::new(PoolBudget::new(table, task.memory_pool())?),
        parallelism: task.session_config().target_partitions().max(1),
        spill_folder: std::env::temp_dir(),
        metrics: Arc::default(),
    })
}

/// Memory of the pool, at most `write-buffer-size` of it.
#[derive(Debug)]
struct PoolBudget {
    own: FixedBudget,
    pool: MemoryReservation,
}

impl PoolBudget {
    /// The budget of a write to a table.
    ///
    /// # Errors
    /// As [`WriteOptions::new`].
    fn new(table: &Table, pool: &Arc<dyn MemoryPool>) -> Result<Self> {
        let options = WriteOptions::new(table.schema(), table.options())?;
        let consumer = MemoryConsumer::new(format!("PaimonSink[{}]", table.name()));
        Ok(Self {
            own: FixedBudget::new(options.buffer_size),
            pool: consumer.with_can_spill(true).register(pool),
        })
    }
}

impl MemoryBudget for PoolBudget {
    fn try_grow(&self, bytes: usize) -> bool {
        if !self.own.try_grow(bytes) {
            return false;
        }
        let there = self.pool.try_grow(bytes).is_ok();
        if !there {
            self.own.shrink(bytes);
        }
        there
    }

    fn grow(&self, bytes: usize) {
        self.own.grow(bytes);
        self.pool.grow(bytes);
    }

    fn shrink(&self, bytes: usize) {
        self.own.shrink(bytes);
        self.pool.shrink(bytes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn both_limits_hold() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100));
        let budget = PoolBudget {
            own: FixedBudget::new(60),
            pool: MemoryConsumer::new("test").register(&pool),
        };
        assert!(budget.try_grow(50) && !budget.try_grow(20));
        budget.grow(70);
        assert_eq!(pool.reserved(), 120);
        budget.shrink(120);
        let other = MemoryConsumer::new("other").register(&pool);
        other.grow(80);
        assert!(!budget.try_grow(30) && budget.try_grow(20));
        assert_eq!(budget.own.used(), 20);
        drop(budget);
        assert_eq!(pool.reserved(), 80);
    }
}
