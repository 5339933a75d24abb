//! What concerns a metastore beside the files: what it knows of tables, and its tables of other kinds.

pub(super) mod migrate;
pub(super) mod repair;
