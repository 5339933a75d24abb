//! One data file: its columns as the table wants them, row ids, statistics.

pub(super) mod blobs;
pub(super) mod evolution;
pub(super) mod row_ids;
pub(super) mod scan;
pub(super) mod stats;
