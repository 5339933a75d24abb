//! Writing data files: buckets, buffers, rolling files and the messages a commit takes.
//!
//! Source: `TableWriteImpl`, `AbstractFileStoreWrite`.

mod append;
pub mod assign;
mod buffer;
mod column_files;
mod context;
mod discard;
mod file;
mod metrics;
mod options;
mod pipeline;
mod removed_rows;
mod restore;
mod rewrite_without;
mod row_range;
pub mod stats;
mod table_writer;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use assign::{BucketMode, decode_hashes, encode_hashes};
pub(crate) use buffer::memory::{batch_memory, compact as compact_batch};
pub(crate) use buffer::spill::{RunReader, RunWriter, SpillBlock, SpillSpace, SpilledRun};
pub use column_files::ColumnFiles;
pub use context::{
    Clock, FixedBudget, IdSource, MemoryBudget, RandomIds, Reservation, SystemClock, WriteContext,
};
pub use discard::discard_files;
pub use file::data_file::{FileRole, FileSettings};
pub use file::paths::{DataFilePaths, NewFile};
pub use file::rolling::RollingFileWriter;
pub(crate) use file::rolling::blocking;
pub use file::rows::{FileLayout, FileRows, KeyValueBatch};
pub(crate) use file::vectors::{read_vectors, write_vectors};
pub use metrics::{Stage, WriteMetrics};
pub use options::{FileKind, SpillCompression, WriteOptions};
pub use pipeline::{PreparedRows, RowPipeline, default_value_of};
pub use removed_rows::{Removal, RemovedRows, remove_rows};
pub use rewrite_without::rewrite_without;
pub use row_range::RowRange;
pub use table_writer::{TableWriter, WriteSettings};
