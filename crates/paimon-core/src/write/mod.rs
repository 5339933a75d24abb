//! Writing data files: buckets, buffers, rolling files and the messages a commit takes.
//!
//! Source: `TableWriteImpl`, `AbstractFileStoreWrite`.

mod append;
pub mod assign;
mod column_files;
mod context;
mod data_file;
mod discard;
mod key_value;
mod memory;
mod options;
mod paths;
mod pipeline;
mod removed_rows;
mod restore;
mod rolling;
mod rows;
mod sort_buffer;
mod spill;
pub mod stats;
mod table_writer;
#[cfg(test)]
pub(crate) mod testing;
mod vector_files;

pub use column_files::{ColumnFiles, RowRange};
pub use context::{
    Clock, FixedBudget, IdSource, MemoryBudget, RandomIds, Reservation, SystemClock, WriteContext,
};
pub use data_file::{FileRole, FileSettings};
pub use discard::discard_files;
pub(crate) use memory::{batch_memory, compact as compact_batch};
pub use options::{FileKind, SpillCompression, WriteOptions};
pub use paths::{DataFilePaths, NewFile};
pub use pipeline::{PreparedRows, RowPipeline};
pub use removed_rows::{Removal, RemovedRows, remove_rows};
pub use rolling::RollingFileWriter;
pub(crate) use rolling::blocking;
pub use rows::{FileLayout, FileRows, KeyValueBatch};
pub(crate) use spill::{RunReader, RunWriter, SpillBlock, SpillSpace, SpilledRun};
pub use table_writer::{TableWriter, WriteSettings};
pub(crate) use vector_files::{read_vectors, write_vectors};
