//! Requests to name node and data nodes: each ends in time, and what may pass is tried again.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hdfs_native::{Client, HdfsError};
use object_store::Error;
use object_store::path::Path;
use tokio::time::Instant;

use crate::client::Patience;

/// Name of the store in errors.
const STORE: &str = "HDFS";

/// Exceptions of a name node that is not ready yet, or busy.
const PASSING: [&str; 5] = [
    "StandbyException",
    "SafeModeException",
    "RetriableException",
    "ObserverRetryOnActiveException",
    "NotReplicatedYetException",
];

/// A client with its patience; clones share connections.
#[derive(Clone)]
pub(super) struct Calls {
    client: Arc<Client>,
    patience: Patience,
}

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    Hdfs(HdfsError),
    /// No answer within this time.
    TimedOut(Duration),
}

impl Calls {
    pub(super) fn new(client: Client, patience: Patience) -> Self {
        Self {
            client: Arc::new(client),
            patience,
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// One request, which may have taken effect when it failed.
    pub(super) async fn once<T>(
        &self,
        request: impl Future<Output = hdfs_native::Result<T>> + Send,
    ) -> Result<T, Failure> {
        let limit = self.patience.request_timeout;
        // futures of the client are large
        match tokio::time::timeout(limit, Box::pin(request)).await {
            Ok(answer) => answer.map_err(Failure::Hdfs),
            Err(_) => Err(Failure::TimedOut(limit)),
        }
    }

    /// A request that may be sent any number of times.
    pub(super) async fn repeat<T, F>(
        &self,
        what: &'static str,
        path: &str,
        request: impl Fn() -> F + Send + Sync,
    ) -> object_store::Result<T>
    where
        F: Future<Output = hdfs_native::Result<T>> + Send,
        T: Send,
    {
        let mut retries = self.retries();
        loop {
            match self.once(request()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    if !retries.pause(&failure).await {
                        return Err(failure.at(what, path));
                    }
                }
            }
        }
    }

    /// Counts the retries of one request.
    pub(super) fn retries(&self) -> Retries {
        Retries {
            patience: self.patience.clone(),
            began: Instant::now(),
            count: 0,
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the client's configuration may hold secrets
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// Retries of one request.
#[derive(Debug)]
pub(super) struct Retries {
    patience: Patience,
    began: Instant,
    count: usize,
}

impl Retries {
    /// Waits before the next try; `false` when there is none.
    pub(super) async fn pause(&mut self, failure: &Failure) -> bool {
        if !failure.may_pass() {
            return false;
        }
        self.count += 1;
        let Some(pause) = self.patience.pause(self.count, self.began.elapsed()) else {
            return false;
        };
        tracing::debug!(
            retry = self.count,
            ?failure,
            "a request to HDFS is sent again"
        );
        tokio::time::sleep(pause).await;
        true
    }
}

impl Failure {
    /// Whether the same request may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Hdfs(error) => match error {
                HdfsError::IOError(_)
                | HdfsError::DataTransferError(_)
                | HdfsError::ChecksumError
                | HdfsError::BlocksNotFound(_)
                | HdfsError::OperationFailed(_) => true,
                HdfsError::RPCError(class, _) | HdfsError::FatalRPCError(class, _) => {
                    PASSING.iter().any(|passing| class.ends_with(passing))
                }
                _ => false,
            },
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Hdfs(error) if is_missing(error))
    }

    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Hdfs(HdfsError::AlreadyExists(_)))
    }

    fn is_denied(&self) -> bool {
        matches!(self, Self::Hdfs(HdfsError::RPCError(class, _)) if class.ends_with("AccessControlException"))
    }

    /// The error of a store, which says what was tried on which path.
    pub(super) fn at(self, what: &'static str, path: &str) -> Error {
        let source = format!("{what} {path}: {self}").into();
        let path = path.to_string();
        if self.is_missing() {
            return Error::NotFound { path, source };
        }
        if self.is_taken() {
            return Error::AlreadyExists { path, source };
        }
        if self.is_denied() {
            return Error::PermissionDenied { path, source };
        }
        Error::Generic {
            store: STORE,
            source,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => write!(f, "no answer within {} ms", limit.as_millis()),
            // a stack of Java follows
            Self::Hdfs(
                HdfsError::RPCError(class, text) | HdfsError::FatalRPCError(class, text),
            ) => {
                let text = text.lines().next().unwrap_or_default();
                write!(f, "{class}: {text}")
            }
            Self::Hdfs(error) => {
                let text = error.to_string();
                f.write_str(text.lines().next().unwrap_or_default())
            }
        }
    }
}

/// Whether the error says that a file or folder is not there.
pub(super) fn is_missing(error: &HdfsError) -> bool {
    match error {
        HdfsError::FileNotFound(_) => true,
        HdfsError::RPCError(class, _) => class.ends_with("FileNotFoundException"),
        _ => false,
    }
}

/// A failure of the store itself.
pub(super) fn generic(text: String) -> Error {
    Error::Generic {
        store: STORE,
        source: text.into(),
    }
}

/// The path as HDFS knows it.
pub(super) fn absolute(path: &Path) -> String {
    format!("/{path}")
}
