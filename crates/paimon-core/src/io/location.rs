//! Locations as text.

use crate::error::{Error, Result};

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
