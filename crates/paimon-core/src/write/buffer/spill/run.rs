//! One sorted run on disk.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};

use super::space::{SpillSpace, failed};
use crate::error::{Error, Result};
use crate::write::buffer::memory::{batch_memory, compact};

const BUFFER_BYTES: usize = 64 << 10;

/// Rows that runs are made of: a table's columns and some beside them.
pub(crate) trait SpillBlock: Sized {
    /// The columns beside the table's, always as many.
    fn extra_fields() -> Vec<Field>;

    /// The table's columns, and the others.
    fn columns(&self) -> (&RecordBatch, Vec<ArrayRef>);

    /// Rows of these columns.
    ///
    /// # Errors
    /// `Internal` when the other columns are not those of [`Self::extra_fields`].
    fn of(rows: RecordBatch, extra: Vec<ArrayRef>) -> Result<Self>;
}

/// A file of a run; gone when dropped.
#[derive(Debug)]
struct RunFile {
    path: PathBuf,
    bytes: AtomicU64,
    space: Arc<SpillSpace>,
}

impl Drop for RunFile {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Acquire);
        self.space.used.fetch_sub(bytes, Ordering::AcqRel);
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove spilled rows");
        }
    }
}

/// Counts what goes to disk.
struct Metered {
    // closed before it is removed
    open: File,
    file: Arc<RunFile>,
}

impl Write for Metered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.open.write(bytes)?;
        let count = u64::try_from(written).unwrap_or(u64::MAX);
        self.file.bytes.fetch_add(count, Ordering::AcqRel);
        self.file.space.used.fetch_add(count, Ordering::AcqRel);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.flush()
    }
}

/// What is known of a run beside its rows.
#[derive(Debug)]
struct RunShape {
    /// The table's columns.
    schema: SchemaRef,
    rows: usize,
    /// Rows of its longest block.
    block_rows: usize,
    /// Memory of its largest block.
    block_bytes: usize,
}

/// Writes a run block by block. A run that is not finished is removed.
pub(crate) struct RunWriter<B> {
    stream: StreamWriter<BufWriter<Metered>>,
    file: Arc<RunFile>,
    shape: RunShape,
    blocks: PhantomData<fn(B)>,
}

/// A run that is complete. Its file goes when it is dropped.
#[derive(Debug)]
pub(crate) struct SpilledRun<B> {
    file: Arc<RunFile>,
    shape: RunShape,
    blocks: PhantomData<fn() -> B>,
}

impl<B: SpillBlock> RunWriter<B> {
    /// An empty run of rows with these columns of a table.
    ///
    /// # Errors
    /// `Io` or `ResourceExhausted` when the disk fails or is full.
    pub fn create(space: &Arc<SpillSpace>, schema: &SchemaRef) -> Result<Self> {
        let path = space.next_path()?;
        let open = File::create_new(&path).map_err(|e| failed(&path, e.into()))?;
        let file = Arc::new(RunFile {
            path,
            bytes: AtomicU64::new(0),
            space: Arc::clone(space),
        });
        let sink = Metered {
            open,
            file: Arc::clone(&file),
        };
        let sink = BufWriter::with_capacity(BUFFER_BYTES, sink);
        let columns = run_schema::<B>(schema);
        let stream = StreamWriter::try_new_with_options(sink, &columns, space.encoding());
        Ok(Self {
            stream: stream.map_err(|e| failed(&file.path, e))?,
            file,
            shape: RunShape {
                schema: Arc::clone(schema),
                rows: 0,
                block_rows: 0,
                block_bytes: 0,
            },
            blocks: PhantomData,
        })
    }

    /// Appends a block, whose rows come after all that are there.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn write(&mut self, block: &B) -> Result<()> {
        let (rows, extra) = block.columns();
        let mut columns = compact(rows)?.columns().to_vec();
        columns.extend(extra);
        let batch = RecordBatch::try_new(run_schema::<B>(&self.shape.schema), columns)?;
        let shape = &mut self.shape;
        shape.rows += batch.num_rows();
        shape.block_rows = shape.block_rows.max(batch.num_rows());
        shape.block_bytes = shape.block_bytes.max(batch_memory(&batch));
        let written = self.stream.write(&batch);
        written.map_err(|e| failed(&self.file.path, e))
    }

    /// Ends the run.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn finish(mut self) -> Result<SpilledRun<B>> {
        let ended = self.stream.finish().and_then(|()| self.stream.flush());
        ended.map_err(|e| failed(&self.file.path, e))?;
        Ok(SpilledRun {
            file: self.file,
            shape: self.shape,
            blocks: PhantomData,
        })
    }
}

impl<B: SpillBlock> SpilledRun<B> {
    /// Bytes of memory that a merge takes for it, about: the block being merged and the one being read.
    pub fn merge_bytes(&self) -> usize {
        2 * self.shape.block_bytes
    }

    /// Bytes on disk.
    pub fn file_bytes(&self) -> u64 {
        self.file.bytes.load(Ordering::Acquire)
    }

    /// Rows of its longest block.
    pub fn block_rows(&self) -> usize {
        self.shape.block_rows
    }

    /// Begins to read.
    ///
    /// # Errors
    /// `Io` when the disk fails.
    pub fn open(self) -> Result<RunReader<B>> {
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
pub(crate) struct RunReader<B> {
    stream: StreamReader<BufReader<File>>,
    found: usize,
    run: SpilledRun<B>,
}

impl<B: SpillBlock> RunReader<B> {
    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// `Io` when the disk fails or gives back something else than was written.
    pub fn next(&mut self) -> Result<Option<B>> {
        let path = &self.run.file.path;
        let shape = &self.run.shape;
        let Some(batch) = self.stream.next() else {
            if self.found != shape.rows {
                let text = format!("{} of {} rows are left", self.found, shape.rows);
                return Err(failed(path, ArrowError::IpcError(text)));
            }
            return Ok(None);
        };
        let batch = batch.map_err(|e| failed(path, e))?;
        self.found += batch.num_rows();
        let mut columns = batch.columns().to_vec();
        if columns.len() < shape.schema.fields().len() {
            return Err(Error::internal("a spilled block lacks columns"));
        }
        let extra = columns.split_off(shape.schema.fields().len());
        let rows = RecordBatch::try_new(Arc::clone(&shape.schema), columns)?;
        B::of(rows, extra).map(Some)
    }
}

/// The columns of a run: the table's, then the others.
fn run_schema<B: SpillBlock>(rows: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> = rows.fields().iter().cloned().collect();
    fields.extend(B::extra_fields().into_iter().map(Arc::new));
    Arc::new(Schema::new(fields))
}
