//! Sorted runs on local disk: Arrow IPC streams of blocks, in a folder that is made with the first of them and goes with
//! the last. Source: `IOManagerImpl`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parking_lot::Mutex;

use super::KeyedRows;
use crate::error::{Error, ErrorKind, Result};
use crate::write::{SpillCompression, WriteContext, compact_batch};

const BUFFER_BYTES: usize = 64 << 10;

/// The folder that the runs of one sort share.
#[derive(Debug)]
pub(in crate::compact::cluster) struct RunSpace {
    folder: PathBuf,
    /// Whether the folder exists.
    made: Mutex<bool>,
    /// Bytes on disk.
    used: AtomicU64,
    files: AtomicU64,
    bytes_max: u64,
    ipc: IpcWriteOptions,
}

impl RunSpace {
    /// A folder of its own for `bytes_max` bytes at most, not made yet.
    ///
    /// # Errors
    /// `InvalidInput` for a compression level that does not exist.
    pub fn new(
        context: &WriteContext,
        bytes_max: u64,
        compression: SpillCompression,
    ) -> Result<Self> {
        let (codec, level) = match compression {
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
        let name = format!("paimon-sort-{}", context.ids.uuid());
        Ok(Self {
            folder: context.spill_folder.join(name),
            made: Mutex::new(false),
            used: AtomicU64::new(0),
            files: AtomicU64::new(0),
            bytes_max,
            ipc,
        })
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

    #[cfg(test)]
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Acquire)
    }
}

impl Drop for RunSpace {
    fn drop(&mut self) {
        if !*self.made.lock() {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %error, "could not remove sorted runs");
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

/// A file of a run; gone when dropped.
#[derive(Debug)]
struct RunFile {
    path: PathBuf,
    bytes: u64,
    space: Arc<RunSpace>,
}

impl Drop for RunFile {
    fn drop(&mut self) {
        self.space.used.fetch_sub(self.bytes, Ordering::AcqRel);
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a sorted run");
        }
    }
}

/// Writes a run block by block. A run that is not finished is removed.
pub(super) struct RunWriter {
    // closed before its file is removed
    stream: StreamWriter<BufWriter<File>>,
    file: RunFile,
    schema: SchemaRef,
    rows: usize,
}

/// A run that is complete. Its file goes when it is dropped.
#[derive(Debug)]
pub(in crate::compact::cluster) struct Run {
    file: RunFile,
    /// The rows' columns.
    schema: SchemaRef,
    rows: usize,
    rows_per_block: usize,
}

impl RunWriter {
    /// An empty run of rows with these columns.
    ///
    /// # Errors
    /// `Io` when the disk fails, `ResourceExhausted` when it or the space is full.
    pub fn create(space: &Arc<RunSpace>, schema: &SchemaRef) -> Result<Self> {
        let path = space.next_path()?;
        let open = File::create_new(&path).map_err(|e| failed(&path, e.into()))?;
        let file = RunFile {
            path,
            bytes: 0,
            space: Arc::clone(space),
        };
        let sink = BufWriter::with_capacity(BUFFER_BYTES, open);
        let stream =
            StreamWriter::try_new_with_options(sink, &run_schema(schema), space.ipc.clone());
        Ok(Self {
            stream: stream.map_err(|e| failed(&file.path, e))?,
            file,
            schema: Arc::clone(schema),
            rows: 0,
        })
    }

    /// Appends rows, whose keys are not below those that are there.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn write(&mut self, block: &KeyedRows) -> Result<()> {
        let mut columns = compact_batch(&block.rows)?.columns().to_vec();
        columns.push(Arc::new(block.keys.clone()));
        let batch = RecordBatch::try_new(run_schema(&self.schema), columns)?;
        self.rows += batch.num_rows();
        let written = self.stream.write(&batch);
        written.map_err(|e| failed(&self.file.path, e))
    }

    /// Ends the run, whose blocks have so many rows.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn finish(mut self, rows_per_block: usize) -> Result<Run> {
        let path = &self.file.path;
        let ended = self.stream.finish().and_then(|()| self.stream.flush());
        ended.map_err(|e| failed(path, e))?;
        let bytes = self.stream.get_ref().get_ref().metadata();
        self.file.bytes = bytes.map_err(|e| failed(path, e.into()))?.len();
        let space = &self.file.space;
        let before = space.used.fetch_add(self.file.bytes, Ordering::AcqRel);
        if before.saturating_add(self.file.bytes) > space.bytes_max {
            return Err(Error::new(
                ErrorKind::ResourceExhausted,
                format!(
                    "the rows to sort take more than {} bytes on disk",
                    space.bytes_max
                ),
            )
            .with("option", "write-buffer-spill.max-disk-size"));
        }
        Ok(Run {
            file: self.file,
            schema: self.schema,
            rows: self.rows,
            rows_per_block,
        })
    }
}

impl Run {
    /// Rows of a block, at most.
    pub fn rows_per_block(&self) -> usize {
        self.rows_per_block
    }

    /// Begins to read.
    ///
    /// # Errors
    /// `Io` when the disk fails.
    pub(super) fn open(self) -> Result<RunReader> {
        let path = &self.file.path;
        let open = File::open(path).map_err(|e| failed(path, e.into()))?;
        let source = BufReader::with_capacity(BUFFER_BYTES, open);
        let stream = StreamReader::try_new(source, None).map_err(|e| failed(path, e))?;
        Ok(RunReader {
            stream,
            found: 0,
            run: self,
        })
    }
}

/// Reads a run block by block; the file goes with it.
pub(super) struct RunReader {
    stream: StreamReader<BufReader<File>>,
    found: usize,
    run: Run,
}

impl RunReader {
    /// The next block, never without rows; `None` at the end.
    ///
    /// # Errors
    /// `Io` when the disk fails or gives back something else than was written.
    pub fn next(&mut self) -> Result<Option<KeyedRows>> {
        let path = &self.run.file.path;
        let Some(batch) = self.stream.next() else {
            if self.found != self.run.rows {
                let text = format!("{} of {} rows are left", self.found, self.run.rows);
                return Err(failed(path, ArrowError::IpcError(text)));
            }
            return Ok(None);
        };
        let batch = batch.map_err(|e| failed(path, e))?;
        self.found += batch.num_rows();
        let mut columns = batch.columns().to_vec();
        let keys = columns.pop();
        let keys = keys.as_ref().and_then(|k| k.as_binary_opt::<i32>());
        let keys = keys.ok_or_else(|| Error::internal("a sorted run lacks its keys"))?;
        Ok(Some(KeyedRows {
            keys: keys.clone(),
            rows: RecordBatch::try_new(Arc::clone(&self.run.schema), columns)?,
        }))
    }
}

/// The columns of a run: those of the rows, sort key.
fn run_schema(rows: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> = rows.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("key", DataType::Binary, false)));
    Arc::new(Schema::new(fields))
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
        format!("rows could not be sorted on local disk: {cause}"),
    )
    .with("path", path.display())
    .with_source(cause)
}
