//! One sorted run on disk.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::{SpillSpace, bytes_per_block, failed};
use crate::error::{Error, Result};
use crate::write::memory::compact;
use crate::write::rows::KeyValueBatch;

const BUFFER_BYTES: usize = 256 << 10;

/// A file of a run; gone when dropped.
#[derive(Debug)]
struct RunFile {
    path: PathBuf,
    bytes: u64,
    space: Arc<SpillSpace>,
}

impl Drop for RunFile {
    fn drop(&mut self) {
        self.space.used.fetch_sub(self.bytes, Ordering::AcqRel);
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove spilled rows");
        }
    }
}

/// Writes a run block by block. A run that is not finished is removed.
pub(in crate::write) struct RunWriter {
    stream: StreamWriter<BufWriter<File>>,
    file: RunFile,
    /// The table's columns.
    schema: SchemaRef,
    rows: usize,
}

/// A run that is complete. Its file goes when it is dropped.
#[derive(Debug)]
pub(in crate::write) struct SpilledRun {
    file: RunFile,
    schema: SchemaRef,
    rows: usize,
    /// Memory of a block, about.
    block_bytes: usize,
}

impl RunWriter {
    /// An empty run of rows with these columns.
    ///
    /// # Errors
    /// `Io` or `ResourceExhausted` when the disk fails or is full.
    pub fn create(space: &Arc<SpillSpace>, schema: &SchemaRef) -> Result<Self> {
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

    /// Appends a block: rows of keys that no other block holds, after all that are there.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn write(&mut self, block: &KeyValueBatch) -> Result<()> {
        let values = compact(&block.values)?;
        let mut columns = values.columns().to_vec();
        columns.push(Arc::new(block.sequence.clone()));
        columns.push(Arc::new(block.kinds.clone()));
        let batch = RecordBatch::try_new(run_schema(&self.schema), columns)?;
        self.rows += batch.num_rows();
        let written = self.stream.write(&batch);
        written.map_err(|e| failed(&self.file.path, e))
    }

    /// Ends the run, whose rows took `rows_bytes` bytes of memory.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn finish(mut self, rows_bytes: usize) -> Result<SpilledRun> {
        let path = &self.file.path;
        let ended = self.stream.finish().and_then(|()| self.stream.flush());
        ended.map_err(|e| failed(path, e))?;
        let bytes = self.stream.get_ref().get_ref().metadata();
        let bytes = bytes.map_err(|e| failed(path, e.into()))?.len();
        self.file.bytes = bytes;
        self.file.space.used.fetch_add(bytes, Ordering::AcqRel);
        Ok(SpilledRun {
            file: self.file,
            schema: self.schema,
            rows: self.rows,
            block_bytes: bytes_per_block(rows_bytes),
        })
    }
}

impl SpilledRun {
    /// Bytes of memory that a merge takes for it, about: the block being merged and the one being read.
    pub fn merge_bytes(&self) -> usize {
        2 * self.block_bytes
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
    run: SpilledRun,
}

impl RunReader {
    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// `Io` when the disk fails or gives back something else than was written.
    pub fn next(&mut self) -> Result<Option<KeyValueBatch>> {
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
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        let (Some(kinds), Some(sequence)) = (columns.pop(), columns.pop()) else {
            return Err(Error::internal("a spilled block lacks its system columns"));
        };
        Ok(Some(KeyValueBatch {
            values: RecordBatch::try_new(Arc::clone(&self.run.schema), columns)?,
            sequence: sequence.as_primitive::<Int64Type>().clone(),
            kinds: kinds.as_primitive::<Int8Type>().clone(),
        }))
    }
}

/// The columns of a run: the table's, sequence number, kind.
fn run_schema(values: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> = values.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("sequence", DataType::Int64, false)));
    fields.push(Arc::new(Field::new("kind", DataType::Int8, false)));
    Arc::new(Schema::new(fields))
}
