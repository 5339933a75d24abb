//! Locks of tables in the metastore.
//!
//! Java: `org.apache.paimon.hive.HiveCatalogLock`. Unlike there a lock that is held is kept alive by heartbeats, so that
//! a slow commit does not lose it to the server's time limit (five minutes by default). Writers of one process queue up
//! here, so that one of them at a time stands in the server's queue: servers on small databases bear few at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use paimon_core::table::{CatalogLock, HeldLock};
use paimon_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use super::client::{LockRequest, LockState, MetastoreClient};
use super::settings::LockSettings;
use crate::identifier::Identifier;
use crate::queues::Queues;

const FIRST_SLEEP: Duration = Duration::from_millis(100);
const HEARTBEAT: Duration = Duration::from_secs(60);

/// The exclusive lock of one table.
#[derive(Debug)]
pub(super) struct HiveLock {
    client: Arc<dyn MetastoreClient>,
    settings: LockSettings,
    queue: Arc<Mutex<()>>,
    database: String,
    table: String,
}

impl HiveLock {
    pub(super) fn new(
        client: Arc<dyn MetastoreClient>,
        settings: &LockSettings,
        queues: &Queues,
        identifier: &Identifier,
    ) -> Self {
        Self {
            client,
            settings: settings.clone(),
            queue: queues.of(identifier),
            database: identifier.database().to_string(),
            table: identifier.table().to_string(),
        }
    }

    fn too_long(&self, started: Instant) -> Error {
        self.failed(format!(
            "another writer holds the table's lock in the metastore: gave up after {} ms",
            started.elapsed().as_millis()
        ))
    }

    fn failed(&self, text: String) -> Error {
        Error::new(ErrorKind::Io, text)
            .with("table", format!("{}.{}", self.database, self.table))
            .with("option", "lock-acquire-timeout")
    }
}

#[async_trait]
impl CatalogLock for HiveLock {
    async fn acquire(&self) -> Result<Box<dyn HeldLock>> {
        let started = Instant::now();
        let turn = self.queue.clone().lock_owned();
        let turn = tokio::time::timeout(self.settings.acquire_timeout, turn).await;
        let turn = turn.map_err(|_| self.too_long(started))?;
        let request = LockRequest {
            database: self.database.clone(),
            table: self.table.clone(),
            user: self.settings.user.clone(),
            host: self.settings.host.clone(),
        };
        let answer = self.client.lock(&request).await?;
        // from here on the lock is given up whatever happens, also when this call is cancelled
        let mut held = Held {
            client: self.client.clone(),
            id: Some(answer.id),
            turn: Some(turn),
            heartbeats: None,
            lost: Arc::default(),
        };
        let (mut state, mut sleep) = (answer.state, FIRST_SLEEP);
        while state == LockState::Waiting && started.elapsed() < self.settings.acquire_timeout {
            let left = self
                .settings
                .acquire_timeout
                .saturating_sub(started.elapsed());
            tokio::time::sleep(sleep.min(self.settings.check_max_sleep).min(left)).await;
            sleep = sleep.saturating_mul(2);
            state = self.client.check_lock(answer.id).await?;
        }
        match state {
            LockState::Acquired => {
                held.heartbeats = Some(held.keep_alive(answer.id));
                Ok(Box::new(held))
            }
            LockState::Waiting => {
                held.give_up().await;
                Err(self.too_long(started))
            }
            LockState::Gone(code) => {
                held.give_up().await;
                Err(self.failed(format!(
                    "the metastore gave no lock of the table: expected state 1 (acquired) or 2 (waiting), found {code}"
                )))
            }
        }
    }
}

#[derive(Debug)]
struct Held {
    client: Arc<dyn MetastoreClient>,
    /// `None` once it was given up.
    id: Option<i64>,
    /// Of this process' writers.
    turn: Option<OwnedMutexGuard<()>>,
    heartbeats: Option<JoinHandle<()>>,
    lost: Arc<AtomicBool>,
}

impl Held {
    fn keep_alive(&self, id: i64) -> JoinHandle<()> {
        let (client, lost) = (self.client.clone(), self.lost.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(HEARTBEAT).await;
                if let Err(error) = client.heartbeat(id).await {
                    tracing::warn!(%error, lock = id, "a lock of the metastore is lost");
                    lost.store(true, Ordering::Release);
                    return;
                }
            }
        })
    }

    async fn give_up(&mut self) {
        if let Some(task) = self.heartbeats.take() {
            task.abort();
        }
        if let Some(id) = self.id {
            // a cancelled call gives it up again when it is dropped
            let done = self.client.unlock(id).await;
            self.id = None;
            if let Err(error) = done {
                tracing::warn!(%error, lock = id, "a lock of the metastore could not be given up");
            }
        }
    }
}

#[async_trait]
impl HeldLock for Held {
    async fn check(&self) -> Result<()> {
        match self.lost.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Error::new(
                ErrorKind::Io,
                "the table's lock in the metastore was lost before the snapshot was published",
            )),
        }
    }

    async fn release(mut self: Box<Self>) {
        self.give_up().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(task) = self.heartbeats.take() {
            task.abort();
        }
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (client, turn) = (self.client.clone(), self.turn.take());
        runtime.spawn(async move {
            let _turn = turn;
            if let Err(error) = client.unlock(id).await {
                tracing::warn!(%error, lock = id, "a lock of the metastore could not be given up");
            }
        });
    }
}
