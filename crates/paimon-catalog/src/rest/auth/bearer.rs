//! Bearer tokens.
//!
//! Java: `org.apache.paimon.rest.auth.BearTokenAuthProvider`. A token in a file (`token-file`, which Java does not have)
//! may be replaced while the catalog is in use: it is read again when it gets old and when the service refuses it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use paimon_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

const TOKEN: &str = "token";
const TOKEN_FILE: &str = "token-file";
/// After which a token is read again from its file.
const FRESH: Duration = Duration::from_secs(60);

/// Where the token comes from.
#[derive(Clone)]
pub(in crate::rest) enum Bearer {
    Token(String),
    File {
        path: String,
        read: Arc<Mutex<Option<(Instant, String)>>>,
    },
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "a token",
            Self::File { .. } => "a token in a file",
        })
    }
}

impl Bearer {
    /// # Errors
    /// `InvalidInput` unless the options give one token or one file.
    pub(super) fn new(options: &BTreeMap<String, String>) -> Result<Self> {
        match (options.get(TOKEN), options.get(TOKEN_FILE)) {
            (Some(token), None) => Ok(Self::Token(token.clone())),
            (None, Some(path)) => Ok(Self::File {
                path: path.clone(),
                read: Arc::default(),
            }),
            _ => Err(Error::invalid(
                "one of the options token and token-file is expected: a bearer token, or a file that holds one",
            )
            .with("option", TOKEN)),
        }
    }

    /// The token, if it was needed before.
    pub(super) fn known(&self) -> Option<String> {
        match self {
            Self::Token(token) => Some(token.clone()),
            Self::File { read, .. } => {
                let read = read.try_lock().ok()?;
                read.as_ref().map(|(_, token)| token.clone())
            }
        }
    }

    /// The token; `refused` is the one that the service did not take.
    ///
    /// # Errors
    /// `Io` when the file cannot be read.
    pub(super) async fn token(&self, refused: Option<&str>) -> Result<String> {
        let (path, read) = match self {
            Self::Token(token) => return Ok(token.clone()),
            Self::File { path, read } => (path, read),
        };
        let mut read = read.lock().await;
        if let Some((since, token)) = read.as_ref()
            && since.elapsed() < FRESH
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        let text = tokio::fs::read_to_string(path).await.map_err(|e| {
            Error::new(ErrorKind::Io, "the file with the token cannot be read")
                .with("path", path)
                .with_source(e)
        })?;
        let token = text.trim().to_string();
        *read = Some((Instant::now(), token.clone()));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_token_that_was_refused_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let options = BTreeMap::from([(TOKEN_FILE.to_string(), path.display().to_string())]);
        let credentials = Bearer::new(&options).unwrap();
        assert_eq!(credentials.token(None).await.unwrap(), "one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(credentials.token(None).await.unwrap(), "one");
        assert_eq!(credentials.token(Some("one")).await.unwrap(), "two");
        assert_eq!(credentials.token(None).await.unwrap(), "two");
        assert!(!format!("{credentials:?}").contains("two"));
    }
}
