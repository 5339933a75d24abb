//! Locations and the stores behind them.

use std::sync::{Arc, LazyLock};

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::error::{Error, Result};

static MEMORY: LazyLock<Arc<InMemory>> = LazyLock::new(|| Arc::new(InMemory::new()));

/// Splits a location into its store prefix (`file://`, `memory://`, `s3://bucket`) and the path in the store.
///
/// # Errors
/// `InvalidInput` for a relative path.
pub fn split_location(location: &str) -> Result<(String, &str)> {
    if location.starts_with('/') {
        return Ok(("file://".into(), location));
    }
    let Some((scheme, rest)) = location.split_once(':') else {
        return Err(Error::invalid("an absolute path or a URL is expected").with("path", location));
    };
    match scheme {
        "file" | "memory" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            Ok((format!("{scheme}://"), path))
        }
        _ => {
            let Some(rest) = rest.strip_prefix("//") else {
                return Err(Error::invalid(
                    "a URL of the form scheme://authority/path is expected",
                )
                .with("path", location));
            };
            let cut = rest.find('/').unwrap_or(rest.len());
            Ok((format!("{scheme}://{}", &rest[..cut]), &rest[cut..]))
        }
    }
}

/// The store for a prefix: the local file system or the process-wide memory store.
///
/// # Errors
/// `Unsupported` for any other scheme.
pub fn open_store(prefix: &str) -> Result<Arc<dyn ObjectStore>> {
    match prefix {
        "file://" => Ok(Arc::new(LocalFileSystem::new())),
        "memory://" => Ok(MEMORY.clone()),
        other => Err(
            Error::unsupported("store is not supported: local paths and memory: are")
                .with("store", other),
        ),
    }
}
