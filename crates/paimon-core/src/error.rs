//! The one error type of the engine.
//!
//! A kind tells the caller what to do next; the context says where (`path`, `table`, `snapshot_id`, `option`, ...).

use std::fmt;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A table, snapshot, tag, branch or column the caller named does not exist: fix the input.
    NotFound,
    /// The caller's input is wrong: fix the input.
    InvalidInput,
    /// A file of the table is damaged, missing or breaks the format.
    Damaged,
    /// The table uses a feature or option that this engine does not support (named in the message).
    Unsupported,
    /// The snapshot a reader works on was expired meanwhile: plan again.
    SnapshotExpired,
    /// Another commit changed what this one builds on, or won every race: read again and write anew.
    CommitConflict,
    /// The store failed: a retry may help.
    Io,
    /// A memory or size limit would be exceeded.
    ResourceExhausted,
    /// A bug of ours.
    Internal,
}

/// Result with the engine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Error with a kind, a message, `key = value` context and an optional source.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                context: Vec::new(),
                source: None,
            }),
        }
    }

    /// A damaged file: `expected` what the format demands, `found` what is there.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    /// Wrong input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// A feature this engine does not support.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A bug of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds one `key = value` pair.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.inner.context.push((key, value.to_string()));
        self
    }

    /// Adds `key = value` unless the key is there already (an inner layer knew it better).
    #[must_use]
    pub fn with_default(self, key: &'static str, value: impl ToString) -> Self {
        if self.inner.context.iter().any(|(k, _)| *k == key) {
            return self;
        }
        self.with(key, value)
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The message without context.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The context pairs, innermost first.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.inner.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        for (i, (key, value)) in self.inner.context.iter().enumerate() {
            write!(f, "{}{key} = {value}", if i == 0 { " (" } else { ", " })?;
        }
        if !self.inner.context.is_empty() {
            f.write_str(")")?;
        }
        if let Some(source) = &self.inner.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.inner.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_ref().map(|s| {
            let s: &(dyn std::error::Error + 'static) = s.as_ref();
            s
        })
    }
}

impl From<arrow_schema::ArrowError> for Error {
    fn from(error: arrow_schema::ArrowError) -> Self {
        match error {
            arrow_schema::ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::internal("arrow").with_source(other),
            },
            other => Error::new(ErrorKind::Internal, "arrow kernel failed").with_source(other),
        }
    }
}
