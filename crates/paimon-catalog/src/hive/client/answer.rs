//! What methods of the metastore come to: values, nothing, or the exceptions they declare.

use paimon_core::{Error, ErrorKind, Result};

use crate::hive::thrift::{Struct, Value};

/// Exceptions that methods declare, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    Meta,
    NoSuchObject,
    AlreadyExists,
    InvalidObject,
    InvalidOperation,
    UnknownDatabase,
    /// Of transactions and locks.
    Lock,
}

impl Declared {
    pub(super) fn error(self, method: &str, text: Option<String>) -> Error {
        let (kind, what) = match self {
            Self::NoSuchObject | Self::UnknownDatabase => (ErrorKind::NotFound, "does not find"),
            Self::AlreadyExists | Self::InvalidObject | Self::InvalidOperation => {
                (ErrorKind::InvalidInput, "does not allow")
            }
            Self::Meta | Self::Lock => (ErrorKind::Io, "failed at"),
        };
        let text = text.unwrap_or_else(|| "without a reason".into());
        // the first line: what follows may be a stack trace
        let text = text.lines().next().unwrap_or_default().trim().to_string();
        Error::new(kind, format!("the metastore {what} {method}: {text}")).with("exception", self)
    }
}

impl std::fmt::Display for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// What a method came to.
#[derive(Debug)]
pub(super) enum Answer {
    Value(Value),
    Exception(Declared, Error),
    Nothing,
}

impl Answer {
    pub(super) fn value(self, method: &str) -> Result<Value> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Exception(_, error) => Err(error),
            Self::Nothing => Err(Error::damaged(format!(
                "the metastore's answer to {method} holds no value"
            ))),
        }
    }

    /// `None` where the object does not exist.
    pub(super) fn found(self, method: &str) -> Result<Option<Value>> {
        match self {
            Self::Exception(Declared::NoSuchObject | Declared::UnknownDatabase, _) => Ok(None),
            other => other.value(method).map(Some),
        }
    }
}

/// A value as the only field of a struct, for typed access.
pub(super) fn alone(value: Value) -> Struct {
    Struct::of([value])
}

pub(super) fn structure(value: Value) -> Result<Struct> {
    Ok(alone(value).take_struct(1)?.unwrap_or_default())
}

pub(super) fn texts(value: Value) -> Result<Vec<String>> {
    Ok(alone(value).take_texts(1)?.unwrap_or_default())
}
