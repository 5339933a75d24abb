//! Compaction changes files, never rows.

mod automatic;
mod changelogs;
mod goldens;
mod trees;
