//! Locks of tables as rows of the catalog's database.
//!
//! Java: `org.apache.paimon.jdbc.JdbcCatalogLock`. Unlike there a lock that is held is renewed, so that a slow commit does
//! not lose it to its own time limit, and one that could not be renewed in time is neither used nor given up: it may be
//! another writer's by now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use paimon_core::table::{CatalogLock, HeldLock};
use paimon_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use super::connections::{Connections, Failure, Statement, Value};
use super::settings::LockSettings;

const FIRST_SLEEP: Duration = Duration::from_millis(100);

const ACQUIRE: &str =
    "INSERT INTO paimon_distributed_locks (lock_id, expire_time_seconds) VALUES (?, ?)";
const RENEW: &str =
    "UPDATE paimon_distributed_locks SET acquired_at = CURRENT_TIMESTAMP WHERE lock_id = ?";
const RELEASE: &str = "DELETE FROM paimon_distributed_locks WHERE lock_id = ?";

/// The exclusive lock of one table.
#[derive(Debug)]
pub(super) struct JdbcLock {
    pub(super) connections: Arc<Connections>,
    pub(super) settings: LockSettings,
    /// Of this process' writers.
    pub(super) queue: Arc<Mutex<()>>,
    /// `<catalog key>.<database>.<table>`
    pub(super) id: String,
}

impl JdbcLock {
    fn too_long(&self, started: Instant) -> Error {
        Error::new(
            ErrorKind::Io,
            format!(
                "another writer holds the table's lock in the catalog's database: gave up after {} ms",
                started.elapsed().as_millis()
            ),
        )
        .with("lock", &self.id)
        .with("option", "lock-acquire-timeout")
    }

    /// Tries once. `None` when another writer holds the lock.
    async fn try_acquire(&self) -> Result<Option<Instant>> {
        let stale = self.connections.dialect().delete_stale_lock();
        let asked = Instant::now();
        let deleted = self
            .connections
            .change(&[Statement::new(stale, [&self.id])])
            .await;
        if deleted.map_err(Error::from)?.iter().any(|count| *count > 0) {
            tracing::warn!(
                lock = self.id,
                "a lock that was not renewed in time was removed"
            );
        }
        let seconds = i64::try_from(self.settings.acquire_timeout.as_secs()).unwrap_or(i64::MAX);
        let insert = Statement::new(ACQUIRE, [&self.id]).and(Value::Number(seconds));
        match self.connections.change(&[insert]).await {
            Ok(_) => Ok(Some(asked)),
            Err(Failure::Taken) => Ok(None),
            // a lock that was taken after all goes away by its age
            Err(failure) => Err(failure.into()),
        }
    }
}

#[async_trait]
impl CatalogLock for JdbcLock {
    async fn acquire(&self) -> Result<Box<dyn HeldLock>> {
        let started = Instant::now();
        let turn = self.queue.clone().lock_owned();
        let turn = tokio::time::timeout(self.settings.acquire_timeout, turn).await;
        let turn = turn.map_err(|_| self.too_long(started))?;
        let mut sleep = FIRST_SLEEP;
        loop {
            if let Some(since) = self.try_acquire().await? {
                return Ok(Box::new(Held::new(self, since, turn)));
            }
            let left = self
                .settings
                .acquire_timeout
                .saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(self.too_long(started));
            }
            tokio::time::sleep(sleep.min(self.settings.check_max_sleep).min(left)).await;
            sleep = sleep.saturating_mul(2);
        }
    }
}

/// When a lock was last known to be ours; `None` once it was lost.
type Renewed = Arc<std::sync::Mutex<Option<Instant>>>;

#[derive(Debug)]
struct Held {
    connections: Arc<Connections>,
    /// `None` once it was given up.
    id: Option<String>,
    renewed: Renewed,
    lifetime: Duration,
    turn: Option<OwnedMutexGuard<()>>,
    heartbeats: JoinHandle<()>,
}

impl Held {
    fn new(lock: &JdbcLock, since: Instant, turn: OwnedMutexGuard<()>) -> Self {
        let renewed: Renewed = Arc::new(std::sync::Mutex::new(Some(since)));
        let lifetime = Duration::from_secs(lock.settings.acquire_timeout.as_secs());
        let task = keep_alive(
            lock.connections.clone(),
            lock.id.clone(),
            renewed.clone(),
            lifetime,
        );
        Self {
            connections: lock.connections.clone(),
            id: Some(lock.id.clone()),
            renewed,
            lifetime,
            turn: Some(turn),
            heartbeats: tokio::spawn(task),
        }
    }

    fn is_ours(&self) -> bool {
        is_young(&self.renewed, self.lifetime)
    }

    /// The statement that gives the lock up, unless that was done or it is not ours any more.
    fn release_statement(&mut self) -> Option<Statement> {
        self.heartbeats.abort();
        let id = self.id.take()?;
        if !self.is_ours() {
            tracing::warn!(
                lock = id,
                "a lock of the catalog's database was lost while it was held"
            );
            return None;
        }
        Some(Statement::new(RELEASE, [&id]))
    }
}

fn is_young(renewed: &Renewed, lifetime: Duration) -> bool {
    let since = renewed.lock().map_or(None, |since| *since);
    // others count whole seconds; a lifetime of less than one second has no room for that
    since.is_some_and(|since| since.elapsed() <= lifetime.max(Duration::from_secs(1)))
}

/// Renews the lock three times in its lifetime until it is lost.
async fn keep_alive(
    connections: Arc<Connections>,
    id: String,
    renewed: Renewed,
    lifetime: Duration,
) {
    loop {
        tokio::time::sleep((lifetime / 3).max(Duration::from_millis(300))).await;
        if !is_young(&renewed, lifetime) {
            return;
        }
        let asked = Instant::now();
        let answer = connections.change(&[Statement::new(RENEW, [&id])]).await;
        let state = match answer {
            Ok(counts) if counts.first() == Some(&1) => Some(asked),
            Ok(_) => None,
            Err(failure) => {
                let error = Error::from(failure);
                tracing::warn!(%error, lock = id, "a lock could not be renewed");
                continue;
            }
        };
        if let Ok(mut renewed) = renewed.lock() {
            *renewed = state;
        }
    }
}

#[async_trait]
impl HeldLock for Held {
    async fn check(&self) -> Result<()> {
        match self.is_ours() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Io,
                "the table's lock in the catalog's database was lost before the snapshot was published",
            )),
        }
    }

    async fn release(mut self: Box<Self>) {
        let id = self.id.clone();
        let Some(statement) = self.release_statement() else {
            return;
        };
        // a cancelled call gives it up again when it is dropped
        self.id = id;
        let done = self.connections.change(&[statement]).await;
        self.id = None;
        if let Err(failure) = done {
            let error = Error::from(failure);
            tracing::warn!(%error, "a lock of the catalog's database could not be given up");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (Some(statement), Ok(runtime)) = (
            self.release_statement(),
            tokio::runtime::Handle::try_current(),
        ) else {
            return;
        };
        let (connections, turn) = (self.connections.clone(), self.turn.take());
        runtime.spawn(async move {
            let _turn = turn;
            if let Err(failure) = connections.change(&[statement]).await {
                let error = Error::from(failure);
                tracing::warn!(%error, "a lock of the catalog's database could not be given up");
            }
        });
    }
}
