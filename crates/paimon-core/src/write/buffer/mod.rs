//! Rows of a primary-key bucket that are not in files yet: sorted and merged in memory, spilled to local disk.

pub(super) mod flush;
pub(super) mod memory;
pub(super) mod sort_buffer;
pub(super) mod spill;
