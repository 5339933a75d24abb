//! Commits of one process to one table take turns, so that they lose races only against other processes: a lost race
//! costs another round of manifests, and only so many are allowed.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::io::StoreIdentity;
use crate::table::Table;

/// How long an attempt waits for those before it. Turns only save work: whoever waits longer goes ahead without one, so
/// that a commit that is stuck, or that its caller does not poll, stops no other.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tables whose queues are kept before those in use by nobody are dropped.
const IDLE_QUEUES_MAX: usize = 256;

static OF_PROCESS: LazyLock<CommitTurns> = LazyLock::new(CommitTurns::default);

type Queue = tokio::sync::Mutex<()>;

/// By store and location.
type Queues = HashMap<(StoreIdentity, String), Weak<Queue>>;

/// The queues of a process, one for each table.
#[derive(Debug, Clone, Default)]
pub struct CommitTurns {
    queues: Arc<Mutex<Queues>>,
}

impl CommitTurns {
    /// Those that all commits of this process share unless told otherwise.
    pub fn of_process() -> Self {
        OF_PROCESS.clone()
    }

    /// Waits until those before are done. `None` when that takes too long.
    pub(super) async fn take(&self, table: &Table) -> Option<OwnedMutexGuard<()>> {
        self.take_within(table, PATIENCE).await
    }

    async fn take_within(&self, table: &Table, patience: Duration) -> Option<OwnedMutexGuard<()>> {
        let queue = self.queue(table);
        if let Ok(turn) = Arc::clone(&queue).try_lock_owned() {
            return Some(turn);
        }
        tokio::time::timeout(patience, queue.lock_owned())
            .await
            .ok()
    }

    fn queue(&self, table: &Table) -> Arc<Queue> {
        let mut queues = self.queues.lock();
        if queues.len() >= IDLE_QUEUES_MAX {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let key = (table.io().identity(), table.location().to_string());
        let known = queues.entry(key).or_default();
        known.upgrade().unwrap_or_else(|| {
            let queue = Arc::new(Queue::default());
            *known = Arc::downgrade(&queue);
            queue
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use object_store::memory::InMemory;

    use super::*;
    use crate::io::FileIo;

    async fn table(name: &str) -> Table {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        let schema = r#"{"version": 3, "id": 0, "highestFieldId": 0, "partitionKeys": [], "primaryKeys": [],
            "fields": [{"id": 0, "name": "id", "type": "INT"}], "options": {}}"#;
        let location = format!("memory:/{name}");
        let path = format!("{location}/schema/schema-0");
        io.publish(&path, schema.into()).await.unwrap();
        Table::open(io, &location, name).await.unwrap()
    }

    #[tokio::test]
    async fn one_table_has_one_turn_and_nobody_waits_for_ever() {
        let turns = CommitTurns::default();
        let (a, b) = (table("a").await, table("b").await);
        let held = turns.take(&a).await;
        assert!(held.is_some());
        assert!(turns.take(&b).await.is_some(), "another table");
        assert!(CommitTurns::default().take(&a).await.is_some());
        let patience = Duration::from_millis(20);
        let asked = std::time::Instant::now();
        assert!(turns.take_within(&a.clone(), patience).await.is_none());
        assert!(asked.elapsed() >= patience);
        drop(held);
        assert!(turns.take(&a).await.is_some());
    }

    #[tokio::test]
    async fn queues_of_tables_that_nobody_writes_are_dropped() {
        let turns = CommitTurns::default();
        let held_table = table("held").await;
        let held = turns.take(&held_table).await;
        for n in 0..2 * IDLE_QUEUES_MAX {
            turns.take(&table(&n.to_string()).await).await.unwrap();
        }
        assert!(turns.queues.lock().len() <= IDLE_QUEUES_MAX);
        let same = turns.queue(&held_table);
        assert!(same.try_lock().is_err(), "still the one in use");
        drop(held);
    }
}
