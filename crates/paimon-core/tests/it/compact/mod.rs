//! Compaction changes files, never rows.

mod automatic;
mod changelogs;
mod cluster;
mod evolution;
mod goldens;
mod incremental;
pub(crate) mod trees;
