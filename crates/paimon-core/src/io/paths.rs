//! Paths of many files, most of them in a few folders.

use object_store::path::Path;

use super::FileIo;
use crate::error::Result;

/// Turns locations into paths of a store. The folder of files that follow each other is checked once.
#[derive(Debug)]
pub struct FolderPaths<'a> {
    io: &'a FileIo,
    /// Location and path of the last folder.
    last: Option<(String, Path)>,
}

impl<'a> FolderPaths<'a> {
    /// Of files in this store.
    pub fn new(io: &'a FileIo) -> Self {
        Self { io, last: None }
    }

    /// The same as [`FileIo::path`].
    ///
    /// # Errors
    /// As [`FileIo::path`].
    pub fn path(&mut self, location: &str) -> Result<Path> {
        let Some((folder, name)) = location.rsplit_once('/') else {
            return self.io.path(location);
        };
        if folder.is_empty() || folder.ends_with('/') || !is_plain(name) {
            return self.io.path(location);
        }
        if let Some((known, path)) = &self.last
            && known == folder
        {
            return Ok(path.clone().join(name));
        }
        let path = self.io.path(folder)?;
        self.last = Some((folder.to_string(), path.clone()));
        Ok(path.join(name))
    }
}

/// Whether a path component needs neither a check nor an escape.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn paths_are_those_of_the_store() {
        for (prefix, start) in [
            ("file://", "/w"),
            ("memory://", "memory:/w"),
            ("s3://b", "s3://b"),
        ] {
            let io = FileIo::with_store(Arc::new(InMemory::new()), prefix);
            let mut paths = FolderPaths::new(&io);
            for rest in [
                "/t/bucket-0/data-1.parquet",
                "/t/bucket-0/data-2.parquet",
                "/t/k=a%20b/bucket-0/x y.orc",
                "/t/k=a%20b/bucket-0/x~y.orc",
                "/t/bucket-1/data-2.parquet",
                "/data",
            ] {
                let location = format!("{start}{rest}");
                let expected = io.path(&location).unwrap();
                assert_eq!(paths.path(&location).unwrap(), expected, "{location}");
            }
        }
    }

    #[test]
    fn what_the_store_refuses_is_refused() {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "file://");
        let mut paths = FolderPaths::new(&io);
        for location in [
            "/t/../u/f",
            "/t//f",
            "/t/..",
            "/t/.",
            "s3://b/t/f",
            "t/f",
            "/t/a\u{1}b",
        ] {
            assert!(io.path(location).is_err(), "{location}");
            assert!(paths.path(location).is_err(), "{location}");
        }
    }
}
