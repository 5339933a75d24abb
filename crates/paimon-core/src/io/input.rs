//! A file to read in ranges.

use std::ops::Range;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{FileIo, store_error};
use crate::error::{Error, Result};

/// A file to read in ranges: a path within a store and its size.
#[derive(Clone, Debug)]
pub struct InputFile {
    io: FileIo,
    path: Path,
    size: u64,
}

impl InputFile {
    pub(super) fn new(io: FileIo, path: Path, size: u64) -> Self {
        Self { io, path, size }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Full location, for messages.
    pub fn location(&self) -> String {
        format!("{}/{}", self.io.prefix, self.path)
    }

    /// Path within the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store.
    pub fn io(&self) -> &FileIo {
        &self.io
    }

    /// One range; an error when it reaches past the end.
    pub async fn read_range(&self, range: Range<u64>) -> Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let bytes = self
            .io
            .opened
            .store
            .get_range(&self.path, range.clone())
            .await
            .map_err(|e| store_error(e, &self.location()))?;
        self.check_length(wanted, bytes.len() as u64)?;
        Ok(bytes)
    }

    /// Several ranges, coalesced by the store client.
    pub async fn read_ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let parts = self
            .io
            .opened
            .store
            .get_ranges(&self.path, ranges)
            .await
            .map_err(|e| store_error(e, &self.location()))?;
        for (range, bytes) in ranges.iter().zip(&parts) {
            self.check_length(range.end - range.start, bytes.len() as u64)?;
        }
        Ok(parts)
    }

    fn check_length(&self, wanted: u64, got: u64) -> Result<()> {
        if wanted == got {
            return Ok(());
        }
        Err(Error::damaged(format!(
            "file is too short: expected {wanted} bytes, found {got}"
        ))
        .with("path", self.location()))
    }
}
