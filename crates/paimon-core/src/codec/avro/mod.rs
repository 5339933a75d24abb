//! Avro object container files: manifests and Avro data files.
//!
//! ```text
//! "Obj" 01 | metadata map (avro.schema, avro.codec) | sync marker, 16 bytes
//! block*:  record count | byte length | compressed records | sync marker
//! ```
//! Integers are zig-zag varints. Unlike Java's reader, a file that ends inside a block is an error.
//! Reading is bounded: header 1 MiB, block 64 MiB compressed and 256 MiB inflated; inflating stops at the limit.

mod compression;
mod container;
mod cursor;
mod schema;
mod writer;

pub use compression::{Codec, Inflater};
pub use container::{Block, BlockFrame, Blocks, Header, MAX_BLOCK_BYTES, MAX_HEADER_BYTES};
pub use cursor::Cursor;
pub use schema::{AvroField, AvroRecord, AvroType, LogicalType};
pub use writer::{BlockWriter, ContainerWriter, put_bytes, put_long};

#[cfg(test)]
mod tests;
