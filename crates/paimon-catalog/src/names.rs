//! Checked names and locations.

use paimon_core::{Error, Result};

#[cfg(any(feature = "hive", feature = "jdbc", feature = "rest"))]
use crate::catalog::PropertyChanges;

/// Refuses a name that is not one plain path component.
pub(crate) fn check_component(what: &'static str, name: &str) -> Result<()> {
    paimon_core::io::checked_name(name).map_err(|_| {
        Error::invalid(format!(
            "{what} name must be one plain path component, found {name:?}"
        ))
    })?;
    Ok(())
}

/// Makes a location absolute: a relative path is taken from the current folder, `.` and `..` are resolved by text.
/// URLs stay as they are, without a trailing slash.
///
/// # Errors
/// `InvalidInput` for an empty location, `Io` when the current folder is unknown.
pub fn absolute_location(location: &str) -> Result<String> {
    if location.trim().is_empty() {
        return Err(Error::invalid("a location must not be empty"));
    }
    let has_scheme = location
        .split_once(':')
        .is_some_and(|(scheme, _)| scheme.len() > 1 && scheme.chars().all(is_scheme_char));
    if has_scheme {
        return Ok(location.trim_end_matches('/').to_string());
    }
    let path = if location.starts_with('/') {
        location.to_string()
    } else {
        let current = std::env::current_dir().map_err(|e| {
            Error::new(paimon_core::ErrorKind::Io, "the current folder is unknown").with_source(e)
        })?;
        format!("{}/{location}", current.display())
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

fn is_scheme_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

/// Refuses changes of where a database lies: its tables would be left behind.
///
/// # Errors
/// `Unsupported`.
#[cfg(any(feature = "hive", feature = "jdbc", feature = "rest"))]
pub(crate) fn check_location_stays(database: &str, changes: &PropertyChanges) -> Result<()> {
    let mut keys = changes.set.keys().chain(&changes.removed);
    match keys.any(|key| key.eq_ignore_ascii_case("location")) {
        true => Err(Error::unsupported(
            "the location of a database cannot be changed: its tables would stay where they are",
        )
        .with("database", database)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn relative_paths_become_absolute() {
        let current = std::env::current_dir().unwrap();
        assert_eq!(
            absolute_location("./wh/../x").unwrap(),
            format!("{}/x", current.display())
        );
        assert_eq!(absolute_location("/a//b/./c/").unwrap(), "/a/b/c");
        assert_eq!(absolute_location("memory:/wh/").unwrap(), "memory:/wh");
        assert_eq!(absolute_location("s3://b/wh").unwrap(), "s3://b/wh");
        assert!(absolute_location(" ").is_err());
    }
}
