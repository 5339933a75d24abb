//! Writes: what they are made of, and who commits.

pub(crate) mod new_table;
pub(crate) mod rows;
pub(crate) mod sink;
