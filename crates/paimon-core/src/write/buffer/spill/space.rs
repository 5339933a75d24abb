//! The folder of spilled runs, and how much of the disk it may take.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_ipc::CompressionType;
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::ArrowError;
use parking_lot::Mutex;

use super::owner::OwnedFolder;
use crate::error::{Error, ErrorKind, Result};
use crate::write::context::WriteContext;
use crate::write::options::SpillCompression;

/// Bytes on disk from which on [`SpillCompression::WhenMuch`] compresses. So much stays in the system's cache of files on
/// most machines, and is gone before it is written to a disk.
const MUCH_BYTES: u64 = 2 << 30;

/// The same where less is allowed: the fourth part of it.
const MUCH_OF_LIMIT: u64 = 4;

/// The folder that the runs of one write or one sort share. It is made with the first run
/// and goes with the space; the next process removes it if this one is killed.
#[derive(Debug)]
pub(crate) struct SpillSpace {
    pub(super) folder: PathBuf,
    /// `None` until the folder exists.
    owned: Mutex<Option<OwnedFolder>>,
    /// Bytes on disk.
    pub(super) used: AtomicU64,
    files: AtomicU64,
    bytes_max: u64,
    /// Runs are not compressed while less is on disk.
    plain_bytes: u64,
    compressed: IpcWriteOptions,
}

impl SpillSpace {
    /// A folder of its own for about `bytes_max` bytes, not made yet.
    ///
    /// # Errors
    /// `InvalidInput` for a compression level that does not exist.
    pub fn new(
        context: &WriteContext,
        bytes_max: u64,
        compression: SpillCompression,
    ) -> Result<Self> {
        let plain_bytes = match compression {
            SpillCompression::WhenMuch => MUCH_BYTES.min(bytes_max / MUCH_OF_LIMIT),
            _ => 0,
        };
        let (codec, level) = match compression {
            SpillCompression::None => (None, None),
            SpillCompression::WhenMuch | SpillCompression::Lz4 => {
                (Some(CompressionType::LZ4_FRAME), None)
            }
            SpillCompression::Zstd(level) => (Some(CompressionType::ZSTD), Some(level)),
        };
        let compressed = IpcWriteOptions::default()
            .try_with_compression(codec)
            .and_then(|ipc| ipc.try_with_compression_level(level))
            .map_err(|e| {
                Error::invalid("compression level does not exist")
                    .with("option", "spill-compression.zstd-level")
                    .with_source(e)
            })?;
        let id = context.ids.uuid().to_string();
        Ok(Self {
            folder: OwnedFolder::path(&context.spill_folder, &id),
            owned: Mutex::new(None),
            used: AtomicU64::new(0),
            files: AtomicU64::new(0),
            bytes_max,
            plain_bytes,
            compressed,
        })
    }

    /// How a run that begins now is encoded.
    pub(super) fn encoding(&self) -> IpcWriteOptions {
        match self.used.load(Ordering::Acquire) < self.plain_bytes {
            true => IpcWriteOptions::default(),
            false => self.compressed.clone(),
        }
    }

    /// Whether less is on disk than may be.
    pub fn has_room(&self) -> bool {
        self.used.load(Ordering::Acquire) < self.bytes_max
    }

    /// Fails when more is on disk than may be.
    ///
    /// # Errors
    /// `ResourceExhausted`.
    pub fn check(&self) -> Result<()> {
        if self.used.load(Ordering::Acquire) <= self.bytes_max {
            return Ok(());
        }
        let text = format!(
            "the spilled rows take more than {} bytes on disk",
            self.bytes_max
        );
        Err(Error::new(ErrorKind::ResourceExhausted, text)
            .with("option", "write-buffer-spill.max-disk-size"))
    }

    /// Path of a new run, in a folder that exists.
    pub(super) fn next_path(&self) -> Result<PathBuf> {
        let mut owned = self.owned.lock();
        if owned.is_none() {
            let made = OwnedFolder::make(&self.folder);
            *owned = Some(made.map_err(|e| failed(&self.folder, e.into()))?);
        }
        let number = self.files.fetch_add(1, Ordering::AcqRel);
        Ok(self.folder.join(format!("run-{number}.arrow")))
    }

    /// Runs written so far.
    #[cfg(test)]
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Acquire)
    }
}

/// Why a run could not be written or read.
pub(super) fn failed(path: &Path, cause: ArrowError) -> Error {
    let full =
        matches!(&cause, ArrowError::IoError(_, e) if e.kind() == io::ErrorKind::StorageFull);
    let kind = if full {
        ErrorKind::ResourceExhausted
    } else {
        ErrorKind::Io
    };
    Error::new(
        kind,
        format!("rows could not be spilled to local disk: {cause}"),
    )
    .with("path", path.display())
    .with("option", "write-buffer-spillable")
    .with_source(cause)
}
