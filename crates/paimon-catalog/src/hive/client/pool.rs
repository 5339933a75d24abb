//! Connections to several metastores that share one database: kept, replaced when they break, bounded in number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paimon_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

#[cfg(feature = "kerberos")]
use crate::hive::thrift::Kerberos;
use crate::hive::thrift::{CallError, Connection, Endpoint, Struct, Timeouts, Value};

/// How to reach the metastores.
#[derive(Debug, Clone)]
pub(in crate::hive) struct PoolSettings {
    /// In the order in which they are tried.
    pub(in crate::hive) endpoints: Vec<Endpoint>,
    pub(in crate::hive) framed: bool,
    /// How to log in; then messages are not `framed`, and the metastore knows the user.
    #[cfg(feature = "kerberos")]
    pub(in crate::hive) kerberos: Option<Kerberos>,
    pub(in crate::hive) timeouts: Timeouts,
    /// Connections at a time.
    pub(in crate::hive) size: usize,
    /// Further rounds over all endpoints when none can be reached, and repetitions of reads whose answer was lost.
    pub(in crate::hive) retries: u32,
    /// Between two of them.
    pub(in crate::hive) retry_delay: Duration,
    /// Whether to tell the metastore on whose behalf it works.
    pub(in crate::hive) set_ugi: bool,
    pub(in crate::hive) user: String,
}

/// Whether a call may be sent again when its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Safe,
    Never,
}

/// Connections to metastores.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    permits: Semaphore,
}

#[derive(Debug)]
struct Shared {
    settings: PoolSettings,
    idle: std::sync::Mutex<Vec<Connection>>,
    /// Index of the endpoint that answered last.
    favourite: AtomicUsize,
}

impl Pool {
    pub(super) fn new(settings: PoolSettings) -> Self {
        Self {
            permits: Semaphore::new(settings.size.max(1)),
            shared: Arc::new(Shared {
                settings,
                idle: std::sync::Mutex::default(),
                favourite: AtomicUsize::new(0),
            }),
        }
    }

    /// Calls a method: the fields of its result.
    pub(super) async fn call(
        &self,
        method: &'static str,
        args: Struct,
        repeat: Repeat,
    ) -> Result<Struct, CallError> {
        let _permit = self.permits.acquire().await.map_err(|e| {
            CallError::NotSent(Error::internal("the connections are closed").with_source(e))
        })?;
        let settings = &self.shared.settings;
        let mut attempt = 0;
        loop {
            let (shared, args) = (self.shared.clone(), args.clone());
            let called = tokio::task::spawn_blocking(move || shared.call(method, &args)).await;
            let called = called.map_err(|e| {
                CallError::NotSent(
                    Error::internal("a call of the metastore ended early").with_source(e),
                )
            })?;
            let again = match &called {
                Err(CallError::NotSent(_)) => true,
                Err(CallError::Doubtful(_)) => repeat == Repeat::Safe,
                _ => false,
            };
            if !again || attempt == settings.retries {
                return called;
            }
            attempt += 1;
            if let Err(error) = called {
                let error = error.into_error();
                tracing::warn!(%error, attempt, "calling the metastore again");
            }
            tokio::time::sleep(settings.retry_delay).await;
        }
    }
}

impl Shared {
    fn call(&self, method: &str, args: &Struct) -> Result<Struct, CallError> {
        let mut connection = match self.kept() {
            Some(connection) => connection,
            None => self.open()?,
        };
        let answer = connection.call(method, args, self.settings.timeouts);
        let usable = !matches!(answer, Err(CallError::NotSent(_) | CallError::Doubtful(_)));
        if usable && let Ok(mut idle) = self.idle.lock() {
            idle.push(connection);
        }
        answer
    }

    fn kept(&self) -> Option<Connection> {
        loop {
            let connection = self.idle.lock().ok()?.pop()?;
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    /// A connection to the first endpoint that takes one, the favourite first.
    fn open(&self) -> Result<Connection, CallError> {
        let endpoints = &self.settings.endpoints;
        let first = self.favourite.load(Ordering::Relaxed);
        let mut last = None;
        for step in 0..endpoints.len() {
            let at = (first + step) % endpoints.len();
            match self.open_at(&endpoints[at]) {
                Ok(connection) => {
                    self.favourite.store(at, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err(error) => last = Some(error.into_error()),
            }
        }
        let all: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
        let error = Error::new(ErrorKind::Io, "no metastore can be reached");
        let error = error.with("uri", all.join(","));
        Err(CallError::NotSent(match last {
            Some(last) => error.with_source(last),
            None => error,
        }))
    }

    fn open_at(&self, endpoint: &Endpoint) -> Result<Connection, CallError> {
        let settings = &self.settings;
        let mut connection = Connection::open(endpoint, settings.framed, settings.timeouts)?;
        #[cfg(feature = "kerberos")]
        if let Some(kerberos) = &settings.kerberos {
            connection.log_in(kerberos, settings.timeouts)?;
            return Ok(connection);
        }
        if settings.set_ugi {
            let groups = Value::texts(std::slice::from_ref(&settings.user));
            let args = Struct::of([Value::text(&settings.user), groups]);
            match connection.call("set_ugi", &args, settings.timeouts) {
                Ok(_) => {}
                Err(CallError::UnknownMethod(error) | CallError::Refused(error)) => {
                    tracing::debug!(%error, "the metastore takes no user");
                }
                // nothing that was asked for has been sent yet
                Err(other) => return Err(CallError::NotSent(other.into_error())),
            }
        }
        Ok(connection)
    }
}
