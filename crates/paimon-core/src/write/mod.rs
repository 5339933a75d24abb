//! Writing data files: buckets, buffers, rolling files and the messages a commit takes.
//!
//! Source: `TableWriteImpl`, `AbstractFileStoreWrite`.

pub mod stats;
#[cfg(test)]
pub(crate) mod testing;
