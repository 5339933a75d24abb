//! Compaction changes files, never rows.

mod goldens;
mod trees;
