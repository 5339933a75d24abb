//! JSON metadata.

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Parses JSON.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::damaged(format!("{what} file is not valid")).with_source(e))
}
