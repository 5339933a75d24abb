//! Sorted runs of buffered rows on local disk: where rows wait when memory is short.
//!
//! ```text
//! buffered rows --sort--> run 1 --+
//! buffered rows --sort--> run 2 --+--merge--> level-0 files of one flush
//! buffered rows ------------------+
//! ```
//!
//! A run is an Arrow IPC stream of blocks; all rows of a key lie in one block. Runs lie in a folder that is made with
//! the first of them and goes with the last of the write that owns it. Source: `BinaryExternalSortBuffer`,
//! `IOManagerImpl`.

mod merge;
mod run;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_ipc::CompressionType;
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::ArrowError;
use parking_lot::Mutex;

pub(super) use self::merge::{Blocks, Merged, RunMerge};
pub(super) use self::run::{RunWriter, SpilledRun};
use super::context::WriteContext;
use super::options::{SpillCompression, WriteOptions};
use crate::error::{Error, ErrorKind, Result};

/// Rows per block of a run, at least and at most.
const ROWS_PER_BLOCK: (usize, usize) = (64, 8192);

/// Bytes of a block, at least and at most: a merge holds two of each run.
const BYTES_PER_BLOCK: (usize, usize) = (16 << 10, 512 << 10);

/// Blocks of a run, about, where their size allows it: a small budget makes small runs, whose merge must fit it too.
const BLOCKS_PER_RUN: usize = 16;

/// Bytes of a block of rows that take `bytes` bytes together, about.
fn bytes_per_block(bytes: usize) -> usize {
    let (least, most) = BYTES_PER_BLOCK;
    (bytes / BLOCKS_PER_RUN).clamp(least, most)
}

/// Rows of a block when `rows` rows take `bytes` bytes.
fn rows_per_block(rows: usize, bytes: usize) -> usize {
    let (least, most) = ROWS_PER_BLOCK;
    (rows.saturating_mul(bytes_per_block(bytes)) / bytes.max(1)).clamp(least, most)
}

/// The folder that the runs of one write share.
#[derive(Debug)]
pub(super) struct SpillSpace {
    folder: PathBuf,
    /// Whether the folder exists.
    made: Mutex<bool>,
    /// Bytes on disk.
    used: AtomicU64,
    files: AtomicU64,
    bytes_max: u64,
    /// Runs of a bucket, at most.
    pub runs_max: usize,
    ipc: IpcWriteOptions,
}

impl SpillSpace {
    /// A folder of its own, not made yet.
    ///
    /// # Errors
    /// `InvalidInput` for a compression level that does not exist.
    pub fn new(options: &WriteOptions, context: &WriteContext) -> Result<Self> {
        let (codec, level) = match options.spill_compression {
            SpillCompression::None => (None, None),
            SpillCompression::Lz4 => (Some(CompressionType::LZ4_FRAME), None),
            SpillCompression::Zstd(level) => (Some(CompressionType::ZSTD), Some(level)),
        };
        let ipc = IpcWriteOptions::default()
            .try_with_compression(codec)
            .and_then(|ipc| ipc.try_with_compression_level(level))
            .map_err(|e| {
                Error::invalid("compression level does not exist")
                    .with("option", "spill-compression.zstd-level")
                    .with_source(e)
            })?;
        let name = format!("paimon-spill-{}", context.ids.uuid());
        Ok(Self {
            folder: context.spill_folder.join(name),
            made: Mutex::new(false),
            used: AtomicU64::new(0),
            files: AtomicU64::new(0),
            bytes_max: options.spill_bytes_max,
            runs_max: options.spill_runs_max,
            ipc,
        })
    }

    /// Whether the disk limit leaves room for one more run.
    pub fn has_room(&self) -> bool {
        self.used.load(Ordering::Acquire) < self.bytes_max
    }

    /// Path of a new run, in a folder that exists.
    fn next_path(&self) -> Result<PathBuf> {
        let mut made = self.made.lock();
        if !*made {
            make_private(&self.folder).map_err(|e| failed(&self.folder, e.into()))?;
            *made = true;
        }
        let number = self.files.fetch_add(1, Ordering::AcqRel);
        Ok(self.folder.join(format!("run-{number}.arrow")))
    }
}

impl Drop for SpillSpace {
    fn drop(&mut self) {
        if !*self.made.lock() {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %error, "could not remove spilled rows");
        }
    }
}

/// Makes a folder that others cannot look into: it will hold rows of a table.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Why a run could not be written or read.
fn failed(path: &Path, cause: ArrowError) -> Error {
    let full =
        matches!(&cause, ArrowError::IoError(_, e) if e.kind() == io::ErrorKind::StorageFull);
    let kind = if full {
        ErrorKind::ResourceExhausted
    } else {
        ErrorKind::Io
    };
    Error::new(
        kind,
        format!("buffered rows could not be spilled to local disk: {cause}"),
    )
    .with("path", path.display())
    .with("option", "write-buffer-spillable")
    .with_source(cause)
}
